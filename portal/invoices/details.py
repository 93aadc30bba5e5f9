"""What an invoice may tell besides its lines, dates and sums: short texts for its customer, each declared once, here.

From this are made: the field of the staff's form, the option of the command, the column of the CSV file, the rule for drafts, what the API
shows, and the line on pages, documents and mails. A new one needs besides: its column (Invoice), its field in a draft (InvoiceDraft), and
its fields in the API's schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from portal.core.errors import N_

LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class Detail:
    """`name` is that of the column, of the field in forms and API, and of the column in a CSV file; `hint` is for whoever fills it in."""

    name: str
    label: str
    hint: str


DETAILS: Final = (
    Detail("reference", N_("Purchase order number"), N_("The customer’s purchase order number.")),
    Detail(
        "buyer_reference",
        N_("Buyer reference"),
        N_("For XRechnung, such as a Leitweg-ID; the customer’s own where it is left empty."),
    ),
)


def of(thing: object) -> dict[str, Any]:
    """The details of an invoice, of a draft or of a body of the API, by name; each is a text, empty when there is none."""
    return {detail.name: getattr(thing, detail.name) for detail in DETAILS}


def labelled(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """The label, not translated, and the text of each detail that has one."""
    return [(detail.label, text) for detail in DETAILS if (text := texts.get(detail.name, ""))]
