"""Inviting, signing up, choosing passwords, and what people change themselves."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from portal.accounts import access, service
from portal.accounts.models import Customer
from portal.core import audit, clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Invalid, NotFound, RateLimited
from portal.identity import job_handlers as identity_jobs
from portal.identity import service as identity
from portal.identity import sessions, signing_in, throttle
from portal.identity.models import AccountToken, SignInAttempt, SignInSession, TokenPurpose, User
from portal.identity.signing_in import WrongCredentials
from portal.identity.tokens import LinkExpired
from portal.jobs import outbox
from portal.jobs.models import JobRow
from tests import factories
from tests.accounts.conftest import Mails, token_of
from tests.factories import PASSWORD
from tests.smtp import Mailbox, text_of

NEW = "nine slow ferries at dusk"
WHERE = {"ip": "203.0.113.7", "user_agent": "Firefox"}
EMAIL = "ada@spree-bikes.test"


@pytest.fixture
def user(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session), email=EMAIL)


def events(action: str) -> list[AuditEvent]:
    with db.reading() as session:
        return list(session.execute(select(AuditEvent).where(AuditEvent.action == action)).scalars())


def count(table: type) -> int:
    with db.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def reset_token(mails: Mails) -> str:
    identity.ask_reset(EMAIL)
    ((_to, _subject, link),) = mails()
    return token_of(link)


# Invitations


def test_an_invited_customer_chooses_a_password_and_is_signed_in(mails: Mails) -> None:
    made = service.invite_customer(name="Spree Bikes", email=EMAIL, contact="Ada Brandt", country="de")
    with pytest.raises(WrongCredentials):
        signing_in.sign_in(EMAIL, "", **WHERE)
    ((to, subject, link),) = mails()
    assert (to, subject) == (EMAIL, "Your account at Nordlicht Energie GmbH")
    assert link == made.link
    assert service.invited(token_of(link)).name == "Ada Brandt"
    token = identity.accept_invitation(token_of(link), NEW, **WHERE)
    found = sessions.find(token)
    assert found is not None
    assert (found.id, found.customer_id) == (made.user_id, made.customer_id)
    signing_in.sign_in(EMAIL, NEW, **WHERE)


def test_an_invitation_opens_the_account_once(mails: Mails) -> None:
    token = token_of(service.invite_customer(name="Spree Bikes", email=EMAIL).link)
    identity.accept_invitation(token, NEW, **WHERE)
    with pytest.raises(LinkExpired):
        identity.accept_invitation(token, "another fine long password", **WHERE)
    signing_in.sign_in(EMAIL, NEW, **WHERE)


@pytest.mark.parametrize(("days", "works"), [(6, True), (8, False)])
def test_an_invitation_lasts_a_week(settings: config.Settings, days: int, works: bool) -> None:
    token = token_of(service.invite_customer(name="Spree Bikes", email=EMAIL).link)
    with time_machine.travel(clock.now() + timedelta(days=days)):
        if works:
            identity.accept_invitation(token, NEW, **WHERE)
        else:
            with pytest.raises(LinkExpired):
                identity.accept_invitation(token, NEW, **WHERE)


def test_a_weak_password_leaves_the_invitation_open(settings: config.Settings) -> None:
    token = token_of(service.invite_customer(name="Spree Bikes", email=EMAIL).link)
    with pytest.raises(Invalid):
        identity.accept_invitation(token, "password1234", **WHERE)
    identity.accept_invitation(token, NEW, **WHERE)


def test_inviting_again_is_for_those_without_a_password(mails: Mails) -> None:
    made = service.invite_customer(name="Spree Bikes", email=EMAIL)
    again = access.invite_again(made.user_id)
    assert [link for _to, _subject, link in mails()] == [made.link, again.link]
    identity.accept_invitation(token_of(again.link), NEW, **WHERE)
    with pytest.raises(Conflict):
        access.invite_again(made.user_id)
    with pytest.raises(LinkExpired):
        identity.accept_invitation(token_of(made.link), NEW, **WHERE)


def test_an_address_signs_in_for_one_customer_only(user: User) -> None:
    with pytest.raises(service.EmailTaken) as refused:
        service.invite_customer(name="Other", email=EMAIL.upper())
    assert refused.value.field == "email"
    assert count(Customer) == 1


def test_staff_belong_to_no_customer(settings: config.Settings) -> None:
    made = access.invite(email="tom@portal.test", name="Tom", role="admin")
    found = sessions.find(identity.accept_invitation(token_of(made.link), NEW, **WHERE))
    assert found is not None
    assert (found.role, found.is_staff, found.customer_id) == ("admin", True, None)
    with pytest.raises(Invalid):
        access.invite(email="eve@portal.test", name="Eve", role="customer")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", "ada@spree-bikes.test\r\nBcc: all@example.test"),
        ("name", "Spree\nBikes"),
        ("name", "   "),
        ("name", "x" * 201),
        ("country", "Germany"),
        ("tax_id", "DE\x00123"),
        ("address", "line\n" * 7),
    ],
)
def test_what_cannot_be_right_is_refused_at_its_field(settings: config.Settings, field: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        service.invite_customer(**{"name": "Spree Bikes", "email": EMAIL, field: value})
    assert refused.value.field == field
    assert count(Customer) == count(User) == count(JobRow) == 0


# Forgotten passwords


def test_a_reset_sets_the_new_password_and_ends_every_session(user: User, mails: Mails) -> None:
    before = signing_in.sign_in(EMAIL, PASSWORD, **WHERE)
    identity.reset_password(reset_token(mails), NEW)
    assert sessions.find(before) is None
    with pytest.raises(WrongCredentials):
        signing_in.sign_in(EMAIL, PASSWORD, **WHERE)
    signing_in.sign_in(EMAIL, NEW, **WHERE)
    assert [subject for _to, subject, _link in mails()] == ["Your password for Nordlicht Energie GmbH was changed"]


def test_a_reset_link_works_once_and_takes_the_others_with_it(user: User, mails: Mails) -> None:
    first, second = reset_token(mails), reset_token(mails)
    identity.reset_password(second, NEW)
    for token in (first, second):
        with pytest.raises(LinkExpired):
            identity.link_owner(token, TokenPurpose.PASSWORD_RESET)
        with pytest.raises(LinkExpired):
            identity.reset_password(token, PASSWORD)


@pytest.mark.parametrize(("minutes", "works"), [(29, True), (31, False)])
def test_a_reset_link_lasts_half_an_hour(user: User, mails: Mails, minutes: int, works: bool) -> None:
    token = reset_token(mails)
    with time_machine.travel(clock.now() + timedelta(minutes=minutes)):
        if works:
            identity.reset_password(token, NEW)
        else:
            with pytest.raises(LinkExpired):
                identity.reset_password(token, NEW)


def test_an_invitation_is_no_reset_and_a_reset_no_invitation(user: User, mails: Mails) -> None:
    with pytest.raises(LinkExpired):
        identity.accept_invitation(reset_token(mails), NEW, **WHERE)
    invited = service.invite_customer(name="Other", email="other@example.test")
    with pytest.raises(LinkExpired):
        identity.reset_password(token_of(invited.link), NEW)


def test_an_unknown_address_leaves_the_same_traces_but_no_mail(user: User, mails: Mails) -> None:
    def traces() -> tuple[int, int]:
        return count(AuditEvent), count(JobRow)

    start = traces()
    identity.ask_reset("nobody@spree-bikes.test")
    unknown = traces()
    assert mails() == []
    middle = traces()
    identity.ask_reset(EMAIL)
    known = traces()
    assert [a - b for a, b in zip(unknown, start, strict=True)] == [a - b for a, b in zip(known, middle, strict=True)]


def test_someone_disabled_gets_no_link(user: User, mails: Mails) -> None:
    token = reset_token(mails)
    access.end(user.id)
    identity.ask_reset(EMAIL)
    assert mails() == []
    with pytest.raises(LinkExpired):
        identity.reset_password(token, NEW)


def test_a_mailbox_cannot_be_filled_with_links(user: User, mails: Mails) -> None:
    for _ in range(8):
        identity.ask_reset(EMAIL)
    assert len(mails()) == 5
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        identity.ask_reset(EMAIL)
        assert len(mails()) == 1


def test_no_link_lies_in_clear_in_the_database(user: User, mails: Mails, database: str) -> None:
    token = reset_token(mails)
    with db.reading() as session:
        written = json.dumps(
            [[job.args, job.last_error, job.unique_key] for job in session.execute(select(JobRow)).scalars()]
            + [[row.id, row.token_hash] for row in session.execute(select(AccountToken)).scalars()]
            + [[event.facts] for event in session.execute(select(AuditEvent)).scalars()]
        )
    assert token not in written
    assert len(token) >= 43  # 256 bits


def test_a_mail_that_is_sent_again_has_the_same_link_and_the_same_id(
    user: User, mails: Mails, smtp: Mailbox, app: Flask
) -> None:
    identity.ask_reset(EMAIL)
    with app.app_context():
        outbox.run_due()
        with db.reading() as session:
            link_id = session.execute(select(AccountToken.id)).scalar_one()
        identity.begin_reset(EMAIL, link_id)
        identity_jobs.mail_link(link_id)
        outbox.run_due()
    first, second = smtp.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert text_of(first) == text_of(second)


def test_a_used_link_is_not_sent_any_more(user: User, mails: Mails, app: Flask) -> None:
    made = service.invite_customer(name="Other", email="other@example.test")
    identity.accept_invitation(token_of(made.link), NEW, **WHERE)
    assert mails() == []


def test_a_reset_lets_the_owner_in_after_many_wrong_tries(user: User, mails: Mails) -> None:
    for number in range(throttle.MOST_OF_ACCOUNT):
        throttle.begin(EMAIL, f"192.0.2.{number}")
    with pytest.raises(RateLimited):
        signing_in.sign_in(EMAIL, PASSWORD, **WHERE)
    identity.reset_password(reset_token(mails), NEW)
    signing_in.sign_in(EMAIL, NEW, **WHERE)


def test_mails_are_in_the_readers_language(user: User, mails: Mails, smtp: Mailbox, app: Flask) -> None:
    with db.transaction() as session:
        session.get_one(User, user.id).language = "de"
    identity.ask_reset(EMAIL)
    with app.app_context():
        outbox.run_due()
    html = text_of(smtp.messages[0], "html")
    assert '<html lang="de">' in html


# Signing up


@pytest.mark.settings(PORTAL_OPEN_SIGN_UP="true")
def test_a_stranger_signs_up_by_the_link_in_the_mail(mails: Mails) -> None:
    service.sign_up(EMAIL, "Ada Brandt", "de")
    assert count(User) == 0
    ((to, subject, link),) = mails()
    assert to == EMAIL
    assert subject
    with pytest.raises(WrongCredentials):
        signing_in.sign_in(EMAIL, NEW, **WHERE)
    found = sessions.find(identity.accept_invitation(token_of(link), NEW, **WHERE))
    assert found is not None
    assert (found.role, found.language) == ("customer", "de")
    assert found.customer_id


@pytest.mark.settings(PORTAL_OPEN_SIGN_UP="true")
def test_signing_up_with_a_known_address_tells_only_its_owner(user: User, mails: Mails) -> None:
    for _ in range(3):
        service.sign_up(EMAIL, "Mallory", "en")
    ((to, subject, _link),) = mails()
    assert (to, subject) == (EMAIL, "You already have an account at Nordlicht Energie GmbH")
    assert count(User) == 1
    signing_in.sign_in(EMAIL, PASSWORD, **WHERE)


@pytest.mark.settings(PORTAL_OPEN_SIGN_UP="true")
def test_signing_up_twice_makes_one_account(mails: Mails) -> None:
    service.sign_up(EMAIL, "Ada Brandt", "en")
    service.sign_up(EMAIL, "Ada Brandt", "en")
    first, second = mails()
    assert count(User) == count(Customer) == 1
    identity.accept_invitation(token_of(first[2]), NEW, **WHERE)
    with pytest.raises(LinkExpired):
        identity.accept_invitation(token_of(second[2]), NEW, **WHERE)


def test_without_the_setting_nobody_signs_up(settings: config.Settings) -> None:
    with pytest.raises(NotFound):
        service.sign_up(EMAIL, "Ada Brandt", "en")
    assert count(JobRow) == 0


# What people change themselves


def test_changing_the_password_renews_this_session_and_ends_the_others(user: User, mails: Mails) -> None:
    here, there = (signing_in.sign_in(EMAIL, PASSWORD, **WHERE) for _ in range(2))
    token = identity.change_password(user.id, PASSWORD, NEW, **WHERE)
    assert [sessions.find(each) is not None for each in (here, there, token)] == [False, False, True]
    signing_in.sign_in(EMAIL, NEW, **WHERE)
    assert len(mails()) == 1


def test_the_present_password_is_asked_for_and_guarded(user: User) -> None:
    for _ in range(10):
        with pytest.raises(Invalid) as refused:
            identity.change_password(user.id, "not the password", NEW, **WHERE)
        assert refused.value.field == "current"
    with pytest.raises(RateLimited):
        identity.change_password(user.id, PASSWORD, NEW, **WHERE)


def test_a_weak_new_password_changes_nothing(user: User) -> None:
    token = signing_in.sign_in(EMAIL, PASSWORD, **WHERE)
    with pytest.raises(Invalid) as refused:
        identity.change_password(user.id, PASSWORD, "spree-bikes 1", **WHERE)
    assert refused.value.field == "password"
    assert sessions.find(token) is not None
    signing_in.sign_in(EMAIL, PASSWORD, **WHERE)


def test_changes_are_recorded_with_before_and_after(user: User) -> None:
    assert user.customer_id is not None
    identity.change_profile(user.id, name="Ada B.", language="de")
    identity.change_profile(user.id, name="Ada B.", language="de")
    service.change_billing_details(user.customer_id, name="Spree AG", address=" a \n\n b ", country="at", tax_id="")
    (profile,), (billing,) = events("user.changed"), events("customer.changed")
    assert profile.facts == {"name": ["Ada Brandt", "Ada B."], "language": ["en", "de"]}
    assert billing.facts["address"] == ["Oberbaumstraße 5\n10997 Berlin", "a\nb"]
    assert billing.facts["country"] == ["DE", "AT"]
    assert (billing.subject, billing.customer_id) == (user.customer_id, user.customer_id)


def test_a_language_that_is_not_offered_becomes_the_first_one(user: User) -> None:
    identity.change_profile(user.id, name="Ada", language="it")
    with db.reading() as session:
        assert session.get_one(User, user.id).language == "en"


def test_an_operator_can_set_a_password(user: User) -> None:
    token = signing_in.sign_in(EMAIL, PASSWORD, **WHERE)
    identity.set_password(user.id, NEW)
    assert sessions.find(token) is None
    signing_in.sign_in(EMAIL, NEW, **WHERE)


def test_old_tries_links_and_sessions_are_forgotten(user: User, mails: Mails) -> None:
    reset_token(mails)
    signing_in.sign_in(EMAIL, PASSWORD, **WHERE)
    throttle.begin("nobody@example.test", "203.0.113.7")
    identity_jobs.sweep()
    assert (count(AccountToken), count(SignInSession), count(SignInAttempt)) == (1, 1, 1)
    with time_machine.travel(clock.now() + timedelta(days=100)):
        identity_jobs.sweep()
    assert (count(AccountToken), count(SignInSession), count(SignInAttempt)) == (0, 0, 0)


def test_every_change_keeps_the_audit_chain_whole(user: User, mails: Mails) -> None:
    identity.reset_password(reset_token(mails), NEW)
    signing_in.sign_in(EMAIL, NEW, **WHERE)
    access.end(user.id)
    with db.reading() as session:
        assert audit.verify(session) is None
