"""Against card testing: trying out stolen numbers by adding one after the other.

Each press of "Save card" is written down before Stripe is asked, by customer and by network. The first limit slows down (it ends
within the hour), the second blocks (it ends within the day). A person adds a card or two, and mistypes some; an office with one
address has several such persons. Stripe limits further, by its own view of all merchants.
Source: Stripe, "Protect yourself from card testing".
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from portal import clock, db, networks
from portal.accounts.models import Customer
from portal.cards.models import CardTry
from portal.db import new_id
from portal.errors import N_, RateLimited

log = structlog.get_logger(__name__)

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
MOST_AN_HOUR_OF_CUSTOMER: Final = 10
MOST_AN_HOUR_FROM_NETWORK: Final = 20
# Three hours of tries at full pace: nobody does that with cards of their own.
MOST_A_DAY_OF_CUSTOMER: Final = 30
MOST_A_DAY_FROM_NETWORK: Final = 60
# A client secret lets its browser try cards at Stripe without coming by here; so a setup that failed this often ends.
MOST_FAILURES_OF_SETUP: Final = 5


class TooManyCards(RateLimited):
    message = N_("You have tried to add many cards in a short time. Please wait a while before you try the next one.")


class Blocked(RateLimited):
    message = N_(
        "Too many cards were tried here today, so adding cards is blocked until tomorrow. "
        "Your saved cards still work. Please write to us if this is a mistake."
    )


def count_payment(customer_id: str, ip: str) -> None:
    """Likewise for a payment with a card that is not kept here: who tries out numbers may pay a small amount with each."""
    with db.transaction() as session:
        session.execute(select(Customer.id).where(Customer.id == customer_id).with_for_update(key_share=True))
        count(session, customer_id, ip)


def count(session: Session, customer_id: str, ip: str) -> None:
    """Write a try down, or raise TooManyCards or Blocked with the seconds to wait; a refused try does not count.

    In the caller's transaction, which has locked the customer; tries of several customers from one network that are sent at the
    same moment may all come through.
    """
    network = networks.network_of(ip)
    of_customer, from_network = CardTry.customer_id == customer_id, CardTry.network == network
    _refuse_beyond(session, MOST_A_DAY_OF_CUSTOMER, DAY, of_customer, Blocked)
    _refuse_beyond(session, MOST_A_DAY_FROM_NETWORK, DAY, from_network, Blocked)
    _refuse_beyond(session, MOST_AN_HOUR_OF_CUSTOMER, HOUR, of_customer, TooManyCards)
    _refuse_beyond(session, MOST_AN_HOUR_FROM_NETWORK, HOUR, from_network, TooManyCards)
    session.add(CardTry(id=new_id("try"), at=clock.now(), customer_id=customer_id, network=network))


def forget_old(session: Session) -> None:
    """Tries that count no more, with their addresses. In the caller's transaction."""
    session.execute(delete(CardTry).where(CardTry.at < clock.now() - DAY))


def _refuse_beyond(
    session: Session, most: int, window: timedelta, which: ColumnElement[bool], refusal: type[RateLimited]
) -> None:
    now = clock.now()
    newest_first = select(CardTry.at).where(which, CardTry.at > now - window).order_by(CardTry.at.desc())
    blocking: datetime | None = session.execute(newest_first.offset(most - 1).limit(1)).scalar_one_or_none()
    if blocking is not None:
        wait = math.ceil((blocking + window - now).total_seconds())
        log.warning("card_tries_throttled", limit=most, retry_after=wait)
        raise refusal(retry_after=max(1, wait))
