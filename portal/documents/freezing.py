"""What a document will say for good: the facts are taken from the rows at the moment of issue, and must add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any, Literal

from portal.accounts.models import Customer
from portal.core import company_days, money, shares
from portal.core.config import Company
from portal.core.units import Unit
from portal.documents import codes, e_invoices
from portal.documents.facts import (
    VERSION,
    CorrectionFacts,
    CreditNoteFacts,
    Facts,
    Imprint,
    InvoiceFacts,
    Line,
    Method,
    PaidInvoice,
    Party,
    PaymentConfirmationFacts,
    ReceiptFacts,
    Reference,
    RefundConfirmationFacts,
    TaxTotal,
    Transfer,
    Verification,
    number_text,
    taxes_of,
)
from portal.documents.models import DocumentKind
from portal.invoices import details
from portal.invoices.credit_lines import CreditedLine
from portal.invoices.models import Invoice, InvoiceCredit
from portal.ledger.revenue import Part
from portal.payments.models import Allocation, Payment
from portal.refunds.models import Refund
from portal.vat import untaxed
from portal.vat.untaxed import Untaxed


class NotAddingUp(ValueError):
    """The parts do not come to the whole: a document of it would be false, so none is issued and staff are alerted."""


@dataclass(frozen=True, slots=True)
class Issue:
    """What a document is issued with, whatever it is about."""

    number: int
    at: datetime
    language: str
    company: Company
    code: str
    base_url: str
    text: str = ""  # the number as it was printed, of a document that is issued again

    @property
    def day(self) -> date:
        return company_days.day_of(self.at)

    def number_of(self, kind: DocumentKind) -> str:
        return self.text or number_text(self.number, self.day, kind)

    def common(self, customer: Customer, currency: str) -> dict[str, Any]:
        """The facts that documents of every kind take from here, by name."""
        code = codes.grouped(self.code)
        return letterhead(self.company, customer) | {
            "version": VERSION,
            "issued_at": self.at,
            "language": self.language,
            "currency": currency,
            "verification": Verification(code, f"{self.base_url}/verify/{code}"),
        }


def letterhead(company: Company, customer: Customer) -> dict[str, Any]:
    """What every letter says of its sender and its reader, by the names that documents/pdf/base.html takes it by."""
    return {
        "seller": Party(
            company.name,
            tuple(company.address_lines),
            company.country,
            company.tax_id,
            company.tax_number,
            company.postal_code,
            company.city,
        ),
        "seller_contact": company.support_email,
        "seller_contact_name": company.contact_name,
        "seller_contact_phone": company.contact_phone,
        "imprint": Imprint(company.legal_form, company.register, tuple(company.director_names), company.legal_note),
        "buyer": Party(
            customer.name,
            tuple(customer.address_lines),
            customer.country,
            customer.tax_id,
            postal_code=customer.postal_code,
            city=customer.city,
            email=customer.email,
            electronic_address=customer.electronic_address,
        ),
        "logo": company.logo,
        "colour": company.colour,
    }


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a credit note corrects: an invoice, or the receipt that is one, with its rows of taxes."""

    kind: Literal["invoice", "receipt"]
    number: str
    issued_on: date
    currency: str
    taxes: tuple[TaxTotal, ...]
    exemption: str = ""


def of_invoice(invoice: Invoice, said: Facts | None) -> Corrected:
    """An invoice, which has its lines loaded, and what its document says; none of an invoice from before invoices were documents."""
    return Corrected(
        "invoice",
        invoice.number,
        invoice.issued_on,
        invoice.currency,
        said.taxes if said else taxes_of(_of_invoice(invoice)),
        said.exemption if said else "",
    )


def of_receipt(of: Facts) -> Corrected:
    return Corrected("receipt", of.number, of.issued_on, of.currency, of.taxes)


