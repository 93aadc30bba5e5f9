"""Against card testing: trying out stolen numbers, by adding one after the other or by paying small amounts with them.

What is counted are cards that banks refused, each try once, by customer and by network: how many attempts failed, and how many
different cards they were made with. A card that was taken counts for nothing, however many there are. Before a card goes to its
bank, `begin` refuses whoever is beyond a limit and notes a try without an outcome, which counts for its customer as long as it
is fresh, so that attempts sent side by side are counted like others. `fail` and `close` write down what came of it.

A limit by the hour slows down, one by the day blocks. A person mistypes some cards; an office with one address has several such
persons; and whose app's own server calls for many customers says whom it calls for (portal.api.end_users). Stripe limits further,
by its own view of all merchants. Source: Stripe, "Protect yourself from card testing".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from limits import parse_many
from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import clock, config, db, networks, reach
from portal.core.db import new_id
from portal.core.errors import N_, RateLimited
from portal.core.method_kinds import CARD
from portal.gateway import Failure
from portal.payment_methods import queries
from portal.payment_methods.models import CardAttempt

log = structlog.get_logger(__name__)

DAY: Final = timedelta(days=1)
# How long a try without an outcome counts: longer than a bank takes and its customer types a code.
UNANSWERED_FOR: Final = timedelta(minutes=15)

# The limits of the settings, by what they count.
FAILURES_OF_CUSTOMER: Final = "failures_of_customer"
FAILURES_FROM_ADDRESS: Final = "failures_from_address"
CARDS_OF_CUSTOMER: Final = "cards_of_customer"
CARDS_FROM_ADDRESS: Final = "cards_from_address"


class TooManyCards(RateLimited):
    message = N_("Many cards were declined in a short time. Please wait before you try another one.")


class Blocked(RateLimited):
    message = N_(
        "For security, adding cards is paused until tomorrow. You can still pay an invoice with a saved "
        "card. Please contact us if this is a mistake."
    )


class TooManyFromAddress(RateLimited):
    message = N_(
        "Many cards were declined from your network or through this app. Please wait before you try a "
        "new card. You can still pay an invoice with a saved card."
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How much is left of a limit: `most` in `window_seconds`, `left` of them, the next one `wait_seconds` from now."""

    name: str
    most: int
    window_seconds: int
    left: int
    wait_seconds: int


def begin_payment(customer_id: str, ip: str, subject: str) -> None:
    """`begin` for a payment whose card is none that is kept here, in a transaction of its own."""
    with db.transaction() as session:
        session.execute(select(Customer.id).where(Customer.id == customer_id).with_for_update(key_share=True))
        begin(session, customer_id, ip, subject)


def begin(session: Session, customer_id: str, ip: str, subject: str) -> None:
    """Note that a card is about to go to its bank; `subject` names what it is for: a setup, a payment or its invoice, or the card itself.

    Raises TooManyCards, Blocked or TooManyFromAddress with the seconds to wait; a refused try is not noted. A second call for a
    subject renews its try. In the caller's transaction, which has locked the customer; attempts of several customers from one
    network that are sent at the same moment may all come through. Without an address nothing is counted by network.
    """
    network = networks.network_of(ip) if ip else ""
    again = and_(CardAttempt.subject == subject, CardAttempt.attempt.is_(None))
    _refuse_beyond(session, customer_id, network, besides=again)
    session.execute(delete(CardAttempt).where(CardAttempt.customer_id == customer_id, again))
    row = CardAttempt(
        id=new_id("try"), at=clock.now(), customer_id=customer_id, network=network, subject=subject, fingerprint=""
    )
    session.add(row)


def close(session: Session, customer_id: str, *subjects: str | None) -> None:
    """A bank took the card, or it never came to one: nothing counts. In the caller's transaction."""
    named = [subject for subject in subjects if subject]
    session.execute(
        delete(CardAttempt).where(
            CardAttempt.customer_id == customer_id, CardAttempt.subject.in_(named), CardAttempt.attempt.is_(None)
        )
    )


def fail(session: Session, customer_id: str, attempt: str, fingerprint: str, *subjects: str | None) -> None:
    """A bank refused a card, or nobody knows the card: `attempt` is Stripe's id of this try, which counts once however often it is told.

    Its network is the one from which the try for one of the subjects came. A card that this customer keeps is none that is tried
    out: it does not count. In the caller's transaction.
    """
    named = [subject for subject in subjects if subject]
    of_subjects = select(CardAttempt.network).where(
        CardAttempt.customer_id == customer_id, CardAttempt.subject.in_(named)
    )
    network = session.scalar(of_subjects.order_by(CardAttempt.at.desc()).limit(1))
    close(session, customer_id, *subjects)
    if queries.duplicate(session, customer_id, CARD, fingerprint) is not None:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {
        "id": new_id("try"),
        "at": clock.now(),
        "customer_id": customer_id,
        "network": network or "",
        "subject": named[0] if named else "",
        "attempt": attempt,
        "fingerprint": fingerprint,
    }
    session.execute(insert(CardAttempt).values(row).on_conflict_do_nothing(index_elements=["attempt"]))


