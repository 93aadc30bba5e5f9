"""What the gateway answers: Stripe's objects as frozen values with only the fields we use, and its own failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from portal.core.errors import N_, Conflict, Invalid, NotFound, Unavailable
from portal.core.money import Money


@dataclass(frozen=True, slots=True)
class Card:
    """A card as we may know it: never its number or its CVC."""

    brand: str
    last4: str
    exp_month: int | None = None
    exp_year: int | None = None
    country: str = ""
    funding: str = ""
    fingerprint: str = ""
    wallet: str = ""


@dataclass(frozen=True, slots=True)
class BankAccount:
    """What a direct debit is taken from, as we may know it. `country` and `bank_name` are empty where Stripe does not say."""

    last4: str
    country: str = ""
    bank_name: str = ""


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """`type` is Stripe's: "card", "sepa_debit", … What is no card has an `account` or, as Link, neither.

    Two with the same `fingerprint` are the same card, account or wallet; it is empty where nothing tells them apart.
    """

    id: str
    customer_id: str | None
    card: Card | None
    type: str = "card"
    account: BankAccount | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Mandate:
    """A holder's permission for direct debits, as their bank knows it. `status` is Stripe's: "active", "pending", "inactive".

    `reference` is what stands on bank statements; empty for kinds that have none.
    """

    id: str
    method_id: str
    status: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """An American account that its holder typed in is verified by small amounts: the page of Stripe's where what arrived is typed, and from
    when on it should be there.
    """

    url: str
    arrives: datetime


@dataclass(frozen=True, slots=True)
class MethodConfiguration:
    """Which payment methods an account offers where a request names none. `on` are Stripe's names of those that are turned on."""

    id: str
    name: str
    is_default: bool
    is_active: bool
    on: frozenset[str]


@dataclass(frozen=True, slots=True)
class MethodDomain:
    """A domain on which Stripe's forms may show wallets. `problems` names those that it does not show there, with its reason."""

    id: str
    name: str
    is_enabled: bool
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StripeCustomer:
    """A customer at Stripe; of one that was deleted Stripe knows no more than that."""

    id: str
    is_deleted: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """A movement of our balance at Stripe, in the currency of settlement, which may differ from the charge's.

    `amount` is signed and before the fee; what the balance changes by is `net`. `source_id` is what moved it: a charge, a refund,
    a dispute, a payout, or nothing. `type` and `category` are Stripe's words. Source: Stripe, "Balance transaction types".
    """

    id: str
    amount: Money
    fee: Money
    created: datetime
    type: str
    category: str
    source_id: str | None
    available_on: datetime
    description: str = ""

    @property
    def net(self) -> Money:
        return self.amount - self.fee


@dataclass(frozen=True, slots=True)
class Payout:
    """What goes to our bank. Negative where the bank is debited. `is_complete` once Stripe lists all that an automatic one is made of."""

    id: str
    amount: Money
    status: str
    automatic: bool
    is_complete: bool
    created: datetime
    arrives: datetime
    bank_reference: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class CardChecks:
    """What the bank of a card has checked, in Stripe's words ("pass", "fail", "unavailable", "unchecked"), empty where it was not asked.

    `three_d_secure` is the result of 3-D Secure ("authenticated", "attempt_acknowledged" …) and `flow` how its holder was asked
    ("frictionless", "challenge"); both are empty without it.
    """

    security_code: str = ""
    postal_code: str = ""
    street: str = ""
    three_d_secure: str = ""
    flow: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """`balance_transaction` may be missing for a while after success; charge.updated tells when it is there.

    `method_type` is Stripe's type of its payment method, and `account_last4` the end of the bank account that a debit is taken from. A
    debit stands in the balance while its bank has not answered; `failure_transaction` takes it out again. `paid` is false of it until
    then, and of a try that the bank declined; `intent_id` is missing where a charge was made without an intent.
    """

    id: str
    card: Card | None
    balance_transaction: BalanceTransaction | None
    created: datetime
    amount: Money
    refunded: Money
    paid: bool
    intent_id: str | None
    disputed: bool = False
    checks: CardChecks | None = None
    method_type: str = "card"
    account_last4: str = ""
    mandate_id: str = ""
    failure_transaction: BalanceTransaction | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last try failed, in Stripe's codes, and with what it was made. `advice_code` says what its bank would have done next.

    `charge_id` is missing where nothing was charged, such as when the card's holder did not prove who they are.
    """

    code: str
    decline_code: str = ""
    advice_code: str = ""
    method_id: str = ""
    fingerprint: str = ""
    charge_id: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """`types` are Stripe's types of payment method that it can be paid with. With a `verification` it waits for that."""

    id: str
    status: str
    amount: Money
    amount_received: Money
    customer_id: str | None
    livemode: bool
    created: datetime
    client_secret: str
    payment_method_id: str | None = None
    charge: Charge | None = None
    failure: Failure | None = None
    setup_future_usage: str | None = None
    types: tuple[str, ...] = ()
    verification: Verification | None = None
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetupIntent:
    """`attempt_id` names the last try, from its confirmation on: another id is another try. `mandate_id` is there once one was given."""

    id: str
    status: str
    customer_id: str | None
    livemode: bool
    created: datetime
    client_secret: str
    payment_method_id: str | None = None
    attempt_id: str | None = None
    mandate_id: str | None = None
    verification: Verification | None = None
    failure: Failure | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetupAttempt:
    """One try to keep a card. It exists from its confirmation on; `status` is Stripe's, which becomes its outcome under the same id."""

    id: str
    status: str
    fingerprint: str

    @property
    def has_failed(self) -> bool:
        return self.status == "failed"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A card's holder asks the bank for the money back. `amount` may be less than the charge's, when only a part is disputed.

    `balance_transactions` are all movements of our balance so far: negative when money was withdrawn, positive when it came back,
    each with the fee that was taken (positive) or returned (negative). `has_evidence` is true of evidence that is only staged, too;
    `submissions` counts how often it was sent. `evidence_due_by` is none where the bank takes no answer. `card_brand` and
    `network_reason_code` are the card network's, "" where there is none. `visa_ce3_status` is what Stripe says of Visa's Compelling
    Evidence 3.0 ("" while it says nothing), and `visa_ce3_actions` what it finds missing; both in Stripe's words.
    """

    id: str
    status: str
    reason: str
    amount: Money
    charge_id: str
    intent_id: str | None
    livemode: bool
    created: datetime
    evidence_due_by: datetime | None
    has_evidence: bool
    is_charge_refundable: bool
    submissions: int = 0
    balance_transactions: tuple[BalanceTransaction, ...] = ()
    card_brand: str = ""
    network_reason_code: str = ""
    visa_ce3_status: str = ""
    visa_ce3_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EarlyFraudWarning:
    """A card's issuer suspects fraud. `actionable` as long as the charge is neither disputed nor wholly refunded."""

    id: str
    charge_id: str
    intent_id: str | None
    fraud_type: str
    actionable: bool
    livemode: bool
    created: datetime