def invoice(invoice: Invoice, customer: Customer, issue: Issue) -> InvoiceFacts:
    """The facts of an invoice, which has its lines loaded, at the moment when it is issued."""
    common = issue.common(customer, invoice.currency)
    why = partial(_why_untaxed, common["seller"], common["buyer"], issue.company)
    lines = tuple(replace(line, untaxed=why(line)) for line in _of_invoice(invoice))
    is_exempt = any(line.untaxed == Untaxed.EXEMPT for line in lines)
    frozen = InvoiceFacts(
        **common,
        number=invoice.number,
        issued_on=invoice.issued_on,
        supplied_on=invoice.supplied_from or invoice.issued_on,
        supplied_until=invoice.supplied_to if invoice.supplied_to != invoice.supplied_from else None,
        due_on=invoice.due_on,
        note=invoice.note,
        discount_minor=invoice.discount_minor,
        discount_basis_points=invoice.discount_basis_points,
        discount_reason=invoice.discount_reason,
        pay_at=f"{issue.base_url}/invoices/{invoice.id}",
        transfer=_transfer(issue.company),
        lines=lines,
        taxes=taxes_of(lines),
        net_minor=invoice.net_minor,
        tax_minor=invoice.tax_minor,
        total_minor=invoice.total_minor,
        reference=replace(
            reference(None, invoice), details={name: text for name, text in details.of(invoice).items() if text}
        ),
        exemption=issue.company.exemption if is_exempt else "",
    )
    return replace(frozen, e_invoice=e_invoices.profile(frozen))


def _transfer(company: Company) -> Transfer | None:
    return Transfer(company.name, company.iban, company.bic, company.bank) if company.iban else None


def _why_untaxed(seller: Party, buyer: Party, company: Company, line: Line) -> Untaxed | None:
    """Why a line has no tax; None for one that has, and where no rule says."""
    if line.tax_rate_basis_points != 0:
        return None
    return untaxed.reason(
        seller=seller.country,
        seller_tax_id=seller.tax_id,
        buyer=buyer.country,
        buyer_tax_id=buyer.tax_id,
        supplies=line.supplies or company.supplies,
        exemption=company.exemption,
    )


def receipt(payment: Payment, invoice: Invoice | None, customer: Customer, issue: Issue) -> ReceiptFacts:
    """The facts of the receipt of a payment that has succeeded. One with an `invoice`, whose lines are loaded, was given out before
    there were confirmations, and is issued again.

    Raises NotAddingUp when the lines do not come to what was paid.
    """
    lines = _of_payment(payment) if invoice is None else _of_invoice(invoice)
    net, tax = sum(line.net_minor for line in lines), sum(line.tax_minor for line in lines)
    if net + tax != payment.amount_minor or (invoice is not None and invoice.currency != payment.currency):
        raise NotAddingUp(f"the lines of {payment.id} come to {net + tax}, and {payment.amount_minor} was paid")
    paid_on = company_days.day_of(payment.succeeded_at or issue.at)
    return ReceiptFacts(
        **issue.common(customer, payment.currency),
        method=_method(payment),
        number=issue.number_of(DocumentKind.RECEIPT),
        issued_on=issue.day,
        paid_on=paid_on,
        supplied_on=paid_on if invoice is None else None,
        lines=lines,
        taxes=taxes_of(lines),
        net_minor=net,
        tax_minor=tax,
        total_minor=payment.amount_minor,
        reference=reference(payment, invoice),
    )


def payment_confirmation(
    payment: Payment, paid: Sequence[Allocation], customer: Customer, issue: Issue
) -> PaymentConfirmationFacts:
    """The facts of the confirmation of a payment that has succeeded; `paid` is what it paid of each invoice, which is loaded. It names them
    all. Raises NotAddingUp when they are in another currency, or do not come to the payment.
    """
    for one in paid:
        if one.invoice.currency != payment.currency:
            raise NotAddingUp(
                f"{payment.id} is in {payment.currency}, and {one.invoice.number} in {one.invoice.currency}"
            )
    if paid and sum(one.amount_minor for one in paid) != payment.amount_minor:
        raise NotAddingUp(f"what {payment.id} paid of its invoices does not come to {payment.amount_minor}")
    return PaymentConfirmationFacts(
        **issue.common(customer, payment.currency),
        **_without_tax(payment.amount_minor),
        method=_method(payment),
        number=issue.number_of(DocumentKind.PAYMENT_CONFIRMATION),
        issued_on=issue.day,
        paid_on=company_days.day_of(payment.succeeded_at or issue.at),
        invoices=tuple(
            PaidInvoice(one.invoice.number, one.invoice.issued_on, one.amount_minor, is_part=_is_part(one))
            for one in paid
        ),
        reference=reference(payment, paid[0].invoice if len(paid) == 1 else None),
    )


def _is_part(one: Allocation) -> bool:
    """Whether it paid less than the invoice was issued over."""
    return one.amount_minor < one.invoice.total_minor


