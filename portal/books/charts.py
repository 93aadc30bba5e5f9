"""Where the bars of a chart stand, in per cent of its width and height, so that a template has nothing to reckon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from portal.core.money import Money, exponent
from portal.reconciliation.figures import Day

# More bars than this are hairs: longer periods have one bar a month.
MOST_BARS: Final = 62
# The room above the highest and below the lowest line, in per cent: the words of a line stand above it.
MARGIN: Final = 7
# What is left free for the words of the lines before the first bar, in per cent of the width.
GUTTER: Final = 8
# Of the width that a bar has, this much is left free beside it.
GAP: Final = 0.28
SERIES: Final = ("charged", "refunded", "fees")


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle. `series` is one of SERIES."""

    series: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """All of a day, or of a month; `x` and `width` are those of the whole column."""

    figures: Day
    x: str
    width: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across, at an amount."""

    amount: Money
    y: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`by_month` tells that a column is a month; its day is the first one of it that is shown."""

    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    by_month: bool

    @property
    def empty(self) -> bool:
        return not any(column.bars for column in self.columns)


def of_days(days: Sequence[Day]) -> Chart:
    """The chart of these days, in order; there is at least one. What raises the balance stands above the line of zero."""
    by_month = len(days) > MOST_BARS
    shown = _months(days) if by_month else list(days)
    currency = shown[0].charged.currency
    above = max(sum(value for value in _values(day) if value > 0) for day in shown)
    below = max(-sum(value for value in _values(day) if value < 0) for day in shown)
    step = _step(above + below, exponent(currency))
    top, bottom = -(-above // step), -(-below // step)  # in steps, rounded up
    height = (100 - 2 * MARGIN) / (max(top + bottom, 1) * step)
    zero = MARGIN + top * step * height
    width = (100 - GUTTER) / len(shown)
    columns = tuple(
        Column(day, _percent(left), _percent(width), tuple(_bars(day, left, width, zero, height)))
        for left, day in ((GUTTER + index * width, day) for index, day in enumerate(shown))
    )
    rules = tuple(
        Rule(Money(number * step, currency), _percent(zero - number * step * height))
        for number in range(-bottom, top + 1)
    )
    return Chart(columns, rules, by_month)


def _bars(day: Day, left: float, width: float, zero: float, height: float) -> Iterable[Bar]:
    """One upon the other, to either side of zero."""
    up = down = zero
    for series, value in zip(SERIES, _values(day), strict=True):
        tall = abs(value) * height
        if value > 0:
            up -= tall
            top = up
        elif value < 0:
            top, down = down, down + tall
        else:
            continue
        gap = width * GAP
        yield Bar(series, _percent(left + gap / 2), _percent(top), _percent(width - gap), _percent(tall))


def _values(day: Day) -> tuple[int, int, int]:
    return day.charged.minor, day.refunded.minor, day.fees.minor


def _months(days: Sequence[Day]) -> list[Day]:
    months = []
    for _month, of_it in groupby(days, lambda day: (day.day.year, day.day.month)):
        first, *others = of_it
        for day in others:
            first = Day(first.day, first.charged + day.charged, first.refunded + day.refunded, first.fees + day.fees)
        months.append(first)
    return months


def _step(span: int, decimals: int) -> int:
    """From line to line, in minor units: 1, 2 or 5 with zeros, in whole major units, so that there are about four lines."""
    step: int = 10**decimals
    while True:
        for factor in (1, 2, 5):
            if span <= 4 * step * factor:
                return step * factor
        step *= 10


def _percent(number: float) -> str:
    return f"{number:.3f}%"
