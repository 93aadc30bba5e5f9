"""The shapes of what apps send and get. Each answer has exactly these keys; what is not known is null.

Amounts are whole numbers in minor units, quantities and rates decimal numbers as texts, times ISO 8601 in UTC.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from portal.accounts.access import AccessStatus
from portal.documents.models import DocumentKind
from portal.identity.models import CustomerRole, Role
from portal.invoices import drafts
from portal.invoices.statuses import InvoiceStanding, InvoiceStatus
from portal.payment_methods.statuses import SetupOutcome, SetupStatus
from portal.payments.statuses import PaymentStatus
from portal.refunds.models import Resolution
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import RefundStatus
from portal.webhook_endpoints.models import DisabledReason, EventType

MOST_ON_A_PAGE: Final = 100
LARGEST_AMOUNT: Final = 999_999_999_999

# PostgreSQL stores no NUL.
_PRINTABLE: Final = r"^[^\x00]*$"


Text = Annotated[str, StringConstraints(pattern=_PRINTABLE)]


def _iso_day(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("a day is written like 2026-01-31")
    return date.fromisoformat(value)


Amount = Annotated[
    int, Field(gt=0, le=LARGEST_AMOUNT, description="In minor units: 1099 is 10.99 EUR.", examples=[1099])
]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$"), Field(examples=["eur"])]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")]
# Only as ISO 8601 writes a day: pydantic takes a number for seconds since 1970, too.
Day = Annotated[date, BeforeValidator(_iso_day)]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?$"), Field(examples=["1.5"])]
Percent = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,2})?$"), Field(examples=["19"])]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,300}$")]


class Sent(BaseModel):
    """What an app sends: a key that we do not know is refused, and nothing is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Row = TypeVar("Row")


class Page(Answer, Generic[Row]):
    data: list[Row]
    has_more: bool = Field(description="Whether rows follow after these.")
    next_cursor: str | None = Field(description="The `cursor` that asks for them; null on the last page.")
    total: int | None = Field(default=None, description="How many there are in all, if that was asked for.")


# Refusals


class FieldError(Answer):
    field: str
    message: str


class Problem(Answer):
    """Why not (RFC 9457). Programs go by `code`; `detail` is for people, in the language that was asked for."""

    type: str
    title: str
    status: int
    code: str = Field(examples=["not_found"])
    detail: str
    request_id: str = Field(description="Names this request in our logs.")
    errors: list[FieldError]


# Signing in


NEEDED: Final = {
    "password": ("email", "password"),
    "refresh_token": ("refresh_token",),
    "client_credentials": ("client_id", "client_secret"),
}


def _with(grant_type: str, needed: tuple[str, ...]) -> Any:
    texts: dict[str, dict[str, str]] = {name: {"type": "string"} for name in needed}
    return {"properties": {"grant_type": {"const": grant_type}, **texts}, "required": list(needed)}


