"""Keys of the company's other systems."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from portal.accounts import access
from portal.core import audit, clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Invalid, NotFound
from portal.identity import api_clients, policy
from portal.identity.api_clients import MadeAlready, WrongClient
from portal.identity.models import ApiClient, User
from tests import factories
from tests.concurrency import run_concurrently

pytestmark = pytest.mark.usefixtures("settings")


@pytest.fixture
def admin(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.staff(session, "admin")


def events(action: str) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).where(AuditEvent.action == action)) or 0


def test_an_api_client_proves_itself_with_its_secret(admin: User) -> None:
    row, secret = api_clients.create("  Order \n desk ", ["invoices:read", "invoices:write"], admin.id)
    assert (row.name, row.last_used_at) == ("Order desk", None)
    proved, scopes = api_clients.authenticate(row.id, secret, None)
    assert (proved.id, set(scopes)) == (row.id, {"invoices:read", "invoices:write"})
    assert api_clients.authenticate(row.id, secret, ["invoices:read"])[1] == {"invoices:read"}
    found = api_clients.find(row.id)
    assert found is not None
    assert found.last_used_at is not None
    assert secret not in found.secret_hash


def test_wrong_secrets_are_told_apart_by_nothing(admin: User) -> None:
    row, secret = api_clients.create("Books", ["invoices:read"], admin.id)
    other, others_secret = api_clients.create("Orders", ["invoices:read"], admin.id)
    api_clients.revoke(other.id)
    told = set()
    attempts = [(row.id, others_secret), (row.id, ""), (row.id, row.secret_hash), (row.id, secret.upper())]
    for client_id, typed in (*attempts, ("cli_unknown", secret), ("", ""), (other.id, others_secret)):
        with pytest.raises(WrongClient) as refused:
            api_clients.authenticate(client_id, typed, None)
        told.add((refused.value.code, refused.value.text()))
    assert len(told) == 1


def test_a_revoked_api_client_is_none_any_more(admin: User) -> None:
    row, secret = api_clients.create("Books", ["invoices:read"], admin.id)
    first = api_clients.revoke(row.id).revoked_at
    assert api_clients.revoke(row.id).revoked_at == first
    assert api_clients.find(row.id) is None
    with pytest.raises(WrongClient):
        api_clients.authenticate(row.id, secret, None)
    with pytest.raises(NotFound):
        api_clients.revoke("cli_unknown")
    assert events("api_client.revoked") == 1


@pytest.mark.parametrize(("wanted", "code"), [("everything", "unknown_scope"), ("payments:read", "scope_not_allowed")])
def test_an_api_client_gets_no_scope_beyond_its_own(admin: User, wanted: str, code: str) -> None:
    row, secret = api_clients.create("Books", ["invoices:read"], admin.id)
    with pytest.raises(Invalid) as refused:
        api_clients.authenticate(row.id, secret, [wanted])
    assert refused.value.code == code


@pytest.mark.parametrize("scope", sorted(policy.SCOPES - policy.API_CLIENT_SCOPES))
def test_no_api_client_is_made_with_what_only_people_may_do(admin: User, scope: str) -> None:
    with pytest.raises(Invalid) as refused:
        api_clients.create("Books", ["invoices:read", scope], admin.id)
    assert refused.value.code == "scope_not_allowed"


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [("", ["invoices:read"], "name"), (" \n ", ["invoices:read"], "name"), ("x" * 101, ["invoices:read"], "name"),
     ("Books", [], "scopes")],
)  # fmt: skip
def test_an_api_client_needs_a_name_and_something_to_do(admin: User, name: str, scopes: list[str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        api_clients.create(name, scopes, admin.id)
    assert refused.value.field == field


def test_a_form_that_is_sent_twice_at_once_makes_one_api_client(admin: User) -> None:
    outcomes = run_concurrently(
        *[lambda: api_clients.create("Books", ["invoices:read"], admin.id, client_key="the-form-17")] * 4
    )
    assert sum(isinstance(one, MadeAlready) for one in outcomes) == 3, outcomes
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(ApiClient)) == 1
    assert events("api_client.created") == 1


def test_one_admins_form_is_not_anothers(admin: User) -> None:
    with db.transaction() as session:
        other = factories.staff(session, "admin")
    made = [
        api_clients.create("Books", ["invoices:read"], person.id, client_key="the-form-17")[0].id
        for person in (admin, other)
    ]
    assert len(set(made)) == 2


def test_the_secret_stands_in_no_event(admin: User) -> None:
    _row, secret = api_clients.create("Books", ["invoices:read"], admin.id)
    with db.reading() as session:
        told = repr([event.facts for event in session.scalars(select(AuditEvent))])
        assert audit.verify(session) is None
    assert secret not in told


# Expiry and new secrets


def test_a_key_expires(admin: User) -> None:
    row, secret = api_clients.create("Books", ["invoices:read"], admin.id, days=30)
    with time_machine.travel(clock.now() + timedelta(days=29)):
        assert api_clients.authenticate(row.id, secret, None)[0].id == row.id
    with time_machine.travel(clock.now() + timedelta(days=30, seconds=1)):
        assert api_clients.find(row.id) is None
        with pytest.raises(WrongClient):
            api_clients.authenticate(row.id, secret, None)
        with pytest.raises(Conflict):
            api_clients.rotate(row.id, admin.id)
    for days in (0, -1, 100_000):
        with pytest.raises(Invalid):
            api_clients.create("Books", ["invoices:read"], admin.id, days=days)


def test_the_old_secret_opens_for_a_day_beside_the_new_one(admin: User) -> None:
    row, first = api_clients.create("Books", ["invoices:read"], admin.id)
    _row, second = api_clients.rotate(row.id, admin.id)
    for secret in (first, second):
        api_clients.authenticate(row.id, secret, None)
    with time_machine.travel(clock.now() + timedelta(hours=24, seconds=1)):
        api_clients.authenticate(row.id, second, None)
        with pytest.raises(WrongClient):
            api_clients.authenticate(row.id, first, None)
    _row, third = api_clients.rotate(row.id, admin.id)
    api_clients.authenticate(row.id, third, None)
    with pytest.raises(WrongClient):  # the one before the last
        api_clients.authenticate(row.id, first, None)
    api_clients.revoke(row.id)
    for secret in (second, third):
        with pytest.raises(WrongClient):
            api_clients.authenticate(row.id, secret, None)


def test_a_secret_that_a_former_admin_has_seen_opens_nothing_once_they_are_gone(admin: User) -> None:
    with db.transaction() as session:
        other = factories.staff(session, "admin")
    row, seen = api_clients.create("Books", ["invoices:read"], admin.id)
    _row, unseen = api_clients.rotate(row.id, other.id)
    access.end(admin.id, by=other.id)
    api_clients.authenticate(row.id, unseen, None)
    with pytest.raises(WrongClient):
        api_clients.authenticate(row.id, seen, None)
