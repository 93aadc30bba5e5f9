"""What each kind of payment method can do: one table, which everything that speaks of a payment's method reads.

The names are Stripe's `type` of a payment method; Apple Pay and Google Pay are card payments there, and `wallet` of the card names them.
A kind that is not here is never asked for: the portal could not say what becomes of such a payment.

Source: Stripe, "Payment methods" (each method's own page: currencies, refunds, disputes and when its payments succeed or fail).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from portal.core.errors import N_

_EUR: Final = frozenset({"eur"})
CARD: Final = "card"


@dataclass(frozen=True, slots=True)
class Refunds:
    """Whether money goes back at all, also in part, and until how many days after the payment; None: as long as the method exists.

    `arrives_within` so many days it has arrived, mostly; a bank may take up to ten working days to show it on a card.
    """

    possible: bool = True
    in_part: bool = True
    days: int | None = 180
    arrives_within: int = 14


@dataclass(frozen=True, slots=True)
class Disputes:
    """Until how many days after the payment a customer can have it taken back, and whether that is final: no evidence is looked at."""

    days: int
    final: bool = False


@dataclass(frozen=True, slots=True)
class MethodKind:
    """One kind. `currencies` is None where it takes all that Stripe charges; `redirects`: the customer approves on a page of the method's.

    `working_days` is how long its bank mostly takes until the money is certain, `longest_days` when it must be, both in working days; 0: at
    once. `saved`: whether it can be kept here, and then charged while its owner is not there; `added`: also without paying, in Stripe's
    form. `wallet_of` names the kind that Stripe takes it for.
    """

    name: str
    label: str
    currencies: frozenset[str] | None = None
    redirects: bool = False
    working_days: int = 0
    longest_days: int = 0
    saved: bool = False
    added: bool = False
    refunds: Refunds = Refunds()
    disputes: Disputes | None = None
    wallet_of: str = ""

    def takes(self, currency: str) -> bool:
        return self.currencies is None or currency in self.currencies


# Paid back by a bank transfer, or into an account of the method's. Source: Stripe, each method's own page, "Refunds".
_WITHIN_A_WEEK: Final = Refunds(arrives_within=7)

_ALL: Final = (
    MethodKind(CARD, N_("Card"), saved=True, added=True, refunds=Refunds(days=None), disputes=Disputes(120)),
    MethodKind("apple_pay", N_("Apple Pay"), refunds=Refunds(days=None), disputes=Disputes(120), wallet_of=CARD),
    MethodKind("google_pay", N_("Google Pay"), refunds=Refunds(days=None), disputes=Disputes(120), wallet_of=CARD),
    MethodKind("link", N_("Link"), saved=True, added=True, refunds=Refunds(days=None), disputes=Disputes(120)),
    MethodKind(
        "sepa_debit",
        N_("SEPA debit"),
        _EUR,
        working_days=5,
        longest_days=14,
        saved=True,
        added=True,
        refunds=_WITHIN_A_WEEK,
        disputes=Disputes(13 * 30, final=True),
    ),
    MethodKind(
        "us_bank_account",
        N_("US bank account"),
        frozenset({"usd"}),
        working_days=4,
        longest_days=7,
        saved=True,
        added=True,
        disputes=Disputes(60, final=True),
    ),
    MethodKind(
        "bacs_debit",
        N_("Bacs Direct Debit"),
        frozenset({"gbp"}),
        working_days=6,
        longest_days=9,
        # Stripe's form does not add it without a payment. Source: Stripe, "Bacs Direct Debit payments in the UK", product support.
        saved=True,
        refunds=_WITHIN_A_WEEK,
        disputes=Disputes(13 * 365, final=True),
    ),
    MethodKind("ideal", N_("iDEAL"), _EUR, redirects=True, refunds=_WITHIN_A_WEEK),
    MethodKind("bancontact", N_("Bancontact"), _EUR, redirects=True, refunds=_WITHIN_A_WEEK),
    MethodKind("eps", N_("EPS"), _EUR, redirects=True, refunds=_WITHIN_A_WEEK),
    MethodKind("p24", N_("Przelewy24"), frozenset({"eur", "pln"}), redirects=True, refunds=_WITHIN_A_WEEK),
    MethodKind("twint", N_("TWINT"), frozenset({"chf"}), redirects=True, refunds=_WITHIN_A_WEEK),
    MethodKind(
        "klarna",
        N_("Klarna"),
        frozenset("aud cad chf czk dkk eur gbp nok nzd pln ron sek usd".split()),
        redirects=True,
        refunds=_WITHIN_A_WEEK,
        disputes=Disputes(180),
    ),
    MethodKind(
        "paypal",
        N_("PayPal"),
        frozenset("aud cad chf czk dkk eur gbp hkd nok nzd pln sek sgd usd".split()),
        redirects=True,
        refunds=_WITHIN_A_WEEK,
        disputes=Disputes(180),
    ),
)
KINDS: Final = {kind.name: kind for kind in _ALL}
"""Every kind by its name, in the order in which they are offered."""

SAVED: Final = tuple(name for name, kind in KINDS.items() if kind.saved)
"""The kinds that a customer can keep, by Stripe's types."""

