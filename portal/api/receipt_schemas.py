"""Documents. See portal.api.schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from portal.api.schemas import MOST_ON_A_PAGE, Answer, Cursor, Sent, Text
from portal.documents.models import DocumentKind


class Document(Answer):
    """An invoice, or the document of a payment or of a refund. A confirmation states no tax and is no invoice."""

    id: str
    kind: DocumentKind
    number: str
    invoice_id: str | None = Field(description="Of a document of the kind `invoice`.")
    payment_id: str | None = Field(
        description="Of all other kinds, but for the credit note of an invoice that was not paid yet."
    )
    refund_id: str | None
    credit_id: str | None = Field(description="Of the credit note of an invoice that was not paid yet.")
    total: int
    currency: str
    issued_at: datetime
    revoked_at: datetime | None
    verification_code: str
    pdf_ready: bool
    e_invoice: bool = Field(description="Whether its PDF carries an e-invoice, which can be downloaded by itself.")
    xrechnung: bool = Field(description="Whether it can be downloaded as XRechnung.")


class XRechnungWanted(Sent):
    syntax: Literal["cii", "ubl"] = "cii"


class DocumentList(Sent):
    customer_id: Text | None = Field(
        default=None, max_length=40, description="For staff and API clients, who must name one."
    )
    kind: DocumentKind | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20
