"""The mail that brings a receipt, with its PDF (the receipt e-mail)."""

from __future__ import annotations

from typing import Final

from portal import db, language, mail
from portal.accounts.models import Customer
from portal.errors import N_
from portal.receipts import facts, queries, service
from portal.receipts.models import Receipt

SUBJECT: Final = N_("Your receipt %(number)s from %(company)s")


class NotRendered(RuntimeError):
    """The PDF is not there yet, so there is nothing to send: the job comes again."""


def send(receipt_id: str) -> None:
    """Send the receipt to its customer, in their language, and then record that it was taken.

    At least once, never twice after it was recorded; a mail that is sent again, because the process died in between, has
    the same Message-ID. Raises NotFound, NotRendered, queries.Damaged, and what mail.send raises when the server refuses.
    """
    receipt, customer = _with_customer(receipt_id)
    if receipt.mailed_at is not None:
        return
    _send(receipt, customer, key=f"receipt:{receipt.id}")
    service.mark_mailed(receipt.id, customer.email)


def send_again(receipt_id: str, occasion: str) -> None:
    """Send the receipt once more, to the address that its customer has now, for this occasion. Raises what `send` raises.

    It is a mail of its own, so that no program takes it for the first one; for the same occasion it is the same mail.
    """
    receipt, customer = _with_customer(receipt_id)
    _send(receipt, customer, key=f"receipt:{receipt.id}:{occasion}")


def _with_customer(receipt_id: str) -> tuple[Receipt, Customer]:
    with db.reading() as session:
        receipt = queries.with_pdf(session, receipt_id)
        return receipt, session.get_one(Customer, receipt.customer_id)


def _send(receipt: Receipt, customer: Customer, *, key: str) -> None:
    if receipt.pdf is None:
        raise NotRendered(receipt.id)
    frozen = facts.from_json(receipt.facts)
    tongue = language.supported(customer.language)
    mail.send(
        key=key,
        to=customer.email,
        subject=language.translate(SUBJECT, tongue, number=frozen.number, company=frozen.seller.name),
        template="receipts/mail",
        tongue=tongue,
        customer_id=customer.id,
        attachments=[mail.Attachment(f"{frozen.number}.pdf", "application/pdf", receipt.pdf)],
        receipt=frozen,
        receipt_id=receipt.id,
    )
