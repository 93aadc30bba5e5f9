"""Settings: what is missing or contradictory stops the start with its name, and no secret is ever shown."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from deploy.dev.processes import ROOT
from portal.core import config, unsafe_settings
from portal.core.config import WrongSettings
from tests.run import SETTINGS, process_environment

Load = Callable[..., config.Settings]

PRODUCTION = {
    "PORTAL_ENVIRONMENT": "production",
    "PORTAL_SECRET_KEY": "8Jw2pLx0vQe5rT7yZb3nKd6mHf9sAc1g",
    "PORTAL_DATABASE_URL": "postgresql://portal:hunter2hunter2@db.test/portal?sslmode=verify-full",
    "PORTAL_BASE_URL": "https://billing.portal.test",
    "PORTAL_PROXIES": "1",
    "PORTAL_MAIL_SENDER": "billing@portal.test",
    "PORTAL_COMPANY_NAME": "Nordlicht Energie GmbH",
    "PORTAL_COMPANY_SUPPORT_EMAIL": "help@portal.test",
    "STRIPE_SECRET_KEY": "sk_live_" + "x" * 12,
    "STRIPE_PUBLISHABLE_KEY": "pk_live_51Nf00barbaz",
    "STRIPE_WEBHOOK_SECRETS": "whsec_9fK2mQ7xW4tZ8bV1",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PORTAL_", "STRIPE_", "WEB_CONCURRENCY"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load the settings of a production with these changes; None takes one away."""

    def load(**changes: str | None) -> config.Settings:
        for name, value in (PRODUCTION | changes).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return config.load()

    return load


def test_a_whole_production_starts(load: Load) -> None:
    settings = load()
    assert settings.livemode
    assert settings.secure_cookies
    assert settings.stripe_api_base == config.STRIPE_API
    assert settings.stripe_js_origin == "https://js.stripe.com"


@pytest.mark.parametrize(
    "name",
    [
        "PORTAL_SECRET_KEY",
        "PORTAL_DATABASE_URL",
        "STRIPE_SECRET_KEY",
        "STRIPE_PUBLISHABLE_KEY",
        "STRIPE_WEBHOOK_SECRETS",
    ],
)
@pytest.mark.parametrize("left", [None, ""])
def test_a_missing_or_empty_setting_names_itself(load: Load, name: str, left: str | None) -> None:
    with pytest.raises(WrongSettings, match=name):
        load(**{name: left})


