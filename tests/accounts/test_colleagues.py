"""The people of a customer: inviting them, their roles, and the end of their access."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select

from portal.accounts import colleagues, job_handlers, service
from portal.accounts.colleagues import Colleague, LastOwner, TooManyInvitations, TooManyPeople
from portal.accounts.models import Customer, InvitationAttempt
from portal.core import audit, clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Forbidden, Invalid, NotFound, PortalError
from portal.identity import service as identity
from portal.identity import sessions, signing_in
from portal.identity.models import CustomerRole, TokenPurpose, User
from portal.identity.signing_in import WrongCredentials
from portal.identity.tokens import LinkExpired
from portal.jobs.models import JobRow
from tests import factories
from tests.accounts.conftest import Mails, token_of
from tests.factories import PASSWORD

NEW = "nine slow ferries at dusk"
WHERE = {"ip": "203.0.113.7", "user_agent": "Firefox"}
EVE = "eve@spree-bikes.test"


class Firm:
    """Spree Bikes, whose owner is Ada."""

    def __init__(self) -> None:
        with db.transaction() as session:
            customer = factories.customer(session)
            self.ada = factories.user(session, customer, email="ada@spree-bikes.test")
        self.id = customer.id

    def hire(self, role: str = "viewer", **values: Any) -> User:
        """One more person, who has taken up their invitation."""
        with db.transaction() as session:
            return factories.user(session, session.get_one(Customer, self.id), role, **values)

    def invite(self, role: str = "viewer", *, email: str = EVE, by: User | None = None) -> service.Invitation:
        return colleagues.invite(self.id, by=(by or self.ada).id, name="Eve Lang", email=email, role=role)

    def change_role(self, user: User, role: str, *, by: User | None = None) -> None:
        colleagues.change_role(self.id, user.id, role, by=(by or self.ada).id)

    def end_access(self, user: User, *, by: User | None = None) -> None:
        colleagues.end_access(self.id, user.id, by=(by or self.ada).id)

    def restore_access(self, user: User, *, by: User | None = None) -> None:
        colleagues.restore_access(self.id, user.id, by=(by or self.ada).id)

    @property
    def people(self) -> dict[str, Colleague]:
        """By e-mail."""
        return {one.email: one for one in colleagues.of_customer(self.id)}

    @property
    def owners(self) -> list[str]:
        """The ids of those who can decide about the others."""
        return [one.id for one in self.people.values() if (one.role, one.status) == ("owner", "active")]


@pytest.fixture
def firm(settings: config.Settings) -> Firm:
    return Firm()


@pytest.fixture
def stranger(firm: Firm) -> User:
    """Someone who signs in for another customer."""
    with db.transaction() as session:
        other = factories.customer(session, name="Elbe Boats AG")
        return factories.user(session, other, "viewer", email="max@elbe-boats.test")


def events(action: str) -> list[AuditEvent]:
    with db.reading() as session:
        return list(session.execute(select(AuditEvent).where(AuditEvent.action == action)).scalars())


def traces() -> tuple[int, ...]:
    """How many users, jobs and audit events there are."""
    with db.reading() as session:
        return tuple(
            session.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (User, JobRow, AuditEvent)
        )


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do them all in the same moment; what refused each, "" for nothing."""
    start = threading.Barrier(len(acts))
    outcomes = [""] * len(acts)

    def run(number: int, act: Callable[[], object]) -> None:
        start.wait(timeout=30)
        try:
            act()
        except PortalError as error:
            outcomes[number] = type(error).__name__

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return outcomes


# Inviting


@pytest.mark.parametrize(
    ("role", "may_pay", "may_manage"), [("viewer", False, False), ("payer", True, False), ("owner", True, True)]
)
def test_an_invited_colleague_signs_in_for_the_same_customer_in_their_role(
    firm: Firm, mails: Mails, role: str, may_pay: bool, may_manage: bool
) -> None:
    made = firm.invite(role)
    to, subject, link = next(mail for mail in mails() if mail[0] == EVE)
    assert (to, subject) == (EVE, "Ada Brandt invites you to the account of Spree Bikes GmbH")
    assert firm.people[EVE].status == "invited"
    assert service.invited(token_of(link)).customer == "Spree Bikes GmbH"
    found = sessions.find(identity.accept_invitation(token_of(link), NEW, **WHERE))
    assert found is not None
    assert (found.id, found.customer_id, found.customer_role) == (made.user_id, firm.id, role)
    assert (found.may_pay, found.may_manage) == (may_pay, may_manage)
    (event,) = events("user.invited")
    assert (event.facts, event.customer_id) == ({"email": EVE, "customer_role": role}, firm.id)


