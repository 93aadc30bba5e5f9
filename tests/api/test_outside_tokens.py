"""Tokens of an outside identity provider, which is a real server here: taken for the customer that they name, and for nothing more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from werkzeug.test import TestResponse

from portal.accounts.models import Customer
from portal.api import tokens
from portal.core import clock, db, signing_keys
from portal.jobs import outbox
from tests import factories
from tests.api.forging import hs256, put_together, refused

pytestmark = pytest.mark.database("sqlite")

ISSUER = "https://login.nordlicht.test"
AUDIENCE = "billing-portal"
CLAIM = "https://nordlicht.test/customer"
WHERE = "/api/invoices"


class Provider:
    """An identity provider with an RSA and an elliptic key; `asked` counts how often its keys were fetched."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(65537, 2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.asked = 0
        self.status = 200
        self.answer = json.dumps({"keys": [self._jwk(self.rsa, "rsa-1", "RS256"), self._jwk(self.ec, "ec-1", "ES256")]})
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                self.send_response(provider.status)
                self.end_headers()
                self.wfile.write(provider.answer.encode())

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    @staticmethod
    def _jwk(key: Any, key_id: str, algorithm: str) -> dict[str, Any]:
        kind = RSAAlgorithm if algorithm.startswith("R") else ECAlgorithm
        written: dict[str, Any] = json.loads(kind.to_jwk(key.public_key()))
        return written | {"kid": key_id, "alg": algorithm, "use": "sig"}

    def also(self, key: Any, key_id: str, algorithm: str) -> None:
        """Publish one more key."""
        keys = [*json.loads(self.answer)["keys"], self._jwk(key, key_id, algorithm)]
        self.answer = json.dumps({"keys": keys})

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@dataclass
class Gate:
    """The API with a provider that it trusts, and a customer."""

    app: Flask
    provider: Provider
    customer: Customer
    http: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.app.test_client(use_cookies=False)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(clock.now().timestamp())
        usual = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "someone|17", "exp": now + 300, "iat": now, CLAIM: self.customer.id,
            "scope": "invoices:read payments:read",
        }  # fmt: skip
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def token(self, *, algorithm: str = "RS256", kid: str | None = None, key: Any = None, **changes: Any) -> str:
        usual, usual_kid = (self.provider.rsa, "rsa-1") if algorithm[:2] in {"RS", "PS"} else (self.provider.ec, "ec-1")
        headers = {"kid": usual_kid if kid is None else kid}
        return jwt.encode(self.claims(**changes), key or usual, algorithm=algorithm, headers=headers)

    def knock(self, token: str, where: str = WHERE, method: str = "GET") -> TestResponse:
        return self.http.open(where, method=method, headers={"Authorization": f"Bearer {token}"})

    def refuses(self, token: str) -> None:
        refused(self.knock(token), token)


@pytest.fixture
def provider() -> Iterator[Provider]:
    one = Provider()
    yield one
    one.stop()


@pytest.fixture
def gate(
    database: str, provider: Provider, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Gate]:
    monkeypatch.setenv("PORTAL_API_OUTSIDE_ISSUER", ISSUER)
    monkeypatch.setenv("PORTAL_API_OUTSIDE_JWKS_URL", provider.url)
    monkeypatch.setenv("PORTAL_API_OUTSIDE_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("PORTAL_API_OUTSIDE_CUSTOMER_CLAIM", CLAIM)
    tokens._outside_keys.cache_clear()  # a port may come again
    app = request.getfixturevalue("app")
    with db.transaction() as session:
        customer = factories.customer(session)
        factories.invoice(session, customer)
        factories.invoice(session, factories.customer(session, name="Elbe Boats AG"))
    yield Gate(app, provider, customer)
    tokens._outside_keys.cache_clear()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_its_tokens_open_what_is_the_customers(gate: Gate, algorithm: str) -> None:
    answer = gate.knock(gate.token(algorithm=algorithm))
    assert answer.status_code == 200
    assert answer.json is not None
    assert [one["customer_id"] for one in answer.json["data"]] == [gate.customer.id]
    assert gate.provider.asked == 1


def test_scopes_may_be_a_list(gate: Gate) -> None:
    assert gate.knock(gate.token(scope=["invoices:read"])).status_code == 200


def test_what_it_does_not_grant_is_not_allowed(gate: Gate) -> None:
    scopes: tuple[object, ...] = (None, "", "payments:read", [], "INVOICES:READ")
    for scope in scopes:
        answer = gate.knock(gate.token(scope=scope))
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")  # type: ignore[index]


def test_a_refund_that_it_asks_for_waits_for_staff_like_any_other(gate: Gate) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, session.merge(gate.customer))
        reviewer = factories.staff(session, "support")
    answer = gate.http.post(
        "/api/payments/refund",
        json={"payment_id": payment.id, "amount": 10_00, "reason": "product_not_received"},
        headers={
            "Authorization": f"Bearer {gate.token(scope='refunds:request refunds:read')}",
            "Idempotency-Key": "theirs-0001",
        },
    )
    assert (answer.status_code, answer.json["status"]) == (201, "requested")  # type: ignore[index]
    desk = gate.app.test_client()
    factories.sign_in(desk, reviewer)
    for page in ("/support/refunds", f"/support/refunds/{answer.json['id']}"):  # type: ignore[index]
        assert desk.get(page).status_code == 200
    outbox.run_due()


