"""A statement of account as PDF: asked for, made by the worker in the customer's language, taken home, and removed after some days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.content import language
from portal.content.archives import PART_BYTES
from portal.content.made_files import MadeFileStatus, Superseded
from portal.core import audit, clock, company_days, config, db
from portal.core.errors import N_, Conflict, NotFound
from portal.documents import service as documents
from portal.reconciliation.figures import Period
from portal.statements import jobs
from portal.statements.accounts import Statement, TooLong, currencies, statement
from portal.statements.models import STORE, StatementFile

__all__ = [
    "Statement",
    "TooLong",
    "currencies",
    "download",
    "file",
    "files",
    "made",
    "make",
    "request",
    "statement",
    "sweep",
]

log = structlog.get_logger(__name__)

# An app that asks again for the same statement gets the one that was made, as long as little can have changed.
GOOD_FOR: Final = timedelta(minutes=10)
KEEP_FOR: Final = timedelta(days=3)
GIVE_UP_AFTER: Final = timedelta(hours=12)
# Of a customer, in these days.
MOST_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Letter:
    """What the PDF says, in the shape of documents/pdf/base.html; the parties are portal.documents.service.letterhead's."""

    language: str
    issued_at: datetime
    seller: Any
    seller_contact: str
    seller_contact_name: str
    seller_contact_phone: str
    imprint: Any
    buyer: Any
    logo: str
    colour: str
    statement: Statement

    @property
    def number(self) -> str:
        """Statements have none."""
        return ""

    @property
    def issued_on(self) -> date:
        return company_days.day_of(self.issued_at)

    @property
    def created(self) -> str:
        return self.issued_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def request(customer_id: str, user_id: str | None, currency: str, period: Period) -> str:
    """Have the PDF of a statement made; returns its id. While it is being made, it is that one's.

    Raises TooLong, and Conflict while another one of this customer is made.
    """
    with db.reading() as session:
        statement(session, customer_id, currency, period)
    with db.transaction() as session:
        insert = sqlite.insert if db.dialect_of(session) == "sqlite" else postgresql.insert
        row = {
            "id": db.new_id("stm"),
            "customer_id": customer_id,
            "requested_by": user_id,
            "requested_at": clock.now(),
            "currency": currency,
            "since": period.since,
            "until": period.until,
            "files_all": 1,
        }
        made = insert(StatementFile).values(row).on_conflict_do_nothing().returning(StatementFile.id)
        file_id: str | None = session.scalar(made)
        if file_id is None:
            making = StatementFile.customer_id == customer_id, StatementFile.status == MadeFileStatus.MAKING
            under_way = session.scalar(select(StatementFile).where(*making))
            if under_way is not None and (under_way.currency, under_way.since, under_way.until) == (
                currency,
                period.since,
                period.until,
            ):
                return under_way.id
            raise Conflict(N_("Another statement is still being created. Please wait until it is ready."))
        facts = {"currency": currency, "since": period.since.isoformat(), "until": period.until.isoformat()}
        audit.record(session, "statement.requested", file_id, facts, customer_id=customer_id)
        jobs.make.enqueue(session, file_id=file_id)
        return file_id


def make(file_id: str) -> None:
    """Make the PDF from its beginning; one that is ready or removed stays as it is."""
    with db.reading() as session:
        row = session.get(StatementFile, file_id)
        if row is None or row.status != MadeFileStatus.MAKING:
            return
        customer = session.get_one(Customer, row.customer_id)
        found = statement(session, row.customer_id, row.currency, Period(row.since, row.until))
    pdf = documents.draw("statements/pdf.html", _letter(customer, found, row.requested_at)).pdf
    try:
        keeper = STORE.begin(file_id, 1)
        for at in range(0, len(pdf), PART_BYTES):
            keeper.keep(pdf[at : at + PART_BYTES], 1)
        with db.transaction() as session:
            keeper.finish(session, clock.now(), size=len(pdf), files=1, missing=0)
            audit.record(session, "statement.made", file_id, {"size": len(pdf)}, customer_id=row.customer_id)
    except Superseded:
        log.info("statement_superseded", file=file_id)


def _letter(customer: Customer, found: Statement, at: datetime) -> Letter:
    head = documents.letterhead(config.current().company, customer)
    return Letter(language=language.supported(customer.language), issued_at=at, statement=found, **head)


def files(session: Session, customer_id: str) -> list[StatementFile]:
    """The newest ones that were asked for and are not removed."""
    mine = select(StatementFile).where(StatementFile.customer_id == customer_id)
    return list(session.scalars(mine.order_by(StatementFile.requested_at.desc()).limit(MOST_SHOWN)))


def file(session: Session, file_id: str, customer_id: str | None) -> StatementFile:
    """Of this customer, or for the company. Raises NotFound, also for another customer's."""
    found = session.get(StatementFile, file_id)
    if found is None or customer_id not in {None, found.customer_id}:
        raise NotFound
    return found


def download(file_id: str, customer_id: str | None) -> tuple[StatementFile, Iterator[bytes]]:
    """One that is ready, and its bytes, a part at a time; that it was taken is recorded before the first. Raises NotFound."""
    with db.transaction() as session:
        row = file(session, file_id, customer_id)
        if row.status != MadeFileStatus.READY:
            raise NotFound
        audit.record(session, "statement.downloaded", file_id, {}, customer_id=row.customer_id)
    return row, STORE.content(row)


def made(customer_id: str, currency: str, period: Period) -> tuple[StatementFile, Iterator[bytes]] | None:
    """As `download`, of a statement that was made within GOOD_FOR. None while it is still to be made, which the first call has done.

    Raises TooLong.
    """
    with db.reading() as session:
        wanted = (
            StatementFile.currency == currency,
            StatementFile.since == period.since,
            StatementFile.until == period.until,
        )
        mine = select(StatementFile).where(StatementFile.customer_id == customer_id, *wanted)
        newest = session.scalar(mine.order_by(StatementFile.requested_at.desc()).limit(1))
    if newest is not None and newest.requested_at > clock.now() - GOOD_FOR:
        if newest.status == MadeFileStatus.READY:
            return download(newest.id, customer_id)
        if newest.status == MadeFileStatus.MAKING:
            return None
    with suppress(Conflict):  # another one is being made: this one's turn comes
        request(customer_id, None, currency, period)
    return None


def sweep() -> None:
    """Remove files after their time, and give those up whose job has died, so that a new one can be asked for."""
    now = clock.now()
    STORE.remove(now - KEEP_FOR)
    STORE.give_up(now - GIVE_UP_AFTER)
