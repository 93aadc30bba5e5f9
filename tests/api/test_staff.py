"""Admins list those who work here, change their roles, and end their access: with an app, as on the page."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from portal.accounts import access
from portal.api import tokens
from portal.core import audit, clock, db
from portal.core.audit import AuditEvent
from portal.identity import api_clients, sessions, signing_in
from portal.identity.models import User
from tests import factories
from tests.api.conftest import App, Document, access_token


@pytest.fixture
def ida(app: Flask) -> User:
    with db.transaction() as session:
        return factories.staff(session, "admin", name="Ida Admin")


@pytest.fixture
def desk(app: Flask, ida: User) -> App:
    """The app of an admin."""
    return app_with(app, access_token(ida))


def app_with(app: Flask, token: str) -> App:
    return App(app.test_client(use_cookies=False), Document(app), token)


def staff(role: str) -> User:
    with db.transaction() as session:
        return factories.staff(session, role)


def recorded(user: User) -> list[tuple[str, str]]:
    """What was done to somebody, and by whom."""
    with db.reading() as session:
        assert audit.verify(session) is None
        rows = session.execute(
            select(AuditEvent.action, AuditEvent.actor_id)
            .where(AuditEvent.subject == user.id, AuditEvent.action.like("user.%"))
            .order_by(AuditEvent.number)
        )
        return [(row.action, row.actor_id) for row in rows]


def test_browsers_apps_and_keys_die_with_the_access_and_the_role_comes_back(app: Flask, desk: App, ida: User) -> None:
    tom = staff("admin")
    his = app_with(app, access_token(tom))
    cookie = signing_in.sign_in(tom.email, factories.PASSWORD, ip="192.0.2.1", user_agent="")
    key, secret = api_clients.create("Books", ["invoices:read"], tom.id)
    system = app_with(app, tokens.sign(key.id, frozenset({"invoices:read"})))
    assert his.get("/api/staff").status_code == system.get("/api/invoices").status_code == 200

    for _time in range(2):
        ended = desk.delete(f"/api/staff/{tom.id}/access")
        assert (ended.status_code, ended.json["status"]) == (200, "ended")  # type: ignore[index]
    assert his.get("/api/staff").status_code == system.get("/api/invoices").status_code == 401
    assert sessions.find(cookie) is None
    asked = {"grant_type": "client_credentials", "client_id": key.id, "client_secret": secret}
    assert app_with(app, "").post("/api/auth/token", asked).status_code == 401

    for _time in range(2):
        back = desk.post(f"/api/staff/{tom.id}/access")
        assert (back.status_code, back.json["status"], back.json["role"]) == (200, "active", "admin")  # type: ignore[index]
    assert his.get("/api/staff").status_code == system.get("/api/invoices").status_code == 401
    assert recorded(tom) == [("user.access_ended", ida.id), ("user.access_restored", ida.id)]


def test_a_role_holds_from_the_next_request_on(app: Flask, desk: App, ida: User) -> None:
    tom = staff("admin")
    his = app_with(app, access_token(tom))
    assert his.get("/api/staff").status_code == 200
    for _time in range(2):
        changed = desk.post(f"/api/staff/{tom.id}/role", {"role": "support"})
        assert (changed.status_code, changed.json["role"]) == (200, "support")  # type: ignore[index]
    assert his.get("/api/staff").status_code == 403
    assert recorded(tom) == [("user.role_changed", ida.id)]
    listed = desk.get("/api/staff").json
    assert listed is not None
    assert {(one["id"], one["role"], one["status"]) for one in listed["data"]} == {
        (ida.id, "admin", "active"),
        (tom.id, "support", "active"),
    }


def test_what_an_app_may_not_do_stands_in_the_trail(app: Flask, ida: User) -> None:
    tom = staff("support")
    his = app_with(app, access_token(tom))
    for _time in range(2):
        assert his.delete(f"/api/staff/{ida.id}/access").status_code == 403
    with db.reading() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "access.refused")).all()
    assert (event.actor_id, event.subject) == (tom.id, "api_staff.end_staff_access")
    assert event.facts == {"method": "DELETE", "path": f"/api/staff/{ida.id}/access", "code": "insufficient_scope"}


def test_the_last_admin_stays(desk: App, ida: User) -> None:
    for answer, code in (
        (desk.delete(f"/api/staff/{ida.id}/access"), "last_admin"),
        (desk.post(f"/api/staff/{ida.id}/role", {"role": "support"}), "own_role"),
    ):
        assert (answer.status_code, answer.json["code"]) == (409, code)  # type: ignore[index]
    assert access.member(ida.id).status == "active"
    assert recorded(ida) == []


def test_what_changes_something_takes_a_recent_sign_in(app: Flask, ida: User) -> None:
    tom = staff("support")
    with time_machine.travel(clock.now() - timedelta(minutes=11)):
        token = access_token(ida)
        claims = tokens.verify(token)
    old = app_with(app, tokens.sign(ida.id, claims.scopes, grant=claims.grant))  # renewed, as apps do
    assert old.get("/api/staff").status_code == 200
    for answer in (
        old.delete(f"/api/staff/{tom.id}/access"),
        old.post(f"/api/staff/{tom.id}/access"),
        old.post(f"/api/staff/{tom.id}/role", {"role": "admin"}),
    ):
        assert (answer.status_code, answer.json["code"]) == (401, "recent_sign_in_required")  # type: ignore[index]
    assert recorded(tom) == []