def credit_note(
    refund: Refund,
    payment: Payment,
    corrected: Corrected,
    given: Sequence[Part],
    earlier: Sequence[Facts],
    customer: Customer,
    of: Reference,
    issue: Issue,
) -> CreditNoteFacts:
    """The facts of the credit note of a refund that has succeeded; `given` is what the books lowered the price of what is `corrected` by,
    and `earlier` are those of its credit notes that stand.

    All of them together take back of each tax rate what is stated there at most, and all of it when all is refunded
    (portal.ledger.revenue). Raises NotAddingUp where less than the refund was left.
    """
    if refund.currency != corrected.currency or sum(part.total_minor for part in given) != refund.amount_minor:
        raise NotAddingUp(f"{refund.id} and what was refunded before come to more than {corrected.number}")
    taxes = tuple(row for part in given if part.rate is not None for row in _rows(part, part.rate, corrected, earlier))
    tax_minor = sum(tax.tax_minor for tax in taxes)
    frozen = CreditNoteFacts(
        **issue.common(customer, payment.currency),
        **_refunded(refund, payment, issue),
        number=issue.number_of(DocumentKind.CREDIT_NOTE),
        issued_on=issue.day,
        corrects=corrected.kind,
        corrects_number=corrected.number,
        corrects_issued_on=corrected.issued_on,
        taxes=taxes,
        net_minor=refund.amount_minor - tax_minor,
        tax_minor=tax_minor,
        total_minor=refund.amount_minor,
        reference=of,
    )
    if Untaxed.EXEMPT in frozen.reasons_untaxed:
        frozen = replace(frozen, exemption=corrected.exemption)
    return replace(frozen, e_invoice=e_invoices.profile(frozen))


def correction(
    invoice: Invoice,
    credit: InvoiceCredit,
    corrected: Corrected,
    given: Sequence[Part],
    earlier: Sequence[Facts],
    stated: Sequence[Line],
    issue: Issue,
) -> CorrectionFacts:
    """The facts of the credit note of an invoice of which nothing is given back, which has its customer and lines loaded.

    `given` is what the books lowered its price by, `earlier` are the facts of its credit notes that stand, and `stated` its lines as its
    document has them. Raises NotAddingUp where these do not come to the credit.
    """
    if sum(part.total_minor for part in given) != credit.amount_minor:
        raise NotAddingUp(f"the parts of {credit.id} do not come to {credit.amount_minor}")
    lines = _credited_lines(credit, given, stated)
    of_rates = (row for part in given for row in _rows(part, part.rate or 0, corrected, earlier))
    taxes = taxes_of(lines) if lines else tuple(of_rates)
    tax_minor = sum(tax.tax_minor for tax in taxes)
    frozen = CorrectionFacts(
        **issue.common(invoice.customer, invoice.currency),
        number=issue.number_of(DocumentKind.CREDIT_NOTE),
        issued_on=issue.day,
        lines=lines,
        corrects_number=corrected.number,
        corrects_issued_on=corrected.issued_on,
        reason=credit.reason,
        left_minor=invoice.amount_due.minor,
        taxes=taxes,
        net_minor=credit.amount_minor - tax_minor,
        tax_minor=tax_minor,
        total_minor=credit.amount_minor,
        reference=reference(None, invoice),
    )
    if Untaxed.EXEMPT in frozen.reasons_untaxed:
        frozen = replace(frozen, exemption=corrected.exemption)
    return replace(frozen, e_invoice=e_invoices.profile(frozen))


