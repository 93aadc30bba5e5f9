"""Who may call what: every operation, for everyone who may knock. A new operation has to be added to the table, or these tests fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from portal.accounts.models import Customer
from portal.api.operations import Operation
from portal.core import clock, company_days, db, permissions
from portal.core.db import new_id
from portal.documents import service as receipts
from portal.documents.models import PaymentDocument
from portal.identity import policy
from portal.identity.models import CustomerRole
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.payment_methods.models import PaymentMethod
from portal.statements import confirmations
from portal.webhook_endpoints import queries as endpoint_queries
from portal.webhook_endpoints import service as webhook_endpoints
from tests import factories
from tests.api.conftest import App, World

# Every route for every role, in one test: that takes its time on a busy machine.
# Nobody is limited in what they ask here.
pytestmark = [
    pytest.mark.database("sqlite"),
    pytest.mark.timeout(600),
    pytest.mark.settings(PORTAL_API_LIMITS="all:900/minute,changes:900/minute,sign_in:900/minute,refused:900/minute"),
]

# Stripe fails in these tests: 503 means that someone came past every guard as far as the call to Stripe. 422 likewise: what was sent
# was looked at, and is not complete. The API client has every scope that API clients can have.
TABLE = """
                                          nobody owner payer viewer other support approver admin api_client