def test_what_only_staff_may_do_is_left_out(gate: Gate) -> None:
    token = gate.token(scope="invoices:read invoices:write refunds:approve", role="admin")
    assert gate.knock(token).status_code == 200
    for where in ("/api/invoices", "/api/refunds/rfd_1/approval", "/api/refunds/rfd_1/rejection"):
        answer = gate.knock(token, where, "POST")
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")  # type: ignore[index]
    with db.reading() as session:
        other = next(row.id for row in session.query(Customer) if row.id != gate.customer.id)
    assert gate.knock(token, f"/api/invoices?customer_id={other}").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-app"}, {"aud": None}, {"aud": []}, {"iss": f"{ISSUER}/"}, {"iss": None}, {"sub": None}, {"sub": 17},
        {"exp": None}, {"exp": 1_000_000_000}, {"nbf": 4_000_000_000}, {CLAIM: None}, {CLAIM: ""}, {CLAIM: "cus_unknown"},
        {CLAIM: "' OR 1=1 --"}, {CLAIM: ["cus_1"]}, {CLAIM: 17}, {CLAIM: "x" * 1_000}, {CLAIM: "\x00"},
        {CLAIM: "\ud800"}, {"sub": "a\x00b"}, {"exp": 4_000_000_000}, {"exp": "9" * 2_000},
    ],
)  # fmt: skip
def test_every_claim_must_be_right(gate: Gate, wrong: dict[str, Any]) -> None:
    gate.refuses(gate.token(**wrong))


@pytest.mark.parametrize(
    ("auth_time", "status"),
    [(0, 201), (-300, 201), (None, 401), (-660, 401), (660, 401), (3_000_000_000, 401), ("now", 401), (1e300, 401)],
)
def test_what_is_weighty_takes_a_recent_sign_in_at_the_provider(gate: Gate, auth_time: Any, status: int) -> None:
    """`auth_time` is told in seconds from now."""
    now = int(clock.now().timestamp())
    claim = now + auth_time if isinstance(auth_time, int | float) else auth_time
    token = gate.token(scope="endpoints:write", auth_time=claim)
    answer = gate.http.post(
        "/api/endpoints",
        json={"url": "https://erp.spree-bikes.test/hook", "events": ["invoice.paid"]},
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "theirs-0001"},
    )
    assert answer.status_code == status
    if status == 401:
        assert answer.json["code"] == "recent_sign_in_required"  # type: ignore[index]


@pytest.mark.parametrize("auth_time", ["-Infinity", "NaN", "-1e300", "-" + "9" * 400])
def test_a_sign_in_at_no_time_is_a_wrong_claim(gate: Gate, auth_time: str) -> None:
    claims = json.dumps(gate.claims(auth_time=0)).replace('"auth_time": 0', f'"auth_time": {auth_time}')
    token = jwt.api_jws.PyJWS().encode(claims.encode(), gate.provider.rsa, algorithm="RS256", headers={"kid": "rsa-1"})
    gate.refuses(token)


