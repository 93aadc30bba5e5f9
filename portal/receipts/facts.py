"""The facts of a receipt as they were when it was issued: plain, frozen and versioned (the receipt generator).

The row keeps them as JSON; the PDF, the page and the mail are made from them alone, so that an address or a tax number
that changes later changes no document that was given out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.numbers import format_decimal, format_percent
from pydantic import ConfigDict, TypeAdapter

from portal.accounts.models import Customer
from portal.config import Company
from portal.invoices.models import Invoice
from portal.money import Money
from portal.payments.models import Payment

# The shape below. A new shape gets a new number and a reader for the old one: documents outlive programs.
VERSION: Final = 1


class NotAddingUp(ValueError):
    """The lines do not come to what was paid: a receipt of it would be false, so none is issued and staff are alerted."""


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer as they stand on the document; `country` is a two-letter code, empty when unknown."""

    name: str
    address: tuple[str, ...]
    country: str
    tax_id: str

    def country_name(self, tongue: str | Locale, other: Party) -> str:
        """The country to write under the address: none between people of one country, or when the address ends with it."""
        if not self.country or self.country == other.country:
            return ""
        locale = Locale.parse(tongue)
        name = locale.territories.get(self.country, self.country)
        last = self.address[-1].casefold() if self.address else ""
        known = {name.casefold(), Locale("en").territories.get(self.country, name).casefold()}
        return "" if last in known else str(name)


@dataclass(frozen=True, slots=True)
class Line:
    """Quantity in thousandths, rate in hundredths of a percent (none: no tax is stated), amounts in minor units."""

    description: str
    quantity_thousandths: int
    unit_price_minor: int
    tax_rate_basis_points: int | None
    net_minor: int
    tax_minor: int

    def quantity_text(self, tongue: str | Locale) -> str:
        """1500 as "1.5" or "1,5"."""
        return format_decimal(Decimal(self.quantity_thousandths) / 1000, locale=tongue)

    def rate_text(self, tongue: str | Locale) -> str:
        return rate_text(self.tax_rate_basis_points, tongue)


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """What the lines of one tax rate come to."""

    tax_rate_basis_points: int
    net_minor: int
    tax_minor: int

    def rate_text(self, tongue: str | Locale) -> str:
        return rate_text(self.tax_rate_basis_points, tongue)


@dataclass(frozen=True, slots=True)
class Method:
    """The card as Stripe names it ("visa"), its last four digits, and the wallet it came from ("apple_pay") if any."""

    brand: str
    last4: str
    wallet: str


@dataclass(frozen=True, slots=True)
class Reference:
    """What the document is about, in the words of the three who may ask: the buyer, this portal and Stripe."""

    invoice_number: str
    order: str
    payment_id: str
    charge_id: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a receipt says. Days are the company's own, in its time zone on the day of issue."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    version: int
    number: str
    issued_at: datetime
    issued_on: date
    paid_on: date
    language: str
    currency: str
    seller: Party
    seller_contact: str
    buyer: Party
    lines: tuple[Line, ...]
    taxes: tuple[TaxTotal, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    method: Method
    reference: Reference
    logo: str  # a file name under static/, or empty
    colour: str  # "#rrggbb"

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)

    @property
    def total(self) -> Money:
        return self.money(self.total_minor)

    @property
    def created(self) -> str:
        """The moment of issue as documents carry it: ISO 8601 in UTC, to the second."""
        return self.issued_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def to_json(self) -> dict[str, Any]:
        written: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return written


_ADAPTER: Final = TypeAdapter(Facts)


def from_json(written: dict[str, Any]) -> Facts:
    """The facts of a row. Raises ValueError when they are of a version that this program does not know."""
    if written.get("version") != VERSION:
        raise ValueError(f"receipt facts of version {written.get('version')!r}")
    return _ADAPTER.validate_python(written)


def rate_text(basis_points: int | None, tongue: str | Locale) -> str:
    """1900 as "19%" or "19 %", 750 as "7.5%"; a dash when no tax is stated."""
    if basis_points is None:
        return "–"
    pattern = "0.##".join(Locale.parse(tongue).percent_formats[None].pattern.rsplit("0", 1))
    return format_percent(Decimal(basis_points) / 10_000, format=pattern, locale=tongue)


def number_text(n: int, day: date) -> str:
    """The n-th receipt, issued on `day`: "R-2026-000123".

    There is one series that never starts again; the year in front only helps whoever files it. So the last six digits alone
    name a receipt, the receipts of all time are 1 … n without a gap, and a change of the year (or of the company's time
    zone) has nothing to reset, to skip or to give twice. What tax law asks for, such as § 14 (4) UStG or article 226 of
    directive 2006/112/EC, is a number in sequence from one or more series that names the document once: this is one.
    """
    return f"R-{day:%Y}-{n:06d}"


def freeze(
    payment: Payment,
    invoice: Invoice | None,
    customer: Customer,
    company: Company,
    *,
    number: int,
    issued_at: datetime,
    zone: ZoneInfo,
    language: str,
) -> Facts:
    """The facts of the receipt of a payment that has succeeded; `invoice` has its lines loaded.

    Raises NotAddingUp when the invoice's lines do not come to what was paid.
    """
    issued_on = issued_at.astimezone(zone).date()
    lines = _lines(payment, invoice)
    net, tax = sum(line.net_minor for line in lines), sum(line.tax_minor for line in lines)
    if net + tax != payment.amount_minor or (invoice is not None and invoice.currency != payment.currency):
        raise NotAddingUp(f"the lines of {payment.id} come to {net + tax}, and {payment.amount_minor} was paid")
    return Facts(
        version=VERSION,
        number=number_text(number, issued_on),
        issued_at=issued_at,
        issued_on=issued_on,
        paid_on=(payment.succeeded_at or issued_at).astimezone(zone).date(),
        language=language,
        currency=payment.currency,
        seller=Party(company.name, tuple(company.address_lines), company.country, company.tax_id),
        seller_contact=company.support_email,
        buyer=Party(customer.name, tuple(customer.address_lines), customer.country, customer.tax_id),
        lines=lines,
        taxes=taxes_of(lines),
        net_minor=net,
        tax_minor=tax,
        total_minor=payment.amount_minor,
        method=Method(payment.card_brand, payment.card_last4, payment.card_wallet),
        reference=Reference(
            invoice_number=invoice.number if invoice else "",
            order=invoice.reference if invoice else "",
            payment_id=payment.id,
            charge_id=payment.stripe_charge_id or "",
        ),
        logo=company.logo,
        colour=company.colour,
    )


def _lines(payment: Payment, invoice: Invoice | None) -> tuple[Line, ...]:
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


def taxes_of(lines: tuple[Line, ...]) -> tuple[TaxTotal, ...]:
    """One total a rate, the highest first, as on the invoice; lines without a stated tax are in none."""
    rates = sorted({rate for line in lines if (rate := line.tax_rate_basis_points) is not None}, reverse=True)
    return tuple(
        TaxTotal(
            rate,
            sum(line.net_minor for line in lines if line.tax_rate_basis_points == rate),
            sum(line.tax_minor for line in lines if line.tax_rate_basis_points == rate),
        )
        for rate in rates
    )
