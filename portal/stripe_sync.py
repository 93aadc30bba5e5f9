"""Rows that mirror an object of Stripe's: made there once, or opened for what Stripe made; brought in line with it; canceled.

A row and its object are kept together by these rules, for every kind of them:

- What is sent is frozen in the row together with its key, before it is sent: the same key never goes out with anything else. The rules
  about keys are portal.gateway's (keyed_calls).
- What an attempt has made is looked up where its key is of no use any more, and only what is not there is made again, as the next attempt
  with a key of its own. Where nobody can tell, nothing is sent.
- A stale update never wins over a newer one (compare-and-swap around each fetch), and a final state stays as it is.
- What cannot be a row's is not taken over: the row is held for review by staff, and nothing more is sent for it.

No transaction is open while Stripe is asked. What is sent, what does not fit, what a status means, and the money stay with the noun, in
its Kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal import gateway
from portal.core import audit, crash, db, idempotency
from portal.core.db import database_now, new_id
from portal.core.errors import Conflict, NotFound, PortalError, Unavailable
from portal.core.synced_rows import Mirror, Phase, Synced, hold_for_review, touch

log = structlog.get_logger(__name__)

# A fetch that is overtaken by another change is made again, and so is a creation whose key is of no use; more often means that something
# is wrong.
MOST_RACES: Final = 5
MOST_ATTEMPTS: Final = 3


class Undetermined(Exception):
    """Whether Stripe has made the object cannot be told now. Asked again after `seconds`; None where a person has to decide."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        super().__init__()


class StripeObject(Protocol):
    """What the gateway answers with."""

    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=Synced)
Made = TypeVar("Made", bound=Mirror)
Found = TypeVar("Found", bound=StripeObject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed(Generic[Row, Found]):
    """One noun that follows an object of Stripe's.

    - `column` holds the id of the object; `lock_first` locks what must be locked before the row.
    - `fetch` reads the object, and `gather` what `apply` needs besides.
    - `differs` says why an object cannot be the row's, or an empty text; `hold` sets the row aside for that reason. `has_changes` says
      whether there may be anything to apply.
    - `apply` brings the row in line, and touches it where it changes.
    """

    model: type[Row]
    column: str
    fetch: Callable[[str], Found]
    gather: Callable[[Found], Any]
    differs: Callable[[Session, Row, Found], str]
    hold: Callable[[Session, Row, str], None]
    has_changes: Callable[[Row, Found], bool]
    apply: Callable[[Session, Row, Found, Any], None]
    lock_first: Callable[[Session, str], None] | None = None

    @property
    def noun(self) -> str:
        return self.model.noun

    def stripe_id(self, row: Row) -> str | None:
        found: str | None = getattr(row, self.column)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Followed[Row, Found]):
    """A noun that Stripe makes by itself, so that no row may be there yet.

    `owner` says to what of ours an object belongs, by its id; None where it is none of ours. `lock_owner` locks that, `open` adds the row.
    """

    owner: Callable[[Found], str | None]
    lock_owner: Callable[[Session, str], object]
    open: Callable[[Session, str, Found], Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Followed[Made, Found]):
    """A noun that is made at Stripe by us.

    - `under_review` is raised for a row on hold.
    - `prepare` says what an attempt sends, and may ask Stripe; `key` and `create` send it.
    - `find` searches Stripe's list: None says that nothing was made, Undetermined that this cannot be told.
    - `revise` says what the next attempt sends after Stripe has refused what this one does; None where the refusal stands.
    - `stored` is called once, in the transaction in which the object's id is stored.
    - `cancel` ends an object for which `can_cancel` holds.
    """

    under_review: type[Conflict]
    prepare: Callable[[Made], Mapping[str, Any]]
    revise: Callable[[Made, PortalError], Mapping[str, Any] | None]
    key: Callable[[Made], str]
    create: Callable[[str, Mapping[str, Any]], Found]
    find: Callable[[Made], Found | None]
    stored: Callable[[Session, Made, Found], None]
    cancel: Callable[[str, str], object]
    can_cancel: Callable[[Found], bool]


# Making it


