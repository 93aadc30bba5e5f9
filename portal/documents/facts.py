"""The facts of a document as they were when it was issued: plain, frozen and versioned.

The row keeps them as JSON; the PDF, the page and the mail are made from them alone, so that an address or a tax number
that changes later changes no document that was given out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

from babel import Locale
from babel.numbers import format_percent
from pydantic import ConfigDict, Field, TypeAdapter

from portal.content import language
from portal.core.money import Money
from portal.core.units import Supplies, Unit
from portal.documents import old_facts
from portal.documents.models import DocumentKind
from portal.invoices import details
from portal.vat.untaxed import Untaxed

# The shape below. A new shape gets a new number and a reader for the old one: documents outlive programs.
VERSION: Final = 11


# The most that an EPC QR code can ask for, in cents. Source: EPC069-12.
MOST_BY_EPC_MINOR: Final = 999_999_999_99


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer as they stand on the document; `country` is a two-letter code, empty when unknown.

    `tax_id` is the VAT ID; `tax_number` the number that the tax office at home gave out, which is another one. `postal_code` and `city`
    stand in the address as well: here they are for programs. `email` is that of a buyer, for programs, too, and
    `electronic_address` where a network finds it ("0204:991-…"), its scheme first.
    """

    name: str
    address: tuple[str, ...]
    country: str
    tax_id: str
    tax_number: str = ""
    postal_code: str = ""
    city: str = ""
    email: str = ""
    electronic_address: str = ""

    @property
    def endpoint(self) -> tuple[str, str]:
        """Where programs reach it (BT-34, BT-49): scheme and id, ("EM", "") where nothing is known."""
        scheme, _, found = self.electronic_address.partition(":")
        return (scheme, found) if found else ("EM", self.email)

    def country_name(self, locale: str | Locale, other: Party) -> str:
        """The country to write under the address: none between people of one country, or when the address ends with it."""
        if not self.country or self.country == other.country:
            return ""
        parsed = Locale.parse(locale)
        name = parsed.territories.get(self.country, self.country)
        last = self.address[-1].casefold() if self.address else ""
        known = {name.casefold(), Locale("en").territories.get(self.country, name).casefold()}
        return "" if last in known else str(name)


