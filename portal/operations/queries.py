"""Reading the state of the portal: events, jobs, the audit trail, and what waits for staff. Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, literal_column, or_, select, text
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.content import anchors
from portal.core import clock, company_days, config, keyset, marks, recovery, upkeep
from portal.core.audit import AuditEvent
from portal.core.db import database_now
from portal.core.errors import NotFound
from portal.core.upkeep import Upkeep, UpkeepKind
from portal.disputes.models import Dispute, EarlyFraudWarning
from portal.identity import queries as accounts
from portal.jobs import workers
from portal.jobs.models import DEAD, FAILED, JobRow, JobStatus
from portal.jobs.workers import Outage
from portal.payment_methods.models import PaymentMethodSetup, StripeCustomer
from portal.payments.models import Payment
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus
from portal.refunds import queries as refunds
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from portal.stripe_events import jobs as event_jobs
from portal.stripe_events import queries as stripe_events
from portal.stripe_events.models import EventStatus, StripeEvent
from portal.web import forwarded

# A number beyond this is shown as "1,000+": counting further tells nobody more.
MOST_COUNTED: Final = 1_000
# What is frozen is few; who has more than this has one fault many times.
MOST_REVIEW_ITEMS: Final = 100
# A holder may dispute a payment for about so long; a warning of fraud that is older tells nothing more.
# Source: Stripe, "How disputes work".
WARNING_COUNTS_FOR: Final = timedelta(days=120)
# A job that has been due for so long waits for a worker that does not run.
BEHIND_AFTER: Final = timedelta(minutes=5)
ANCHOR_LATE_AFTER: Final = timedelta(hours=26)
# The clocks of the machines that record events agree within this.
CLOCK_SKEW: Final = timedelta(minutes=5)
LARGEST_NUMBER: Final = 2**63 - 1
# Other kinds of actors are the portal itself, or known to others only, and have no row with a name.
NAMED: Final = ("customer", "staff", "api_client")

_QUEUED: Final = text(f"status = '{JobStatus.QUEUED}'")


# The state of the portal


@dataclass(frozen=True, slots=True)
class State:
    """Numbers count up to MOST_COUNTED and one more."""

    now: datetime
    jobs_waiting: int
    jobs_failing: int
    jobs_dead: int
    oldest_due_at: datetime | None
    outages: list[Outage]
    events_waiting: int
    oldest_waiting_at: datetime | None
    last_event_at: datetime | None
    webhooks_missing_since: datetime | None
    payments_to_review: int
    setups_to_review: int
    stripe_customers_to_review: int
    refunds_to_review: int
    failed_refunds: int
    disputes_to_review: int
    warnings_to_review: int
    fraud_warnings: int
    book_discrepancies: int
    anchored_at: datetime | None
    forwarded_at: datetime | None
    in_recovery: bool
    keeps_marks: bool
    backup: Upkeep | None
    restore_drill: Upkeep | None

    @property
    def worker_is_behind(self) -> bool:
        return self._is_old(self.oldest_due_at)

    @property
    def events_are_behind(self) -> bool:
        return self._is_old(self.oldest_waiting_at)

    @property
    def anchor_is_late(self) -> bool:
        return self.anchored_at is None or self.now - self.anchored_at > ANCHOR_LATE_AFTER

    @property
    def backup_is_late(self) -> bool:
        return self._is_late(self.backup, timedelta(hours=config.current().backup_hours))

    @property
    def restore_drill_is_late(self) -> bool:
        return self._is_late(self.restore_drill, timedelta(days=config.current().restore_drill_days))

    def _is_late(self, done: Upkeep | None, after: timedelta) -> bool:
        return done is None or self.now - done.done_at > after

    def _is_old(self, moment: datetime | None) -> bool:
        return moment is not None and self.now - moment > BEHIND_AFTER


def state(session: Session) -> State:
    now = database_now(session)
    free = JobRow.lease_until.is_(None) | (JobRow.lease_until < now)
    due = select(JobRow.run_at).where(_QUEUED, JobRow.run_at <= now, free).order_by(JobRow.run_at).limit(1)
    received = StripeEvent.received_at
    last = stripe_events.last_delivered(session)
    waiting = (
        select(received).where(StripeEvent.status == EventStatus.RECEIVED).order_by(received, StripeEvent.id).limit(1)
    )
    return State(
        now=now,
        jobs_waiting=_count(session, select(JobRow.id).where(_QUEUED)),
        jobs_failing=_count(session, select(JobRow.id).where(FAILED, _QUEUED)),
        jobs_dead=_count(session, select(JobRow.id).where(DEAD)),
        oldest_due_at=session.scalar(due),
        outages=workers.outages_now(session),
        events_waiting=_count(session, select(StripeEvent.id).where(StripeEvent.status == EventStatus.RECEIVED)),
        oldest_waiting_at=session.scalar(waiting),
        last_event_at=last.received_at if last else None,
        webhooks_missing_since=stripe_events.missing_since(session),
        payments_to_review=_count(session, select(Payment.id).where(_waits_for_staff(Payment))),
        setups_to_review=_count(session, select(PaymentMethodSetup.id).where(_waits_for_staff(PaymentMethodSetup))),
        stripe_customers_to_review=_count(session, select(StripeCustomer.id).where(_waits_for_staff(StripeCustomer))),
        refunds_to_review=_count(session, select(Refund.id).where(_waits_for_staff(Refund))),
        failed_refunds=refunds.number_failed(session, MOST_COUNTED + 1),
        disputes_to_review=_count(session, select(Dispute.id).where(_waits_for_staff(Dispute))),
        warnings_to_review=_count(session, select(EarlyFraudWarning.id).where(_waits_for_staff(EarlyFraudWarning))),
        fraud_warnings=_count(session, select(EarlyFraudWarning.id).where(_may_be_fraudulent())),
        book_discrepancies=_count(
            session, select(Discrepancy.id).where(Discrepancy.status == literal_column(f"'{DiscrepancyStatus.OPEN}'"))
        ),
        anchored_at=anchors.latest(session),
        forwarded_at=forwarded.seen_at(session),
        in_recovery=recovery.is_on(session),
        keeps_marks=marks.is_kept(),
        backup=upkeep.latest(session, UpkeepKind.BACKUP),
        restore_drill=upkeep.latest(session, UpkeepKind.RESTORE_DRILL),
    )


def _count(session: Session, query: Select[Any]) -> int:
    limited = query.limit(MOST_COUNTED + 1).subquery()
    return session.scalar(select(func.count()).select_from(limited)) or 0


def _waits_for_staff(kind: Any) -> ColumnElement[bool]:
    """The condition of a kind's partial index, to the letter: planned before its value is known, a parameter would not lead to it."""
    found: ColumnElement[bool] = kind.review_reason != literal_column("''")
    if kind is Dispute:
        return or_(found, Dispute.discrepancy != literal_column("''"))
    return or_(found, Refund.status == literal_column(f"'{RefundStatus.UNKNOWN}'")) if kind is Refund else found


