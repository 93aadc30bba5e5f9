"""What customers may pay with here: what an intent asks Stripe for, what a form of Stripe's shows, and what an app may bring.

The setting PORTAL_PAYMENT_METHODS alone decides; the account's dashboard may have more on, or less (`compare`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from portal import gateway
from portal.core import config, method_kinds
from portal.core.errors import N_, Invalid
from portal.core.method_kinds import DEBITS, KINDS, SAVED, WITH_MANDATE
from portal.gateway import PaymentMethod as StripePaymentMethod

log = structlog.get_logger(__name__)

# How Stripe's forms call the wallets; Link is one of them, too, inside the card's fields.
_WALLETS: Final = {"apple_pay": "applePay", "google_pay": "googlePay", "link": "link"}
# What has a button above the form. Others have a button there at Stripe, and a tab in the form here.
_WITHOUT_BUTTON: Final = {"amazonPay": "never", "klarna": "never", "paypal": "never"}


class NotAccepted(Invalid):
    """The kind of a payment method that an app brings is none that is taken here, or not in this way. Nothing was charged or kept."""

    code = "payment_method_not_accepted"
    message = N_("We do not accept this payment method here. Please use another one.")

    def __init__(self) -> None:
        super().__init__(field="payment_method_id")


class MandateMissing(Invalid):
    """An app brings a bank account and does not say where its holder agreed to be debited. Nothing was charged or kept."""

    code = "mandate_missing"
    message = N_(
        "A direct debit needs its customer’s consent. Please send the IP address and the browser with which it was given."
    )

    def __init__(self) -> None:
        super().__init__(field="mandate")


def configuration() -> str:
    """The id of the payment method configuration that decides, or an empty text where the kinds are named."""
    return method_kinds.configuration_of(config.current().payment_methods)


def asked_of_payment() -> dict[str, Any]:
    """What an intent can be paid with, as gateway.create_intent takes it. Stripe leaves out what does not fit amount and currency."""
    if configuration():
        return {"configuration": configuration(), "excluded": list(method_kinds.NOT_FOLLOWED)}
    return {"types": method_kinds.types_of(config.current().payment_methods)}


def asked_of_setup() -> dict[str, Any]:
    """The same for a setup, as gateway.create_setup takes it: what can be kept here."""
    return {"types": [name for name in savable() if KINDS[name].added]}


def savable() -> list[str]:
    """What can be kept here, by Stripe's types, also while paying."""
    return [name for name in SAVED if configuration() or name in config.current().payment_methods]


def may_leave(asked: Mapping[str, Any]) -> bool:
    """Whether something that an intent was asked for with leads away from the page, so that a confirmation needs a way back."""
    return bool(asked.get("configuration")) or any(KINDS[name].redirects for name in asked.get("types", ()))


def form_options(*, saving: bool = False) -> dict[str, Any]:
    """What Stripe's form is made with, so that it shows what the intent will take: options of stripe.elements()."""
    asked = asked_of_setup() if saving else asked_of_payment()
    if "types" in asked:
        return {"allowedPaymentMethodTypes": asked["types"]}
    return {"paymentMethodConfiguration": asked["configuration"], "excludedPaymentMethodTypes": asked["excluded"]}


def form_wallets(*, saving: bool = False) -> dict[str, str]:
    """Which wallets Stripe's form may show: options of its Payment Element. While paying Apple Pay and Google Pay have buttons above it."""
    above = {} if saving else {"applePay": "never", "googlePay": "never"}
    if configuration():
        return above
    names = config.current().payment_methods
    return {shown: "auto" if name in names else "never" for name, shown in _WALLETS.items()} | above


def express_wallets() -> dict[str, str]:
    """Which wallets have a button above the form, where the browser has them: options of Stripe's Express Checkout Element."""
    names = config.current().payment_methods
    shown = {name: "auto" if configuration() or wallet in names else "never" for wallet, name in _WALLETS.items()}
    return shown | _WITHOUT_BUTTON


def check(method: StripePaymentMethod, *, saving: bool = False, agreed: bool = False) -> None:
    """Raises NotAccepted for a payment method that an app may not have charged by its reference, or (`saving`) not kept; MandateMissing for
    a bank account whose holder has not `agreed` to be debited.
    """
    kind = method_kinds.of_payment(method.type, method.card.wallet if method.card else "")
    allowed = kind is not None
    if saving:
        allowed = allowed and method.type in savable()
    if not configuration() and kind is not None:
        allowed = allowed and kind.name in config.current().payment_methods
    if not allowed:
        raise NotAccepted
    if (method.type in DEBITS or (saving and method.type in WITH_MANDATE)) and not agreed:
        raise MandateMissing


# How it fits the account


@dataclass(frozen=True, slots=True)
class Comparison:
    """`source` is the configuration that was looked at, at Stripe. `missing` is wanted here and off there: nobody can pay with it. `more`
    is on there and not taken here: it is not offered.
    """

    source: str
    is_active: bool
    missing: Sequence[str]
    more: Sequence[str]

    @property
    def fits(self) -> bool:
        return self.is_active and not self.missing


def compare() -> Comparison | None:
    """Hold the setting against the account; nothing is changed. None where the account has no configuration of its own.

    Raises the gateway's errors, MissingAtStripe for a configuration that the account does not have.
    """
    if configuration():
        found = gateway.current().retrieve_method_configuration(configuration())
        return Comparison(found.id, found.is_active, (), sorted(found.on - set(KINDS)))
    default = next((one for one in gateway.current().list_method_configurations() if one.is_default), None)
    if default is None:
        return None
    wanted = config.current().payment_methods
    missing = [name for name in wanted if name not in default.on]
    return Comparison(default.id, default.is_active, missing, sorted(default.on - set(wanted)))


def domain() -> str:
    """The domain on which browsers open the portal, as it is registered for wallets."""
    return urlsplit(config.current().base_url).hostname or ""


def wants_domain() -> bool:
    """Whether something is taken that Stripe's forms show on registered domains alone."""
    return bool(configuration()) or not {*_WALLETS, "klarna", "paypal"}.isdisjoint(config.current().payment_methods)


def report() -> None:
    """Log what nobody can pay with although the settings name it. Raises as `compare` does."""
    found = compare()
    if found is not None and not found.fits:
        log.warning("payment_methods_not_on", configuration=found.source, missing=list(found.missing))
