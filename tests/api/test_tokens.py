"""Access tokens under attack: whatever is not exactly what we signed, for someone who may still call, is 401."""

from __future__ import annotations

import base64
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.accounts import access
from portal.accounts.models import Customer
from portal.api import tokens
from portal.core import clock, db, signing_keys
from portal.identity import api_clients, app_grants
from portal.identity.models import CustomerRole, User
from tests import factories
from tests.api.forging import hs256, packed, put_together, refused

pytestmark = pytest.mark.database("sqlite")

WHERE = "/api/invoices"


def of_period(period: int) -> tuple[str, Ed25519PrivateKey]:
    """The id and the key that tokens of this period are signed with."""
    key = signing_keys.derived(tokens._purpose(period))
    return tokens._key_id(period, key), key


@dataclass
class Door:
    """The API, someone whose app may read invoices, and what a right token of theirs consists of."""

    app: Flask
    user: User
    grant: app_grants.Grant
    http: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.app.test_client(use_cookies=False)

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": "EdDSA", "typ": "at+jwt", "kid": of_period(tokens._period_now())[0]}

    @property
    def claims(self) -> dict[str, Any]:
        now = int(clock.now().timestamp())
        return {
            "iss": "http://127.0.0.1:8000", "aud": "http://127.0.0.1:8000/api", "sub": self.user.id, "sid": self.grant.id,
            "iat": now, "nbf": now, "exp": now + 600, "jti": "one", "scope": "invoices:read",
        }  # fmt: skip

    def sign(self, signed: bytes) -> bytes:
        """As the portal does."""
        return of_period(tokens._period_now())[1].sign(signed)

    def token(self, header: dict[str, Any] | None = None, claims: Any = None) -> str:
        """Rightly signed; a header or a claim that is None is left out."""
        return put_together(_merged(self.header, header or {}), _merged(self.claims, claims or {}), self.sign)

    def knock(self, token: str, where: str = WHERE) -> TestResponse:
        return self.http.get(where, headers={"Authorization": f"Bearer {token}"})

    def refuses(self, token: str) -> None:
        refused(self.knock(token), token)


def _merged(usual: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (usual | changes).items() if value is not None}


@pytest.fixture
def door(app: Flask) -> Door:
    with db.transaction() as session:
        user = factories.user(session, factories.customer(session), email="ada@spree-bikes.test")
    return Door(app, user, app_of(user))


def app_of(user: User) -> app_grants.Grant:
    return app_grants.sign_in(user.email, factories.PASSWORD, code=None, wanted=None, ip="", user_agent="")


def test_what_is_put_together_here_is_what_the_portal_signs(door: Door) -> None:
    assert door.knock(door.token()).status_code == 200
    assert door.knock(tokens.sign(door.user.id, frozenset({"invoices:read"}), grant=door.grant.id)).status_code == 200
    answer = door.http.get(WHERE, headers={"Authorization": f"bearer  {door.token()} "})
    assert answer.status_code == 200, "the scheme's case and spaces around do not matter (RFC 9110)"


# Algorithms and keys


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "NONE", "", "HS256", "ES256", "RS256", "EdDSA ", "Ed25519"])
def test_an_algorithm_that_the_token_names_is_not_taken(door: Door, name: str) -> None:
    right = door.token()
    signature = right.rpartition(".")[2]
    unsigned = put_together(door.header | {"alg": name}, door.claims, lambda _signed: b"")
    door.refuses(unsigned)
    door.refuses(unsigned + signature)
    door.refuses(door.token({"alg": name}))
    door.refuses(door.token({"alg": None}))


def test_a_public_key_is_no_secret(door: Door) -> None:
    """The classic confusion: HMAC with what everyone may read."""
    public = of_period(tokens._period_now())[1].public_key()
    jwk = door.http.get("/.well-known/jwks.json").json["keys"][1]  # type: ignore[index]
    spki = PublicFormat.SubjectPublicKeyInfo
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    known = (
        public.public_bytes(Encoding.PEM, spki), public.public_bytes(Encoding.PEM, spki).strip(), raw, raw.hex().encode(),
        public.public_bytes(Encoding.DER, spki), public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        json.dumps(jwk).encode(), json.dumps(jwk, separators=(",", ":")).encode(), jwk["x"].encode(), jwk["kid"].encode(), b"",
    )  # fmt: skip
    for secret in known:
        for algorithm in ("HS256", "EdDSA"):
            door.refuses(put_together(door.header | {"alg": algorithm}, door.claims, hs256(secret)))