POST   /api/auth/token                    422    422   422   422    422   422     422      422   422
POST   /api/auth/revoke                   200    200   200   200    200   200     200      200   200
GET    /api/config                        200    200   200   200    200   200     200      200   200
GET    /api/customers/me                  401    200   200   200    200   403     403      403   403
GET    /api/customers                     401    403   403   403    403   200     200      200   200
POST   /api/customers                     401    403   403   403    403   201     201      201   201
GET    /api/customers/<id>                401    403   403   403    403   200     200      200   200
PATCH  /api/customers/<id>                401    403   403   403    403   200     200      200   200
POST   /api/customers/<id>/deactivation   401    403   403   403    403   403     200      200   200
DELETE /api/customers/<id>/deactivation   401    403   403   403    403   403     200      200   200
GET    /api/customers/<id>/people         401    403   403   403    403   200     200      200   200
POST   /api/customers/<id>/people         401    403   403   403    403   201     201      201   201
POST   /api/portal-sessions               401    403   403   403    403   403     403      403   201
GET    /api/invoices                      401    200   200   200    200   200     200      200   200
GET    /api/invoices/<id>                 401    200   200   200    404   200     200      200   200
POST   /api/invoices                      401    403   403   403    403   201     201      201   201
POST   /api/invoices/<id>/void            401    403   403   403    403   403     200      200   403
GET    /api/invoices/<id>/credits         401    200   200   200    404   200     200      200   200
POST   /api/invoices/<id>/credits         401    403   403   403    403   403     201      201   403
GET    /api/invoices/<id>/write-offs      401    403   403   403    403   403     200      200   403
POST   /api/invoices/<id>/write-offs      401    403   403   403    403   403     201      201   403
POST   /api/write-offs/<id>/approval      401    403   403   403    403   403     200      200   403
POST   /api/write-offs/<id>/rejection     401    403   403   403    403   403     200      200   403
POST   /api/write-offs/<id>/reversal      401    403   403   403    403   403     409      409   403
POST   /api/invoice-credits/<id>/approval 401    403   403   403    403   403     200      200   403
POST   /api/invoice-credits/<id>/rejection 401   403   403   403    403   403     200      200   403
POST   /api/payments/process              401    503   503   403    404   403     403      403   403
GET    /api/payments/history              401    200   200   200    404   200     200      200   200
GET    /api/payments/<id>                 401    200   200   200    404   200     200      200   200
POST   /api/payments/<id>/cancellation    401    409   409   403    404   409     409      409   409
GET    /api/payments/methods/list         401    200   200   200    200   403     403      403   403
POST   /api/payments/methods/save         401    503   503   403    503   403     403      403   403
DELETE /api/payments/methods/delete       401    503   503   403    404   403     403      403   403
POST   /api/payments/refund               401    201   201   403    404   201     201      201   403
GET    /api/refunds                       401    200   200   200    404   200     200      200   200
GET    /api/refunds/<id>                  401    200   200   200    404   200     200      200   200
GET    /api/refunds/failed                401    403   403   403    403   200     200      200   403
POST   /api/refunds/<id>/replacement      401    403   403   403    404   409     409      409   403
POST   /api/refunds/<id>/outside-payment  401    403   403   403    403   403     409      409   403
POST   /api/refunds/<id>/closure          401    403   403   403    403   403     409      409   403
POST   /api/refunds/<id>/approval         401    403   403   403    403   200     200      200   403
POST   /api/refunds/<id>/rejection        401    403   403   403    403   200     200      200   403
POST   /api/refunds/<id>/withdrawal       401    200   200   403    404   403     403      403   403
POST   /api/refunds/<id>/new-attempt      401    403   403   403    403   403     503      503   403
POST   /api/refunds/<id>/abandonment      401    403   403   403    403   403     503      503   403
GET    /api/receipts                      401    200   200   200    404   200     200      200   200
GET    /api/receipts/<id>                 401    200   200   200    404   200     200      200   200
GET    /api/receipts/download/<id>        401    200   200   200    404   200     200      200   200
GET    /api/receipts/<id>/e-invoice       401    404   404   404    404   404     404      404   404
GET    /api/receipts/<id>/xrechnung       401    404   404   404    404   404     404      404   404
POST   /api/receipts/<id>/mail            401    403   403   403    403   200     200      200   403
POST   /api/balance-confirmations         401    403   403   403    403   403     201      201   403
GET    /api/balance-confirmations/<id>    401    403   403   403    403   403     200      200   403
GET    /api/balance-confirmations/<id>/pdf 401   403   403   403    403   403     503      503   403
GET    /api/statements                    401    200   200   200    404   200     200      200   200
GET    /api/statements/pdf                401    503   503   503    404   503     503      503   503
GET    /api/endpoints                     401    200   403   403    200   403     403      403   403
POST   /api/endpoints                     401    201   403   403    201   403     403      403   403
DELETE /api/endpoints/<id>                401    200   403   403    404   403     403      403   403
POST   /api/endpoints/<id>/secret         401    200   403   403    404   403     403      403   403
POST   /api/endpoints/<id>/activation     401    200   403   403    404   403     403      403   403
POST   /api/endpoints/<id>/test           401    202   403   403    404   403     403      403   403
GET    /api/staff                         401    403   403   403    403   403     403      200   403
POST   /api/staff/<id>/role               401    403   403   403    403   403     403      200   403
DELETE /api/staff/<id>/access             401    403   403   403    403   403     403      200   403
POST   /api/staff/<id>/access             401    403   403   403    403   403     403      200   403
"""
EVERYONE = TABLE.strip().splitlines()[0].split()
EXPECTED = {
    (method, route): dict(zip(EVERYONE, map(int, statuses), strict=True))
    for method, route, *statuses in (line.split() for line in TABLE.strip().splitlines()[1:])
}
CARD = "method_of_the_customer"


@dataclass
class House:
    """A customer with one of everything, and an app of each of EVERYONE."""

    apps: dict[str, App]
    customer_id: str

    def ask(self, who: str, method: str, route: str) -> TestResponse:
        """With things of the customer's that nobody has touched yet."""
        if route == "/api/endpoints":
            self._fresh("endpoints")
        address = route.replace("<id>", self._fresh(self._named(route))) if "<id>" in route else route
        app = self.apps[who]
        if method == "GET":
            narrowed = {"customer_id": self.customer_id} if route in LISTS | STATEMENTS else {}
            narrowed |= STATEMENT if route in STATEMENTS else {}
            return app.get(address, **narrowed)
        if method == "DELETE":
            return app.delete(address, **({"payment_method_id": CARD} if "methods" in route else {}))
        if method == "PATCH":
            return app.send("PATCH", address, json={"city": "Berlin"})
        return app.post(address, self._body(route))

    def _named(self, route: str) -> str:
        return next(
            name
            for name in (
                "balance-confirmations",
                "invoice-credits",
                "invoices",
                "write-offs",
                "payments",
                "refunds",
                "receipts",
                "endpoints",
                "staff",
                "customers",
            )
            if name in route
        )

    def _fresh(self, noun: str) -> str:
        """The id of one that nobody has touched yet."""
        if noun == "endpoints":
            for row in self._endpoints():
                webhook_endpoints.remove_endpoint(self.customer_id, row)
            return webhook_endpoints.add_endpoint(self.customer_id, HOOK, ["invoice.paid"], "", "")[0].id
        if noun == "balance-confirmations":
            with db.transaction() as session:
                staff_id = factories.staff(session).id
            return confirmations.confirm(self.customer_id, self._day_with_a_balance(), staff_id, "en")
        with db.transaction() as session:
            if noun == "staff":
                return factories.staff(session).id
            if noun == "customers":
                return factories.customer(session).id
            customer = session.get_one(Customer, self.customer_id)
            if noun == "invoices":
                return factories.invoice(session, customer).id
            if noun == "write-offs":
                return factories.proposed_write_off(session, factories.invoice(session, customer)).id
            if noun == "invoice-credits":
                return factories.proposed_credit(session, factories.invoice(session, customer)).id
            payment = factories.payment(session, customer)
            if noun == "refunds":
                return factories.refund(session, payment, status="requested", amount_minor=5_00).id
        if noun == "payments":
            return payment.id
        receipt_id = receipts.issue(payment.id)
        with db.transaction() as session:
            receipt = session.get_one(PaymentDocument, receipt_id)
            receipt.pdf, receipt.pdf_sha256 = b"%PDF-1.7", PDF_DIGEST
        return receipt_id

    def _day_with_a_balance(self) -> date:
        """Yesterday, when something was booked."""
        invoices.issue(InvoiceDraft(self.customer_id, "eur", (LineDraft("Green electricity", 1_000, 100_00, 1900),)))
        return company_days.today() - timedelta(days=1)

    def _endpoints(self) -> list[str]:
        with db.reading() as session:
            return [row.id for row in endpoint_queries.endpoints(session, self.customer_id)]

    def _body(self, route: str) -> dict[str, Any]:
        line = {"description": "Green electricity", "unit_price": 100_00}
        if route == "/api/payments/process":
            return {"invoice_id": self._fresh("invoices")}
        if route == "/api/balance-confirmations":
            return {"customer_id": self.customer_id, "day": self._day_with_a_balance().isoformat()}
        if route == "/api/payments/refund":
            return {"payment_id": self._fresh("payments"), "amount": 1_00, "reason": "product_not_received"}
        bodies: dict[str, dict[str, Any]] = {
            "/api/customers": {"name": "Oberbaum GmbH", "email": f"{new_id('user')}@oberbaum.test"},
            "/api/customers/<id>/deactivation": {"reason": "The contract has ended."},
            "/api/customers/<id>/people": {"name": "Ada Lang", "email": f"{new_id('user')}@oberbaum.test"},
            "/api/portal-sessions": {"customer_id": self.customer_id, "to": "payment_methods"},
            "/api/endpoints": {"url": HOOK, "events": ["invoice.paid"]},
            "/api/auth/revoke": {"refresh_token": "prt_none"},
            "/api/invoices": {"customer_id": self.customer_id, "currency": "eur", "lines": [line]},
            "/api/staff/<id>/role": {"role": "approver"},
            "/api/invoices/<id>/credits": {"reason": "One came back.", "lines": [{"line": 1, "net": 1_00}]},
            "/api/invoices/<id>/void": {"reason": "Billed twice."},
            "/api/invoices/<id>/write-offs": {"reason": "Insolvent."},
            "/api/write-offs/<id>/rejection": {"reason": "They pay."},
            "/api/write-offs/<id>/reversal": {"reason": "They paid."},
            "/api/invoice-credits/<id>/rejection": {"reason": "All of it was used."},
            "/api/refunds/<id>/outside-payment": {
                "paid_on": company_days.today().isoformat(),
                "note": "By transfer 4711.",
            },
            "/api/refunds/<id>/closure": {"note": "The customer kept the goods."},
            "/api/refunds/<id>/rejection": {"rejection": "The parts were used."},
        }
        return bodies.get(route, {})