def test_an_invitation_can_be_sent_again_until_it_is_taken_up(firm: Firm, mails: Mails) -> None:
    made = firm.invite()
    with time_machine.travel(clock.now() + timedelta(days=8)):
        assert firm.people[EVE].status == "lapsed"
        again = colleagues.invite_again(firm.id, made.user_id, by=firm.ada.id)
        assert firm.people[EVE].status == "invited"
        assert [link for to, _subject, link in mails() if to == EVE] == [again.link]
        identity.accept_invitation(token_of(again.link), NEW, **WHERE)
        for act in (colleagues.invite_again, colleagues.withdraw):
            with pytest.raises(Conflict):
                act(firm.id, made.user_id, by=firm.ada.id)


def test_a_withdrawn_invitation_opens_nothing_and_frees_the_address(firm: Firm, mails: Mails) -> None:
    made = firm.invite()
    colleagues.withdraw(firm.id, made.user_id, by=firm.ada.id)
    assert mails() == [], "the mail had not left yet"
    with pytest.raises(LinkExpired):
        identity.accept_invitation(token_of(made.link), NEW, **WHERE)
    with pytest.raises(NotFound):
        colleagues.withdraw(firm.id, made.user_id, by=firm.ada.id)
    (event,) = events("user.invitation_withdrawn")
    assert (event.subject, event.customer_id) == (made.user_id, firm.id)
    assert service.invite_customer(name="Elbe Boats AG", email=EVE).customer_id != firm.id


def test_an_invitation_that_is_withdrawn_and_taken_up_at_once_is_one_of_both(firm: Firm) -> None:
    for number in range(4):
        email = f"eve{number}@spree-bikes.test"
        made = firm.invite(email=email)
        taken_up, withdrawn = at_once(
            partial(identity.accept_invitation, token_of(made.link), NEW, **WHERE),
            partial(colleagues.withdraw, firm.id, made.user_id, by=firm.ada.id),
        )
        if email in firm.people:
            assert (taken_up, withdrawn, firm.people[email].status) == ("", "Conflict", "active")
        else:
            assert taken_up in {"LinkExpired", "NotFound"} and withdrawn == ""


@pytest.mark.parametrize("whose", ["another customer's", "of the staff"])
def test_an_address_that_is_in_use_is_refused_and_changes_nothing(firm: Firm, stranger: User, whose: str) -> None:
    with db.transaction() as session:
        taken = stranger if whose == "another customer's" else factories.staff(session)
    users, queued, _events = traces()
    with pytest.raises(service.EmailTaken) as refused:
        firm.invite(email=taken.email.upper())
    assert refused.value.field == "email"
    assert "cannot be invited" in refused.value.text()
    assert traces()[:2] == (users, queued)
    (event,) = events("user.invitation_refused")
    assert (event.customer_id, event.facts) == (firm.id, {})


def test_who_is_in_the_list_already_is_not_invited_again(firm: Firm) -> None:
    with pytest.raises(Invalid) as refused:
        firm.invite(email=firm.ada.email)
    assert "in your list already" in refused.value.text()


def test_ten_invitations_a_day_are_enough_and_refused_ones_count(firm: Firm, stranger: User) -> None:
    for number in range(8):
        firm.invite(email=f"eve{number}@spree-bikes.test")
    with pytest.raises(service.EmailTaken):
        firm.invite(email=stranger.email)
    colleagues.invite_again(firm.id, firm.people["eve0@spree-bikes.test"].id, by=firm.ada.id)
    colleagues.withdraw(firm.id, firm.people["eve1@spree-bikes.test"].id, by=firm.ada.id)
    before = traces()
    for email in ("eve9@spree-bikes.test", stranger.email):  # whether it is known does not show any more
        with pytest.raises(TooManyInvitations) as refused:
            firm.invite(email=email)
        assert 0 < refused.value.retry_after <= 86_400
    with pytest.raises(TooManyInvitations):
        colleagues.invite_again(firm.id, firm.people["eve2@spree-bikes.test"].id, by=firm.ada.id)
    assert traces() == before
    with time_machine.travel(clock.now() + timedelta(days=1, minutes=1)):
        firm.invite(email="eve9@spree-bikes.test")
        job_handlers.sweep()
        with db.reading() as session:
            assert session.execute(select(func.count()).select_from(InvitationAttempt)).scalar_one() == 1


def test_a_mistake_in_the_form_costs_no_invitation(firm: Firm) -> None:
    for field, role, email in (("email", "viewer", "no address"), ("role", "admin", EVE)):
        for _ in range(11):
            with pytest.raises(Invalid) as refused:
                firm.invite(role, email=email)
            assert refused.value.field == field
    firm.invite()


