"""An invoice or a credit note as data: Factur-X (in Germany ZUGFeRD) in the profile EN 16931, made from the document's frozen facts alone.

The XML travels inside the PDF, which stays what people read. The names BT-… and BG-… are those of EN 16931-1; the codes come from
UNTDID 1001 (kinds of documents), 4451 (notes), 4461 (means of payment), 5305 (categories of tax), and UN/ECE recommendation 20 (units).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import structlog

from portal.content import language
from portal.core import money
from portal.core.errors import N_, NotFound
from portal.documents.facts import Correcting, CorrectionFacts, Facts, InvoiceFacts, Line, Party, TaxTotal, from_json
from portal.documents.models import Document
from portal.vat.untaxed import Untaxed

log = structlog.get_logger(__name__)

# What the facts of a document say of the data inside it, and what the XML says of itself (BT-24).
PROFILE: Final = "EN 16931"
GUIDELINE: Final = "urn:cen.eu:en16931:2017"
# The schema of the library that the XML is checked with when it is made.
_SCHEMA: Final = "FACTUR-X_EN16931"
# By these the file is found in the PDF. Source: Factur-X 1.0, "Embedding in PDF".
FILE_NAME: Final = "factur-x.xml"
MIME_TYPE: Final = "application/xml"

_INVOICE, _CREDIT_NOTE = "380", "381"
_STANDARD_RATE: Final = "S"
# The category of what has no tax, and the code of why (of the list VATEX).
UNTAXED: Final = {
    Untaxed.REVERSE_CHARGE: ("AE", "VATEX-EU-AE"),
    Untaxed.INTRA_COMMUNITY: ("K", "VATEX-EU-IC"),
    Untaxed.EXPORT: ("G", "VATEX-EU-G"),
    Untaxed.EXEMPT: ("E", ""),
}
_PAID_ONLINE: Final = "68"
_CLEARED: Final = "97"
_TRANSFER, _SEPA_TRANSFER = "30", "58"
DISCOUNT: Final = N_("Discount")
OFFSET: Final = N_("Set off against invoice %(number)s.")
_REGISTER_NOTE: Final = "REG"
# EN 16931 has no amounts with more (BR-DEC).
_MOST_DECIMALS: Final = 2


def missing(facts: Facts) -> tuple[str, ...]:
    """What would have to be known before there can be data of this document, each a text of the catalogue; none when there can be."""
    found = []
    if not facts.seller.country:
        found.append(N_("the country of your company (PORTAL_COMPANY_COUNTRY)"))
    if not (facts.seller.tax_id or facts.seller.tax_number):
        found.append(N_("your VAT ID or tax number (PORTAL_COMPANY_TAX_ID, PORTAL_COMPANY_TAX_NUMBER)"))
    if not facts.buyer.country:
        found.append(N_("the country of the customer"))
    if money.exponent(facts.currency) > _MOST_DECIMALS:
        found.append(N_("a currency with at most two decimals"))
    if facts.untaxed_minor or not facts.taxes or facts.has_unexplained:
        found.append(N_("why a line has no tax: no rule says it for these two parties"))
    if Untaxed.INTRA_COMMUNITY in facts.reasons_untaxed and isinstance(facts, Correcting):
        found.append(N_("the day of supply, which a credit note does not tell"))
    return tuple(found)


def profile(facts: InvoiceFacts | Correcting) -> str:
    """The profile of the data that a document can carry, for its facts; empty when something is `missing`.

    The data are made and held against the schema once, before they are promised: a document that could not be made into data is issued
    without them, and the log says why.
    """
    if missing(facts):
        return ""
    from lxml.etree import XMLSyntaxError

    try:
        xml(facts)
    except (ValueError, XMLSyntaxError):
        log.exception("e_invoice_not_made", number=facts.number)
        return ""
    return PROFILE


def xml(facts: InvoiceFacts | Correcting, specification: str = GUIDELINE, process: str = "") -> bytes:
    """The XML of a document for which nothing is `missing`; the same facts give the same bytes. `specification` and `process` are what it
    says of itself (BT-24, BT-23): a narrower standard asks for others.

    Raises lxml.etree.XMLSyntaxError when it is not what the schema asks for: an error of this program.
    """
    from drafthorse.models.document import Document

    made: Any = Document()
    made.context.guideline_parameter.id = specification
    if process:
        made.context.business_parameter.id = process
    made.header.id = facts.number
    made.header.type_code = _INVOICE if isinstance(facts, InvoiceFacts) else _CREDIT_NOTE
    made.header.issue_date_time = facts.issued_on
    _notes(made, facts)
    _parties(made, facts)
    for number, line in enumerate(lines_of(facts), 1):
        made.trade.items.add(_item(number, line, facts))
    _settlement(made.trade.settlement, facts)
    if isinstance(facts, InvoiceFacts):
        _supply(made, facts)
    written: bytes = made.serialize(schema=_SCHEMA)
    return written


def of(document: Document) -> bytes:
    """The XML of a document's row, the same that its PDF carries. Raises NotFound where it carries none."""
    made = inside(from_json(document.facts))
    if made is None:
        raise NotFound
    return made


