"""What the account pays for a charge, a failed payment and a dispute, by the type of the payment method.

Amounts are minor units. The card's tariff stands in `portal.sandbox.money`, every other in the table of payment method types; an account
that has agreed on others has them in its settings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from portal.sandbox import money
from portal.sandbox.resources.payment_method_types import TYPES, Tariff

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def of_charge(call: Call, method: str, amount: int, currency: str) -> int:
    tariff = _tariff(call, method)
    share = (amount * tariff.basis_points + 5_000) // 10_000
    fee = share + money.scaled(tariff.fixed, currency)
    return min(amount, fee, fee if tariff.most is None else money.scaled(tariff.most, currency))


def of_failure(call: Call, method: str, currency: str) -> int:
    return money.scaled(_tariff(call, method).failure, currency)


def of_dispute(call: Call, method: str, currency: str) -> int:
    return money.scaled(_tariff(call, method).dispute, currency)


_CARD = Tariff(money.PERCENT_FEE_BASIS_POINTS, money.FIXED_FEE, dispute=money.DISPUTE_FEE)


def _tariff(call: Call, method: str) -> Tariff:
    usual = _CARD if method == "card" else TYPES[method].tariff
    return replace(usual, **call.settings.tariffs.get(method, {}))