def _may_be_fraudulent() -> ColumnElement[bool]:
    warned = EarlyFraudWarning
    return and_(warned.actionable, warned.review_reason == "", warned.created_at > clock.now() - WARNING_COUNTS_FOR)


# Stripe's events


@dataclass(frozen=True, slots=True)
class EventFilter:
    """`text` is the id of an event, or of the object that it is about. Received from the moment `since` on and before `until`."""

    status: str = ""
    type: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


def events(session: Session, wanted: EventFilter, cursor: str | None = None) -> keyset.Page[StripeEvent]:
    """A page of events, the newest first. Raises NotFound for a cursor that nobody gave out."""
    query = select(StripeEvent)
    if wanted.status:
        query = query.where(StripeEvent.status == wanted.status)
    if wanted.type:
        query = query.where(StripeEvent.type == wanted.type)
    if wanted.text:
        query = query.where(or_(StripeEvent.id == wanted.text, StripeEvent.object_id == wanted.text))
    if wanted.since:
        query = query.where(StripeEvent.received_at >= wanted.since)
    if wanted.until:
        query = query.where(StripeEvent.received_at < wanted.until)
    return keyset.page(session, query, StripeEvent.received_at, StripeEvent.id, cursor)


def event(session: Session, event_id: str) -> tuple[StripeEvent, JobRow | None]:
    """An event and the job that applies it, or did so last; done jobs are forgotten after a while. Raises NotFound."""
    found = session.get(StripeEvent, event_id)
    if found is None:
        raise NotFound
    return found, event_jobs.apply.find(session, event_id=found.id, replay=found.replays)


def event_types(session: Session) -> list[str]:
    return keyset.distinct(session, StripeEvent.type)


# Jobs


def failed_jobs(session: Session, *, dead_only: bool, name: str = "", cursor: str | None = None) -> keyset.Page[JobRow]:
    """A page of the jobs that failed in their last try, or of those of them with this name, the newest first.

    Raises NotFound for a cursor that nobody gave out.
    """
    query = select(JobRow).where(FAILED)
    if name:
        query = query.where(JobRow.name == name)
    if dead_only:
        query = query.where(DEAD)
    return keyset.page(session, query, JobRow.created_at, JobRow.id, cursor)


# What needs review


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """Something that waits for a person.

    `kind` is "payment", "payment_method_setup", "stripe_customer", "refund", "dispute", "fraud_warning" or "fraudulent"; `id`
    names the thing, or the payment that a warning is about; `words` say what does not fit, or Stripe's word for the suspicion.
    """

    kind: str
    id: str
    customer_id: str
    customer_name: str
    words: str
    since: datetime


