"""What Stripe knows of each type of payment method beside the card: its currencies, its limits, how it pays, and what may come after.

Source: Stripe, "Payment methods" (each method's own page, and the tables of "Payment method support"). Amounts are minor units, days are
calendar days; Stripe counts some of them in business days. The fees are the sandbox's own, near Stripe's prices in Germany.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from portal.sandbox.kinds import Row
from portal.sandbox.money import CURRENCIES


@dataclass(frozen=True)
class Tariff:
    """What a payment costs: a share of the amount and a fixed part, at most `most`; what a failed and a disputed one cost."""

    basis_points: int
    fixed: int = 0
    most: int | None = None
    failure: int = 0
    dispute: int = 0


@dataclass(frozen=True)
class DisputeRules:
    """How long a payment may be disputed, and whether evidence can change the outcome."""

    days: int
    reason: str
    contestable: bool = False


@dataclass(frozen=True)
class PaymentMethodType:
    """One type. `countries` are the customers', None for all of them."""

    name: str
    label: str
    currencies: frozenset[str]
    tariff: Tariff
    countries: frozenset[str] | None = None
    minimums: Mapping[str, int] = field(default_factory=dict)
    maximums: Mapping[str, int] = field(default_factory=dict)
    redirects: bool = False
    """The customer approves on a page of the method's own."""
    processing_days: int = 0
    """From the confirmation to the bank's answer; 0 when it is known at once."""
    first_processing_days: int | None = None
    """The same where the mandate is new."""
    mandate: Literal["always", "when_saved", "never"] = "never"
    saved_as: str | None = None
    """The type of the payment method that is kept for later; None when none can be."""
    holds: bool = False
    """Whether an amount can be held and captured later."""
    cancelable_while_processing: bool = False
    needs: tuple[str, ...] = ()
    """Billing details that a payment method of this type must have."""
    refund_days: int = 0
    """How long a refund pends; 0 when it succeeds at once."""
    refunded_by: str = ""
    """The type of a refund's `destination_details`; empty when a refund has none."""
    refundable_days: int = 180
    dispute: DisputeRules | None = None
    default_options: Row = field(default_factory=dict)
    """`payment_method_options` of an intent that allows this type and says nothing more of it."""


_SEPA_COUNTRIES = frozenset(
    "AD AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MT NL NO PL PT RO SE SI SK SM VA".split()
)
_EUR = frozenset({"eur"})
_DEBIT_REFUND_DAYS = 4

_TYPES = (
    PaymentMethodType(
        "link",
        "Link",
        CURRENCIES,
        Tariff(290, 30, dispute=1500),
        saved_as="link",
        mandate="when_saved",
        holds=True,
        needs=("email",),
        dispute=DisputeRules(120, "fraudulent", contestable=True),
        default_options={"persistent_token": None},
    ),
    PaymentMethodType(
        "sepa_debit",
        "SEPA Debit",
        _EUR,
        Tariff(80, 30, most=600, failure=750, dispute=750),
        _SEPA_COUNTRIES,
        maximums={"eur": 10_000_00},
        processing_days=5,
        mandate="always",
        saved_as="sepa_debit",
        needs=("name", "email"),
        refund_days=_DEBIT_REFUND_DAYS,
        refunded_by="eu_bank_transfer",
        dispute=DisputeRules(56, "debit_not_authorized"),
    ),
    PaymentMethodType(
        "us_bank_account",
        "US bank account",
        frozenset({"usd"}),
        Tariff(80, most=500, failure=400, dispute=1500),
        frozenset({"US"}),
        processing_days=4,
        mandate="always",
        saved_as="us_bank_account",
        cancelable_while_processing=True,
        needs=("name",),
        refund_days=_DEBIT_REFUND_DAYS,
        refunded_by="us_bank_transfer",
        dispute=DisputeRules(60, "debit_not_authorized"),
        default_options={"verification_method": "automatic"},
    ),
    PaymentMethodType(
        "bacs_debit",
        "Bacs Direct Debit",
        frozenset({"gbp"}),
        Tariff(100, 20, most=400, failure=500, dispute=1000),
        frozenset({"GB"}),
        maximums={"gbp": 100_000_00},
        processing_days=3,
        first_processing_days=6,
        mandate="always",
        saved_as="bacs_debit",
        needs=("name", "email", "address"),
        refund_days=_DEBIT_REFUND_DAYS,
        refunded_by="gb_bank_transfer",
        dispute=DisputeRules(13 * 365, "customer_initiated"),
    ),
    PaymentMethodType(
        "ideal",
        "iDEAL",
        _EUR,
        Tariff(0, 29),
        frozenset({"NL"}),
        redirects=True,
        saved_as="sepa_debit",
        mandate="when_saved",
        refund_days=_DEBIT_REFUND_DAYS,
        refunded_by="eu_bank_transfer",
    ),
    PaymentMethodType(
        "bancontact",
        "Bancontact",
        _EUR,
        Tariff(140, 25),
        frozenset({"BE"}),
        redirects=True,
        saved_as="sepa_debit",
        mandate="when_saved",
        needs=("name",),
        refund_days=_DEBIT_REFUND_DAYS,
        refunded_by="eu_bank_transfer",
        default_options={"preferred_language": "en"},
    ),
    PaymentMethodType(
        "eps",
        "EPS",
        _EUR,
        Tariff(160, 25),
        frozenset({"AT"}),
        minimums={"eur": 100},
        redirects=True,
        needs=("name",),
        refunded_by="eps",
    ),
    PaymentMethodType(
        "p24",
        "Przelewy24",
        frozenset({"eur", "pln"}),
        Tariff(220, 30),
        frozenset({"PL"}),
        maximums={"pln": 55_000_00, "eur": 12_500_00},
        redirects=True,
        needs=("email",),
        refunded_by="p24",
    ),
    PaymentMethodType(
        "twint",
        "TWINT",
        frozenset({"chf"}),
        Tariff(190, 30),
        frozenset({"CH"}),
        maximums={"chf": 5_000_00},
        redirects=True,
        saved_as="twint",
        mandate="when_saved",
        refunded_by="twint",
    ),
    PaymentMethodType(
        "klarna",
        "Klarna",
        frozenset("aud cad chf czk dkk eur gbp nok nzd pln ron sek usd".split()),
        Tariff(299, 35, dispute=1500),
        frozenset("AT AU BE CA CH CZ DE DK ES FI FR GB GR IE IT NL NO NZ PL PT RO SE US".split()),
        redirects=True,
        saved_as="klarna",
        mandate="when_saved",
        holds=True,
        refunded_by="klarna",
        dispute=DisputeRules(180, "product_not_received", contestable=True),
        default_options={"preferred_locale": None},
    ),
    PaymentMethodType(
        "paypal",
        "PayPal",
        frozenset("aud cad chf czk dkk eur gbp hkd nok nzd pln sek sgd usd".split()),
        Tariff(299, 35, dispute=1600),
        redirects=True,
        saved_as="paypal",
        mandate="when_saved",
        holds=True,
        refunded_by="paypal",
        dispute=DisputeRules(180, "product_not_received", contestable=True),
        default_options={"preferred_locale": None, "reference": None},
    ),
)

TYPES: dict[str, PaymentMethodType] = {one.name: one for one in _TYPES}
"""Every type but the card, in the order in which the Payment Element shows them."""
