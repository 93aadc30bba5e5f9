"""The customer that an app acts for. See portal.api.schemas."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from portal.api.schemas import Answer
from portal.identity.models import CustomerRole
from portal.vat.models import VatCheckResult


class Person(Answer):
    id: str
    name: str
    email: str
    role: CustomerRole


class TaxIdCheck(Answer):
    status: VatCheckResult
    checked_at: datetime | None = Field(description="When VIES said so; null while it is not checked.")
    consultation_number: str = Field(description="By which VIES knows the question; empty where it gave none.")


class Customer(Answer):
    id: str
    name: str
    email: str
    address: list[str]
    country: str
    postal_code: str
    city: str
    tax_id: str
    tax_id_check: TaxIdCheck | None = Field(description="What VIES said of it; null for one that VIES does not know.")
    buyer_reference: str = Field(description="What XRechnung calls so, such as the Leitweg-ID of an authority.")
    electronic_address: str = Field(
        description="Where a network such as Peppol finds it: scheme and ID, empty for none."
    )
    language: str
    person: Person | None = Field(description="Who is signed in; null for an outside identity provider's token.")
    scopes: list[str]
