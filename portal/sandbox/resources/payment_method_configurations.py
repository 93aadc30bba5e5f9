"""Payment method configurations: which payment methods an account offers where a request does not name them.

Source: Stripe's API reference, "Payment Method Configurations", and "Multiple configurations on dynamic payment methods". An account has
one of its own from the start, and in the sandbox the card alone is on in it unless its settings say more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import invalid
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Boolean, Choice, Hash, Parameters, Reader, Text, unsupported
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.routes import get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

CONFIGURATION = Kind(
    object="payment_method_configuration",
    table="payment_method_configurations",
    prefix="pmc",
    url="/v1/payment_method_configurations",
    columns=("is_default", "active"),
)

CARD_WALLETS = ("apple_pay", "google_pay")
"""Wallets whose payments are card payments, so that no intent names them among its types."""
NAMES = ("card", *CARD_WALLETS, *TYPES)
"""The payment methods that can be turned on and off."""

_PREFERENCE = Hash({"display_preference": Hash({"preference": Choice(("none", "off", "on"))})})
_NAMED: dict[str, Reader] = {"name": Text(100, clearable=False), **dict.fromkeys(NAMES, _PREFERENCE)}
_ELSEWHERE = (
    "acss_debit affirm afterpay_clearpay alipay alma amazon_pay apple_pay_later au_becs_debit billie bizum blik boleto "
    "cartes_bancaires cashapp crypto customer_balance fpx fr_meal_voucher_conecs giropay grabpay jcb kakao_pay konbini kr_card "
    "mb_way mobilepay multibanco naver_pay nz_bank_account oxxo pay_by_bank payco paynow paypay payto pix promptpay revolut_pay "
    "samsung_pay satispay scalapay sequra sofort sunbit swish upi wechat_pay zip"
)
CREATE = Parameters(_NAMED, unsupported=unsupported(f"{_ELSEWHERE} parent"))
UPDATE = Parameters({**_NAMED, "active": Boolean()}, unsupported=unsupported(_ELSEWHERE))
LIST = list_parameters({"active": Boolean()}, created=False, unsupported=unsupported("application"))


def begin(call: Call) -> None:
    """Make the account's own configuration, where there is none yet."""
    if not call.session.all(CONFIGURATION, is_default=True):
        on = {name: _shown("on") for name in call.settings.payment_methods}
        call.session.insert(CONFIGURATION, _new("Default", is_default=True) | on)


def _new(name: str, *, is_default: bool) -> Row:
    return {
        "id": new_id("pmc"),
        "object": "payment_method_configuration",
        "active": True,
        "application": None,
        "is_default": is_default,
        "livemode": False,
        "name": name,
        "parent": None,
        **{method: _shown("none") for method in NAMES},
    }


def _shown(preference: str) -> Row:
    """A method as a configuration holds it; without a preference it is off."""
    value = "on" if preference == "on" else "off"
    return {
        "available": value == "on",
        "display_preference": {"overridable": None, "preference": preference, "value": value},
    }


def _apply(call: Call, configuration: Row) -> None:
    params = call.params
    configuration |= {name: params[name] for name in ("active", "name") if name in params}
    for method in NAMES:
        preference = (params.get(method) or {}).get("display_preference", {}).get("preference")
        if preference is not None:
            configuration[method] = _shown(preference)


def create(call: Call) -> Row:
    configuration = _new("", is_default=False)
    _apply(call, configuration)
    call.session.insert(CONFIGURATION, configuration)
    return configuration


def retrieve(call: Call, configuration_id: str) -> Row:
    return call.need(CONFIGURATION, configuration_id, "payment_method_configuration", in_path=True)


def update(call: Call, configuration_id: str) -> Row:
    configuration = retrieve(call, configuration_id)
    if configuration["is_default"] and call.params.get("active") is False:
        raise invalid("The default payment method configuration cannot be deactivated.", "active")
    _apply(call, configuration)
    call.session.save(CONFIGURATION, configuration)
    return configuration


def list_configurations(call: Call) -> Row:
    return list_of(call, CONFIGURATION, equal=("active",), ranges=())


def chosen(call: Call, configuration_id: str | None) -> Row:
    """The configuration with this id, or the account's own. Raises for one that is not active."""
    if configuration_id is None:
        return call.session.all(CONFIGURATION, is_default=True)[0]
    configuration = call.need(CONFIGURATION, configuration_id, "payment_method_configuration")
    if not configuration["active"]:
        raise invalid(
            f"The payment method configuration {configuration_id} is not active.", "payment_method_configuration"
        )
    return configuration


def turned_on(configuration: Row) -> list[str]:
    """The types of payment method that are on, in the order in which they are offered."""
    return [name for name in NAMES if name not in CARD_WALLETS and _is_on(configuration, name)]


def wallets_on(configuration: Row) -> list[str]:
    """The wallets that are on, of those whose payments are card payments."""
    return [name for name in CARD_WALLETS if _is_on(configuration, name)]


def _is_on(configuration: Row, name: str) -> bool:
    value: str = configuration[name]["display_preference"]["value"]
    return value == "on"


def turn_on(call: Call, names: set[str]) -> list[str]:
    """Turn exactly these methods on in the account's own configuration; returns them in order."""
    configuration = chosen(call, None)
    configuration |= {name: _shown("on" if name in names else "off") for name in NAMES}
    call.session.save(CONFIGURATION, configuration)
    return [name for name in NAMES if _is_on(configuration, name)]


ROUTES = (
    post("/v1/payment_method_configurations", create, CREATE),
    get("/v1/payment_method_configurations", list_configurations, LIST),
    get("/v1/payment_method_configurations/<configuration_id>", retrieve),
    post("/v1/payment_method_configurations/<configuration_id>", update, UPDATE),
)
