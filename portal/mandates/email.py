"""The mails about automatic payment: switched on and off, the notice before a charge, what failed, and the note to staff."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from portal import gateway
from portal.accounts.models import Customer
from portal.content import mail
from portal.content.language import date_text, supported, translate
from portal.core import config, db
from portal.core.errors import N_
from portal.mandates import queries, service, statuses
from portal.mandates.models import Mandate
from portal.mandates.statuses import CollectionStatus
from portal.payment_methods.models import PaymentMethod

ASKS_HOLDER: Final = "authentication_required"

_NO_METHOD: Final = N_("There is no payment method that we could charge. Please add one.")
_EXPIRED: Final = N_("Your default card has expired. Please add the new one from your bank, or choose another.")

_CONFIRM_DATA: Final = N_(
    "Your bank says that the data of this card is wrong. Please check its number, expiry date and security code and add the card again, "
    "or choose another. Until then it is not charged."
)


def send_switched(mandate_id: str, *, on: bool) -> None:
    """Confirm that automatic payment was switched on, with the words that were agreed to, or off."""
    with db.reading() as session:
        mandate = session.get_one(Mandate, mandate_id)
        customer = session.get_one(Customer, mandate.customer_id)
    subject = N_("Automatic payment to %(company)s is on") if on else N_("Automatic payment to %(company)s is off")
    _send(customer, f"{mandate_id}:{'on' if on else 'off'}", subject, "switched", mandate=mandate, on=on)


def send_notice(collection_id: str) -> None:
    """Tell the customer what is charged, when, and to what; only then may it be charged.

    For a direct debit it is the notice that its scheme asks for: with the account, the mandate's reference and the creditor identifier.

    At least once, never twice after it was recorded. The day counts from this mail, however late it is sent.
    """
    collection = service.schedule(collection_id)
    if collection is None:
        return
    with db.reading() as session:
        customer = session.get_one(Customer, collection.customer_id)
        mandate = queries.in_force(session, customer.id)
        method = queries.charged_under(session, mandate, customer.id, collection.invoice.currency)
    _send(
        customer,
        f"notice:{collection_id}",
        N_("We will charge invoice %(number)s on %(day)s")
        if method
        else N_("We need a payment method for invoice %(number)s"),
        "notice",
        invoice=collection.invoice,
        charge_on=collection.charge_on,
        method=method,
        creditor_id=config.current().company.creditor_id,
        number=collection.invoice.number,
        day=date_text(collection.charge_on, supported(customer.language)),
    )
    service.mark_noticed(collection_id)


def send_failure(
    collection_id: str,
    number: int,
    code: str,
    decline_code: str,
    advice_code: str,
    again_at: str | None,
    payment_id: str | None,
) -> None:
    """What failed and what the customer can do: answer the bank by a link that finishes this same payment, or see to a card.

    Nothing is sent when the invoice has been paid meanwhile. `again_at` is in ISO 8601, or None when it is not tried again.
    """
    with db.reading() as session:
        collection = queries.collection(session, collection_id)
        customer = session.get_one(Customer, collection.customer_id)
        tried = session.get(PaymentMethod, collection.payment_method_id) if collection.payment_method_id else None
    if collection.status in {CollectionStatus.PAID, CollectionStatus.CANCELED}:
        return
    asks_holder = ASKS_HOLDER in {code, decline_code} and payment_id is not None
    subject = (
        N_("Please confirm the payment of invoice %(number)s")
        if asks_holder
        else N_("We could not charge your payment method for invoice %(number)s")
    )
    path = f"/payments/{payment_id}/pay" if payment_id else f"/payments/invoices/{collection.invoice_id}"
    _send(
        customer,
        f"failure:{collection_id}:{number}",
        subject,
        "failure",
        invoice=collection.invoice,
        number=collection.invoice.number,
        asks_holder=asks_holder,
        by_debit=tried is not None and tried.is_debit and code not in statuses.NOTHING_TRIED,
        advice=translate(_advice(code, decline_code, advice_code, tried), supported(customer.language)),
        again_at=datetime.fromisoformat(again_at) if again_at else None,
        link=config.current().base_url + path,
    )


def send_to_staff(collection_id: str) -> None:
    """The note to staff that an invoice was not paid by itself, and will not be."""
    with db.reading() as session:
        collection = queries.collection(session, collection_id)
        customer = session.get_one(Customer, collection.customer_id)
        tried = session.get(PaymentMethod, collection.payment_method_id) if collection.payment_method_id else None
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"given_up:{collection_id}",
        to=settings.company.support_email,
        subject=translate(
            N_("Invoice %(number)s of %(customer)s was not paid automatically"),
            locale,
            number=collection.invoice.number,
            customer=" ".join(customer.name.split()),
        ),
        template="mandates/mails/given_up",
        locale=locale,
        customer=customer,
        invoice=collection.invoice,
        collection=collection,
        why=translate(_advice(collection.failure_code, collection.decline_code, collection.advice_code, tried), locale),
    )


def _advice(code: str, decline_code: str, advice_code: str, tried: PaymentMethod | None) -> str:
    """What a customer is told of a charge that failed, in English as it stands in the catalogues."""
    own = {statuses.NO_METHOD: _NO_METHOD, statuses.EXPIRED: _EXPIRED}.get(code)
    if own is None and gateway.wants_card_data(advice_code):
        return _CONFIRM_DATA
    return own or gateway.advice(code, decline_code, debit=tried is not None and tried.is_debit)


def _send(customer: Customer, key: str, subject: str, template: str, **facts: Any) -> None:
    locale = supported(customer.language)
    mail.send(
        key=key,
        to=customer.email,
        subject=translate(subject, locale, **{"company": config.current().company.name, **facts}),
        template=f"mandates/mails/{template}",
        locale=locale,
        customer_id=customer.id,
        **facts,
    )
