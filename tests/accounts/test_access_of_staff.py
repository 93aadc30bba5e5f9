"""Ending and restoring access, and changing the roles of those who work here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from portal.accounts import access
from portal.core import audit, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Forbidden, Invalid, NotFound
from portal.identity import api_clients, app_grants, sessions, signing_in, tokens
from portal.identity.models import ApiClient, TokenPurpose, User
from portal.jobs.models import JobRow
from tests import factories
from tests.concurrency import run_concurrently

HOME = {"ip": "192.0.2.1", "user_agent": ""}


def staff(role: str, **values: object) -> User:
    with db.transaction() as session:
        return factories.staff(session, role, **values)


@pytest.fixture
def ida(database: str, settings: config.Settings) -> User:
    return staff("admin", name="Ida Admin")


def recorded(user: User) -> list[tuple[str, dict[str, object]]]:
    with db.reading() as session:
        rows = session.execute(
            select(AuditEvent.action, AuditEvent.facts)
            .where(AuditEvent.subject == user.id, AuditEvent.action.like("user.%"))
            .order_by(AuditEvent.number)
        )
        return [(row.action, row.facts) for row in rows]


def test_sessions_apps_links_and_keys_die_with_the_access(ida: User) -> None:
    tom = staff("admin", name="Tom Leaver")
    cookie = signing_in.sign_in(tom.email, factories.PASSWORD, **HOME)
    app = app_grants.sign_in(tom.email, factories.PASSWORD, code=None, wanted=None, **HOME)
    key, secret = api_clients.create("Books", ["invoices:read"], tom.id)
    other, other_secret = api_clients.create("Shop", ["invoices:read"], ida.id)
    with db.transaction() as session:
        link = tokens.issue(session, tom.id, TokenPurpose.PASSWORD_RESET)
    assert link is not None and sessions.find(cookie) and api_clients.find(key.id)

    access.end(tom.id, by=ida.id)
    access.end(tom.id, by=ida.id)

    assert sessions.find(cookie) is None
    assert app_grants.standing(app.id) is None
    with pytest.raises(app_grants.GrantOver):
        app_grants.refresh(app.refresh_token)
    assert api_clients.find(key.id) is None
    with pytest.raises(api_clients.WrongClient):
        api_clients.authenticate(key.id, secret, None)
    assert api_clients.authenticate(other.id, other_secret, None)
    with pytest.raises(tokens.LinkExpired), db.reading() as session:
        tokens.read(session, tokens.derive(link.id), TokenPurpose.PASSWORD_RESET)
    with pytest.raises(signing_in.WrongCredentials):
        signing_in.sign_in(tom.email, factories.PASSWORD, **HOME)
    assert recorded(tom) == [("user.access_ended", {"sessions_ended": 2, "keys_revoked": 1})]
    with db.reading() as session:
        assert audit.verify(session) is None


def test_who_is_back_has_the_role_of_before_and_no_key(ida: User) -> None:
    tom = staff("approver")
    key, _secret = api_clients.create("Books", ["invoices:read"], tom.id)
    access.end(tom.id, by=ida.id)
    assert access.member(tom.id).status == "ended"
    assert access.restore(tom.id, by=ida.id) is None
    assert access.restore(tom.id, by=ida.id) is None
    back = access.member(tom.id)
    assert (back.status, back.role) == ("active", "approver")
    assert signing_in.sign_in(tom.email, factories.PASSWORD, **HOME)
    assert api_clients.find(key.id) is None
    assert recorded(tom)[1:] == [("user.access_restored", {"role": "approver"})]


def test_who_never_had_a_password_is_invited_anew(ida: User) -> None:
    made = access.invite(email="eve@portal.test", name="Eve", role="support", by=ida.id)
    access.end(made.user_id, by=ida.id)
    invited = access.restore(made.user_id, by=ida.id)
    assert invited is not None and invited.link != made.link
    assert access.member(made.user_id).status == "invited"
    with db.reading() as session:
        assert len(session.scalars(select(JobRow).where(JobRow.name == "accounts.mail_invitation")).all()) == 2


def test_a_role_holds_from_the_next_request_on(ida: User) -> None:
    tom = staff("support")
    cookie = signing_in.sign_in(tom.email, factories.PASSWORD, **HOME)
    access.change_role(tom.id, "approver", by=ida.id)
    access.change_role(tom.id, "approver", by=ida.id)
    found = sessions.find(cookie)
    assert found is not None and found.role == "approver"
    assert recorded(tom) == [("user.role_changed", {"role": ["support", "approver"]})]
    with pytest.raises(Invalid):
        access.change_role(tom.id, "customer", by=ida.id)
    access.end(tom.id, by=ida.id)
    with pytest.raises(Conflict):
        access.change_role(tom.id, "support", by=ida.id)


def test_the_last_admin_who_can_sign_in_stays(ida: User) -> None:
    access.invite(email="new@portal.test", name="Not here yet", role="admin", by=ida.id)
    gone = staff("admin", active=False)
    assert access.member(ida.id).is_only_admin
    acts: list[Callable[[], object]] = [
        lambda: access.end(ida.id, by=ida.id),
        lambda: access.end(ida.id),
        lambda: access.change_role(ida.id, "support"),
    ]
    for act in acts:
        with pytest.raises(access.LastAdmin):
            act()
    access.restore(gone.id, by=ida.id)
    assert not access.member(ida.id).is_only_admin
    access.end(ida.id, by=ida.id)
    assert access.member(gone.id).is_only_admin


def test_of_two_admins_who_remove_each_other_one_stays(ida: User) -> None:
    tom = staff("admin")
    ends = run_concurrently(lambda: access.end(tom.id, by=ida.id), lambda: access.end(ida.id, by=tom.id))
    refused = [one for one in ends if isinstance(one, BaseException)]
    assert len(refused) == 1 and isinstance(refused[0], Forbidden | access.LastAdmin)
    assert [one.status for one in access.of_staff()].count(access.AccessStatus.ACTIVE) == 1


def test_of_two_admins_who_demote_each_other_one_stays(ida: User) -> None:
    tom = staff("admin")
    ends = run_concurrently(
        lambda: access.change_role(tom.id, "support", by=ida.id),
        lambda: access.change_role(ida.id, "support", by=tom.id),
    )
    refused = [one for one in ends if isinstance(one, BaseException)]
    assert len(refused) == 1 and isinstance(refused[0], Forbidden | access.LastAdmin)
    assert sorted(one.role for one in access.of_staff()) == ["admin", "support"]


def test_nobody_changes_their_own_role(ida: User) -> None:
    staff("admin")
    for role in ("support", "approver"):
        with pytest.raises(access.OwnRole):
            access.change_role(ida.id, role, by=ida.id)
    assert access.member(ida.id).role == "admin"


def test_one_browser_is_signed_out_and_the_others_stay(ida: User) -> None:
    tom = staff("support")
    lost, kept = (signing_in.sign_in(tom.email, factories.PASSWORD, **HOME) for _ in range(2))
    (first,) = [one for one in sessions.devices(tom.id, lost) if one.is_this_one]
    access.end_session(tom.id, first.id, by=ida.id)
    access.end_session(tom.id, first.id, by=ida.id)
    assert sessions.find(lost) is None and sessions.find(kept) is not None
    assert access.member(tom.id).sessions == 1
    with pytest.raises(Forbidden):
        access.end_session(ida.id, first.id, by=tom.id)


def test_the_one_concerned_is_told_of_each_change(ida: User) -> None:
    tom = staff("support")
    access.change_role(tom.id, "finance", by=ida.id)
    access.end(tom.id, by=ida.id)
    access.restore(tom.id, by=ida.id)
    access.end(access.invite(email="new@portal.test", name="Not here yet", role="admin", by=ida.id).user_id, by=ida.id)
    with db.reading() as session:
        mails = session.scalars(select(JobRow).where(JobRow.name == "accounts.mail_staff_access").order_by(JobRow.id))
        told = sorted((row.args["user_id"] == tom.id, row.args["what"], row.args["role"]) for row in mails)
    assert told == [(True, "ended", ""), (True, "restored", ""), (True, "role_changed", "finance")]


def test_only_admins_act_and_only_on_staff(ida: User) -> None:
    tom, former = staff("approver"), staff("admin", active=False)
    with db.transaction() as session:
        customer = factories.user(session, factories.customer(session))
    for nobody in (tom.id, former.id, customer.id):
        with pytest.raises(Forbidden):
            access.end(tom.id, by=nobody)
        with pytest.raises(Forbidden):
            access.invite(email="x@portal.test", name="X", role="admin", by=nobody)
    for act in (access.end, access.restore):
        with pytest.raises(NotFound):
            act(customer.id, by=ida.id)
    with pytest.raises(NotFound):
        access.change_role(customer.id, "admin")
    access.end(customer.id)  # an operator may
    with db.reading() as session:
        assert not session.get_one(User, customer.id).active
        assert session.scalars(select(ApiClient)).first() is None
