"""Taking events in and applying them (see `handlers`)."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Insert, and_, bindparam, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import defer

from portal import gateway
from portal.core import audit, clock, config, crash, db, metrics
from portal.core.errors import N_, Invalid, NotFound
from portal.jobs import outbox
from portal.stripe_events import handlers, jobs, queries
from portal.stripe_events.models import EventStatus, StripeEvent

log = structlog.get_logger(__name__)

# A Stripe event is a few kilobytes; anything of this size is none.
LARGEST_BODY_BYTES: Final = 256_000
# Stripe began in 2010; nothing here is still in use in 2100. In seconds since 1970.
EARLIEST: Final = 1_262_304_000
LATEST: Final = 4_102_444_800


class BadWebhook(Invalid):
    """Not an event that Stripe sent to us. Stripe shows the answer to the operator, so it says which check failed."""

    code = "bad_webhook"
    status = 400
    message = N_("This is not a webhook that we accept.")


def receive(body: bytes, signature: str) -> bool:
    """Verify an event and store it with the job that applies it; True when it is new, False when it was here before.

    When this returns, the event is durable. Raises BadWebhook, having written nothing, for a body that is forged, stale, of the
    other mode, or not an event.
    """
    settings = config.current()
    try:
        gateway.verify(body, signature, [secret.get_secret_value() for secret in settings.stripe_webhook_secrets])
    except gateway.BadSignature as error:
        raise BadWebhook from error
    event = _parsed(body)
    if event["livemode"] != settings.livemode:
        raise BadWebhook(N_("This webhook is for the other mode (live or test)."), code="wrong_mode")
    crash.point("event verified")
    is_new = _store(event, body, delivered=True)
    crash.point("event acknowledged")
    return is_new


def take_in(body: bytes) -> bool:
    """Store an event that was fetched from Stripe, because its delivery failed, as if it had been delivered.

    Returns False, having done nothing, for one that is here already, of a type that we do not use, or of the other mode.
    """
    event = _parsed(body)
    if event["type"] not in handlers.HANDLERS or event["livemode"] != config.current().livemode:
        return False
    return _store(event, body, delivered=False)


def _parsed(body: bytes) -> dict[str, Any]:
    """The few fields of the envelope that we store, as columns; the body is kept whole beside them."""
    try:
        event = json.loads(body.decode())
        if b"\\u" in body:  # a half of a surrogate pair can be written in JSON, and nowhere else
            json.dumps(event, ensure_ascii=False).encode()
        about = event["data"]["object"]
        intent = about["id"] if about.get("object") == "payment_intent" else about.get("payment_intent")
        return {
            "id": _word(event["id"], 80),
            "type": _word(event["type"], 80),
            "livemode": bool(event["livemode"]),
            "api_version": _word(event.get("api_version") or "", 40),
            "created_at": _moment(event["created"]),
            "object_id": _word(about.get("id") or "", 80),
            "intent_id": _word(intent, 80) if isinstance(intent, str) else None,
        }
    # RecursionError: it is nested as deep as no event of Stripe's.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadWebhook from error


def _word(value: object, longest: int) -> str:
    """One of Stripe's names, as it fits its column. Raises ValueError for anything else."""
    if not isinstance(value, str) or len(value) > longest or not (value.isascii() and value.isprintable()):
        raise ValueError("no name of Stripe's")
    return value


def _moment(value: object) -> datetime:
    """Seconds since 1970. Raises ValueError for a time in which Stripe sent no event."""
    if not isinstance(value, int) or not EARLIEST <= value < LATEST:
        raise ValueError("no time of an event")
    return clock.from_epoch(value)


def _store(event: dict[str, Any], body: bytes, *, delivered: bool) -> bool:
    """Write the event and the job that applies it: both, or neither. False when it was here before."""
    given = event | {"body": body, "received_at": clock.now(), "delivered": delivered}
    values = {f"event_{name}": given[name] for name in _GIVEN}
    is_new = _write(event["id"], values)
    if delivered and is_new:
        metrics.WEBHOOK_ARRIVAL_SECONDS.observe((given["received_at"] - event["created_at"]).total_seconds())
    if delivered and not is_new:
        _note_delivery(event["id"])
    return is_new


def _write(event_id: str, values: dict[str, Any]) -> bool:
    if db.engine().dialect.name == "postgresql":
        return _event_with_job().execute(values | jobs.apply.values(event_id=event_id, replay=0)) is not None
    with db.writing_once() as connection:
        is_new = connection.execute(_event("sqlite"), values).first() is not None
        if is_new:
            jobs.apply.enqueue(connection, event_id=event_id, replay=0)
    return is_new


