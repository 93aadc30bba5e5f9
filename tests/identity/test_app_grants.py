"""Apps that someone signs in with: what they may do, how long, and what ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from portal.accounts import access
from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Invalid, NotFound, RateLimited
from portal.identity import app_grants, policy, service, sessions, signing_in
from portal.identity.app_grants import Grant, GrantOver
from portal.identity.job_handlers import sweep
from portal.identity.models import AppGrant, CustomerRole, RefreshToken, User
from tests import factories
from tests.concurrency import run_concurrently
from tests.factories import PASSWORD

HOME = "203.0.113.7"
APP = "Nordlicht/2.1 (iPhone; iOS 20)"

pytestmark = pytest.mark.usefixtures("settings")


@pytest.fixture
def user(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session), CustomerRole.OWNER, email="ada@spree-bikes.test")


@pytest.fixture
def reviewer(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.staff(session)


def sign_in(user: User, *wanted: str, password: str = PASSWORD, user_agent: str = APP) -> Grant:
    return app_grants.sign_in(user.email, password, code=None, wanted=wanted or None, ip=HOME, user_agent=user_agent)


def is_over(grant: Grant) -> bool:
    """Whether neither its access tokens nor its refresh token open anything; a refresh token that lives is used up."""
    access = app_grants.standing(grant.id)
    try:
        app_grants.refresh(grant.refresh_token)
    except GrantOver:
        assert access is None
        return True
    assert access is not None
    return False


def events(action: str) -> list[AuditEvent]:
    with db.reading() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.number)))


def change(user: User, **values: object) -> None:
    with db.transaction() as session:
        row = session.get_one(User, user.id)
        for name, value in values.items():
            setattr(row, name, value)


# Signing in


def test_without_wanted_scopes_an_app_gets_all_that_its_user_may_do(user: User, reviewer: User) -> None:
    assert sign_in(user).scopes == policy.scopes_of("customer", CustomerRole.OWNER)
    assert sign_in(reviewer).scopes == policy.scopes_of("support", None)


def test_an_app_gets_no_more_than_it_wanted(user: User) -> None:
    grant = sign_in(user, "invoices:read", "payments:write")
    assert grant.scopes == {"invoices:read", "payments:write"}
    assert app_grants.refresh(grant.refresh_token).scopes == {"invoices:read", "payments:write"}


@pytest.mark.parametrize(
    ("wanted", "code"),
    [("everything", "unknown_scope"), ("refunds:approve", "scope_not_allowed"), ("", "unknown_scope")],
)
def test_unknown_and_forbidden_scopes_are_refused(user: User, wanted: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        sign_in(user, wanted)
    assert (refused.value.code, refused.value.field) == (code, "scope")
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(AppGrant)) == 0


@pytest.mark.parametrize(
    ("role", "scope"), [(CustomerRole.VIEWER, "payments:write"), (CustomerRole.PAYER, "endpoints:write")]
)
def test_a_role_bounds_what_an_app_may_want(settings: config.Settings, role: str, scope: str) -> None:
    with db.transaction() as session:
        person = factories.user(session, factories.customer(session), role)
    with pytest.raises(Invalid) as refused:
        sign_in(person, scope)
    assert refused.value.code == "scope_not_allowed"


def test_wrong_unknown_and_disabled_are_told_apart_by_nothing(user: User) -> None:
    with db.transaction() as session:
        gone = factories.user(session, factories.customer(session), active=False)
        nobody = factories.user(session, factories.customer(session))
        session.delete(nobody)
    told = set()
    for who, password in ((user, "not the password"), (gone, PASSWORD), (nobody, PASSWORD)):
        with pytest.raises(app_grants.NotProved) as refused:
            sign_in(who, password=password)
        told.add(refused.value.text())
    assert len(told) == 1


def test_guessing_through_the_api_meets_the_same_brakes(user: User) -> None:
    for _ in range(10):
        with pytest.raises(app_grants.NotProved):
            sign_in(user, password="a guess")
    with pytest.raises(RateLimited):
        sign_in(user)
    with pytest.raises(RateLimited):
        signing_in.sign_in(user.email, PASSWORD, ip=HOME, user_agent="")


def test_signing_in_and_out_stands_in_the_audit_trail_without_a_token(user: User) -> None:
    grant = sign_in(user)
    app_grants.sign_out(grant.refresh_token)
    app_grants.sign_out(grant.refresh_token)
    app_grants.sign_out("prt_nobody_gave_this_out")
    began, ended = events("app.signed_in"), events("app.signed_out")
    assert [(one.subject, one.customer_id, one.actor_kind) for one in began] == [
        (user.id, user.customer_id, "customer")
    ]
    assert [one.facts for one in ended] == [{"grant": grant.id, "why": "signed_out"}]
    assert "prt_" not in repr([one.facts for one in (*began, *ended)])
    assert is_over(grant)


def test_only_hashes_of_refresh_tokens_are_kept(user: User) -> None:
    grant = sign_in(user)
    with db.reading() as session:
        kept = session.scalars(select(RefreshToken.token_hash)).one()
    assert grant.refresh_token not in kept
    with pytest.raises(GrantOver):
        app_grants.refresh(kept)


# Refresh tokens


def test_each_refresh_token_is_good_once_and_brings_the_next(user: User) -> None:
    first = sign_in(user)
    second = app_grants.refresh(first.refresh_token)
    third = app_grants.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert first.id == second.id == third.id
    assert third.user.id == user.id


def test_a_refresh_token_that_comes_twice_ends_the_grant(user: User) -> None:
    other = sign_in(user)
    first = sign_in(user)
    second = app_grants.refresh(first.refresh_token)
    with pytest.raises(GrantOver):
        app_grants.refresh(first.refresh_token)
    assert is_over(second), "whoever holds the newest token may be the thief"
    assert [one.facts["why"] for one in events("app.signed_out")] == ["refresh_token_reused"]
    assert not is_over(other), "the user's other apps have nothing to do with it"


def test_two_who_use_one_refresh_token_at_once_end_the_grant(user: User) -> None:
    grant = sign_in(user)
    outcomes = run_concurrently(*[lambda: app_grants.refresh(grant.refresh_token)] * 4)
    assert sum(isinstance(one, GrantOver) for one in outcomes) == 3
    (winner,) = [one for one in outcomes if isinstance(one, Grant)]
    assert is_over(winner)
    assert len(events("app.signed_out")) == 1


@pytest.mark.parametrize("token", ["", "prt_", "prt_nobody_gave_this_out", "x" * 200])
def test_a_token_that_nobody_gave_out_opens_nothing(user: User, token: str) -> None:
    with pytest.raises(GrantOver):
        app_grants.refresh(token)


# How long it lasts


@pytest.mark.parametrize(("who", "idle"), [("user", timedelta(days=14)), ("reviewer", timedelta(hours=8))])
def test_an_app_that_is_not_used_is_signed_out(who: str, idle: timedelta, request: pytest.FixtureRequest) -> None:
    someone: User = request.getfixturevalue(who)
    start = clock.now()
    kept, forgotten = sign_in(someone), sign_in(someone)
    with time_machine.travel(start + idle - timedelta(minutes=1)):
        assert not is_over(kept)
    with time_machine.travel(start + idle + timedelta(minutes=1)):
        assert is_over(forgotten)
        assert app_grants.standing(kept.id) is not None


@pytest.mark.parametrize(
    ("who", "longest", "pause"),
    [("user", timedelta(days=90), timedelta(days=13)), ("reviewer", timedelta(hours=12), timedelta(hours=3))],
)
def test_the_busiest_app_is_signed_out_after_its_longest_time(
    who: str, longest: timedelta, pause: timedelta, request: pytest.FixtureRequest
) -> None:
    someone: User = request.getfixturevalue(who)
    start = clock.now()
    grant = sign_in(someone)
    with time_machine.travel(start) as travel:
        while clock.now() + pause < start + longest:
            travel.shift(pause)
            grant = app_grants.refresh(grant.refresh_token)
        travel.move_to(start + longest + timedelta(seconds=5))
        assert is_over(grant)


def test_calling_counts_as_use(user: User) -> None:
    start = clock.now()
    grant = sign_in(user)
    with time_machine.travel(start + timedelta(days=10)):
        assert app_grants.standing(grant.id) is not None
    with time_machine.travel(start + timedelta(days=20)):
        assert not is_over(grant)


# What ends it, and what makes it smaller


def test_a_disabled_user_has_no_apps(user: User) -> None:
    grant = sign_in(user)
    access.end(user.id)
    assert is_over(grant)
    access.restore(user.id)
    assert is_over(grant), "what was ended stays so"


def test_a_lower_role_means_fewer_scopes(user: User) -> None:
    grant = sign_in(user, "endpoints:write", "payments:write", "invoices:read")
    change(user, customer_role=CustomerRole.PAYER)
    grant = app_grants.refresh(grant.refresh_token)
    assert grant.scopes == {"payments:write", "invoices:read"}
    change(user, customer_role=CustomerRole.VIEWER)
    grant = app_grants.refresh(grant.refresh_token)
    assert grant.scopes == {"invoices:read"}
    change(user, customer_role=CustomerRole.OWNER)
    assert "endpoints:write" in app_grants.refresh(grant.refresh_token).scopes, "what was granted at first"


def test_a_new_password_signs_every_app_out(user: User) -> None:
    changed = sign_in(user)
    service.change_password(user.id, PASSWORD, "nine green boats at noon", ip=HOME, user_agent="")
    assert is_over(changed)
    again = sign_in(user, password="nine green boats at noon")
    service.set_password(user.id, "four blue kites at dusk")
    assert is_over(again)


@contextmanager
def once_proved(work: Callable[[], object]) -> Iterator[None]:
    """Have someone else do this after the first right password of the block, before anything comes of it."""
    proved: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("DELETE FROM sign_in_attempts"):
            proved.append(statement)

    def let_in(*_arguments: object) -> None:  # the proof's transaction is over, and its connection given back
        if proved:
            proved.clear()
            event.remove(engine, "before_cursor_execute", note)
            run_concurrently(work)

    engine = db.engine()
    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "checkin", let_in)
    try:
        yield
    finally:
        event.remove(engine, "checkin", let_in)


@pytest.mark.parametrize("change", ["password", "access"])
def test_no_grant_begins_for_whom_something_changed_since_the_proof(user: User, change: str) -> None:
    """It would outlive the change, which has ended all grants that there were."""
    works: dict[str, Callable[[], object]] = {
        "password": lambda: service.set_password(user.id, "nine green boats at noon"),
        "access": lambda: access.end(user.id),
    }
    with once_proved(works[change]), pytest.raises(app_grants.NotProved):
        sign_in(user)
    assert app_grants.apps(user.id) == []


def test_right_passwords_side_by_side_all_sign_in(user: User) -> None:
    grants = run_concurrently(*[lambda: sign_in(user)] * 4)
    assert all(isinstance(one, Grant) for one in grants), grants


def test_signing_out_elsewhere_signs_apps_out(user: User) -> None:
    grant = sign_in(user)
    here = signing_in.sign_in(user.email, PASSWORD, ip=HOME, user_agent="")
    assert sessions.sign_out_elsewhere(user.id, here) == 1
    assert is_over(grant)
    assert sessions.find(here) is not None


def test_one_app_is_signed_out_and_the_others_stay(user: User, reviewer: User) -> None:
    lost, kept, foreign = sign_in(user), sign_in(user), sign_in(reviewer)
    app_grants.end(lost.id, user.id)
    app_grants.end(lost.id, user.id)
    assert is_over(lost)
    assert not is_over(kept)
    for grant_id in (foreign.id, "grt_unknown"):
        with pytest.raises(NotFound):
            app_grants.end(grant_id, user.id)
    assert not is_over(foreign)
    assert [one.facts["why"] for one in events("app.signed_out")] == ["ended_elsewhere"]


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (APP, "Nordlicht, iPhone"),
        (FIREFOX, "Firefox, Linux"),
        ("okhttp/4.12", "okhttp"),
        ("", ""),
        ("x" * 300, "x" * 40),
    ],
)
def test_apps_are_shown_by_the_name_that_they_give(user: User, user_agent: str, name: str) -> None:
    grant = sign_in(user, user_agent=user_agent)
    (app,) = app_grants.apps(user.id)
    assert (app.id, app.name, app.ip) == (grant.id, name, HOME)


def test_the_newest_app_comes_first_and_dead_ones_not_at_all(user: User) -> None:
    now = clock.now()
    with time_machine.travel(now - timedelta(days=15)):
        sign_in(user)
    with time_machine.travel(now - timedelta(hours=1)):
        older = sign_in(user)
    newer, ended = sign_in(user), sign_in(user)
    app_grants.sign_out(ended.refresh_token)
    assert [app.id for app in app_grants.apps(user.id)] == [newer.id, older.id]


def test_the_sweep_forgets_what_nobody_has_used_for_long(user: User) -> None:
    def rows() -> tuple[int, int]:
        with db.reading() as session:
            return _count(session, AppGrant), _count(session, RefreshToken)

    start = clock.now()
    with time_machine.travel(start - timedelta(days=121)):
        app_grants.refresh(sign_in(user).refresh_token)
    with time_machine.travel(start - timedelta(days=119)):
        sign_in(user)
    assert rows() == (2, 3)
    sweep()
    assert rows() == (1, 1)
    sweep()
    assert rows() == (1, 1)


def _count(session: Session, kind: type[db.Base]) -> int:
    return session.scalar(select(func.count()).select_from(kind)) or 0
