"""Customers and their people: inviting, signing up, details on the bill."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy.orm import Session

from portal.accounts import external_ids, jobs, queries, tax_ids
from portal.accounts.models import Customer, OptionalMail
from portal.content.language import supported
from portal.core import audit, clock, config, db, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.core.permissions import Role
from portal.identity import email_addresses, tokens
from portal.identity import queries as users
from portal.identity import service as identity
from portal.identity.email_addresses import refuse_unreachable
from portal.identity.models import CustomerRole, TokenPurpose, User
from portal.identity.service import LONGEST_NAME

LONGEST_ADDRESS: Final = 500
MOST_ADDRESS_LINES: Final = 6


class EmailTaken(Invalid):
    """Told to staff, to operators, and to owners who invite a colleague: of these the daily limit of invitations keeps
    anyone from finding out who has an account. A stranger who signs up gets the same answer for every address.
    """

    code = "email_taken"
    message = N_("Someone already signs in with this e-mail address.")


class Deactivated(Conflict):
    code = "customer_deactivated"
    message = N_("This customer is deactivated. Please reactivate the account first.")


class StaleDetails(Conflict):
    """Someone else has changed the customer since the form was drawn."""

    code = "stale_details"
    message = N_(
        "Someone else changed these details in the meantime. Nothing was saved. Please compare with what is stored now, then save again."
    )


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


# What an e-invoice says of its reader besides, and how long it may be: see portal.documents.xrechnung.
FOR_E_INVOICES: Final = {"postal_code": 20, "city": 100, "buyer_reference": 120, "electronic_address": 100}
# The scheme is one of the list EAS: for networks, four digits.
_ELECTRONIC_ADDRESS: Final = re.compile(r"[0-9]{4}:[!-~]{1,90}")


@dataclass(frozen=True, slots=True)
class Details:
    """What staff may change about a customer, as it was typed."""

    name: str
    email: str
    address: str
    country: str
    tax_id: str
    language: str
    postal_code: str = ""
    city: str = ""
    buyer_reference: str = ""
    electronic_address: str = ""
    external_id: str = ""
    reminders_off: bool = False


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
    external_id: str = "",
    **more: str,
) -> Customer:
    """A new billing account, in the caller's transaction; `more` are some of FOR_E_INVOICES. Raises Invalid, naming the field that is
    wrong, and ExternalIdTaken.
    """
    customer = Customer(
        id=new_id("cus"),
        name=texts.one_line(name, field="name", longest=LONGEST_NAME, required=True),
        email=email_addresses.checked(email),
        address=_address(address),
        country=_country(country),
        tax_id=tax_ids.checked(tax_id, _country(country)),
        language=supported(language),
        created_at=clock.now(),
        external_id=external_ids.checked(session, external_id),
        **_for_e_invoices(more),
    )
    session.add(customer)
    session.flush()
    audit.record(session, "customer.created", customer.id, {"name": customer.name}, customer_id=customer.id)
    _have_checked(session, customer)
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
    email = email_addresses.checked(email)
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
    **more: str,
) -> Invitation:
    """A new customer with one owner (`contact`, or the customer's own name), who gets an invitation by mail.

    Raises EmailTaken, and Invalid, naming the field that is wrong.
    """
    refuse_unreachable(email)
    with db.transaction() as session:
        customer = add_customer(
            session, name=name, email=email, language=language, address=address, country=country, tax_id=tax_id, **more
        )
        return send_invitation(session, add_user(session, email=email, name=contact or name, customer=customer))


def invite_owner(customer_id: str, *, name: str, email: str, language: str = "") -> Invitation:
    """One more owner of a customer, whom staff invite: for one that nobody signs in for, or whose owners have left.

    Its owners are told. Raises NotFound, EmailTaken, Invalid (naming the field), and Conflict for a customer that is deactivated.
    """
    refuse_unreachable(email)
    with db.transaction() as session:
        customer = queries.customer(session, customer_id, lock=True)
        if customer.deactivated_at is not None:
            raise Deactivated
        user = add_user(session, email=email, name=name, customer=customer, language=language)
        for owner in queries.owners(session, customer_id):
            jobs.mail_owners_changed.enqueue(
                session, owner_id=owner.id, about_id=user.id, what="invited", by_id="", occasion=new_id("own")
            )
        return send_invitation(session, user)


def invite_again(user_id: str) -> Invitation:
    """Staff send a new link to someone of a customer's people who has not accepted theirs.

    Raises NotFound, and Conflict once they have a password or no access, or were sent enough of them within the hour.
    """
    with db.transaction() as session:
        return send_invitation(session, _invited(session, user_id))


def readdress_invitation(user_id: str, email: str) -> Invitation:
    """An invitation that went to a wrong address goes to another one; the first link opens nothing any more.

    Raises as `invite_again`, EmailTaken, and Invalid for the field "email".
    """
    email = email_addresses.checked(email)
    refuse_unreachable(email)
    with db.transaction() as session:
        user = _invited(session, user_id)
        taken_by = users.user_by_email(session, email)
        if taken_by is not None and taken_by.id != user_id:
            raise EmailTaken(field="email")
        facts = {"email": [user.email, email]}
        user.email = email
        session.flush()
        tokens.use_up(session, user)
        audit.record(session, "user.email_changed", user_id, facts, customer_id=user.customer_id)
        return send_invitation(session, user)


def _invited(session: Session, user_id: str) -> User:
    user = users.user(session, user_id, lock=True)
    if user.customer_id is None:
        raise NotFound
    if user.password_hash is not None or not user.active:
        raise Conflict
    return user


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
    email = email_addresses.checked(email)
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


def change_billing_details(
    customer_id: str, *, name: str, address: str, country: str, tax_id: str, **more: str
) -> None:
    """What stands on receipts from now on; those issued keep what they say. A second call with the same changes nothing.

    Raises NotFound, and Invalid, naming the field that is wrong.
    """
    with db.transaction() as session:
        customer = queries.customer(session, customer_id, lock=True)
        on_the_bill = _on_the_bill(customer, name=name, address=address, country=country, tax_id=tax_id)
        _write(session, customer, on_the_bill | _for_e_invoices(more))


def details_of(customer: Customer) -> Details:
    """What a form shows of it, to be changed."""
    stands: dict[str, Any] = {one.name: getattr(customer, one.name) for one in fields(Details)}
    return Details(**(stands | {"external_id": customer.external_id or ""}))


def change_details(customer_id: str, version: int, details: Details) -> None:
    """All that staff may change about a customer; documents that were issued keep what they say.

    `version` is that of the customer which the form showed. The address that was billed until now is told of a new one by mail.
    Raises NotFound, StaleDetails, queries.Erased, external_ids.ExternalIdTaken, and Invalid, naming the field that is wrong; then nothing
    has been written. A second call with the same version is stale.
    """
    email = email_addresses.checked(details.email)
    refuse_unreachable(email)
    with db.transaction() as session:
        customer = queries.customer(session, customer_id, lock=True)
        if customer.erased_at is not None:
            raise queries.Erased
        if customer.version != version:
            raise StaleDetails
        before = customer.email
        on_the_bill = _on_the_bill(
            customer, name=details.name, address=details.address, country=details.country, tax_id=details.tax_id
        )
        new: dict[str, str | bool | None] = {
            **on_the_bill,
            "email": email,
            "external_id": external_ids.checked(session, details.external_id, customer_id=customer_id),
            "language": supported(details.language),
            **_for_e_invoices({name: getattr(details, name) for name in FOR_E_INVOICES}),
            "reminders_off": details.reminders_off,
        }
        _write(session, customer, new)
        if customer.email != before:
            jobs.mail_billing_email_changed.enqueue(
                session, customer_id=customer.id, old=before, occasion=f"{customer.id}:{customer.version}"
            )


def choose_mails(customer_id: str, wanted: Collection[str]) -> None:
    """Which of OptionalMail are sent to the billed address from now on. Nonsense is left out. A second call changes nothing.

    Raises NotFound.
    """
    with db.transaction() as session:
        customer = queries.customer(session, customer_id, lock=True)
        unwanted = " ".join(mail for mail in OptionalMail if mail not in wanted)
        _write(session, customer, {"unwanted_mails": unwanted})


def _on_the_bill(customer: Customer, *, name: str, address: str, country: str, tax_id: str) -> dict[str, str]:
    """What is kept of these. A VAT ID that stays as it is, is not looked at: it may be older than the check."""
    country = _country(country)
    return {
        "name": texts.one_line(name, field="name", longest=LONGEST_NAME, required=True),
        "address": _address(address),
        "country": country,
        "tax_id": customer.tax_id if tax_id.strip() == customer.tax_id else tax_ids.checked(tax_id, country),
    }


def _for_e_invoices(typed: Mapping[str, str]) -> dict[str, str]:
    """What is kept of some of FOR_E_INVOICES. Raises Invalid, naming the field that is wrong, TypeError for another name."""
    if unknown := typed.keys() - FOR_E_INVOICES.keys():
        raise TypeError(f"{', '.join(unknown)} is nothing that is kept of a customer")
    kept = {name: texts.one_line(text, field=name, longest=FOR_E_INVOICES[name]) for name, text in typed.items()}
    address = kept.get("electronic_address", "")
    if address and not _ELECTRONIC_ADDRESS.fullmatch(address):
        raise Invalid(
            N_("An electronic address is a scheme of four digits, a colon and an ID."), field="electronic_address"
        )
    return kept


def _write(session: Session, customer: Customer, new: Mapping[str, str | bool | None]) -> None:
    changes = identity.write_changes(customer, new)
    if changes:
        customer.version += 1
        audit.record(session, "customer.changed", customer.id, changes, customer_id=customer.id)
    if "tax_id" in changes:
        _have_checked(session, customer)


def _have_checked(session: Session, customer: Customer) -> None:
    """Have VIES asked about a VAT ID that is new, where there is one that it knows and the settings name its address."""
    if config.current().vies_url and tax_ids.is_of_the_union(customer.tax_id):
        jobs.check_vat_id.requeue(session, customer_id=customer.id, tax_id=customer.tax_id)


# What people type


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
