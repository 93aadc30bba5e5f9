"""Keys of the company's other systems."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from portal.core import audit, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Invalid, NotFound
from portal.identity import api_access, policy
from portal.identity.api_access import MadeAlready, WrongMachine
from portal.identity.models import MachineCredential, User
from tests import factories
from tests.together import together

pytestmark = pytest.mark.usefixtures("settings")


@pytest.fixture
def admin(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.staff(session, "admin")


def events(action: str) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).where(AuditEvent.action == action)) or 0


def test_a_machine_proves_itself_with_its_secret(admin: User) -> None:
    row, secret = api_access.create_machine("  Order \n desk ", ["invoices:read", "invoices:write"], admin.id)
    assert (row.name, row.last_used_at) == ("Order desk", None)
    proved, scopes = api_access.prove_machine(row.id, secret, None)
    assert (proved.id, scopes) == (row.id, {"invoices:read", "invoices:write"})
    assert api_access.prove_machine(row.id, secret, ["invoices:read"])[1] == {"invoices:read"}
    found = api_access.machine(row.id)
    assert found is not None
    assert found.last_used_at is not None
    assert secret not in found.secret_hash


def test_wrong_secrets_are_told_apart_by_nothing(admin: User) -> None:
    row, secret = api_access.create_machine("Books", ["invoices:read"], admin.id)
    other, others_secret = api_access.create_machine("Orders", ["invoices:read"], admin.id)
    api_access.revoke_machine(other.id)
    told = set()
    tries = [(row.id, others_secret), (row.id, ""), (row.id, row.secret_hash), (row.id, secret.upper())]
    for machine_id, typed in (*tries, ("mac_unknown", secret), ("", ""), (other.id, others_secret)):
        with pytest.raises(WrongMachine) as refused:
            api_access.prove_machine(machine_id, typed, None)
        told.add((refused.value.code, refused.value.text()))
    assert len(told) == 1


def test_a_revoked_machine_is_none_any_more(admin: User) -> None:
    row, secret = api_access.create_machine("Books", ["invoices:read"], admin.id)
    first = api_access.revoke_machine(row.id).revoked_at
    assert api_access.revoke_machine(row.id).revoked_at == first
    assert api_access.machine(row.id) is None
    with pytest.raises(WrongMachine):
        api_access.prove_machine(row.id, secret, None)
    with pytest.raises(NotFound):
        api_access.revoke_machine("mac_unknown")
    assert events("machine.revoked") == 1


@pytest.mark.parametrize(("wanted", "code"), [("everything", "unknown_scope"), ("payments:read", "scope_not_allowed")])
def test_a_machine_gets_no_scope_beyond_its_own(admin: User, wanted: str, code: str) -> None:
    row, secret = api_access.create_machine("Books", ["invoices:read"], admin.id)
    with pytest.raises(Invalid) as refused:
        api_access.prove_machine(row.id, secret, [wanted])
    assert refused.value.code == code


@pytest.mark.parametrize("scope", sorted(policy.SCOPES - policy.MACHINE_SCOPES))
def test_no_machine_is_made_with_what_only_people_may_do(admin: User, scope: str) -> None:
    with pytest.raises(Invalid) as refused:
        api_access.create_machine("Books", ["invoices:read", scope], admin.id)
    assert refused.value.code == "scope_not_allowed"


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [("", ["invoices:read"], "name"), (" \n ", ["invoices:read"], "name"), ("x" * 101, ["invoices:read"], "name"),
     ("Books", [], "scopes")],
)  # fmt: skip
def test_a_machine_needs_a_name_and_something_to_do(admin: User, name: str, scopes: list[str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        api_access.create_machine(name, scopes, admin.id)
    assert refused.value.field == field


def test_a_form_that_is_sent_twice_at_once_makes_one_machine(admin: User) -> None:
    outcomes = together(
        *[lambda: api_access.create_machine("Books", ["invoices:read"], admin.id, client_key="the-form-17")] * 4
    )
    assert sum(isinstance(one, MadeAlready) for one in outcomes) == 3, outcomes
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(MachineCredential)) == 1
    assert events("machine.created") == 1


def test_one_admins_form_is_not_anothers(admin: User) -> None:
    with db.transaction() as session:
        other = factories.staff(session, "admin")
    made = [
        api_access.create_machine("Books", ["invoices:read"], person.id, client_key="the-form-17")[0].id
        for person in (admin, other)
    ]
    assert len(set(made)) == 2


def test_the_secret_stands_in_no_event(admin: User) -> None:
    _row, secret = api_access.create_machine("Books", ["invoices:read"], admin.id)
    with db.reading() as session:
        told = repr([event.facts for event in session.scalars(select(AuditEvent))])
        assert audit.verify(session) is None
    assert secret not in told
