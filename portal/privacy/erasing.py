"""The erasure of a customer: asked for, decided by a person, and done by a job as portal.privacy.inventory says of each table.

What law asks to keep is kept, with the law and the day until when; all that names a person elsewhere is removed, or replaced by words
that name nobody. Documents, postings and the audit trail stay as they are, so that they can still be verified. Nothing is erased while
money is open or under way. Every step may be done twice, so a job that died goes on from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, literal, null, update
from sqlalchemy.orm import Session

from portal.accounts import customer_access
from portal.accounts import queries as accounts
from portal.accounts.models import Customer, keep_words
from portal.content import mail
from portal.content.language import translate
from portal.core import audit, clock, company_days, config, crash, db, four_eyes, recovery, texts
from portal.core.db import Base
from portal.core.errors import N_, Conflict, Forbidden
from portal.core.four_eyes import Reviewer
from portal.core.permissions import Permission
from portal.jobs.outbox import Reschedule
from portal.payment_methods import queries as cards
from portal.payment_methods import service as payment_methods
from portal.privacy import jobs, queries, rows
from portal.privacy.held import Erase, Held
from portal.privacy.inventory import BY_TABLE
from portal.privacy.kinds import KINDS, Kind
from portal.privacy.models import LONGEST_REASON, Erasure
from portal.privacy.statuses import OPEN, ErasureStatus

# Money that came under way after the decision is waited for. Seconds.
LOOK_AGAIN_SECONDS: Final = 3600
_SUBJECT: Final = N_("Your data at %(company)s were erased")
_REJECTED: Final = N_("Your data at %(company)s were not erased")
# Kept in line with the names of customers and people, with the spellings that hang on them.
_FOLLOW_NAMES: Final = frozenset({"customer_words"})


class OwnErasure(four_eyes.FourEyes):
    message = N_("You proposed this erasure, so it cannot be approved by you. Please ask a colleague.")


class Decided(Conflict):
    code = "erasure_decided"
    message = N_("There is no erasure of this customer to decide about.")


class StillOpen(Conflict):
    """`reasons` are texts of the catalogue."""

    code = "erasure_hindered"
    message = N_("This customer cannot be erased while money is open or on its way.")

    def __init__(self, reasons: list[str]) -> None:
        super().__init__()
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Kept:
    """What outlives an erasure: a kind of data, a text of the catalogue; the law; and the last day on which it has to be kept, if there
    is one.
    """

    what: str
    law: str
    until: date | None


# Asking and deciding


def ask(customer_id: str, user_id: str | None, *, reason: str = "", by_customer: bool) -> str:
    """Ask that a customer be erased; returns the id of the request. A second one leads to the first while that waits.

    `user_id` is an owner of the customer, or a member of staff, who gives a `reason`. Raises StillOpen, Invalid for the field "reason",
    NotFound, and accounts.Erased.
    """
    reason = texts.one_line(reason, field="reason", longest=LONGEST_REASON, required=not by_customer)
    with db.transaction() as session:
        customer = _locked(session, customer_id)
        before = queries.latest(session, customer_id)
        if before is not None and before.status in OPEN:
            return before.id
        if customer.erased_at is not None:
            raise accounts.Erased
        _refuse_while_open(session, customer_id)
        row = Erasure(
            id=db.new_id("ers"),
            customer_id=customer_id,
            status=ErasureStatus.REQUESTED,
            by_customer=by_customer,
            reason=reason,
            requested_by=user_id,
            requested_at=clock.now(),
        )
        session.add(row)
        session.flush()
        audit.record(session, "erasure.requested", row.id, {"reason": reason}, customer_id=customer_id)
        return row.id


def withdraw(customer_id: str) -> None:
    """The customer does not want it any more, before it was decided. A second call changes nothing, nor does one that comes too late."""
    with db.transaction() as session:
        _locked(session, customer_id)
        row = queries.latest(session, customer_id)
        if row is None or row.status != ErasureStatus.REQUESTED or not row.by_customer:
            return
        row.status = ErasureStatus.WITHDRAWN
        audit.record(session, "erasure.withdrawn", row.id, customer_id=customer_id)


def approve(customer_id: str, by: Reviewer) -> None:
    """Have the customer erased, by a job. It cannot be called back.

    A second call by the same person changes nothing. Raises OwnErasure for the member of staff who proposed it, Decided, StillOpen,
    Forbidden, NotFound.
    """
    _only_who_may(by)
    with db.transaction() as session:
        recovery.refuse(session)
        row = _waiting(session, customer_id, approved_by=by.id)
        if row is None:
            return
        if by.id == row.requested_by:
            raise OwnErasure
        _refuse_while_open(session, customer_id)
        row.status, row.decided_by, row.decided_at = ErasureStatus.APPROVED, by.id, clock.now()
        audit.record(session, "erasure.approved", row.id, customer_id=customer_id)
        jobs.erase.enqueue(session, erasure_id=row.id)


def reject(customer_id: str, by: Reviewer, reason: str) -> None:
    """Leave the data as they are; the customer who asked is told why by mail (GDPR, article 12 (4)).

    Raises Decided, also for a second call, Invalid for the field "reason", Forbidden, NotFound.
    """
    _only_who_may(by)
    reason = texts.one_line(reason, field="reason", longest=LONGEST_REASON, required=True)
    with db.transaction() as session:
        row = _waiting(session, customer_id)
        if row is None:
            raise Decided
        row.status, row.rejection = ErasureStatus.REJECTED, reason
        row.decided_by, row.decided_at = by.id, clock.now()
        audit.record(session, "erasure.rejected", row.id, {"reason": reason}, customer_id=customer_id)
        if row.by_customer:
            jobs.mail_rejection.enqueue(session, erasure_id=row.id)


def _only_who_may(by: Reviewer) -> None:
    if not by.may(Permission.ANSWER_PRIVACY_REQUESTS):
        raise Forbidden


def _locked(session: Session, customer_id: str) -> Customer:
    return accounts.customer(session, customer_id, lock=True)


def _waiting(session: Session, customer_id: str, *, approved_by: str = "") -> Erasure | None:
    """The one that waits for a decision; None where this person has approved it already. Raises Decided."""
    _locked(session, customer_id)
    row = queries.latest(session, customer_id)
    if row is not None and row.status == ErasureStatus.REQUESTED:
        return row
    if row is not None and approved_by and row.decided_by == approved_by and row.status != ErasureStatus.REJECTED:
        return None
    raise Decided


def _refuse_while_open(session: Session, customer_id: str) -> None:
    if reasons := queries.hindrances(session, customer_id):
        raise StillOpen(reasons)


# Doing it


def erase(erasure_id: str) -> None:
    """Erase the customer of an approved request; one that is done stays so.

    Raises Reschedule while money is under way again, and the errors of the gateway and of mail.
    """
    with db.reading() as session:
        row = session.get(Erasure, erasure_id)
    if row is None or row.status != ErasureStatus.APPROVED:
        return
    customer_access.deactivate(row.customer_id, "erasure", by=row.decided_by or "")
    with db.reading() as session:
        if queries.hindrances(session, row.customer_id):
            raise Reschedule(LOOK_AGAIN_SECONDS)
        saved = [card.id for card in cards.of_customer(session, row.customer_id)]
        customer = accounts.customer(session, row.customer_id)
    for card_id in saved:
        payment_methods.remove(card_id, row.customer_id)
    at_stripe = payment_methods.delete_customers(row.customer_id)
    kept = list(what_is_kept(company_days.today()))
    _tell(customer, row, "privacy/mails/erased", _SUBJECT, kept=kept)
    for held in _in_order():
        _erase_rows(held, row.customer_id)
    with db.transaction() as session:
        customer = _locked(session, row.customer_id)
        done = session.get_one(Erasure, erasure_id, with_for_update=True, populate_existing=True)
        if done.status != ErasureStatus.APPROVED:
            return
        customer.erased_at = done.done_at = clock.now()
        done.status, done.kept = ErasureStatus.DONE, [_written_down(one) for one in kept]
        facts = {"kept": [one.what for one in kept], "deleted_at_stripe": at_stripe}
        audit.record(session, "erasure.done", done.id, facts, customer_id=customer.id)


def mail_rejection(erasure_id: str) -> None:
    """Tell the customer why their data stay."""
    with db.reading() as session:
        row = session.get_one(Erasure, erasure_id)
        customer = accounts.customer(session, row.customer_id)
    _tell(customer, row, "privacy/mails/erasure_rejected", _REJECTED, reason=row.rejection)


def what_is_kept(day: date) -> Iterator[Kept]:
    """What outlives an erasure on this day, each until the last day of its last year."""
    for kind in KINDS:
        if kind.law:
            yield Kept(kind.what, kind.law, _last_day(kind, day))


def kept_of(erasure: Erasure) -> list[Kept]:
    """What this one has left; nothing before it is done."""
    return [
        Kept(one["what"], one["law"], date.fromisoformat(one["until"]) if one["until"] else None)
        for one in erasure.kept
    ]


def _last_day(kind: Kind, day: date) -> date | None:
    return date(day.year + kind.years, 12, 31) if kind.years else None


def _written_down(kept: Kept) -> dict[str, str]:
    return {"what": kept.what, "law": kept.law, "until": kept.until.isoformat() if kept.until else ""}


def _tell(customer: Customer, row: Erasure, template: str, subject: str, **facts: Any) -> None:
    mail.send(
        key=f"{row.id}:{row.status}",
        to=customer.email,
        subject=translate(subject, customer.language, company=config.current().company.name),
        template=template,
        locale=customer.language,
        customer_id=customer.id,
        **facts,
    )


def _in_order() -> list[Held]:
    """Whose rows are erased, those that refer to others first. The customer's own row is the last: until then its address is known."""
    tables = reversed(Base.metadata.sorted_tables)
    return [
        held
        for table in tables
        if (held := BY_TABLE[table.name]).erase != Erase.KEEP and held.table not in _FOLLOW_NAMES
    ]


def _erase_rows(held: Held, customer_id: str) -> None:
    table, mine, of = rows.table_of(held), rows.belongs(held), {"customer": customer_id}
    with db.transaction() as session:
        if held.erase == Erase.REMOVE:
            session.execute(delete(table).where(mine), of)
        else:
            values = {name: _written(table, value) for name, value in held.replaced.items()}
            session.execute(update(table).where(mine).values(values), of)
        if held.table in {"customers", "users"}:
            keep_words(session.connection(), customer_id)
    crash.point("table erased")


def _written(table: Table, value: Any) -> ColumnElement[Any] | Any:
    """A value of the inventory, as the database writes it: "{id}" in a text is the row's own id."""
    if isinstance(value, str) and value.startswith("{id}"):
        return table.c.id + literal(value.removeprefix("{id}"))
    return null() if value is None else value
