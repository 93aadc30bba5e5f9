"""What an invoice may tell besides its lines, dates and sums: short texts for its customer, each declared once, here.

From this are made: the field of the staff's form, the option of the command, the column of the CSV file, the rule for drafts, what the API
shows, and the line on pages, documents and mails. A new one needs besides: its column (Invoice), its field in a draft (InvoiceDraft), and
its fields in the API's schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from portal.content import language
from portal.core.errors import N_, Invalid

LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class Detail:
    """`name` is that of the column, of the field in forms and API, and of the column in a CSV file; `hint` is for whoever fills it in.

    One that is `of_order` stands on every document about the invoice; the others on the invoice alone.
    """

    name: str
    label: str
    hint: str
    longest: int = LONGEST
    of_order: bool = False


DELIVERY_LABEL: Final = N_("Delivery address")
COUNTRY: Final = "delivery_country"
# Where it was delivered to (BG-13, BG-15), on one line together. The country is a two-letter code.
DELIVERY: Final = (
    Detail("delivery_name", N_("Recipient of the delivery"), N_("If it is not the customer.")),
    Detail("delivery_line_one", N_("Delivery: street"), N_("Street and number.")),
    Detail("delivery_line_two", N_("Delivery: address line 2"), N_("Such as a building or a gate.")),
    Detail("delivery_postal_code", N_("Delivery: postal code"), N_("Needed for XRechnung."), longest=20),
    Detail("delivery_city", N_("Delivery: city"), N_("Needed for any delivery address."), longest=100),
    Detail(COUNTRY, N_("Delivery: country"), N_("Two letters, such as DE."), longest=2),
)
# Each on a line of its own.
SINGLE: Final = (
    Detail("reference", N_("Purchase order number"), N_("The customer’s purchase order number."), of_order=True),
    Detail(
        "buyer_reference",
        N_("Buyer reference"),
        N_("For XRechnung, such as a Leitweg-ID; the customer’s own where it is left empty."),
        of_order=True,
    ),
    Detail(
        "payment_terms",
        N_("Terms of payment"),
        N_("Besides the due date, such as what is paid less when it is paid early."),
        longest=300,
    ),
)
DETAILS: Final = (*SINGLE, *DELIVERY)


def of(thing: object) -> dict[str, Any]:
    """The details of an invoice, of a draft or of a body of the API, by name; each is a text, empty when there is none."""
    return {detail.name: getattr(thing, detail.name) for detail in DETAILS}


def of_order(thing: object) -> dict[str, str]:
    """Those with a text that stand on every document about an invoice."""
    return {detail.name: text for detail in SINGLE if detail.of_order and (text := getattr(thing, detail.name))}


def labelled(texts: Mapping[str, str], locale: str) -> list[tuple[str, str]]:
    """The label, not translated, and the text of each detail that has one; the delivery address is one of them, its country in words of
    the locale.
    """
    found = [(detail.label, text) for detail in SINGLE if (text := texts.get(detail.name, ""))]
    address = ", ".join(delivered_to(texts, locale))
    return [*found, (DELIVERY_LABEL, address)] if address else found


def delivered_to(texts: Mapping[str, str], locale: str) -> list[str]:
    """The lines of the delivery address, as on an envelope; none where it has none."""
    town = " ".join(filter(None, (texts.get("delivery_postal_code"), texts.get("delivery_city"))))
    country = language.country_name(texts.get(COUNTRY, ""), locale)
    lines = [texts.get(name, "") for name in ("delivery_name", "delivery_line_one", "delivery_line_two")]
    return [line for line in (*lines, town, country) if line]


def check_delivery(texts: Mapping[str, str]) -> None:
    """Raises Invalid for an address without a city or a country, which e-invoices ask for (BR-57), and for a country that there is not."""
    country = texts[COUNTRY]
    if country and not language.is_country(country):
        raise Invalid(N_("Please enter a country by its two letters, such as DE."), field=COUNTRY)
    if any(texts[detail.name] for detail in DELIVERY):
        for name in (COUNTRY, "delivery_city"):
            if not texts[name]:
                raise Invalid(N_("A delivery address needs at least a city and a country."), field=name)


def check_terms(text: str) -> None:
    """Raises Invalid for a text that XRechnung would read as a code (BR-DE-18)."""
    if any(line.lstrip().startswith("#") for line in text.splitlines()):
        raise Invalid(N_("A line of the terms of payment cannot begin with #."), field="payment_terms")
