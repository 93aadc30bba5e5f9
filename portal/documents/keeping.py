"""Which number a document was given, written where a restore of our database does not reach: into the metadata of what it is about.

That of a payment stands at its payment intent, that of a refund at its refund, with the document's id and code and the moment of issue.
From these a document that the database has lost is issued again as it was (service.issue with `kept`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import gateway
from portal.core import db
from portal.core.errors import NotFound
from portal.documents import codes
from portal.documents.facts import kind_of_number
from portal.documents.models import OF_PAYMENTS, OF_REFUNDS, Document, DocumentKind
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.refunds import service as refunds
from portal.refunds.models import Refund

log = structlog.get_logger(__name__)

PREFIX: Final[dict[str, str]] = {
    DocumentKind.INVOICE: "ind",
    DocumentKind.RECEIPT: "rct",
    DocumentKind.PAYMENT_CONFIRMATION: "pcf",
    DocumentKind.CREDIT_NOTE: "crn",
    DocumentKind.REFUND_CONFIRMATION: "rcf",
}
# How the metadata name what a payment has, and what a refund, whichever of its two kinds that is.
_OF_PAYMENT: Final = "receipt"
_OF_REFUND: Final = "credit_note"
_ID: Final = re.compile(r"([a-z]{3})_[0-9a-z]{26}")
_NUMBER: Final = re.compile(r"[A-Z]{1,3}-\d{4}-(\d{6,12})")


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that was issued before: its id, its number as printed and its place in the series, its code, and when."""

    document_id: str
    text: str
    number: int
    code: str
    issued_at: datetime
    kind: DocumentKind


def keep(document_id: str) -> None:
    """Write at Stripe what a document was issued with. A second call writes the same. Raises NotFound, and the gateway's errors."""
    with db.reading() as session:
        document = session.get(Document, document_id)
        if document is None:
            raise NotFound
        if document.payment_id is None:
            return  # an invoice's number stands with the payment that is for it
        payment = session.get_one(Payment, document.payment_id)
        refund = session.get(Refund, document.refund_id) if document.refund_id else None
        labels = _of(document) | (refunds.labels(refund) if refund else payments.labels(session, payment))
    try:
        if refund is not None:
            if refund.stripe_refund_id is not None:
                gateway.current().label_refund(refund.stripe_refund_id, labels)
        elif payment.stripe_intent_id is not None:
            gateway.current().label_intent(payment.stripe_intent_id, labels)
    except gateway.MissingAtStripe:
        log.error("number_not_kept", document=document_id)  # reconciliation names what Stripe does not know


def _of(document: Document) -> dict[str, str]:
    name = _OF_REFUND if document.kind in OF_REFUNDS else _OF_PAYMENT
    return {
        f"{name}_id": document.id,
        f"{name}_number": document.number,
        f"{name}_code": document.code,
        f"{name}_issued_at": document.issued_at.isoformat(),
    }


def kept_receipt(metadata: Mapping[str, str]) -> Kept | None:
    """The receipt or confirmation that the metadata of an intent tells of, if it does."""
    return _read(metadata, _OF_PAYMENT, OF_PAYMENTS)


def kept_credit_note(metadata: Mapping[str, str]) -> Kept | None:
    """Likewise what the refund has."""
    return _read(metadata, _OF_REFUND, OF_REFUNDS)


def _read(metadata: Mapping[str, str], name: str, kinds: tuple[DocumentKind, ...]) -> Kept | None:
    text, document_id = metadata.get(f"{name}_number", ""), _ID.fullmatch(metadata.get(f"{name}_id", ""))
    number, code, kind = _NUMBER.fullmatch(text), codes.read(metadata.get(f"{name}_code", "")), kind_of_number(text)
    try:
        issued_at = datetime.fromisoformat(metadata.get(f"{name}_issued_at", "")).astimezone(UTC)
    except ValueError:
        return None
    if number is None or code is None or document_id is None or kind not in kinds or document_id[1] != PREFIX[kind]:
        return None
    return Kept(document_id[0], text, int(number[1]), code, issued_at, kind)


def is_free(session: Session, kept: Kept) -> bool:
    """Whether no document here has its id, its number or its code: else it was given to another one, and cannot be given back."""
    same = (Document.id == kept.document_id) | (Document.number == kept.text) | (Document.code == kept.code)
    return session.scalar(select(Document.id).where(same)) is None