def test_all_that_is_missing_is_named_at_once(load: Load) -> None:
    with pytest.raises(WrongSettings) as raised:
        load(PORTAL_SECRET_KEY=None, PORTAL_DATABASE_URL=None)
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_SECRET_KEY", "short"),
        ("PORTAL_SECRET_KEY", "change-me-change-me-change-me-change-me"),
        ("PORTAL_SECRET_KEY", "this-is-the-DEFAULT-key-of-the-portal"),
        ("PORTAL_BASE_URL", "http://billing.portal.test"),
        ("PORTAL_BASE_URL", "https://portal.test/billing"),
        ("PORTAL_BASE_URL", "https://portal.test/?x=1"),
        ("PORTAL_BASE_URL", "https://ada@portal.test"),
        ("PORTAL_BASE_URL", "https://"),
        ("PORTAL_ENVIRONMENT", "prod"),
        ("PORTAL_PROXIES", "-1"),
        ("PORTAL_PROXIES", "0"),
        ("PORTAL_PROXIES", None),
        ("PORTAL_SECRET_KEY", "a" * 64),
        ("PORTAL_SECRET_KEY", "12345678901234567890123456789012"),
        ("PORTAL_SECRET_KEY", "abcdefghijklmnopqrstuvwxyz0123456789"),
        ("PORTAL_SECRET_KEY", "8Jw2pLx08Jw2pLx08Jw2pLx08Jw2pLx0"),
        ("PORTAL_SECRET_KEY", "the green bicycle stands behind our house"),
        ("PORTAL_API_JWT_SECRET", "a" * 40),
        ("PORTAL_DATABASE_URL", "postgresql://portal:hunter2hunter2@db.test/portal"),
        ("PORTAL_DATABASE_URL", "postgres://portal:hunter2hunter2@10.0.0.5:5432/portal?sslmode=prefer"),
        ("PORTAL_DATABASE_URL", "postgresql://portal@127.0.0.1,db.test/portal"),
        ("PORTAL_DATABASE_URL", "postgresql://portal@/portal?host=db.test"),
        ("PORTAL_DATABASE_URL", "postgresql://portal@/portal?host=db.test&host=127.0.0.1"),
        ("PORTAL_DATABASE_URL", "postgresql://portal@127.0.0.1/portal?hostaddr=10.0.0.5"),
        ("PORTAL_DATABASE_URL", "postgresql://portal@db.test/portal?sslmode=disable&sslmode=require"),
        ("PORTAL_DATABASE_URL", "mysql://portal@127.0.0.1/portal"),
        ("PORTAL_DATABASE_URL", "postgresql://portal@127.0.0.1:port/portal"),
        ("PORTAL_LIMITS_STORAGE", "memcached://127.0.0.1"),
        ("PORTAL_LIMITS_STORAGE", "redis://:redis-pass@cache.test:6379"),
        ("PORTAL_LIMITS_STORAGE", "redis+sentinel://:redis-pass@cache.test:26379/mymaster"),
        ("PORTAL_MAIL_SENDER", None),
        ("PORTAL_MAIL_SENDER", "Billing <billing@mail.example.org>"),
        ("PORTAL_COMPANY_NAME", None),
        ("PORTAL_COMPANY_SUPPORT_EMAIL", None),
        ("PORTAL_COMPANY_SUPPORT_EMAIL", "help@example.com"),
        ("PORTAL_BASE_URL", "https://billing.example.com"),
        ("PORTAL_API_CORS_ORIGINS", "https://app.portal.test,http://app.portal.test"),
        ("STRIPE_PUBLISHABLE_KEY", "sk_live_" + "x" * 12),
        ("STRIPE_PUBLISHABLE_KEY", "rk_live_51Nf00barbaz"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_test_51Nf00barbaz"),
        ("STRIPE_JS_URL", "https://cdn.portal.test/stripe.js"),
        ("STRIPE_JS_URL", "http://js.stripe.com/endive/stripe.js"),
        ("WEB_CONCURRENCY", "0"),
        ("PORTAL_MAIL_PORT", "smtp"),
        ("PORTAL_LANGUAGES", ","),
        ("PORTAL_LANGUAGES", "en,klingon"),
        ("PORTAL_STAFF_LANGUAGE", "it"),
        ("PORTAL_TIMEZONE", "Europe/Nowhere"),
        ("PORTAL_TIMEZONE", "../../etc/passwd"),
        ("PORTAL_COMPANY_COLOUR", "red"),
        ("PORTAL_COMPANY_IBAN", "DE02120300000000202052"),
        ("PORTAL_COMPANY_BIC", "BYLADEM"),
        ("PORTAL_PRIVATE_ENDPOINTS", "true"),
        ("PORTAL_ENDPOINT_CA_FILE", "/nowhere/authority.pem"),
        ("PORTAL_ENDPOINT_CA_FILE", __file__),
        ("PORTAL_COMPANY_COLOUR", "#12345g"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_short"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_change-me-change-me"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_9fK2mQ7xW4tZ8bV1,whsec_x"),
        ("STRIPE_WEBHOOK_SECRETS", " , "),
        ("STRIPE_SECRET_KEY", "sk_test_51Nf00barbaz"),
        ("STRIPE_SECRET_KEY", "something else"),
    ],
)
def test_a_setting_that_cannot_serve_customers_stops_a_production_and_is_named(
    load: Load, name: str, value: str | None
) -> None:
    with pytest.raises(WrongSettings, match=name) as raised:
        load(**{name: value})
    assert len(str(raised.value).splitlines()) == 1


