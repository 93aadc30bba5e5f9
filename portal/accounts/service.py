"""Customers and their people: inviting, signing up, details on the bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from portal.accounts import jobs, queries
from portal.accounts.models import Customer
from portal.content import mail
from portal.content.language import supported
from portal.core import audit, clock, config, db, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.core.permissions import Role
from portal.identity import queries as users
from portal.identity import service as identity
from portal.identity import tokens
from portal.identity.models import CustomerRole, TokenPurpose, User
from portal.identity.service import LONGEST_EMAIL, LONGEST_NAME

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
    role: Role = Role.CUSTOMER,
    customer_role: CustomerRole = CustomerRole.OWNER,
    language: str = "",
    password_hash: str | None = None,
) -> User:
    """A new user, in the caller's transaction; without a hash they cannot sign in before they have chosen a password.

    `customer_role` counts for a customer's people alone, and the first of them is an owner. Raises EmailTaken, and Invalid,
    naming the field that is wrong; then nothing has been written.
    """
    email = _email(email)
    if users.user_by_email(session, email) is not None:
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
    row = tokens.issue(session, user.id, TokenPurpose.INVITATION)
    if row is None:
        raise Conflict(N_("This person was sent several invitations within the hour. Please wait a little."))
    facts = {"email": user.email} | ({"customer_role": user.customer_role} if user.customer_role else {})
    audit.record(session, "user.invited", user.id, facts, customer_id=user.customer_id)
    jobs.mail_invitation.enqueue(session, link_id=row.id, invited_by=invited_by)
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
        known = users.user_by_email(session, email)
        audit.record(session, "sign_up.asked", known.id if known else "unknown")
        jobs.begin_sign_up.enqueue(session, email=email, name=name, language=language, link_id=new_id("lnk"))


def begin_sign_up(email: str, name: str, language: str, link_id: str) -> None:
    """Make the account, which opens with the link in a mail, or remind the owner of the mailbox that they have one.

    A second call with the same `link_id` changes nothing.
    """
    with db.transaction() as session:
        user = users.user_by_email(session, email)
        if user is not None and user.password_hash is not None:
            occasion = f"{user.id}:{clock.now():%Y%m%d%H}"  # once an hour, however often it is tried
            jobs.mail_account_exists.enqueue(session, user_id=user.id, occasion=occasion)
            return
        if user is None:
            customer = add_customer(session, name=name, email=email, language=language)
            user = add_user(session, email=email, name=name, customer=customer)
        identity.send_link(session, user, TokenPurpose.CONFIRM_EMAIL, link_id)


# Links from mails


def invited(token: str) -> Invited:
    """Whom an invitation or the confirmation of a sign-up is for. Raises LinkExpired."""
    owner = identity.link_owner(token, TokenPurpose.INVITATION, TokenPurpose.CONFIRM_EMAIL)
    customer = billing_details(owner.customer_id) if owner.customer_id else None
    return Invited(owner.name, owner.email, customer.name if customer else "")


# Details on the bill


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
        changes = identity.write_changes(customer, new)
        if changes:
            audit.record(session, "customer.changed", customer.id, changes, customer_id=customer.id)


# What people type


def _email(text: str) -> str:
    from email_validator import EmailNotValidError, validate_email

    text = texts.one_line(text, field="email", longest=LONGEST_EMAIL, required=True)
    try:
        address = validate_email(
            text,
            check_deliverability=False,  # a name server that is down keeps no one out; the mail itself is the check
            test_environment=config.current().environment != "production",  # where people are called ada@shop.test
        )
    except EmailNotValidError as error:
        raise Invalid(N_("Please enter an e-mail address, such as name@example.com."), field="email") from error
    return users.normal_email(address.normalized)


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
