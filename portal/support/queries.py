"""Reading what staff see of a customer; nothing here commits. Every list is a page, every sum has an end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session, joinedload

from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.content import mail
from portal.content.mail import SentMail
from portal.core import clock, db, keyset
from portal.core.audit import AuditEvent
from portal.core.db import inline_literals
from portal.core.errors import NotFound
from portal.core.money import Money
from portal.documents.models import DocumentKind
from portal.identity import queries as users
from portal.identity.models import IDLE, LONGEST, SignInSession, User
from portal.invoices import queries as invoices
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus, Standing
from portal.mandates import queries as mandates
from portal.mandates.models import Collection, Mandate
from portal.payment_methods import queries as methods
from portal.payment_methods.models import PaymentMethod
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.refunds.models import Refund
from portal.refunds.statuses import FREED, RefundStatus
from portal.support import labels
from portal.support.models import CustomerNote
from portal.webhook_endpoints import queries as deliveries
from portal.webhook_endpoints.models import WebhookEndpoint

# A sum over more rows than this is made of the newest of them, and says so.
MOST_SUMMED: Final = 10_000
MOST_PEOPLE: Final = 50
MOST_SESSIONS: Final = 100
MOST_COLLECTIONS: Final = 20
# Actors with a row among the users, and those with a name in a row of theirs.
PEOPLE: Final = frozenset({"customer", "staff"})
NAMED: Final = PEOPLE | {"api_client"}
DOCUMENT_MAILS: Final = frozenset(f"documents/mails/{kind}" for kind in DocumentKind)


# A customer


@dataclass(frozen=True, slots=True)
class Sums:
    """Amounts by currency; `complete` is False when there were more than MOST_SUMMED rows and only the newest are in."""

    amounts: list[Money]
    complete: bool


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """The head of a customer's page: who it is, what it owes, has paid, has asked back and was given back, and which addresses the mail
    server refused.
    """

    customer: Customer
    owed: invoices.Owed
    paid: Sums
    asked_back: Sums
    given_back: Sums
    refused: list[str]


def customer_file(session: Session, customer_id: str) -> CustomerFile:
    """Raises NotFound."""
    customer = accounts.customer(session, customer_id)
    owed = invoices.owed(session, customer_id)
    paid, asked_back, given_back = (_sums(session, sums, customer_id) for sums in _sums_of_customer(MOST_SUMMED))
    return CustomerFile(customer, owed, paid, asked_back, given_back, sorted(mail.refused(session, customer_id)))


@cache
def _sums_of_customer(most: int) -> tuple[Select[str, int, int], ...]:
    """What the :customer has paid, asked back and was given back, each as sums of `most` rows by currency."""
    own = Refund.customer_id == bindparam("customer")
    refunds = select(Refund.currency, Refund.amount_minor)
    paid = (
        select(Payment.currency, Payment.amount_minor)
        .where(Payment.customer_id == bindparam("customer"), Payment.status == PaymentStatus.SUCCEEDED)
        .order_by(Payment.created_at.desc())
    )
    asked_back = refunds.where(own, ~inline_literals(Refund.status, FREED | {RefundStatus.SUCCEEDED}))
    given_back = refunds.where(own, Refund.status == RefundStatus.SUCCEEDED)
    return tuple(_by_currency(rows.limit(most)) for rows in (paid, asked_back, given_back))


def _by_currency(rows: Select[str, int]) -> Select[str, int, int]:
    """The sums of rows of (currency, amount_minor)."""
    currency, minor = rows.subquery().c
    return select(currency, func.sum(minor), func.count()).group_by(currency).order_by(func.count().desc(), currency)


def _sums(session: Session, sums: Select[str, int, int], customer_id: str) -> Sums:
    found = db.rows_in(session, sums, {"customer": customer_id})
    return Sums([Money(int(total), code) for code, total, _count in found], sum(row[2] for row in found) < MOST_SUMMED)


@dataclass(frozen=True, slots=True)
class OpenInvoices(keyset.Page[Invoice]):
    """A page of open invoices, with how each of them stands, by its id."""

    standings: Mapping[str, Standing]


def open_invoices(session: Session, customer_id: str, cursor: str | None) -> OpenInvoices:
    found = invoices.page_for_customer(session, customer_id, status=InvoiceStatus.OPEN, cursor=cursor)
    return OpenInvoices(found.rows, found.older, found.newer, invoices.standings(session, found.rows))


@dataclass(frozen=True, slots=True)
class ShownPayment:
    """A payment with what everybody is told of its state."""

    row: Payment
    status: str


def payments_of(session: Session, customer_id: str, cursor: str | None) -> keyset.Page[ShownPayment]:
    found = payments.history(session, customer_id, payments.Filter(), cursor)
    shown = payments.shown_statuses(session, found.rows)
    return keyset.Page([ShownPayment(one, shown[one.id]) for one in found.rows], found.older, found.newer)


def refunds_of(session: Session, customer_id: str, cursor: str | None) -> keyset.Page[Refund]:
    query = select(Refund).where(Refund.customer_id == customer_id)
    return keyset.page(session, query, Refund.asked_at, Refund.id, cursor)


def methods_of(session: Session, customer_id: str, _cursor: str | None) -> list[PaymentMethod]:
    return methods.of_customer(session, customer_id)


@dataclass(frozen=True, slots=True)
class AutomaticPayment:
    """The mandate in force, or else the last one that ended; and the newest collections, with their invoices."""

    mandate: Mandate | None
    collections: list[Collection]

    @property
    def is_on(self) -> bool:
        return self.mandate is not None and self.mandate.ended_at is None


def automatic_payment(session: Session, customer_id: str, _cursor: str | None) -> AutomaticPayment:
    ended = select(Mandate).where(Mandate.customer_id == customer_id).order_by(Mandate.ended_at.desc()).limit(1)
    mandate = mandates.in_force(session, customer_id) or session.scalar(ended)
    collections = session.scalars(
        select(Collection)
        .where(Collection.customer_id == customer_id)
        .order_by(Collection.created_at.desc(), Collection.id.desc())
        .limit(MOST_COLLECTIONS)
        .options(joinedload(Collection.invoice))
    )
    return AutomaticPayment(mandate, list(collections))


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who signs in for the customer, and in how many browsers they are signed in (at most MOST_SESSIONS)."""

    user: User
    sessions: int


