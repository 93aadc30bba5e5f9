"""An invoice or a credit note as XRechnung, which German authorities ask for: EN 16931 with rules of its own, in one of two syntaxes.

It is made from the frozen facts when somebody fetches it, so a document that has the facts for it has it always. CII is the e-invoice of
portal.documents.e_invoices under another specification; UBL is portal.documents.ubl's.

Source: KoSIT, "Standard XRechnung" 3.0 (business rules BR-DE-1 to BR-DE-28, and those of Peppol that it takes over).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from portal.core.errors import N_, NotFound
from portal.documents import e_invoices, ubl
from portal.documents.facts import Correcting, Facts, InvoiceFacts, from_json
from portal.documents.models import Document

SPECIFICATION: Final = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
PROCESS: Final = ubl.PROCESS
MIME_TYPE: Final = "application/xml"
# BR-DE-27 and BR-DE-28.
_PHONE: Final = re.compile(r"(?:.*[0-9]){3}")
_EMAIL: Final = re.compile(r"[^@\s]+@([^@.\s]+\.)+[^@.\s]+")


class Syntax(StrEnum):
    CII = "cii"
    UBL = "ubl"


def missing(facts: Facts) -> tuple[str, ...]:
    """What would have to be known before there can be an XRechnung of this document, each a text of the catalogue."""
    seller, buyer = facts.seller, facts.buyer
    known = {
        N_("the buyer reference (on the invoice or at the customer)"): reference(facts),
        N_("your postal code and city (PORTAL_COMPANY_POSTAL_CODE, PORTAL_COMPANY_CITY)"): seller.postal_code
        and seller.city,
        N_("whom to ask, with a telephone number (PORTAL_COMPANY_CONTACT_NAME, PORTAL_COMPANY_CONTACT_PHONE)"): (
            facts.seller_contact_name and _PHONE.match(facts.seller_contact_phone)
        ),
        N_("your e-mail address (PORTAL_COMPANY_SUPPORT_EMAIL)"): _EMAIL.fullmatch(facts.seller_contact),
        N_("the postal code and the city of the customer"): buyer.postal_code and buyer.city,
        N_("the e-mail address of the customer"): buyer.email,
        N_("the postal code of the delivery address"): (
            not facts.reference.has_delivery or facts.reference.details.get("delivery_postal_code")
        ),
    }
    return (*e_invoices.missing(facts), *(text for text, value in known.items() if not value))


def reference(facts: Facts) -> str:
    """The buyer reference (BT-10), such as a Leitweg-ID; "" for none. Who has one is asked for an XRechnung, perhaps."""
    return facts.reference.details.get("buyer_reference", "")


def is_ready(facts: Facts) -> bool:
    """Whether there is one: of an invoice or a credit note with an e-invoice and all that is asked for besides."""
    return isinstance(facts, InvoiceFacts | Correcting) and bool(facts.e_invoice) and not missing(facts)


def of(document: Document, syntax: Syntax) -> bytes:
    """The XRechnung of a document's row; the same each time. Raises NotFound where there is none."""
    facts = from_json(document.facts)
    if not isinstance(facts, InvoiceFacts | Correcting) or not is_ready(facts):
        raise NotFound
    return xml(facts, syntax)


def xml(facts: InvoiceFacts | Correcting, syntax: Syntax) -> bytes:
    """The XML of a document for which nothing is `missing`."""
    if syntax == Syntax.CII:
        return e_invoices.xml(facts, SPECIFICATION, PROCESS)
    return ubl.xml(facts, SPECIFICATION, PROCESS)
