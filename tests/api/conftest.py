"""Apps that call the API. Each answer is held against the OpenAPI document as it is served: status, media type and every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from portal import gateway
from portal.accounts.models import Customer
from portal.api import tokens
from portal.core import db
from portal.core.db import new_id
from portal.identity import api_clients, app_grants
from portal.identity.models import CustomerRole, User
from tests import factories
from tests.certain import present
from tests.live import SandboxServer
from tests.payments.conftest import Checkout


class Document:
    """The OpenAPI document, and whether an answer keeps to it."""

    def __init__(self, app: Flask) -> None:
        self.facts: dict[str, Any] = present(app.test_client().get("/api/openapi.json").json)
        self._rules = app.url_map.bind("127.0.0.1")

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """What is written of the operation behind a path; None for a path that is none."""
        try:
            rule, _parts = self._rules.match(path, method, return_rule=True)
        except Exception:  # noqa: BLE001  # no such path, or another method
            return None
        written = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        operation: dict[str, Any] | None = self.facts["paths"].get(written, {}).get(method.lower())
        return operation

    def check(self, method: str, path: str, answer: TestResponse) -> None:
        operation = self.operation(method, path)
        if operation is None:
            return
        responses = operation["responses"]
        written = responses.get(str(answer.status_code))
        assert written is not None, f"{method} {path} answers {answer.status_code}, which is not documented"
        content = written.get("content")
        assert content is not None and answer.mimetype in content, (method, path, answer.mimetype)
        if present(answer.mimetype).endswith("json"):
            schema = content[answer.mimetype]["schema"] | {"components": self.facts["components"]}
            Draft202012Validator(schema).validate(answer.json)


def access_token(user: User, *scopes: str) -> str:
    grant = app_grants.sign_in(
        user.email, factories.PASSWORD, code=None, wanted=scopes or None, ip="127.0.0.1", user_agent=""
    )
    return tokens.sign(user.id, grant.scopes, grant=grant.id)


@dataclass
class App:
    """An app with its access token. Cookies are sent along where a test puts them into `http`."""

    http: FlaskClient
    document: Document
    token: str = ""

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.send("GET", path, query_string=query)

    def post(self, path: str, body: Any = None, *, key: str | None = None, **more: Any) -> TestResponse:
        """`key` is the Idempotency-Key; a new one if none is given, and none for ""."""
        key = new_id("key") if key is None else key
        return self.send("POST", path, json=body, headers={"Idempotency-Key": key} if key else {}, **more)

    def delete(self, path: str, **query: Any) -> TestResponse:
        return self.send("DELETE", path, query_string=query)

    def send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        sent = ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | (headers or {})
        answer = self.http.open(path, method=method, headers=sent, **more)
        self.document.check(method, path, answer)
        return answer


@dataclass
class World(Checkout):
    """The checkout, and the apps of those who stand around it."""

    app: Flask
    document: Document
    customer: Customer
    owner: User

    def method(self, card: str = "visa") -> str:
        """A payment method as Stripe's SDK in an app makes it, of one of Stripe's test cards."""
        return self.sandbox.client.v1.payment_methods.create({"type": "card", "card": {"token": f"tok_{card}"}}).id

    def of(self, user: User, *scopes: str) -> App:
        """An app that this user has signed in with."""
        return self.bare(access_token(user, *scopes))

    def bare(self, token: str = "") -> App:
        return App(self.app.test_client(use_cookies=False), self.document, token)

    def person(self, role: str) -> User:
        """One more of the customer's people."""
        with db.transaction() as session:
            return factories.user(
                session,
                session.get_one(Customer, self.customer_id),
                customer_role=role,
                email=f"{role}@spree-bikes.test",
            )

    def staff(self, role: str) -> User:
        with db.transaction() as session:
            return factories.staff(session, role)

    def api_client(self, *scopes: str) -> App:
        admin = self.staff("admin")
        row, _secret = api_clients.create("Books", scopes, admin.id)
        return self.bare(tokens.sign(row.id, frozenset(scopes)))

    def stranger(self) -> App:
        """The app of an owner of another customer."""
        with db.transaction() as session:
            other = factories.customer(session, name="Elbe Boats GmbH", email="bo@elbe-boats.test")
            user = factories.user(session, other, email="bo@elbe-boats.test")
        return self.of(user)


@pytest.fixture
def world(app: Flask, sandbox: SandboxServer) -> Iterator[World]:
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
        owner = factories.user(session, customer, customer_role=CustomerRole.OWNER)
        invoice = factories.invoice(session, customer)
    yield World(sandbox, customer.id, invoice.id, app, Document(app), customer, owner)
    gateway.forget()


@pytest.fixture
def owner(world: World) -> App:
    """The app of the customer's owner, with all that an owner may do."""
    return world.of(world.owner)
