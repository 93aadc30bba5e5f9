"""What the account pays for a charge, a failed payment and a dispute, by the type of the payment method.

Amounts are minor units. The card's tariff stands in `portal.sandbox.money`, every other in the table of payment method types.
"""

from __future__ import annotations

from portal.sandbox import money
from portal.sandbox.resources.payment_method_types import TYPES


def of_charge(method: str, amount: int, currency: str) -> int:
    if method == "card":
        return money.charge_fee(amount, currency)
    tariff = TYPES[method].tariff
    share = (amount * tariff.basis_points + 5_000) // 10_000
    fee = share + money.scaled(tariff.fixed, currency)
    return min(amount, fee, fee if tariff.most is None else money.scaled(tariff.most, currency))


def of_failure(method: str, currency: str) -> int:
    return money.scaled(TYPES[method].tariff.failure, currency)


def of_dispute(method: str, currency: str) -> int:
    return money.dispute_fee(currency) if method == "card" else money.scaled(TYPES[method].tariff.dispute, currency)