def inside(facts: Facts) -> bytes | None:
    """The XML for the PDF of a document; None for one that carries none."""
    if not isinstance(facts, InvoiceFacts | Correcting) or not facts.e_invoice:
        return None
    return xml(facts)


def _notes(made: Any, facts: Facts) -> None:
    from drafthorse.models.note import IncludedNote

    imprint = facts.imprint
    of_register = ", ".join(filter(None, (imprint.legal_form, imprint.register, *imprint.directors)))
    texts = [(getattr(facts, "note", ""), ""), (of_register, _REGISTER_NOTE), (imprint.note, "")]
    for text, subject in texts:
        if text:
            note: Any = IncludedNote()
            note.content = text
            if subject:
                note.subject_code = subject
            made.header.notes.add(note)


def _parties(made: Any, facts: Facts) -> None:
    agreement = made.trade.agreement
    _party(agreement.seller, facts.seller, [("VA", facts.seller.tax_id), ("FC", facts.seller.tax_number)])
    _party(agreement.buyer, facts.buyer, [("VA", facts.buyer.tax_id)])
    if "@" in facts.seller_contact:
        agreement.seller.electronic_address.uri_ID = ("EM", facts.seller_contact)
        agreement.seller.contact.person_name = facts.seller_contact_name or facts.seller.name
        if facts.seller_contact_phone:
            agreement.seller.contact.telephone.number = facts.seller_contact_phone
        agreement.seller.contact.email.address = facts.seller_contact
    if facts.buyer.endpoint[1]:
        agreement.buyer.electronic_address.uri_ID = facts.buyer.endpoint
    if reference := facts.reference.details.get("buyer_reference"):
        agreement.buyer_reference = reference
    if order := facts.reference.details.get("reference"):
        agreement.buyer_order.issuer_assigned_id = order


def _party(place: Any, party: Party, tax_numbers: Sequence[tuple[str, str]]) -> None:
    """`tax_numbers` with the scheme of each: VA is a VAT ID (BT-31, BT-48), FC a number of the tax office (BT-32)."""
    from drafthorse.models.party import TaxRegistration

    place.name = party.name
    first, second, *rest = (*street(party), "", "")
    if party.postal_code:
        place.address.postcode = party.postal_code
    place.address.line_one, place.address.line_two = first, second
    place.address.line_three = ", ".join(filter(None, rest))
    if party.city:
        place.address.city_name = party.city
    place.address.country_id = party.country
    for scheme, number in tax_numbers:
        if number:
            registration: Any = TaxRegistration()
            registration.id = (scheme, number)
            place.tax_registrations.add(registration)


def street(party: Party) -> list[str]:
    """The lines of an address without the one that only says post code and city once more."""
    town = {f"{party.postal_code} {party.city}".strip(), f"{party.city} {party.postal_code}".strip()}
    return [line for line in party.address if not party.city or line not in town]


def lines_of(facts: InvoiceFacts | Correcting) -> tuple[Line, ...]:
    """Most credit notes have none of their own: they correct what each rate comes to."""
    if isinstance(facts, InvoiceFacts) or (isinstance(facts, CorrectionFacts) and facts.lines):
        return facts.lines
    return tuple(
        Line(
            facts.corrects_number,
            1000,
            tax.net_minor,
            tax.tax_rate_basis_points,
            tax.net_minor,
            tax.tax_minor,
            untaxed=tax.untaxed,
        )
        for tax in facts.taxes
    )


def lines_minor(facts: InvoiceFacts | Correcting) -> int:
    """The sum of the lines (BT-106), before a discount of the whole."""
    return facts.net_minor + (facts.discount_minor if isinstance(facts, InvoiceFacts) else 0)