def test_all_that_is_unsafe_is_named_at_once(load: Load) -> None:
    with pytest.raises(WrongSettings) as raised:
        load(PORTAL_SECRET_KEY="a" * 40, PORTAL_PROXIES=None, PORTAL_MAIL_SENDER=None)
    names = [line.partition(" ")[0] for line in str(raised.value).splitlines()]
    assert names == ["PORTAL_SECRET_KEY", "PORTAL_PROXIES", "PORTAL_MAIL_SENDER"]


def test_no_proxy_is_said_in_a_word(load: Load) -> None:
    assert load(PORTAL_PROXIES="none").proxies == 0
    assert load(PORTAL_PROXIES="2").proxies == 2


def test_limits_of_several_processes_are_counted_in_one_place(load: Load) -> None:
    with pytest.raises(WrongSettings, match=r"PORTAL_LIMITS_STORAGE.*WEB_CONCURRENCY"):
        load(WEB_CONCURRENCY="2")
    assert load(WEB_CONCURRENCY="2", PORTAL_LIMITS_STORAGE="redis://127.0.0.1:6379").web_processes == 2
    assert load(WEB_CONCURRENCY="1").web_processes == 1
    for private in (
        "rediss://:redis-pass@cache.test:6379",
        "redis://:redis-pass@127.0.0.1:6379",
        "redis://limits:6379",
    ):
        assert load(PORTAL_LIMITS_STORAGE=private).limits_storage == private


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://portal:x@db.test/portal?sslmode=require",
        "postgresql+psycopg://portal:x@db.test/portal?sslmode=verify-ca",
        "postgresql://portal:x@127.0.0.1:5432/portal",
        "postgresql://portal:x@[::1]:5432/portal",
        "postgresql://portal:x@localhost/portal",
        "postgresql://portal:x@/portal?host=/var/run/postgresql",
        "sqlite:////srv/portal/portal.db",
    ],
)
def test_a_database_that_nobody_can_listen_to_is_taken(load: Load, url: str) -> None:
    assert load(PORTAL_DATABASE_URL=url).database_url == url


def test_the_short_scheme_of_postgresql_is_understood(load: Load) -> None:
    assert load(PORTAL_DATABASE_URL="postgres://portal@127.0.0.1/portal").database_url.startswith(
        "postgresql://portal@"
    )


def test_a_mail_password_goes_through_tls_or_stays_on_this_machine(load: Load) -> None:
    account = {
        "PORTAL_MAIL_USERNAME": "portal",
        "PORTAL_MAIL_PASSWORD": "mail-pass",
        "PORTAL_MAIL_SERVER": "smtp.portal.test",
    }
    with pytest.raises(WrongSettings, match="PORTAL_MAIL_USE_TLS"):
        load(**account)
    load(**account, PORTAL_MAIL_USE_TLS="true")
    load(**account | {"PORTAL_MAIL_SERVER": "127.0.0.1"})


@pytest.mark.parametrize(
    "make", [secrets.token_urlsafe, secrets.token_hex, lambda count: b64encode(secrets.token_bytes(count)).decode()]
)
@pytest.mark.parametrize("count", [24, 32, 48])
def test_what_an_api_client_draws_is_random_enough(make: Callable[[int], str], count: int) -> None:
    assert all(unsafe_settings.is_random(make(count)) for _ in range(50))


def test_wrong_settings_end_in_sentences_without_a_traceback() -> None:
    environment = process_environment(
        **PRODUCTION | {"PORTAL_PROXIES": "", "PORTAL_COMPANY_NAME": "", "STRIPE_API_BASE": "", "STRIPE_JS_URL": ""}
    )
    gunicorn = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "deploy/gunicorn.conf.py",
        "--bind",
        "127.0.0.1:0",
        "wsgi:app",
    ]
    flask = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
    for command in (gunicorn, flask):
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        told = [line for line in done.stderr.splitlines() if not line.startswith("[")]
        assert done.returncode != 0
        assert [line.partition(" ")[0] for line in told] == ["The", "PORTAL_PROXIES", "PORTAL_COMPANY_NAME"], (
            done.stderr
        )