def _credited_lines(credit: InvoiceCredit, given: Sequence[Part], stated: Sequence[Line]) -> tuple[Line, ...]:
    """The credited lines, with the tax that goes back at their rate dealt out to them. A part of a price is one piece at that price; of a
    quantity, the discounts that go back with it are one of the line.
    """
    credited = [CreditedLine.from_json(line) for line in credit.lines]
    lines = []
    for one in credited:
        line = replace(stated[one.position - 1], net_minor=one.net_minor, tax_minor=0)
        if one.quantity_thousandths is None:
            line = replace(
                _undiscounted(line), quantity_thousandths=1000, unit=Unit.ONE, unit_price_minor=one.net_minor
            )
        elif line.discount_minor or line.whole_discount_minor:
            listed = money.share(line.unit_price_minor, one.quantity_thousandths, 1_000)
            line = replace(
                _undiscounted(line),
                quantity_thousandths=one.quantity_thousandths,
                discount_minor=max(listed - one.net_minor, 0),
                discount_reason="" if line.whole_discount_minor else line.discount_reason,
            )
        else:
            line = replace(line, quantity_thousandths=one.quantity_thousandths)
        lines.append(line)
    for part in given:
        reached = 0
        for at, line in enumerate(lines):
            if line.tax_rate_basis_points == part.rate:
                before = part.tax_minor * reached // part.net_minor
                reached += line.net_minor
                lines[at] = replace(line, tax_minor=part.tax_minor * reached // part.net_minor - before)
    return tuple(lines)


def _undiscounted(line: Line) -> Line:
    return replace(line, discount_minor=0, discount_basis_points=0, discount_reason="", whole_discount_minor=0)


def refund_confirmation(
    refund: Refund, payment: Payment, confirmation: Facts, customer: Customer, of: Reference, issue: Issue
) -> RefundConfirmationFacts:
    """The facts of the confirmation of a refund that has succeeded and changes no price.

    `confirmation` are those of its payment's document.
    """
    return RefundConfirmationFacts(
        **issue.common(customer, payment.currency),
        **_without_tax(refund.amount_minor),
        **_refunded(refund, payment, issue),
        number=issue.number_of(DocumentKind.REFUND_CONFIRMATION),
        issued_on=issue.day,
        confirmation_number=confirmation.number,
        confirmation_issued_on=confirmation.issued_on,
        reference=of,
    )


def _refunded(refund: Refund, payment: Payment, issue: Issue) -> dict[str, Any]:
    return {
        "method": _method(payment),
        "refunded_on": company_days.day_of(refund.succeeded_at or issue.at),
        "reason": refund.reason,
        "refund_id": refund.id,
        "stripe_refund_id": refund.stripe_refund_id or "",
        "acquirer_reference_number": refund.acquirer_reference_number,
    }


def _without_tax(total_minor: int) -> dict[str, Any]:
    return {"taxes": (), "net_minor": total_minor, "tax_minor": 0, "total_minor": total_minor}


def _method(payment: Payment) -> Method:
    brand = payment.card_brand if payment.is_by_card else payment.method_kind
    return Method(brand, payment.card_last4, payment.card_wallet)


def reference(payment: Payment | None, invoice: Invoice | None) -> Reference:
    """What a document is about, of a payment, an invoice, or both; with the details of the invoice that stand on every such document."""
    return Reference(
        invoice_number=invoice.number if invoice else "",
        details=details.of_order(invoice) if invoice else {},
        payment_id=payment.id if payment else "",
        charge_id=(payment.stripe_charge_id or "") if payment else "",
        invoice_issued_on=invoice.issued_on if invoice else None,
    )


def _rows(part: Part, rate: int, corrected: Corrected, earlier: Sequence[Facts]) -> list[TaxTotal]:
    """What the books take back of a rate, in the rows of what is corrected: of lines without tax there is one for each reason."""
    rows = [tax for tax in corrected.taxes if tax.tax_rate_basis_points == rate]
    if len(rows) <= 1:
        return [TaxTotal(rate, part.net_minor, part.tax_minor, rows[0].untaxed if rows else None)]
    taken = [sum(tax.net_minor for one in earlier for tax in one.taxes if tax.row == row.row) for row in rows]
    given = shares.share(part.net_minor, [row.net_minor for row in rows], taken)
    return [TaxTotal(rate, net, 0, row.untaxed) for row, net in zip(rows, given, strict=True) if net]


def _of_payment(payment: Payment) -> tuple[Line, ...]:
    """Of a payment without an invoice: no tax is stated."""
    if not payment.lines:
        amount = payment.amount_minor
        return (Line(payment.description, 1000, amount, None, amount, 0),)
    return tuple(
        Line(
            item.description,
            item.quantity_thousandths,
            item.unit_amount_minor,
            None,
            net_minor=item.amount_minor,
            tax_minor=0,
        )
        for item in payment.lines
    )


def lines_of(invoice: Invoice) -> tuple[Line, ...]:
    """The lines of an invoice, which are loaded, as a document has them."""
    return _of_invoice(invoice)


def _of_invoice(invoice: Invoice) -> tuple[Line, ...]:
    return tuple(
        Line(
            line.description,
            line.quantity_thousandths,
            line.unit_price_minor,
            line.tax_rate_basis_points,
            line.net_minor,
            line.tax_minor,
            line.unit,
            line.supplies,
            discount_minor=line.discount_minor,
            discount_basis_points=line.discount_basis_points,
            discount_reason=line.discount_reason,
            whole_discount_minor=line.whole_discount_minor,
        )
        for line in invoice.lines
    )