class TokenRequest(Sent):
    """How to get an access token: with a password, with the refresh token of the last answer, or as an API client."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_with(name, needed) for name, needed in NEEDED.items()]})

    grant_type: Literal["password", "refresh_token", "client_credentials"]
    email: Text | None = Field(default=None, max_length=254)
    password: Text | None = Field(default=None, max_length=1_000)
    code: Text | None = Field(max_length=40, default=None, description="Of two-step verification, where it is on.")
    refresh_token: Text | None = Field(default=None, max_length=200)
    client_id: Text | None = Field(default=None, max_length=60)
    client_secret: Text | None = Field(default=None, max_length=200)
    scope: Text | None = Field(
        max_length=500,
        default=None,
        description="Scopes parted by spaces; without it, all that one may have. Not with a refresh token.",
    )

    @model_validator(mode="after")
    def _complete(self) -> TokenRequest:
        needed = NEEDED[self.grant_type]
        allowed = {*needed, "grant_type"} | {"password": {"code", "scope"}, "client_credentials": {"scope"}}.get(
            self.grant_type, set()
        )
        if missing := [name for name in needed if not getattr(self, name)]:
            raise ValueError(f"{missing[0]} is needed for grant_type {self.grant_type}")
        if beyond := sorted(name for name in self.model_fields_set - allowed if getattr(self, name) is not None):
            raise ValueError(f"{beyond[0]} does not belong to grant_type {self.grant_type}")
        return self


class Token(Answer):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")
    scope: str
    refresh_token: str | None = Field(description="Good once: it brings the next one. Null for API clients.")


class RevokeRequest(Sent):
    refresh_token: Text = Field(max_length=200)


class Revoked(Answer):
    revoked: Literal[True] = True


class Deleted(Answer):
    deleted: Literal[True] = True


class Queued(Answer):
    queued: Literal[True] = True


# Customers


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
    tax_id: str
    language: str
    person: Person | None = Field(description="Who is signed in; null for an outside identity provider's token.")
    scopes: list[str]


# Staff

StaffRole = Literal[Role.SUPPORT, Role.APPROVER, Role.ADMIN]


class StaffMember(Answer):
    """One of those who work for the company."""

    id: str
    name: str
    email: str
    role: StaffRole
    status: AccessStatus = Field(
        description="Whether they can sign in; “lapsed” is an invitation that nobody accepted in time."
    )
    has_second_factor: bool
    last_sign_in_at: datetime | None


class NewStaffRole(Sent):
    role: StaffRole


# Payment methods


class CardDetails(Answer):
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    country: str
    funding: str
    is_expired: bool


class PaymentMethod(Answer):
    """What a customer has saved to pay with; which details there are says its type."""

    id: str
    stripe_payment_method_id: str = Field(description="Its id at Stripe.")
    type: Literal["card"]
    card: CardDetails
    is_default: bool
    created_at: datetime


class SaveMethod(Sent):
    """A payment method to keep: one that your app has made with Stripe's SDK, or the setup that the customer has confirmed with the
    secret that an earlier call gave; with neither, a setup is begun.
    """

    payment_method_id: Reference | None = None
    setup_intent_client_secret: Text | None = Field(default=None, max_length=200)

    @model_validator(mode="after")
    def _one(self) -> SaveMethod:
        if self.payment_method_id and self.setup_intent_client_secret:
            raise ValueError("send payment_method_id or setup_intent_client_secret, not both")
        return self


class PaymentMethodSetup(Answer):
    id: str
    status: SetupStatus
    client_secret: str | None = Field(description="With which the customer confirms, while a step is left.")
    outcome: SetupOutcome | None = Field(description="What became of the payment method; null as long as nothing has.")
    payment_method: PaymentMethod | None


# Invoices


class NewInvoiceLine(Sent):
    description: Text = Field(max_length=drafts.LONGEST_DESCRIPTION, min_length=1)
    quantity: Quantity = "1"
    unit_price: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT, description="Net, in minor units.")]
    tax_rate: Percent = Field(default="0", description="Percent.")


class NewInvoice(Sent):
    customer_id: Text = Field(max_length=40, min_length=1)
    currency: Currency
    lines: Annotated[list[NewInvoiceLine], Field(min_length=1, max_length=drafts.MOST_LINES)]
    issued_on: Day | None = None
    due_on: Day | None = None
    reference: Text = Field(default="", max_length=drafts.LONGEST_REFERENCE)
    external_reference: Text | None = Field(
        max_length=drafts.LONGEST_REFERENCE,
        default=None,
        description="Its name in your own system: a customer has one invoice of each.",
    )
    note: Text = Field(default="", max_length=drafts.LONGEST_NOTE)


class InvoiceLine(Answer):
    description: str
    quantity: str
    unit_price: int
    tax_rate: str
    net: int
    tax: int


class InvoiceSummary(Answer):
    id: str
    number: str
    customer_id: str
    status: InvoiceStatus
    standing: InvoiceStanding = Field(
        description="“open”, “overdue” and “retrying” (an automatic charge was declined and will be tried again): due. “processing”, "
        "“requires_action” (3-D Secure), “under_review” and “scheduled” (charged automatically): open, and on its way to be paid. "
        "“paid” and “void”: nothing is owed."
    )
    charge_on: date | None = Field(description="The day of the next automatic charge.")
    is_overdue: bool
    currency: str
    net: int
    tax: int
    total: int
    issued_on: date
    due_on: date
    reference: str
    external_reference: str | None
    created_at: datetime
    paid_at: datetime | None
    voided_at: datetime | None


class Invoice(InvoiceSummary):
    note: str
    lines: list[InvoiceLine]
    pay_url: str | None = Field(description="Where the customer pays it in a browser, while it is open.")


class InvoiceList(Sent):
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20
    cursor: Cursor | None = None
    status: Literal["open", "overdue", "paid", "void"] | None = None
    customer_id: Text | None = Field(
        max_length=40, default=None, description="For staff and API clients, who see all customers'."
    )


# Payments


class PaymentItem(Sent):
    description: Text = Field(max_length=300, min_length=1)
    quantity: Quantity = "1"
    unit_amount: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT, description="Gross, in minor units.")]


class ProcessPayment(Sent):
    """Pay an invoice, or an amount without one. With a card it is charged at once; without, the answer has a client_secret."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"properties": {"invoice_id": {"type": "string"}}, "required": ["invoice_id"]},
                {
                    "properties": {"amount": {"type": "integer"}, "currency": {"type": "string"}},
                    "required": ["amount", "currency", "description"],
                },
            ]
        }
    )

    invoice_id: Text | None = Field(
        max_length=40,
        min_length=1,
        default=None,
        description="Its amount is paid; then no amount, currency, description or items.",
    )
    amount: Amount | None = None
    currency: Currency | None = None
    payment_method_id: Reference | None = Field(
        default=None,
        description="The id of a saved payment method, or of one that your app has made with Stripe's SDK.",
    )
    description: Text = Field(default="", max_length=300)
    items: Annotated[list[PaymentItem], Field(max_length=50)] = []
    metadata: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,40}$")],
            Annotated[str, StringConstraints(pattern=_PRINTABLE, max_length=500)],
        ],
        Field(max_length=20, description="Yours alone; shown at Stripe, too."),
    ] = {}
    save_payment_method: bool = False
    allow_duplicate: bool = Field(
        default=False,
        description="Pay although a payment of this amount and description is not decided yet: both may be charged.",
    )

    @model_validator(mode="after")
    def _either(self) -> ProcessPayment:
        if (self.invoice_id is None) == (self.amount is None):
            raise ValueError("send invoice_id or amount, and not both")
        if (self.amount is None) != (self.currency is None):
            raise ValueError("amount and currency belong together")
        return self


