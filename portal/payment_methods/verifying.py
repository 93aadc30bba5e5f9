"""American accounts that their holder types in are verified by small amounts: where the holder types which ones arrived.

The page is Stripe's, which writes to the holder, too. Source: Stripe, "ACH Direct Debit", microdeposits.
"""

from __future__ import annotations

from typing import Final

from portal.accounts.models import Customer
from portal.content import language, mail
from portal.core import config, db
from portal.core.errors import N_
from portal.payment_methods.models import PaymentMethodSetup

SUBJECT: Final = N_("Please verify your bank account for %(company)s")


def mail_setup(setup_id: str) -> None:
    """Tell a customer where to verify the account that they add. Nothing is sent once that is over. Raises what mail.send raises."""
    with db.reading() as session:
        setup = session.get_one(PaymentMethodSetup, setup_id)
        customer_id, url = setup.customer_id, setup.verification_url
    if url:
        send(f"verification:{setup_id}", customer_id, url, number="")


def send(key: str, customer_id: str, url: str, *, number: str, to: str = "") -> None:
    """The mail with the page, in the customer's language, `to` another address than the customer's if one is given; `number` is the
    invoice's that waits for it, if one does.
    """
    with db.reading() as session:
        customer = session.get_one(Customer, customer_id)
    locale = language.supported(customer.language)
    mail.send(
        key=key,
        to=to or customer.email,
        subject=language.translate(SUBJECT, locale, company=config.current().company.name),
        template="payment_methods/mails/verification",
        locale=locale,
        customer_id=customer.id,
        name="" if to else customer.name,
        number=number,
        link=url,
    )
