"""Customer sessions: a secret by which the Payment Element shows a customer's saved cards, for half an hour.

Source: Stripe's API reference, "Customer Sessions", and "Save payment details during payment". The session has no id at Stripe
either: its client secret is what names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import invalid
from portal.sandbox.ids import new_secret
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.params import Boolean, Choice, Hash, Integer, ListOf, Parameters, Reference, unsupported
from portal.sandbox.resources.payment_method_parameters import REDISPLAY
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, detach_from_customer
from portal.sandbox.resources.payment_methods import for_browser as method_for_browser
from portal.sandbox.routes import post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

LIFE_SECONDS = 30 * 60
MOST_SHOWN = 10

_OTHER_COMPONENTS = (
    "active_entitlements buy_button customer_portal customer_sheet mobile_payment_element pricing_table".split()
)
_WITH_FEATURES = ("customer_sheet", "mobile_payment_element")
_SWITCH = Choice(("disabled", "enabled"))
_DEFAULTS: Row = {
    "payment_method_allow_redisplay_filters": ["always"],
    "payment_method_redisplay": "disabled",
    "payment_method_redisplay_limit": 3,
    "payment_method_remove": "disabled",
    "payment_method_save": "disabled",
    "payment_method_save_usage": None,
}


def _shown(call: Call, row: Row) -> Row:
    del call
    return {name: value for name, value in row.items() if name != "id"}


CUSTOMER_SESSION = Kind(
    object="customer_session",
    table="customer_sessions",
    prefix="cuss",
    url="/v1/customer_sessions",
    expandable={"customer": "customer"},
    view=_shown,
)

CREATE = Parameters(
    {
        "components": Hash(
            {
                "payment_element": Hash(
                    {
                        "enabled": Boolean(),
                        "features": Hash(
                            {
                                "payment_method_allow_redisplay_filters": ListOf(REDISPLAY),
                                "payment_method_redisplay": _SWITCH,
                                "payment_method_redisplay_limit": Integer(1, MOST_SHOWN),
                                "payment_method_remove": _SWITCH,
                                "payment_method_save": _SWITCH,
                                "payment_method_save_usage": Choice(("off_session", "on_session"), clearable=True),
                            }
                        ),
                    },
                    required=("enabled",),
                )
            },
            unsupported=frozenset(_OTHER_COMPONENTS),
        ),
        "customer": Reference(),
    },
    required=("components", "customer"),
    unsupported=unsupported("customer_account"),
)
DETACH = Parameters({"customer_session_client_secret": Reference()}, required=("customer_session_client_secret",))


def create(call: Call) -> Row:
    customer = call.need(call.kinds["customer"], call.params["customer"], "customer")
    element: dict[str, Any] = call.params["components"].get("payment_element") or {"enabled": False}
    if not element["enabled"]:
        raise invalid("At least one component must be enabled.", "components")
    others = {
        name: {"enabled": False, "features": None} if name in _WITH_FEATURES else {"enabled": False}
        for name in _OTHER_COMPONENTS
    }
    secret = new_secret("cuss")
    session: Row = {
        "id": secret,
        "object": "customer_session",
        "client_secret": secret,
        "components": {
            **others,
            "payment_element": {"enabled": True, "features": {**_DEFAULTS, **element.get("features", {})}},
        },
        "created": call.now,
        "customer": customer["id"],
        "customer_account": None,
        "expires_at": call.now + LIFE_SECONDS,
        "livemode": False,
    }
    call.session.insert(CUSTOMER_SESSION, session)
    return session


def opened(call: Call, client_secret: str) -> Row:
    """The session with this secret; raises when there is none or its half hour is over."""
    session = call.session.find(CUSTOMER_SESSION, client_secret)
    if session is None:
        raise invalid("Invalid customer session client secret.", "customer_session_client_secret", "resource_missing")
    if session["expires_at"] <= call.now:
        raise invalid(
            "This CustomerSession has expired. Create a new one to show the customer's payment methods.",
            "customer_session_client_secret",
        )
    return session


def for_element(call: Call, client_secret: str, types: list[str]) -> Row:
    """What the Payment Element learns of the customer: the features, and the methods of these types that may be shown again.

    The customer's default comes first and then the newest, so that a limit leaves out the oldest.
    """
    session = opened(call, client_secret)
    customer = call.need(call.kinds["customer"], session["customer"], "customer")
    default = customer["invoice_settings"]["default_payment_method"]
    element = session["components"]["payment_element"]
    features = element["features"]
    methods: list[Row] = []
    if features["payment_method_redisplay"] == "enabled":
        wanted = features["payment_method_allow_redisplay_filters"]
        newest = reversed(call.session.all(PAYMENT_METHOD, customer=customer["id"]))
        shown = [method for method in newest if method["allow_redisplay"] in wanted and method["type"] in types]
        shown.sort(key=lambda method: method["id"] != default)
        methods = shown[: features["payment_method_redisplay_limit"]]
    return {
        "customer_session": {"components": {"payment_element": element}, "expires_at": session["expires_at"]},
        "default_payment_method": default if any(method["id"] == default for method in methods) else None,
        "payment_methods": [method_for_browser(call, call.shown(method)) for method in methods],
    }


def detach(call: Call, method_id: str) -> Row:
    """The customer takes a card away in the Payment Element; the session must allow it and the card be this customer's."""
    session = opened(call, call.params["customer_session_client_secret"])
    if session["components"]["payment_element"]["features"]["payment_method_remove"] != "enabled":
        raise invalid("This CustomerSession does not allow payment methods to be removed.", "payment_method")
    method = call.need(PAYMENT_METHOD, method_id, "payment_method", in_path=True)
    if method["customer"] != session["customer"]:
        raise invalid("The payment method does not belong to the CustomerSession's customer.", "payment_method")
    detach_from_customer(call, method)
    return method


ROUTES = (
    post("/v1/customer_sessions", create, CREATE),
    post("/v1/elements/payment_methods/<method_id>/detach", detach, DETACH, publishable=method_for_browser),
)
