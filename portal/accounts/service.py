"""Customers and their people: inviting, signing up, choosing and changing passwords, details on the bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.orm import Session

from portal.accounts import passwords, queries, sessions, throttle, tokens
from portal.accounts.models import CUSTOMER, OWNER, AccountToken, Customer, User
from portal.accounts.tokens import CONFIRM_EMAIL, INVITATION, PASSWORD_RESET
from portal.content import mail
from portal.content.language import supported
from portal.core import audit, clock, config, db, texts, time_zones
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.jobs import outbox

log = structlog.get_logger(__name__)

confirm_password = sessions.confirm_password

LONGEST_NAME: Final = 200
LONGEST_EMAIL: Final = 254
LONGEST_TAX_ID: Final = 40
LONGEST_ADDRESS: Final = 500
MOST_ADDRESS_LINES: Final = 6


class EmailTaken(Invalid):
    """Told to staff, to operators, and to owners who invite a colleague: of these the daily limit of invitations keeps
    anyone from finding out who has an account. A stranger who signs up gets the same answer for every address.
    """

    code = "email_taken"
    message = N_("Someone already signs in with this e-mail address.")


@dataclass(frozen=True, slots=True)
class Invitation:
    """`link` opens the account: it goes to the invited person by mail, and to the operator's terminal, and nowhere else."""

    user_id: str
    customer_id: str | None
    link: str


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom a link was made for; `customer` is the name of theirs, "" for staff."""

    name: str
    email: str
    customer: str = ""


# Making customers and users


def add_customer(
    session: Session,
    *,
    name: str,
    email: str,
    language: str = "",
    address: str = "",
    country: str = "",
    tax_id: str = "",
) -> Customer:
    """A new billing account, in the caller's transaction. Raises Invalid, naming the field that is wrong."""
    customer = Customer(
        id=new_id("cus"),
        name=texts.one_line(name, field="name", longest=LONGEST_NAME, required=True),
        email=_email(email),
        address=_address(address),
        country=_country(country),
        tax_id=texts.one_line(tax_id, field="tax_id", longest=LONGEST_TAX_ID),
        language=supported(language),
        created_at=clock.now(),
    )
    session.add(customer)
    session.flush()
    audit.record(session, "customer.created", customer.id, {"name": customer.name}, customer_id=customer.id)
    return customer


def add_user(
    session: Session,
    *,
    email: str,
    name: str,
    customer: Customer | None = None,
    role: str = CUSTOMER,
    customer_role: str = OWNER,
    language: str = "",
    password_hash: str | None = None,
) -> User:
    """A new user, in the caller's transaction; without a hash they cannot sign in before they have chosen a password.

    `customer_role` counts for a customer's people alone, and the first of them is an owner. Raises EmailTaken, and Invalid,
    naming the field that is wrong; then nothing has been written.
    """
    email = _email(email)
    if queries.user_by_email(session, email) is not None:
        raise EmailTaken(field="email")
    user = User(
        id=new_id("usr"),
        email=email,
        name=texts.one_line(name, field="name", longest=LONGEST_NAME, required=True),
        role=role,
        customer_id=customer.id if customer else None,
        customer_role=customer_role if customer else None,
        password_hash=password_hash,
        language=supported(language or (customer.language if customer else None)),
        active=True,
        created_at=clock.now(),
    )
    session.add(user)
    session.flush()
    facts = {"role": role} | ({"customer_role": customer_role} if customer else {})
    audit.record(session, "user.created", user.id, facts, customer_id=user.customer_id)
    return user


def invite_customer(
    *,
    name: str,
    email: str,
    contact: str = "",
    language: str = "",
    address: str = "",
    country: str = "",
    tax_id: str = "",
) -> Invitation:
    """A new customer with one owner (`contact`, or the customer's own name), who gets an invitation by mail.

    Raises EmailTaken, and Invalid, naming the field that is wrong.
    """
    refuse_unreachable(email)
    with db.transaction() as session:
        customer = add_customer(
            session, name=name, email=email, language=language, address=address, country=country, tax_id=tax_id
        )
        return send_invitation(session, add_user(session, email=email, name=contact or name, customer=customer))


