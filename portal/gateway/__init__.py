"""Everything that speaks to Stripe. No other package imports its SDK, and none sees its objects: only frozen results."""

from portal.gateway.contract import (
    BalanceTransaction,
    Card,
    Charge,
    Dispute,
    Failure,
    FraudWarning,
    IdempotencyMisuse,
    Intent,
    Misconfigured,
    MissingAtStripe,
    NotRefundable,
    PaymentMethod,
    Payout,
    Refund,
    SetupIntent,
    UnexpectedState,
    UnusableMethod,
)
from portal.gateway.dashboard import page_of
from portal.gateway.failures import ADVICE, CODE_REFUSALS, advice, is_final, shown_codes
from portal.gateway.stripe_gateway import StripeGateway, current, forget
from portal.gateway.webhook_signature import BadSignature, verify

__all__ = [
    "ADVICE",
    "CODE_REFUSALS",
    "BadSignature",
    "BalanceTransaction",
    "Card",
    "Charge",
    "Dispute",
    "Failure",
    "FraudWarning",
    "IdempotencyMisuse",
    "Intent",
    "Misconfigured",
    "MissingAtStripe",
    "NotRefundable",
    "PaymentMethod",
    "Payout",
    "Refund",
    "SetupIntent",
    "StripeGateway",
    "UnexpectedState",
    "UnusableMethod",
    "advice",
    "current",
    "forget",
    "is_final",
    "page_of",
    "shown_codes",
    "verify",
]