def test_gunicorn_counts_the_processes_that_it_is_told_to_start_in_any_way() -> None:
    environment = process_environment(**PRODUCTION | {"STRIPE_API_BASE": "", "STRIPE_JS_URL": ""})
    environment["GUNICORN_CMD_ARGS"] = "--workers 3"
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", "127.0.0.1:0"]
    done = subprocess.run(
        [*command, "wsgi:app"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode != 0
    assert "PORTAL_LIMITS_STORAGE is memory://, but WEB_CONCURRENCY starts 3 processes" in done.stderr


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_live_abc"])
@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:12111", "https://api.stripe.com.evil.test", "https://api.stripe.co"]
)
def test_a_live_key_is_sent_to_stripe_and_to_nobody_else(load: Load, key: str, base: str) -> None:
    with pytest.raises(WrongSettings, match="STRIPE_API_BASE"):
        load(STRIPE_SECRET_KEY=key, STRIPE_API_BASE=base)


def test_stripes_own_address_may_end_in_a_slash(load: Load) -> None:
    assert load(STRIPE_API_BASE="https://api.stripe.com/").stripe_api_base == config.STRIPE_API


@pytest.mark.parametrize("environment", ["development", "test", "staging"])
def test_a_live_key_is_for_production_only(load: Load, environment: str) -> None:
    with pytest.raises(WrongSettings, match="PORTAL_ENVIRONMENT"):
        load(PORTAL_ENVIRONMENT=environment)


def test_a_staging_takes_test_keys_and_is_otherwise_held_to_the_same(load: Load) -> None:
    staging = {
        "PORTAL_ENVIRONMENT": "staging",
        "STRIPE_SECRET_KEY": "sk_test_51Nf00barbaz",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_51Nf00barbaz",
    }
    assert not load(**staging).livemode
    for name, value in (
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_51Nf00barbaz"),
        ("PORTAL_SECRET_KEY", "short"),
        ("PORTAL_BASE_URL", "http://staging.portal.test"),
        ("PORTAL_PRIVATE_ENDPOINTS", "true"),
        ("PORTAL_PROXIES", None),
        ("PORTAL_COMPANY_NAME", None),
    ):
        with pytest.raises(WrongSettings, match=name):
            load(**staging | {name: value})


def test_a_developer_needs_neither_https_nor_long_secrets(load: Load) -> None:
    settings = load(**SETTINGS, PORTAL_DATABASE_URL="sqlite:///portal.db")
    assert not settings.secure_cookies
    with pytest.raises(WrongSettings, match="STRIPE_PUBLISHABLE_KEY"):
        load(**SETTINGS | {"STRIPE_PUBLISHABLE_KEY": "sk_test_51Nf00barbaz"}, PORTAL_DATABASE_URL="sqlite:///portal.db")


def test_staff_need_a_second_factor_where_customers_are_unless_it_is_said_otherwise(load: Load) -> None:
    staging = {
        "PORTAL_ENVIRONMENT": "staging",
        "STRIPE_SECRET_KEY": "sk_test_51Nf00barbaz",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_51Nf00barbaz",
    }
    assert load().staff_need_second_factor
    assert load(**staging).staff_need_second_factor
    assert not load(PORTAL_STAFF_SECOND_FACTOR="optional").staff_need_second_factor
    developer = SETTINGS | {"PORTAL_DATABASE_URL": "sqlite:///portal.db", "PORTAL_STAFF_SECOND_FACTOR": None}
    assert not load(**developer).staff_need_second_factor
    assert load(**developer | {"PORTAL_STAFF_SECOND_FACTOR": "required"}).staff_need_second_factor


def test_limits_of_other_amounts_are_read_in_major_units(load: Load) -> None:
    settings = load(PORTAL_PAY_ANY_AMOUNT_LIMITS=" EUR:5-5000 , jpy:500-500000,kwd:1.5-99.99,")
    assert settings.pay_any_amount_limits == {
        "eur": (Decimal(5), Decimal(5000)),
        "jpy": (Decimal(500), Decimal(500000)),
        "kwd": (Decimal("1.5"), Decimal("99.99")),
    }


@pytest.mark.parametrize(
    "limits",
    "eur|eur:5|eur:-|eur:a-b|eur:10-5|eur:0-5|eur:-5-5|euro:5-10|xxx:5-10|eur:5-10.001|jpy:1.5-10|kwd:1-1.001|"
    "isk:1-1.5|eur:NaN-5|eur:5-Infinity|eur:5-1e999999999|eur:5-sNaN".split("|"),
)
def test_limits_that_stripe_cannot_charge_stop_the_start(load: Load, limits: str) -> None:
    with pytest.raises(WrongSettings, match="PORTAL_PAY_ANY_AMOUNT_LIMITS"):
        load(PORTAL_PAY_ANY_AMOUNT_LIMITS=limits)


def test_lists_are_parted_by_commas(load: Load) -> None:
    settings = load(PORTAL_LANGUAGES=" de, en ,", STRIPE_WEBHOOK_SECRETS="whsec_9fK2mQ7xW4tZ8bV1, whsec_1234567890ab")
    assert (settings.languages, settings.staff_language) == (("de", "en"), "de")
    assert load(PORTAL_STAFF_LANGUAGE="de").staff_language == "de"
    given = [secret.get_secret_value() for secret in settings.stripe_webhook_secrets]
    assert given == ["whsec_9fK2mQ7xW4tZ8bV1", "whsec_1234567890ab"]


def test_the_companys_address_has_lines(load: Load) -> None:
    settings = load(PORTAL_COMPANY_ADDRESS="Hafenstraße 1| 20457 Hamburg ||")
    assert settings.company.address_lines == ["Hafenstraße 1", "20457 Hamburg"]


SECRETS = ("8Jw2pLx0vQe5rT7y", "hunter2", "sk_live_", "whsec_", "mail-pass", "redis-pass")


def test_settings_show_no_secret(load: Load) -> None:
    settings = load(PORTAL_MAIL_PASSWORD="mail-pass", PORTAL_LIMITS_STORAGE="rediss://:redis-pass@cache.test:6379")
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert [secret for secret in SECRETS if secret in shown] == []


def test_an_error_shows_no_secret_not_even_in_the_traceback_of_the_process() -> None:
    environment = process_environment(
        **PRODUCTION | {"PORTAL_BASE_URL": "http://billing.portal.test", "PORTAL_PROXIES": "x"}
    )
    environment["PORTAL_MAIL_PASSWORD"] = "mail-pass"
    done = subprocess.run(
        [sys.executable, "-c", "from portal.core import config; config.load()"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "PORTAL_PROXIES" in done.stderr
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []


def test_what_the_portal_writes_is_for_its_own_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "portal.db"
    environment = process_environment(
        PORTAL_DATABASE_URL=f"sqlite:///{file}",
        PORTAL_AUDIT_ANCHOR_FILE=str(tmp_path / "anchors"),
        PORTAL_MARKS_FILE=str(tmp_path / "marks.json"),
    )
    for words in (["migrate"], ["audit", "anchor"], ["backup", str(tmp_path / "copy.db")]):
        subprocess.run(
            ["sh", "-c", 'umask 022; exec "$@"', "sh", sys.executable, "-m", "flask", "--app", "wsgi", *words],
            cwd=ROOT, env=environment, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
    written = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert {"portal.db", "anchors", "marks.json", "copy.db"} <= written.keys()
    assert set(written.values()) == {0o600}