def ensure(kind: Kind[Made, Found], row_id: str) -> Found:
    """The object of a row, made at Stripe if need be. Every call sends the same under the same key, so there is only ever one.

    Raises NotFound, the kind's `under_review`, Undetermined and the gateway's errors; after Unavailable a second call goes on.
    """
    row = read(kind, row_id)
    if row.review_reason:
        raise kind.under_review
    if row.phase == Phase.KNOWN:
        return refresh(kind, row_id)
    row, is_safe = _claim(kind, row_id, kind.prepare(row) if row.sent is None else row.sent)
    for _ in range(MOST_ATTEMPTS):
        if row.review_reason:
            raise kind.under_review
        if row.phase == Phase.KNOWN:
            return refresh(kind, row_id)
        revised: Mapping[str, Any] | None = None
        try:
            found = gateway.call_once(_creation(kind, row, is_safe=is_safe))
            if found is not None:
                return found
        except PortalError as refusal:
            revised = kind.revise(row, refusal)
            if revised is None:
                raise
        crash.point("search ended")
        row = _next_attempt(kind, row, kind.prepare(row) if revised is None else revised)
        is_safe = True
    raise Unavailable


def _creation(kind: Kind[Made, Found], row: Made, *, is_safe: bool) -> gateway.KeyedCall[Found]:
    return gateway.KeyedCall(
        is_fresh=is_safe and row.phase != Phase.SEARCHED,
        send=lambda: _send(kind, row),
        wait=lambda: idempotency.stored_by_another(lambda: kind.stripe_id(read(kind, row.id))) is not None,
        look_up=lambda: _look_up(kind, row.id),
        hold=lambda reason: hold_by_id(kind, row.id, reason),
    )


def _send(kind: Kind[Made, Found], row: Made) -> Found:
    """Send what is frozen under the key of this attempt. Raises the gateway's errors."""
    crash.point("attempt claimed")
    try:
        found = kind.create(kind.key(row), row.sent or {})
    except gateway.KeptFailure:
        _begin_search(kind, row)
        raise
    crash.point("object created")
    return adopt(kind, row.id, found)


def _look_up(kind: Kind[Made, Found], row_id: str) -> Found | None:
    """The object of a row, wherever it is found: stored by another call meanwhile, or in Stripe's list. None where none was made."""
    row = read(kind, row_id)
    if row.phase == Phase.KNOWN:
        return refresh(kind, row_id)
    found = kind.find(row)
    return None if found is None else adopt(kind, row_id, found)


def _claim(kind: Kind[Made, Found], row_id: str, sent: Mapping[str, Any]) -> tuple[Made, bool]:
    """Freeze what this attempt sends and when its key is first used; and tell whether Stripe still remembers the key."""
    with db.transaction() as session:
        row = locked(kind, session, row_id)
        now = database_now(session)
        if row.sent is None:
            row.sent = dict(sent)
        if row.key_used_at is None:
            row.key_used_at = now
        if row.phase == Phase.RECORDED:
            row.phase = Phase.SENT
        return row, idempotency.is_safe(row.key_used_at, now)


def _begin_search(kind: Kind[Made, Found], tried: Made) -> None:
    with db.transaction() as session:
        row = locked(kind, session, tried.id)
        if row.phase == Phase.SENT and row.attempt == tried.attempt:
            row.phase = Phase.SEARCHED
            touch(row)


def _next_attempt(kind: Kind[Made, Found], tried: Made, sent: Mapping[str, Any]) -> Made:
    """Begin the attempt after the one that was `tried`, unless another call has, or the row is held for review meanwhile."""
    with db.transaction() as session:
        row = locked(kind, session, tried.id)
        if row.attempt == tried.attempt and row.phase != Phase.KNOWN and not row.review_reason:
            row.begin_anew()
            row.sent, row.key_used_at, row.phase = dict(sent), database_now(session), Phase.SENT
            facts = {"attempt": row.attempt}
            audit.record(session, f"{kind.noun}.new_attempt", row.id, facts, customer_id=row.customer_id)
        return row


def link(kind: Kind[Made, Found], row: Made, stripe_id: str) -> None:
    """Store which object is a row's, in the caller's transaction: from then on nothing is sent for the row, and the object is followed."""
    setattr(row, kind.column, stripe_id)
    row.phase = Phase.KNOWN
    touch(row)


def adopt(kind: Kind[Made, Found], row_id: str, found: Found) -> Found:
    """Store which object is this row's, then apply what it says. A second call, or a second caller, changes nothing.

    Raises the kind's `under_review`, and holds the row for review, when the row has another object already.
    """
    with db.transaction() as session:
        row = locked(kind, session, row_id)
        known = kind.stripe_id(row)
        if known is None:
            link(kind, row, found.id)
            kind.stored(session, row, found)
        elif known != found.id:
            hold_for_review(session, row, f"Stripe has a second object {found.id} for this row")
        version = row.version
    if known not in {None, found.id}:
        raise kind.under_review
    crash.point("object stored")
    # Who was not the first to store it may hold an older state: much may have happened to the object since this answer was written.
    if known is None and settle(kind, row_id, found, kind.gather(found), seen_version=version):
        return found
    return refresh(kind, row_id)