class PaidItem(Answer):
    description: str
    quantity: str
    unit_amount: int


class CardUsed(Answer):
    brand: str
    last4: str
    wallet: str


class Failure(Answer):
    code: str
    decline_code: str | None
    message: str


class Payment(Answer):
    id: str
    stripe_payment_intent_id: str | None
    customer_id: str
    invoice_id: str | None
    status: PaymentStatus = Field(
        description="“processing” and “requires_capture”: the card may be charged at any moment. “succeeded” and “canceled” are final. "
        "All others: nothing is charged before its customer confirms."
    )
    amount: int
    amount_refunded: int
    disputed: bool
    currency: str
    description: str
    items: list[PaidItem]
    metadata: dict[str, str]
    card: CardUsed | None
    error: Failure | None = Field(description="Why the last try failed, while it has not succeeded.")
    receipt_id: str | None
    created_at: datetime
    updated_at: datetime
    succeeded_at: datetime | None


class ProcessedPayment(Payment):
    client_secret: str | None = Field(description="With which the customer confirms, while a step is left.")
    next_action: Literal["confirm", "authenticate"] | None = Field(
        description="“confirm”: collect a card and confirm with Stripe's SDK. “authenticate”: let the bank ask its customer."
    )


class Declined(Problem):
    """The bank said no: nothing was charged. The payment stays open, and another card can be tried on it."""

    decline_code: str | None
    payment: ProcessedPayment


