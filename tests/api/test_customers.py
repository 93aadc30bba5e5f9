"""Customers as the company's own systems make, find, change and let go of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from portal.accounts.models import Customer
from portal.core import db
from portal.identity.models import User
from tests import factories
from tests.api.conftest import App, World
from tests.certain import present

NEW = {
    "name": "Oberbaum Workshop GmbH",
    "email": "invoices@oberbaum.test",
    "address": ["Oberbaumstraße 5", "10997 Berlin"],
    "country": "DE",
    "tax_id": "DE136695976",
    "external_id": "C-4711",
    "contact": "Ada Lang",
}


@pytest.fixture
def erp(world: World) -> App:
    """The company's own system."""
    return world.api_client("customers:read", "customers:write", "customers:deactivate", "invoices:write")


def _id(answer: TestResponse) -> str:
    assert answer.status_code in {200, 201}, answer.text
    return str(present(answer.json)["id"])


def _owners(customer_id: str) -> int:
    with db.reading() as session:
        return len(session.scalars(select(User.id).where(User.customer_id == customer_id)).all())


def test_a_customer_is_created_once_and_found_by_what_is_known_of_it(erp: App, world: World) -> None:
    made = erp.post("/api/customers", NEW, key="order-of-4711")
    customer_id = _id(made)
    told = present(made.json)
    assert told["address"] == NEW["address"] and told["tax_id"] == NEW["tax_id"] and told["status"] == "active"
    assert told["external_id"] == "C-4711" and told["version"] == 1

    again = erp.post("/api/customers", NEW, key="order-of-4711")
    assert _id(again) == customer_id and again.headers["Idempotent-Replayed"] == "true"
    assert _owners(customer_id) == 1, "the owner is invited once"

    taken = erp.post("/api/customers", NEW | {"email": "other@oberbaum.test"})
    assert (taken.status_code, present(taken.json)["code"]) == (409, "external_id_taken")
    assert present(taken.json)["existing_id"] == customer_id
    assert present(taken.json)["errors"][0]["field"] == "external_id"

    for query in (
        {"external_id": "C-4711"},
        {"q": "invoices@oberbaum.test"},
        {"q": "oberb work"},
        {"q": "4711"},
        {"q": customer_id},
    ):
        found = present(erp.get("/api/customers", **query).json)["data"]
        assert [one["id"] for one in found] == [customer_id], query
    assert present(erp.get("/api/customers", external_id="c-4711").json)["data"] == [], "as it is written"
    assert present(erp.get("/api/customers", external_id="C-4711", status="deactivated").json)["data"] == []
    line = {"description": "Green electricity", "unit_price": 100_00}
    assert (
        erp.post("/api/invoices", {"customer_id": customer_id, "currency": "eur", "lines": [line]}).status_code == 201
    )


def test_without_an_invitation_nobody_signs_in(erp: App) -> None:
    customer_id = _id(erp.post("/api/customers", NEW | {"invite": False}))
    assert present(erp.get(f"/api/customers/{customer_id}/people").json)["data"] == []
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(User).where(User.customer_id == customer_id)) == 0


def test_of_requests_at_once_one_creates_the_customer(erp: App, world: World) -> None:
    """With one key, and with keys of their own and one external ID."""
    wanted = NEW | {"invite": False}

    def ask(key: str) -> TestResponse:
        return App(world.app.test_client(use_cookies=False), world.document, erp.token).post(
            "/api/customers", wanted, key=key
        )

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, ["the-same-key", "the-same-key", "another-key", "a-third-key"]))
    assert {answer.status_code for answer in answers} <= {201, 409}
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Customer).where(Customer.external_id == "C-4711")) == 1
    assert ask("the-same-key").status_code in {201, 409}
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Customer).where(Customer.external_id == "C-4711")) == 1