HOOK = "https://erp.spree-bikes.test/payments"
STATEMENTS = {"/api/statements", "/api/statements/pdf"}
STATEMENT = {"currency": "eur", "since": "2026-01-01", "until": "2026-12-31"}
LISTS = {"/api/payments/history", "/api/refunds", "/api/receipts"}
PDF_DIGEST = sha256(b"%PDF-1.7").hexdigest()


@pytest.fixture
def house(world: World) -> House:
    with db.transaction() as session:
        session.add(
            PaymentMethod(
                id=CARD, customer_id=world.customer_id, stripe_payment_method_id="pm_1", brand="visa", last4="4242",
                exp_month=12, exp_year=2099, created_at=clock.now(),
            )
        )  # fmt: skip
    apps = {
        "nobody": world.bare(),
        "owner": world.of(world.owner),
        "payer": world.of(world.person(CustomerRole.PAYER)),
        "viewer": world.of(world.person(CustomerRole.VIEWER)),
        "other": world.stranger(),
        "support": world.of(world.staff("support")),
        "approver": world.of(world.staff("approver")),
        "admin": world.of(world.staff("admin")),
        "api_client": world.api_client(*policy.API_CLIENT_SCOPES),
    }
    world.fail("error_before", "/v1/*", times=10_000)
    return House(apps, world.customer_id)


