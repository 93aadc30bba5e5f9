"""Signing in, staying signed in, and the brakes on guessing."""

from __future__ import annotations

import threading
from datetime import timedelta

import argon2
import pytest
import time_machine
from sqlalchemy import event, func, select

from portal.accounts import access
from portal.core import audit, clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import NotFound, PortalError, RateLimited
from portal.core.networks import network_of
from portal.identity import passwords, sessions, signing_in, throttle
from portal.identity.models import SignInAttempt, SignInSession, User
from portal.identity.signing_in import WrongCredentials
from tests import factories
from tests.factories import PASSWORD

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
HOME = "203.0.113.7"
ELSEWHERE = "198.51.100.9"

pytestmark = pytest.mark.usefixtures("settings")


@pytest.fixture
def user(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session), email="ada@spree-bikes.test")


@pytest.fixture
def member_of_staff(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.staff(session)


def sign_in(email: str = "ada@spree-bikes.test", password: str = PASSWORD, ip: str = HOME) -> str:
    return signing_in.sign_in(email, password, ip=ip, user_agent=FIREFOX)


def guess(times: int, email: str = "ada@spree-bikes.test", ip: str = HOME) -> None:
    for _ in range(times):
        with pytest.raises(WrongCredentials):
            sign_in(email, "not the password", ip)


def actions() -> list[str]:
    with db.reading() as session:
        return list(session.execute(select(AuditEvent.action).order_by(AuditEvent.number)).scalars())


def test_the_right_password_begins_a_session(user: User) -> None:
    found = sessions.find(sign_in())
    assert found is not None
    assert (found.id, found.customer_id, found.is_staff) == (user.id, user.customer_id, False)


def test_the_email_may_be_typed_in_any_case(user: User) -> None:
    assert sessions.find(sign_in(" Ada@Spree-Bikes.TEST ")) is not None


def test_wrong_unknown_disabled_and_invited_are_told_apart_by_nothing(user: User) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        factories.user(session, customer, email="gone@spree-bikes.test", active=False)
        factories.user(session, customer, email="invited@spree-bikes.test", password=None)
    answers = set()
    for email, password in (
        (user.email, "not the password"),
        ("nobody@spree-bikes.test", PASSWORD),
        ("gone@spree-bikes.test", PASSWORD),
        ("invited@spree-bikes.test", ""),
    ):
        with pytest.raises(PortalError) as refused:
            sign_in(email, password)
        answers.add((type(refused.value), refused.value.text()))
    assert len(answers) == 1


def test_only_a_hash_of_the_token_is_kept(user: User) -> None:
    token = sign_in()
    with db.reading() as session:
        kept = session.execute(select(SignInSession.token_hash)).scalar_one()
    assert token not in kept
    assert sessions.find(kept) is None


def test_each_sign_in_is_a_session_of_its_own(user: User) -> None:
    assert sign_in() != sign_in()


def test_a_signed_out_session_stays_dead(user: User) -> None:
    token, other = sign_in(), sign_in()
    sessions.sign_out(token)
    sessions.sign_out(token)
    assert sessions.find(token) is None
    assert sessions.find(other) is not None
    assert actions().count("session.ended") == 1


def test_a_disabled_user_is_signed_out_at_once(user: User) -> None:
    token = sign_in()
    access.end(user.id)
    assert sessions.find(token) is None
    access.restore(user.id)
    assert sessions.find(token) is None


def test_signing_out_elsewhere_keeps_this_session(user: User) -> None:
    here, there, third = sign_in(), sign_in(), sign_in()
    assert sessions.sign_out_elsewhere(user.id, here) == 2
    assert [sessions.find(token) is not None for token in (here, there, third)] == [True, False, False]


def test_devices_are_named_and_the_present_one_comes_first(user: User) -> None:
    with time_machine.travel(clock.now() - timedelta(minutes=5)):
        here = sign_in()
    sign_in(ip=ELSEWHERE)
    shown = sessions.devices(user.id, here)
    assert [(device.browser, device.ip, device.is_this_one) for device in shown] == [
        ("Firefox, Linux", HOME, True),
        ("Firefox, Linux", ELSEWHERE, False),
    ]


@pytest.mark.parametrize(("minutes", "lives"), [(29, True), (31, False)])
def test_a_customer_is_signed_out_after_half_an_hour_of_rest(user: User, minutes: int, lives: bool) -> None:
    token = sign_in()
    with time_machine.travel(clock.now() + timedelta(minutes=minutes)):
        assert (sessions.find(token) is not None) is lives


@pytest.mark.parametrize(("minutes", "lives"), [(14, True), (16, False)])
def test_staff_are_signed_out_after_a_quarter_of_an_hour_of_rest(
    member_of_staff: User, minutes: int, lives: bool
) -> None:
    token = sign_in(member_of_staff.email)
    with time_machine.travel(clock.now() + timedelta(minutes=minutes)):
        assert (sessions.find(token) is not None) is lives


@pytest.mark.parametrize(("who", "hours", "pause"), [("user", 12, 25), ("member_of_staff", 8, 12)])
def test_the_busiest_session_ends_after_its_longest_time(
    who: str, hours: int, pause: int, request: pytest.FixtureRequest
) -> None:
    someone: User = request.getfixturevalue(who)
    start = clock.now()
    token = sign_in(someone.email)
    end = start + timedelta(hours=hours)
    with time_machine.travel(start) as travel:
        while clock.now() + timedelta(minutes=pause) < end:
            travel.shift(timedelta(minutes=pause))
            assert sessions.find(token) is not None
        travel.move_to(end + timedelta(seconds=5))
        assert sessions.find(token) is None


def test_reading_pages_writes_at_most_once_a_minute(user: User) -> None:
    writes: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("SELECT"):
            writes.append(statement)

    start = clock.now()
    token = sign_in()
    event.listen(db.engine(), "before_cursor_execute", note)
    with time_machine.travel(start + timedelta(seconds=50)):
        sessions.find(token)
    assert not [words for words in writes if "BEGIN IMMEDIATE" in words or "UPDATE" in words]
    with time_machine.travel(start + timedelta(seconds=70)):
        sessions.find(token)
        sessions.find(token)
    assert len([words for words in writes if "UPDATE" in words]) == 1


def test_a_weaker_hash_is_renewed_at_the_next_sign_in(user: User) -> None:
    weaker = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with db.transaction() as session:
        session.get_one(User, user.id).password_hash = weaker
    sign_in()
    with db.reading() as session:
        renewed = session.get_one(User, user.id).password_hash
    assert renewed is not None
    assert not passwords.is_outdated(renewed)
    sign_in()


def test_ten_wrong_passwords_close_the_door_for_a_while(user: User) -> None:
    guess(10)
    with pytest.raises(RateLimited) as refused:
        sign_in()
    assert 0 < refused.value.retry_after <= 15 * 60
    with time_machine.travel(clock.now() + timedelta(seconds=refused.value.retry_after + 1)):
        sign_in()


def test_guessing_from_one_address_does_not_lock_the_owner_out(user: User) -> None:
    guess(10, ip=ELSEWHERE)
    assert sessions.find(sign_in(ip=HOME)) is not None


def test_the_right_password_forgives_earlier_mistakes(user: User) -> None:
    guess(9)
    sign_in()
    guess(9)
    sign_in()


def test_one_success_does_not_forgive_guesses_at_others(user: User) -> None:
    for number in range(throttle.MOST_FROM_NETWORK - 1):
        throttle.begin(f"person{number}@example.test", HOME)
    sign_in()
    throttle.begin("another@example.test", HOME)
    with pytest.raises(RateLimited):
        sign_in()


def test_one_password_tried_on_many_accounts_is_stopped(user: User) -> None:
    for number in range(throttle.MOST_FROM_NETWORK):
        throttle.begin(f"person{number}@example.test", HOME)
    with pytest.raises(RateLimited):
        sign_in(ip=HOME)
    sign_in(ip=ELSEWHERE)


def test_many_machines_guessing_at_one_account_are_stopped_but_not_its_owner(user: User) -> None:
    sign_in(ip=HOME)
    for number in range(throttle.MOST_OF_ACCOUNT):
        throttle.begin(user.email, f"192.0.2.{number}")
    with pytest.raises(RateLimited):
        sign_in(ip=ELSEWHERE)
    sign_in(ip=HOME)


def test_an_ipv6_subscriber_is_one_network(user: User) -> None:
    assert network_of("2001:db8:1:2:aaaa::1") == network_of("2001:db8:1:2:bbbb::2")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    for number in range(throttle.MOST_OF_ACCOUNT_FROM_NETWORK):
        throttle.begin(user.email, f"2001:db8:1:2:{number:x}::{number:x}")
    with pytest.raises(RateLimited):
        throttle.begin(user.email, "2001:db8:1:2:ffff::1")
    throttle.begin(user.email, "2001:db8:1:3::1")
    assert network_of("::ffff:203.0.113.7") == HOME
    assert len(network_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")) <= 45
    assert network_of("") == ""


def test_wrong_passwords_sent_side_by_side_are_all_counted(user: User) -> None:
    outcomes: list[type[PortalError]] = []

    def try_once() -> None:
        try:
            sign_in(password="not the password")
        except PortalError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=try_once) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with db.reading() as session:
        counted = session.execute(select(func.count()).select_from(SignInAttempt)).scalar_one()
    assert len(outcomes) == 16
    assert counted == outcomes.count(WrongCredentials)
    assert RateLimited in outcomes or counted == 16
    with pytest.raises(RateLimited):
        sign_in()


def test_right_passwords_sent_side_by_side_all_let_in(user: User) -> None:
    tokens: list[str] = []
    threads = [threading.Thread(target=lambda: tokens.append(sign_in())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(tokens)) == 4


def test_sign_ins_and_refusals_stand_in_the_audit_trail(user: User) -> None:
    with audit.acting(audit.Actor("anonymous", "", HOME, "request1")):
        guess(1)
        guess(1, email="nobody@spree-bikes.test")
        sessions.sign_out(sign_in())
    with db.reading() as session:
        events = session.execute(select(AuditEvent).order_by(AuditEvent.number)).scalars().all()
        assert audit.verify(session) is None
    told = [(event.action, event.subject, event.actor_kind, event.ip) for event in events]
    assert told == [
        ("session.refused", user.id, "anonymous", HOME),
        ("session.refused", "unknown", "anonymous", HOME),
        ("session.started", user.id, "customer", HOME),
        ("session.ended", user.id, "anonymous", HOME),
    ]
    assert "password" not in repr([event.facts for event in events])


def test_one_device_is_signed_out_alone_and_nobody_elses(user: User, member_of_staff: User) -> None:
    with db.transaction() as session:
        here = sessions.start(session, user, ip="2001:db8::1", user_agent=FIREFOX)
        phone = sessions.start(session, user, ip="2001:db8::2", user_agent="", by_passkey=True)
        away = sessions.start(session, user, ip=ELSEWHERE, user_agent="")
    mine, *others = sessions.devices(user.id, here)
    assert mine.is_this_one
    assert {(one.ip, one.is_same_network, one.by_passkey) for one in others} == {
        ("2001:db8::2", True, True),
        (ELSEWHERE, False, False),
    }
    lost = next(one for one in others if one.ip == ELSEWHERE)
    with pytest.raises(NotFound):
        sessions.sign_out_device(member_of_staff.id, lost.id)
    with pytest.raises(NotFound):
        sessions.sign_out_device(user.id, away)  # what opens it does not name it
    sessions.sign_out_device(user.id, lost.id)
    with pytest.raises(NotFound):
        sessions.sign_out_device(user.id, lost.id)
    assert sessions.find(away) is None
    assert sessions.find(phone) is not None
