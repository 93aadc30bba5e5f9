"""What an app needs to know of this portal before anybody has signed in."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from portal.api.document import VERSION
from portal.api.operations import blueprint, operation
from portal.api.schemas import Answer
from portal.core import config, languages, method_kinds, money

bp = blueprint("config")

CURRENCIES: Final = tuple(sorted(money.CHARGEABLE))


class CurrencyLimits(Answer):
    currency: str
    decimals: int = Field(
        description="How many of an amount's last digits stand behind the point: 2 for EUR, 0 for JPY."
    )
    least: int = Field(description="The least that can be paid, in minor units.")
    most: int = Field(description="The most that can be paid at once, in minor units.")
    step: int = Field(description="An amount is a multiple of this, in minor units.")


class PaymentMethodKind(Answer):
    name: str = Field(description="As Stripe calls the type, or the wallet.", examples=["card"])
    currencies: list[str] | None = Field(description="In which it can be used; null for all.")
    redirects: bool = Field(description="Whether the customer approves on a page of the method's own, and comes back.")
    working_days: int = Field(description="How many working days its bank mostly takes; 0 for at once.")


class Config(Answer):
    version: str = Field(description="Of this API.")
    company: str
    publishable_key: str = Field(description="For Stripe's SDK in your app.")
    stripe_js_url: str = Field(description="Where a page loads Stripe.js from.")
    payment_methods: list[PaymentMethodKind] | None = Field(
        description="What can be paid with; null where a configuration at Stripe decides, which Stripe's form knows."
    )
    languages: list[str] = Field(description="Those of pages, mails and documents.")
    currencies: list[CurrencyLimits]


@bp.get("/config")
@operation(tag="Configuration", answer=Config)
def get_config() -> Config:
    """Get what an app needs before anybody has signed in: Stripe's key, what can be paid with, and the limits of amounts.

    It needs no token, and changes with the settings of the portal alone.
    """
    settings = config.current()
    names = None if method_kinds.configuration_of(settings.payment_methods) else settings.payment_methods
    return Config(
        version=VERSION,
        company=settings.company.name,
        publishable_key=settings.stripe_publishable_key,
        stripe_js_url=settings.stripe_js_url,
        payment_methods=None if names is None else [_kind(name) for name in names],
        languages=list(languages.shipped()),
        currencies=[_limits(currency) for currency in CURRENCIES],
    )


def _kind(name: str) -> PaymentMethodKind:
    kind = method_kinds.KINDS[name]
    return PaymentMethodKind(
        name=name,
        currencies=None if kind.currencies is None else sorted(kind.currencies),
        redirects=kind.redirects,
        working_days=kind.working_days,
    )


def _limits(currency: str) -> CurrencyLimits:
    return CurrencyLimits(
        currency=currency,
        decimals=money.exponent(currency),
        least=money.smallest_charge(currency).minor,
        most=money.largest_charge(currency).minor,
        step=money.charge_step(currency).minor,
    )
