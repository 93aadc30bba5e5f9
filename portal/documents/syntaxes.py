"""The data of a document for whoever sends it on, in one of the syntaxes of EN 16931, and whom they are for."""

from __future__ import annotations

from typing import Literal

from portal.core.errors import NotFound
from portal.documents import e_invoices, ubl
from portal.documents.facts import CreditNoteFacts, InvoiceFacts, from_json
from portal.documents.models import Document


def address(document: Document) -> str:
    """Where a network finds the buyer, "0204:991-…"; "" where it has no such address, or the document no data."""
    said = from_json(document.facts)
    return said.buyer.electronic_address if getattr(said, "e_invoice", "") else ""


def xml(document: Document, syntax: Literal["cii", "ubl"]) -> bytes:
    """The same each time. Raises NotFound for a document without data."""
    said = from_json(document.facts)
    if not isinstance(said, InvoiceFacts | CreditNoteFacts) or not said.e_invoice:
        raise NotFound
    return e_invoices.xml(said) if syntax == "cii" else ubl.xml(said, e_invoices.GUIDELINE, ubl.PROCESS)
