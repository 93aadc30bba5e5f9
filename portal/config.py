"""Every setting, once, from the environment. A missing or contradictory one stops the boot and is named.

Nothing else in the portal reads the environment. `.env.example` explains each setting to the one who installs.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from portal import money

STRIPE_API = "https://api.stripe.com"
STRIPE_JS = "https://js.stripe.com/endive/stripe.js"

# Words that people leave in place when they copy an example file.
PLACEHOLDERS = ("change-me", "changeme", "secret", "example", "default")
SECRET_KEY_LENGTH = 32


class Company(BaseSettings):
    """The seller, as it stands in the page's head, on receipts and in mails."""

    model_config = SettingsConfigDict(env_prefix="PORTAL_COMPANY_", extra="ignore")

    name: str = "Your Company"
    address: str = ""  # lines parted by "|"
    country: str = "DE"
    tax_id: str = ""
    support_email: str = "support@example.com"
    website: str = ""
    logo: str = ""  # a file name under static/, or empty for the name in letters
    colour: str = Field(default="#0b5fff", pattern=r"^#[0-9a-fA-F]{6}$")

    @property
    def address_lines(self) -> list[str]:
        return [line.strip() for line in self.address.split("|") if line.strip()]


class Settings(BaseSettings):
    """Names in the environment: PORTAL_ and the field's name, and STRIPE_… for Stripe's own."""

    model_config = SettingsConfigDict(env_prefix="PORTAL_", extra="ignore", populate_by_name=True)

    environment: Literal["development", "test", "production"] = "production"
    secret_key: SecretStr
    database_url: str
    base_url: str = "http://127.0.0.1:8000"
    proxies: int = Field(default=0, ge=0, le=5)  # reverse proxies in front whose X-Forwarded-* are believed

    stripe_secret_key: SecretStr = Field(alias="STRIPE_SECRET_KEY")
    stripe_publishable_key: str = Field(alias="STRIPE_PUBLISHABLE_KEY")
    # Two while one is being rotated, parted by commas.
    stripe_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(alias="STRIPE_WEBHOOK_SECRETS")
    stripe_api_base: str = Field(default=STRIPE_API, alias="STRIPE_API_BASE")
    stripe_js_url: str = Field(default=STRIPE_JS, alias="STRIPE_JS_URL")

    mail_server: str = "localhost"
    mail_port: int = 25
    mail_use_tls: bool = False
    mail_username: str = ""
    mail_password: SecretStr = SecretStr("")
    mail_sender: str = "billing@example.com"

    languages: Annotated[tuple[str, ...], NoDecode] = ("en", "de")
    timezone: str = "UTC"
    open_sign_up: bool = False

    # Payments without an invoice: per currency the smallest and the largest amount in major units, "eur:5-5000,jpy:500-500000".
    pay_any_amount: bool = True
    pay_any_amount_limits: Annotated[dict[str, tuple[Decimal, Decimal]], NoDecode] = {
        "eur": (Decimal(5), Decimal(5000)),
        "usd": (Decimal(5), Decimal(5000)),
    }

    limits_storage: str = "memory://"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    company: Company = Field(default_factory=Company)

    @field_validator("stripe_webhook_secrets", "languages", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("pay_any_amount_limits", mode="before")
    @classmethod
    def _limits(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        limits: dict[str, tuple[Decimal, Decimal]] = {}
        for part in filter(None, (piece.strip() for piece in value.split(","))):
            currency, _, span = part.partition(":")
            smallest, _, largest = span.partition("-")
            limits[currency.strip().lower()] = (Decimal(smallest), Decimal(largest))
        return limits

    @field_validator("base_url", "stripe_api_base", mode="after")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        key = self.stripe_secret_key.get_secret_value()
        if key.startswith(("sk_live_", "rk_live_")) and self.stripe_api_base != STRIPE_API:
            raise ValueError("STRIPE_SECRET_KEY is a live key, so STRIPE_API_BASE must be Stripe's own")
        if not self.stripe_webhook_secrets:
            raise ValueError("STRIPE_WEBHOOK_SECRETS is empty: webhooks could not be verified")
        for currency, (smallest, largest) in self.pay_any_amount_limits.items():
            if not money.is_currency(currency) or not 0 < smallest <= largest:
                raise ValueError(f"PORTAL_PAY_ANY_AMOUNT_LIMITS: {currency} needs a smallest and a largest amount")
        if self.environment == "production":
            self._fit_for_production()
        return self

    def _fit_for_production(self) -> None:
        secret = self.secret_key.get_secret_value()
        if len(secret) < SECRET_KEY_LENGTH or any(word in secret.lower() for word in PLACEHOLDERS):
            raise ValueError(f"PORTAL_SECRET_KEY must be {SECRET_KEY_LENGTH} or more random characters in production")
        if not self.base_url.startswith("https://"):
            raise ValueError("PORTAL_BASE_URL must start with https:// in production")
        if any(len(s.get_secret_value()) < 16 for s in self.stripe_webhook_secrets):
            raise ValueError("STRIPE_WEBHOOK_SECRETS holds no real webhook secret")

    @cached_property
    def secure_cookies(self) -> bool:
        return self.base_url.startswith("https://")

    @cached_property
    def livemode(self) -> bool:
        """Whether real cards are charged: webhooks of the other mode are not ours."""
        return self.stripe_secret_key.get_secret_value().startswith(("sk_live_", "rk_live_"))

    @cached_property
    def stripe_js_origin(self) -> str:
        parts = urlsplit(self.stripe_js_url)
        return f"{parts.scheme}://{parts.netloc}"

    @cached_property
    def uses_stripe_itself(self) -> bool:
        return self.stripe_api_base == STRIPE_API


_current: Settings | None = None


def load() -> Settings:
    """Read the environment. Raises pydantic.ValidationError, naming each setting that is missing or wrong."""
    return Settings()  # pydantic fills the fields from the environment


def use(settings: Settings) -> Settings:
    """Make these the settings of this process; a second call replaces them."""
    global _current
    _current = settings
    return settings


def current() -> Settings:
    """The settings of this process, read from the environment the first time."""
    return _current if _current is not None else use(load())