DEBITS: Final = {name: kind for name, kind in KINDS.items() if kind.longest_days}
"""The direct debits: a payment by one of them is on its way for days before anybody knows that it succeeds."""

WITH_MANDATE: Final = frozenset({*DEBITS, "link"})
"""What is kept, and debits are charged, by a mandate that its holder gives with it."""

CONFIGURATION_PREFIX: Final = "pmc_"
# What Stripe may offer under a configuration of payment methods beside these, as of the version of its API that the SDK speaks; an intent
# that is made under one leaves them out by name.
# Source: Stripe's API reference, PaymentIntent, `excluded_payment_method_types`.
NOT_FOLLOWED: Final = tuple(
    "acss_debit affirm afterpay_clearpay alipay alma amazon_pay au_becs_debit billie bizum blik boleto cashapp crypto "
    "customer_balance fpx giropay grabpay kakao_pay konbini kr_card mb_way mobilepay multibanco naver_pay nz_bank_account oxxo "
    "pay_by_bank payco paynow paypay payto pix promptpay revolut_pay samsung_pay satispay scalapay sequra sofort sunbit swish upi "
    "wechat_pay zip".split()
)


def of(name: str) -> MethodKind | None:
    """The kind of this name; None for one that the portal does not follow."""
    return KINDS.get(name)


def of_payment(kind: str, wallet: str = "") -> MethodKind | None:
    """The kind that a payment was made with, a wallet's own where its card came from one that has a name here."""
    found = KINDS.get(wallet)
    return found if found is not None and found.wallet_of == kind else KINDS.get(kind)


def types_of(names: tuple[str, ...]) -> list[str]:
    """Stripe's types of these kinds, each once, in the table's order: a wallet comes with its card."""
    return [name for name, kind in KINDS.items() if name in names and not kind.wallet_of]


def check(names: tuple[str, ...]) -> tuple[str, ...]:
    """A setting's names as they are. Raises ValueError, saying why, for one that cannot be followed and for a wallet without its card."""
    if len(names) == 1 and names[0].startswith(CONFIGURATION_PREFIX):
        return names
    if not names:
        raise ValueError("at least one payment method is needed")
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)} cannot be followed here: take some of {', '.join(KINDS)}, or the id of one payment method "
            f"configuration ({CONFIGURATION_PREFIX}…)"
        )
    for name in names:
        if KINDS[name].wallet_of and KINDS[name].wallet_of not in names:
            raise ValueError(f"{name} comes with {KINDS[name].wallet_of}, which is missing")
    if CARD not in names:
        raise ValueError(f"{CARD} is missing: saved cards and automatic payments need it")
    return names


def configuration_of(names: Sequence[str]) -> str:
    """The id of the payment method configuration that decides, or an empty text where these names do."""
    return names[0] if names[0].startswith(CONFIGURATION_PREFIX) else ""
