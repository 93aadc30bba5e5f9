"""Details of payment methods beside the card on their way in: read, checked, and forgotten but for what may be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import StripeError, invalid, missing_parameter
from portal.sandbox.kinds import Row
from portal.sandbox.resources.cards import fingerprint
from portal.sandbox.resources.payment_method_type_parameters import IDEAL_BANKS
from portal.sandbox.resources.testaccounts import (
    BEHAVIOURS,
    BY_NAME,
    BY_NUMBER,
    AccountBehaviour,
    TestAccount,
    iban_valid,
)

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

PLAIN = "plain"
"""The behaviour of a method without an account number: its outcome is decided on its own page."""


def behaviour_of(method: Row) -> AccountBehaviour:
    """What the test account behind a payment method does."""
    return BEHAVIOURS.get(method["_behaviour"], AccountBehaviour())


def read_details(call: Call, kind: str, given: dict[str, Any], place: str) -> tuple[Row, str]:
    """What is kept of a payment method's own details, and the name of its behaviour.

    `place` is where the details stand among the parameters, such as `payment_method_data[sepa_debit]`. Raises the error of an account
    that is none, cannot be debited, or is no test account.
    """
    reader = _READERS.get(kind)
    return reader(call, given, place) if reader else (_WITHOUT_A_NUMBER[kind] | given | _of_bank(kind, given), PLAIN)


def _of_bank(kind: str, given: dict[str, Any]) -> Row:
    """What is known of a method by the bank that the customer has named."""
    return {"bic": IDEAL_BANKS[given["bank"]]} if kind == "ideal" and given.get("bank") else {}


def details_of(call: Call, account: TestAccount) -> Row:
    """The details that are kept of a test account."""
    return _DETAILS[account.type](call, account)


def account_for_name(name: str) -> TestAccount | None:
    """The account behind the words after `pm_`."""
    return BY_NAME.get(name)


def _need(given: dict[str, Any], place: str, *names: str) -> None:
    """Raises for the first of these that is missing, or empty."""
    for name in names:
        if not given.get(name):
            raise missing_parameter(f"{place}[{name}]")


def _iban(call: Call, given: dict[str, Any], place: str) -> tuple[Row, str]:
    _need(given, place, "iban")
    iban = given["iban"].replace(" ", "").upper()
    if not iban_valid(iban):
        raise invalid("The IBAN you entered is invalid.", f"{place}[iban]", "invalid_bank_account_iban")
    return _kept(call, _account("sepa_debit", iban, f"{place}[iban]"), f"{place}[iban]")


def _ach(call: Call, given: dict[str, Any], place: str) -> tuple[Row, str]:
    holder = {
        "account_holder_type": given.get("account_holder_type", "individual"),
        "account_type": given.get("account_type", "checking"),
    }
    linked = given.get("financial_connections_account")
    if linked is not None:
        # The account a customer chose in a bank's own window: Stripe knows it without a number, and it is verified.
        account = BY_NUMBER["us_bank_account", "000123456789"]
        return details_of(call, account) | holder | {"financial_connections_account": linked}, account.behaviour
    _need(given, place, "account_holder_type", "account_number", "routing_number")
    account = _account("us_bank_account", given["account_number"], f"{place}[account_number]")
    if given["routing_number"] != account.bank:
        raise invalid(
            "Invalid routing number for US. The number must contain 9 digits and belong to a known bank.",
            f"{place}[routing_number]",
            "routing_number_invalid",
        )
    details, behaviour = _kept(call, account, f"{place}[account_number]")
    return details | holder, behaviour


def _bacs(call: Call, given: dict[str, Any], place: str) -> tuple[Row, str]:
    _need(given, place, "account_number", "sort_code")
    sort_code = given["sort_code"].replace("-", "").replace(" ", "")
    account = _account("bacs_debit", given["account_number"].replace(" ", ""), f"{place}[account_number]")
    if sort_code != account.bank:
        raise invalid("The sort code provided is invalid.", f"{place}[sort_code]", "bank_account_sort_code_invalid")
    return _kept(call, account, f"{place}[account_number]")


_WITHOUT_A_NUMBER: dict[str, Row] = {
    "link": {"email": None, "persistent_token": None},
    "ideal": {"bank": None, "bic": None},
    "bancontact": {},
    "eps": {"bank": None},
    "p24": {"bank": None},
    "twint": {},
    "klarna": {"dob": None},
    "paypal": {"country": None, "payer_email": None, "payer_id": None},
}
_READERS: dict[str, Callable[[Call, dict[str, Any], str], tuple[Row, str]]] = {
    "sepa_debit": _iban,
    "us_bank_account": _ach,
    "bacs_debit": _bacs,
}


def _account(kind: str, number: str, place: str) -> TestAccount:
    account = BY_NUMBER.get((kind, number))
    if account is None:
        raise invalid(
            "You must use a test bank account number in test mode. See the options at "
            "https://stripe.com/docs/testing#non-card-payments.",
            place,
            "account_number_invalid",
        )
    return account


def _kept(call: Call, account: TestAccount, place: str) -> tuple[Row, str]:
    refusal = BEHAVIOURS[account.behaviour].refusal
    if refusal is not None:
        raise StripeError(refusal.message, code=refusal.code, param=place)
    return details_of(call, account), account.behaviour


def _sepa_details(call: Call, account: TestAccount) -> Row:
    country = account.number[:2]
    return {
        "bank_code": account.number[4:12] if country == "DE" else account.number[4:9],
        "branch_code": "",
        "country": country,
        "fingerprint": fingerprint(call.sandbox.card_salt, account.number),
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": account.number[-4:],
    }


def _ach_details(call: Call, account: TestAccount) -> Row:
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": fingerprint(call.sandbox.card_salt, account.number),
        "last4": account.number[-4:],
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": account.bank,
        "status_details": {},
    }


def _bacs_details(call: Call, account: TestAccount) -> Row:
    return {
        "fingerprint": fingerprint(call.sandbox.card_salt, account.number),
        "last4": account.number[-4:],
        "sort_code": account.bank,
    }


_DETAILS: dict[str, Callable[[Call, TestAccount], Row]] = {
    "sepa_debit": _sepa_details,
    "us_bank_account": _ach_details,
    "bacs_debit": _bacs_details,
}