def send_invitation(session: Session, user: User, *, invited_by: str = "") -> Invitation:
    """A link by which `user` chooses a password, mailed to them, in the caller's transaction.

    `invited_by` is the id of a colleague, whom the mail names; without it the company itself invites. Raises Conflict when
    this person was sent enough of them within the hour.
    """
    row = tokens.issue(session, user.id, INVITATION)
    if row is None:
        raise Conflict(N_("This person was sent several invitations within the hour. Please wait a little."))
    facts = {"email": user.email} | ({"customer_role": user.customer_role} if user.customer_role else {})
    audit.record(session, "user.invited", user.id, facts, customer_id=user.customer_id)
    outbox.enqueue(session, "accounts.mail_link", key=f"link:{row.id}", link_id=row.id, invited_by=invited_by)
    return Invitation(user.id, user.customer_id, tokens.link(row))


# Signing up


def sign_up(email: str, name: str, language: str) -> None:
    """A stranger wants an account. What follows depends on whether the address is known, so it happens in a job.

    The answer and the time it takes are the same for every address. Raises Invalid, naming the field that is wrong, and
    NotFound when the settings allow no sign-up.
    """
    if not config.current().open_sign_up:
        raise NotFound
    name = texts.one_line(name, field="name", longest=LONGEST_NAME, required=True)
    email = _email(email)
    refuse_unreachable(email)
    with db.transaction() as session:
        known = queries.user_by_email(session, email)
        audit.record(session, "sign_up.asked", known.id if known else "unknown")
        outbox.enqueue(
            session, "accounts.begin_sign_up", email=email, name=name, language=language, link_id=new_id("lnk")
        )


def begin_sign_up(email: str, name: str, language: str, link_id: str) -> None:
    """Make the account, which opens with the link in a mail, or remind the owner of the mailbox that they have one.

    A second call with the same `link_id` changes nothing.
    """
    with db.transaction() as session:
        user = queries.user_by_email(session, email)
        if user is not None and user.password_hash is not None:
            occasion = f"{user.id}:{clock.now():%Y%m%d%H}"  # once an hour, however often it is tried
            outbox.enqueue(
                session, "accounts.mail_account_exists", key=f"exists:{occasion}", user_id=user.id, occasion=occasion
            )
            return
        if user is None:
            customer = add_customer(session, name=name, email=email, language=language)
            user = add_user(session, email=email, name=name, customer=customer)
        _send_link(session, user, CONFIRM_EMAIL, link_id)


# Links from mails


def invited(token: str) -> Invited:
    """Whom an invitation or the confirmation of a sign-up is for. Raises LinkExpired."""
    return _owner(token, INVITATION, CONFIRM_EMAIL)


def accept_invitation(token: str, password: str, *, ip: str, user_agent: str) -> str:
    """Choose the first password by the link of an invitation or a sign-up, and sign in; returns the session's token.

    Raises LinkExpired, also for a second call, and Invalid for a password that is too easily guessed.
    """
    _check_password(_owner(token, INVITATION, CONFIRM_EMAIL), password)
    kept = passwords.hashed(password)
    with db.transaction() as session:
        user = _use(session, token, INVITATION, CONFIRM_EMAIL)
        user.password_hash = kept
        with sessions.acting_as(user):
            audit.record(session, "user.invitation_taken_up", user.id, customer_id=user.customer_id)
        return sessions.start(session, user, ip=ip, user_agent=user_agent)


def ask_reset(email: str) -> None:
    """Someone says that they forgot the password of this address. A job sends the link, if anyone has that address.

    The answer and the time it takes are the same for every address.
    """
    email = queries.normal_email(email)[:LONGEST_EMAIL]
    with db.transaction() as session:
        known = queries.user_by_email(session, email)
        audit.record(
            session,
            "password.reset_asked",
            known.id if known else "unknown",
            customer_id=known.customer_id if known else None,
        )
        outbox.enqueue(session, "accounts.begin_reset", email=email, link_id=new_id("lnk"))


