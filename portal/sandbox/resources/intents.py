"""What payment intents and setup intents share: who may see them, their payment method, and when they ask for authentication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import StripeError, invalid, missing_parameter, wrong_state
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.params import Boolean, Choice, Gone, Hash, Integer, ListOf, Reader, Text, unsupported
from portal.sandbox.resources import confirmation_tokens, payment_method_type_parameters
from portal.sandbox.resources.cards import behaviour_of
from portal.sandbox.resources.declines import Decline
from portal.sandbox.resources.payment_method_parameters import OTHER_TYPES
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.resources.payment_methods import find_or_make, from_data
from portal.sandbox.routes import only

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

EXCLUDABLE = Choice(("card", *(name for name in (*TYPES, *OTHER_TYPES.split()) if name != "link")))
ALLOWABLE = Choice(
    (
        "card",
        *TYPES,
        *OTHER_TYPES.split(),
        *(
            "boku_promptpay capchase_pay card_present check_scan click_to_pay demo_pay duitnow dummy_auth_push "
            "dummy_passthrough_card edenred gcash getbalance gift_card gopay id_bank_transfer interac_present knet kr_market kriya momo "
            "mondu netbanking ng_bank ng_bank_transfer ng_card ng_market ng_ussd ng_wallet octopus paper_check qris rechnung shop_pay "
            "shopeepay south_korea_market stripe_balance tamara test_pay touch_n_go truemoney us_cash_voucher vipps wero"
        ).split(),
    )
)
AUTOMATIC_PAYMENT_METHODS = Hash(
    {"enabled": Boolean(), "allow_redirects": Choice(("always", "never"))}, required=("enabled",)
)
MANDATE_DATA = Hash(
    {
        "customer_acceptance": Hash(
            {
                "type": Choice(("offline", "online")),
                "accepted_at": Integer(),
                "online": Hash({"infer_from_client": Boolean(), "ip_address": Text(), "user_agent": Text()}),
                "offline": Hash({}),
            },
            required=("type",),
        )
    },
    clearable=True,
)
_OTHER_SET_UPS = "acss_debit amazon_pay bizum blik card_present payto pix upi"
_CARD_OPTIONS: dict[str, Reader] = {
    "moto": Boolean(),
    "network": Text(),
    "request_three_d_secure": Choice(("any", "automatic", "challenge")),
}
_MANDATE_OPTIONS: dict[str, Reader] = {
    "amount": Integer(1),
    "amount_type": Choice(("fixed", "maximum")),
    "description": Text(200),
    "end_date": Integer(),
    "interval": Choice(("day", "month", "sporadic", "week", "year")),
    "interval_count": Integer(1),
    "reference": Text(80),
    "start_date": Integer(),
    "supported_types": ListOf(Choice(("india",))),
}
PAYMENT_OPTIONS = Hash(
    {
        "card": Hash(
            {
                **_CARD_OPTIONS,
                "capture_method": Choice(("manual",), clearable=True),
                "cvc_token": Text(),
                "mandate_options": Hash(_MANDATE_OPTIONS),
                "request_incremental_authorization": Choice(("if_available", "never")),
                "require_cvc_recollection": Boolean(),
                "setup_future_usage": Choice(("none", "off_session", "on_session"), clearable=True),
                "statement_descriptor_suffix_kana": Text(22),
                "statement_descriptor_suffix_kanji": Text(17),
            },
            unsupported=unsupported(
                "installments request_extended_authorization "
                "request_multicapture request_overcapture setup_credential_usage stored_credential_usage three_d_secure"
            ),
        ),
        **payment_method_type_parameters.PAYMENT_OPTIONS,
    },
    unsupported=unsupported(f"{OTHER_TYPES} card_present interac_present"),
)
SETUP_OPTIONS = Hash(
    {
        "card": Hash(
            {**_CARD_OPTIONS, "mandate_options": Hash({**_MANDATE_OPTIONS, "currency": Text(3)})},
            unsupported=unsupported("setup_credential_usage three_d_secure"),
        ),
        **payment_method_type_parameters.SETUP_OPTIONS,
    },
    unsupported=unsupported(_OTHER_SET_UPS),
)
TYPES_ALLOWED = ListOf(ALLOWABLE, clearable=True)
TYPES_EXCLUDED = ListOf(EXCLUDABLE, clearable=True)

TYPES_GONE = Gone(
    "payment_method_types_no_longer_supported",
    "The parameter `payment_method_types` is no longer supported. Use `allowed_payment_method_types` instead.",
)
"""Source: Stripe's changelog, 2026-08-26.preview and 2026-09-30.endive, "Removes support for specifying payment method types"."""

