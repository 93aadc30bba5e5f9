"""All documents, as staff list them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, bindparam, literal_column
from sqlalchemy.orm import joinedload

from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.core.errors import N_
from portal.core.listing import Listing, Narrowing, TextForm, beginning, begins, exactly
from portal.core.permissions import Permission
from portal.documents.models import HELD, REVOKED, UNMAILED, Document, DocumentKind
from portal.web.staff_lists import Choice, Column, StaffList

# So much of a number leaves a thousand documents at most, where it has six digits as it mostly has.
_MOST_OF_A_NUMBER: Final = re.compile(r"[A-Z]{1,4}-[A-Z0-9]{4}-[0-9]{3,}")


def _few_by_number(typed: str) -> Mapping[str, object] | None:
    return beginning(typed) if _MOST_OF_A_NUMBER.fullmatch(typed.upper()) else None


def _has_id(_dialect: str) -> ColumnElement[bool]:
    return Document.id == bindparam("text")


def _number_begins(_dialect: str) -> ColumnElement[bool]:
    return begins(Document.number)


def _is_of(kind: DocumentKind) -> ColumnElement[bool]:
    return Document.kind == kind


def _word_for_word(condition: object) -> ColumnElement[bool]:
    """As an index of a part of the rows has it."""
    found: ColumnElement[bool] = literal_column(str(condition))
    return found


LISTING: Final[Listing[Document]] = Listing(
    row_id=Document.id,
    moment=Document.issued_at,
    customer=Document.customer_id,
    currency=Document.currency,
    amount=Document.total_minor,
    choices={
        "state": {
            "held": Narrowing(within=partial(_word_for_word, HELD)),
            "waiting": Narrowing(within=partial(_word_for_word, UNMAILED)),
            "void": Narrowing(within=partial(_word_for_word, REVOKED)),
        },
        "kind": {str(kind): Narrowing(within=partial(_is_of, kind), also_of_customer=True) for kind in DocumentKind},
    },
    texts=(
        TextForm(exactly, _has_id),
        TextForm(_few_by_number, _number_begins),
        TextForm(beginning, _number_begins, is_few=False),
    ),
    options=(joinedload(Document.customer).load_only(Customer.id, Customer.name),),
)


def state_of(document: Document) -> str:
    """ "held" for a person, "void", "sent", "waived" where no mail was wanted, or "waiting" to be sent."""
    if document.is_held:
        return "held"
    if document.revoked_at is not None:
        return "void"
    if document.mailed_at is not None:
        return "sent"
    return "waiting" if document.mail_waived_at is None else "waived"


def _page_of(document: Document) -> tuple[str, dict[str, str | None]]:
    if document.invoice_id is not None:
        return "support_invoices.show", {"invoice_id": document.invoice_id}
    if document.credit_id is not None:
        return "support_documents.place", {"document_id": document.id}
    return "support_payments.show", {"payment_id": document.payment_id}


LIST: Final = StaffList(
    name="documents",
    title=N_("Documents"),
    position=40,
    endpoint="support_documents.index",
    csv_endpoint="support_documents.csv",
    permission=Permission.LOOK_UP,
    listing=LISTING,
    columns=(
        Column("number", N_("Number"), lambda document, _: document.number, place="title"),
        Column("kind", N_("Kind"), lambda document, _: document.kind, "document_kind"),
        Column("customer", N_("Customer"), lambda document, _: document.customer.name, place="detail"),
        Column("issued", N_("Issued"), lambda document, _: document.issued_on, "day"),
        Column("status", N_("Status"), lambda document, _: state_of(document), "document", place="state"),
        Column("sent", N_("Sent"), lambda document, _: document.mailed_at, "moment"),
        Column("amount", N_("Amount"), lambda document, _: document.total, "money", place="number"),
        Column("id", N_("ID"), lambda document, _: document.id, "id"),
    ),
    open=_page_of,
    search_label=N_("Number or ID"),
    choices=(
        Choice("kind", N_("Kind"), N_("All kinds"), "document_kind"),
        Choice("state", N_("Status"), N_("Any status"), "document"),
    ),
    customers=accounts.fitting,
)