def begin_reset(email: str, link_id: str) -> None:
    """Send a reset link to the active user of this address, if there is one; a second call with `link_id` sends no other."""
    with db.transaction() as session:
        user = queries.user_by_email(session, email)
        if user is not None and user.active:
            _send_link(session, user, PASSWORD_RESET, link_id)


def reset_for(token: str) -> Invited:
    """Whose password this reset link changes. Raises LinkExpired."""
    return _owner(token, PASSWORD_RESET)


def reset_password(token: str, password: str) -> None:
    """Choose a new password by the link of a reset mail. All sessions end, and earlier wrong tries are forgiven.

    Raises LinkExpired, also for a second call, and Invalid for a password that is too easily guessed.
    """
    _check_password(_owner(token, PASSWORD_RESET), password)
    kept = passwords.hashed(password)
    with db.transaction() as session:
        user = _use(session, token, PASSWORD_RESET)
        user.password_hash = kept
        throttle.forget(session, user.email)
        ended = sessions.end_all(session, user)
        with sessions.acting_as(user):
            audit.record(session, "password.reset", user.id, {"sessions_ended": ended}, customer_id=user.customer_id)
        _tell_of_new_password(session, user)


def _owner(token: str, *purposes: str) -> Invited:
    with db.reading() as session:
        user = tokens.read(session, token, *purposes).user
        customer = queries.customer(session, user.customer_id) if user.customer_id else None
    return Invited(user.name, user.email, customer.name if customer else "")


def _use(session: Session, token: str, *purposes: str) -> User:
    """The link's owner, whose links are all used up by this. They are locked before the link, as everywhere."""
    user = queries.user(session, tokens.read(session, token, *purposes).user_id, lock=True)
    tokens.read(session, token, *purposes, lock=True)
    tokens.use_up(session, user)
    return user


def _send_link(session: Session, user: User, purpose: str, link_id: str) -> AccountToken | None:
    row = tokens.issue(session, user.id, purpose, token_id=link_id)
    if row is None:
        log.warning("too_many_links", user_id=user.id, purpose=purpose)
        return None
    outbox.enqueue(session, "accounts.mail_link", key=f"link:{row.id}", link_id=row.id)
    return row


def _tell_of_new_password(session: Session, user: User) -> None:
    """So that the owner learns of it when it was not they."""
    outbox.enqueue(
        session,
        "accounts.mail_password_changed",
        user_id=user.id,
        occasion=new_id("pwd"),
        changed_at=clock.now().isoformat(),
    )


# What people change themselves


def change_password(user_id: str, current: str, new: str, *, ip: str, user_agent: str) -> str:
    """Change it and end every session of this user; returns the token of a new session for this browser.

    Raises Invalid for the field "current" or "password", and RateLimited when the current one was guessed too often.
    """
    with db.reading() as session:
        user = queries.user(session, user_id)
    attempt = throttle.begin(user.email, ip)
    if not passwords.matches(user.password_hash, current):
        with db.transaction() as session:
            audit.record(session, "password.change_refused", user_id, customer_id=user.customer_id)
        raise Invalid(N_("This is not your current password."), field="current")
    _check_password(user, new)
    kept = passwords.hashed(new)
    with db.transaction() as session:
        changed = queries.user(session, user_id, lock=True)
        if changed.password_hash != user.password_hash:
            raise Conflict
        throttle.forgive(session, attempt)
        changed.password_hash = kept
        tokens.use_up(session, changed)
        ended = sessions.end_all(session, changed)
        audit.record(session, "password.changed", user_id, {"sessions_ended": ended}, customer_id=changed.customer_id)
        _tell_of_new_password(session, changed)
        return sessions.start(session, changed, ip=ip, user_agent=user_agent)