def people_of(session: Session, customer_id: str, _cursor: str | None) -> list[Person]:
    users = accounts.users_of(session, customer_id)[:MOST_PEOPLE]
    open_now = (
        select(SignInSession.user_id)
        .where(SignInSession.user_id.in_([user.id for user in users]), SignInSession.ended_at.is_(None))
        .where(SignInSession.last_seen_at > clock.now() - IDLE["customer"])
        .where(SignInSession.created_at > clock.now() - LONGEST["customer"])
        .limit(MOST_SESSIONS)
    )
    counted = Counter(session.scalars(open_now))
    return [Person(user, counted[user.id]) for user in users]


def able_people(session: Session, customer_id: str) -> list[User]:
    """Those who can sign in for the customer now, or accept an invitation."""
    return [user for user in accounts.users_of(session, customer_id) if user.active][:MOST_PEOPLE]


def endpoints_of(session: Session, customer_id: str, _cursor: str | None) -> list[WebhookEndpoint]:
    return deliveries.endpoints(session, customer_id)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was sent; `document_id` is given where it brought a receipt or a credit note, which can be sent again."""

    sent: SentMail
    document_id: str | None


def mails_of(session: Session, customer_id: str, cursor: str | None) -> keyset.Page[Mail]:
    query = select(SentMail).where(SentMail.customer_id == customer_id)
    found = keyset.page(session, query, SentMail.sent_at, SentMail.key, cursor)
    return keyset.Page([Mail(one, document_of(one)) for one in found.rows], found.older, found.newer)


def document_of(sent: SentMail) -> str | None:
    """The key of a document's mail is "<kind>:<id>", and "<kind>:<occasion>:<id>" when it was sent again."""
    return sent.key.rpartition(":")[2] if sent.template in DOCUMENT_MAILS else None


def notes_of(session: Session, customer_id: str, cursor: str | None) -> keyset.Page[CustomerNote]:
    query = select(CustomerNote).where(CustomerNote.customer_id == customer_id)
    return keyset.page(
        session, query.options(joinedload(CustomerNote.author)), CustomerNote.at, CustomerNote.id, cursor
    )


# What happened


@dataclass(frozen=True, slots=True)
class Happening:
    """An audit event in words: `words` and `facts` are for gettext, `who` is a name, or a text for gettext when nobody is named."""

    number: int
    at: datetime
    words: str
    facts: dict[str, object]
    who: str
    is_named: bool
    is_person: bool
    note: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of what happened, newest first; `older` is the cursor of the next one, `is_first` whether it is the newest."""

    rows: list[Happening]
    older: str | None
    is_first: bool


def timeline_of(session: Session, customer_id: str, cursor: str | None) -> Timeline:
    """All audit events of a customer, by pages. Raises NotFound for a cursor that nobody gave out."""
    query = select(AuditEvent).where(AuditEvent.customer_id == customer_id)
    if erased_at := accounts.customer(session, customer_id).erased_at:
        query = query.where(AuditEvent.at >= erased_at)  # who it was before stands in the trail alone
    if cursor is not None:
        if not (cursor.isdecimal() and len(cursor) <= 18):  # a number of an event fits into 64 bits
            raise NotFound
        query = query.where(AuditEvent.number < int(cursor))
    events = session.scalars(query.order_by(AuditEvent.number.desc()).limit(keyset.PAGE_SIZE + 1)).all()
    shown = events[: keyset.PAGE_SIZE]
    names = users.names_of_actors(session, (event.actor_id for event in shown if event.actor_kind in NAMED))
    rows = [_told(event, names) for event in shown]
    return Timeline(rows, str(rows[-1].number) if len(events) > len(shown) else None, is_first=cursor is None)


def _told(event: AuditEvent, names: dict[str, str]) -> Happening:
    text, facts = labels.sentence(event.action, event.facts)
    name = names.get(event.actor_id)
    return Happening(
        event.number,
        event.at,
        text,
        facts,
        who=name or labels.ACTORS.get(event.actor_kind, event.actor_kind),
        is_named=name is not None,
        is_person=name is not None and event.actor_kind in PEOPLE,
        note=str(event.facts.get("failure") or ""),
    )


# A part of a customer's page is asked for by its name in the address.
SECTIONS: Final[dict[str, Callable[[Session, str, str | None], Any]]] = {
    "invoices": open_invoices,
    "payments": payments_of,
    "refunds": refunds_of,
    "notes": notes_of,
    "methods": methods_of,
    "automatic-payment": automatic_payment,
    "people": people_of,
    "endpoints": endpoints_of,
    "mails": mails_of,
    "timeline": timeline_of,
}


def section(session: Session, customer_id: str, name: str, cursor: str | None) -> tuple[Customer, Any]:
    """The customer, and a part of its page. Raises NotFound, also for a part or a cursor that is not there."""
    if name not in SECTIONS:
        raise NotFound
    return accounts.customer(session, customer_id), SECTIONS[name](session, customer_id, cursor)