def test_invitations_sent_at_once_keep_the_limit(firm: Firm) -> None:
    for number in range(9):
        firm.invite(email=f"eve{number}@spree-bikes.test")
    outcomes = at_once(*(partial(firm.invite, email=f"{name}@spree-bikes.test") for name in "abc"))
    assert sorted(outcomes) == ["", "TooManyInvitations", "TooManyInvitations"]


def test_a_customer_has_room_for_fifty(firm: Firm) -> None:
    gone = firm.hire(active=False)
    people = [firm.hire() for _ in range(49)]
    with pytest.raises(TooManyPeople):
        firm.invite()
    with pytest.raises(TooManyPeople):
        firm.restore_access(gone)
    firm.end_access(people[0])
    firm.invite()


# Roles


def test_a_role_holds_from_the_next_request_on(firm: Firm) -> None:
    eve = firm.hire("payer", email=EVE)
    token = signing_in.sign_in(EVE, PASSWORD, **WHERE)
    for role, may_pay, may_manage in (("viewer", False, False), ("owner", True, True), ("payer", True, False)):
        firm.change_role(eve, role)
        found = sessions.find(token)
        assert found is not None
        assert (found.customer_role, found.may_pay, found.may_manage) == (role, may_pay, may_manage)
    firm.change_role(eve, "payer")
    changes = events("user.role_changed")
    assert [event.facts["customer_role"] for event in changes] == [
        ["payer", "viewer"],
        ["viewer", "owner"],
        ["owner", "payer"],
    ]
    assert {(event.subject, event.customer_id) for event in changes} == {(eve.id, firm.id)}


def test_an_open_invitation_can_change_its_role_and_a_role_that_is_none_is_refused(firm: Firm) -> None:
    made = firm.invite("owner")
    colleagues.change_role(firm.id, made.user_id, "payer", by=firm.ada.id)
    assert firm.people[EVE].role == "payer"
    for role in ("admin", "", "customer"):
        with pytest.raises(Invalid) as refused:
            colleagues.change_role(firm.id, made.user_id, role, by=firm.ada.id)
        assert refused.value.field == "role"
    assert firm.people[EVE].role == "payer"


# The end of access


def test_who_loses_access_is_out_at_once_and_comes_back_in_the_same_role(firm: Firm, mails: Mails) -> None:
    eve = firm.hire("payer", email=EVE)
    tokens = [signing_in.sign_in(EVE, PASSWORD, **WHERE) for _ in range(2)]
    identity.ask_reset(EVE)
    ((_to, _subject, link),) = mails()
    for _ in range(2):
        firm.end_access(eve)
    assert [sessions.find(token) for token in tokens] == [None, None]
    with pytest.raises(WrongCredentials):
        signing_in.sign_in(EVE, PASSWORD, **WHERE)
    with pytest.raises(Conflict):
        firm.change_role(eve, "owner")
    (event,) = events("user.access_ended")
    assert (event.subject, event.facts, event.customer_id) == (eve.id, {"sessions_ended": 2}, firm.id)

    for _ in range(2):
        firm.restore_access(eve)
    (event,) = events("user.access_restored")
    assert (event.subject, event.facts, event.customer_id) == (eve.id, {"customer_role": "payer"}, firm.id)
    assert [sessions.find(token) for token in tokens] == [None, None], "old sessions stay ended"
    with pytest.raises(LinkExpired):
        identity.link_owner(token_of(link), TokenPurpose.PASSWORD_RESET)
    found = sessions.find(signing_in.sign_in(EVE, PASSWORD, **WHERE))
    assert found is not None and found.customer_role == "payer"
    assert mails() == [], "neither is announced"
    with db.reading() as session:
        assert audit.verify(session) is None


def test_access_that_nobody_has_taken_up_is_withdrawn_and_not_ended(firm: Firm) -> None:
    made = firm.invite()
    with pytest.raises(Conflict):
        colleagues.end_access(firm.id, made.user_id, by=firm.ada.id)
    assert firm.people[EVE].status == "invited"


# An owner stays


def test_the_last_owner_stays(firm: Firm) -> None:
    firm.hire("payer")
    firm.hire("owner", active=False)
    firm.invite("owner")  # not taken up: this owner could not sign in
    assert firm.people[firm.ada.email].is_only_owner
    for leave in (firm.end_access, lambda user: firm.change_role(user, "viewer")):
        before = traces()
        with pytest.raises(LastOwner):
            leave(firm.ada)
        assert traces() == before
    assert firm.owners == [firm.ada.id]
    second = firm.hire("owner")
    firm.change_role(firm.ada, "viewer")
    assert firm.owners == [second.id]


def two_owners(firm: Firm) -> tuple[User, User]:
    """The only ones, whoever was one before."""
    before = firm.owners
    ada, eve = firm.hire("owner"), firm.hire("owner")
    for one in before:
        colleagues.end_access(firm.id, one, by=ada.id)
    return ada, eve