def _item(number: int, line: Line, facts: Facts) -> Any:
    from drafthorse.models.tradelines import LineItem

    item: Any = LineItem()
    item.document.line_id = str(number)
    item.product.name = line.description
    # A price is never negative (BR-27); the quantity may be.
    sign = -1 if line.unit_price_minor < 0 else 1
    item.agreement.net.amount = _amount(sign * line.unit_price_minor, facts)
    item.delivery.billed_quantity = (sign * Decimal(line.quantity_thousandths) / 1000, line.unit)
    item.settlement.trade_tax.type_code = "VAT"
    item.settlement.trade_tax.category_code = category(line.untaxed)
    item.settlement.trade_tax.rate_applicable_percent = _percent(line.tax_rate_basis_points or 0)
    if line.discount_minor:
        item.settlement.allowance_charge.add(_allowance(allowance_of(line, facts), facts))
    item.settlement.monetary_summation.total_amount = _amount(line.line_net_minor, facts)
    return item


@dataclass(frozen=True, slots=True)
class Allowance:
    """A discount as data (BG-20, BG-27), in minor units. What it is a part of, in basis points, is said only where the two come to the
    amount, and both or none (PEPPOL-EN16931-R040 to R042). `tax` is the row that one of the whole invoice is of.
    """

    minor: int
    reason: str
    base_minor: int = 0
    basis_points: int = 0
    tax: TaxTotal | None = None


def allowance_of(line: Line, facts: Facts) -> Allowance:
    """The discount of a line that has one."""
    said = discount_text(line.discount_reason, facts)
    listed = line.line_net_minor + line.discount_minor
    return _with_part(Allowance(line.discount_minor, said, listed, line.discount_basis_points), facts)


def allowances_of(facts: InvoiceFacts | Correcting) -> list[Allowance]:
    """The discount of the whole invoice: one for each row of taxes that bears a part of it."""
    if not isinstance(facts, InvoiceFacts) or not facts.discount_minor:
        return []
    said = discount_text(facts.discount_reason, facts)
    found = []
    for tax in facts.taxes:
        lines = [line for line in facts.lines if (line.tax_rate_basis_points, line.untaxed) == tax.row]
        minor, base = sum(line.whole_discount_minor for line in lines), sum(line.line_net_minor for line in lines)
        if minor:
            found.append(_with_part(Allowance(minor, said, base, facts.discount_basis_points, tax), facts))
    return found


def discount_text(reason: str, facts: Facts) -> str:
    """The reason of a discount, which needs one (BR-33, BR-42): in the document's language where nobody gave any."""
    return reason or language.translate(DISCOUNT, facts.language)


def _with_part(allowance: Allowance, facts: Facts) -> Allowance:
    part = Decimal(allowance.base_minor * allowance.basis_points) / 10_000
    if allowance.basis_points and abs(part - allowance.minor) <= 1 and money.exponent(facts.currency) == _MOST_DECIMALS:
        return allowance
    return replace(allowance, base_minor=0, basis_points=0)


def _allowance(of: Allowance, facts: Facts) -> Any:
    from drafthorse.models.accounting import CategoryTradeTax, TradeAllowanceCharge

    made: Any = TradeAllowanceCharge()
    made.indicator = False
    if of.basis_points:
        made.calculation_percent = _percent(of.basis_points)
        made.basis_amount = _amount(of.base_minor, facts)
    made.actual_amount = _amount(of.minor, facts)
    made.reason = of.reason
    if of.tax is not None:
        row: Any = CategoryTradeTax()
        row.type_code = "VAT"
        row.category_code = category(of.tax.untaxed)
        row.rate_applicable_percent = _percent(of.tax.tax_rate_basis_points)
        made.trade_tax.add(row)
    return made