@dataclass(frozen=True, slots=True)
class Imprint:
    """What the law wants a company to tell of itself in its letters; empty where it did not say."""

    legal_form: str = ""
    register: str = ""  # court and number
    directors: tuple[str, ...] = ()
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.legal_form or self.register or self.directors or self.note)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where what is owed can be transferred to: the IBAN without spaces; `bic` and `bank` are empty where the company did not say."""

    holder: str
    iban: str
    bic: str = ""
    bank: str = ""

    @property
    def iban_text(self) -> str:
        """As people read it: in groups of four."""
        return " ".join(self.iban[at : at + 4] for at in range(0, len(self.iban), 4))


@dataclass(frozen=True, slots=True)
class Line:
    """Quantity in thousandths of the unit, rate in hundredths of a percent (none: no tax is stated), amounts in minor units.

    `supplies` is missing where it was not kept; `untaxed` is why a rate of zero is one, where a rule says so.
    """

    description: str
    quantity_thousandths: int
    unit_price_minor: int
    tax_rate_basis_points: int | None
    net_minor: int
    tax_minor: int
    unit: str = Unit.ONE
    supplies: Supplies | None = None
    untaxed: Untaxed | None = None
    discount_minor: int = 0
    discount_basis_points: int = 0  # of the price, where the discount was said so
    discount_reason: str = ""
    whole_discount_minor: int = 0  # what it bears of that of the invoice; its net is what is left after both

    @property
    def line_net_minor(self) -> int:
        """As the line states it (BT-131): after its own discount, before that of the invoice."""
        return self.net_minor + self.whole_discount_minor

    @property
    def discount_percent(self) -> Decimal:
        """250 basis points are Decimal("2.5")."""
        return Decimal(self.discount_basis_points) / 100

    @property
    def gross_minor(self) -> int:
        return self.net_minor + self.tax_minor

    def quantity_text(self, locale: str) -> str:
        """1500 as "1.5" or "1,5", with its unit."""
        return language.quantity_text(Decimal(self.quantity_thousandths) / 1000, self.unit, locale)

    def rate_text(self, locale: str | Locale) -> str:
        return rate_text(self.tax_rate_basis_points, locale)


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """What the lines of one tax rate come to; of those without tax, the lines with one reason for it."""

    tax_rate_basis_points: int
    net_minor: int
    tax_minor: int
    untaxed: Untaxed | None = None

    @property
    def row(self) -> tuple[int, Untaxed | None]:
        """What tells it from the others."""
        return self.tax_rate_basis_points, self.untaxed

    def rate_text(self, locale: str | Locale) -> str:
        return rate_text(self.tax_rate_basis_points, locale)


@dataclass(frozen=True, slots=True)
class Method:
    """The card as Stripe names it ("visa"), its last four digits, and the wallet it came from ("apple_pay") if any.

    Of another kind of payment method `brand` is Stripe's type of it ("paypal"), which no card is called, and the others are empty.
    """

    brand: str
    last4: str
    wallet: str


@dataclass(frozen=True, slots=True)
class Reference:
    """What the document is about, in the words of the three who may ask: the buyer, this portal and Stripe.

    `details` are those of the invoice that have a text, by name: see portal.invoices.details. An invoice names no payment.
    """

    invoice_number: str
    details: dict[str, str]
    payment_id: str
    charge_id: str
    invoice_issued_on: date | None = None

    def labelled_details(self, locale: str) -> list[tuple[str, str]]:
        """The label, not translated, and the text of each."""
        return details.labelled(self.details, locale)

    @property
    def has_delivery(self) -> bool:
        """Whether it names an address that it was delivered to."""
        return bool(self.details.get(details.COUNTRY))


@dataclass(frozen=True, slots=True)
class Verification:
    """The document's code in groups, and the address that says whether such a document was issued."""

    code: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What every document says. Days are the company's own, in its time zone on the day of issue; amounts in minor units.

    `verification` is missing from the documents of version 1, whose codes are in their rows alone.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: str
    version: int
    number: str
    issued_at: datetime
    issued_on: date
    language: str
    currency: str
    seller: Party
    seller_contact: str
    seller_contact_name: str = ""
    seller_contact_phone: str = ""
    imprint: Imprint = Imprint()
    buyer: Party
    taxes: tuple[TaxTotal, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    reference: Reference
    verification: Verification | None
    logo: str  # a file name under static/, or empty
    colour: str  # "#rrggbb"
    exemption: str = ""  # the company's words for what is exempt

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)

    @property
    def total(self) -> Money:
        return self.money(self.total_minor)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The IBANs that it asks to pay to: none of a document that is no invoice, or where all is paid in the portal."""
        return ()

    @property
    def untaxed_minor(self) -> int:
        """The net of what no tax is stated for."""
        return self.net_minor - sum(tax.net_minor for tax in self.taxes)

    @property
    def has_unexplained(self) -> bool:
        """Whether tax is stated as zero for a part of it, and no rule says why."""
        return any(tax.row == (0, None) for tax in self.taxes)

    @property
    def reasons_untaxed(self) -> tuple[Untaxed, ...]:
        """Why parts of it have no tax, each reason once."""
        return tuple(dict.fromkeys(tax.untaxed for tax in self.taxes if tax.untaxed is not None))

    @property
    def created(self) -> str:
        """The moment of issue as documents carry it: ISO 8601 in UTC, to the second."""
        return self.issued_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def to_json(self) -> dict[str, Any]:
        written: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")  # type: ignore[arg-type]
        return written


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFacts(Facts):
    """Everything an invoice says. `supplied_on` is the day of supply, which is the invoice's own unless it states another one, or the
    first day of a period until `supplied_until`.

    `pay_at` is the address of its page in the portal, where it can be paid, and `transfer` the company's account. `e_invoice` is the
    profile of the data that its PDF carries, see portal.documents.e_invoices; empty when it carries none.
    """

    kind: Literal["invoice"] = "invoice"
    lines: tuple[Line, ...]
    supplied_on: date
    supplied_until: date | None = None
    due_on: date
    note: str
    pay_at: str
    transfer: Transfer | None = None
    e_invoice: str = ""
    discount_minor: int = 0  # of the whole invoice, which its lines bear
    discount_basis_points: int = 0
    discount_reason: str = ""

    @property
    def discount_percent(self) -> Decimal:
        """250 basis points are Decimal("2.5")."""
        return Decimal(self.discount_basis_points) / 100

    @property
    def accounts(self) -> tuple[str, ...]:
        return (self.transfer.iban,) if self.transfer else ()

    @property
    def epc_transfer(self) -> Transfer | None:
        """Where a SEPA transfer goes that a QR code can hold: in euros, and at most so much of them. None where there is none."""
        is_one = self.transfer is not None and self.currency == "eur" and 0 < self.total_minor <= MOST_BY_EPC_MINOR
        return self.transfer if is_one else None

    @property
    def has_both_kinds(self) -> bool:
        """Whether goods and services are billed, so that each line says which it is."""
        return len({line.supplies for line in self.lines} - {None}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyFacts(Facts):
    """What every document of money that moved says besides."""

    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFacts(MoneyFacts):
    """Everything a receipt says. Of a payment without an invoice it is the invoice; one that names an invoice is of before version 5."""

    kind: Literal["receipt"] = "receipt"
    paid_on: date
    supplied_on: date | None = None  # missing from those of before
    lines: tuple[Line, ...]

    @property
    def is_invoice(self) -> bool:
        return not self.reference.invoice_number


@dataclass(frozen=True, slots=True)
class PaidInvoice:
    """An invoice that a payment paid, and how much of it in minor units; `is_part` where that is less than all of it."""

    number: str
    issued_on: date
    amount_minor: int
    is_part: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentConfirmationFacts(MoneyFacts):
    """Everything a payment confirmation says: it is no invoice, and no tax stands on it.

    `invoices` are all that it paid; those of before name one in their reference alone.
    """

    kind: Literal["payment_confirmation"] = "payment_confirmation"
    paid_on: date
    invoices: tuple[PaidInvoice, ...] = ()

    @property
    def names_several(self) -> bool:
        """Whether what was paid of each invoice is told invoice by invoice."""
        return len(self.invoices) > 1 or any(one.is_part for one in self.invoices)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFacts(MoneyFacts):
    """What both kinds of documents of a refund say: why the money went back, and when.

    `reason` is one of portal.refunds.policy; `acquirer_reference_number` is empty while nobody knows it.
    """

    refunded_on: date
    reason: str
    refund_id: str
    stripe_refund_id: str
    acquirer_reference_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteFacts(RefundFacts):
    """Everything a credit note says: which invoice it corrects, or which receipt, and by how much."""

    kind: Literal["credit_note"] = "credit_note"
    corrects: Literal["invoice", "receipt"]
    corrects_number: str
    corrects_issued_on: date
    e_invoice: str = ""  # as of an invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionFacts(Facts):
    """Everything a credit note says of an invoice that was not paid yet: no money goes back, less is due.

    `lines` are those of the invoice that were credited, with what was; none where all rates were lowered alike. `reason` is in the words of
    staff, and `left_minor` what was due of the invoice from then on.
    """

    kind: Literal["correction"] = "correction"
    lines: tuple[Line, ...]
    corrects: Literal["invoice"] = "invoice"
    corrects_number: str
    corrects_issued_on: date
    reason: str
    left_minor: int
    e_invoice: str = ""  # as of an invoice


# Both are credit notes.
Correcting = CreditNoteFacts | CorrectionFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundConfirmationFacts(RefundFacts):
    """Everything a refund confirmation says: which payment the money came from. No invoice is corrected, and no tax stands on it."""

    kind: Literal["refund_confirmation"] = "refund_confirmation"
    confirmation_number: str  # the number of the payment's own document
    confirmation_issued_on: date


AnyFacts = (
    InvoiceFacts | ReceiptFacts | PaymentConfirmationFacts | CreditNoteFacts | CorrectionFacts | RefundConfirmationFacts
)
_ADAPTER: Final[TypeAdapter[AnyFacts]] = TypeAdapter(Annotated[AnyFacts, Field(discriminator="kind")])


def from_json(written: dict[str, Any]) -> AnyFacts:
    """The facts of a row. Raises ValueError when they are of a version that this program does not know."""
    version = written.get("version")
    if version not in {*old_facts.VERSIONS, VERSION}:
        raise ValueError(f"facts of version {version!r}")
    return _ADAPTER.validate_python(old_facts.in_todays_shape(written))


def receipt_from_json(written: dict[str, Any]) -> ReceiptFacts:
    """Likewise, of a row that is a receipt."""
    found = from_json(written)
    if not isinstance(found, ReceiptFacts):
        raise ValueError(f"facts of a {found.kind} in a receipt")
    return found


def rate_text(basis_points: int | None, locale: str | Locale) -> str:
    """1900 as "19%" or "19 %", 750 as "7.5%"; a dash when no tax is stated."""
    if basis_points is None:
        return "–"
    pattern = "0.##".join(Locale.parse(locale).percent_formats[None].pattern.rsplit("0", 1))
    return format_percent(Decimal(basis_points) / 10_000, format=pattern, locale=locale)


# How the numbers of each kind begin.
_LETTERS: Final[dict[str, str]] = {
    DocumentKind.RECEIPT: "R",
    DocumentKind.PAYMENT_CONFIRMATION: "PC",
    DocumentKind.CREDIT_NOTE: "CN",
    DocumentKind.REFUND_CONFIRMATION: "RC",
}


def number_text(n: int, day: date, kind: str = DocumentKind.RECEIPT) -> str:
    """The n-th document of its kind, issued on `day`: "R-2026-000123", "CN-2026-000012".

    A kind has one series that never starts again; the year in front only helps whoever files it. So the last six digits alone
    name a receipt, the receipts of all time are 1 … n without a gap, and a change of the year (or of the company's time
    zone) has nothing to reset, to skip or to give twice. What tax law asks for, such as § 14 (4) UStG or article 226 of
    directive 2006/112/EC, is a number in sequence from one or more series that names the document once: this is one.
    """
    return f"{_LETTERS[kind]}-{day:%Y}-{n:06d}"


def kind_of_number(number: str) -> DocumentKind | None:
    """The kind of a document of money that moved, as its number tells; None for letters that no kind has."""
    letters = number.partition("-")[0]
    return next((DocumentKind(kind) for kind, own in _LETTERS.items() if own == letters), None)


def taxes_of(lines: tuple[Line, ...]) -> tuple[TaxTotal, ...]:
    """One total a rate, the highest first, as on the invoice, and at the rate of zero one a reason; lines without a stated tax are in
    none.
    """
    sums: dict[tuple[int, Untaxed | None], tuple[int, int]] = {}
    for line in lines:
        if line.tax_rate_basis_points is not None:
            row = (line.tax_rate_basis_points, line.untaxed)
            net, tax = sums.get(row, (0, 0))
            sums[row] = (net + line.net_minor, tax + line.tax_minor)
    rows = sorted(sums, key=lambda row: (-row[0], row[1] or ""))
    return tuple(TaxTotal(rate, *sums[rate, why], why) for rate, why in rows)
