"""What holds for every request: getting tokens, bodies, problems, limits, other origins."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from jsonschema import Draft202012Validator

from portal.api import tokens
from portal.core import clock
from portal.core.db import new_id
from portal.identity import api_clients, second_factor
from portal.payments.statuses import PaymentStatus
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import RefundStatus
from tests import factories
from tests.api.conftest import App, World

# What is behind is tested on both databases where it stands.
pytestmark = pytest.mark.database("sqlite")

PROCESS = "/api/payments/process"
SAVE = "/api/payments/methods/save"


def test_the_document_is_openapi_and_its_words_are_the_portals(world: World) -> None:
    facts = world.document.facts
    assert facts["openapi"] == "3.1.0"
    for schema in facts["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    enums = facts["components"]["schemas"]
    assert enums["PaymentStatus"]["enum"] == list(PaymentStatus)
    assert enums["RefundStatus"]["enum"] == list(RefundStatus)
    assert enums["RefundReason"]["enum"] == list(RefundReason)
    for path, methods in facts["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["tags"], (path, method)


# Tokens


def test_a_person_signs_in_refreshes_and_signs_out(world: World) -> None:
    app = world.bare()
    password = {"grant_type": "password", "email": world.owner.email, "password": factories.PASSWORD}
    first = app.post("/api/auth/token", password | {"scope": "payments:read account:read"}).json
    assert first is not None
    assert (first["token_type"], first["expires_in"], first["scope"]) == ("Bearer", 600, "account:read payments:read")
    app.token = first["access_token"]
    assert app.get("/api/payments/history").status_code == 200
    assert app.get("/api/invoices").status_code == 403
    renewed = app.post("/api/auth/token", {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}).json
    assert renewed is not None and renewed["refresh_token"] != first["refresh_token"]
    assert app.post("/api/auth/revoke", {"refresh_token": renewed["refresh_token"]}).status_code == 200
    assert app.get("/api/payments/history").status_code == 401, "the access token ends with the sign-in"


def test_a_refresh_token_that_comes_twice_ends_the_sign_in(world: World) -> None:
    app = world.bare()
    password = {"grant_type": "password", "email": world.owner.email, "password": factories.PASSWORD}
    first = app.post("/api/auth/token", password).json
    assert first is not None
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = app.post("/api/auth/token", refresh).json
    assert second is not None
    app.token = second["access_token"]
    stolen = world.bare().post("/api/auth/token", refresh)
    assert (stolen.status_code, stolen.json["code"]) == (401, "grant_over")  # type: ignore[index]
    assert app.get("/api/customers/me").status_code == 401
    assert world.bare().post("/api/auth/token", refresh | {"refresh_token": second["refresh_token"]}).status_code == 401


def test_a_wrong_password_is_401_and_slowed(world: World) -> None:
    app = world.bare()
    wrong = {"grant_type": "password", "email": world.owner.email, "password": "wrong"}
    assert app.post("/api/auth/token", wrong).status_code == 401
    answers = [app.post("/api/auth/token", wrong).status_code for _try in range(10)]
    assert answers[-1] == 429


@pytest.mark.settings(PORTAL_STAFF_SECOND_FACTOR="required")
def test_staff_who_owe_a_second_factor_get_no_token(world: World) -> None:
    asked = {"grant_type": "password", "password": factories.PASSWORD}
    refused = world.bare().post("/api/auth/token", asked | {"email": world.staff("admin").email})
    assert (refused.status_code, refused.json["code"]) == (403, "second_factor_required")  # type: ignore[index]
    assert world.bare().post("/api/auth/token", asked | {"email": world.owner.email}).status_code == 200


def test_a_second_factor_is_asked_for(world: World) -> None:
    second_factor.begin(world.owner.id)
    setting_up = second_factor.setting_up(world.owner.id)
    assert setting_up is not None
    secret = setting_up.typed.replace(" ", "")
    second_factor.confirm(world.owner.id, factories.PASSWORD, pyotp.TOTP(secret).now(), ip="")
    asked = {"grant_type": "password", "email": world.owner.email, "password": factories.PASSWORD}
    missing = world.bare().post("/api/auth/token", asked)
    assert (missing.status_code, missing.json["code"]) == (401, "code_needed")  # type: ignore[index]
    wrong = world.bare().post("/api/auth/token", asked | {"code": "000000"})
    assert (wrong.status_code, wrong.json["code"]) == (401, "wrong_code")  # type: ignore[index]
    later = pyotp.TOTP(secret).at(clock.now() + timedelta(seconds=30))
    assert world.bare().post("/api/auth/token", asked | {"code": later}).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"grant_type": "password"},
        {"grant_type": "implicit"},
        {"grant_type": "refresh_token", "refresh_token": "x", "scope": "payments:read"},
        {"grant_type": "client_credentials", "client_id": "cli_1"},
        {"grant_type": "password", "email": "a@b.test", "password": "x", "client_id": "cli_1"},
        {"grant_type": "password", "email": "a@b.test", "password": "x", "scope": "everything"},
    ],
)
def test_a_token_request_that_makes_no_sense_is_422(world: World, sent: dict[str, Any]) -> None:
    assert world.bare().post("/api/auth/token", sent).status_code == 422


# Bodies


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b"[]", 400, "malformed_json"),
        (b'"text"', 400, "malformed_json"),
        (b'{"amount": 1, "amount": 2}', 400, "malformed_json"),
        (b'{"amount": NaN}', 400, "malformed_json"),
        (b'{"amount": Infinity}', 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b'{"a":' * 20 + b"1" + b"}" * 20, 400, "malformed_json"),
        (b"[" * 100_000, 400, "malformed_json"),
        (b'{"amount": ' + b"9" * 5_000 + b"}", 400, "malformed_json"),
        (b'{"amount": 1e999}', 422, "invalid_request"),
        (b'{"description": "\\ud800"}', 422, "invalid_request"),
        (b'{"description": "' + b"x" * 300_000 + b'"}', 413, "request_entity_too_large"),
    ],
)
def test_what_is_no_plain_object_is_refused(owner: App, body: bytes, status: int, code: str) -> None:
    answer = owner.send(
        "POST", PROCESS, data=body, content_type="application/json", headers={"Idempotency-Key": "some-key"}
    )
    assert answer.json is not None
    assert (answer.status_code, answer.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"description": "for 4242 4242 4242 4242"}, "description"),
        ({"metadata": {"pan": "4242424242424242"}}, "metadata.pan"),
        ({"metadata": {"4242424242424242": "x"}}, "metadata"),
        ({"items": [{"description": "4242-4242-4242-4242"}]}, "items.0.description"),
        ({"payment_method_id": "4242424242424242"}, "payment_method_id"),
    ],
)
def test_a_card_number_anywhere_in_a_body_is_refused_before_its_key_is_kept(
    owner: App, world: World, sent: dict[str, Any], field: str
) -> None:
    for _time in range(2):
        refused = owner.post(PROCESS, sent, key="same-key")
        assert refused.status_code == 422 and refused.json is not None
        assert refused.json["code"] == "card_number" and refused.json["errors"][0]["field"] == field
        assert "Idempotent-Replayed" not in refused.headers
    refused = owner.post(PROCESS, {"invoice_id": world.invoice_id}, key="4242424242424242")
    assert refused.json is not None and refused.json["code"] == "card_number"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_anything_but_json_is_415(owner: App, kind: str) -> None:
    answer = owner.send("POST", PROCESS, data=b"{}", content_type=kind, headers={"Idempotency-Key": "some-key"})
    assert answer.status_code == 415


def test_a_parameter_that_comes_twice_is_refused(owner: App) -> None:
    answer = owner.send("GET", "/api/payments/history?limit=1&limit=2")
    assert answer.json is not None
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "limit")


# Problems


def test_a_refusal_is_a_problem_that_tells_its_request(owner: App) -> None:
    answer = owner.get("/api/invoices/inv_none")
    assert answer.json is not None
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == answer.status_code == 404
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_a_problem_is_in_the_language_that_was_asked_for(owner: App) -> None:
    answer = owner.send("GET", "/api/invoices/inv_none", headers={"Accept-Language": "de"})
    assert answer.json is not None and answer.json["title"] == "Nicht gefunden"


def test_no_answer_says_how_we_are_made(owner: App, world: World) -> None:
    world.fail("error_before", "/v1/*", times=50)
    for answer in (
        owner.post(PROCESS, {"invoice_id": world.invoice_id}),
        owner.post(PROCESS, {"invoice_id": "' OR 1=1 --"}),
        owner.get("/api/payments/history", cursor="AAAA"),
    ):
        for inside in ("Traceback", "SELECT", "sqlite", "psycopg", "/portal", "stripe.", "sk_test"):
            assert inside not in answer.text
        assert "Set-Cookie" not in answer.headers


# Limits and other origins


@pytest.mark.settings(PORTAL_API_LIMITS="all:3/minute")
def test_who_calls_too_often_is_told_when_to_come_back(owner: App, world: World) -> None:
    answers = [owner.get("/api/customers/me") for _time in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"all";q=3;w=60'
    assert answers[0].headers["RateLimit"].startswith('"all";r=2;t=')
    assert int(answers[3].headers["Retry-After"]) in range(1, 61)
    assert world.stranger().get("/api/customers/me").status_code == 200, "others are counted by themselves"


@pytest.mark.settings(PORTAL_LIMITS_STORAGE="redis://127.0.0.1:9/0")
def test_when_the_limits_storage_is_down_everything_else_goes_on(owner: App, world: World) -> None:
    paid = owner.post(PROCESS, {"invoice_id": world.invoice_id, "payment_method_id": world.method()})
    assert paid.status_code == 201
    assert world.bare("no.such.token").get("/api/customers/me").status_code == 401
    assert world.bare().http.post("/sign-in", data={}).status_code == 400


@pytest.mark.settings(PORTAL_API_LIMITS="refused:5/minute")
def test_who_guesses_tokens_is_stopped_by_address(world: World) -> None:
    answers = [world.bare("no.such.token").get("/api/customers/me").status_code for _time in range(6)]
    assert answers == [401] * 5 + [429]

    def from_(address: str) -> int:
        app = world.bare("no.such.token")
        return app.send("GET", "/api/customers/me", environ_base={"REMOTE_ADDR": address}).status_code

    # Of IPv6 a subscriber has a whole network.
    answers = [from_(f"2001:db8:1:2:{number:x}::{number:x}") for number in range(6)]
    assert answers == [401] * 5 + [429]
    assert from_("2001:db8:1:3::1") == 401


@pytest.mark.settings(PORTAL_API_LIMITS="sign_in:3/minute")
def test_getting_tokens_counts_failures_alone(world: World) -> None:
    """A company's own server gets the tokens of all its customers from one address."""
    admin = world.staff("admin")
    client, secret = api_clients.create("Books", ["invoices:read"], admin.id)
    proof = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": secret}
    app = world.bare()
    assert [app.post("/api/auth/token", proof).status_code for _time in range(4)] == [200] * 4
    password = {"grant_type": "password", "email": world.owner.email, "password": factories.PASSWORD}
    token = app.post("/api/auth/token", password).json["refresh_token"]  # type: ignore[index]
    for _time in range(4):
        answer = app.post("/api/auth/token", {"grant_type": "refresh_token", "refresh_token": token})
        assert (answer.status_code, answer.headers["RateLimit"][:13]) == (200, '"sign_in";r=3')
        token = answer.json["refresh_token"]  # type: ignore[index]
    for _time in range(4):
        assert app.post("/api/auth/revoke", {"refresh_token": token}).status_code == 200
    wrong = [proof | {"client_secret": "guessed"}, password | {"password": "guessed"}]
    assert [app.post("/api/auth/token", guess).status_code for guess in wrong] == [401, 401]
    assert app.post("/api/auth/revoke", {"refresh_token": "prt_guessed"}).status_code == 200
    refused = app.post("/api/auth/token", proof)
    assert (refused.status_code, refused.headers["RateLimit"][:13]) == (429, '"sign_in";r=0')