# Following it


def refresh(kind: Followed[Row, Found], row_id: str) -> Found:
    """Fetch the object of a row and apply what it says; when the row changed during the fetch, fetch again.

    Raises NotFound, Conflict for a row without an object, and the gateway's errors.
    """
    row = read(kind, row_id)
    stripe_id = kind.stripe_id(row)
    if stripe_id is None:
        raise Conflict
    for _ in range(MOST_RACES):
        found = _fetch(kind, stripe_id)
        gathered = kind.gather(found) if kind.has_changes(row, found) else None
        crash.point("details fetched")
        if settle(kind, row_id, found, gathered, seen_version=row.version):
            return found
        row = read(kind, row_id)
    raise Unavailable


def _fetch(kind: Followed[Row, Found], stripe_id: str) -> Found:
    found = kind.fetch(stripe_id)
    crash.point("object fetched")
    return found


def sync(kind: Opened[Row, Found], stripe_id: str) -> Found | None:
    """Bring the row of an object in line with it, opened if need be. None when the object is none of ours.

    A second call, or a second caller, changes nothing. Raises as refresh does, and MissingAtStripe.
    """
    row_id = row_of(kind, stripe_id)
    if row_id is None:
        found = _fetch(kind, stripe_id)
        owner = kind.owner(found)
        if owner is None:
            return None
        if open_row(kind, owner, found):
            return found
        row_id = row_of(kind, stripe_id) or ""
    return refresh(kind, row_id)


def open_row(kind: Opened[Row, Found], owner: str, found: Found) -> bool:
    """Add the row of an object, and apply what it says. False, having done nothing, when another caller has added it meanwhile."""
    gathered = kind.gather(found)
    with db.transaction() as session:
        kind.lock_owner(session, owner)
        if session.scalar(_of_object(kind, found.id)) is not None:
            return False
        _apply(kind, session, kind.open(session, owner, found), found, gathered)
        return True


def settle(kind: Followed[Row, Found], row_id: str, found: Found, gathered: Any, *, seen_version: int) -> bool:
    """Bring a row in line with its object as Stripe had it while the row was at `seen_version`.

    Returns False, having done nothing, when the row has moved on since. The same object twice changes nothing. One that cannot be
    the row's holds the row for review and changes nothing else.
    """
    with db.transaction() as session:
        row = locked(kind, session, row_id)
        if row.version != seen_version:
            return False
        _apply(kind, session, row, found, gathered)
        return True


def _apply(kind: Followed[Row, Found], session: Session, row: Row, found: Found, gathered: Any) -> None:
    differs = kind.differs(session, row, found)
    if differs:
        kind.hold(session, row, differs)
    elif kind.has_changes(row, found):
        kind.apply(session, row, found, gathered)
        crash.point("change applied")


# Ending it


def cancel(kind: Kind[Made, Found], row_id: str) -> Found:
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


def _is_canceled(kind: Kind[Made, Found], stripe_id: str, key: str) -> bool:
    """Whether Stripe has taken the call; False where it has not, and the object's state says why, or does not."""
    try:
        kind.cancel(stripe_id, key)
        crash.point("object canceled")
    except (gateway.UnexpectedState, gateway.KeptFailure, gateway.KeyInUse) as refusal:
        log.info("cancel_refused", noun=kind.noun, id=stripe_id, code=refusal.code)
        return False
    return True


# Rows


def read(kind: Followed[Row, Found], row_id: str) -> Row:
    """Raises NotFound."""
    with db.reading() as session:
        row = session.get(kind.model, row_id)
    if row is None:
        raise NotFound
    return row


def _of_object(kind: Followed[Row, Found], stripe_id: str) -> Select[str]:
    return select(kind.model.id).where(getattr(kind.model, kind.column) == stripe_id)


def row_of(kind: Followed[Row, Found], stripe_id: str) -> str | None:
    """The id of the row that follows this object, if there is one."""
    with db.reading() as session:
        return session.scalar(_of_object(kind, stripe_id))


def locked(kind: Followed[Row, Found], session: Session, row_id: str) -> Row:
    """Raises NotFound."""
    if kind.lock_first is not None:
        kind.lock_first(session, row_id)
    query = select(kind.model).where(kind.model.id == row_id).with_for_update()
    row = session.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()
    if row is None:
        raise NotFound
    return row


def hold_by_id(kind: Kind[Made, Found], row_id: str, reason: str) -> None:
    """As hold_for_review, in a transaction of its own."""
    with db.transaction() as session:
        hold_for_review(session, locked(kind, session, row_id), reason)
