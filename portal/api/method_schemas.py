"""Payment methods, and how one is saved. See portal.api.schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from portal.api.schemas import Answer, Reference, Sent, Text
from portal.payment_methods.statuses import SetupOutcome, SetupStatus


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


class DeleteMethod(Sent):
    payment_method_id: Reference = Field(description="Its id here, or at Stripe.")
