"""A chart's bars: to scale, from the line of zero, all within the picture."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from portal.books import charts
from portal.books.charts import Bar, Chart
from portal.core.money import Money
from portal.reconciliation.figures import Day

START = date(2026, 1, 1)


def days(*values: tuple[int, int, int], currency: str = "eur") -> list[Day]:
    return [
        Day(START + timedelta(days=number), *(Money(value, currency) for value in of_day))
        for number, of_day in enumerate(values)
    ]


def number(text: str) -> float:
    return float(text.removesuffix("%"))


def zero(chart: Chart) -> float:
    return next(number(rule.y) for rule in chart.rules if not rule.amount)


def ends(bar: Bar) -> tuple[float, float]:
    return number(bar.y), number(bar.y) + number(bar.height)


def test_payments_stand_above_zero_and_what_is_taken_hangs_below() -> None:
    chart = charts.of_days(days((100_00, -20_00, -10_00)))
    charged, refunded, fees = chart.columns[0].bars
    assert abs(ends(charged)[1] - zero(chart)) < 0.01
    assert abs(ends(refunded)[0] - zero(chart)) < 0.01
    assert abs(ends(fees)[0] - ends(refunded)[1]) < 0.01
    assert abs(number(charged.height) - 5 * number(refunded.height)) < 0.01


def test_what_is_against_the_rule_is_on_the_other_side() -> None:
    """A refund that failed brings money back; a charge in another currency takes it out of this one."""
    chart = charts.of_days(days((-5_00, 20_00, 0)))
    charged, refunded = chart.columns[0].bars
    assert abs(ends(charged)[0] - zero(chart)) < 0.01
    assert abs(ends(refunded)[1] - zero(chart)) < 0.01


def test_lines_are_at_round_amounts() -> None:
    chart = charts.of_days(days((1_234_56, -20_00, -30_00)))
    assert [rule.amount.minor for rule in chart.rules] == [-500_00, 0, 500_00, 1_000_00, 1_500_00]
    assert [rule.amount.minor for rule in charts.of_days(days((700, 0, 0), currency="jpy")).rules] == [
        0, 200, 400, 600, 800,
    ]  # fmt: skip


def test_longer_periods_have_a_bar_a_month() -> None:
    chart = charts.of_days(days(*[(1_00, -10, -1)] * 365))
    assert chart.by_month
    assert [column.figures.charged.minor for column in chart.columns][:3] == [31_00, 28_00, 31_00]
    assert not charts.of_days(days(*[(1_00, 0, 0)] * charts.MOST_BARS)).by_month


def test_nothing_is_empty() -> None:
    assert charts.of_days(days((0, 0, 0), (0, 0, 0))).empty
    assert not charts.of_days(days((0, 0, 0), (0, 0, -1))).empty


amounts = st.integers(-(10**14), 10**14)


@given(st.lists(st.tuples(amounts, amounts, amounts), min_size=1, max_size=70), st.sampled_from(["eur", "jpy", "kwd"]))
def test_all_of_it_is_within_the_picture(values: list[tuple[int, int, int]], currency: str) -> None:
    chart = charts.of_days(days(*values, currency=currency))
    for rule in chart.rules:
        assert 0 < number(rule.y) < 100
    for column in chart.columns:
        for bar in column.bars:
            assert all(-0.01 <= end <= 100.01 for end in ends(bar))
            assert number(column.x) <= number(bar.x)
            assert number(bar.x) + number(bar.width) <= number(column.x) + number(column.width) + 0.01
    assert len(chart.rules) <= 7
