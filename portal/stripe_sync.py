"""Rows that mirror an object of Stripe's: made there once, brought in line with it, canceled.

A row and its object are kept together by these rules, for every kind of them:

- What is sent is frozen in the row together with its key, before it is sent: the same key never goes out with anything else.
- Another request is at work under the key: what that one stores is waited for.
- Stripe has stored a failure under the key, or may have forgotten the key: its list is searched, and only what is not there is made
  again, as the next attempt with a key of its own.
- Stripe says that the key was used with other parameters: the row is held for review by staff, and nothing more is sent.
- An update never wins over a newer one (compare-and-swap around each fetch), and a final state stays as it is.

No transaction is open while Stripe is asked. What is sent, what does not fit, and what a status means stays with the noun, in its Kind.
Source: Stripe, "Idempotent requests".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from sqlalchemy import JSON, Integer, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal import gateway
from portal.core import audit, clock, db, idempotency
from portal.core.db import UTCDateTime, database_now, new_id
from portal.core.errors import Conflict, NotFound, PortalError, Unavailable

log = structlog.get_logger(__name__)

# A fetch that is overtaken by another change is made again, and so is a creation whose key is of no use; more often means that something
# is wrong.
MOST_RACES: Final = 5
MOST_ATTEMPTS: Final = 3

MISUSED_KEY: Final = "Stripe refused our idempotency key: used with other parameters"


class Mirror:
    """The columns of a row that mirrors an object of Stripe's, beside the one with the object's id.

    `attempt` counts the creations begun for this row; with `id` it makes the idempotency key. `sent` is what this attempt sends, and
    `key_used_at` when its key was first used, by the database's clock: Stripe forgets keys after a day. `finding` says why the row is
    held for review, if it is. `version` rises with every change.
    """

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    key_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    sent: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    finding: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    version: Mapped[int] = mapped_column(Integer, default=1)
    customer_id: Mapped[str]


class StripeObject(Protocol):
    """What the gateway answers with."""

    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=Mirror)
Found = TypeVar("Found", bound=StripeObject)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Row, Found]):
    """One noun that is mirrored.

    - `noun` begins the names of audit events; `column` holds the id of Stripe's object; `under_review` is raised for a row on hold.
    - `prepare` says what an attempt sends, and may ask Stripe; `key` and `create` send it; `find` searches Stripe's list.
    - `revise` says what the next attempt sends after Stripe has refused what this one does; None where the refusal stands.
    - `stored` is called once, in the transaction in which the object's id is stored; `fetch` reads the object.
    - `apply` brings the row in line; what it needs besides is asked of Stripe before, by `gather`. `differs` says why an object
      cannot be the row's, or an empty text; `has_changes`, whether there is anything to apply.
    - `cancel` ends an object for which `can_cancel` holds.
    """

    noun: str
    model: type[Row]
    column: str
    under_review: type[Conflict]
    prepare: Callable[[Row], Mapping[str, Any]]
    revise: Callable[[Row, PortalError], Mapping[str, Any] | None]
    key: Callable[[Row], str]
    create: Callable[[str, Mapping[str, Any]], Found]
    find: Callable[[Row], Found | None]
    stored: Callable[[Session, Row, Found], None]
    fetch: Callable[[str], Found]
    differs: Callable[[Session, Row, Found], str]
    has_changes: Callable[[Row, Found], bool]
    gather: Callable[[Found], Any]
    apply: Callable[[Session, Row, Found, Any], None]
    cancel: Callable[[str, str], object]
    can_cancel: Callable[[Found], bool]

    def stripe_id(self, row: Row) -> str | None:
        found: str | None = getattr(row, self.column)
        return found


# Making it


def ensure(kind: Kind[Row, Found], row_id: str) -> Found:
    """The object of a row, made at Stripe if need be. Every call sends the same under the same key, so there is only ever one.

    Raises NotFound, the kind's `under_review` and the gateway's errors; after Unavailable a second call goes on.
    """
    row = read(kind, row_id)
    if row.finding:
        raise kind.under_review
    if kind.stripe_id(row) is not None:
        return refresh(kind, row_id)
    row, is_safe = _claim(kind, row_id, kind.prepare(row) if row.sent is None else row.sent)
    for _ in range(MOST_ATTEMPTS):
        if kind.stripe_id(row) is not None:
            return refresh(kind, row_id)
        revised: Mapping[str, Any] | None = None
        if is_safe:
            try:
                return _send(kind, row)
            except gateway.KeptFailure:
                log.info("stored_failure", noun=kind.noun, id=row_id, attempt=row.attempt)
            except PortalError as refusal:
                revised = kind.revise(row, refusal)
                if revised is None:
                    raise
        found = kind.find(row) if revised is None else None
        if found is not None:
            return adopt(kind, row_id, found)
        row = _next_attempt(kind, row, kind.prepare(row) if revised is None else revised)
        is_safe = True
    raise Unavailable


def _send(kind: Kind[Row, Found], row: Row) -> Found:
    """Send what is frozen under the key of this attempt. Raises the gateway's errors."""
    try:
        found = kind.create(kind.key(row), row.sent or {})
    except gateway.KeyInUse:
        if idempotency.stored_by_another(lambda: kind.stripe_id(read(kind, row.id))) is None:
            raise
        return refresh(kind, row.id)
    except gateway.IdempotencyMisuse:
        hold_for_review(kind, row.id, MISUSED_KEY)
        raise
    return adopt(kind, row.id, found)


