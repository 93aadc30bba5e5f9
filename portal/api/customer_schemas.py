"""The customer that an app acts for. See portal.api.schemas."""

from __future__ import annotations

from pydantic import Field

from portal.api.schemas import Answer
from portal.identity.models import CustomerRole


class Person(Answer):
    id: str
    name: str
    email: str
    role: CustomerRole


class Customer(Answer):
    id: str
    name: str
    email: str
    address: list[str]
    country: str
    postal_code: str
    city: str
    tax_id: str
    buyer_reference: str = Field(description="What XRechnung calls so, such as the Leitweg-ID of an authority.")
    language: str
    person: Person | None = Field(description="Who is signed in; null for an outside identity provider's token.")
    scopes: list[str]