@pytest.mark.parametrize(
    "kid",
    [
        None, "", "unknown", "../../../../dev/null", "/etc/passwd", "' OR '1'='1", "x' UNION SELECT 'secret' --",
        "x" * 2_000, "\x00", "😀", 0, 17, True, ["a"], {"kid": "a"},
    ],
)  # fmt: skip
def test_a_key_that_the_token_names_must_be_one_of_ours(door: Door, kid: Any) -> None:
    door.refuses(door.token({"kid": kid}))
    door.refuses(put_together(door.header | {"kid": kid}, door.claims, hs256(b"")))


def test_a_key_of_ours_does_not_vouch_for_anothers_signature(door: Door) -> None:
    door.refuses(put_together(door.header, door.claims, Ed25519PrivateKey.generate().sign))


def test_keys_that_a_token_brings_along_are_not_looked_at(door: Door) -> None:
    forger = Ed25519PrivateKey.generate()
    raw = forger.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": packed(raw), "kid": "mine"}
    address = "http://127.0.0.1:9/keys"  # where nobody listens: who asks there is 503, not 401
    brought: tuple[dict[str, Any], ...] = (
        {"jwk": jwk}, {"jku": address}, {"x5u": address}, {"x5c": [packed(raw)]}, {"jwk": jwk, "jku": address, "x5u": address},
    )  # fmt: skip
    for more in brought:
        for kid in ({}, {"kid": "mine"}):
            door.refuses(put_together(door.header | more | kid, door.claims, forger.sign))


@pytest.mark.parametrize("critical", [["exp"], ["unknown"], ["b64"], [], "exp", [17]])
def test_what_is_critical_and_not_understood_is_refused(door: Door, critical: Any) -> None:
    door.refuses(door.token({"crit": critical, "unknown": True}))
    door.refuses(door.token({"crit": critical, "b64": False}))


def test_this_months_key_and_its_neighbours_verify_and_no_other(door: Door) -> None:
    listed = {key["kid"] for key in door.http.get("/.well-known/jwks.json").json["keys"]}  # type: ignore[index]
    for months, verifies in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        key_id, key = of_period(tokens._period_now() + months)
        token = put_together(door.header | {"kid": key_id}, door.claims, key.sign)
        assert (door.knock(token).status_code == 200) is verifies, months
        assert (key_id in listed) is verifies


def test_the_key_changes_by_itself_and_the_last_one_is_still_known(door: Door) -> None:
    now = clock.now()
    first = door.header["kid"]
    with time_machine.travel(now + tokens.KEY_PERIOD):
        assert door.header["kid"] != first
        assert first in {key["kid"] for key in tokens.public_keys()}
    with time_machine.travel(now + 2 * tokens.KEY_PERIOD):
        assert first not in {key["kid"] for key in tokens.public_keys()}


def test_no_private_part_is_given_out(door: Door) -> None:
    answer = door.http.get("/.well-known/jwks.json").json
    assert answer is not None
    assert [key.keys() for key in answer["keys"]] == [{"kty", "crv", "alg", "use", "kid", "x"}] * 3


# Claims


@pytest.mark.parametrize("name", tokens.REQUIRED)
def test_every_claim_must_be_there(door: Door, name: str) -> None:
    door.refuses(door.token(claims={name: None}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "http://127.0.0.1:8000"}, {"aud": "http://127.0.0.1:8000/api/"}, {"aud": ""}, {"aud": []}, {"aud": 17},
        {"iss": "http://127.0.0.1:8000/"}, {"iss": "https://evil.test"}, {"iss": ""}, {"iss": ["http://127.0.0.1:8000"]},
        {"exp": "never"}, {"exp": True}, {"exp": -1}, {"nbf": "x"}, {"iat": "x"}, {"sub": 17}, {"sub": ""},
        {"sub": ["usr_1"]}, {"jti": 17}, {"sid": "grt_unknown"}, {"sid": ""}, {"sid": 17}, {"sid": None},
    ],
)  # fmt: skip
def test_every_claim_must_be_right(door: Door, wrong: dict[str, Any]) -> None:
    door.refuses(door.token(claims=wrong))


