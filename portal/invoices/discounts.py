"""Discounts of a line and of a whole invoice: a part of the price, or an amount, with the reason for it.

EN 16931 calls them allowances (BG-27, BG-20). A line's is taken off its net. That of the whole invoice is shared out over the rates of tax
by their nets, to the minor unit, and within a rate over its lines: so each line bears its part, and a credit of a line takes that along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from portal.core import money, shares, texts
from portal.core.errors import N_, Invalid

# The whole, in the basis points that discounts and tax rates are counted in: 10000 are 100 %.
BASIS_POINTS: Final = 10_000
LONGEST_REASON: Final = 120


@dataclass(frozen=True, slots=True)
class Discount:
    """In basis points (250 are 2.5 %), or in minor units; neither where there is none. Its reason is tidied."""

    basis_points: int = 0
    minor: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", texts.tidied(self.reason))

    def __bool__(self) -> bool:
        return bool(self.basis_points or self.minor)

    def on(self, net_minor: int) -> int:
        """What is taken off a net in minor units, halves of them away from zero; never more than all of it."""
        part = money.share(net_minor, self.basis_points, BASIS_POINTS) if self.basis_points else self.minor
        return max(min(part, net_minor), 0)

    @property
    def percent(self) -> Decimal:
        """250 basis points are Decimal("2.5")."""
        return Decimal(self.basis_points) / 100


NONE: Final = Discount()


def check(discount: Discount, net_minor: int, at: str = "") -> None:
    """Raises Invalid (fields "discount" and "discount_reason", behind `at`) for one that is more than the net in minor units, for two at
    once, and for a reason without one.
    """
    field = f"{at}discount"
    if discount.basis_points and discount.minor:
        raise Invalid(N_("Please give a discount in percent or as an amount, and not both."), field=field)
    if not 0 <= discount.basis_points <= BASIS_POINTS:
        raise Invalid(N_("A discount must lie between 0 and 100 percent."), field=field)
    if discount.minor and not 0 < discount.minor <= net_minor:
        raise Invalid(N_("A discount cannot be more than what it is taken off."), field=field)
    reason = f"{at}discount_reason"
    texts.check(discount.reason, field=reason, longest=LONGEST_REASON)
    if discount.reason and not discount:
        raise Invalid(N_("Please enter the discount that this is the reason of."), field=reason)


def dealt_out(amount_minor: int, lines: Sequence[tuple[int, int]]) -> list[int]:
    """What each line bears of so much, in minor units; lines are (rate of tax, net), and no net is negative."""
    borne = [0] * len(lines)
    if not amount_minor:
        return borne
    rates = sorted({rate for rate, _net in lines}, reverse=True)
    places = [[at for at, line in enumerate(lines) if line[0] == rate] for rate in rates]
    nets = [[lines[at][1] for at in of_rate] for of_rate in places]
    of_rates = shares.share(amount_minor, [sum(of_rate) for of_rate in nets], [0] * len(rates))
    for part, at_rate, of_rate in zip(of_rates, places, nets, strict=True):
        for at, share in zip(at_rate, shares.share(part, of_rate, [0] * len(of_rate)) if part else (), strict=False):
            borne[at] = share
    return borne
