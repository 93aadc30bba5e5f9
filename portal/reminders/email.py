"""The mail of a reminder: what is due, until or since when, the link by which it is paid, and the invoice as a PDF. And the mail that a
direct debit has failed, so that its invoice is due again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from portal import gateway
from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.content import language, mail
from portal.core import company_days, config, crash, db
from portal.core.errors import N_
from portal.documents import queries as documents
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.pay_links import service as pay_links
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.payments.statuses import WAITING_FOR_CUSTOMER
from portal.reminders import queries, service
from portal.reminders.models import InvoiceReminder

_COMES_DUE: Final = N_("Invoice %(number)s from %(company)s is due on %(day)s")
_DEBIT_FAILED: Final = N_("The direct debit for %(what)s to %(company)s failed")
_RETURNED: Final = N_("Your bank has taken the direct debit back. Please pay in another way, or write to us.")
# As long as the key of a mail may be.
LONGEST_KEY: Final = 160
_IS_DUE: Final = N_("Payment reminder: invoice %(number)s from %(company)s was due on %(day)s")


def send(reminder_id: str) -> None:
    """Send a reminder to its customer, in their language, and then record that it was taken; nothing where it is not needed any more.

    At least once, with the same Message-ID. Raises what mail.send raises when the server refuses.
    """
    row = service.still_needed(reminder_id)
    if row is None:
        return
    with db.reading() as session:
        invoice = session.get_one(Invoice, row.invoice_id)
        customer = session.get_one(Customer, invoice.customer_id)
    crash.point("reminder checked")
    _send(invoice, customer.email, customer.language, f"reminder:{row.id}")
    crash.point("reminder mailed")
    service.mark_mailed(row.id, customer.email)


def send_copy(reminder_id: str, recipient_id: str) -> None:
    """Send it to a further recipient, in its language. Nothing when it is removed or gets no reminders any more, or nothing is due."""
    with db.reading() as session:
        row = session.get_one(InvoiceReminder, reminder_id)
        invoice = session.get_one(Invoice, row.invoice_id)
        found = [one for one in queries.recipients(session, invoice.customer_id) if one.id == recipient_id]
    if invoice.amount_due.minor:
        for recipient in found:
            _send(invoice, recipient.email, recipient.language, f"reminder:{recipient.id}:{row.id}")


def send_failed_debit(payment_id: str, charge_id: str) -> None:
    """Tell the billed address, and who paid, that the direct debit of this charge has failed, or was taken back, why, and how to pay now.

    At least once to each, with the same Message-ID. Nothing when something else was tried since, or nothing is owed any more.
    """
    with db.reading() as session:
        payment = session.get_one(Payment, payment_id)
        invoices = [one.invoice for one in payments.allocations_of(session, payment.id)]
        customer = session.get_one(Customer, payment.customer_id)
        addresses = accounts.receipt_addresses(session, customer.id, payment.paid_by)
    is_returned = payment.has_succeeded
    is_last = payment.stripe_charge_id == charge_id and (is_returned or payment.status in WAITING_FOR_CUSTOMER)
    owed = [one for one in invoices if one.status == InvoiceStatus.OPEN]
    if not is_last or (invoices and not owed):
        return
    invoice = invoices[0] if len(invoices) == 1 else None
    settings = config.current()
    locale = language.supported(customer.language)
    advice = _RETURNED if is_returned else gateway.advice(payment.failure_code, payment.decline_code, debit=True)
    # Who has paid by a link sees no more of the customer than the link shows; so it is the link that everybody gets.
    pay_at = pay_links.for_invoice(invoice.id) if invoice else None
    if pay_at is None:
        pay_at = f"{settings.base_url}{_pay_page(payment, owed)}"
    for address in dict.fromkeys(filter(None, [*addresses, payment.receipt_to])):
        mail.send(
            key=f"failed_debit:{charge_id}:{address}"[:LONGEST_KEY],
            to=address,
            subject=language.translate(_DEBIT_FAILED, locale, what=payment.description, company=settings.company.name),
            template="reminders/mails/failed_debit",
            locale=locale,
            customer_id=customer.id,
            payment=payment,
            invoice=invoice,
            advice=language.translate(advice, locale),
            pay_at=pay_at,
        )


def _pay_page(payment: Payment, owed: Sequence[Invoice]) -> str:
    """Where somebody who signs in pays what a debit did not."""
    if not owed:
        return f"/payments/{payment.id}/pay"
    if len(owed) == 1:
        return f"/payments/invoices/{owed[0].id}"
    return "/payments/together?" + urlencode([("invoice", one.id) for one in owed])


def _send(invoice: Invoice, to: str, locale: str, key: str) -> None:
    with db.reading() as session:
        document = documents.of_issued_invoice(session, invoice.id)
        pdf = documents.with_pdf(session, document.id).pdf if document else None
    locale = language.supported(locale)
    settings = config.current()
    has_come = invoice.due_on < company_days.today()
    subject = _IS_DUE if has_come else _COMES_DUE
    mail.send(
        key=key,
        to=to,
        subject=language.translate(
            subject,
            locale,
            number=invoice.number,
            company=settings.company.name,
            day=language.date_text(invoice.due_on, locale),
        ),
        template="reminders/mails/reminder",
        locale=locale,
        customer_id=invoice.customer_id,
        attachments=[mail.Attachment(f"{invoice.number}.pdf", "application/pdf", pdf)] if pdf is not None else [],
        invoice=invoice,
        has_come=has_come,
        pay_link=pay_links.for_invoice(invoice.id),
        see_at=f"{settings.base_url}/invoices/{invoice.id}",
    )
