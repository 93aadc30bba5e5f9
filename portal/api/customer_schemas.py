"""Customers: the one that an app acts for, and for the company all of them. See portal.api.schemas."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from portal.accounts.access import AccessStatus
from portal.api.schemas import MOST_ON_A_PAGE, Answer, Cursor, Sent, Text
from portal.identity.models import CustomerRole
from portal.vat.models import VatCheckResult


class CustomerStatus(StrEnum):
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class Person(Answer):
    id: str
    name: str
    email: str
    role: CustomerRole


class CustomerPerson(Person):
    status: AccessStatus = Field(description="Whether this person can sign in, was invited, or had access.")
    invited_until: datetime | None = Field(description="Until when the invitation can be accepted; null without one.")
    last_sign_in_at: datetime | None


class TaxIdCheck(Answer):
    status: VatCheckResult
    checked_at: datetime | None = Field(description="When VIES said so; null while it is not checked.")
    consultation_number: str = Field(description="By which VIES knows the question; empty where it gave none.")


class CustomerSummary(Answer):
    id: str
    external_id: str | None = Field(description="What the company's own systems call the customer.")
    status: CustomerStatus
    name: str
    email: str
    address: list[str]
    country: str
    postal_code: str
    city: str
    tax_id: str
    buyer_reference: str = Field(description="What XRechnung calls so, such as the Leitweg-ID of an authority.")
    electronic_address: str = Field(
        description="Where a network such as Peppol finds it: scheme and ID, empty for none."
    )
    language: str
    reminders_off: bool = Field(description="Whether nobody is reminded of this customer's invoices by plan.")
    version: int = Field(description="Rises with every change of the details.")
    created_at: datetime


class Customer(CustomerSummary):
    tax_id_check: TaxIdCheck | None = Field(
        description="What VIES said of the VAT ID; null for one that VIES does not know."
    )


class Me(Customer):
    person: Person | None = Field(description="Who is signed in; null for an outside identity provider's token.")
    scopes: list[str]


_LINES = Field(default=None, max_length=6, description="Street, postal code and town, as on an envelope: a line each.")
_COUNTRY = Field(default=None, max_length=2, description="ISO 3166-1, such as DE.", examples=["DE"])
_EXTERNAL_ID = Field(
    default=None,
    max_length=120,
    description="What your own systems call the customer; no two customers have the same.",
    examples=["C-4711"],
)
_LANGUAGE = Field(default=None, max_length=8, description="Of documents and mails.", examples=["en"])


class CustomerFacts(Sent):
    """What can be said of a customer; what is not given stays, or is empty for a new one."""

    address: list[Text] | None = _LINES
    country: Text | None = _COUNTRY
    postal_code: Text | None = Field(default=None, max_length=20)
    city: Text | None = Field(default=None, max_length=100)
    tax_id: Text | None = Field(default=None, max_length=40, examples=["DE136695976"])
    buyer_reference: Text | None = Field(default=None, max_length=120)
    electronic_address: Text | None = Field(default=None, max_length=100, examples=["0204:991-1234512345-06"])
    external_id: Text | None = _EXTERNAL_ID
    language: Text | None = _LANGUAGE


class NewCustomer(CustomerFacts):
    name: Text = Field(min_length=1, max_length=200)
    email: Text = Field(min_length=3, max_length=254, description="Documents go there.")
    contact: Text | None = Field(default=None, max_length=200, description="The owner's name, if it is another one.")
    invite: bool = Field(
        default=True, description="Whether an owner is invited at this address, by a mail with a link."
    )


class CustomerChanges(CustomerFacts):
    name: Text | None = Field(default=None, min_length=1, max_length=200)
    email: Text | None = Field(default=None, min_length=3, max_length=254)
    reminders_off: bool | None = None
    version: int | None = Field(
        default=None,
        ge=1,
        description="The `version` that was read: when somebody has changed the customer since, nothing is written.",
    )


class CustomerList(Sent):
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20
    external_id: Text | None = Field(default=None, max_length=120, description="The one with this external_id.")
    q: Text | None = Field(
        default=None,
        max_length=200,
        description="Words of names, e-mail addresses or external IDs, by their beginnings; or an ID.",
    )
    status: CustomerStatus | None = None


class Deactivation(Sent):
    reason: Text = Field(min_length=1, max_length=500, description="For the audit trail.")


class NewPerson(Sent):
    name: Text = Field(min_length=1, max_length=200)
    email: Text = Field(min_length=3, max_length=254)
    language: Text | None = _LANGUAGE


class People(Answer):
    data: list[CustomerPerson]