def _settlement(settlement: Any, facts: InvoiceFacts | Correcting) -> None:
    from drafthorse.models.payment import PaymentMeans, PaymentTerms

    settlement.currency_code = facts.currency.upper()
    for tax in facts.taxes:
        settlement.trade_tax.add(_tax(tax, facts))
    for allowance in allowances_of(facts):
        settlement.allowance_charge.add(_allowance(allowance, facts))
    means: Any = PaymentMeans()
    means.type_code = means_of(facts)
    if isinstance(facts, InvoiceFacts) and facts.transfer:
        means.payee_account.iban, means.payee_account.account_name = facts.transfer.iban, facts.transfer.holder
        if facts.transfer.bic:
            means.payee_institution.bic = facts.transfer.bic
    settlement.payment_means.add(means)
    paid_minor = 0
    if isinstance(facts, InvoiceFacts):
        settlement.payment_reference = facts.number
        terms: Any = PaymentTerms()
        if text := facts.reference.details.get("payment_terms"):
            terms.description = text
        terms.due = facts.due_on
        settlement.terms.add(terms)
    else:
        if isinstance(facts, CorrectionFacts):
            offset: Any = PaymentTerms()
            offset.description = offset_text(facts)
            settlement.terms.add(offset)
        else:
            paid_minor = facts.total_minor  # the money has gone back
        settlement.invoice_referenced_document.issuer_assigned_id = facts.corrects_number
        settlement.invoice_referenced_document.issue_date_time = facts.corrects_issued_on
    total = settlement.monetary_summation
    total.line_total = _amount(lines_minor(facts), facts)
    if discounted := lines_minor(facts) - facts.net_minor:
        total.allowance_total = _amount(discounted, facts)
    total.tax_basis_total = _amount(facts.net_minor, facts)
    total.tax_total = (_amount(facts.tax_minor, facts), facts.currency.upper())
    total.grand_total = _amount(facts.total_minor, facts)
    total.prepaid_total = _amount(paid_minor, facts)
    total.due_amount = _amount(facts.total_minor - paid_minor, facts)


def means_of(facts: InvoiceFacts | Correcting) -> str:
    """How it is paid (BT-81): to the company's account where it says one, which programs pay to, or through the portal; a correction of
    what was not paid is set off against its invoice.
    """
    if isinstance(facts, InvoiceFacts) and facts.transfer:
        return _SEPA_TRANSFER if facts.currency == "eur" else _TRANSFER
    return _CLEARED if isinstance(facts, CorrectionFacts) else _PAID_ONLINE


def offset_text(facts: CorrectionFacts) -> str:
    """The terms of payment (BT-20) of such a correction, in the document's language."""
    return language.translate(OFFSET, facts.language, number=facts.corrects_number)


def _tax(tax: TaxTotal, facts: Facts) -> Any:
    from drafthorse.models.accounting import ApplicableTradeTax

    made: Any = ApplicableTradeTax()
    made.calculated_amount = _amount(tax.tax_minor, facts)
    made.type_code = "VAT"
    made.basis_amount = _amount(tax.net_minor, facts)
    made.category_code = category(tax.untaxed)
    made.rate_applicable_percent = _percent(tax.tax_rate_basis_points)
    if tax.untaxed is not None:
        _, code = UNTAXED[tax.untaxed]
        if code:
            made.exemption_reason_code = code
        else:
            made.exemption_reason = facts.exemption
    return made


def category(why: Untaxed | None) -> str:
    return _STANDARD_RATE if why is None else UNTAXED[why][0]


def _supply(made: Any, facts: InvoiceFacts) -> None:
    """The day of supply (BT-72), and its period (BG-14) when there is one."""
    made.trade.delivery.event.occurrence = facts.supplied_until or facts.supplied_on
    _delivery(made.trade.delivery.ship_to, delivered_to(facts))
    if facts.supplied_until is not None:
        made.trade.settlement.period.start = facts.supplied_on
        made.trade.settlement.period.end = facts.supplied_until


def delivered_to(facts: InvoiceFacts) -> dict[str, str]:
    """Where it was delivered to, under the names that the details of an invoice have for it; empty where nothing says so.

    Goods that went to another country of the Union must name one (BR-IC-12), and then its town, too (BR-DE-10, BR-DE-11): the buyer's.
    """
    if facts.reference.has_delivery:
        return facts.reference.details
    if Untaxed.INTRA_COMMUNITY not in facts.reasons_untaxed:
        return {}
    buyer = facts.buyer
    first, second, *_ = (*street(buyer), "", "")
    return {
        "delivery_name": buyer.name, "delivery_line_one": first, "delivery_line_two": second,
        "delivery_postal_code": buyer.postal_code, "delivery_city": buyer.city, "delivery_country": buyer.country,
    }  # fmt: skip


def _delivery(place: Any, said: dict[str, str]) -> None:
    """Name (BT-70) and address (BG-15) of where it was delivered to."""
    if name := said.get("delivery_name"):
        place.name = name
    for to, detail in (
        ("postcode", "delivery_postal_code"),
        ("line_one", "delivery_line_one"),
        ("line_two", "delivery_line_two"),
        ("city_name", "delivery_city"),
        ("country_id", "delivery_country"),
    ):
        if text := said.get(detail):
            setattr(place.address, to, text)


def _amount(minor: int, facts: Facts) -> Decimal:
    return facts.money(minor).decimal


def _percent(basis_points: int) -> Decimal:
    return Decimal(basis_points) / 100