def test_its_public_key_is_no_secret(gate: Gate) -> None:
    public = gate.provider.rsa.public_key()
    spki = PublicFormat.SubjectPublicKeyInfo
    jwk = json.loads(gate.provider.answer)["keys"][0]
    for secret in (
        public.public_bytes(Encoding.PEM, spki), public.public_bytes(Encoding.DER, spki), json.dumps(jwk).encode(),
        jwk["n"].encode(), b"",
    ):  # fmt: skip
        for algorithm in ("HS256", "RS256"):
            header = {"alg": algorithm, "typ": "JWT", "kid": "rsa-1"}
            gate.refuses(put_together(header, gate.claims(), hs256(secret)))


def test_algorithms_and_keys_are_not_mixed(gate: Gate) -> None:
    unsigned = {"alg": "none", "kid": "rsa-1"}
    gate.refuses(put_together(unsigned, gate.claims(), lambda _signed: b""))
    gate.refuses(gate.token(algorithm="ES256", kid="rsa-1"))
    gate.refuses(gate.token(algorithm="RS256", kid="ec-1"))
    gate.refuses(gate.token(algorithm="RS512"))
    gate.refuses(gate.token(key=rsa.generate_private_key(65537, 2048)))


def test_a_key_that_is_too_short_is_not_believed(gate: Gate) -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505  # that it is weak is the point
    gate.provider.also(weak, "weak", "RS256")
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = gate.token(key=weak, kid="weak")
    gate.refuses(token)


def test_it_cannot_speak_for_us_nor_we_for_it(gate: Gate) -> None:
    gate.refuses(gate.token(iss="http://127.0.0.1:8000", aud="http://127.0.0.1:8000/api"))
    now = tokens._period_now()
    key = signing_keys.derived(tokens._purpose(now))
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": tokens._key_id(now, key)}
    gate.refuses(put_together(header, gate.claims(), key.sign))
    assert gate.knock(tokens.sign("usr_unknown", frozenset({"invoices:read"}))).status_code == 401


def test_unknown_keys_are_asked_for_at_most_once_a_minute(gate: Gate) -> None:
    assert gate.knock(gate.token()).status_code == 200
    for number in range(20):
        gate.refuses(gate.token(kid=f"invented-{number}"))
    gate.refuses(gate.token(kid=""))
    assert gate.provider.asked == 1
    new = rsa.generate_private_key(65537, 2048)
    gate.provider.also(new, "rsa-2", "RS256")
    gate.refuses(gate.token(key=new, kid="rsa-2"))
    client = tokens._outside_keys(gate.provider.url)
    assert client._last_successful_fetch is not None
    client._last_successful_fetch -= tokens.OUTSIDE_PAUSE_SECONDS + 1  # its clock cannot be moved from here
    assert gate.knock(gate.token(key=new, kid="rsa-2")).status_code == 200
    assert gate.provider.asked == 2


def unavailable(answer: TestResponse) -> None:
    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert "WWW-Authenticate" not in answer.headers


def test_while_it_is_down_nobody_is_told_that_their_token_is_wrong(gate: Gate) -> None:
    token = gate.token()
    gate.provider.stop()
    unavailable(gate.knock(token))


def test_keys_that_were_fetched_last_through_an_outage(gate: Gate) -> None:
    assert gate.knock(gate.token()).status_code == 200
    gate.provider.stop()
    assert gate.knock(gate.token()).status_code == 200


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, "{}"), (404, "{}"), (302, "[]"), (200, ""), (200, "<html>"), (200, "[]"), (200, "{}"), (200, '{"keys": []}'),
        (200, '{"keys": 17}'), (200, '{"keys": [{"kty": "oct", "kid": "rsa-1", "k": "c2VjcmV0"}]}'), (200, "\ufffd"),
    ],
)  # fmt: skip
def test_an_answer_without_keys_is_an_outage(gate: Gate, status: int, answer: str) -> None:
    gate.provider.status, gate.provider.answer = status, answer
    response = gate.knock(gate.token())
    if "oct" in answer:  # a key there is, and it is none that verifies
        refused(response)
    else:
        unavailable(response)


def test_while_no_provider_is_set_its_tokens_are_strangers(app: Flask, provider: Provider) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
    stranger = Gate(app, provider, customer)
    stranger.refuses(stranger.token())
    assert provider.asked == 0
