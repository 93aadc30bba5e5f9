"""Holding the kept payment methods against Stripe's, once a day: a webhook about one may have been lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from portal import gateway
from portal.accounts.models import Customer
from portal.core import clock, db, method_kinds
from portal.payment_methods import jobs, keeping, queries, stripe_customers

log = structlog.get_logger(__name__)

CUSTOMERS_A_CHUNK: Final = 100
# A chunk ends early after this long, before its job's lease does, however slowly Stripe answers.
LONGEST_CHUNK: Final = timedelta(seconds=60)


def compare(customer_id: str) -> None:
    """Bring one customer's payment methods in line with Stripe's list of them: added, changed and removed ones.

    The list shows what differs; only that is fetched and judged, by `keeping.upsert`, as if its webhook had come. So a stale update
    never wins, and a second call changes nothing. A customer that was deleted at Stripe is lost here, too. Raises the
    gateway's errors.
    """
    with db.reading() as session:
        stripe_customer = session.get_one(Customer, customer_id).stripe_customer_id
        kept = queries.all_by_method(session, customer_id)
    if stripe_customer is None:
        return
    try:
        listed = {
            method.id: method
            for method in gateway.current().list_methods(stripe_customer)
            if method.type in method_kinds.SAVED
        }
    except gateway.MissingAtStripe:
        stripe_customers.detach_customer(stripe_customer)
        return
    for method_id in sorted(kept.keys() | listed.keys()):
        row, method = kept.get(method_id), listed.get(method_id)
        if row is None or method is None or keeping.changes(row, method):
            keeping.upsert(method_id)


def compare_chunk(day: str, after: str) -> None:
    """Compare the next customers beyond `after`, then leave the job for those behind them: a round, named by its day, reaches all.

    What goes wrong with one customer is logged and does not keep the others waiting; the next round tries again.
    """
    began = clock.now()
    with db.reading() as session:
        chunk = queries.customers_at_stripe(session, after, CUSTOMERS_A_CHUNK)
    for customer_id in chunk:
        try:
            compare(customer_id)
        except Exception as error:  # whatever it was, it concerns this customer alone
            log.warning("payment_methods_not_compared", customer_id=customer_id, exc_info=error)
        after = customer_id
        if clock.now() - began > LONGEST_CHUNK:
            break
    if chunk:
        with db.transaction() as session:
            jobs.compare.enqueue(session, day=day, after=after)