def follow_payment(
    session: Session,
    customer_id: str,
    failure: Failure | None,
    *,
    intent_id: str,
    paid: bool,
    subjects: tuple[str | None, ...],
) -> None:
    """Count what a bank said of a card that pays. In the caller's transaction, which takes Stripe's word over."""
    if paid:
        close(session, customer_id, *subjects)
    elif failure is not None and (failure.charge_id or failure.method_id):
        # Where the customer did not prove who they are, nothing was charged: there the card itself names the try.
        attempt = failure.charge_id or f"{intent_id}:{failure.method_id}"
        fail(session, customer_id, attempt, failure.fingerprint, *subjects, failure.method_id)


def knows(session: Session, attempt: str) -> bool:
    """Whether this failed try is counted already."""
    return session.scalar(select(CardAttempt.id).where(CardAttempt.attempt == attempt)) is not None


def is_beyond(session: Session, customer_id: str) -> bool:
    """Whether this customer's next card would be refused: what lets it try more ends."""
    return any(standing.left == 0 for standing in _standings(session, customer_id, "", None))


def standings(customer_id: str, ip: str) -> list[Standing]:
    """How much is left of each limit, of its windows the one with the least."""
    network = networks.network_of(ip) if ip else ""
    tightest: dict[str, Standing] = {}
    with db.reading() as session:
        for standing in _standings(session, customer_id, network, None):
            known = tightest.get(standing.name)
            if known is None or (standing.left, -standing.wait_seconds) < (known.left, -known.wait_seconds):
                tightest[standing.name] = standing
    return list(tightest.values())


def forget_old(session: Session) -> None:
    """Tries that count no more, with their addresses. In the caller's transaction."""
    longest = max((window for _name, _most, window in _limits()), default=DAY)
    session.execute(delete(CardAttempt).where(CardAttempt.at < clock.now() - longest))


def _limits() -> Iterator[tuple[str, int, timedelta]]:
    for name, windows in config.current().card_limits.items():
        for limit in parse_many(windows):
            yield name, limit.amount, timedelta(seconds=limit.get_expiry())


def _refuse_beyond(session: Session, customer_id: str, network: str, *, besides: ColumnElement[bool]) -> None:
    beyond = [one for one in _standings(session, customer_id, network, besides) if one.left == 0]
    if not beyond:
        return
    longest = max(beyond, key=lambda one: one.wait_seconds)
    log.warning("card_attempts_throttled", limit=longest.name, most=longest.most, retry_after=longest.wait_seconds)
    raise _refusal(longest)(retry_after=longest.wait_seconds)


def _refusal(standing: Standing) -> type[RateLimited]:
    if standing.name in {FAILURES_FROM_ADDRESS, CARDS_FROM_ADDRESS}:
        return TooManyFromAddress
    return Blocked if standing.window_seconds >= DAY.total_seconds() else TooManyCards


def _standings(
    session: Session, customer_id: str, network: str, besides: ColumnElement[bool] | None
) -> Iterator[Standing]:
    now = clock.now()
    for name, most, window in _limits():
        if name in {FAILURES_FROM_ADDRESS, CARDS_FROM_ADDRESS} and not network:
            continue
        counted = _counted(name, customer_id, network, now, window, besides).limit(most)
        with reach.everyone("whoever comes from a network is counted with the others there"):
            times = list(session.scalars(counted))
        wait = math.ceil((times[-1] + window - now).total_seconds()) if times else int(window.total_seconds())
        yield Standing(name, most, int(window.total_seconds()), most - len(times), max(1, wait))


def _counted(
    name: str, customer_id: str, network: str, now: datetime, window: timedelta, besides: ColumnElement[bool] | None
) -> Select[datetime]:
    """When each thing that a limit counts was seen, the newest first."""
    by_customer = name in {FAILURES_OF_CUSTOMER, CARDS_OF_CUSTOMER}
    whose = CardAttempt.customer_id == customer_id if by_customer else CardAttempt.network == network
    failed: ColumnElement[bool] = CardAttempt.attempt.is_not(None)
    recent = and_(whose, CardAttempt.at > now - window)
    if name in {CARDS_OF_CUSTOMER, CARDS_FROM_ADDRESS}:
        newest = func.max(CardAttempt.at)
        of_each = select(newest).where(recent, failed, CardAttempt.fingerprint != "").group_by(CardAttempt.fingerprint)
        return of_each.order_by(newest.desc())
    if name == FAILURES_OF_CUSTOMER:
        unanswered = and_(CardAttempt.attempt.is_(None), CardAttempt.at > now - UNANSWERED_FOR)
        if besides is not None:
            unanswered = and_(unanswered, ~besides)
        failed = or_(failed, unanswered)
    return select(CardAttempt.at).where(recent, failed).order_by(CardAttempt.at.desc())
