"""The second factor: its codes, what is counted, and how it is switched on and off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pyotp
import pytest
import time_machine
from pydantic import SecretStr
from sqlalchemy import func, select

from portal.accounts import access, factor_resets
from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Forbidden, Invalid, PortalError, RateLimited
from portal.identity import codes, second_factor, service, sessions, signing_in, tokens
from portal.identity.models import AccountToken, RecoveryCode, SecondFactor, SignInAttempt, User
from portal.identity.signing_in import CodeNeeded, WrongCode, WrongCredentials
from tests import factories
from tests.factories import PASSWORD

HOME = "203.0.113.7"
NEW = "nine slow ferries at dusk"
STEP = timedelta(seconds=codes.STEP_SECONDS)

pytestmark = pytest.mark.usefixtures("settings")


@dataclass
class Phone:
    """Ada's, whose app knows the secret."""

    user: User
    secret: str
    recovery_codes: list[str]

    def shows(self, after: timedelta = timedelta()) -> str:
        return pyotp.TOTP(self.secret).at(clock.now() + after)

    def wrong(self) -> str:
        """Six digits that are no code of these minutes."""
        near = {self.shows(STEP * number) for number in range(-5, 6)}
        return next(code for code in map("{:06}".format, range(20)) if code not in near)


@pytest.fixture
def user(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session), email="ada@spree-bikes.test")


def secret_of(user: User) -> str:
    second_factor.begin(user.id)
    begun = second_factor.setting_up(user.id)
    assert begun is not None
    return begun.typed.replace(" ", "")


@pytest.fixture
def phone(user: User) -> Phone:
    """Set up a minute ago, so that the code it shows now is fresh."""
    secret = secret_of(user)
    with time_machine.travel(clock.now() - timedelta(minutes=1)):
        code = pyotp.TOTP(secret).at(clock.now())
        return Phone(user, secret, second_factor.confirm(user.id, PASSWORD, code, ip=HOME))


def reset(phone: Phone) -> str | None:
    """As an operator does; the code that lets Ada in."""
    return access.reset_second_factor(phone.user.id)


def prove(code: str | None = None, password: str = PASSWORD, ip: str = HOME) -> User:
    return signing_in.authenticate("ada@spree-bikes.test", password, ip=ip, code=code)


def side_by_side(act: Callable[[], object], times: int = 4) -> list[str]:
    """What came of each: "done", or the error's code."""
    outcomes: list[str] = []

    def once() -> None:
        try:
            act()
            outcomes.append("done")
        except PortalError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=once) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcomes)


def actions() -> list[str]:
    with db.reading() as session:
        return list(session.execute(select(AuditEvent.action).order_by(AuditEvent.number)).scalars())


def counted() -> int:
    with db.reading() as session:
        return session.execute(select(func.count()).select_from(SignInAttempt)).scalar_one()


# Codes


def test_the_right_password_alone_proves_nothing_and_is_no_wrong_try(phone: Phone) -> None:
    for _ in range(12):
        with pytest.raises(CodeNeeded):
            prove()
    with pytest.raises(CodeNeeded):
        prove("")
    assert counted() == 0
    assert "session.started" not in actions()


def test_a_code_lets_in_once(phone: Phone) -> None:
    code = phone.shows()
    assert prove(code).id == phone.user.id
    with pytest.raises(WrongCode):
        prove(code)
    assert prove(phone.shows(STEP)).id == phone.user.id


def test_the_code_that_confirmed_it_is_used_up(user: User) -> None:
    with time_machine.travel(clock.now(), tick=False):
        code = pyotp.TOTP(secret_of(user)).at(clock.now())
        second_factor.confirm(user.id, PASSWORD, code, ip=HOME)
        with pytest.raises(WrongCode):
            prove(code)


def test_of_two_with_the_same_code_one_comes_through(phone: Phone) -> None:
    code = phone.shows()
    assert side_by_side(lambda: prove(code)) == ["done", *["wrong_code"] * 3]