def operations(app: Flask) -> Iterator[tuple[str, str, Operation]]:
    for rule in app.url_map.iter_rules():
        facts = getattr(app.view_functions[rule.endpoint], "operation", None)
        if facts is not None:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, re.sub(r"<[^>]+>", "<id>", rule.rule), facts


def test_every_operation_is_in_the_table_and_the_table_names_no_other(app: Flask) -> None:
    assert {(method, route) for method, route, _facts in operations(app)} == set(EXPECTED)


def test_everyone_gets_what_the_table_says_and_nothing_else(house: House) -> None:
    found = {
        (method, route): {who: house.ask(who, method, route).status_code for who in EVERYONE}
        for method, route in EXPECTED
    }
    assert {route: found[route] for route in EXPECTED if found[route] != EXPECTED[route]} == {}


def test_finance_reads_what_staff_read_and_confirms_balances_alone(house: House, world: World, app: Flask) -> None:
    """Its scopes come from the table of permissions, as those of the others."""
    house.apps["finance"] = world.of(world.staff("finance"))
    assert policy.scopes_of("finance", None) == permissions.READING | {"balances:confirm", "customers:read"}
    for method, route, facts in operations(app):
        confirms = "balances:confirm" in facts.scopes
        like = EXPECTED[method, route]["admin" if confirms else "support"]
        expected = like if set(facts.scopes) <= permissions.READING | {"customers:read"} or confirms else 403
        assert house.ask("finance", method, route).status_code == expected, (method, route)
        assert method == "GET" or confirms or expected == 403 or route.startswith("/api/auth/")


def _an_id(route: str) -> str:
    """One that nothing has, of the kind that the address takes."""
    return new_id("cus" if "/customers/" in route else "pay")


def test_without_its_scope_an_operation_is_refused_whoever_calls(world: World, app: Flask) -> None:
    for method, route, facts in operations(app):
        if not facts.scopes:
            continue
        for user in (world.owner, world.staff("admin")):
            scopes = policy.scopes_of(user.role, user.customer_role) - set(facts.scopes)
            answer = world.of(user, *scopes).send(method, route.replace("<id>", _an_id(route)))
            assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope"), route  # type: ignore[index]
            assert f'scope="{facts.scopes[0]}"' in answer.headers["WWW-Authenticate"]


def test_what_changes_something_needs_a_key_or_may_be_repeated(app: Flask) -> None:
    without = {route for method, route, facts in operations(app) if method == "POST" and facts.again is None}
    assert without == {
        "/api/auth/token",
        "/api/auth/revoke",
        "/api/customers/<id>/deactivation",
        "/api/customers/<id>/people",
        "/api/payments/<id>/cancellation",
        "/api/portal-sessions",
        "/api/refunds/<id>/withdrawal",
        "/api/invoice-credits/<id>/approval",
        "/api/write-offs/<id>/approval",
        "/api/endpoints/<id>/activation",
        "/api/endpoints/<id>/test",
        "/api/staff/<id>/role",
        "/api/staff/<id>/access",
    }


def test_what_is_someone_elses_looks_like_what_does_not_exist(house: House) -> None:
    for method, route in EXPECTED:
        if "<id>" not in route or EXPECTED[method, route]["other"] != 404:
            continue
        fresh = house._fresh(house._named(route))
        answers = [
            house.apps["other"].send(method, route.replace("<id>", one), headers={"Idempotency-Key": new_id("key")})
            for one in (fresh, fresh[:-8] + "00000000")
        ]
        assert [answer.status_code for answer in answers] == [404, 404], route
        told = [{**(answer.json or {}), "request_id": ""} for answer in answers]
        assert told[0] == told[1], route


def test_a_sessions_cookie_opens_nothing(world: World, app: Flask) -> None:
    browser = app.test_client()
    factories.sign_in(browser, world.owner)
    assert browser.get("/account").status_code == 200
    for method, route, facts in operations(app):
        if facts.scopes:
            address = route.replace("<id>", _an_id(route))
            assert browser.open(address, method=method, json={}).status_code == 401, route
