"""Who else gets a customer's documents: which of them, in which language, and whether the address is proved.

The billed address gets everything, and whoever paid the confirmation of it; here are the others, such as accounts payable or a tax adviser.
Each change locks the customer first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import colleagues, jobs, queries
from portal.accounts.models import Customer, DocumentRecipient, RecipientMail
from portal.content import mail
from portal.content.language import supported
from portal.core import audit, clock, config, db
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.identity import email_addresses, service, tokens
from portal.identity import queries as users
from portal.identity.tokens import LinkExpired

# More than read the bills of any company; the page shows no pager.
MOST_RECIPIENTS: Final = 10
CONFIRM_WITHIN: Final = timedelta(days=7)
CONFIRM_PATH: Final = "/recipients/confirmation/"


class TooManyRecipients(Conflict):
    code = "too_many_recipients"
    message = N_("Documents go to at most %(count)s further addresses. Please remove one first.")

    def __init__(self) -> None:
        super().__init__(count=MOST_RECIPIENTS)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a recipient is to get, as it was chosen: words of RecipientMail; at least one."""

    language: str
    mails: Collection[str]
    with_xml: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """The recipients of a customer, the billed address, and of both which the mail server refused the last time, by address."""

    customer: Customer
    recipients: list[DocumentRecipient]
    refused: dict[str, mail.RefusedAddress]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the link in a confirmation is for."""

    customer: str
    email: str


def of_customer(customer_id: str) -> Listed:
    """Raises NotFound."""
    with db.reading() as session:
        customer = queries.customer(session, customer_id)
        return Listed(customer, queries.recipients(session, customer_id), mail.refused(session, customer_id))


def one(customer_id: str, recipient_id: str) -> DocumentRecipient:
    """Raises NotFound, also for another customer's."""
    with db.reading() as session:
        return queries.recipient(session, recipient_id, customer_id)


def add(customer_id: str, email: str, wish: Wish, *, by_staff: bool) -> DocumentRecipient:
    """One more recipient. Where the customer adds an address that none of its people signs in with, a link goes there first.

    Raises Invalid, naming the field that is wrong, NotFound, TooManyRecipients, and colleagues.TooManyInvitations for one link too many.
    """
    email = email_addresses.checked(email)
    email_addresses.refuse_unreachable(email)
    with db.transaction() as session:
        customer = queries.customer(session, customer_id, lock=True)
        if email == users.normal_email(customer.email):
            raise Invalid(N_("This address gets all documents already."), field="email")
        present = queries.recipients(session, customer_id)
        if email in {other.email for other in present}:
            raise Invalid(N_("This address is in the list already."), field="email")
        if len(present) >= MOST_RECIPIENTS:
            raise TooManyRecipients
        recipient = DocumentRecipient(
            id=new_id("rcp"),
            customer_id=customer_id,
            email=email,
            language=supported(wish.language),
            mails=_mails(wish.mails),
            with_xml=wish.with_xml,
            created_at=clock.now(),
        )
        session.add(recipient)
        facts = {"email": email, "mails": recipient.mails, "language": recipient.language}
        if by_staff or _is_proved(session, customer_id, email):
            recipient.confirmed_at = clock.now()
        else:
            _ask(session, recipient)
        session.flush()
        audit.record(session, "recipient.added", recipient.id, facts, customer_id=customer_id)
        return recipient


def _is_proved(session: Session, customer_id: str, email: str) -> bool:
    user = users.user_by_email(session, email)
    return user is not None and user.customer_id == customer_id and user.active and user.password_hash is not None


def _ask(session: Session, recipient: DocumentRecipient) -> None:
    """Leave the mail with the link; the customer's lock is held. One that was sent before opens as long as this one."""
    colleagues.count_invitation(session, recipient.customer_id)
    recipient.token_hash = tokens.digest(tokens.derive(_named(recipient)))
    recipient.expires_at = clock.now() + CONFIRM_WITHIN
    session.flush()
    jobs.mail_recipient_confirmation.enqueue(session, recipient_id=recipient.id, occasion=new_id("snd"))


def change(customer_id: str, recipient_id: str, wish: Wish) -> None:
    """What a recipient gets from now on. A second call with the same changes nothing. Raises NotFound and Invalid (field "mails")."""
    with db.transaction() as session:
        queries.customer(session, customer_id, lock=True)
        recipient = queries.recipient(session, recipient_id, customer_id)
        new = {"language": supported(wish.language), "mails": _mails(wish.mails), "with_xml": wish.with_xml}
        changes = service.write_changes(recipient, new)
        if changes:
            facts = {"email": recipient.email, **changes}
            audit.record(session, "recipient.changed", recipient_id, facts, customer_id=customer_id)


def remove(customer_id: str, recipient_id: str) -> None:
    """Nothing goes there any more, and a link that went there opens nothing. A second call changes nothing.

    Raises NotFound for another customer's.
    """
    with db.transaction() as session:
        queries.customer(session, customer_id, lock=True)
        recipient = session.get(DocumentRecipient, recipient_id)
        if recipient is None:
            return
        if recipient.customer_id != customer_id:
            raise NotFound
        facts = {"email": recipient.email}
        session.delete(recipient)
        session.flush()
        audit.record(session, "recipient.removed", recipient_id, facts, customer_id=customer_id)


def ask_again(customer_id: str, recipient_id: str) -> DocumentRecipient:
    """Send the link once more. Raises NotFound, Conflict for an address that is confirmed, and TooManyInvitations."""
    with db.transaction() as session:
        queries.customer(session, customer_id, lock=True)
        recipient = queries.recipient(session, recipient_id, customer_id)
        if recipient.confirmed_at is not None:
            raise Conflict
        _ask(session, recipient)
        audit.record(session, "recipient.asked", recipient_id, {"email": recipient.email}, customer_id=customer_id)
        return recipient


def link(recipient: DocumentRecipient) -> str:
    """The whole address for the mail."""
    return config.current().base_url + CONFIRM_PATH + tokens.told_again(_named(recipient), recipient.token_hash)


def to_confirm(token: str) -> Asked:
    """Raises LinkExpired."""
    with db.reading() as session:
        recipient = _by_token(session, token)
        return Asked(queries.customer(session, recipient.customer_id).name, recipient.email)


def confirm(token: str) -> None:
    """Who has this link reads the address: documents go there from now on. Raises LinkExpired, also for a second call."""
    with db.reading() as session:
        customer_id = _by_token(session, token).customer_id
    with db.transaction() as session:
        queries.customer(session, customer_id, lock=True)
        recipient = _by_token(session, token)
        recipient.confirmed_at, recipient.token_hash = clock.now(), None
        facts = {"email": recipient.email}
        audit.record(session, "recipient.confirmed", recipient.id, facts, customer_id=customer_id)


def _by_token(session: Session, token: str) -> DocumentRecipient:
    found = session.scalar(
        select(DocumentRecipient)
        .where(DocumentRecipient.token_hash == tokens.digest(token), DocumentRecipient.confirmed_at.is_(None))
        .where(DocumentRecipient.expires_at > clock.now())
    )
    if found is None:
        raise LinkExpired
    return found


def _named(recipient: DocumentRecipient) -> str:
    return f"{recipient.id}:recipient"


def _mails(chosen: Collection[str]) -> str:
    wanted = [one for one in RecipientMail if one in chosen]
    if not wanted:
        raise Invalid(N_("Please choose what goes to this address."), field="mails")
    return " ".join(wanted)