def review_items(session: Session) -> list[ReviewItem]:
    """At most MOST_REVIEW_ITEMS of each kind, the newest first."""
    found: list[ReviewItem] = []
    frozen: dict[str, Any] = {
        "payment": Payment,
        "payment_method_setup": PaymentMethodSetup,
        "stripe_customer": StripeCustomer,
        "refund": Refund,
    }
    sources: list[Any] = [
        (kind, one, one.id, one.review_reason, one.updated_at, _waits_for_staff(one)) for kind, one in frozen.items()
    ]
    differs = case((Dispute.review_reason != "", Dispute.review_reason), else_=Dispute.discrepancy)
    sources.append(("dispute", Dispute, Dispute.id, differs, Dispute.updated_at, _waits_for_staff(Dispute)))
    warned = EarlyFraudWarning
    held = warned.payment_id, warned.review_reason, warned.updated_at, _waits_for_staff(warned)
    suspicion = warned.payment_id, warned.fraud_type, warned.created_at, _may_be_fraudulent()
    sources += [("fraud_warning", warned, *held), ("fraudulent", warned, *suspicion)]
    for kind, model, about, words, since, waits in sources:
        rows = session.execute(
            select(about, model.customer_id, Customer.name, words, since)
            .join(Customer, Customer.id == model.customer_id)
            .where(waits)
            .order_by(since.desc(), model.id.desc())
            .limit(MOST_REVIEW_ITEMS)
        )
        found.extend(ReviewItem(kind, *row) for row in rows)
    return sorted(found, key=lambda one: (one.since, one.id), reverse=True)


# The audit trail


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """`actor` is a user's id or e-mail, or the name of a job; days are the company's, both included."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    customer_id: str = ""
    since: date | None = None
    until: date | None = None


def audit_trail(session: Session, wanted: AuditFilter, cursor: str | None = None) -> keyset.Page[AuditEvent]:
    """A page of the audit trail, the newest first. Raises NotFound for a cursor that nobody gave out."""
    return keyset.numbered(session, _audited(_by_id(session, wanted)), AuditEvent.number, cursor)


def audit_batch(session: Session, wanted: AuditFilter, before: int | None, most: int) -> Sequence[AuditEvent]:
    """The newest events that fit, from before this number on."""
    query = _audited(_by_id(session, wanted)).order_by(AuditEvent.number.desc()).limit(most)
    return session.scalars(query if before is None else query.where(AuditEvent.number < before)).all()


def _by_id(session: Session, wanted: AuditFilter) -> AuditFilter:
    user = accounts.user_by_email(session, wanted.actor) if "@" in wanted.actor else None
    return wanted if user is None else replace(wanted, actor=user.id)


def _audited(wanted: AuditFilter) -> Select[AuditEvent]:
    query = select(AuditEvent)
    for column, value in (
        (AuditEvent.actor_id, wanted.actor),
        (AuditEvent.action, wanted.action),
        (AuditEvent.subject, wanted.subject),
        (AuditEvent.customer_id, wanted.customer_id),
    ):
        if value:
            query = query.where(column == value)
    # Events lie in the order of their numbers, which is that of time but for the difference of clocks: so what was certainly before
    # a day, and what was certainly after it, bound its numbers. Both are found by the index of times.
    if wanted.since:
        since = company_days.begins(wanted.since)
        before = select(AuditEvent.number).where(AuditEvent.at < since - CLOCK_SKEW)
        before = before.order_by(AuditEvent.at.desc(), AuditEvent.number.desc()).limit(1)
        query = query.where(AuditEvent.number > func.coalesce(before.scalar_subquery(), 0), AuditEvent.at >= since)
    if wanted.until:
        until = company_days.ends(wanted.until)
        after = select(AuditEvent.number).where(AuditEvent.at >= until + CLOCK_SKEW)
        after = after.order_by(AuditEvent.at, AuditEvent.number).limit(1)
        beyond = func.coalesce(after.scalar_subquery(), LARGEST_NUMBER)
        query = query.where(AuditEvent.number < beyond, AuditEvent.at < until)
    return query


def audit_actions(session: Session) -> list[str]:
    return keyset.distinct(session, AuditEvent.action)


def names(session: Session, events: Iterable[AuditEvent]) -> dict[str, str]:
    """The names of the people and API clients who acted, and of the customers, by their ids."""
    shown = list(events)
    actors = {event.actor_id for event in shown if event.actor_kind in NAMED}
    customers = {event.customer_id for event in shown if event.customer_id}
    owners = session.execute(select(Customer.id, Customer.name).where(Customer.id.in_(customers))).all()
    return accounts.names_of_actors(session, actors) | {row.id: row.name for row in owners}


def customer_names(session: Session, customer_ids: set[str]) -> dict[str, str]:
    """Their names, by their ids."""
    rows = session.execute(select(Customer.id, Customer.name).where(Customer.id.in_(customer_ids)))
    return {row.id: row.name for row in rows}
