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
    PaymentMethod,
    SetupIntent,
    UnexpectedState,
)
from portal.gateway.dashboard import page_of
from portal.gateway.failures import ADVICE, advice, is_final
from portal.gateway.stripe_gateway import StripeGateway, current, forget
from portal.gateway.webhook_signature import BadSignature, verify

__all__ = [
    "ADVICE",
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
    "PaymentMethod",
    "SetupIntent",
    "StripeGateway",
    "UnexpectedState",
    "advice",
    "current",
    "forget",
    "is_final",
    "page_of",
    "verify",
]
