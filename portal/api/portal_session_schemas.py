"""Signed-in sessions that the company's own app opens. See portal.api.schemas."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from portal.api.schemas import Answer, Reference, Sent, Text


class PortalPage(StrEnum):
    OVERVIEW = "overview"
    INVOICE = "invoice"
    PAYMENT_METHODS = "payment_methods"
    HISTORY = "history"
    DOCUMENTS = "documents"


class NewPortalSession(Sent):
    customer_id: Reference | None = Field(
        default=None, description="Whose account it is: this, or `external_customer_id`."
    )
    external_customer_id: Text | None = Field(
        default=None, max_length=120, description="What your own systems call the customer.", examples=["C-4711"]
    )
    user_id: Reference | None = Field(
        default=None,
        description="Who is signed in; without it the customer’s owner, of several the first by e-mail address.",
    )
    to: PortalPage = Field(default=PortalPage.OVERVIEW, strict=False, description="The page where it begins.")
    invoice_id: Reference | None = Field(default=None, description="Of the page `invoice`.")


class PortalSession(Answer):
    id: str
    url: str = Field(description="Send the browser there at once: it works once, until `expires_at`. Keep it nowhere.")
    expires_at: datetime
    customer_id: str
    user_id: str = Field(description="Who will be signed in.")
    to: PortalPage