def test_a_token_lives_ten_minutes_give_or_take_ten_seconds(door: Door) -> None:
    now = int(clock.now().timestamp())
    door.refuses(door.token(claims={"exp": now - 11}))
    door.refuses(door.token(claims={"exp": now - 10_000_000}))
    assert door.knock(door.token(claims={"exp": now - 5})).status_code == 200


def test_one_that_would_live_longer_than_a_quarter_of_an_hour_is_refused(door: Door) -> None:
    now = int(clock.now().timestamp())
    assert door.knock(door.token(claims={"exp": now + 890})).status_code == 200
    door.refuses(door.token(claims={"exp": now + 920}))
    door.refuses(door.token(claims={"nbf": now + 60}))
    door.refuses(door.token(claims={"iat": now + 60}))
    assert door.knock(door.token(claims={"nbf": now + 5, "iat": now + 5})).status_code == 200
    assert timedelta(minutes=15) >= tokens.LIFETIME


def test_a_sign_in_vouches_for_its_own_user_only(door: Door) -> None:
    with db.transaction() as session:
        other = factories.user(session, factories.customer(session), email="bo@elbe-boats.test")
    door.refuses(door.token(claims={"sub": other.id}))
    door.refuses(door.token(claims={"sid": app_of(other).id}))


@pytest.mark.parametrize("kind", [None, "JWT", "jwt", "AT+JWT", "refresh+jwt", "", 17])
def test_only_an_access_token_is_one(door: Door, kind: Any) -> None:
    door.refuses(door.token({"typ": kind}))


def test_other_secrets_of_ours_are_no_access_tokens(door: Door) -> None:
    with db.transaction() as session:
        admin = factories.staff(session, "admin")
    client, secret = api_clients.create("Books", ["invoices:read"], admin.id)
    for other in (door.grant.refresh_token, secret, f"{client.id}:{secret}", door.grant.id, client.id):
        door.refuses(other)


# Altered


def test_an_altered_payload_is_refused(door: Door) -> None:
    header, _claims, signature = door.token().split(".")
    for altered in (door.claims | {"scope": "invoices:read payments:write"}, door.claims | {"exp": 2**40}, {}):
        door.refuses(f"{header}.{packed(json.dumps(altered).encode())}.{signature}")
    for odd in (b"", b"[]", b'"text"', b"null", b"17", b"{", b"\xff\xfe", b"[" * 2_500, b'{"a":' * 500):
        door.refuses(f"{header}.{packed(odd)}.{signature}")
        door.refuses(put_together(door.header, odd or b" ", door.sign))


