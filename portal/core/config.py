"""Every setting, once, from the environment. A missing or contradictory one stops the boot and is named.

Nothing else in the portal reads the environment. `.env.example` explains each setting to the one who installs.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import limits
from babel import Locale, UnknownLocaleError
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from portal.core import method_kinds, money, unsafe_settings
from portal.core.languages import shipped as shipped_languages
from portal.core.permissions import STAFF_ROLES, Role
from portal.core.tax_rates import TaxRates
from portal.core.tax_rates import parse as parse_tax_rates
from portal.core.units import Supplies

STRIPE_API = "https://api.stripe.com"
STRIPE_JS = "https://js.stripe.com/endive/stripe.js"

SECRET_KEY_LENGTH = unsafe_settings.SECRET_LENGTH
NO_PROXIES = "none"
SHORTEST_INACTIVITY_DAYS = 30
SHORTEST_SIGNING_KEY = 24
MOST_REMINDERS = 10
MOST_REMINDER_DAYS = 365
DATABASES = ("postgresql", "postgresql+psycopg", "sqlite")
LIMITS_STORAGES = ("memory", "redis", "rediss", "redis+unix", "redis+sentinel", "redis+cluster")
# What accounts at DATEV are named for; the usual numbers stand in portal.books.datev_accounts.
DATEV_ACCOUNTS = frozenset(
    {
        *("debtors", "stripe", "bank", "bad_debts", "fees", "disputes", "exchange", "other", "tax", "revenue"),
        "underway",
        *("untaxed", "reverse_charge", "intra_community", "export", "exempt"),
    }
)
LIVE_KEYS = ("sk_live_", "rk_live_")


def _pairs(value: str) -> list[tuple[str, str]]:
    """ "a:1,b:2" as pairs. Raises ValueError for a part without a colon."""
    parts = [part.strip().split(":", 1) for part in value.split(",") if part.strip()]
    return [(name.strip(), rest.strip()) for name, rest in parts]


class WrongSettings(ValueError):
    """The portal cannot start with these settings. The text has a line for each that is missing or wrong, never a value."""


class Company(BaseSettings):
    """The seller, as it stands in the page's head, on receipts and in mails."""

    model_config = SettingsConfigDict(
        env_prefix="PORTAL_COMPANY_", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    name: str = "Your Company"
    address: str = ""  # lines parted by "|"
    # Both once more by themselves, and whom to ask: XRechnung wants to know.
    postal_code: str = Field(default="", max_length=20)
    city: str = Field(default="", max_length=100)
    contact_name: str = Field(default="", max_length=100)
    contact_phone: str = Field(default="", max_length=60)
    country: str = "DE"
    tax_id: str = ""  # the VAT ID
    tax_number: str = ""  # the one that the tax office gave out
    # What the law wants in letters: on documents and in the foot of mails. Directors' names are parted by "|".
    legal_form: str = ""
    register_court: str = ""
    register_number: str = ""
    directors: str = ""
    legal_note: str = ""
    # What is sold, where a line of an invoice does not say it itself; and the law that exempts it at home, in the words that are to stand
    # there, such as "Small business, no VAT (§ 19 UStG)".
    supplies: Supplies = "services"
    exemption: str = Field(default="", max_length=200)
    # Where invoices can be transferred to; empty where they are paid in the portal alone.
    iban: str = ""
    bic: str = Field(default="", pattern=r"^([A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?)?$")
    bank: str = Field(default="", max_length=70)
    # By which SEPA debits are recognised on bank statements; Stripe shows it in its dashboard.
    creditor_id: str = Field(default="", max_length=35)
    support_email: str = "support@example.com"
    website: str = ""
    logo: str = ""  # a file name under static/, or empty for the name in letters
    colour: str = Field(default="#0b5fff", pattern=r"^#[0-9a-fA-F]{6}$")

    @field_validator("iban", mode="after")
    @classmethod
    def _valid_iban(cls, value: str) -> str:
        from stdnum import iban

        if value and not iban.is_valid(value):
            raise ValueError("it is no IBAN: a digit is wrong or missing")
        return "".join(value.split()).upper()

    @field_validator("creditor_id", mode="after")
    @classmethod
    def _valid_creditor_id(cls, value: str) -> str:
        from stdnum.eu import at_02

        if value and not at_02.is_valid(value):
            raise ValueError("it is no SEPA creditor identifier: a digit is wrong or missing")
        return "".join(value.split()).upper()

    @property
    def iban_text(self) -> str:
        """As people read it: in groups of four."""
        return " ".join(self.iban[at : at + 4] for at in range(0, len(self.iban), 4))

    @property
    def address_lines(self) -> list[str]:
        return _parts(self.address)

    @property
    def register(self) -> str:
        """Court and number: "Amtsgericht Hamburg, HRB 123456"."""
        return ", ".join(filter(None, (self.register_court, self.register_number)))

    @property
    def director_names(self) -> list[str]:
        return _parts(self.directors)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]


