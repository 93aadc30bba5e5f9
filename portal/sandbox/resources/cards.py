"""Card details on their way into a payment method: read, checked as Stripe checks them, and forgotten but for what may be kept."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import StripeError, card_error, invalid, missing_parameter
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.params import Hash, Integer, Reader, Text, unsupported
from portal.sandbox.resources import declines
from portal.sandbox.resources.declines import Decline
from portal.sandbox.resources.testcards import (
    BEHAVIOURS,
    Behaviour,
    TestCard,
    card_for_name,
    card_for_number,
    luhn_valid,
)

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

CARD_DETAILS: dict[str, Reader] = {
    "number": Text(64, clearable=False),
    "exp_month": Integer(),
    "exp_year": Integer(),
    "cvc": Text(16),
}
CARD = Hash({**CARD_DETAILS, "token": Text(200, clearable=False)}, unsupported=unsupported("networks"))

_FURTHEST_YEARS = 50
_DISPLAY_BRANDS = {"amex": "american_express", "diners": "diners_club", "unionpay": "union_pay", "unknown": "other"}
_WITHOUT_3DS = "378282246310005"


def behaviour_of(method: Row) -> Behaviour:
    """What the test card behind a payment method does."""
    return BEHAVIOURS[method["_behaviour"]]


def answer_of_bank(call: Call, method: Row, *, cvc_given: bool, off_session: bool = False) -> Decline | None:
    """How a charge is declined, if it is: by the bank, or by a rule of the account once the bank has looked.

    `cvc_given` says whether the code of a saved card was typed anew.
    """
    behaviour = behaviour_of(method)
    if behaviour.asks_for_cvc and not cvc_given:
        return declines.INCORRECT_CVC
    if behaviour.decline is not None:
        return behaviour.decline
    if off_session and behaviour.decline_off_session is not None:
        return behaviour.decline_off_session
    checks = checked(method, cvc_given=cvc_given)
    if call.settings.blocks_failed_cvc and checks["cvc_check"] == "fail":
        return declines.FAILED_CVC_CHECK
    if call.settings.blocks_failed_postal_code and checks["address_postal_code_check"] == "fail":
        return declines.FAILED_POSTAL_CODE_CHECK
    return None


def read_card(call: Call, given: dict[str, Any], place: str) -> tuple[Row, str]:
    """The card object to keep, and the name of the card's behaviour.

    `place` is where the card stands among the parameters, such as `card` or `payment_method_data[card]`.
    Raises the 402 of a card that is wrong in itself, and refuses numbers sent with a secret key.
    """
    if "token" in given:
        return card_from_token(call, given["token"], f"{place}[token]")
    for name in ("number", "exp_month", "exp_year"):
        if name not in given:
            raise missing_parameter(f"{place}[{name}]")
    if not call.publishable:
        raise card_error(
            "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test "
            "tokens that map to the test "
            "card you are using, see https://stripe.com/docs/testing. To enable testing raw card data APIs, see "
            "https://support.stripe.com/questions/enabling-access-to-raw-card-data-apis.",
            "raw_card_data_not_allowed",
        )
    number = given["number"].replace(" ", "").replace("-", "")
    if not (number.isascii() and number.isdigit() and 12 <= len(number) <= 19):
        raise card_error(
            "Your card number is not a valid credit card number.", "invalid_number", param=f"{place}[number]"
        )
    if not luhn_valid(number):
        raise card_error("Your card number is incorrect.", "incorrect_number", param=f"{place}[number]")
    month, year = _check_expiry(call, given, place)
    card = card_for_number(number)
    cvc = given.get("cvc")
    digits = 4 if card.brand == "amex" else 3
    if cvc is not None and not (
        cvc.isascii() and cvc.isdigit() and (len(cvc) == digits or (card.brand == "amex" and len(cvc) == 3))
    ):
        raise card_error("Your card's security code is invalid.", "invalid_cvc", param=f"{place}[cvc]")
    return _card_object(call, card, month, year, has_cvc=cvc is not None), card.behaviour


def _check_expiry(call: Call, given: dict[str, Any], place: str) -> tuple[int, int]:
    month, year = given["exp_month"], given["exp_year"]
    today = time.gmtime(call.now)
    if not 1 <= month <= 12:
        raise card_error(
            "Your card's expiration month is invalid.", "invalid_expiry_month", param=f"{place}[exp_month]"
        )
    if 0 <= year < 100:
        year += today.tm_year // 100 * 100
    if not today.tm_year <= year <= today.tm_year + _FURTHEST_YEARS:
        raise card_error("Your card's expiration year is invalid.", "invalid_expiry_year", param=f"{place}[exp_year]")
    if (year, month) < (today.tm_year, today.tm_mon):
        raise card_error(
            "Your card's expiration month is invalid.", "invalid_expiry_month", param=f"{place}[exp_month]"
        )
    return month, year


def card_from_name(call: Call, name: str) -> tuple[Row, str] | None:
    """The card behind `pm_card_<name>`; None when Stripe has none of this name. It counts as given with its code, as recorded."""
    card = card_for_name(name)
    if card is None:
        return None
    today = time.gmtime(call.now)
    return _card_object(call, card, today.tm_mon, today.tm_year + 1, has_cvc=True), card.behaviour


def card_from_token(call: Call, token: str, place: str) -> tuple[Row, str]:
    """The card of one of Stripe's test tokens (`tok_visa`), or of a token that was made here, which this uses up."""
    found = card_from_name(call, token.removeprefix("tok_")) if token.startswith("tok_") else None
    if found is not None:
        return found
    kind = call.kinds["token"]  # by its name: tokens know cards, and not the other way round
    kept = call.session.find(kind, token)
    if kept is None or kept["type"] != "card":
        raise StripeError(f"No such token: '{token}'", code="resource_missing", param=place, began=False)
    spend_token(call, kind, token, place)
    return kept["_details"], kept["_behaviour"]


