"""Visa's Compelling Evidence 3.0: two earlier payments by the same card, as Stripe takes them in a form of their own.

Where it fits, Visa sides with us by rule. Stripe looks at it and answers whether it qualifies; what does not goes to the bank as the texts
say it. Source: Stripe, "Visa Compelling Evidence 3.0 disputes": the network's reason code is 10.4, the earlier payments are 120 to 364 days
older and undisputed, all three are described, and the network address and one more sign of the customer are the same in all three.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import config
from portal.core.audit import AuditEvent
from portal.core.errors import N_
from portal.disputes.models import Dispute
from portal.evidence import gathering
from portal.identity.models import User
from portal.payments.models import Payment

VISA: Final = "visa"
FRAUD_WITHOUT_CARD: Final = "10.4"
# So many events of a customer's own are looked at for whether an address was changed meanwhile.
MOST_CHANGES: Final = 50
# Characters of one of these. Source: Stripe's API reference, "Update a dispute".
LONGEST_DESCRIPTION: Final = 20_000

STATUSES: Final[dict[str, str]] = {
    "qualified": N_("It qualifies: Visa gets it in its own form."),
    "requires_action": N_("Something is missing. Without it the bank gets the texts alone."),
    "not_qualified": N_("It does not qualify. The bank gets the texts alone."),
}
# What Stripe finds missing.
ACTIONS: Final[dict[str, str]] = {
    "missing_customer_identifiers": N_(
        "A network address and an e-mail address or sign-in that are the same in all three payments"
    ),
    "missing_disputed_transaction_description": N_("What was sold with the disputed payment"),
    "missing_merchandise_or_services": N_("Whether goods or services were sold"),
    "missing_prior_undisputed_transaction_description": N_("What was sold with the earlier payments"),
    "missing_prior_undisputed_transactions": N_("Two earlier payments"),
}


def may_be_given(dispute: Dispute) -> bool:
    """Whether Visa takes it for this dispute."""
    return (dispute.card_brand, dispute.network_reason_code) == (VISA, FRAUD_WITHOUT_CARD) and not dispute.is_inquiry


def of_dispute(session: Session, dispute: Dispute, texts: Mapping[str, str]) -> dict[str, Any] | None:
    """In Stripe's shape; None where it may not be given, or there are not two earlier payments. `texts` are those of the evidence.

    `dispute` has its payment and its customer loaded. What is not kept here, such as a network address, is left out; so is an address
    that was changed since the first of the three payments, for then it is not known to be that of all.
    """
    earlier = gathering.earlier_payments(session, dispute) if may_be_given(dispute) else []
    if len(earlier) != gathering.MOST_EARLIER:
        return None
    payments = [dispute.payment, *earlier]
    changed = _changed_since(session, dispute.customer_id, min(one.created_at for one in payments))
    signs = [_signs(session, one, dispute, changed) for one in payments]
    described = texts.get("product_description") or _described(session, dispute.payment)
    kind = "merchandise" if config.current().company.supplies == "goods" else "services"
    return {
        "disputed_transaction": signs[0] | {"product_description": described, "merchandise_or_services": kind},
        "prior_undisputed_transactions": [
            {"charge": one.stripe_charge_id} | of_one | {"product_description": _described(session, one)}
            for one, of_one in zip(earlier, signs[1:], strict=True)
        ],
    }


def _described(session: Session, payment: Payment) -> str:
    return gathering.sold(payment, gathering.invoices_of(session, payment))[:LONGEST_DESCRIPTION]


def _signs(session: Session, payment: Payment, dispute: Dispute, changed: Collection[str]) -> dict[str, str]:
    """By what the customer is known: their sign-in, which they recognize, the billed address, and where they paid from."""
    person_id = gathering.payer_of(session, payment)
    person = session.get(User, person_id) if person_id and person_id not in changed else None
    found = {
        "customer_account_id": person.email if person is not None else "",
        "customer_email_address": "" if dispute.customer_id in changed else dispute.customer.email,
        "customer_purchase_ip": gathering.network(session, payment),
    }
    return {name: text for name, text in found.items() if text}


def _changed_since(session: Session, customer_id: str, at: datetime) -> set[str]:
    """Whose e-mail address was changed since then: ids of people, and of the customer."""
    query = (
        select(AuditEvent.subject, AuditEvent.action, AuditEvent.facts)
        .where(AuditEvent.customer_id == customer_id, AuditEvent.at >= at)
        .where(AuditEvent.action.in_(("customer.changed", "user.email_changed")))
        .order_by(AuditEvent.number.desc())
        .limit(MOST_CHANGES)
    )
    found = session.execute(query)
    return {subject for subject, action, facts in found if action != "customer.changed" or "email" in facts}
