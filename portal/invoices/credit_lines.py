"""The arithmetic of crediting an invoice that is not paid yet: whole numbers only, and nothing here knows of a database.

What is taken back of lines is said net, by a quantity or by an amount, as the lines have it. The tax that goes with it is the exact share
of what the invoice states at the rate, reckoned over all that was ever taken back of that rate and rounded once: so many credits and
refunds together never take back more tax than was stated, and the last one takes what is left. What is taken back of no line in particular
is shared out over all rates as refunds are (portal.ledger.revenue.shared).

Source: §§ 14 (4), 17 (1) UStG; articles 90 and 219 of directive 2006/112/EC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from portal.core import money
from portal.core.errors import N_, Invalid
from portal.core.money import Money
from portal.invoices import totals
from portal.ledger.revenue import Part, Sold

NOT_MORE_LEFT: Final = N_("Line %(position)s: at most %(left)s of it is left.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be credited of the line at a position, from 1: a quantity in thousandths, or a net amount in minor units."""

    position: int
    quantity_thousandths: int | None = None
    net_minor: int | None = None


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """What is credited of a line, as a credit keeps it; without a quantity it is a part of its price."""

    position: int
    quantity_thousandths: int | None
    net_minor: int

    @property
    def quantity(self) -> Decimal | None:
        """1500 thousandths are Decimal("1.5")."""
        return None if self.quantity_thousandths is None else totals.quantity(self.quantity_thousandths)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(written: Mapping[str, Any]) -> CreditedLine:
        return CreditedLine(written["position"], written["quantity_thousandths"], written["net_minor"])


class Line(Protocol):
    """A line of an invoice, as portal.invoices.models has it."""

    @property
    def position(self) -> int: ...
    @property
    def quantity_thousandths(self) -> int: ...
    @property
    def unit_price_minor(self) -> int: ...
    @property
    def tax_rate_basis_points(self) -> int: ...
    @property
    def net_minor(self) -> int: ...
    @property
    def discount_minor(self) -> int: ...
    @property
    def whole_discount_minor(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Rest:
    """What of a line is not credited yet."""

    quantity_thousandths: int
    net_minor: int


def rests(lines: Iterable[Line], earlier: Iterable[CreditedLine]) -> dict[int, Rest]:
    """Of each line, by its position."""
    left = {line.position: Rest(line.quantity_thousandths, line.net_minor) for line in lines}
    for one in earlier:
        rest = left[one.position]
        left[one.position] = Rest(
            rest.quantity_thousandths - (one.quantity_thousandths or 0), rest.net_minor - one.net_minor
        )
    return left


def of_lines(
    wanted: Sequence[Wanted], lines: Sequence[Line], earlier: Iterable[CreditedLine], currency: str
) -> tuple[CreditedLine, ...]:
    """What is credited of each of the wanted lines, in their order.

    All that is left of a line's quantity takes all that is left of its net, so that no cent of rounding stays. Raises Invalid for a line
    that there is not, or twice, for nothing, and for more than is left of one.
    """
    by_position = {line.position: line for line in lines}
    left = rests(lines, earlier)
    if not wanted:
        raise Invalid(N_("Please choose what to credit."), field="lines")
    if len({one.position for one in wanted}) < len(wanted) or not {one.position for one in wanted} <= left.keys():
        raise Invalid(N_("Please name lines of the invoice, each one once."), field="lines")
    return tuple(
        _of_line(one, by_position[one.position], left[one.position], currency)
        for one in sorted(wanted, key=lambda one: one.position)
    )


def _of_line(wanted: Wanted, line: Line, rest: Rest, currency: str) -> CreditedLine:
    if (wanted.quantity_thousandths is None) == (wanted.net_minor is None):
        raise Invalid(
            N_("Line %(position)s: please give a quantity or an amount, and not both."),
            field="lines",
            position=line.position,
        )
    if wanted.net_minor is not None:
        net = wanted.net_minor
    else:
        quantity = wanted.quantity_thousandths or 0
        if not 0 < quantity <= rest.quantity_thousandths:
            raise Invalid(
                NOT_MORE_LEFT,
                field="lines",
                position=line.position,
                left=str(totals.quantity(max(rest.quantity_thousandths, 0))),
            )
        is_all = quantity == rest.quantity_thousandths
        net = rest.net_minor if is_all else _net_of(line, quantity)
    if not 0 < net <= rest.net_minor:
        raise Invalid(
            NOT_MORE_LEFT, field="lines", position=line.position, left=Money(max(rest.net_minor, 0), currency)
        )
    return CreditedLine(line.position, wanted.quantity_thousandths, net)


def _net_of(line: Line, quantity_thousandths: int) -> int:
    """So much of a line, with its part of the discounts."""
    if line.discount_minor or line.whole_discount_minor:
        return money.share(line.net_minor, quantity_thousandths, line.quantity_thousandths)
    return totals.line_net(line.unit_price_minor, quantity_thousandths)


def parts_of(
    credited: Iterable[CreditedLine], lines: Sequence[Line], sold: Sequence[Sold], currency: str
) -> list[Part]:
    """Net and tax of each rate that these lines lower, the highest rate first. `sold` is of the invoice, as the books have it.

    Raises Invalid where refunds or credits of no line in particular have left less of a rate.
    """
    rates = {line.position: line.tax_rate_basis_points for line in lines}
    nets: dict[int, int] = {}
    for one in credited:
        nets[rates[one.position]] = nets.get(rates[one.position], 0) + one.net_minor
    found = {one.stated.rate: one for one in sold}
    parts = []
    for rate in sorted(nets, reverse=True):
        net, of = nets[rate], found.get(rate)
        left = of.left.net_minor if of else 0
        if of is None or net > left:
            raise Invalid(
                N_("At most %(left)s of the lines with this tax rate is left."),
                field="lines",
                left=Money(left, currency),
            )
        parts.append(Part(rate, net, tax_with(net, of)))
    return parts


def tax_with(net_minor: int, of: Sold) -> int:
    """The tax that is taken back with so much net of a rate, in minor units: never less than nothing, nor more than is left of it."""
    if not of.stated.net_minor:
        return 0
    reached = of.stated.net_minor - of.left.net_minor + net_minor
    together = money.share(of.stated.tax_minor, reached, of.stated.net_minor)
    return min(max(together - (of.stated.tax_minor - of.left.tax_minor), 0), of.left.tax_minor)
