"""Stripe's test bank accounts: what each IBAN, ACH or Bacs account and each `pm_sepaDebit_…` is and does.

Source: Stripe, "Testing" (SEPA Direct Debit, ACH Direct Debit, Bacs Direct Debit). As with cards, a number is looked at once, when a
payment method is made from it; kept are the name of its behaviour, the last four characters, and a fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """Why a bank did not pay. `network_code` is the bank network's own, such as R01 of ACH."""

    code: str
    message: str
    network_code: str | None = None
    ends_mandate: bool = False
    error_code: str | None = None
    """The code of `last_payment_error`, where it is not that of the charge's failure."""


@dataclass(frozen=True)
class Refusal:
    """Why an account cannot become a payment method at all."""

    code: str
    message: str


@dataclass(frozen=True)
class AccountBehaviour:
    """What a test account does, apart from what it looks like."""

    failure: Failure | None = None
    delayed: bool = False
    """The answer comes three minutes later than it would."""
    disputed: bool = False
    never_answers: bool = False
    refuses_mandate: bool = False
    microdeposits_fail: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True)
class TestAccount:
    """One account. `bank` is its sort code or routing number (None for an IBAN), `names` are the words after `pm_`."""

    __test__ = False

    type: str
    number: str
    behaviour: str
    bank: str | None = None
    names: tuple[str, ...] = ()


DELAY_SECONDS = 180

_FUNDS = "The customer's account has insufficient funds to cover this payment."
_CLOSED = "The customer's bank account has been closed."
_UNAUTHORIZED = "The customer has notified their bank that this payment was unauthorized."
_WEEKLY = "The amount exceeds the weekly volume of payments from this account."


_ATTEMPT_FAILED = "payment_intent_payment_attempt_failed"
_GENERIC = Failure(
    "generic_could_not_process", "The customer's bank could not process this payment.", error_code=_ATTEMPT_FAILED
)
_INSUFFICIENT = Failure("insufficient_funds", _FUNDS)
_OVER_LIMIT = Failure("charge_exceeds_source_limit", _WEEKLY)
_BACS_UNAUTHORIZED = Failure("debit_not_authorized", _UNAUTHORIZED, ends_mandate=True)

BEHAVIOURS: dict[str, AccountBehaviour] = {
    "account_succeeds": AccountBehaviour(),
    "account_succeeds_late": AccountBehaviour(delayed=True),
    "account_fails": AccountBehaviour(_GENERIC),
    "account_fails_late": AccountBehaviour(_GENERIC, delayed=True),
    "account_disputed": AccountBehaviour(disputed=True),
    "account_over_weekly_volume": AccountBehaviour(_OVER_LIMIT),
    "account_over_weekly_count": AccountBehaviour(
        Failure(
            "charge_exceeds_weekly_limit",
            "The account has made too many payments this week.",
            error_code=_ATTEMPT_FAILED,
        )
    ),
    "account_over_payment_limit": AccountBehaviour(
        Failure("charge_exceeds_transaction_limit", "The amount exceeds the limit of one payment from this account.")
    ),
    "account_without_funds": AccountBehaviour(_INSUFFICIENT),
    "account_without_funds_late": AccountBehaviour(_INSUFFICIENT, delayed=True),
    "account_bank_unsupported": AccountBehaviour(
        refusal=Refusal("sepa_debit_bank_not_supported", "The customer's bank does not support SEPA Direct Debit.")
    ),
    "account_debits_unsupported": AccountBehaviour(
        refusal=Refusal("sepa_debit_debits_not_supported", "The customer's account cannot be debited.")
    ),
    "ach_account_closed": AccountBehaviour(Failure("account_closed", _CLOSED, "R02", ends_mandate=True)),
    "ach_no_account": AccountBehaviour(
        Failure("no_account", "The customer's bank account could not be located.", "R03", ends_mandate=True)
    ),
    "ach_without_funds": AccountBehaviour(Failure("insufficient_funds", _FUNDS, "R01")),
    "ach_unauthorized": AccountBehaviour(Failure("debit_not_authorized", _UNAUTHORIZED, "R10", ends_mandate=True)),
    "ach_invalid_currency": AccountBehaviour(
        Failure(
            "invalid_currency",
            "The bank was unable to process this payment because of its currency.",
            error_code=_ATTEMPT_FAILED,
        )
    ),
    "ach_microdeposits_fail": AccountBehaviour(microdeposits_fail=True),
    "ach_never_answers": AccountBehaviour(never_answers=True),
    "bacs_unauthorized": AccountBehaviour(_BACS_UNAUTHORIZED),
    "bacs_unauthorized_late": AccountBehaviour(_BACS_UNAUTHORIZED, delayed=True),
    "bacs_disputed_late": AccountBehaviour(disputed=True, delayed=True),
    "bacs_mandate_refused": AccountBehaviour(refuses_mandate=True),
    "bacs_invalid_account": AccountBehaviour(
        refusal=Refusal("account_number_invalid", "The bank account number provided is invalid.")
    ),
}

