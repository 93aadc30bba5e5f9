"""Stripe's own test cards: what each number, `pm_card_…` and `tok_…` is and does.

Source: Stripe, "Testing" (cards by brand, by country, declined payments, fraud prevention, invalid data, disputes, refunds, available
balance, 3D Secure authentication). A number is looked at once, when a payment method is made from it, and then forgotten: what is kept
is the name of its behaviour, the last four digits, and a fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from portal.sandbox.resources import declines
from portal.sandbox.resources.declines import Decline

NOTICE_SECONDS = 26 * 3600
"""Source: Stripe, "India recurring payments"."""

Authentication = Literal[
    "none",
    "optional",
    "required",
    "unless_set_up",
    "always",
    "set_up_already",
    "when_kept",
    "for_mandate",
    "frictionless",
]
"""When a card asks for 3-D Secure.

`unless_set_up` asks once and then trusts payments made off session after a set-up; `set_up_already` trusts them from the start;
`always` asks even then, so payments off session are declined; `when_kept` asks when the card is saved, and otherwise when the request
wants it, as `optional` does; `for_mandate` asks who is there to pay, and who saves it with a mandate; `frictionless` authenticates
without showing anything.
"""


@dataclass(frozen=True)
class Behaviour:
    """What a test card does, apart from what it looks like."""

    decline: Decline | None = None
    decline_off_session: Decline | None = None
    """How the bank declines what is paid while the holder is away, where it takes all else."""
    declines_set_up: bool = True
    """Whether a declining card is declined when it is saved, too."""
    authentication: Authentication = "none"
    authentication_error: bool = False
    """The bank's authentication page cannot be reached."""
    dispute_reason: str | None = None
    dispute_code: str = ""  # the network's; empty for the one that it has for the reason
    inquiry: bool = False
    early_fraud_warning: bool = False
    refund: Literal["succeeds", "pends", "fails"] = "succeeds"
    risk: Literal["normal", "elevated", "highest"] = "normal"
    available_at_once: bool = False
    notice_seconds: int = 0
    """How long a payment waits while its holder is away: their bank tells them of it first."""
    asks_for_cvc: bool = False
    """The bank declines the card as a saved one unless its code was typed anew."""
    cvc_check: str = "pass"
    cvc_check_of_method: str | None = None
    """What the payment method itself shows, where that differs from its charge."""
    line1_check: str = "pass"
    postal_code_check: str = "pass"


@dataclass(frozen=True)
class TestCard:
    """One card of Stripe's list. `names` are the words after `pm_card_` and `tok_`."""

    __test__ = False

    number: str
    brand: str
    behaviour: str = "succeeds"
    country: str = "US"
    funding: str = "credit"
    names: tuple[str, ...] = ()


_BLOCKED = Behaviour(
    declines.FRAUDULENT,
    declines_set_up=False,
    risk="highest",
    cvc_check="unavailable",
    line1_check="unavailable",
    postal_code_check="unavailable",
)
"""Stripe stops it before any bank could check a thing. As recorded at 2023-10-16."""