def change_profile(user_id: str, *, name: str, language: str, time_zone: str = "") -> None:
    """`time_zone` is a name such as "Europe/Berlin", or "" for that of the browser.

    Raises Invalid, naming the field that is wrong. A second call with the same changes nothing.
    """
    if time_zone and not time_zones.is_known(time_zone):
        raise Invalid(N_("Please choose a time zone from the list."), field="time_zone")
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        new = {
            "name": texts.one_line(name, field="name", longest=LONGEST_NAME, required=True),
            "language": supported(language),
            "time_zone": time_zone,
        }
        _change(session, user, new, "user.changed", user.customer_id)


def note_time_zone(user_id: str, said: str) -> None:
    """What the browser says of its clock, for those who have chosen no zone: mails tell them times in it. Nonsense changes nothing."""
    if not time_zones.is_known(said):
        return
    with db.transaction() as session:
        queries.user(session, user_id, lock=True).guessed_time_zone = said


def billing_details(customer_id: str) -> Customer:
    """Raises NotFound."""
    with db.reading() as session:
        return queries.customer(session, customer_id)


def change_billing_details(customer_id: str, *, name: str, address: str, country: str, tax_id: str) -> None:
    """What stands on receipts from now on; those issued keep what they say. A second call with the same changes nothing.

    Raises NotFound, and Invalid, naming the field that is wrong.
    """
    with db.transaction() as session:
        customer = queries.customer(session, customer_id, lock=True)
        new = {
            "name": texts.one_line(name, field="name", longest=LONGEST_NAME, required=True),
            "address": _address(address),
            "country": _country(country),
            "tax_id": texts.one_line(tax_id, field="tax_id", longest=LONGEST_TAX_ID),
        }
        _change(session, customer, new, "customer.changed", customer.id)


def set_password(user_id: str, password: str) -> None:
    """Set it for someone else, as an operator does; their sessions end. Raises NotFound, and Invalid for a weak one."""
    with db.reading() as session:
        user = queries.user(session, user_id)
    _check_password(user, password)
    kept = passwords.hashed(password)
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        user.password_hash = kept
        tokens.use_up(session, user)
        sessions.end_all(session, user)
        audit.record(session, "password.set", user_id, customer_id=user.customer_id)


def _change(session: Session, row: User | Customer, new: dict[str, str], action: str, customer_id: str | None) -> None:
    """Write what differs, and an audit row with before and after."""
    changes = {name: [getattr(row, name), value] for name, value in new.items() if getattr(row, name) != value}
    for name, (_before, after) in changes.items():
        setattr(row, name, after)
    if changes:
        audit.record(session, action, row.id, changes, customer_id=customer_id)


def _check_password(owner: User | Invited, password: str) -> None:
    passwords.check(password, personal=(owner.email, owner.name, config.current().company.name))


# What people type


def _email(text: str) -> str:
    text = texts.one_line(text, field="email", longest=LONGEST_EMAIL, required=True)
    try:
        address = validate_email(
            text,
            check_deliverability=False,  # a name server that is down keeps no one out; the mail itself is the check
            test_environment=config.current().environment != "production",  # where people are called ada@shop.test
        )
    except EmailNotValidError as error:
        raise Invalid(N_("Please enter an e-mail address, such as name@example.com."), field="email") from error
    return queries.normal_email(address.normalized)


def refuse_unreachable(email: str) -> None:
    """Raises Invalid (field "email") for an address that our mail server cannot send to. Asks it, so outside any transaction."""
    if not mail.reaches(email.strip()):
        raise Invalid(
            N_(
                "We cannot send e-mail to addresses with letters such as ä or 語 before the @. Please use another "
                "address."
            ),
            field="email",
        )


def _address(text: str) -> str:
    lines = [line for line in map(texts.tidied, texts.tidied_lines(text).split("\n")) if line]
    if len(lines) > MOST_ADDRESS_LINES:
        raise Invalid(N_("Use at most %(count)s lines."), field="address", count=MOST_ADDRESS_LINES)
    return texts.several_lines("\n".join(lines), field="address", longest=LONGEST_ADDRESS)


def _country(text: str) -> str:
    code = text.strip().upper()
    if code and not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise Invalid(N_("Please choose a country from the list."), field="country")
    return code