def _claim(kind: Kind[Row, Found], row_id: str, sent: Mapping[str, Any]) -> tuple[Row, bool]:
    """Freeze what this attempt sends and when its key is first used; and tell whether Stripe still remembers the key."""
    with db.transaction() as session:
        row = locked(kind, session, row_id)
        now = database_now(session)
        if row.sent is None:
            row.sent = dict(sent)
        if row.key_used_at is None:
            row.key_used_at = now
        return row, idempotency.is_safe(row.key_used_at, now)


def _next_attempt(kind: Kind[Row, Found], tried: Row, sent: Mapping[str, Any]) -> Row:
    """Begin the attempt after the one that was `tried`, unless another call has."""
    with db.transaction() as session:
        row = locked(kind, session, tried.id)
        if row.attempt == tried.attempt and kind.stripe_id(row) is None:
            row.attempt += 1
            row.key_used_at = database_now(session)
            row.sent = dict(sent)
            touch(row)
            facts = {"attempt": row.attempt}
            audit.record(session, f"{kind.noun}.new_attempt", row.id, facts, customer_id=row.customer_id)
        return row


def adopt(kind: Kind[Row, Found], row_id: str, found: Found) -> Found:
    """Store which object is this row's, then apply what it says. A second call, or a second caller, changes nothing.

    Raises the kind's `under_review`, and holds the row for review, when the row has another object already.
    """
    with db.transaction() as session:
        row = locked(kind, session, row_id)
        known = kind.stripe_id(row)
        if known is None:
            setattr(row, kind.column, found.id)
            touch(row)
            kind.stored(session, row, found)
        elif known != found.id:
            _hold(kind, session, row, f"Stripe has a second object {found.id} for this row")
        version = row.version
    if known not in {None, found.id}:
        raise kind.under_review
    # Who was not the first to store it may hold an older state: much may have happened to the object since this answer was written.
    if known is None and settle(kind, row_id, found, kind.gather(found), seen_version=version):
        return found
    return refresh(kind, row_id)


# Following it


def refresh(kind: Kind[Row, Found], row_id: str) -> Found:
    """Fetch the object of a row and apply what it says; when the row changed during the fetch, fetch again.

    Raises NotFound, Conflict for a row without an object, and the gateway's errors.
    """
    for _ in range(MOST_RACES):
        row = read(kind, row_id)
        stripe_id = kind.stripe_id(row)
        if stripe_id is None:
            raise Conflict
        found = kind.fetch(stripe_id)
        gathered = kind.gather(found) if kind.has_changes(row, found) else None
        if settle(kind, row_id, found, gathered, seen_version=row.version):
            return found
    raise Unavailable


def settle(kind: Kind[Row, Found], row_id: str, found: Found, gathered: Any, *, seen_version: int) -> bool:
    """Bring a row in line with its object as Stripe had it while the row was at `seen_version`.

    Returns False, having done nothing, when the row has moved on since. The same object twice changes nothing. One that cannot be
    the row's holds the row for review and changes nothing else.
    """
    with db.transaction() as session:
        row = locked(kind, session, row_id)
        if row.version != seen_version:
            return False
        differs = kind.differs(session, row, found)
        if differs:
            _hold(kind, session, row, differs)
        elif kind.has_changes(row, found):
            kind.apply(session, row, found, gathered)
            touch(row)
        return True


# Ending it


def cancel(kind: Kind[Row, Found], row_id: str) -> Found:
    """Cancel the object of a row; one that has come to its end in the meantime is settled instead.

    Returns the object as it is then: whoever asked looks at its status. A failure that Stripe has stored under the key says nothing
    of the object, so it is read, and while it can be canceled that is asked once more, under another key: canceling twice does no
    harm. Raises Conflict for a row without an object, and the gateway's errors.
    """
    row = read(kind, row_id)
    stripe_id = kind.stripe_id(row)
    if stripe_id is None:
        raise Conflict
    key = f"cancel_{kind.key(row)}"
    if not _is_canceled(kind, stripe_id, key):
        found = refresh(kind, row_id)
        if not kind.can_cancel(found):
            return found
        _is_canceled(kind, stripe_id, new_id(key))
    return refresh(kind, row_id)


def _is_canceled(kind: Kind[Row, Found], stripe_id: str, key: str) -> bool:
    """Whether Stripe has taken the call; False where it has not, and the object's state says why, or does not."""
    try:
        kind.cancel(stripe_id, key)
    except (gateway.UnexpectedState, gateway.KeptFailure, gateway.KeyInUse) as refusal:
        log.info("cancel_refused", noun=kind.noun, id=stripe_id, code=refusal.code)
        return False
    return True


# Rows


def read(kind: Kind[Row, Found], row_id: str) -> Row:
    """Raises NotFound."""
    with db.reading() as session:
        row = session.get(kind.model, row_id)
    if row is None:
        raise NotFound
    return row


def locked(kind: Kind[Row, Found], session: Session, row_id: str) -> Row:
    """Raises NotFound."""
    query = select(kind.model).where(kind.model.id == row_id).with_for_update()
    row = session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if row is None:
        raise NotFound
    return row


def touch(row: Mirror) -> None:
    row.version += 1
    row.updated_at = clock.now()


def hold_for_review(kind: Kind[Row, Found], row_id: str, reason: str) -> None:
    """Set a row aside for staff, with the reason; it changes no more by itself. A second call changes nothing."""
    with db.transaction() as session:
        _hold(kind, session, locked(kind, session, row_id), reason)


def _hold(kind: Kind[Row, Found], session: Session, row: Row, reason: str) -> None:
    if row.finding == reason:
        return
    row.finding = reason
    touch(row)
    log.error(f"{kind.noun}_needs_staff", id=row.id, finding=reason)
    audit.record(session, f"{kind.noun}.finding", row.id, {"finding": reason}, customer_id=row.customer_id)
