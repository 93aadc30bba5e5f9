"""The arithmetic of an invoice: whole numbers only, and nothing here knows of a database.

Prices are net. A line's net is unit price × quantity, rounded to the minor unit, halves away from zero. **Tax is
reckoned once a rate**, on the sum of the nets at that rate, and rounded once: the European standard defines it so for
electronic invoices (an invoice with the tax rounded line by line is refused by every validator as soon as the roundings
differ), and Article 226 of the VAT directive asks for the taxable amount and the tax of each rate, not of each line.
So that the lines still add up to the document, the tax of a rate is then dealt out to its lines by largest remainder: each
line's share is within one minor unit of its own tax, and the shares sum to the tax of the rate exactly.

Source: EN 16931-1, rules BR-CO-10 (sum of line nets), BR-CO-14 (tax total), BR-CO-15 (total with tax), BR-CO-17 (tax of a
rate) and BR-27 (an item's net price is not negative), BG-20 and BG-27 (discounts, see portal.invoices.discounts); Council
Directive 2006/112/EC, Article 226.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from portal.core import money
from portal.invoices import discounts
from portal.invoices.discounts import Discount

# One whole piece, in the thousandths that quantities are counted in.
THOUSANDTHS: Final = 1_000
# The whole, in the basis points that tax rates are counted in: 10000 are 100 %.
BASIS_POINTS: Final = discounts.BASIS_POINTS


@dataclass(frozen=True, slots=True)
class LineAmounts:
    """What one line comes to, in minor units; `tax_minor` is its share of the tax of its rate.

    `net_minor` is what is left after both discounts: its own, and the part that it bears of that of the whole invoice.
    """

    net_minor: int
    tax_minor: int
    discount_minor: int = 0
    whole_discount_minor: int = 0

    @property
    def line_net_minor(self) -> int:
        """As the line states it (BT-131): after its own discount, before that of the whole invoice."""
        return self.net_minor + self.whole_discount_minor


@dataclass(frozen=True, slots=True)
class TaxAtRate:
    """One row of the tax breakdown: the rate in basis points, the sum of nets at it and their tax, in minor units."""

    rate_basis_points: int
    net_minor: int
    tax_minor: int

    @property
    def percent(self) -> Decimal:
        return percent(self.rate_basis_points)


@dataclass(frozen=True, slots=True)
class Totals:
    """An invoice's sums in minor units, its lines in their order, and its tax a rate with the highest rate first."""

    lines: tuple[LineAmounts, ...]
    taxes: tuple[TaxAtRate, ...]

    @property
    def net_minor(self) -> int:
        return sum(line.net_minor for line in self.lines)

    @property
    def lines_minor(self) -> int:
        """The sum of the lines, before the discount of the whole invoice."""
        return sum(line.line_net_minor for line in self.lines)

    @property
    def discount_minor(self) -> int:
        """Of the whole invoice."""
        return sum(line.whole_discount_minor for line in self.lines)

    @property
    def tax_minor(self) -> int:
        return sum(tax.tax_minor for tax in self.taxes)

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor


def line_net(unit_price_minor: int, quantity_thousandths: int) -> int:
    """Unit price × quantity in minor units, halves away from zero."""
    return money.share(unit_price_minor, quantity_thousandths, THOUSANDTHS)


def tax_on(net_minor: int, rate_basis_points: int) -> int:
    """The tax on a sum of nets in minor units, halves away from zero."""
    return money.share(net_minor, rate_basis_points, BASIS_POINTS)


def reckon(
    lines: Sequence[tuple[int, int, int]], off: Sequence[Discount] = (), whole: Discount = discounts.NONE
) -> Totals:
    """An invoice's amounts from its lines, each (unit price in minor units, quantity in thousandths, rate in basis points).

    `off` is the discount of each line, if any has one, and `whole` that of the invoice.
    """
    listed = [line_net(price, quantity) for price, quantity, _rate in lines]
    own = [discount.on(net) for net, discount in zip(listed, off, strict=True)] if off else [0] * len(lines)
    stated = [net - discount for net, discount in zip(listed, own, strict=True)]
    rates = [rate for _price, _quantity, rate in lines]
    weights = [(rate, max(net, 0)) for rate, net in zip(rates, stated, strict=True)]
    borne = discounts.dealt_out(min(whole.on(sum(stated)), sum(net for _rate, net in weights)), weights)
    nets = [net - part for net, part in zip(stated, borne, strict=True)]
    shares = [0] * len(lines)
    taxes = []
    for rate in sorted({rate for _price, _quantity, rate in lines}, reverse=True):
        at_rate = [position for position, line in enumerate(lines) if line[2] == rate]
        base = sum(nets[position] for position in at_rate)
        tax = tax_on(base, rate)
        taxes.append(TaxAtRate(rate, base, tax))
        for position, share in zip(at_rate, _deal(tax, [nets[position] for position in at_rate], rate), strict=True):
            shares[position] = share
    return Totals(tuple(map(LineAmounts, nets, shares, own, borne)), tuple(taxes))


def _deal(tax: int, nets: Sequence[int], rate_basis_points: int) -> list[int]:
    """The tax of a rate dealt out to its lines: each its own tax rounded down, and the largest remainders one unit more.

    From each line's own tax and not from its part of the sum, which after rounding can be more than a unit away from it.
    """
    shares = [net * rate_basis_points // BASIS_POINTS for net in nets]
    remainders = [net * rate_basis_points % BASIS_POINTS for net in nets]
    for position in sorted(range(len(nets)), key=lambda at: -remainders[at])[: tax - sum(shares)]:
        shares[position] += 1
    return shares


def by_rate(lines: Iterable[tuple[int, int, int]]) -> list[TaxAtRate]:
    """The breakdown of lines already reckoned, each (rate in basis points, net, tax in minor units), highest rate first."""
    sums: dict[int, tuple[int, int]] = {}
    for rate, net, tax in lines:
        net_so_far, tax_so_far = sums.get(rate, (0, 0))
        sums[rate] = (net_so_far + net, tax_so_far + tax)
    return [TaxAtRate(rate, *sums[rate]) for rate in sorted(sums, reverse=True)]


def percent(rate_basis_points: int) -> Decimal:
    """A rate as it is written, without idle zeros: 1900 is Decimal("19"), 550 is Decimal("5.5")."""
    return _trimmed(Decimal(rate_basis_points).scaleb(-2))


def quantity(thousandths: int) -> Decimal:
    """A quantity as it is written, without idle zeros: 1500 is Decimal("1.5")."""
    return _trimmed(Decimal(thousandths).scaleb(-3))


def _trimmed(number: Decimal) -> Decimal:
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()
