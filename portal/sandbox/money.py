"""Currencies as Stripe counts them: minor units, smallest and largest charges, and the sandbox's tariff.

Source: Stripe, "Supported currencies" (zero-decimal, special cases, three-decimal, minimum and maximum charge amounts).

The tariff, one for all cards: 2.9 % of the charge, rounded half up, plus a fixed 0.30 of the currency (30 in currencies without decimals).
A refund gives no fee back. A dispute costs 15.00 of the currency, also when it is won, unless the account's terms give that back. Money
settles in the currency it was charged in.
"""

from __future__ import annotations

from portal.sandbox.errors import StripeError, invalid

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
WHOLE_UNITS_ONLY = frozenset("isk ugx".split())
"""Counted with two decimals that must be zero. Source: Stripe, "Special cases"."""

TWO_DECIMAL = frozenset(
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk dkk dop dzd "
    "egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd "
    "mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos "
    "srd std szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs wst xcd yer zar zmw".split()
)
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | TWO_DECIMAL

MINIMUMS = {
    "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400,
    "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50,
    "thb": 1000, "usd": 50,
}  # fmt: skip
MAXIMUM = 99_999_999
"""Eight digits in every currency but the few below."""
MAXIMUMS = {
    "cop": 9_999_999_999,
    "huf": 9_999_999_999,
    "idr": 999_999_999_999,
    "inr": 999_999_999,
    "jpy": 9_999_999_999,
    "lbp": 999_999_999_999,
}

PERCENT_FEE_BASIS_POINTS = 290
FIXED_FEE = 30
DISPUTE_FEE = 15_00

EUROS = {
    "aud": 0.56, "cad": 0.62, "chf": 1.07, "czk": 0.041, "dkk": 0.134, "eur": 1.0, "gbp": 1.15, "hkd": 0.11, "huf": 0.0026,
    "jpy": 0.0057, "nok": 0.085, "nzd": 0.51, "pln": 0.235, "ron": 0.197, "sek": 0.091, "sgd": 0.67, "usd": 0.86,
}  # fmt: skip
"""What one unit of a currency is worth in euros, where money is converted; the rates are the sandbox's own and do not move."""

_SYMBOLS = {"aud": "A$", "cad": "CA$", "eur": "€", "gbp": "£", "inr": "₹", "jpy": "¥", "usd": "$"}


def exponent(currency: str) -> int:
    """How many decimals the currency's minor unit stands for."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def shown(amount: int, currency: str) -> str:
    """An amount as Stripe's messages write it: "$0.50", "¥50", "KWD 0.100"."""
    digits = exponent(currency)
    sign, minor = ("-" if amount < 0 else ""), abs(amount)
    whole = f"{minor // 10**digits:,}"
    number = whole if digits == 0 else f"{whole}.{minor % 10**digits:0{digits}d}"
    symbol = _SYMBOLS.get(currency, f"{currency.upper()} ")
    return f"{sign}{symbol}{number}"


def _listed() -> list[str]:
    """The currencies in the order of Stripe's message: its own first."""
    return ["usd", *sorted(CURRENCIES - {"usd"})]


def known_currency(currency: str | None) -> str:
    """The currency in lower case; raises the error of an unknown one."""
    lower = (currency or "").lower()
    if lower not in CURRENCIES:
        raise invalid(
            f"Invalid currency: {lower}. Stripe currently supports these currencies: {', '.join(_listed())}",
            "currency",
        )
    return lower


def check_charge_amount(amount: int, currency: str) -> None:
    """Raises when an amount cannot be charged in its currency."""
    least = minimum(currency)
    most = MAXIMUMS.get(currency, MAXIMUM)
    if amount < least:
        raise StripeError(
            f"Amount must be at least {shown(least, currency)} {currency}",
            code="amount_too_small",
            param="amount",
            began=False,
        )
    if amount > most:
        raise StripeError(
            f"Amount must be no more than {shown(most, currency)} {currency}",
            code="amount_too_large",
            param="amount",
            began=False,
        )
    check_step(amount, currency)


def check_step(amount: int, currency: str) -> None:
    """Raises StripeError for an amount between the steps in which a currency is charged and given back."""
    step = 10 if currency in THREE_DECIMAL else 100 if currency in WHOLE_UNITS_ONLY else 1
    if amount % step:
        raise invalid(
            f"Invalid amount: amounts in {currency} must be divisible by {step}.", "amount", "parameter_invalid_integer"
        )


def exchange_rate(currency: str, into: str) -> float:
    """How much of `into` one unit of `currency` buys; raises StripeError for a currency the sandbox has no rate of."""
    for name in (currency, into):
        if name not in EUROS:
            raise StripeError(f"The sandbox has no exchange rate for {name}.", param="currency")
    return round(EUROS[currency] / EUROS[into], 6)


def converted(amount: int, currency: str, into: str, rate: float) -> int:
    """An amount in the minor units of `into`, rounded half away from zero."""
    value = abs(amount) * rate * 10.0 ** (exponent(into) - exponent(currency))
    whole = int(value + 0.5)
    return -whole if amount < 0 else whole


def minimum(currency: str) -> int:
    """Currencies that Stripe's table leaves out need about half a US dollar; the sandbox asks for a nominal amount there."""
    return MINIMUMS.get(currency, {0: 1, 2: 50, 3: 100}[exponent(currency)])


def scaled(amount: int, currency: str) -> int:
    """An amount stated in hundredths, in the minor units of a currency; currencies without decimals take it as it stands."""
    return amount * 10 if currency in THREE_DECIMAL else amount