@pytest.mark.parametrize("role", ["payer", None])
def test_of_two_owners_who_step_down_at_once_one_stays(firm: Firm, role: str | None) -> None:
    def step_down(owner: User) -> None:
        firm.change_role(owner, role, by=owner) if role else firm.end_access(owner, by=owner)

    for _ in range(4):
        outcomes = at_once(*(partial(step_down, owner) for owner in two_owners(firm)))
        assert sorted(outcomes) == ["", "LastOwner"]
        assert len(firm.owners) == 1


def test_of_two_owners_who_remove_each_other_at_once_one_stays(firm: Firm) -> None:
    for _ in range(4):
        ada, eve = two_owners(firm)
        outcomes = at_once(partial(firm.end_access, eve, by=ada), partial(firm.end_access, ada, by=eve))
        assert sorted(outcomes) == ["", "Forbidden"], "who was removed cannot remove any more"
        assert len(firm.owners) == 1


# Whose people

ACTS: dict[str, Callable[[str, str, str], object]] = {
    "invite again": lambda customer, user, by: colleagues.invite_again(customer, user, by=by),
    "withdraw": lambda customer, user, by: colleagues.withdraw(customer, user, by=by),
    "change the role": lambda customer, user, by: colleagues.change_role(customer, user, "owner", by=by),
    "end the access": lambda customer, user, by: colleagues.end_access(customer, user, by=by),
    "restore the access": lambda customer, user, by: colleagues.restore_access(customer, user, by=by),
}


@pytest.mark.parametrize("act", ACTS)
def test_someone_of_another_customer_is_not_found_and_untouched(firm: Firm, stranger: User, act: str) -> None:
    with db.transaction() as session:
        other = session.get_one(Customer, stranger.customer_id)
        theirs = [
            stranger,
            factories.user(session, other, password=None),
            factories.user(session, other, active=False),
            factories.staff(session),
        ]
    before = traces()
    for user in [*theirs, User(id="usr_nobody")]:
        with pytest.raises(NotFound):
            ACTS[act](firm.id, user.id, firm.ada.id)
    assert traces() == before
    with db.reading() as session:
        for user in theirs:
            kept = session.get_one(User, user.id)
            assert (kept.active, kept.customer_role) == (user.active, user.customer_role)


@pytest.mark.parametrize("act", [*ACTS, "invite"])
def test_only_an_owner_who_still_is_one_changes_anything(firm: Firm, stranger: User, act: str) -> None:
    eve = firm.hire()
    others = [firm.hire(role) for role in CustomerRole if role != "owner"]
    others += [firm.hire("owner", active=False), stranger, User(id="usr_nobody")]
    before = traces()
    for by in others:
        with pytest.raises(Forbidden):
            firm.invite(by=by) if act == "invite" else ACTS[act](firm.id, eve.id, by.id)
    assert traces() == before


# What the owners hear


def test_owners_are_told_of_a_new_owner_and_of_one_who_is_none_any_more(firm: Firm, mails: Mails) -> None:
    ben = firm.hire("owner", email="ben@spree-bikes.test")
    firm.hire("payer")
    firm.hire("owner", email="gone@spree-bikes.test", active=False)
    eve = firm.hire("viewer", email=EVE)
    both = [firm.ada.email, ben.email]

    def told() -> tuple[list[str], set[str]]:
        found = mails()
        return sorted(to for to, _subject, _link in found), {subject for _to, subject, _link in found}

    firm.change_role(eve, "payer")
    assert told() == ([], set())
    firm.change_role(eve, "owner")
    assert told() == (both, {"Your account at Nordlicht Energie GmbH has a new owner"})
    firm.end_access(eve)
    assert told() == (both, {"An owner was removed from your account at Nordlicht Energie GmbH"})
    firm.restore_access(eve)
    assert told() == (both, {"Your account at Nordlicht Energie GmbH has a new owner"})
    firm.change_role(eve, "viewer", by=eve)
    assert told() == (both, {"An owner was removed from your account at Nordlicht Energie GmbH"})


def test_owners_are_told_of_an_invited_owner_unless_it_was_withdrawn_before(firm: Firm, mails: Mails) -> None:
    firm.invite("owner")
    assert sorted(mail[:2] for mail in mails()) == [
        (firm.ada.email, "A new owner was invited to your account at Nordlicht Energie GmbH"),
        (EVE, "Ada Brandt invites you to the account of Spree Bikes GmbH"),
    ]
    made = firm.invite("owner", email="fay@spree-bikes.test")
    colleagues.withdraw(firm.id, made.user_id, by=firm.ada.id)
    assert mails() == []
