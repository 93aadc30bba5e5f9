"""An invoice or a credit note in UBL 2.1, the other syntax of EN 16931, from the same frozen facts as in CII.

Elements stand in the order that the schema asks for. The names BT-… are those of EN 16931-1.

Source: OASIS, "Universal Business Language 2.1"; CEN/TS 16931-3-2 (binding of EN 16931 to UBL).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from portal.documents.e_invoices import (
    UNTAXED,
    Allowance,
    allowance_of,
    allowances_of,
    category,
    delivered_to,
    lines_minor,
    lines_of,
    means_of,
    offset_text,
    street,
)
from portal.documents.facts import Correcting, CorrectionFacts, Facts, InvoiceFacts, Line, Party, TaxTotal

if TYPE_CHECKING:
    from lxml.etree import _Element

_DOCUMENT: Final = "urn:oasis:names:specification:ubl:schema:xsd:{name}-2"
_AGGREGATE: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
_BASIC: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"

# What a document says that it is a part of (BT-23), where nobody asks for another.
PROCESS: Final = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"

_INVOICE, _CREDIT_NOTE = "380", "381"


def xml(facts: InvoiceFacts | Correcting, specification: str, process: str) -> bytes:
    """The document, for which nothing is missing (portal.documents.e_invoices.missing); the same facts give the same bytes."""
    from lxml import etree

    is_invoice = isinstance(facts, InvoiceFacts)
    name = "Invoice" if is_invoice else "CreditNote"
    space = _DOCUMENT.format(name=name)
    spaces: dict[str | None, str] = {None: space, "cac": _AGGREGATE, "cbc": _BASIC}
    root = etree.Element(f"{{{space}}}{name}", nsmap=spaces)  # type: ignore[arg-type]  # narrower in its stubs than it is
    _text(root, "CustomizationID", specification)
    _text(root, "ProfileID", process)
    _text(root, "ID", facts.number)
    _day(root, "IssueDate", facts.issued_on)
    if isinstance(facts, InvoiceFacts):
        _day(root, "DueDate", facts.due_on)
    _text(root, f"{name}TypeCode", _INVOICE if is_invoice else _CREDIT_NOTE)
    for note in _notes(facts):
        _text(root, "Note", note)
    _text(root, "DocumentCurrencyCode", facts.currency.upper())
    if reference := facts.reference.details.get("buyer_reference"):
        _text(root, "BuyerReference", reference)
    if isinstance(facts, InvoiceFacts) and facts.supplied_until is not None:
        period = _part(root, "InvoicePeriod")
        _day(period, "StartDate", facts.supplied_on)
        _day(period, "EndDate", facts.supplied_until)
    if order := facts.reference.details.get("reference"):
        _text(_part(root, "OrderReference"), "ID", order)
    if isinstance(facts, Correcting):
        corrected = _part(_part(root, "BillingReference"), "InvoiceDocumentReference")
        _text(corrected, "ID", facts.corrects_number)
        _day(corrected, "IssueDate", facts.corrects_issued_on)
    _seller(root, facts)
    _party(_part(_part(root, "AccountingCustomerParty"), "Party"), facts.buyer, facts.buyer.endpoint)
    _supply(root, facts)
    _payment(root, facts)
    for allowance in allowances_of(facts):
        _allowance(root, allowance, facts)
    _taxes(root, facts)
    _totals(root, facts)
    for number, line in enumerate(lines_of(facts), 1):
        _line(root, number, line, facts)
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return written


def _notes(facts: Facts) -> list[str]:
    imprint = facts.imprint
    of_register = ", ".join(filter(None, (imprint.legal_form, imprint.register, *imprint.directors)))
    return [text for text in (getattr(facts, "note", ""), of_register, imprint.note) if text]


def _seller(root: _Element, facts: Facts) -> None:
    place = _part(_part(root, "AccountingSupplierParty"), "Party")
    _party(place, facts.seller, ("EM", facts.seller_contact))
    contact = _part(place, "Contact")
    _text(contact, "Name", facts.seller_contact_name or facts.seller.name)
    if facts.seller_contact_phone:
        _text(contact, "Telephone", facts.seller_contact_phone)
    _text(contact, "ElectronicMail", facts.seller_contact)


def _party(place: _Element, party: Party, endpoint: tuple[str, str]) -> None:
    scheme, found = endpoint
    if found:
        _text(place, "EndpointID", found, schemeID=scheme)
    address = _part(place, "PostalAddress")
    first, second, *rest = (*street(party), "", "")
    for name, text in (
        ("StreetName", first),
        ("AdditionalStreetName", second),
        ("CityName", party.city),
        ("PostalZone", party.postal_code),
    ):
        if text:
            _text(address, name, text)
    if third := ", ".join(filter(None, rest)):
        _text(_part(address, "AddressLine"), "Line", third)
    _text(_part(address, "Country"), "IdentificationCode", party.country)
    # A VAT ID is of the scheme VAT (BT-31, BT-48); any other one is that of the tax office (BT-32).
    for number, scheme in ((party.tax_id, "VAT"), (party.tax_number, "FC")):
        if number:
            registered = _part(place, "PartyTaxScheme")
            _text(registered, "CompanyID", number)
            _text(_part(registered, "TaxScheme"), "ID", scheme)
    _text(_part(place, "PartyLegalEntity"), "RegistrationName", party.name)


def _supply(root: _Element, facts: Facts) -> None:
    """The day of supply (BT-72), and where it was delivered to (BG-13, BG-15)."""
    if not isinstance(facts, InvoiceFacts):
        return
    delivery = _part(root, "Delivery")
    _day(delivery, "ActualDeliveryDate", facts.supplied_until or facts.supplied_on)
    if said := delivered_to(facts):
        _delivery(delivery, said)


def _delivery(place: _Element, said: dict[str, str]) -> None:
    address = _part(_part(place, "DeliveryLocation"), "Address")
    for name, detail in (
        ("StreetName", "delivery_line_one"),
        ("AdditionalStreetName", "delivery_line_two"),
        ("CityName", "delivery_city"),
        ("PostalZone", "delivery_postal_code"),
    ):
        if said.get(detail):
            _text(address, name, said[detail])
    _text(_part(address, "Country"), "IdentificationCode", said["delivery_country"])
    if recipient := said.get("delivery_name"):
        _text(_part(_part(place, "DeliveryParty"), "PartyName"), "Name", recipient)


def _payment(root: _Element, facts: InvoiceFacts | Correcting) -> None:
    means = _part(root, "PaymentMeans")
    _text(means, "PaymentMeansCode", means_of(facts))
    if isinstance(facts, InvoiceFacts):
        _text(means, "PaymentID", facts.number)
        if facts.transfer:
            account = _part(means, "PayeeFinancialAccount")
            _text(account, "ID", facts.transfer.iban)
            _text(account, "Name", facts.transfer.holder)
            if facts.transfer.bic:
                _text(_part(account, "FinancialInstitutionBranch"), "ID", facts.transfer.bic)
        if terms := facts.reference.details.get("payment_terms"):
            _text(_part(root, "PaymentTerms"), "Note", terms)
    elif isinstance(facts, CorrectionFacts):
        _text(_part(root, "PaymentTerms"), "Note", offset_text(facts))


def _taxes(root: _Element, facts: Facts) -> None:
    total = _part(root, "TaxTotal")
    _amount(total, "TaxAmount", facts.tax_minor, facts)
    for tax in facts.taxes:
        part = _part(total, "TaxSubtotal")
        _amount(part, "TaxableAmount", tax.net_minor, facts)
        _amount(part, "TaxAmount", tax.tax_minor, facts)
        _category(part, "TaxCategory", tax, facts)


def _category(place: _Element, name: str, of: TaxTotal | Line, facts: Facts, *, with_reason: bool = True) -> None:
    """The category and rate of tax; in the totals, the reason of what has none besides."""
    made = _part(place, name)
    _text(made, "ID", category(of.untaxed))
    _text(made, "Percent", f"{Decimal(of.tax_rate_basis_points or 0) / 100:f}")
    if with_reason and isinstance(of, TaxTotal) and of.untaxed is not None:
        _, code = UNTAXED[of.untaxed]
        _text(made, *(("TaxExemptionReasonCode", code) if code else ("TaxExemptionReason", facts.exemption)))
    _text(_part(made, "TaxScheme"), "ID", "VAT")


def _totals(root: _Element, facts: InvoiceFacts | Correcting) -> None:
    # The money of a refund has gone back.
    paid_minor = 0 if isinstance(facts, InvoiceFacts | CorrectionFacts) else facts.total_minor
    total = _part(root, "LegalMonetaryTotal")
    for name, minor in (
        ("LineExtensionAmount", lines_minor(facts)),
        ("TaxExclusiveAmount", facts.net_minor),
        ("TaxInclusiveAmount", facts.total_minor),
        *([("AllowanceTotalAmount", discounted)] if (discounted := lines_minor(facts) - facts.net_minor) else []),
        ("PrepaidAmount", paid_minor),
        ("PayableAmount", facts.total_minor - paid_minor),
    ):
        _amount(total, name, minor, facts)


def _line(root: _Element, number: int, line: Line, facts: InvoiceFacts | Correcting) -> None:
    is_invoice = isinstance(facts, InvoiceFacts)
    made = _part(root, "InvoiceLine" if is_invoice else "CreditNoteLine")
    _text(made, "ID", str(number))
    # A price is never negative (BR-27); the quantity may be.
    sign = -1 if line.unit_price_minor < 0 else 1
    quantity = sign * Decimal(line.quantity_thousandths) / 1000
    _text(made, "InvoicedQuantity" if is_invoice else "CreditedQuantity", f"{quantity:f}", unitCode=line.unit)
    _amount(made, "LineExtensionAmount", line.line_net_minor, facts)
    if line.discount_minor:
        _allowance(made, allowance_of(line, facts), facts)
    item = _part(made, "Item")
    _text(item, "Name", line.description)
    _category(item, "ClassifiedTaxCategory", line, facts)
    _amount(_part(made, "Price"), "PriceAmount", sign * line.unit_price_minor, facts)


def _allowance(place: _Element, of: Allowance, facts: Facts) -> None:
    made = _part(place, "AllowanceCharge")
    _text(made, "ChargeIndicator", "false")
    _text(made, "AllowanceChargeReason", of.reason)
    if of.basis_points:
        _text(made, "MultiplierFactorNumeric", f"{Decimal(of.basis_points) / 100:f}")
    _amount(made, "Amount", of.minor, facts)
    if of.basis_points:
        _amount(made, "BaseAmount", of.base_minor, facts)
    if of.tax is not None:
        _category(made, "TaxCategory", of.tax, facts, with_reason=False)


def _part(place: _Element, name: str) -> _Element:
    from lxml import etree

    return etree.SubElement(place, f"{{{_AGGREGATE}}}{name}")


def _text(place: _Element, name: str, text: str, **attributes: str) -> None:
    """Raises ValueError for a text that no XML can hold."""
    from lxml import etree

    etree.SubElement(place, f"{{{_BASIC}}}{name}", attributes).text = text


def _day(place: _Element, name: str, day: date) -> None:
    _text(place, name, day.isoformat())


def _amount(place: _Element, name: str, minor: int, facts: Facts) -> None:
    _text(place, name, f"{facts.money(minor).decimal:f}", currencyID=facts.currency.upper())