BEHAVIOURS: dict[str, Behaviour] = {
    "succeeds": Behaviour(),
    "declined": Behaviour(declines.GENERIC),
    "declined_insufficient_funds": Behaviour(declines.INSUFFICIENT_FUNDS),
    "declined_lost_card": Behaviour(declines.LOST_CARD),
    "declined_stolen_card": Behaviour(declines.STOLEN_CARD),
    "declined_expired_card": Behaviour(declines.EXPIRED_CARD),
    # As recorded at 2026-06-24.dahlia: the method in the error shows a code that passed, although the bank refused it.
    "declined_incorrect_cvc": Behaviour(declines.INCORRECT_CVC, cvc_check="fail", cvc_check_of_method="pass"),
    "declined_processing_error": Behaviour(declines.PROCESSING_ERROR),
    "declined_velocity_exceeded": Behaviour(declines.VELOCITY_EXCEEDED),
    "declined_after_attaching": Behaviour(declines.GENERIC, declines_set_up=False),
    "blocked_as_fraud": _BLOCKED,
    "highest_risk": _BLOCKED,
    "elevated_risk": Behaviour(risk="elevated"),
    "cvc_check_fails": Behaviour(cvc_check="fail"),
    "address_check_fails": Behaviour(line1_check="fail", postal_code_check="fail"),
    "line1_check_fails": Behaviour(line1_check="fail"),
    "postal_code_check_fails": Behaviour(postal_code_check="fail"),
    "address_check_unavailable": Behaviour(line1_check="unavailable", postal_code_check="unavailable"),
    # The code of Visa's older list, as recorded at 2023-10-16.
    "disputed_fraudulent": Behaviour(dispute_reason="fraudulent", dispute_code="83"),
    "disputed_for_compelling_evidence": Behaviour(dispute_reason="fraudulent", dispute_code="10.4"),
    "disputed_not_received": Behaviour(dispute_reason="product_not_received"),
    "inquired": Behaviour(dispute_reason="fraudulent", inquiry=True),
    "early_fraud_warning": Behaviour(early_fraud_warning=True),
    "refund_pends": Behaviour(refund="pends"),
    "refund_fails": Behaviour(refund="fails"),
    "available_at_once": Behaviour(available_at_once=True),
    "authentication_unless_set_up": Behaviour(authentication="unless_set_up"),
    "authentication_always": Behaviour(authentication="always"),
    "authentication_set_up_already": Behaviour(authentication="set_up_already"),
    "authentication_then_insufficient_funds": Behaviour(
        declines.INSUFFICIENT_FUNDS, declines_set_up=False, authentication="always"
    ),
    "three_d_secure_required": Behaviour(authentication="required"),
    "three_d_secure_required_then_declined": Behaviour(declines.GENERIC, authentication="required"),
    "three_d_secure_required_with_error": Behaviour(authentication="required", authentication_error=True),
    "three_d_secure_optional": Behaviour(authentication="optional"),
    "three_d_secure_optional_with_error": Behaviour(authentication="optional", authentication_error=True),
    "three_d_secure_frictionless": Behaviour(authentication="frictionless"),
    "authentication_when_kept": Behaviour(authentication="when_kept"),
    "mandate_in_force": Behaviour(authentication="for_mandate", notice_seconds=NOTICE_SECONDS),
    "mandate_canceled": Behaviour(authentication="for_mandate", decline_off_session=declines.MANDATE_CANCELED),
    "live_card_in_test_mode": Behaviour(declines.LIVE_CARD_IN_TEST_MODE),
    "asks_for_cvc": Behaviour(asks_for_cvc=True),
}
WITHOUT_A_NUMBER = frozenset({"asks_for_cvc"})
"""The sandbox's own, which no test card of Stripe's has: a control gives them to a saved card."""


def _card(
    number: str,
    brand: str = "visa",
    behaviour: str = "succeeds",
    names: str = "",
    country: str = "US",
    funding: str = "credit",
) -> TestCard:
    return TestCard(number, brand, behaviour, country, funding, tuple(names.split()))


