"""Payment methods, and how one is saved. See portal.api.schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from portal.api.payment_schemas import Mandate
from portal.api.schemas import Answer, Reference, Sent, Text
from portal.payment_methods.statuses import MandateStatus, SetupOutcome, SetupStatus

SavedType = Literal["card", "link", "sepa_debit", "us_bank_account", "bacs_debit"]


class CardDetails(Answer):
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    country: str
    funding: str
    is_expired: bool


class BankAccountDetails(Answer):
    last4: str
    country: str = Field(description="Empty where Stripe does not say.")
    bank_name: str = Field(description="Empty where Stripe does not say.")


class MethodMandate(Answer):
    """The mandate at the bank, by which an account is debited."""

    reference: str = Field(description="As it stands on bank statements; empty where the scheme has none.")
    status: MandateStatus


class MethodAbilities(Answer):
    """What a payment method can do, as all of its kind."""

    currencies: list[str] | None = Field(description="null: every currency that the company takes.")
    partial_refunds: bool
    refund_days: int | None = Field(description="Until how many days after a payment it is given back; null: no limit.")
    dispute_days: int | None = Field(
        description="Until how many days after a payment it can be taken back; null: it cannot."
    )
    disputes_are_final: bool
    working_days: int = Field(description="How long a payment by it mostly takes to be certain; 0: at once.")


class PaymentMethod(Answer):
    """What a customer has saved to pay with; which details there are says its type."""

    id: str
    stripe_payment_method_id: str = Field(description="Its id at Stripe.")
    type: SavedType
    label: str = Field(description="As its customer recognises it, in the caller's language.")
    card: CardDetails | None
    bank_account: BankAccountDetails | None
    mandate: MethodMandate | None
    can_be_charged: bool = Field(description="False once a card has expired, or a mandate has ended.")
    abilities: MethodAbilities
    is_default: bool
    created_at: datetime


class SaveMethod(Sent):
    """A payment method to keep: one that your app has made with Stripe's SDK, or the setup that the customer has confirmed with the
    secret that an earlier call gave; with neither, a setup is begun.
    """

    payment_method_id: Reference | None = None
    mandate: Mandate | None = Field(
        default=None, description="For a bank account or Link: where and with what its holder agreed to be debited."
    )
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
    verification_url: str | None = Field(
        description="The page of Stripe's where the holder of a bank account types which small amounts arrived, while that is waited for."
    )


class DeleteMethod(Sent):
    payment_method_id: Reference = Field(description="Its id here, or at Stripe.")
