"""What a sandbox can be told when it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

API_VERSION = "2026-10-28.endive"

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS


@dataclass(frozen=True)
class SandboxSettings:
    """Settings of one sandbox; every one has a value that suits the demo and the tests.

    Times are seconds of the sandbox's own clock, which tests may move, unless a name says otherwise.
    """

    account: str = "acct_1SandboxAccount"
    country: str = "DE"
    browser_country: str = ""
    """Where customers are by their browsers' address; empty is with the merchant."""
    business_name: str = "Sandbox"
    blocks_failed_cvc: bool = True
    """Radar's rule that stops a payment whose card's code was wrong; most accounts have it on. Source: Stripe, "Radar rules"."""
    blocks_failed_postal_code: bool = True
    """Likewise of the postal code."""

    returns_dispute_fee: bool = False
    """Whether a won dispute gives its fee back. Recordings of 2024 and before do, the newest keep it."""

    statement_descriptor: str = ""
    """What holders read on their statements; empty is the business's name."""

    settlement_currency: str = ""
    """The one currency into which every payment is converted; empty lets each settle in its own."""

    tariffs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Agreed fees by type of payment method, as fields of `Tariff`, such as `{"card": {"basis_points": 150, "fixed": 25}}`."""

    payment_methods: tuple[str, ...] = ("card",)
    """What is turned on in the account's own configuration from the start."""

    payout_interval: Literal["manual", "daily", "weekly", "monthly"] = "manual"
    """How often available money is paid out by itself: each day, on Mondays, or on the first."""

    debits_negative_balance: bool = False
    """Whether a balance below zero is collected from the account's bank when the schedule comes round."""

    reads_per_second: int = 0
    writes_per_second: int = 0
    """How many calls are answered in a second before the others get a 429; 0 does not limit them."""

    clock_offset_seconds: float = 0.0
    """Where the clock stands at the first start, relative to real time; kept in the store afterwards."""

    idempotency_life_seconds: float = DAY_SECONDS
    """How long a key replays its answer. Source: Stripe, "Idempotent requests"."""

    settle_delay_seconds: float = 0.3
    """From a capture to its balance transaction. Stripe's asynchronous capture takes seconds to an hour."""

    available_delay_seconds: float = 2 * DAY_SECONDS
    """From a balance transaction to the day its money can be paid out."""

    refund_delay_seconds: float = 0.5
    """From a refund that pends (or will fail) to its outcome. Stripe's test cards take some seconds."""

    refund_reference_delay_seconds: float = 3 * DAY_SECONDS
    """From a refund that succeeded to the number by which the card's bank finds it."""

    dispute_delay_seconds: float = 0.3
    """From a charge with a disputing test card to its dispute."""

    verdict_delay_seconds: float = 0.3
    """From submitted evidence to the bank's decision."""

    bank_day_seconds: float = DAY_SECONDS
    """A day of what banks take days for: debits, their refunds, the acceptance of a mandate."""

    payout_delay_seconds: float = 2 * DAY_SECONDS
    """From a payout to the day its money is in the bank."""

    webhook_waits_seconds: tuple[float, ...] = (1, 2, 5, 15, 60, 300, HOUR_SECONDS, 3 * HOUR_SECONDS)
    """Waits between the attempts of one delivery; after the last it is given up."""

    webhook_timeout_seconds: float = 10.0
    """Real seconds an endpoint has to answer."""

    webhook_workers: int = 4