@dataclass(frozen=True, slots=True)
class Refund:
    """`movement` takes the money from our balance, `return_movement` brings it back when the refund failed.

    `acquirer_reference_number` is the number by which the customer's bank finds it (ARN), some days after the sending.
    """

    id: str
    status: str
    amount: Money
    intent_id: str | None
    created: datetime
    movement: BalanceTransaction | None = None
    return_movement: BalanceTransaction | None = None
    failure_reason: str = ""
    acquirer_reference_number: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """An address that Stripe sends events to. `secret` is told when it is made, and never again.

    `api_version` is empty where the account's own is used; "*" among the `types` stands for all.
    """

    id: str
    url: str
    types: frozenset[str]
    api_version: str
    is_enabled: bool
    secret: str = field(default="", repr=False)


class NotRefundable(Conflict):
    """Stripe will not give this money back: it has been given back already, or the bank has taken it. `code` tells which."""

    code = "charge_not_refundable"


class EvidenceRefused(Conflict):
    """Stripe does not take evidence: it is too late for it, or something in it is not allowed. `said` is Stripe's word."""

    code = "evidence_refused"

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__()


class MissingAtStripe(NotFound):
    """Stripe knows no such object (or it belongs to another account or mode)."""

    code = "missing_at_stripe"


class UnexpectedState(Conflict):
    """The object at Stripe is in a state that does not allow the call; fetch it and look."""

    code = "unexpected_state"


class UnusableMethod(Invalid):
    """Stripe does not take this payment method: it knows none, or it belongs to another customer, or was let go before."""

    code = "unusable_payment_method"


class IdempotencyMisuse(Conflict):
    """A key was sent twice with different parameters: an error of ours, to be looked at before anything is resent."""

    code = "idempotency_misuse"


class KeptFailure(Unavailable):
    """Stripe answers this key with the failure that it has kept under it, and will as long as it remembers the key.

    The first call is over, and its effect may be there all the same: look it up, and send nothing again under this key.
    Source: Stripe, "Idempotent requests" (the first answer is kept, a 500 too) and "Advanced error handling" (server errors).
    """


class KeyInUse(Unavailable):
    """Another request of ours is at work under the same key at this moment: what comes of it is stored by that one."""


class Busy(Unavailable):
    """Stripe is at work on this object for another request, ours or its own: the same call, under the same key, works in a moment."""

    message = N_(
        "Our payment provider is still busy with this. Please try again in a few seconds: nothing happens twice."
    )
    retry_after = 5


class Misconfigured(Unavailable):
    """Stripe refuses our key or our parameters: retrying will not help, the operator must act."""

    code = "payment_provider_misconfigured"
    message = N_("Payments are unavailable. You were not charged. We are working on it.")


class RefusedParameter(Misconfigured):
    """Stripe does not take what we sent in one parameter; `parameter` names it, as in "email" or "metadata[order]".

    Nothing was made. Often it is what a customer typed and Stripe is stricter about.
    """

    def __init__(self, parameter: str) -> None:
        self.parameter = parameter
        super().__init__()
