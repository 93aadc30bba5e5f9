"""Money as whole minor units and a currency: no floats, no mixing of currencies.

Source: Stripe, "Supported currencies" (zero-decimal, three-decimal and special-case currencies) and ISO 4217.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

from babel import Locale
from babel.numbers import (
    NumberFormatError,
    format_currency,
    get_currency_symbol,
    get_decimal_symbol,
    get_group_symbol,
    parse_decimal,
    parse_pattern,
)

# Stripe charges these in whole units: the amount 500 in jpy is 500 yen.
ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())
# Stripe charges these in thousandths, and demands that the last digit is 0.
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
# Stripe keeps two decimals on the wire for these, but the decimals must be 00. (HUF and TWD are whole only in payouts.)
WHOLE_UNITS_IN_TWO_DECIMALS = frozenset({"isk", "ugx"})

# Counted with two decimals like most of the world's currencies.
TWO_DECIMAL = frozenset(
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve "
    "czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt "
    "lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln "
    "qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs wst xcd "
    "yer zar zmw".split()
)
CHARGEABLE = ZERO_DECIMAL | TWO_DECIMAL | THREE_DECIMAL

# The largest amount Stripe takes in most currencies: eight digits of minor units.
LARGEST_MINOR = 99_999_999
# The largest number that a column holds (a signed 64-bit one).
_LARGEST_STORED = 2**63 - 1
_SPACE_BETWEEN_DIGITS = re.compile(r"(?<=\d)[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}](?=\d)")
_LARGEST_MINOR_OF = {
    "cop": 9_999_999_999,
    "huf": 9_999_999_999,
    "idr": 999_999_999_999,
    "inr": 999_999_999,
    "jpy": 9_999_999_999,
    "lbp": 999_999_999_999,
}
# The smallest amounts Stripe takes, in minor units.
_SMALLEST_MINOR_OF = {
    "aed": 2_00, "aud": 50, "bgn": 1_00, "brl": 50, "cad": 50, "chf": 50, "czk": 15_00, "dkk": 2_50, "eur": 50, "gbp": 30,
    "hkd": 4_00, "huf": 175_00, "inr": 50, "jpy": 50, "mxn": 10_00, "myr": 2_00, "nok": 3_00, "nzd": 50, "pln": 2_00,
    "ron": 2_00, "sek": 3_00, "sgd": 50, "thb": 10_00, "usd": 50,
}  # fmt: skip
# Elsewhere Stripe asks for about half a US dollar at the day's rate, which nobody can know in advance: by number of
# decimals, a floor under which no charge makes sense. What is above it and still too little, Stripe itself refuses.
_SMALLEST_MINOR_ELSEWHERE = {0: 1, 2: 50, 3: 100}


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were put together: always an error of the program."""


def exponent(currency: str) -> int:
    """How many decimals an amount of this currency has at Stripe: 0, 2 or 3."""
    if currency in WHOLE_UNITS_IN_TWO_DECIMALS:
        return 2
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def is_currency(code: str) -> bool:
    return len(code) == 3 and code.isascii() and code.isalpha() and code.islower()


def smallest_charge(currency: str) -> Money:
    """The least that Stripe charges in this currency, as far as it can be known in advance."""
    return Money(_SMALLEST_MINOR_OF.get(currency, _SMALLEST_MINOR_ELSEWHERE[exponent(currency)]), currency)


def largest_charge(currency: str) -> Money:
    """The most that Stripe takes in one charge of this currency."""
    return Money(_LARGEST_MINOR_OF.get(currency, LARGEST_MINOR), currency)