_EVENTS: Final = StripeEvent.metadata.tables[StripeEvent.__tablename__]
_ALIKE: Final = {"status": f"'{EventStatus.RECEIVED}'", "note": "''", "replays": "0", "applied_at": "NULL"}
_GIVEN: Final = tuple(column.key for column in _EVENTS.c if column.key not in _ALIKE)


@cache
def _event(dialect: str) -> Insert:
    """The statement that writes an event, unless it is here; made once."""
    upsert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    given = {name: bindparam(f"event_{name}", type_=_EVENTS.c[name].type) for name in _GIVEN}
    alike: dict[str, ColumnElement[str]] = {name: literal_column(written) for name, written in _ALIKE.items()}
    row = upsert(_EVENTS).values(alike | given)
    return row.on_conflict_do_nothing(index_elements=["id"]).returning(_EVENTS.c.id)


@cache
def _event_with_job() -> db.WrittenAtOnce:
    """On PostgreSQL one statement writes both, so one way to the server is enough."""
    stored = _event("postgresql").cte("stored")
    return db.WrittenAtOnce(select(stored.c.id).add_cte(jobs.apply.insertion_after(stored)))


def _note_delivery(event_id: str) -> None:
    """An event that had been fetched comes by its webhook after all: the way is open."""
    fetched = update(_EVENTS).where(_EVENTS.c.id == event_id, ~_EVENTS.c.delivered)
    with db.writing_once() as connection:
        connection.execute(fetched.values(delivered=True, received_at=clock.now()))


def apply(event_id: str) -> None:
    """Act on a stored event. It is a hint only: what is true is fetched from Stripe. A second call changes nothing.

    Other events that wait and are about the same object are done with it, when they were here before it was fetched. Raises the gateway's
    errors, after which it is tried again.
    """
    with db.reading() as session:
        event = session.get(StripeEvent, event_id)
        if event is None or event.status != EventStatus.RECEIVED:
            return
        together = queries.waiting_with(session, event)
    note = handlers.handle(event)
    crash.point("event applied")
    with db.transaction() as session:
        served = or_(*(and_(StripeEvent.id == one, StripeEvent.replays == replays) for one, replays in together))
        state = EventStatus.IGNORED if note else EventStatus.APPLIED
        session.execute(
            update(StripeEvent)
            .where(served, StripeEvent.status == EventStatus.RECEIVED)
            .values(status=state, note=note, applied_at=clock.now())
        )
        others = [jobs.apply.key(event_id=one, replay=replays) for one, replays in together if one != event_id]
        outbox.close_unstarted(session, others)
    metrics.WEBHOOK_APPLIED_SECONDS.observe((clock.now() - event.received_at).total_seconds())
    log.info("webhook_applied", event_id=event_id, type=event.type, note=note, together=len(together))


def requeue_lost_jobs() -> int:
    """Leave a job for each received event that has none; returns how many. A second run finds nothing more."""
    with db.transaction() as session:
        missing = jobs.apply.missing(session, event_id=StripeEvent.id, replay=StripeEvent.replays)
        lost = select(StripeEvent).where(StripeEvent.status == EventStatus.RECEIVED, missing)
        lost = lost.order_by(StripeEvent.received_at, StripeEvent.id).limit(outbox.MOST_REQUEUED)
        events = session.scalars(lost.options(defer(StripeEvent.body))).all()
        for event in events:
            jobs.apply.requeue(session, event_id=event.id, replay=event.replays)
        return len(events)


def replay(event_id: str) -> bool:
    """Have an event applied anew, for staff. That is safe: it is a hint, and what is true is fetched from Stripe again.

    False when it is about to be applied anyway, so a second call changes nothing. A job that died over it is revived, for there
    is no other way out for it; else there is a new job. Raises NotFound.
    """
    with db.transaction() as session:
        event = session.execute(
            select(StripeEvent).where(StripeEvent.id == event_id).with_for_update()
        ).scalar_one_or_none()
        if event is None:
            raise NotFound
        before = event.status
        job = jobs.apply.find(session, event_id=event.id, replay=event.replays)
        if before == EventStatus.RECEIVED and job is not None and not outbox.revive(session, job.id):
            return False
        if before != EventStatus.RECEIVED or job is None:
            event.status, event.note, event.applied_at = EventStatus.RECEIVED, "", None
            event.replays += 1
            jobs.apply.enqueue(session, event_id=event.id, replay=event.replays)
        audit.record(
            session, "webhook.replayed", event.id, {"status": [before, EventStatus.RECEIVED], "type": event.type}
        )
        return True