def test_an_altered_signature_is_refused(door: Door) -> None:
    """Also where it decodes to the same bytes: the last letter of 64 bytes has four bits to spare."""
    token = door.token()
    signed, _, signature = token.rpartition(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(signature[-1])
    spare = [signature[:-1] + letters[last ^ bits] for bits in (1, 2, 4, 8, 15)]
    for other in (
        *spare,
        "A" * 86,
        signature[::-1],
        signature[:-1],
        signature[:43],
        "",
        signature + "AA",
        signature + "=",
    ):
        door.refuses(f"{signed}.{other}")
    for odd in (
        f"{token}.",
        f".{token}",
        f"{token}.{signature}",
        signed,
        token.replace(".", ""),
        token.replace(".", ". ", 1),
    ):
        door.refuses(odd)
    assert door.knock(token).status_code == 200


@pytest.mark.parametrize("length", [tokens.LONGEST_TOKEN + 1, 100_000])
def test_a_huge_token_is_not_even_read(door: Door, length: int) -> None:
    door.refuses("x" * length)
    door.refuses(door.token(claims={"more": "x" * length}))


# How it is sent


def test_a_token_comes_in_one_header_and_no_other_way(door: Door, app: Flask) -> None:
    token = door.token()
    refused(door.http.get(WHERE))
    for value in (
        token,
        "Bearer",
        "Bearer ",
        f"Basic {token}",
        f"Token {token}",
        f"Bearer:{token}",
        f"Bearer {token} {token}",
    ):
        refused(door.http.get(WHERE, headers={"Authorization": value}), token)
    basic = base64.b64encode(f"{door.user.email}:{factories.PASSWORD}".encode()).decode()
    refused(door.http.get(WHERE, headers={"Authorization": f"Basic {basic}"}))
    refused(door.http.get(WHERE, headers=[("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]))
    refused(door.http.get(WHERE, headers=[("Authorization", "Bearer x"), ("Authorization", f"Bearer {token}")]))
    for name in ("access_token", "token", "authorization", "bearer"):
        refused(door.http.get(WHERE, query_string={name: token}), token)
        browser = app.test_client()
        browser.set_cookie(name, token)
        refused(browser.get(WHERE), token)


def test_a_browsers_session_is_no_token(door: Door, app: Flask) -> None:
    browser = FlaskClient(app, app.response_class)
    factories.sign_in(browser, door.user)
    assert browser.get("/account").status_code == 200
    refused(browser.get(WHERE))
    cookie = browser.get_cookie("portal")
    assert cookie is not None
    door.refuses(cookie.value)


# Who may still call


def test_the_token_of_an_ended_sign_in_opens_nothing(door: Door) -> None:
    token, other = door.token(), app_of(door.user)
    app_grants.sign_out(door.grant.refresh_token)
    door.refuses(token)
    assert door.knock(door.token(claims={"sid": other.id})).status_code == 200


def test_the_token_of_a_revoked_api_client_opens_nothing(door: Door) -> None:
    with db.transaction() as session:
        admin = factories.staff(session, "admin")
    client, _secret = api_clients.create("Books", ["invoices:read"], admin.id)
    token = tokens.sign(client.id, frozenset({"invoices:read"}))
    assert door.knock(token).status_code == 200
    api_clients.revoke(client.id)
    door.refuses(token)


def test_the_token_of_a_deactivated_user_opens_nothing(door: Door) -> None:
    token = door.token()
    access.end(door.user.id)
    door.refuses(token)


def test_scopes_beyond_a_role_are_left_out(door: Door) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, door.user.customer_id)
        viewer = factories.user(session, customer, CustomerRole.VIEWER, email="eve@spree-bikes.test")
        admin = factories.staff(session, "admin")
    client, _secret = api_clients.create("Books", ["invoices:read"], admin.id)
    every = frozenset({"invoices:read", "invoices:write", "payments:read", "payments:write", "refunds:approve", "x"})
    for token, where, method in (
        (tokens.sign(viewer.id, every, grant=app_of(viewer).id), "/api/payments/process", "POST"),
        (tokens.sign(viewer.id, every, grant=app_of(viewer).id), "/api/invoices", "POST"),
        (tokens.sign(client.id, every), "/api/invoices", "POST"),
        (tokens.sign(client.id, every), "/api/payments/history", "GET"),
        (tokens.sign(client.id, every), "/api/refunds/rfd_1/approval", "POST"),
    ):
        answer = door.http.open(where, method=method, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope"), where  # type: ignore[index]
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
        assert door.knock(token).status_code == 200, "what the role does include"


# A shared secret in place of keys

SHARED = "a-secret-that-two-services-share-for-tests"


@pytest.mark.settings(PORTAL_API_JWT_SECRET=SHARED)
def test_with_a_shared_secret_only_that_counts(door: Door) -> None:
    header = {"alg": "HS256", "typ": "at+jwt"}
    own = tokens.sign(door.user.id, frozenset({"invoices:read"}), grant=door.grant.id)
    assert door.knock(own).status_code == 200
    assert door.knock(put_together(header, door.claims, hs256(SHARED.encode()))).status_code == 200
    for secret in (b"", b"secret", SHARED[:-1].encode(), b"a-key-for-tests-which-guards-nothing"):
        door.refuses(put_together(header, door.claims, hs256(secret)))
    door.refuses(door.token())
    door.refuses(put_together({**header, "alg": "none"}, door.claims, lambda _signed: b""))
    door.refuses(put_together({**header, "alg": "HS512"}, door.claims, hs256(SHARED.encode())))
    door.refuses(put_together({**header, "typ": "JWT"}, door.claims, hs256(SHARED.encode())))
    assert door.http.get("/.well-known/jwks.json").json == {"keys": []}


def test_json_without_end_is_no_token(app: Flask) -> None:
    def part(text: str) -> str:
        return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    deep, plain, digits = part("[" * 1_400), part("{}"), part('{"exp": ' + "9" * 1_400 + "}")
    for token in (f"{deep}.{plain}.x", f"{plain}.{deep}.x", f"{plain}.{digits}.x"):
        answer = app.test_client().get("/api/invoices", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json["code"]) == (401, "invalid_token")  # type: ignore[index]