def charge_step(currency: str) -> Money:
    """Stripe takes only multiples of this: 0.010 in three-decimal currencies, 1.00 where the decimals must be 00."""
    if currency in WHOLE_UNITS_IN_TWO_DECIMALS:
        return Money(10 ** exponent(currency), currency)
    return Money(10 if currency in THREE_DECIMAL else 1, currency)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (cents, yen, fils) and a lower-case ISO currency code."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.minor, int) or isinstance(self.minor, bool):
            raise TypeError(f"minor units are whole numbers, not {type(self.minor).__name__}")
        if not is_currency(self.currency):
            raise ValueError(f"not a currency code: {self.currency!r}")

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not add up")
        return other.minor

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    @property
    def decimals(self) -> int:
        """How many decimals its minor unit stands for."""
        return exponent(self.currency)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units: Money(20_00, "eur").decimal == Decimal("20.00")."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def plain(self) -> str:
        """Major units with a point and no grouping, for CSV and APIs: "1234.50"."""
        return f"{self.decimal:.{exponent(self.currency)}f}"

    def format(self, locale: str = "en") -> str:
        """As a person of that language writes it: "€1,234.50", "1.234,50 €"."""
        frame, digits = _frame(locale, self.currency), exponent(self.currency)
        major, minor = divmod(abs(self.minor), 10**digits)
        number = _grouped(str(major), frame)
        if digits:
            number += f"{frame.decimal}{minor:0{digits}}"
        before, after = frame.negative if self.minor < 0 else frame.positive
        return before + number + after

    def __str__(self) -> str:
        return f"{self.plain()} {self.currency.upper()}"


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around and between the digits of an amount. `groups`: of how many digits the last group is, and each before it."""

    positive: tuple[str, str]
    negative: tuple[str, str]
    groups: tuple[int, int]
    group: str
    decimal: str


@lru_cache(maxsize=1_000)
def _frame(locale: str, currency: str) -> _Frame:
    """How this language writes this currency: asked of Babel once, which reads the whole pattern anew for each amount."""
    digits = exponent(currency)
    pattern = _pattern(locale, currency, digits)
    decimal = get_decimal_symbol(locale)
    one = f"1{decimal}{'0' * digits}" if digits else "1"

    def around(amount: int) -> tuple[str, str]:
        written = format_currency(
            Decimal(amount).quantize(Decimal(1).scaleb(-digits)),
            currency.upper(),
            locale=locale,
            currency_digits=False,
            decimal_quantization=False,
            format=pattern,
        )
        before, _, after = written.partition(one)
        return before, after

    return _Frame(around(1), around(-1), parse_pattern(pattern).grouping, get_group_symbol(locale), decimal)


def _grouped(digits: str, frame: _Frame) -> str:
    last, each = frame.groups
    groups = [digits[-last:]]
    rest = digits[:-last]
    while rest:
        groups.append(rest[-each:])
        rest = rest[:-each]
    return frame.group.join(reversed(groups))


def _pattern(locale: str, currency: str, digits: int) -> str:
    """The locale's currency pattern with exactly this many decimals.

    Babel's own table of digits is ISO's; Stripe's differs for a few currencies, and Stripe's is the one that is charged.
    A symbol of letters keeps its distance from the number ("KWD 1.500", but "€1.50"): Babel does not do it by itself.
    Source: Unicode CLDR, "Currency Formats" (spacing between symbol and number).
    """
    pattern: str = Locale.parse(locale).currency_formats["standard"].pattern
    if get_currency_symbol(currency.upper(), locale)[-1].isalpha():
        pattern = pattern.replace("¤#", "¤\N{NO-BREAK SPACE}#")
    decimals = f".{'0' * digits}" if digits else ""
    return pattern.replace(".00", decimals)


def from_decimal(amount: Decimal, currency: str) -> Money:
    """Major units as Money. Raises ValueError when the amount has more decimals than the currency."""
    scaled = amount.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{currency} has no amount {amount}")
    return Money(int(scaled), currency)


def parse(text: str, currency: str, locale: str = "en") -> Money:
    """What a person typed ("1.234,50" in German) as Money.

    Raises ValueError when it is no number, or is finer than the currency or than Stripe's rules for it allow.
    """
    money = from_decimal(parse_number(text, locale), currency)
    if abs(money.minor) > _LARGEST_STORED:
        raise ValueError(f"too large an amount: {text!r}")
    check_granularity(money)
    return money


def parse_number(text: str, locale: str = "en") -> Decimal:
    """What a person typed as a number of this language ("1.234,5" in German). Raises ValueError when it is none.

    Where a space stands between thousands, as in French, whichever space was typed will do: keyboards have the plain one alone.
    """
    group = get_group_symbol(locale)
    if group.isspace():
        text = _SPACE_BETWEEN_DIGITS.sub(group, text)
    # Letters would be Infinity, NaN, or an exponent: "1e999999999" is short to type and takes minutes to write out.
    if any(mark.isalpha() for mark in text):
        raise ValueError(f"not a number: {text!r}")
    try:
        return parse_decimal(text.strip(), locale=locale, strict=True)
    except (NumberFormatError, InvalidOperation) as error:
        raise ValueError(f"not a number: {text!r}") from error


def check_granularity(money: Money) -> None:
    """Raises ValueError when Stripe would refuse the amount as too fine for its currency."""
    step = charge_step(money.currency).minor
    if money.minor % step:
        raise ValueError(f"Stripe takes {money.currency} in steps of {step} minor units")


def share(amount: int, numerator: int, denominator: int) -> int:
    """amount × numerator / denominator in minor units, halves away from zero, as invoices round tax."""
    exact = Decimal(amount) * numerator / denominator
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
