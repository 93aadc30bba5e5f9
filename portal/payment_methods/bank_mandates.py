"""The mandates by which bank accounts are debited, as Stripe tells of them: given with the account, and ended by its holder or their bank.

They are not portal.mandates', a customer's permission to charge whatever is the default. A payment method may have had several; what counts
is the last one that holds. Source: Stripe's API reference, "Mandates", and `mandate.updated`.
"""

from __future__ import annotations

from typing import Final

import structlog

from portal import gateway
from portal.accounts.models import Customer
from portal.content import language, mail
from portal.core import audit, config, db
from portal.core.errors import N_
from portal.payment_methods import jobs, keeping, queries
from portal.payment_methods.models import PaymentMethod
from portal.payment_methods.statuses import MandateStatus

log = structlog.get_logger(__name__)

SUBJECT: Final = N_("A direct debit mandate to %(company)s has ended")


def follow(stripe_mandate_id: str) -> bool:
    """Bring what is kept of a mandate in line with Stripe; returns False when it belongs to no payment method here.

    One that ended takes the place as the default with it, and its customer is told. The payment method is looked up first: one that was
    removed ends its mandate as well, and nobody needs a mail about that. Raises the gateway's errors. A second call changes nothing.
    """
    mandate = gateway.current().retrieve_mandate(stripe_mandate_id)
    keeping.upsert(mandate.method_id)
    with db.transaction() as session:
        row = queries.by_method(session, mandate.method_id)
        if row is None:
            return False
        keeping.lock_customer(session, row.customer_id)
        session.refresh(row)
        if row.removed_at is not None:
            return True
        ended = mandate.status == MandateStatus.INACTIVE
        if ended and row.stripe_mandate_id not in {None, mandate.id}:
            return True  # another one holds
        known = (row.stripe_mandate_id, row.mandate_reference, row.mandate_status)
        if known == (mandate.id, mandate.reference, mandate.status):
            return True
        was_revoked = row.is_revoked
        row.stripe_mandate_id, row.mandate_reference, row.mandate_status = mandate.id, mandate.reference, mandate.status
        facts = {"mandate": mandate.id, "status": mandate.status}
        audit.record(session, "payment_method.mandate", row.id, facts, customer_id=row.customer_id)
        if ended and not was_revoked:
            log.warning("direct_debit_mandate_ended", payment_method_id=row.id)
            jobs.mail_mandate_ended.enqueue(session, payment_method_id=row.id, stripe_mandate_id=mandate.id)
            if row.is_default:
                keeping.see_to_a_default(session, row.customer_id)
        return True


def mail_ended(payment_method_id: str, stripe_mandate_id: str) -> None:
    """Tell a customer that their account is not debited any more. Raises what mail.send raises when the server refuses.

    Nothing is sent of one that was removed, or has another mandate by now.
    """
    with db.reading() as session:
        method = session.get_one(PaymentMethod, payment_method_id)
        customer = session.get_one(Customer, method.customer_id)
        default = queries.default_method(session, customer.id)
    if method.removed_at is not None or not method.is_revoked or method.stripe_mandate_id != stripe_mandate_id:
        return
    locale = language.supported(customer.language)
    mail.send(
        key=f"mandate_ended:{stripe_mandate_id}",
        to=customer.email,
        subject=language.translate(SUBJECT, locale, company=config.current().company.name),
        template="payment_methods/mails/mandate_ended",
        locale=locale,
        customer_id=customer.id,
        name=customer.name,
        method=method,
        default=default,
    )
