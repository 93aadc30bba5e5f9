"""The arithmetic: to the cent, without a float, and as European electronic invoices are checked."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal.core import money
from portal.core.errors import Invalid
from portal.core.money import Money
from portal.invoices import drafts, totals
from portal.invoices.drafts import InvoiceDraft
from tests.invoices.conftest import line

prices = st.integers(0, 9_999_999)
quantities = st.integers(1, 1_000_000)
rates = st.sampled_from([0, 550, 700, 1900, 2000, 2550]) | st.integers(0, 10_000)
invoice_lines = st.lists(st.tuples(prices, quantities, rates), min_size=1, max_size=30)


def away_from_zero(exact: Fraction) -> int:
    return int((Decimal(exact.numerator) / exact.denominator).quantize(Decimal(1), ROUND_HALF_UP))


@given(invoice_lines)
def test_lines_taxes_and_total_add_up(lines: list[tuple[int, int, int]]) -> None:
    sums = totals.reckon(lines)
    assert sums.net_minor == sum(one.net_minor for one in sums.lines) == sum(tax.net_minor for tax in sums.taxes)
    assert sums.tax_minor == sum(one.tax_minor for one in sums.lines) == sum(tax.tax_minor for tax in sums.taxes)
    assert sums.total_minor == sums.net_minor + sums.tax_minor
    assert all(type(value) is int for one in sums.lines for value in (one.net_minor, one.tax_minor))


@given(invoice_lines)
def test_tax_is_rounded_once_a_rate(lines: list[tuple[int, int, int]]) -> None:
    sums = totals.reckon(lines)
    assert [tax.rate_basis_points for tax in sums.taxes] == sorted({rate for _, _, rate in lines}, reverse=True)
    for tax in sums.taxes:
        assert tax.tax_minor == away_from_zero(Fraction(tax.net_minor * tax.rate_basis_points, 10_000))


@example([(100, 295, 1109), (100, 295, 1109), (10898, 29632, 1109)])
@given(invoice_lines)
def test_a_line_bears_its_own_tax_to_within_one_unit(lines: list[tuple[int, int, int]]) -> None:
    for (price, quantity, rate), amounts in zip(lines, totals.reckon(lines).lines, strict=True):
        assert amounts.net_minor == away_from_zero(Fraction(price * quantity, 1000))
        assert abs(amounts.tax_minor - Fraction(amounts.net_minor * rate, 10_000)) < 1
        assert amounts.tax_minor >= 0


@given(invoice_lines)
def test_the_breakdown_of_stored_lines_is_the_one_that_was_reckoned(lines: list[tuple[int, int, int]]) -> None:
    sums = totals.reckon(lines)
    stored = [(rate, one.net_minor, one.tax_minor) for (_, _, rate), one in zip(lines, sums.lines, strict=True)]
    assert totals.by_rate(stored) == list(sums.taxes)


def test_tax_by_line_would_be_a_cent_off() -> None:
    """Three lines of 0.33 at 19 %: 0.0627 each, rounded 0.06, together 0.18; on their sum of 0.99 it is 0.19."""
    sums = totals.reckon([(33, 1_000, 1900)] * 3)
    assert (sums.net_minor, sums.tax_minor) == (99, 19)
    assert [one.tax_minor for one in sums.lines] == [7, 6, 6]


@pytest.mark.parametrize(
    ("price", "quantity", "net"),
    [(1, 500, 1), (1, 499, 0), (99_99, 1_500, 149_99), (3, 2_500, 8), (333, 333, 111), (1_250, 12_000, 15_000)],
)
def test_half_a_unit_is_rounded_up(price: int, quantity: int, net: int) -> None:
    assert totals.line_net(price, quantity) == net


@pytest.mark.parametrize(
    ("rate", "percent"), [(1900, "19"), (550, "5.5"), (0, "0"), (10_000, "100"), (1000, "10"), (725, "7.25")]
)
def test_rates_are_written_without_idle_zeros(rate: int, percent: str) -> None:
    assert str(totals.percent(rate)) == percent


@pytest.mark.parametrize(
    ("thousandths", "written"), [(1_000, "1"), (1_500, "1.5"), (12_000, "12"), (125, "0.125"), (100_000, "100")]
)
def test_quantities_are_written_without_idle_zeros(thousandths: int, written: str) -> None:
    assert str(totals.quantity(thousandths)) == written


# What Stripe would refuse to charge


@pytest.mark.parametrize("currency", ["eur", "usd", "jpy", "kwd", "huf", "isk", "gbp", "inr"])
def test_the_smallest_and_the_largest_charge_can_be_invoiced(currency: str) -> None:
    step = money.charge_step(currency).minor
    largest = money.largest_charge(currency).minor // step * step
    drafts.check_chargeable(Money(largest, currency))
    smallest = -(-money.smallest_charge(currency).minor // step) * step
    drafts.check_chargeable(Money(smallest, currency))


@pytest.mark.parametrize(
    ("total", "told"),
    [
        (Money(49, "eur"), "the least that Stripe charges is 0.50 EUR"),
        (Money(0, "eur"), "the least that Stripe charges is 0.50 EUR"),
        (Money(29, "gbp"), "the least that Stripe charges is 0.30 GBP"),
        (Money(49, "jpy"), "the least that Stripe charges is 50 JPY"),
        (Money(100_000_000, "eur"), "the most that Stripe charges at once is 999999.99 EUR"),
        (Money(10_000_000_000, "jpy"), "the most that Stripe charges at once is 9999999999 JPY"),
        (Money(12_345, "kwd"), "is 12.340 KWD or 12.350 KWD"),
        (Money(5_50, "isk"), "is 5.00 ISK or 6.00 ISK"),
    ],
)
def test_a_total_that_stripe_would_refuse_is_refused_with_its_reason(total: Money, told: str) -> None:
    with pytest.raises(Invalid) as refused:
        drafts.check_chargeable(total)
    assert refused.value.field == "total"
    assert told in refused.value.text()


def test_currencies_of_three_decimals_and_of_none() -> None:
    dinars = drafts.check(InvoiceDraft("cus_1", "kwd", (line(quantity=3_000, price=12_500, rate=400),)))
    assert (dinars.net_minor, dinars.tax_minor, dinars.total_minor) == (37_500, 1_500, 39_000)
    yen = drafts.check(InvoiceDraft("cus_1", "jpy", (line(quantity=1_500, price=1_001, rate=1000),)))
    assert (yen.net_minor, yen.tax_minor, yen.total_minor) == (1_502, 150, 1_652)


def test_an_invoice_in_dinars_that_does_not_end_in_0_is_refused_when_it_is_issued() -> None:
    with pytest.raises(Invalid, match=r"39\.370 KWD or 39\.380 KWD"):
        drafts.check(InvoiceDraft("cus_1", "kwd", (line(quantity=3_000, price=12_500, rate=500),)))


@pytest.mark.parametrize(
    ("amount", "english", "german"),
    [
        (Money(1_234_50, "eur"), "€1,234.50", "1.234,50\xa0€"),
        (Money(1_234, "jpy"), "¥1,234", "1.234\xa0¥"),
        (Money(1_234_500, "kwd"), "KWD\xa01,234.500", "1.234,500\xa0KWD"),
    ],
)
def test_amounts_are_written_as_their_readers_write_them(amount: Money, english: str, german: str) -> None:
    assert (amount.format("en"), amount.format("de")) == (english, german)