class NotNow(Problem):
    """Something stands in the way. With `payment_unresolved` it is the payment that is told here, which may still be charged."""

    payment: ProcessedPayment | None = None


class PaymentList(Sent):
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20
    cursor: Cursor | None = None
    status: Literal["succeeded", "processing", "unfinished", "canceled"] | None = None
    since: Day | None = Field(default=None, alias="from", description="The first day, in the company's time zone.")
    until: Day | None = Field(default=None, alias="to", description="The last day, likewise, included.")
    currency: Currency | None = None
    q: Text | None = Field(
        max_length=100,
        default=None,
        description="Words of the description, an invoice's number, an id, or a card's last four digits.",
    )
    sort: Literal["-created_at", "created_at"] = "-created_at"
    total: bool = False
    customer_id: Text | None = Field(
        max_length=40, default=None, description="For staff and API clients, who must name one."
    )


# Refunds


class NewRefund(Sent):
    payment_id: Text = Field(max_length=40, min_length=1)
    amount: Amount | None = Field(default=None, description="All that is left, if it is not given.")
    currency: Currency | None = None
    reason: RefundReason
    explanation: Text = Field(default="", max_length=2_000)


class Refund(Answer):
    id: str
    payment_id: str
    customer_id: str
    status: RefundStatus
    amount: int
    amount_asked: int
    currency: str
    reason: RefundReason
    explanation: str
    rejection: str | None
    failure_reason: str | None
    message: str | None = Field(
        description="In words for the customer: why it has failed, or, while its status is “unknown”, that it is being checked."
    )
    needs_second_approval: bool
    resolution: Resolution | None = Field(
        description="What staff did about a refund that has failed; null while it waits for them."
    )
    replaced_by: str | None = Field(description="The new refund that was sent in the place of one that has failed.")
    asked_at: datetime
    decided_at: datetime | None
    sent_at: datetime | None
    expected_by: date | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    acquirer_reference_number: str | None = Field(description="The ARN, with which the customer's bank finds it.")
    credit_note_id: str | None


class RefundList(Sent):
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20
    customer_id: Text | None = Field(
        max_length=40, default=None, description="For staff and API clients, who see all customers'."
    )
    status: RefundStatus | None = Field(
        default=None,
        description="Those with this status alone. What waits for a decision is “requested” or “approved_once”.",
    )


class FailedRefundList(Sent):
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20


class RefundPaidOutside(Sent):
    paid_on: Day = Field(description="The day on which the customer was paid.")
    note: Text = Field(
        max_length=2_000, min_length=1, description="How, and with which reference. The customer does not see it."
    )


class RefundClosure(Sent):
    note: Text = Field(max_length=2_000, min_length=1, description="Why nothing is owed. The customer does not see it.")


class RefundApproval(Sent):
    amount: Amount | None = Field(default=None, description="Less than was asked for; all of it, if it is not given.")
    note: Text = Field(default="", max_length=2_000)


class RefundRejection(Sent):
    rejection: Text = Field(max_length=2_000, min_length=1, description="The customer reads it.")
    note: Text = Field(default="", max_length=2_000)


# Documents


class Document(Answer):
    """A receipt or a credit note."""

    id: str
    kind: DocumentKind
    number: str
    payment_id: str
    refund_id: str | None
    total: int
    currency: str
    issued_at: datetime
    revoked_at: datetime | None
    verification_code: str
    pdf_ready: bool


class DocumentList(Sent):
    customer_id: Text | None = Field(
        default=None, max_length=40, description="For staff and API clients, who must name one."
    )
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20


# Events


class NewEndpoint(Sent):
    url: Text = Field(min_length=1, max_length=2_000, examples=["https://erp.example.org/payments"])
    events: list[EventType] = Field(min_length=1, max_length=10)
    description: Text = Field(default="", max_length=200)


class Endpoint(Answer):
    id: str
    url: str
    description: str
    events: list[EventType]
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None
    signing_secret: str | None = Field(description="Shown once: when the endpoint is made, and when it is changed.")


class DeleteMethod(Sent):
    payment_method_id: Reference = Field(description="Its id here, or at Stripe.")