@pytest.mark.settings(
    PORTAL_API_LIMITS="sign_in:2/minute,refused:2/minute", PORTAL_CARD_LIMITS="failures_from_address:2/hour"
)
def test_a_trusted_system_says_where_its_end_users_are_and_they_are_counted_apart(owner: App, world: World) -> None:
    key, _secret = api_clients.create("Shop", [], world.staff("admin").id, names_end_users=True)
    shop = {"Client-Authorization": f"Bearer {tokens.sign(key.id, frozenset())}"}
    wrong = {"grant_type": "password", "email": world.owner.email, "password": "guessed"}

    def of(address: str, path: str, body: Any, app: App = owner, **headers: str) -> Any:
        named = {"End-User-Address": address, "Idempotency-Key": new_id("key")} | shop | headers
        return app.send("POST", path, json=body, headers=named)

    stranger = world.bare()
    guesses = [of("203.0.113.7", "/api/auth/token", wrong, stranger).status_code for _time in range(3)]
    assert guesses == [401, 401, 429]
    assert of("203.0.113.8", "/api/auth/token", wrong, stranger).status_code == 401
    other = world.stranger()
    for _time in range(2):
        declined = {"payment_method_id": world.method("chargeDeclined")}
        assert of("203.0.113.7", SAVE, declined, other).status_code == 402
    refused = of("203.0.113.7", SAVE, {"payment_method_id": world.method()})
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert '"failures_from_address";q=2;w=3600' in refused.headers["RateLimit-Policy"]
    assert '"failures_from_address";r=0' in refused.headers["RateLimit"]
    saved = of("203.0.113.8", SAVE, {"payment_method_id": world.method()})
    assert saved.status_code == 201
    assert '"cards_of_customer";r=5' in saved.headers["RateLimit"]
    assert of("nowhere", SAVE, {}).status_code == 422
    assert of("203.0.113.7", SAVE, {}, owner, **{"Client-Authorization": "Bearer forged"}).status_code == 401