@pytest.mark.parametrize(("steps", "lets_in"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(phone: Phone, steps: int, lets_in: bool) -> None:
    with time_machine.travel(clock.now() + timedelta(hours=1), tick=False):
        code = phone.shows(STEP * steps)
        if lets_in:
            prove(code)
        else:
            with pytest.raises(WrongCode):
                prove(code)


def test_a_code_from_before_the_last_one_is_outdated(phone: Phone) -> None:
    with time_machine.travel(clock.now(), tick=False):
        before = phone.shows(-STEP)
        prove(phone.shows())
        with pytest.raises(WrongCode):
            prove(before)


@pytest.mark.parametrize("typed", ["12345", "1234567", "abcdef", "١٢٣٤٥٦", " ", "\x00"])
def test_what_is_no_code_is_a_wrong_one(phone: Phone, typed: str) -> None:
    with pytest.raises(WrongCode):
        prove(typed)


def test_a_code_may_be_typed_with_a_space(phone: Phone) -> None:
    code = phone.shows()
    prove(f"{code[:3]} {code[3:]} ")


@pytest.mark.parametrize("gap", ["\u00a0", "\u202f", "\u3000", "\u200b", "–", "‑", "−", "\t"])
def test_a_code_may_be_pasted_from_anywhere(phone: Phone, gap: str) -> None:
    full_width = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}
    code = phone.shows()
    prove(f"{gap}{code[:3]}{gap}{code[3:]}".translate(full_width))
    prove(phone.recovery_codes[0].replace("-", gap).translate(full_width))


def test_a_wrong_password_tells_nothing_of_the_second_factor_and_uses_up_no_code(phone: Phone) -> None:
    code = phone.shows()
    for typed in (None, code):
        with pytest.raises(WrongCredentials):
            prove(typed, password="not the password")
    prove(code)


def test_a_recovery_code_lets_in_once_however_it_is_typed(phone: Phone) -> None:
    prove(f" {phone.recovery_codes[0].replace('-', ' ')} ")
    with pytest.raises(WrongCode):
        prove(phone.recovery_codes[0])
    assert second_factor.state(phone.user.id).recovery_codes_left == codes.RECOVERY_CODES - 1
    code = phone.recovery_codes[1]
    assert side_by_side(lambda: prove(code)) == ["done", *["wrong_code"] * 3]


def test_another_persons_recovery_code_is_wrong(phone: Phone) -> None:
    with db.transaction() as session:
        eve = factories.user(session, factories.customer(session), email="eve@elbe-boats.test")
    secret = secret_of(eve)
    hers = second_factor.confirm(eve.id, PASSWORD, pyotp.TOTP(secret).at(clock.now()), ip=HOME)
    with pytest.raises(WrongCode):
        prove(hers[0])


# What is counted


def test_codes_are_guessed_as_slowly_as_passwords_and_a_right_password_forgives_none(phone: Phone) -> None:
    with time_machine.travel(clock.now(), tick=False):
        for _ in range(10):
            with pytest.raises(WrongCode):
                prove(phone.wrong())
            with pytest.raises(CodeNeeded):
                prove()
        with pytest.raises(RateLimited):
            prove(phone.shows())
    with time_machine.travel(clock.now() + timedelta(minutes=15, seconds=1), tick=False):
        prove(phone.shows())
        assert counted() == 0


def test_many_machines_together_try_twenty_codes(phone: Phone) -> None:
    for number in range(20):
        with pytest.raises(WrongCode):
            prove(phone.wrong(), ip=f"198.51.100.{number}")
    with pytest.raises(RateLimited):
        prove(phone.shows(), ip="192.0.2.1")


def test_a_new_password_by_mail_leaves_the_second_factor_on_and_wrong_codes_counted(phone: Phone) -> None:
    for _ in range(10):
        with pytest.raises(WrongCode):
            prove(phone.wrong())
    service.begin_reset(phone.user.email, "lnk_1")
    with db.reading() as session:
        link = session.execute(select(AccountToken.id)).scalar_one()
    service.reset_password(tokens.derive(link), NEW)
    with pytest.raises(CodeNeeded):
        prove(password=NEW)
    with pytest.raises(RateLimited):
        prove(phone.shows(), password=NEW)


# Between the password and the code


def ticket() -> signing_in.Ticket:
    with pytest.raises(CodeNeeded) as needed:
        prove()
    return needed.value.ticket


def test_what_was_proved_holds_for_five_minutes(phone: Phone) -> None:
    kept = ticket()
    proved = signing_in.pending_sign_in(kept)
    assert proved is not None
    token = signing_in.finish_sign_in(proved, phone.shows(), ip=HOME, user_agent="")
    found = sessions.find(token)
    assert found is not None
    assert found.has_second_factor
    with time_machine.travel(clock.now() + timedelta(minutes=5, seconds=1)):
        assert signing_in.pending_sign_in(kept) is None


@pytest.mark.parametrize("what", ["password", "disabled", "reset"])
def test_it_ends_when_what_it_rests_on_does(phone: Phone, what: str) -> None:
    kept = ticket()
    proved = signing_in.pending_sign_in(kept)
    assert proved is not None
    match what:
        case "password":
            service.set_password(phone.user.id, NEW)
        case "disabled":
            access.end(phone.user.id)
        case _:
            reset(phone)
    assert what == "reset" or signing_in.pending_sign_in(kept) is None
    with pytest.raises((WrongCredentials, WrongCode)):
        signing_in.finish_sign_in(proved, phone.shows(), ip=HOME, user_agent="")


def test_nothing_else_is_a_ticket(phone: Phone) -> None:
    kept = ticket()
    for other in (None, "", {}, {**kept, "mark": "0" * 64}, {**kept, "user_id": "usr_none"}, {**kept, "at": "now"}):
        assert signing_in.pending_sign_in(other) is None


# On and off


def test_it_counts_from_its_first_code_on(user: User) -> None:
    secret = secret_of(user)
    prove()
    with pytest.raises(WrongCode):
        second_factor.confirm(user.id, PASSWORD, "000000x", ip=HOME)
    with pytest.raises(Invalid) as refused:
        second_factor.confirm(user.id, "not the password", pyotp.TOTP(secret).now(), ip=HOME)
    assert refused.value.field == "password"
    prove()
    shown = second_factor.confirm(user.id, PASSWORD, pyotp.TOTP(secret).at(clock.now()), ip=HOME)
    assert len(set(shown)) == 10
    with pytest.raises(CodeNeeded):
        prove()
    assert second_factor.setting_up(user.id) is None
    for again in (
        lambda: second_factor.begin(user.id),
        lambda: second_factor.confirm(user.id, PASSWORD, pyotp.TOTP(secret).now(), ip=HOME),
    ):
        with pytest.raises(Conflict):
            again()


def test_switching_it_off_takes_password_and_code(phone: Phone) -> None:
    with pytest.raises(Invalid) as refused:
        second_factor.switch_off(phone.user.id, "not the password", phone.shows(), ip=HOME)
    assert refused.value.field == "password"
    with pytest.raises(WrongCode):
        second_factor.switch_off(phone.user.id, PASSWORD, phone.wrong(), ip=HOME)
    with pytest.raises(CodeNeeded):
        prove()
    second_factor.switch_off(phone.user.id, PASSWORD, phone.recovery_codes[3], ip=HOME)
    second_factor.switch_off(phone.user.id, PASSWORD, phone.recovery_codes[3], ip=HOME)
    prove()
    assert second_factor.state(phone.user.id) == second_factor.State(None, 0)
    assert actions().count("second_factor.disabled") == 1
    assert actions().count("second_factor.change_refused") == 2


def test_new_recovery_codes_take_the_place_of_the_old(phone: Phone) -> None:
    with pytest.raises(Invalid):
        second_factor.renew_recovery_codes(phone.user.id, "not the password", ip=HOME)
    fresh = second_factor.renew_recovery_codes(phone.user.id, PASSWORD, ip=HOME)
    with pytest.raises(WrongCode):
        prove(phone.recovery_codes[0])
    prove(fresh[0])


def test_an_operator_takes_it_away_and_ends_the_sessions(phone: Phone) -> None:
    token = signing_in.sign_in(phone.user.email, PASSWORD, ip=HOME, user_agent="", code=phone.shows())
    first, second = reset(phone), reset(phone)
    assert sessions.find(token) is None
    with pytest.raises(CodeNeeded):
        prove()
    for bad in (phone.shows(STEP), phone.recovery_codes[0], first):
        with pytest.raises(WrongCode):
            prove(bad)
    prove(second)
    assert actions().count("second_factor.reset") == 2
    prove()  # a customer need not have one, and has none from now on
    assert reset(phone) is None


@pytest.fixture
def reviewer(settings: config.Settings) -> Phone:
    """Of staff, who must have one."""
    config.use(config.current().model_copy(update={"staff_second_factor": "required"}))
    with db.transaction() as session:
        tom = factories.staff(session, email="ada@spree-bikes.test")
    secret = secret_of(tom)
    with time_machine.travel(clock.now() - timedelta(minutes=1)):
        return Phone(tom, secret, second_factor.confirm(tom.id, PASSWORD, pyotp.TOTP(secret).at(clock.now()), ip=HOME))


def test_who_must_have_one_never_gets_in_by_the_password_alone_after_its_loss(reviewer: Phone) -> None:
    code = reset(reviewer)
    with pytest.raises(CodeNeeded):
        prove()
    token = signing_in.sign_in(reviewer.user.email, PASSWORD, ip=HOME, user_agent="", code=code)
    found = sessions.find(token)
    assert found is not None and found.owes_second_factor
    with pytest.raises(CodeNeeded):
        prove()
    with pytest.raises(WrongCode):
        prove(code)
    secret = secret_of(reviewer.user)
    second_factor.confirm(reviewer.user.id, PASSWORD, pyotp.TOTP(secret).at(clock.now()), ip=HOME)
    assert prove(pyotp.TOTP(secret).at(clock.now() + STEP))


def test_who_must_have_one_gives_it_up_only_to_set_it_up_anew(reviewer: Phone) -> None:
    second_factor.switch_off(reviewer.user.id, PASSWORD, reviewer.recovery_codes[0], ip=HOME)
    assert second_factor.setting_up(reviewer.user.id) is None
    with pytest.raises(CodeNeeded):
        prove()
    for bad in (reviewer.shows(STEP), reviewer.recovery_codes[0]):
        with pytest.raises(WrongCode):
            prove(bad)
    assert prove(reviewer.recovery_codes[1])
    assert second_factor.state(reviewer.user.id) == second_factor.State(None, 8, may_be_off=False)
    secret = secret_of(reviewer.user)
    second_factor.confirm(reviewer.user.id, PASSWORD, pyotp.TOTP(secret).at(clock.now()), ip=HOME)
    assert second_factor.state(reviewer.user.id).recovery_codes_left == 10


def test_two_admins_reset_a_second_factor(reviewer: Phone) -> None:
    """One asks and another one confirms; neither does it alone, nor for themselves."""
    with db.transaction() as session:
        ida, tom, max_ = (factories.staff(session, "admin", name=name) for name in ("Ida", "Tom", "Max"))
    with pytest.raises(factor_resets.OwnReset):
        factor_resets.ask(ida.id, by=ida.id)
    with pytest.raises(Conflict):  # there is none to reset
        factor_resets.ask(tom.id, by=ida.id)
    with pytest.raises(factor_resets.NothingAsked):
        factor_resets.confirm(reviewer.user.id, by=tom.id)
    with pytest.raises(Forbidden):
        factor_resets.ask(reviewer.user.id, by=reviewer.user.id)

    factor_resets.ask(reviewer.user.id, by=ida.id)
    factor_resets.ask(reviewer.user.id, by=tom.id)  # changes nothing: it is still Ida who asks
    asked = access.member(reviewer.user.id).reset
    assert asked is not None and asked.by == "Ida"
    with pytest.raises(factor_resets.SecondAdmin):
        factor_resets.confirm(reviewer.user.id, by=ida.id)
    assert prove(reviewer.recovery_codes[0])  # nothing has changed yet
    code = factor_resets.confirm(reviewer.user.id, by=tom.id)
    assert code is not None and prove(code)
    with pytest.raises(factor_resets.NothingAsked):
        factor_resets.confirm(reviewer.user.id, by=max_.id)


def test_a_reset_that_nobody_confirms_is_over_after_a_day(reviewer: Phone) -> None:
    with db.transaction() as session:
        ida, tom = factories.staff(session, "admin"), factories.staff(session, "admin")
    factor_resets.ask(reviewer.user.id, by=ida.id)
    factor_resets.withdraw(reviewer.user.id, by=tom.id)
    with pytest.raises(factor_resets.NothingAsked):
        factor_resets.confirm(reviewer.user.id, by=tom.id)
    factor_resets.ask(reviewer.user.id, by=ida.id)
    later = time_machine.travel(clock.now() + timedelta(hours=24, seconds=1))
    with later, pytest.raises(factor_resets.NothingAsked):
        factor_resets.confirm(reviewer.user.id, by=tom.id)


# What is kept


def test_a_copy_of_the_database_gives_no_codes(phone: Phone) -> None:
    with db.reading() as session:
        factor = session.get_one(SecondFactor, phone.user.id)
        hashes = session.execute(select(RecoveryCode.code_hash)).scalars().all()
        facts = repr(session.execute(select(AuditEvent.facts)).scalars().all())
    assert phone.secret not in factor.secret
    assert not {code.replace("-", "") for code in phone.recovery_codes} & set(hashes)
    assert phone.secret not in facts
    assert phone.recovery_codes[0] not in facts


def test_with_another_secret_key_it_has_to_be_set_up_anew(phone: Phone) -> None:
    config.use(config.current().model_copy(update={"secret_key": SecretStr("another key of more than 32 letters")}))
    for code in (phone.shows(), phone.recovery_codes[0]):
        with pytest.raises(codes.Unreadable):
            prove(code)
    prove(reset(phone))
    prove()


def test_everything_stands_in_the_audit_trail(phone: Phone) -> None:
    with pytest.raises(WrongCode):
        prove(phone.wrong())
    prove(phone.recovery_codes[0])
    with db.reading() as session:
        query = select(AuditEvent).where(AuditEvent.action.startswith("second_factor."))
        events = session.execute(query.order_by(AuditEvent.number)).scalars().all()
    assert [(event.action, event.subject, event.facts) for event in events] == [
        ("second_factor.enabled", phone.user.id, {}),
        ("second_factor.refused", phone.user.id, {}),
        ("second_factor.recovery_used", phone.user.id, {"left": 9}),
    ]
    assert {event.customer_id for event in events} == {phone.user.customer_id}