CLIENT_FIELDS: dict[str, Reader] = {"client_secret": Text(clearable=False)}
"""What a browser adds to prove that it may see the intent."""

_BROWSER_SEES = frozenset(
    "id object amount amount_details automatic_payment_methods canceled_at cancellation_reason capture_method "
    "client_secret confirmation_method "
    "created currency description last_payment_error last_setup_error livemode next_action payment_method "
    "payment_method_configuration_details payment_method_types processing receipt_email setup_future_usage shipping source status "
    "usage".split()
)


def for_browser(call: Call, shown: Row) -> Row:
    """What Stripe shows of an intent to a publishable key: no customer, no charge, no metadata."""
    del call
    return only(shown, _BROWSER_SEES)


def find(call: Call, kind: Kind, intent_id: str) -> Row:
    """The intent of an address; a browser must know its client secret."""
    intent = call.need(kind, intent_id, "intent", in_path=True)
    if call.publishable:
        given = call.params.get("client_secret")
        if given is None:
            raise missing_parameter("client_secret")
        if given != intent["client_secret"]:
            name = "PaymentIntent" if kind.object == "payment_intent" else "SetupIntent"
            raise invalid(
                f"The client_secret provided does not match any associated {name} on this account.", "client_secret"
            )
    return intent


def check_status(intent: Row, verb: str, allowed: Sequence[str]) -> None:
    """Raises when an intent may not be confirmed (captured, canceled …) in the status it has. Words as recorded at 2023-10-16."""
    status = intent["status"]
    if status in allowed:
        return
    is_payment = intent["object"] == "payment_intent"
    name = "PaymentIntent" if is_payment else "SetupIntent"
    if verb == "confirm" and status == "succeeded":
        how = " after being previously confirmed" if is_payment else ""
        raise wrong_state(f"You cannot confirm this {name} because it has already succeeded{how}.", intent)
    if verb == "capture" and status == "succeeded":
        raise wrong_state("This PaymentIntent could not be captured because it has already been captured.", intent)
    if verb == "cancel" and status == "canceled" and not is_payment:
        raise wrong_state("You cannot cancel this SetupIntent because it it already canceled.", intent)
    done = {"confirm": "confirmed", "cancel": "canceled", "capture": "captured", "increment": "incremented"}[verb]
    refused = f"This {name} could not be captured" if verb == "capture" else f"You cannot {verb} this {name}"
    raise wrong_state(
        f"{refused} because it has a status of {status}. Only a {name} with one of the following statuses may be {done}: "
        f"{', '.join(allowed) if is_payment else _one_of(allowed)}.",
        intent,
    )


def _one_of(statuses: Sequence[str]) -> str:
    quoted = [f"`{status}`" for status in statuses]
    return f"{', '.join(quoted[:-1])}, or {quoted[-1]}"


def move(intent: Row, status: str, states: Mapping[str, frozenset[str]]) -> None:
    """Put an intent into a status that its table of states allows."""
    if status != intent["status"] and status not in states[intent["status"]]:
        raise AssertionError(f"{intent['object']} cannot go from {intent['status']} to {status}")
    intent["status"] = status


def automatic_methods(call: Call) -> Row | None:
    """Whether payment methods come from the account's settings, which is so unless the request says otherwise."""
    given = call.params.get("automatic_payment_methods")
    if given is None:
        return {"allow_redirects": "always", "enabled": True}
    return (
        {"allow_redirects": given.get("allow_redirects", "always"), "enabled": given["enabled"]}
        if given["enabled"]
        else None
    )


