"""Adding a payment method without paying, in the phases of a payment (see portal.payments.intents).

A crash at any line leaves what finds the rest:

    start_setup     transaction A: the row, its audit event and the follow-up job
    ensure_setup    Stripe: create the setup intent under a key made from the row; transaction B: its id
    (browser)       Stripe: the customer confirms, with 3-D Secure where the bank asks
    refresh_setup   Stripe: fetch the intent and what came of it; `keeping.upsert` keeps that; transaction C: the row

How the row and its setup intent are kept together is portal.stripe_sync's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from portal import gateway, stripe_sync
from portal.core import audit, clock, config, crash, db, idempotency
from portal.core.db import new_id
from portal.core.enums import Unknown, parse
from portal.core.errors import N_, Conflict, PortalError
from portal.core.synced_rows import hold_for_review, touch
from portal.gateway import PaymentMethod as StripePaymentMethod
from portal.gateway import SetupAttempt, SetupIntent
from portal.jobs import outbox
from portal.payment_methods import (
    bank_mandates,
    card_testing,
    fence,
    jobs,
    keeping,
    queries,
    statuses,
    stripe_customers,
)
from portal.payment_methods.models import PaymentMethodSetup
from portal.payment_methods.statuses import SetupOutcome, SetupStatus

log = structlog.get_logger(__name__)

# The worker looks after every setup by itself, first after this long: webhooks may be lost. Seconds.
FIRST_CHECK_SECONDS: Final = 60
LONGEST_CHECK_SECONDS: Final = 6 * 3600
# A setup that its customer has not finished by then is canceled: the page is long closed.
ABANDONED_AFTER: Final = timedelta(days=1)
# Small amounts take up to two working days to arrive, and then their holder has ten days. Source: Stripe, "ACH Direct Debit".
VERIFIED_WITHIN: Final = timedelta(days=14)


class AlreadyAdded(Conflict):
    code = "payment_method_already_added"
    message = N_("This payment method is already in your list.")


class UnderReview(Conflict):
    code = "payment_method_under_review"
    message = N_("This payment method is under review. Please contact us.")


@dataclass(frozen=True, slots=True)
class SetupStarted:
    """What a browser needs to let the customer confirm a payment method. The secret belongs to this customer alone.

    Where nothing is left to confirm, `outcome` (a SetupOutcome) tells what became of it, and `payment_method_id` which one it is.
    With a `verification_url` it waits for its holder, who types on that page of Stripe's which small amounts arrived.
    """

    setup_id: str
    intent_id: str
    status: str
    client_secret: str
    outcome: str = ""
    payment_method_id: str | None = None
    verification_url: str = ""


def start_setup(customer_id: str, *, client_key: str, ip: str) -> SetupStarted:
    """Begin to add a payment method, or go on with what this page began: a double click and a retry after a decline reach the same setup.

    Raises card_testing's refusals after too many declined cards, Invalid for a bad key, AlreadyAdded, Conflict
    when the setup has ended, UnderReview, and the gateway's errors; after Unavailable a second call finds the row.
    """
    idempotency.check_client_key(client_key)
    with db.transaction() as session:
        keeping.lock_customer(session, customer_id)
        setup = queries.setup_by_client_key(session, customer_id, client_key)
        if setup is None:
            setup = record_setup(session, customer_id, client_key)
        if setup.status not in statuses.FINAL:
            card_testing.begin(session, customer_id, ip, setup.id)
    if setup.review_reason:
        raise UnderReview
    intent = ensure_setup(setup.id) if setup.stripe_setup_intent_id is None else refresh_setup(setup.id)
    if intent.status == SetupStatus.SUCCEEDED:
        raise AlreadyAdded
    if intent.status == SetupStatus.CANCELED:
        raise Conflict
    return SetupStarted(setup.id, intent.id, intent.status, intent.client_secret)


def record_setup(
    session: Session,
    customer_id: str,
    client_key: str,
    stripe_payment_method_id: str | None = None,
    mandate: Mapping[str, str] | None = None,
) -> PaymentMethodSetup:
    """The row of a new setup, its audit event and the job that looks after it, in the caller's transaction."""
    now = clock.now()
    setup = PaymentMethodSetup(
        id=new_id("set"),
        customer_id=customer_id,
        client_key=client_key,
        stripe_payment_method_id=stripe_payment_method_id,
        mandate=dict(mandate) if mandate is not None else None,
        status=SetupStatus.CREATED,
        attempt=1,
        failed_attempts=0,
        review_reason="",
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(setup)
    session.flush()
    facts = {"method": stripe_payment_method_id} if stripe_payment_method_id else {}
    audit.record(session, "payment_method_setup.started", setup.id, facts, customer_id=customer_id)
    jobs.follow_up.enqueue_in(session, FIRST_CHECK_SECONDS, setup_id=setup.id)
    crash.point("setup recorded")
    return setup


def ensure_setup(setup_id: str) -> SetupIntent:
    """The setup intent of a row, made at Stripe if need be; see stripe_sync.ensure. One with too many refused cards is canceled."""
    return _stop_testing(setup_id, stripe_sync.ensure(KIND, setup_id))


def refresh_setup(setup_id: str) -> SetupIntent:
    """Fetch the setup intent and settle it; one that has seen too many refused cards is canceled, too.

    Raises NotFound, Conflict for a row without an intent, and the gateway's errors.
    """
    return _stop_testing(setup_id, stripe_sync.refresh(KIND, setup_id))


def cancel_setup(setup_id: str) -> SetupIntent:
    """Call off a setup that waits for its customer; returns it as it is then. One that has succeeded in the meantime is settled instead."""
    return stripe_sync.cancel(KIND, setup_id)


# What is sent


def _prepare(setup: PaymentMethodSetup) -> Mapping[str, Any]:
    return {
        "customer_id": stripe_customers.ensure_stripe_customer(setup.customer_id),
        "metadata": {"setup_id": setup.id, "customer_id": setup.customer_id},
        "methods": fence.asked_of_setup(),
    }


def _under_new_customer(setup: PaymentMethodSetup, refusal: PortalError) -> Mapping[str, Any] | None:
    """Stripe knows no such customer: was it deleted there, and the event lost?"""
    sent = setup.sent or {}
    if (
        not isinstance(refusal, gateway.MissingAtStripe)
        or stripe_customers.detach_customer(sent.get("customer_id", "")) is None
    ):
        return None
    return _prepare(setup)


def _create(key: str, sent: Mapping[str, Any]) -> SetupIntent:
    return gateway.current().create_setup(key, **sent)


def _find_at_stripe(setup: PaymentMethodSetup) -> SetupIntent | None:
    listed = gateway.current().list_setups(
        created_from=setup.created_at - timedelta(hours=1),
        created_to=clock.now(),
        customer_id=(setup.sent or {}).get("customer_id", ""),
    )
    try:
        return next((intent for intent in listed if intent.metadata.get("setup_id") == setup.id), None)
    except gateway.MissingAtStripe:  # the customer it was begun for is gone
        return None


def _store(session: Session, setup: PaymentMethodSetup, intent: SetupIntent) -> None:
    audit.record(
        session, "payment_method_setup.intent_stored", setup.id, {"intent": intent.id}, customer_id=setup.customer_id
    )


# What it says


@dataclass(frozen=True, slots=True)
class _Details:
    """What is asked of Stripe besides a setup intent: what came of it, and all of its attempts."""

    method: StripePaymentMethod | None
    attempts: Sequence[SetupAttempt]


def _gather(intent: SetupIntent) -> _Details:
    return _Details(_arrived(intent), _attempts(intent))


def _arrived(intent: SetupIntent) -> StripePaymentMethod | None:
    """What came of a setup, after it has been kept or refused, with its mandate; None while there is none."""
    if intent.status != SetupStatus.SUCCEEDED or intent.payment_method_id is None:
        return None
    method = keeping.upsert(intent.payment_method_id)
    if intent.mandate_id is not None:
        bank_mandates.follow(intent.mandate_id)
    return method


def _attempts(intent: SetupIntent) -> Sequence[SetupAttempt]:
    """All attempts of a setup: the intent shows the last one alone, and several may have failed since it was looked at."""
    return () if intent.attempt_id is None else list(gateway.current().list_setup_attempts(intent.id))


def _mismatch(session: Session, setup: PaymentMethodSetup, intent: SetupIntent) -> str:
    """Why this intent cannot be this row's, or an empty text."""
    if intent.id != setup.stripe_setup_intent_id:
        return f"the setup intent {intent.id} is not this row's"
    if intent.customer_id not in queries.stripe_customers_of(session, setup.customer_id):
        return "Stripe's setup intent belongs to another customer"
    if intent.livemode != config.current().livemode:
        return "Stripe's setup intent is of the other mode (live or test)"
    if setup.status in statuses.FINAL and setup.status != intent.status:
        return f"Stripe says {intent.status} of a setup that is {setup.status}"
    return ""


def _has_changes(setup: PaymentMethodSetup, intent: SetupIntent) -> bool:
    known = (setup.status, setup.stripe_attempt_id, setup.verification_url)
    is_other = (intent.status, intent.attempt_id, _verified_at(intent)) != known
    return setup.status not in statuses.FINAL and is_other


def _verified_at(intent: SetupIntent) -> str:
    return intent.verification.url if intent.verification else ""


def _change(session: Session, setup: PaymentMethodSetup, intent: SetupIntent, details: _Details) -> None:
    _count_failures(session, setup, details.attempts)
    before = setup.status
    setup.status = parse(SetupStatus, intent.status)
    if isinstance(setup.status, Unknown):
        log.error("unknown_setup_status", setup_id=setup.id, status=intent.status)
    setup.stripe_attempt_id = intent.attempt_id
    setup.verification_url = _verified_at(intent)
    if setup.verification_url:
        jobs.mail_verification.enqueue(session, setup_id=setup.id)
    if intent.failure is not None or intent.status in statuses.FINAL:
        setup.mandate = None  # Stripe keeps it
    setup.failure_code = intent.failure.code if intent.failure else ""
    setup.decline_code = intent.failure.decline_code if intent.failure else ""
    if intent.status == SetupStatus.SUCCEEDED:
        setup.outcome, setup.payment_method_id = _outcome(session, setup, details.method)
    if intent.status in statuses.FINAL:
        card_testing.close(session, setup.customer_id, setup.id, setup.stripe_payment_method_id)
    audit.record(
        session,
        "payment_method_setup.status",
        setup.id,
        {
            "before": before,
            "after": setup.status,
            "failure": setup.decline_code or setup.failure_code,
            "outcome": setup.outcome,
        },
        customer_id=setup.customer_id,
    )
    touch(setup)


def _count_failures(session: Session, setup: PaymentMethodSetup, attempts: Sequence[SetupAttempt]) -> None:
    """Each try counts by its outcome: one that waits for its card's holder goes on under the same id."""
    failed = [attempt for attempt in attempts if attempt.has_failed]
    for attempt in failed:
        subjects = (setup.id, setup.stripe_payment_method_id)
        card_testing.fail(session, setup.customer_id, attempt.id, attempt.fingerprint, *subjects)
    setup.failed_attempts = max(setup.failed_attempts, len(failed))


def _outcome(session: Session, setup: PaymentMethodSetup, method: StripePaymentMethod | None) -> tuple[str, str | None]:
    """What became of it, read from what is kept now: a webhook about it may have come before this."""
    card = queries.by_method(session, method.id) if method else None
    if card is not None and card.removed_at is None:
        return (SetupOutcome.RENEWED if card.created_at < setup.created_at else SetupOutcome.ADDED), card.id
    duplicate = None
    if card is None and method is not None:
        duplicate = queries.duplicate(session, setup.customer_id, method.type, method.fingerprint)
    return (SetupOutcome.DUPLICATE, duplicate.id) if duplicate else (SetupOutcome.GONE, None)


KIND: Final[stripe_sync.Kind[PaymentMethodSetup, SetupIntent]] = stripe_sync.Kind(
    model=PaymentMethodSetup,
    column="stripe_setup_intent_id",
    under_review=UnderReview,
    prepare=_prepare,
    revise=_under_new_customer,
    key=lambda setup: f"setup:{setup.id}:{setup.attempt}",
    create=_create,
    find=_find_at_stripe,
    stored=_store,
    fetch=lambda intent_id: gateway.current().retrieve_setup(intent_id),
    differs=_mismatch,
    hold=hold_for_review,
    has_changes=_has_changes,
    gather=_gather,
    apply=_change,
    cancel=lambda intent_id, key: gateway.current().cancel_setup(intent_id, key),
    can_cancel=lambda intent: intent.status in statuses.WAITING_FOR_CUSTOMER,
)


# What follows by itself


def _stop_testing(setup_id: str, intent: SetupIntent) -> SetupIntent:
    """End a setup that has seen too many refused cards, and every one of a customer with too many of them: with its secret a browser
    may go on trying at Stripe.
    """
    if intent.status not in statuses.WAITING_FOR_CUSTOMER:
        return intent
    with db.reading() as session:
        setup = session.get_one(PaymentMethodSetup, setup_id)
        attempts = setup.failed_attempts
        too_many = attempts >= config.current().card_failures_of_setup
        if not too_many and (attempts == 0 or not card_testing.is_beyond(session, setup.customer_id)):
            return intent
    log.warning("payment_method_setup_stopped", setup_id=setup_id, failed_attempts=attempts)
    return cancel_setup(setup_id)


def follow_up(setup_id: str) -> None:
    """Finish what was begun, whoever died: make the missing intent, learn the outcome, cancel what was abandoned.

    Raises outbox.Reschedule while the setup is not at its end.
    """
    with db.reading() as session:
        setup = session.get(PaymentMethodSetup, setup_id)
    if setup is None or setup.review_reason or setup.status in statuses.FINAL:
        return
    intent = ensure_setup(setup_id) if setup.stripe_setup_intent_id is None else refresh_setup(setup_id)
    age = clock.now() - setup.created_at
    longest = VERIFIED_WITHIN if intent.verification else ABANDONED_AFTER
    if intent.status in statuses.WAITING_FOR_CUSTOMER and age > longest:
        intent = cancel_setup(setup_id)
    if intent.status not in statuses.FINAL:
        raise outbox.Reschedule(min(max(age.total_seconds() / 2, FIRST_CHECK_SECONDS), LONGEST_CHECK_SECONDS))


def requeue_lost_jobs() -> int:
    """Leave a job for each setup on its way that has none; returns how many. A second run finds nothing more."""
    with db.transaction() as session:
        lost = queries.left_behind(session, outbox.MOST_REQUEUED)
        for setup_id in lost:
            jobs.follow_up.requeue(session, setup_id=setup_id)
        return len(lost)


def sync_setup(setup_intent_id: str) -> bool:
    """Stripe says that something happened to a setup intent: learn what. Returns False when it is none of ours.

    One whose id we lost (its creation was answered to a process that died) is found by its metadata and adopted.
    """
    with db.reading() as session:
        known = queries.setup_by_intent(session, setup_intent_id)
    if known is not None:
        refresh_setup(known.id)
        return True
    intent = gateway.current().retrieve_setup(setup_intent_id)
    with db.reading() as session:
        setup = session.get(PaymentMethodSetup, intent.metadata.get("setup_id", ""))
    if setup is None:
        return False
    try:
        stripe_sync.adopt(KIND, setup.id, intent)
    except UnderReview:
        log.error("second_setup_intent", setup_id=setup.id, intent_id=setup_intent_id)
    return True
