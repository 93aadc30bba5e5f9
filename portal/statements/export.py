"""The lines of a statement as CSV: net and tax of each rate in columns of their own, which there are as many of as there are rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from portal.content import language, templates
from portal.content.csv_lines import Cell, Shape
from portal.core.errors import N_
from portal.core.money import Money
from portal.statements.queries import KINDS, Line, Tax

# What a program calls a column, and what stands above it for people.
FIRST: Final = {
    "date": N_("Date (%(zone)s)"),
    "kind": N_("Kind"),
    "payment": N_("Payment"),
    "id": N_("ID"),
    "document": N_("Document"),
    "status": N_("Status"),
    "amount": N_("Amount"),
    "booked": N_("Amount booked"),
    "currency": N_("Currency"),
    "net": N_("Net"),
    "tax": N_("Tax"),
}
LAST: Final = {
    "description": N_("Description"),
    "invoice": N_("Invoice"),
    "card": N_("Card"),
    "stripe_payment_intent": N_("Stripe PaymentIntent"),
}


def rows(lines: Sequence[Line], shape: Shape) -> Iterator[str]:
    """Lines of CSV with a header and a byte-order mark."""
    rates = sorted({tax.rate for line in lines for tax in line.taxes if tax.rate is not None}, reverse=True)
    yield shape.header(FIRST | _of_rates(rates, shape) | LAST)
    for line in lines:
        yield shape.line(_cells(line, rates, shape))


def _of_rates(rates: Sequence[int], shape: Shape) -> dict[str, str]:
    columns = {}
    for rate in rates:
        number = Decimal(rate) / 100
        shown = f"{language.decimal_text(number, shape.locale)} %" if shape.locale else ""
        columns[f"net_{number.normalize():f}"] = f"{shape.translated(N_('Net'))} {shown}".replace("%", "%%")
        columns[f"tax_{number.normalize():f}"] = f"{shape.translated(N_('Tax'))} {shown}".replace("%", "%%")
    return columns


def _cells(line: Line, rates: Sequence[int], shape: Shape) -> list[Cell]:
    payment = line.payment
    return [
        line.at.replace(microsecond=0),
        shape.translated(KINDS[line.kind]) if shape.locale else line.kind,
        payment.id,
        line.id,
        line.document,
        _status(line, shape),
        line.amount.decimal,
        line.booked.decimal,
        line.booked.currency.upper(),
        *_sums(line.taxes, line.booked),
        *(cell for rate in rates for cell in _sums([tax for tax in line.taxes if tax.rate == rate], line.booked)),
        payment.description,
        ", ".join(one.invoice.number for one in payment.allocations),
        payment.method_words,
        payment.stripe_intent_id or "",
    ]


def _sums(taxes: Sequence[Tax], like: Money) -> tuple[Cell, Cell]:
    """Net and tax; empty where there is none."""
    if not taxes:
        return "", ""
    net, tax = sum(one.net_minor for one in taxes), sum(one.tax_minor for one in taxes)
    return Money(net, like.currency).decimal, Money(tax, like.currency).decimal


def _status(line: Line, shape: Shape) -> str:
    return templates.status_text(line.kind, line.status, shape.locale) if shape.locale else line.status
