"""Money: whole minor units, one currency, and the same amount in every language."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any

import pytest
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from portal.core import languages, money
from portal.core.money import CurrencyMismatch, Money

LOCALES = languages.shipped()
# What stands between thousands, and before the decimals.
MARKS = {"en": (",", "."), "de": (".", ","), "es": (".", ","), "fr": ("\N{NARROW NO-BREAK SPACE}", ",")}
# Two, none and three decimals, and the two that Stripe counts in hundredths that must be 00.
CURRENCIES = ("eur", "usd", "chf", "jpy", "krw", "kwd", "bhd", "isk", "ugx")

currencies = st.sampled_from(sorted(money.CHARGEABLE))


@st.composite
def amounts(draw: st.DrawFn) -> Money:
    """Any amount that Stripe would charge, credits included."""
    currency = draw(currencies)
    step = money.charge_step(currency).minor
    most = money.largest_charge(currency).minor // step
    return Money(draw(st.integers(-most, most)) * step, currency)


@given(amount=amounts(), locale=st.sampled_from(LOCALES))
def test_what_is_written_for_a_person_reads_back_as_the_same_amount(amount: Money, locale: str) -> None:
    digits = money.exponent(amount.currency)
    whole, _, decimals = f"{abs(amount.decimal):,.{digits}f}".partition(".")
    sign = "-" if amount.minor < 0 else ""
    between, before = MARKS[locale]
    text = sign + whole.replace(",", between) + (f"{before}{decimals}" if decimals else "")
    assert money.parse(text, amount.currency, locale) == amount
    assert text.removeprefix("-") in amount.format(locale)


@given(amount=amounts())
def test_the_plain_form_and_the_decimal_lose_nothing(amount: Money) -> None:
    assert money.parse(amount.plain(), amount.currency) == amount
    assert money.from_decimal(amount.decimal, amount.currency) == amount
    assert money.from_decimal(Decimal(amount.plain()), amount.currency) == amount


@pytest.mark.parametrize(
    ("amount", "english", "german", "spanish", "french"),
    [
        (Money(1234_50, "eur"), "€1,234.50", "1.234,50 €", "1.234,50 €", "1 234,50 €"),
        (Money(-5_00, "usd"), "-$5.00", "-5,00 $", "-5,00 US$", "-5,00 $US"),
        (Money(1_234, "jpy"), "¥1,234", "1.234 ¥", "1.234 JPY", "1 234 JPY"),
        (Money(1_500, "kwd"), "KWD 1.500", "1,500 KWD", "1,500 KWD", "1,500 KWD"),
        (Money(500_00, "isk"), "ISK 500.00", "500,00 ISK", "500,00 ISK", "500,00 ISK"),
        (Money(500_00, "ugx"), "UGX 500.00", "500,00 UGX", "500,00 UGX", "500,00 UGX"),
    ],
)
def test_amounts_look_as_the_reader_writes_them(
    amount: Money, english: str, german: str, spanish: str, french: str
) -> None:
    shown = [re.sub(r"\s", " ", amount.format(locale)) for locale in ("en", "de", "es", "fr")]
    assert shown == [english, german, spanish, french]


@pytest.mark.parametrize(
    ("currency", "exponent", "step"),
    [("eur", 2, 1), ("jpy", 0, 1), ("kwd", 3, 10), ("isk", 2, 100), ("ugx", 2, 100), ("huf", 2, 1), ("twd", 2, 1)],
)
def test_decimals_and_steps_are_stripes(currency: str, exponent: int, step: int) -> None:
    assert money.exponent(currency) == exponent
    assert money.charge_step(currency) == Money(step, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [("1.234", "kwd"), ("12.005", "bhd"), ("1.50", "isk"), ("0.01", "ugx"), ("0.5", "jpy"), ("1.001", "eur")],
)
def test_amounts_finer_than_stripe_charges_are_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=currency):
        money.parse(text, currency)


@pytest.mark.parametrize(
    "text",
    "|x|12a|1,2,3|1..2|--1|NaN|Infinity|-Infinity|sNaN|1e3|1e999999999|1 000 x|€5|0x10|5;6".split("|"),
)
@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_no_amount_is_refused(text: str, locale: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # several sentences, all about the amount
        money.parse(text, "eur", locale)


@given(text=st.text(max_size=20), currency=st.sampled_from(CURRENCIES), locale=st.sampled_from(LOCALES))
def test_whatever_is_typed_is_an_amount_or_a_value_error(text: str, currency: str, locale: str) -> None:
    try:
        amount = money.parse(text, currency, locale)
    except ValueError:
        return
    assert amount.currency == currency
    money.check_granularity(amount)


def test_an_english_amount_is_not_misread_by_a_german_reader() -> None:
    assert money.parse("1.234", "eur", "de") == Money(1234_00, "eur")
    with pytest.raises(ValueError, match="not a number"):
        money.parse("12.34", "eur", "de")


@pytest.mark.parametrize("space", [" ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"])
def test_whatever_space_a_french_reader_types_between_thousands(space: str) -> None:
    """No keyboard has the one that French typography asks for."""
    assert money.parse(f" 1{space}234{space}567,50 ", "eur", "fr") == Money(1_234_567_50, "eur")
    for text in (f"12{space}34", f"1{space}{space}234", f"1{space}234,5{space}0"):
        with pytest.raises(ValueError, match="not a number"):
            money.parse(text, "eur", "fr")
    with pytest.raises(ValueError, match="not a number"):
        money.parse(f"1{space}234", "eur", "de")


@pytest.mark.parametrize("minor", [1.0, 1.5, "100", Decimal(1), None, True])
def test_minor_units_are_whole_numbers_and_nothing_else(minor: Any) -> None:
    with pytest.raises(TypeError):
        Money(minor, "eur")


@pytest.mark.parametrize("currency", ["EUR", "eu", "euro", "", "e1r", "ëur", "€€€"])
def test_a_currency_is_three_lower_case_letters(currency: str) -> None:
    with pytest.raises(ValueError, match="not a currency"):
        Money(1, currency)


def test_currencies_are_never_mixed() -> None:
    euro, dollar = Money(1, "eur"), Money(1, "usd")
    for mixed in (
        lambda: euro + dollar,
        lambda: euro - dollar,
        lambda: euro < dollar,
        lambda: euro <= dollar,
        lambda: euro > dollar,
        lambda: euro >= dollar,
    ):
        with pytest.raises(CurrencyMismatch):
            mixed()
    assert euro != dollar


@given(one=st.integers(-(10**12), 10**12), other=st.integers(-(10**12), 10**12))
def test_sums_and_order_are_those_of_the_minor_units(one: int, other: int) -> None:
    left, right = Money(one, "eur"), Money(other, "eur")
    assert (left + right).minor == one + other
    assert left - right == -(right - left)
    assert (left < right, left >= right, bool(left)) == (one < other, one >= other, one != 0)


def test_money_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Money(1, "eur").minor = 2  # type: ignore[misc]


@given(amount=st.integers(0, 10**10), numerator=st.integers(0, 100_00))
def test_a_share_is_the_nearest_minor_unit(amount: int, numerator: int) -> None:
    shared = money.share(amount, numerator, 100_00)
    assert abs(shared * 100_00 - amount * numerator) * 2 <= 100_00


def test_halves_are_rounded_away_from_zero() -> None:
    assert [money.share(amount, 1, 2) for amount in (1, 3, 5, -1, -3)] == [1, 2, 3, -1, -2]


@given(currency=currencies)
def test_every_currency_has_a_span_that_stripe_can_charge(currency: str) -> None:
    least, most = money.smallest_charge(currency), money.largest_charge(currency)
    assert 0 < least.minor < most.minor
    assert money.is_currency(currency)


@given(minor=st.integers(-(10**12), 10**12), currency=st.sampled_from(sorted(money.CHARGEABLE)))
@pytest.mark.parametrize("locale", ["en", "de", "fr", "de_CH", "hi", "pl"])
def test_an_amount_is_written_as_babel_writes_it(locale: str, minor: int, currency: str) -> None:
    """Also where the groups have two digits, or there is no sign but a word."""
    amount = Money(minor, currency)
    pattern = money._pattern(locale, currency, money.exponent(currency))
    assert amount.format(locale) == format_currency(
        amount.decimal,
        currency.upper(),
        format=pattern,
        locale=locale,
        currency_digits=False,
        decimal_quantization=False,
    )
