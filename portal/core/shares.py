"""Sharing out a refund over what a payment was made of (net and tax of each rate), so that no cent is lost or taken back twice.

Pure arithmetic of whole minor units. Each unit that is given back is taken, one after the other, from the part that has the best
claim to it: Webster's divisor method, with the parts as the votes and the units as the seats. Of the ways to round shares it is
one in which a larger total never makes a part smaller, so that several refunds may follow each other. It gives for each total
what the exact shares round to, but for a unit here and there; and for the whole payment each part exactly.

Source: M. L. Balinski and H. P. Young, "Fair Representation" (1982), on divisor methods and house monotonicity.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def share(amount: int, parts: Sequence[int], taken: Sequence[int]) -> list[int]:
    """How much of `amount` comes from each of `parts`, of which `taken` is gone already; all in minor units, none negative.

    The shares sum to `amount`, and with what is taken they exceed no part. Raises ValueError when less than `amount` is left.
    """
    whole, reached = sum(parts), sum(taken) + amount
    if reached > whole:
        raise ValueError(f"{amount} of {whole - sum(taken)} that are left")

    def claim(at: int, unit: int) -> tuple[Fraction, int]:
        """How good this part's claim to its n-th unit is, from 1; among equals the first part comes first."""
        return Fraction(parts[at], 2 * unit - 1), -at

    # Near the end of the counting-out at once: the exact shares, rounded; then the few units that these are off.
    places = range(len(parts))
    held = [max(gone, (2 * part * reached + whole) // (2 * whole)) for part, gone in zip(parts, taken, strict=True)]
    while sum(held) < reached:
        best = max(places, key=lambda at: claim(at, held[at] + 1))
        held[best] += 1
    while sum(held) > reached:
        worst = min((at for at in places if held[at] > taken[at]), key=lambda at: claim(at, held[at]))
        held[worst] -= 1
    return [now - before for now, before in zip(held, taken, strict=True)]