def spend_token(call: Call, kind: Kind, token_id: str, place: str) -> None:
    """Use up a token. Raises for one that is unknown or spent; `place` is the parameter that brought it."""
    token = call.need(kind, token_id, place)
    if token["used"]:
        raise invalid(f"You cannot use a Stripe token more than once: {token_id}.", place, "token_already_used")
    token["used"] = True
    call.session.save(kind, token)


def _card_object(call: Call, card: TestCard, month: int, year: int, *, has_cvc: bool) -> Row:
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "unchecked" if has_cvc else None,
        },
        "country": card.country,
        "display_brand": _DISPLAY_BRANDS.get(card.brand, card.brand),
        "exp_month": month,
        "exp_year": year,
        "fingerprint": fingerprint(call.sandbox.card_salt, card.number),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": card.number != _WITHOUT_3DS},
        "wallet": None,
    }


WALLETS = ("apple_pay", "google_pay", "link")


def card_in_wallet(call: Call, number: str, wallet: str) -> tuple[Row, str]:
    """The card with this number as its holder pays with it out of a wallet: no code is given with it."""
    card = card_for_number(number)
    today = time.gmtime(call.now)
    details = _card_object(call, card, today.tm_mon, today.tm_year + 1, has_cvc=False)
    return details | {"wallet": in_wallet(details, wallet)}, card.behaviour


def in_wallet(card: Row, wallet: str) -> Row:
    """`card.wallet` of a card that its holder pays with out of a wallet, one of `WALLETS`."""
    return {"dynamic_last4": None if wallet == "link" else card["last4"], "type": wallet, wallet: {}}


def fingerprint(salt: str, number: str) -> str:
    """The same for the same number within one sandbox, and no way back to it without the salt."""
    return hmac.new(salt.encode(), number.encode(), hashlib.sha256).hexdigest()[:16]


def unchecked(card: Row, address: Row) -> Row:
    """What can be checked of a new card, before it is used for the first time."""
    checks: Row = card["checks"]
    return checks | {
        "address_line1_check": "unchecked" if address.get("line1") else None,
        "address_postal_code_check": "unchecked" if address.get("postal_code") else None,
    }


def note_checks(method: Row, *, cvc_given: bool = False) -> bool:
    """Write down on a method that was just used what the bank has checked; returns whether that was new."""
    checks = checked(method, cvc_given=cvc_given)
    if behaviour_of(method).cvc_check_of_method is not None and checks["cvc_check"] is not None:
        checks["cvc_check"] = behaviour_of(method).cvc_check_of_method
    is_new: bool = checks != method["card"]["checks"]
    method["card"]["checks"] = checks
    return is_new


def checked(method: Row, *, cvc_given: bool = False) -> Row:
    """The outcome of the bank's checks, for a card that has just been used; `cvc_given` as in `answer_of_bank`."""
    behaviour = behaviour_of(method)
    address = method["billing_details"]["address"]
    cvc_check = "fail" if behaviour.asks_for_cvc and not cvc_given else behaviour.cvc_check
    return {
        "address_line1_check": behaviour.line1_check if address.get("line1") else None,
        "address_postal_code_check": behaviour.postal_code_check if address.get("postal_code") else None,
        "cvc_check": cvc_check if cvc_given or method["card"]["checks"]["cvc_check"] is not None else None,
    }