class Settings(BaseSettings):
    """Names in the environment: PORTAL_ and the field's name, and STRIPE_… for Stripe's own."""

    # What is left empty in .env counts as left out, and an error never repeats a value: it may be a secret.
    model_config = SettingsConfigDict(
        env_prefix="PORTAL_", extra="ignore", populate_by_name=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    # A staging is held to what a production is held to, but charges test cards only.
    environment: Literal["development", "test", "staging", "production"] = "production"
    secret_key: SecretStr
    # Beside it: the one before, until nothing depends on it, and the next one, before it is the secret key (portal.core.secret_keys).
    accepted_secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    database_url: str = Field(repr=False)  # it may hold a password
    base_url: str = "http://localhost:8000"
    # Reverse proxies in front, whose X-Forwarded-* are believed; "none" is 0, and None is what nobody has said.
    proxies: int | None = Field(default=None, ge=0, le=5)
    # How many processes serve the web beside each other: gunicorn reads this, too, and the web's processes learn what it made of it.
    web_processes: int = Field(default=1, ge=1, alias="WEB_CONCURRENCY")

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

    languages: Annotated[tuple[str, ...], NoDecode] = shipped_languages()
    # One of them, for mails to staff, which go to one address; unsaid, the first.
    staff_language: str = ""
    timezone: str = "UTC"
    open_sign_up: bool = False
    # Whether a link by mail signs in, beside the password.
    sign_in_links: bool = True
    # Everyone may set up a second factor; "required" lets staff do nothing before they have. Unsaid, it is required where customers are.
    staff_second_factor: Literal["optional", "required"] | None = None

    # Accounts of staff that nobody has signed in with for so many of the company's days end, 14 days after a mail; 0 is never.
    staff_inactive_days: int = Field(default=90, ge=0, le=3_650)
    # How long staff may view a customer's account as the customer sees it, in minutes.
    view_as_customer_minutes: int = Field(default=15, ge=1, le=60)

    # Staff sign in at the company's identity provider (OpenID Connect) where these name one, and their passwords open nothing any more. The
    # claim of its ID token holds words, and who has one that is mapped to a role here ("portal-admins:admin,billing:support") has access.
    staff_oidc_issuer: str = ""
    staff_oidc_client_id: str = ""
    staff_oidc_client_secret: SecretStr = SecretStr("")
    staff_oidc_role_claim: str = "roles"
    staff_oidc_roles: Annotated[dict[str, Role], NoDecode] = {}
    # Whom the provider lets in no more is signed out here after this long, in hours.
    staff_oidc_session_hours: int = Field(default=8, ge=1, le=8)
    # Addresses of staff whom a password, with their second factor, or a passkey still lets in: for the day when the provider is down.
    staff_break_glass: Annotated[tuple[str, ...], NoDecode] = ()

    # Payments without an invoice: per currency the smallest and the largest amount in major units, "eur:5-5000,jpy:500-500000".
    pay_any_amount: bool = True
    pay_any_amount_limits: Annotated[dict[str, tuple[Decimal, Decimal]], NoDecode] = {
        "eur": (Decimal(5), Decimal(5000)),
        "usd": (Decimal(5), Decimal(5000)),
    }

    # What customers may pay with, by Stripe's types, or the id of one payment method configuration of the account (pmc_…). Intents ask for
    # these alone, whatever the dashboard has on. See docs/how-to/choose-payment-methods.md.
    payment_methods: Annotated[tuple[str, ...], NoDecode] = ("card", "link", "apple_pay", "google_pay")

    # How long the link of an invoice by which anyone may pay it works, in days from its due date or, where that is past, from when it is
    # made; 0: there are no such links.
    pay_link_days: int = Field(default=60, ge=0, le=730)

    # VIES, which is asked whether VAT IDs of customers are valid: the address of its REST API; nobody is asked where it is empty. And after
    # how many days an answer is old, so that an invoice without tax has it asked for again.
    vies_url: str = ""
    vies_recheck_days: int = Field(default=30, ge=1, le=3_650)

    # Which rates of tax there are, by country and day: "DE 19,7 2021-01-01..; FR 20,10,5.5,2.1". Without any, every rate is taken.
    tax_rates: Annotated[tuple[TaxRates, ...], NoDecode] = ()

    # Where e-invoices for networks go: a folder, or an address that they are posted to, signed with the secret; and in which syntax.
    edelivery_folder: Path | None = None
    edelivery_url: str = ""
    edelivery_secret: SecretStr = SecretStr("")
    edelivery_format: Literal["ubl", "cii"] = "ubl"

    # The reminders of an invoice, in days after its due date, before it where negative ("-3,1,14,30"); none where it is empty.
    reminders: Annotated[tuple[int, ...], NoDecode] = ()

    # Customers may pay an invoice in parts of at least so much each, in major units; at once where a currency is not named.
    part_payments: Annotated[dict[str, Decimal], NoDecode] = {}

    # Until how many days after the payment a customer may ask for a refund, by reason.
    refund_windows: Annotated[dict[str, int], NoDecode] = {
        "duplicate": 180,
        "product_not_received": 90,
        "product_unacceptable": 60,
        "no_longer_wanted": 14,
        "other": 30,
    }
    # From this amount on (in major units, by currency) two people must approve a refund, and a payment outside Stripe that staff record or
    # reverse; always where a currency is not named.
    refund_four_eyes: Annotated[dict[str, Decimal], NoDecode] = {"eur": Decimal(500), "usd": Decimal(500)}
    # Sums from which on a second person must approve: what one member of staff has approved alone or proposed within a day, and what one
    # customer has got back; where a currency is not named, that of refund_four_eyes.
    refund_day_of_staff: Annotated[dict[str, Decimal], NoDecode] = {"eur": Decimal(2000), "usd": Decimal(2000)}
    refund_day_of_customer: Annotated[dict[str, Decimal], NoDecode] = {"eur": Decimal(1000), "usd": Decimal(1000)}
    # Up to this sum within a day one may approve what one has proposed oneself; never where a currency is not named.
    refund_own_approval: Annotated[dict[str, Decimal], NoDecode] = {}
    # For how long an approval at the desk can be undone: so many seconds nothing is sent, to Stripe or to the customer. 0: at once.
    refund_undo_seconds: int = Field(default=10, ge=0, le=60)
    # Stripe may keep a failure of a refund's call, and make the refund all the same: for how long its list is searched for it before it
    # is sent anew.
    refund_search_seconds: int = Field(default=3600, ge=1, le=82_800)
    # Banks that want the security code of a saved card are always heard; this asks for it before, with every saved card.
    ask_cvc_of_saved_cards: bool = False

    # Against card testing: how many attempts a bank declined and how many different cards, of a customer and from an address.
    card_limits: Annotated[dict[str, str], NoDecode] = {
        "failures_of_customer": "10/hour;30/day",
        "failures_from_address": "20/hour;60/day",
        "cards_of_customer": "5/hour;10/day",
        "cards_from_address": "15/hour;40/day",
    }
    # A client secret lets its browser try cards at Stripe without coming by here: a card setup that failed this often ends.
    card_failures_of_setup: int = Field(default=5, ge=1)

    # Endpoints of customers' systems: authorities that are trusted besides the system's; and, while developing, http and loopback.
    endpoint_ca_file: Path | None = None
    private_endpoints: bool = False

    # Where the head of the audit trail is written down once a day, besides the mail to the company.
    audit_anchor_file: Path | None = None
    # Where it is written down how far the database has come, after each change: so one restored from a backup is noticed.
    marks_file: Path | None = None

    # The key that documents are signed with: a PEM with the private key and its certificates, or the path of a file with that or with
    # PKCS#12, and its password. Without it, one that is derived from the secret key, with a certificate of our own.
    document_signing_key: SecretStr | None = None
    document_signing_password: SecretStr = SecretStr("")

    # The JSON API. With a secret, access tokens are signed with it (HS256) instead of with rotating keys of our own (EdDSA).
    api_jwt_secret: SecretStr | None = None
    # How often an app may call: all of its calls, those that change something, and, by address, failing to sign in and being refused.
    api_limits: Annotated[dict[str, str], NoDecode] = {
        "all": "300/minute",
        "changes": "60/minute",
        "sign_in": "30/minute",
        "refused": "60/minute",
    }
    # The web pages of others that may call it from a browser, "https://app.example.org,https://…".
    api_cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    # An identity provider whose tokens are taken besides ours, for the customer that the claim names.
    api_outside_issuer: str = ""
    api_outside_jwks_url: str = ""
    api_outside_audience: str = ""
    api_outside_customer_claim: str = "customer_id"

    # The books for a tax adviser, in DATEV's format: the adviser's and the client's number there, when the fiscal year begins (month and
    # day), the chart of accounts (SKR) and how long its numbers are.
    datev_consultant: int | None = Field(default=None, ge=1001, le=9_999_999)
    datev_client: int | None = Field(default=None, ge=1, le=99_999)
    datev_fiscal_year_begin: str = Field(default="01-01", pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$")
    datev_chart: Literal["03", "04"] = "03"
    datev_account_length: int = Field(default=4, ge=4, le=8)
    # Accounts in place of the usual ones, "debtors:10000,fees:4970"; those of revenue by tax rate in percent, "19:8400,7:8300", and the tax
    # keys (BU-Schlüssel) that go with them where an account does not know its tax by itself, "19:3,7:2".
    datev_accounts: Annotated[dict[str, str], NoDecode] = {}
    datev_revenue: Annotated[dict[int, str], NoDecode] = {}
    datev_tax_keys: Annotated[dict[int, str], NoDecode] = {}

    # How long no webhook may arrive before Stripe is asked whether there should have been one, in minutes.
    webhook_silence_minutes: int = Field(default=30, ge=1, le=10_080)

    # How old the last recorded backup may be, in hours, and the last restore that was tried, in days, before Operations warns: a day, and
    # a month, with the time that each may be late.
    backup_hours: int = Field(default=26, ge=1, le=8_760)
    restore_drill_days: int = Field(default=35, ge=1, le=3_650)

    # The commit that this image was built from, for the page Operations.
    build_commit: str = ""

    # Where the worker serves what it counts, for Prometheus; nowhere without a port.
    metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    metrics_host: str = "127.0.0.1"
    # Who asks web processes for what they count must bring it; without one nobody is told.
    metrics_token: SecretStr = SecretStr("")

    limits_storage: str = Field(default="memory://", repr=False)  # likewise
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    company: Company = Field(default_factory=Company)

    @field_validator("staff_oidc_roles", mode="before")
    @classmethod
    def _mapped_roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            pairs = [part.rsplit(":", 1) for part in value.split(",") if part.strip()]
            return {word.strip(): next(one for one in STAFF_ROLES if one == role.strip()) for word, role in pairs}
        except (ValueError, StopIteration):
            raise ValueError(f"it is not like portal-admins:admin, with roles of {', '.join(STAFF_ROLES)}") from None

    @field_validator("staff_break_glass", mode="after")
    @classmethod
    def _in_lower_case(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(address.lower() for address in value)

    @field_validator("payment_methods", mode="after")
    @classmethod
    def _payment_methods(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return method_kinds.check(value)

    @field_validator(
        *("accepted_secret_keys", "stripe_webhook_secrets", "languages", "api_cors_origins", "staff_break_glass"),
        "payment_methods",
        mode="before",
    )
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("proxies", mode="before")
    @classmethod
    def _number_of_proxies(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.strip() == "0":
            raise ValueError("it is none where no reverse proxy stands in front")
        return 0 if value.strip().lower() == NO_PROXIES else value

    @field_validator("staff_inactive_days", mode="after")
    @classmethod
    def _long_enough_to_warn(cls, value: int) -> int:
        if 0 < value < SHORTEST_INACTIVITY_DAYS:
            raise ValueError(f"it is 0, for never, or {SHORTEST_INACTIVITY_DAYS} and more")
        return value

    @field_validator("database_url", mode="after")
    @classmethod
    def _known_database(cls, value: str) -> str:
        """In SQLAlchemy's words: Heroku and others write postgres://."""
        if value.startswith("postgres://"):
            value = value.replace("postgres://", "postgresql://", 1)
        try:
            scheme = urlsplit(value).scheme
            _ = urlsplit(value).port
        except ValueError as error:
            raise ValueError("it is no address of a database") from error
        if scheme not in DATABASES:
            raise ValueError("it must start with postgresql:// or sqlite:///")
        return value

    @field_validator("limits_storage", mode="after")
    @classmethod
    def _known_storage(cls, value: str) -> str:
        if value.partition("://")[0] not in LIMITS_STORAGES:
            raise ValueError("it must start with memory:// or redis://")
        return value

    @field_validator("pay_any_amount_limits", mode="before")
    @classmethod
    def _limits(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        limits: dict[str, tuple[Decimal, Decimal]] = {}
        for part in filter(None, (piece.strip() for piece in value.split(","))):
            currency, _, span = part.partition(":")
            smallest, _, largest = span.partition("-")
            try:
                limits[currency.strip().lower()] = (Decimal(smallest), Decimal(largest))
            except InvalidOperation as error:
                raise ValueError(f"{part} is not like eur:5-5000") from error
        return limits

    @field_validator("datev_accounts", mode="before")
    @classmethod
    def _datev_accounts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            given = dict(_pairs(value))
        except ValueError as error:
            raise ValueError("it is not like debtors:10000,fees:4970") from error
        if unknown := given.keys() - DATEV_ACCOUNTS:
            raise ValueError(f"{', '.join(sorted(unknown))} is none of {', '.join(sorted(DATEV_ACCOUNTS))}")
        if not all(number.isdecimal() and 4 <= len(number) <= 9 for number in given.values()):
            raise ValueError("an account has 4 to 9 digits")
        return given

    @field_validator("datev_revenue", "datev_tax_keys", mode="before")
    @classmethod
    def _by_rate(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        try:
            given = {int(Decimal(rate) * 100): number for rate, number in _pairs(value)}
        except (ValueError, InvalidOperation) as error:
            raise ValueError("it is not like 19:8400,7:8300") from error
        longest = 9 if info.field_name == "datev_revenue" else 4
        if not all(number.isdecimal() and len(number) <= longest for number in given.values()):
            raise ValueError(f"what stands behind a rate has up to {longest} digits")
        return given

    @field_validator("tax_rates", mode="before")
    @classmethod
    def _tax_rates(cls, value: object) -> object:
        return parse_tax_rates(value) if isinstance(value, str) else value

    @field_validator("reminders", mode="before")
    @classmethod
    def _reminder_days(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            days = sorted({int(part) for part in value.split(",") if part.strip()})
        except ValueError as error:
            raise ValueError("it is not like -3,1,14,30") from error
        if len(days) > MOST_REMINDERS or any(abs(day) > MOST_REMINDER_DAYS for day in days):
            raise ValueError(
                f"it has at most {MOST_REMINDERS} days, from -{MOST_REMINDER_DAYS} to {MOST_REMINDER_DAYS}"
            )
        return tuple(days)

    @field_validator("refund_windows", mode="before")
    @classmethod
    def _windows(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            given = {name: int(days) for name, days in _pairs(value)}
        except ValueError as error:
            raise ValueError("it is not like duplicate:180,other:30") from error
        usual: dict[str, int] = cls.model_fields["refund_windows"].default
        if unknown := given.keys() - usual.keys():
            raise ValueError(f"{', '.join(sorted(unknown))} is no reason for a refund")
        if any(days < 0 for days in given.values()):
            raise ValueError("days are 0 or more")
        return usual | given

    @field_validator(
        "refund_four_eyes",
        "refund_day_of_staff",
        "refund_day_of_customer",
        "refund_own_approval",
        "part_payments",
        mode="before",
    )
    @classmethod
    def _thresholds(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            given = {code.lower(): Decimal(amount) for code, amount in _pairs(value)}
        except (ValueError, InvalidOperation) as error:
            raise ValueError("it is not like eur:500,usd:500") from error
        if unknown := given.keys() - money.CHARGEABLE:
            raise ValueError(f"{', '.join(sorted(unknown))} is not a currency that Stripe charges")
        for code, amount in given.items():
            money.from_decimal(amount, code)
        return given

    @field_validator("api_limits", mode="before")
    @classmethod
    def _api_limits(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        usual: dict[str, str] = cls.model_fields["api_limits"].default
        try:
            given = dict(_pairs(value))
            for limit in given.values():
                limits.parse(limit)
        except ValueError as error:
            raise ValueError("it is not like all:300/minute,changes:60/minute") from error
        if unknown := given.keys() - usual.keys():
            raise ValueError(f"{', '.join(sorted(unknown))} is no limit of the API")
        return usual | given

    @field_validator("card_limits", mode="before")
    @classmethod
    def _card_limits(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        usual: dict[str, str] = cls.model_fields["card_limits"].default
        try:
            given = dict(_pairs(value))
            for windows in given.values():
                limits.parse_many(windows)
        except ValueError as error:
            raise ValueError("it is not like failures_of_customer:10/hour;30/day,cards_of_customer:5/hour") from error
        if unknown := given.keys() - usual.keys():
            raise ValueError(f"{', '.join(sorted(unknown))} is no limit of declined cards")
        return usual | given

    @field_validator("languages", mode="after")
    @classmethod
    def _real_languages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("at least one language is needed")
        for language in value:
            try:
                Locale.parse(language)
            except UnknownLocaleError as error:
                raise ValueError(f"{language} is no language") from error
        return value

    @field_validator("staff_language", mode="after")
    @classmethod
    def _one_of_the_languages(cls, value: str, info: ValidationInfo) -> str:
        languages = info.data.get("languages", ())
        if value and value not in languages:
            raise ValueError("it is not one of PORTAL_LANGUAGES")
        return value or (languages[0] if languages else "")

    @field_validator("timezone", mode="after")
    @classmethod
    def _real_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, OSError) as error:
            raise ValueError(f"{value} is no time zone") from error
        return value

    @field_validator("endpoint_ca_file", mode="after")
    @classmethod
    def _real_authorities(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                ssl.create_default_context(cafile=str(value))
            except (OSError, ssl.SSLError) as error:
                raise ValueError("it is no file of certificates in PEM") from error
        return value

    @field_validator("base_url", "stripe_api_base", mode="after")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("base_url", mode="after")
    @classmethod
    def _at_the_root(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.path or parts.query or parts.fragment or parts.username or not parts.hostname:
            raise ValueError(
                "it must be a scheme and a host, such as https://pay.example.com: the portal needs a host name of its own, "
                "since its pages, links and cookies belong to the whole of it"
            )
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        key = self.stripe_secret_key.get_secret_value()
        if key.startswith(LIVE_KEYS) and self.stripe_api_base != STRIPE_API:
            raise ValueError("STRIPE_SECRET_KEY is a live key, so STRIPE_API_BASE must be Stripe's own")
        if key.startswith(LIVE_KEYS) and self.environment != "production":
            raise ValueError("STRIPE_SECRET_KEY is a live key, so PORTAL_ENVIRONMENT must be production")
        if not self.stripe_webhook_secrets:
            raise ValueError("STRIPE_WEBHOOK_SECRETS is empty: webhooks could not be verified")
        if self.tax_rates and all(one.country != self.company.country for one in self.tax_rates):
            raise ValueError("PORTAL_TAX_RATES has no rates of the country that PORTAL_COMPANY_COUNTRY names")
        for currency, (smallest, largest) in self.pay_any_amount_limits.items():
            self._check_limits_of(currency, smallest, largest)
        self._check_edelivery()
        self._check_api()
        wrong = [*unsafe_settings.anywhere(self), *(unsafe_settings.for_customers(self) if self.for_customers else ())]
        if wrong:
            raise ValueError("\n".join(wrong))
        if self.environment == "production" and not key.startswith(LIVE_KEYS):
            raise ValueError(
                "STRIPE_SECRET_KEY is no live key, so no real card would be charged in production; "
                "PORTAL_ENVIRONMENT=staging takes test keys"
            )
        return self

    @staticmethod
    def _check_limits_of(currency: str, smallest: Decimal, largest: Decimal) -> None:
        try:
            fits = currency in money.CHARGEABLE and 0 < smallest <= largest
            for limit in (smallest, largest):
                money.check_granularity(money.from_decimal(limit, currency))
        except (ValueError, ArithmeticError):
            fits = False
        if not fits:
            raise ValueError(
                f"PORTAL_PAY_ANY_AMOUNT_LIMITS: {currency} needs a smallest and a largest amount that Stripe can charge"
            )

    def _check_edelivery(self) -> None:
        if self.edelivery_folder is not None and self.edelivery_url:
            raise ValueError("PORTAL_EDELIVERY_FOLDER and PORTAL_EDELIVERY_URL: e-invoices go one way, not both")
        if self.edelivery_folder is not None and not self.edelivery_folder.is_absolute():
            raise ValueError("PORTAL_EDELIVERY_FOLDER must begin with /")
        if not self.edelivery_url:
            return
        if not (self.edelivery_url.startswith("https://") or self.private_endpoints):
            raise ValueError("PORTAL_EDELIVERY_URL must start with https://")
        prefix, _, key = self.edelivery_secret.get_secret_value().partition("_")
        try:
            is_long = len(base64.b64decode(key, validate=True)) >= SHORTEST_SIGNING_KEY
        except ValueError:
            is_long = False
        if prefix != "whsec" or not is_long:
            raise ValueError(
                f"PORTAL_EDELIVERY_SECRET must be whsec_ and {SHORTEST_SIGNING_KEY} or more random bytes in base64"
            )

    def _check_api(self) -> None:
        if self.api_jwt_secret and len(self.api_jwt_secret.get_secret_value()) < SECRET_KEY_LENGTH:
            raise ValueError(f"PORTAL_API_JWT_SECRET must be {SECRET_KEY_LENGTH} or more random characters")
        for origin in self.api_cors_origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query or "*" in origin:
                raise ValueError("PORTAL_API_CORS_ORIGINS holds whole origins, like https://app.example.org")
        safe = self.environment in {"development", "test"} or self.vies_url.startswith("https://")
        if self.vies_url and not safe:
            raise ValueError("PORTAL_VIES_URL must start with https://")
        named = (self.staff_oidc_issuer, self.staff_oidc_client_id, self.staff_oidc_client_secret.get_secret_value())
        if any(named) and not (all(named) and self.staff_oidc_roles):
            raise ValueError("PORTAL_STAFF_OIDC_ISSUER, _CLIENT_ID, _CLIENT_SECRET and _ROLES are needed together")
        safe = self.environment in {"development", "test"} or self.staff_oidc_issuer.startswith("https://")
        if self.staff_oidc_issuer and not safe:
            raise ValueError("PORTAL_STAFF_OIDC_ISSUER must start with https://")
        outside = (self.api_outside_issuer, self.api_outside_jwks_url, self.api_outside_audience)
        if any(outside) and not all(outside):
            raise ValueError("PORTAL_API_OUTSIDE_ISSUER, _JWKS_URL and _AUDIENCE are needed together")
        safe = self.environment in {"development", "test"} or self.api_outside_jwks_url.startswith("https://")
        if self.api_outside_jwks_url and not safe:
            raise ValueError("PORTAL_API_OUTSIDE_JWKS_URL must start with https://")

    @cached_property
    def datev_year(self) -> tuple[int, int]:
        """The month and the day that a fiscal year begins on."""
        month, day = self.datev_fiscal_year_begin.split("-")
        return int(month), int(day)

    @cached_property
    def for_customers(self) -> bool:
        """Whether this is a place that customers come to."""
        return self.environment in {"staging", "production"}

    @cached_property
    def staff_need_second_factor(self) -> bool:
        if self.staff_second_factor is None:
            return self.for_customers
        return self.staff_second_factor == "required"

    @cached_property
    def secure_cookies(self) -> bool:
        return self.base_url.startswith("https://")

    @cached_property
    def livemode(self) -> bool:
        """Whether real cards are charged: webhooks of the other mode are not ours."""
        return self.stripe_secret_key.get_secret_value().startswith(LIVE_KEYS)

    @cached_property
    def stripe_js_origin(self) -> str:
        parts = urlsplit(self.stripe_js_url)
        return f"{parts.scheme}://{parts.netloc}"


_current: Settings | None = None


def load() -> Settings:
    """Read the environment. Raises WrongSettings, naming each setting that is missing or wrong."""
    try:
        return Settings()  # pydantic fills the fields from the environment
    except ValidationError as error:
        raise WrongSettings("\n".join(_complaints(error))) from None  # pydantic's own words hold values


def _complaints(error: ValidationError) -> Iterator[str]:
    prefix = "PORTAL_COMPANY_" if error.title == Company.__name__ else "PORTAL_"
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        what = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            name = str(problem["loc"][0])
            if problem["type"] == "missing":
                what = "it is not set; docs/reference/settings.md says what it is, and .env.example is a file to copy"
            yield f"{name if name.isupper() else prefix + name.upper()}: {what}"
        else:
            yield from what.splitlines()


def use(settings: Settings) -> Settings:
    """Make these the settings of this process; a second call replaces them."""
    global _current
    _current = settings
    return settings


def forget() -> None:
    """Let the next `current` read the environment anew."""
    global _current
    _current = None


def current() -> Settings:
    """The settings of this process, read from the environment the first time."""
    return _current if _current is not None else use(load())