def test_nobody_else_names_an_end_users_address(owner: App, world: World) -> None:
    key, _secret = api_clients.create("Books", ["invoices:read"], world.staff("admin").id)
    named = {"End-User-Address": "203.0.113.7"}
    untrusted = named | {"Client-Authorization": f"Bearer {tokens.sign(key.id, frozenset())}"}
    for headers in (named, untrusted):
        refused = owner.send("GET", "/api/customers/me", headers=headers)
        assert (refused.status_code, refused.json["code"]) == (403, "end_user_address_not_allowed")  # type: ignore[index]


@pytest.mark.settings(PORTAL_API_CORS_ORIGINS="https://app.spree-bikes.test")
def test_only_listed_origins_may_call_from_a_browser(owner: App) -> None:
    ours = owner.send("GET", "/api/customers/me", headers={"Origin": "https://app.spree-bikes.test"})
    assert ours.headers["Access-Control-Allow-Origin"] == "https://app.spree-bikes.test"
    assert "Access-Control-Allow-Credentials" not in ours.headers
    for origin in ("https://evil.test", "null", "https://app.spree-bikes.test.evil.test"):
        theirs = owner.send("GET", "/api/customers/me", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in theirs.headers
    asked = {
        "Origin": "https://app.spree-bikes.test",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, idempotency-key",
    }
    preflight = owner.http.options(PROCESS, headers=asked)
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed and "idempotency-key" in allowed


def test_without_the_setting_no_origin_may(owner: App) -> None:
    answer = owner.send("GET", "/api/customers/me", headers={"Origin": "https://app.spree-bikes.test"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_pages_are_for_no_other_origin(world: World) -> None:
    answer = world.bare().http.get("/sign-in", headers={"Origin": "https://app.spree-bikes.test"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_stripes_webhooks_are_still_taken(world: World) -> None:
    answer = world.bare().http.post("/api/webhooks/stripe", data=json.dumps({}))
    assert answer.status_code == 400