@pytest.mark.database("sqlite")
def test_what_is_given_is_changed_and_the_rest_stays(erp: App) -> None:
    customer_id = _id(erp.post("/api/customers", NEW))
    address = f"/api/customers/{customer_id}"
    changed = present(erp.send("PATCH", address, json={"city": "Berlin", "external_id": "C-4712", "version": 1}).json)
    assert (changed["city"], changed["external_id"], changed["version"]) == ("Berlin", "C-4712", 2)
    assert changed["address"] == NEW["address"] and changed["name"] == NEW["name"]
    stale = erp.send("PATCH", address, json={"city": "Bern", "version": 1})
    assert (stale.status_code, present(stale.json)["code"]) == (409, "stale_details")
    assert present(erp.send("PATCH", address, json={"city": "Berlin"}).json)["version"] == 2, "nothing was changed"
    assert present(erp.send("PATCH", address, json={"external_id": ""}).json)["external_id"] is None
    wrong = erp.send("PATCH", address, json={"tax_id": "DE136695975"})
    assert wrong.status_code == 422 and present(wrong.json)["errors"][0]["field"] == "tax_id"
    assert erp.send("PATCH", address, json={"surname": "x"}).status_code == 422
    assert present(erp.get(address).json)["tax_id"] == NEW["tax_id"]


@pytest.mark.database("sqlite")
def test_a_customer_is_let_go_and_brought_back(erp: App, world: World) -> None:
    address = f"/api/customers/{world.customer_id}"
    app = world.of(world.owner)
    for _time in range(2):
        told = present(erp.post(f"{address}/deactivation", {"reason": "The contract has ended."}).json)
        assert told["status"] == "deactivated"
    assert app.get("/api/customers/me").status_code == 401, "signed out at once"
    found = present(erp.get("/api/customers", status="deactivated").json)["data"]
    assert [one["id"] for one in found] == [world.customer_id]
    for _time in range(2):
        assert present(erp.delete(f"{address}/deactivation").json)["status"] == "active"
    assert erp.post(f"{address}/deactivation", {"reason": " "}).status_code == 422


@pytest.mark.database("sqlite")
def test_an_owner_is_invited_once(erp: App, world: World) -> None:
    people = f"/api/customers/{world.customer_id}/people"
    invited = present(erp.post(people, {"name": "Bo Owner", "email": "bo@spree-bikes.test"}).json)
    assert (invited["role"], invited["status"]) == ("owner", "invited")
    assert _id(erp.post(people, {"name": "Bo Owner", "email": "Bo@Spree-Bikes.test"})) == invited["id"]
    assert {one["id"] for one in present(erp.get(people).json)["data"]} == {world.owner.id, invited["id"]}
    with db.transaction() as session:
        other = factories.customer(session, email="x@elbe-boats.test")
        factories.user(session, other, email="x@elbe-boats.test")
    taken = erp.post(people, {"name": "X", "email": "x@elbe-boats.test"})
    assert (taken.status_code, present(taken.json)["code"]) == (422, "email_taken")


@pytest.mark.database("sqlite")
def test_the_list_goes_on_page_by_page(erp: App, world: World) -> None:
    for number in range(4):
        _id(erp.post("/api/customers", {"name": f"C{number}", "email": f"c{number}@oberbaum.test", "invite": False}))
    seen: list[str] = []
    query: dict[str, object] = {"limit": 2}
    while True:
        page = present(erp.get("/api/customers", **query).json)
        seen += [one["name"] for one in page["data"]]
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert seen[:4] == ["C3", "C2", "C1", "C0"] and len(seen) == len(set(seen)) == 5
    reader = world.of(world.staff("support"))
    for path in ("/api/customers", "/api/invoices", "/api/payments/history"):
        wrong = reader.get(path, cursor="AAAA", **({} if "customers" in path else {"customer_id": world.customer_id}))
        assert (wrong.status_code, present(wrong.json)["code"]) == (422, "bad_cursor"), path
        assert present(wrong.json)["errors"][0]["field"] == "cursor"