_CARDS = [
    # by brand
    _card("4242424242424242", names="visa us"),
    _card("4000056655665556", names="visa_debit", funding="debit"),
    _card("5555555555554444", "mastercard", names="mastercard"),
    _card("2223003122003222", "mastercard"),
    _card("5200828282828210", "mastercard", names="mastercard_debit", funding="debit"),
    _card("5105105105105100", "mastercard", names="mastercard_prepaid", funding="prepaid"),
    # Which number each name stands for is as recorded at 2025-10-29.clover.
    _card("378282246310005", "amex", names="amex_threeDSecureNotSupported"),
    _card("371449635398431", "amex", names="amex"),
    _card("6011111111111117", "discover"),
    _card("6011000990139424", "discover", names="discover"),
    _card("6011981111111113", "discover", funding="debit"),
    _card("3056930009020004", "diners", names="diners"),
    _card("36227206271667", "diners"),
    _card("3566002020360505", "jcb", names="jcb", country="JP"),
    _card("6200000000000005", "unionpay", names="unionpay", country="CN"),
    _card("6200000000000047", "unionpay", country="CN", funding="debit"),
    _card("6205500000000000004", "unionpay", country="CN"),
    _card("4000002500001001", names="visa_cartesBancaires", country="FR"),
    _card("5555552500001001", "mastercard", names="mastercard_cartesBancaires", country="FR"),
    _card("4000058260000005", names="gb_debit", country="GB", funding="debit"),
    _card("5555558265554449", "mastercard", names="gb_mastercard", country="GB"),
    _card("3530111333300000", "jcb", names="jp_jcb", country="JP"),
    # by country; the three digits after 400000 are the country's number
    *(
        _card(number, country=country, names=country.lower())
        for country, number in (
            pair.split(":")
            for pair in (
                "AR:4000000320000021 BR:4000000760000002 CA:4000001240000000 CL:4000001520000001 CO:4000001700000003 CR:4000001880000005 "
                "EC:4000002180000000 MX:4000004840008001 PA:4000005910000000 PY:4000006000000066 PE:4000006040000068 UY:4000008580000003 "
                "AE:4000007840000001 AT:4000000400000008 BE:4000000560000004 BG:4000001000000000 BY:4000001120000005 HR:4000001910000009 "
                "CY:4000001960000008 CZ:4000002030000002 DK:4000002080000001 EE:4000002330000009 FI:4000002460000001 FR:4000002500000003 "
                "DE:4000002760000016 GI:4000002920000005 GR:4000003000000030 HU:4000003480000005 IE:4000003720000005 IT:4000003800000008 "
                "LV:4000004280000005 LI:4000004380000004 LT:4000004400000000 LU:4000004420000006 MT:4000004700000007 NL:4000005280000002 "
                "NO:4000005780000007 PL:4000006160000005 PT:4000006200000007 RO:4000006420000001 SA:4000006820000007 SI:4000007050000006 "
                "SK:4000007030000001 ES:4000007240000007 SE:4000007520000008 CH:4000007560000009 GB:4000008260000000 AU:4000000360000006 "
                "CN:4000001560000002 HK:4000003440000004 JP:4000003920000003 MY:4000004580000002 NZ:4000005540000008 "
                "SG:4000007020000003 TW:4000001580000008 TH:4000007640000003"
            ).split()
        )
    ),
    # declined payments
    _card("4000000000000002", behaviour="declined", names="visa_chargeDeclined chargeDeclined"),
    _card(
        "4000000000009995",
        behaviour="declined_insufficient_funds",
        names="visa_chargeDeclinedInsufficientFunds chargeDeclinedInsufficientFunds",
    ),
    _card(
        "4000000000009987", behaviour="declined_lost_card", names="visa_chargeDeclinedLostCard chargeDeclinedLostCard"
    ),
    _card(
        "4000000000009979",
        behaviour="declined_stolen_card",
        names="visa_chargeDeclinedStolenCard chargeDeclinedStolenCard",
    ),
    _card("4000000000000069", behaviour="declined_expired_card", names="chargeDeclinedExpiredCard"),
    _card("4000000000000127", behaviour="declined_incorrect_cvc", names="chargeDeclinedIncorrectCvc"),
    _card("4000000000000119", behaviour="declined_processing_error", names="chargeDeclinedProcessingError"),
    _card("4000000000006975", behaviour="declined_velocity_exceeded", names="visa_chargeDeclinedVelocityLimitExceeded"),
    _card("4000000000000341", behaviour="declined_after_attaching", names="chargeCustomerFail"),
    # fraud prevention
    _card("4100000000000019", behaviour="blocked_as_fraud", names="radarBlock chargeDeclinedFraudulent"),
    _card("4000000000004954", behaviour="highest_risk", names="riskLevelHighest"),
    _card("4000000000009235", behaviour="elevated_risk", names="riskLevelElevated"),
    _card("4000000000000101", behaviour="cvc_check_fails", names="cvcCheckFail"),
    _card("4000000000000036", behaviour="postal_code_check_fails", names="avsZipFail"),
    _card("4000000000000028", behaviour="line1_check_fails", names="avsLine1Fail"),
    _card("4000000000000010", behaviour="address_check_fails", names="avsFail"),
    _card("4000000000000044", behaviour="address_check_unavailable", names="avsUnchecked"),
    # disputes
    _card("4000000000000259", behaviour="disputed_fraudulent", names="createDispute"),
    _card("4000000000002685", behaviour="disputed_not_received", names="createDisputeProductNotReceived"),
    _card("4000000404000038", behaviour="disputed_for_compelling_evidence", names="createCe3EligibleDispute"),
    _card("4000000000001976", behaviour="inquired", names="createDisputeInquiry"),
    _card("4000000000005423", behaviour="early_fraud_warning", names="createIssuerFraudRecord"),
    # refunds
    _card("4000000000007726", behaviour="refund_pends", names="pendingRefund"),
    _card("4000000000005126", behaviour="refund_fails", names="refundFail"),
    # available balance
    _card("4000000000000077", behaviour="available_at_once", names="bypassPending"),
    _card("4000003720000278", behaviour="available_at_once", names="bypassPendingInternational", country="IE"),
    # 3-D Secure
    _card(
        "4000002500003155",
        behaviour="authentication_unless_set_up",
        names="authenticationRequiredOnSetup",
        country="FR",
    ),
    _card("4000002760003184", behaviour="authentication_always", names="authenticationRequired", country="DE"),
    _card(
        "4000003800000446",
        behaviour="authentication_set_up_already",
        names="authenticationRequiredSetupForOffSession",
        country="IT",
    ),
    _card(
        "4000008260003178",
        behaviour="authentication_then_insufficient_funds",
        names="authenticationRequiredChargeDeclinedInsufficientFunds",
        country="GB",
    ),
    _card("4000000000003220", behaviour="three_d_secure_required", names="threeDSecure2Required"),
    _card("4000000000003063", behaviour="three_d_secure_required", names="threeDSecureRequired"),
    _card(
        "4000008400001629",
        behaviour="three_d_secure_required_then_declined",
        names="threeDSecureRequiredChargeDeclined",
    ),
    _card(
        "4000008400001280", behaviour="three_d_secure_required_with_error", names="threeDSecureRequiredProcessingError"
    ),
    _card("4000000000003055", behaviour="three_d_secure_optional", names="threeDSecureOptional"),
    _card(
        "4000000000003097", behaviour="three_d_secure_optional_with_error", names="threeDSecureOptionalProcessingError"
    ),
    _card("4000000032200000", behaviour="three_d_secure_frictionless"),
    # India, where a bank asks before a card is kept, and wants a mandate. Source: Stripe, "India recurring payments".
    _card("4000003560000008", behaviour="authentication_when_kept", names="in", country="IN"),
    _card(
        "4000003560000123",
        behaviour="mandate_in_force",
        names="indiaRecurringMandateSetupAndRenewalsSuccess",
        country="IN",
    ),
    _card(
        "4000003560000263",
        behaviour="mandate_canceled",
        names="indiaRecurringPaymentFailureCanceledMandate",
        country="IN",
    ),
]

BY_NUMBER = {card.number: card for card in _CARDS}
BY_NAME = {name: card for card in _CARDS for name in card.names}

_BRAND_PREFIXES = (
    ("amex", ("34", "37")),
    ("diners", ("30", "36", "38")),
    ("jcb", ("35",)),
    ("discover", ("6011", "64", "65")),
    ("unionpay", ("62",)),
    ("mastercard", ("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27")),
    ("visa", ("4",)),
)


def brand_of(number: str) -> str:
    for brand, prefixes in _BRAND_PREFIXES:
        if number.startswith(prefixes):
            return brand
    return "unknown"


def luhn_valid(number: str) -> bool:
    """The check digit every card number ends with."""
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def card_for_number(number: str) -> TestCard:
    """The test card with this number. A valid number that is none gives a card that declines as Stripe declines it in test mode."""
    known = BY_NUMBER.get(number)
    return known or TestCard(number, brand_of(number), "live_card_in_test_mode")


def card_for_name(name: str) -> TestCard | None:
    """The card behind the words after `pm_card_` or `tok_`."""
    known = BY_NAME.get(name)
    return replace(known) if known else None