def given_method(call: Call, intent: Row, kept: str | None = None) -> Row | None:
    """The payment method the parameters name, make or bring in a confirmation token; else the one the intent has."""
    params = call.params
    given = [
        name for name in ("payment_method", "payment_method_data", "confirmation_token") if params.get(name) is not None
    ]
    if len(given) > 1:
        raise invalid(f"You cannot provide both {given[0]} and {given[1]}.", given[1])
    if "payment_method" in given:
        return find_or_make(call, params["payment_method"], "payment_method")
    if "payment_method_data" in given:
        return from_data(call, params["payment_method_data"])
    if "confirmation_token" in given:
        return confirmation_tokens.use(call, params["confirmation_token"], intent)
    return None if kept is None else find_or_make(call, kept, "payment_method")


def whole_mandate_options(given: Row) -> Row:
    """A card's options with what its mandate may say; what the request leaves out is nothing."""
    options = given.get("mandate_options")
    if options is None:
        return given
    return {**given, "mandate_options": {"description": None, "end_date": None, "interval_count": None, **options}}


def check_return_url(call: Call, intent: Row) -> None:
    """On a server, methods that may redirect ask for somewhere to return to; Stripe.js brings its own way back."""
    automatic = intent["automatic_payment_methods"]
    if automatic is None or automatic["allow_redirects"] == "never" or intent.get("_return_url"):
        return
    if intent["allowed_payment_method_types"] and not any(
        TYPES[name].redirects for name in intent["payment_method_types"] if name in TYPES
    ):
        return
    if call.publishable or call.params.get("use_stripe_sdk"):
        return
    name = "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
    raise StripeError(
        f"This {name} is configured to accept payment methods enabled in your Dashboard. Because some of these payment "
        "methods might redirect "
        "your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set "
        "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup "
        "Intents and Payment Intents.",
        began=False,
        **_carrying(intent),
    )


def asks_authentication(intent: Row, method: Row, *, off_session: bool) -> bool:
    """Whether the card's bank wants 3-D Secure for this intent.

    Source: Stripe, "Testing", authentication and set-up: cards that are set up for off-session payments pass off session without it.
    """
    options = (intent.get("payment_method_options") or {}).get("card") or {}
    wanted = options.get("request_three_d_secure") in ("any", "challenge")
    match behaviour_of(method).authentication:
        case "always" | "required":
            return True
        case "unless_set_up":
            return not (off_session and method["_set_up"])
        case "set_up_already":
            return not off_session
        case "optional":
            return wanted and not off_session
        case "when_kept":
            return intent["object"] == "setup_intent" or (wanted and not off_session)
        case "for_mandate":
            pays = intent["object"] == "payment_intent"
            return not off_session and (pays or wanted or bool(options.get("mandate_options")))
    return False


def how_authenticated(method: Row) -> str | None:
    """How 3-D Secure went for a card that showed nothing to its holder."""
    return "frictionless" if behaviour_of(method).authentication == "frictionless" else None


def last_error(decline: Decline, method: Row, charge: Row | None, request_log_url: str | None = None) -> Row:
    """`last_payment_error` (or `last_setup_error`) after the bank said no."""
    error: Row = {
        "code": decline.code,
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "payment_method": {name: value for name, value in method.items() if name[0] != "_"},
        "type": "card_error",
    }
    if charge is not None:
        error["charge"] = charge["id"]
    error |= decline.codes
    if request_log_url is not None:
        error["request_log_url"] = request_log_url
    if decline.param is not None:
        error["param"] = decline.param
    return error


def authentication_failed(intent: Row, method: Row) -> Row:
    """The error of a holder who did not prove who they are."""
    code = f"{intent['object']}_authentication_failure"
    return {
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        "payment_method": {name: value for name, value in method.items() if name[0] != "_"},
        "type": "invalid_request_error",
    }


def as_error(error: Mapping[str, Any], intent: Row) -> StripeError:
    """The 402 that answers a confirmation the bank declined: the intent's last error, with the intent."""
    fields = {
        name: value for name, value in error.items() if name not in ("message", "type", "code", "doc_url", "param")
    }
    return StripeError(
        error["message"],
        status=402,
        type=error["type"],
        code=error["code"],
        param=error.get("param"),
        effects_stay=True,
        **fields,
        **_carrying(intent),
    )


def _carrying(intent: Row) -> dict[str, Any]:
    """The field of an error that holds the intent it is about."""
    return {str(intent["object"]): intent}