_SEPA_NAMES = {
    "account_succeeds": "success",
    "account_succeeds_late": "successDelayed",
    "account_fails": "failed",
    "account_fails_late": "failedDelayed",
    "account_disputed": "disputed",
    "account_over_weekly_volume": "exceedsWeeklyVolumeLimit",
    "account_over_weekly_count": "exceedsWeeklyTransactionLimit",
    "account_without_funds": "insufficientFunds",
}
_SEPA_ORDER = (*_SEPA_NAMES, "account_bank_unsupported", "account_debits_unsupported")
_SEPA_NUMBERS = """
AT611904300234573201 AT321904300235473204 AT861904300235473202 AT051904300235473205 AT591904300235473203
AT981904300000343434 AT601904300000121212 AT981904300002222227 AT271904300000055555 AT511904300000066666
BE62510007547061 BE78510007547064 BE68539007547034 BE51510007547065 BE08510007547063
BE90510000343434 BE52510000121212 BE90510002222227 BE19510000055555 BE43510000066666
DE89370400440532013000 DE08370400440532013003 DE62370400440532013001 DE78370400440532013004 DE35370400440532013002
DE65370400440000343434 DE27370400440000121212 DE65370400440002222227 DE91370400440000055555 DE18370400440000066666
FR1420041010050500013M02606 FR3020041010050500013M02609 FR8420041010050500013M02607 FR7920041010050500013M02600
FR5720041010050500013M02608 FR9720041010050000000343434 FR5920041010050000000121212 FR9720041010050000002222227
FR2620041010050000000055555 FR5020041010050000000066666
IE29AIBK93115212345678 IE24AIBK93115212345671 IE02AIBK93115212345679 IE94AIBK93115212345672 IE51AIBK93115212345670
IE10AIBK93115200343434 IE69AIBK93115200121212 IE10AIBK93115202222227 IE36AIBK93115200055555 IE60AIBK93115200066666
""".split()
"""One country after the other, each in the order of `_SEPA_ORDER`."""

_ROUTING_NUMBER = "110000000"
_SORT_CODE = "108800"
_ACH = {
    "000123456789": ("account_succeeds", "success"),
    "000111111113": ("ach_account_closed", "accountClosed"),
    "000111111116": ("ach_no_account", "noAccount"),
    "000222222227": ("ach_without_funds", "insufficientFunds"),
    "000333333335": ("ach_unauthorized", "debitNotAuthorized"),
    "000444444440": ("ach_invalid_currency", "invalidCurrency"),
    "000666666661": ("ach_microdeposits_fail", "failMicrodeposits"),
    "000555555559": ("account_disputed", "dispute"),
    "000000000009": ("ach_never_answers", "processing"),
    "000777777771": ("account_over_weekly_volume", "weeklyLimitExceeded"),
}
_BACS = {
    "00012345": ("account_succeeds", "success"),
    "90012345": ("account_succeeds_late", "successDelayed"),
    "33333335": ("bacs_unauthorized", "debitNotAuthorized"),
    "93333335": ("bacs_unauthorized_late", "debitNotAuthorizedDelayed"),
    "22222227": ("account_without_funds", "insufficientFunds"),
    "92222227": ("account_without_funds_late", "insufficientFundsDelayed"),
    "55555559": ("bacs_disputed_late", "dispute"),
    "00033333": ("bacs_mandate_refused", "mandateRefused"),
    "00044444": ("bacs_invalid_account", ""),
    "34343434": ("account_over_weekly_volume", "exceedsWeeklyLimit"),
    "12121212": ("account_over_payment_limit", "exceedsTransactionLimit"),
}


def _sepa(place: int, iban: str) -> TestAccount:
    behaviour = _SEPA_ORDER[place % len(_SEPA_ORDER)]
    word, country = _SEPA_NAMES.get(behaviour), iban[:2].lower()
    # Stripe's pages write the names of these both ways.
    names = (f"sepaDebit_{word}_{country}", f"{word}_{country}") if word else ()
    return TestAccount("sepa_debit", iban, behaviour, names=names)


_ACCOUNTS = [
    *(_sepa(place, iban) for place, iban in enumerate(_SEPA_NUMBERS)),
    *(
        TestAccount("us_bank_account", number, behaviour, _ROUTING_NUMBER, (f"usBankAccount_{name}",))
        for number, (behaviour, name) in _ACH.items()
    ),
    *(
        TestAccount("bacs_debit", number, behaviour, _SORT_CODE, (f"bacsDebit_{name}",) if name else ())
        for number, (behaviour, name) in _BACS.items()
    ),
]

BY_NUMBER = {(account.type, account.number): account for account in _ACCOUNTS}
BY_NAME = {name: account for account in _ACCOUNTS for name in account.names}

MICRODEPOSIT_AMOUNTS = (32, 45)
DESCRIPTOR_CODE = "SM11AA"
TOO_MANY_ATTEMPTS = ((10, 11), "SM33CC")
TIMED_OUT = ((40, 41), "SM44DD")


def iban_valid(iban: str) -> bool:
    """The check digits every IBAN has. Source: ISO 13616."""
    if not (iban.isascii() and iban.isalnum() and 15 <= len(iban) <= 34 and iban[:2].isalpha() and iban[2:4].isdigit()):
        return False
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1
