"""What a document will say for good: the facts are taken from the rows at the moment of issue, and must add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from portal.accounts.models import Customer
from portal.core import company_days
from portal.core.config import Company
from portal.documents import codes, shares
from portal.documents.facts import (
    VERSION,
    CreditNoteFacts,
    Facts,
    Line,
    Method,
    Party,
    ReceiptFacts,
    Reference,
    TaxTotal,
    Verification,
    number_text,
    taxes_of,
)
from portal.documents.models import DocumentKind
from portal.invoices import details
from portal.invoices.models import Invoice
from portal.payments.models import Payment
from portal.refunds.models import Refund


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

    def common(self, customer: Customer, payment: Payment) -> dict[str, Any]:
        """The facts that documents of every kind take from here, by name."""
        company, code = self.company, codes.grouped(self.code)
        return {
            "version": VERSION,
            "issued_at": self.at,
            "issued_on": self.day,
            "language": self.language,
            "currency": payment.currency,
            "seller": Party(company.name, tuple(company.address_lines), company.country, company.tax_id),
            "seller_contact": company.support_email,
            "buyer": Party(customer.name, tuple(customer.address_lines), customer.country, customer.tax_id),
            "method": Method(payment.card_brand, payment.card_last4, payment.card_wallet),
            "verification": Verification(code, f"{self.base_url}/verify/{code}"),
            "logo": company.logo,
            "colour": company.colour,
        }


def receipt(payment: Payment, invoice: Invoice | None, customer: Customer, issue: Issue) -> ReceiptFacts:
    """The facts of the receipt of a payment that has succeeded; `invoice` has its lines loaded.

    Raises NotAddingUp when the invoice's lines do not come to what was paid.
    """
    lines = _lines(payment, invoice)
    net, tax = sum(line.net_minor for line in lines), sum(line.tax_minor for line in lines)
    if net + tax != payment.amount_minor or (invoice is not None and invoice.currency != payment.currency):
        raise NotAddingUp(f"the lines of {payment.id} come to {net + tax}, and {payment.amount_minor} was paid")
    return ReceiptFacts(
        **issue.common(customer, payment),
        number=issue.text or number_text(issue.number, issue.day, DocumentKind.RECEIPT),
        paid_on=company_days.day_of(payment.succeeded_at or issue.at),
        lines=lines,
        taxes=taxes_of(lines),
        net_minor=net,
        tax_minor=tax,
        total_minor=payment.amount_minor,
        reference=Reference(
            invoice_number=invoice.number if invoice else "",
            details={name: text for name, text in details.of(invoice).items() if text} if invoice else {},
            payment_id=payment.id,
            charge_id=payment.stripe_charge_id or "",
        ),
    )


def credit_note(
    refund: Refund,
    payment: Payment,
    of_receipt: ReceiptFacts,
    earlier: Sequence[Facts],
    customer: Customer,
    issue: Issue,
) -> CreditNoteFacts:
    """The facts of the credit note of a refund that has succeeded; `earlier` are those of the same payment that stand.

    Together they take back of each tax rate what the receipt states at most, and all of it when all is refunded. Raises
    NotAddingUp when they would take back more than was paid.
    """
    parts, taken = parts_of(of_receipt), [0] * len(parts_of(of_receipt))
    for one in earlier:
        taken = [before + more for before, more in zip(taken, parts_of(one, like=of_receipt), strict=True)]
    if refund.currency != of_receipt.currency or refund.amount_minor + sum(taken) > sum(parts):
        raise NotAddingUp(f"{refund.id} and what was refunded before come to more than receipt {of_receipt.number}")
    given = shares.share(refund.amount_minor, parts, taken)
    taxes = tuple(
        TaxTotal(tax.tax_rate_basis_points, given[2 * at], given[2 * at + 1])
        for at, tax in enumerate(of_receipt.taxes)
        if given[2 * at] or given[2 * at + 1]
    )
    tax_minor = sum(tax.tax_minor for tax in taxes)
    return CreditNoteFacts(
        **issue.common(customer, payment),
        number=issue.text or number_text(issue.number, issue.day, DocumentKind.CREDIT_NOTE),
        receipt_number=of_receipt.number,
        receipt_issued_on=of_receipt.issued_on,
        refunded_on=company_days.day_of(refund.succeeded_at or issue.at),
        expected_by=refund.expected_by,
        taxes=taxes,
        net_minor=refund.amount_minor - tax_minor,
        tax_minor=tax_minor,
        total_minor=refund.amount_minor,
        reason=refund.reason,
        reference=of_receipt.reference,
        refund_id=refund.id,
        stripe_refund_id=refund.stripe_refund_id or "",
        acquirer_reference_number=refund.acquirer_reference_number,
    )


def parts_of(document: Facts, like: Facts | None = None) -> list[int]:
    """Net and tax of each rate in the order of `like` (by itself its own), then what no tax is stated for; in minor units."""
    by_rate = {tax.tax_rate_basis_points: (tax.net_minor, tax.tax_minor) for tax in document.taxes}
    rates = [tax.tax_rate_basis_points for tax in (like or document).taxes]
    return [*(minor for rate in rates for minor in by_rate.get(rate, (0, 0))), document.untaxed_minor]


def _lines(payment: Payment, invoice: Invoice | None) -> tuple[Line, ...]:
    if invoice is None and payment.lines:
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
    if invoice is None:
        amount = payment.amount_minor
        return (Line(payment.description, 1000, amount, None, amount, 0),)
    return tuple(
        Line(
            line.description,
            line.quantity_thousandths,
            line.unit_price_minor,
            line.tax_rate_basis_points,
            line.net_minor,
            line.tax_minor,
        )
        for line in invoice.lines
    )
