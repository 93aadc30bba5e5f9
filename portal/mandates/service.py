"""Automatic payment: switched on and off by the customer, and carried out by the worker.

What happens to an invoice of a customer with a mandate, each step in a transaction of its own:

    sweep         finds what is due, every few minutes: notices, attempts, and what was paid elsewhere
    send_notice   writes the Collection; the mail of the notice fixes the day, and nothing is charged before policy.NOTICE after it
    collecting.collect    charges the default payment method on its day, and writes down what came of it

Locks are taken in this order: mandate, collection, invoice, audit head.
"""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import customer_access
from portal.accounts import queries as accounts
from portal.core import audit, clock, company_days, config, db
from portal.core.db import new_id
from portal.core.errors import N_, Conflict
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.mandates import collecting, jobs, policy, queries, statuses
from portal.mandates.models import Collection, Mandate
from portal.mandates.statuses import CollectionStatus
from portal.payment_methods import queries as methods

log = structlog.get_logger(__name__)

# Of one sweep: so many rows at a time, and so many times; what is left waits for the next one.
BATCH: Final = 200
MOST_BATCHES: Final = 20


class NoMethod(Conflict):
    code = "no_default_payment_method"
    message = N_("Please add a payment method first: automatic payments use your default one.")


class TermsChanged(Conflict):
    code = "terms_changed"
    message = N_("The wording of the agreement has changed. Please read it again before you agree.")


# The customer's part


def switch_on(customer_id: str, user_id: str, *, ip: str, locale: str, agreed: str) -> Mandate:
    """Give the mandate, in the words that `agreed` (policy.digest) names; they are kept as they were shown, with date and address.

    A second call changes nothing and returns the mandate in force. Raises NoMethod without a default that can be charged, and TermsChanged
    when other words were shown.
    """
    sentences = policy.terms(config.current().company.name, locale)
    with db.transaction() as session:
        accounts.customer(session, customer_id, lock=True)
        known = queries.in_force(session, customer_id, lock=True)
        if known is not None and known.any_kind:
            return known
        if agreed != policy.digest(sentences):
            raise TermsChanged
        if methods.default_method(session, customer_id) is None:
            raise NoMethod
        if known is not None:  # its words speak of cards alone, and these replace it
            _end(session, known, user_id)
        mandate = Mandate(
            id=new_id("mnd"),
            customer_id=customer_id,
            given_by=user_id,
            given_at=clock.now(),
            ip=ip[:45],
            language=locale,
            terms="\n".join(sentences),
            any_kind=True,
        )
        session.add(mandate)
        session.flush()
        audit.record(session, "mandate.given", mandate.id, {"terms": agreed}, customer_id=customer_id)
        jobs.mail_switched.enqueue(session, mandate_id=mandate.id, on=1)
        jobs.sweep.enqueue(session)
    return mandate


def switch_off(customer_id: str, user_id: str) -> None:
    """End the mandate: nothing is begun under it any more. A second call changes nothing."""
    with db.transaction() as session:
        end(session, customer_id, user_id)


@customer_access.ended_with_customer
def end(session: Session, customer_id: str, user_id: str | None) -> None:
    """Likewise, in the caller's transaction: also when the customer is deactivated, which the company's own systems do without a user."""
    mandate = queries.in_force(session, customer_id, lock=True)
    if mandate is not None:
        _end(session, mandate, user_id)
        jobs.mail_switched.enqueue(session, mandate_id=mandate.id, on=0)


def _end(session: Session, mandate: Mandate, user_id: str | None) -> None:
    mandate.ended_at = clock.now()
    mandate.ended_by = user_id
    session.flush()
    audit.record(session, "mandate.ended", mandate.id, customer_id=mandate.customer_id)
    for row in session.execute(
        select(Collection)
        .where(Collection.mandate_id == mandate.id, Collection.status.in_(statuses.ACTIVE), ~Collection.is_trying)
        .with_for_update()
    ).scalars():
        collecting.end(session, row, CollectionStatus.CANCELED)


# The worker's part: what is due


def sweep() -> None:
    """Find what is due and leave a job for each; any number may run beside each other. A second run finds nothing more."""
    for _ in range(MOST_BATCHES):
        with db.reading() as session:
            elsewhere = queries.settled_elsewhere(session, BATCH)
        for collection_id in elsewhere:
            collecting.close_if_settled(collection_id)
        if len(elsewhere) < BATCH:
            break
    for _ in range(MOST_BATCHES):
        with db.reading() as session:
            unannounced = queries.to_be_announced(session, BATCH)
        for invoice_id, customer_id in unannounced:
            send_notice(invoice_id, customer_id)
        if len(unannounced) < BATCH:
            break
    _leave_attempts()


def _leave_attempts() -> None:
    """A job for each collection whose time has come; one an hour, should the one before have died."""
    now, after = clock.now(), None
    for _ in range(MOST_BATCHES):
        with db.transaction() as session:
            found = queries.due(session, now, after, BATCH)
            for _moment, collection_id in found:
                jobs.collect.enqueue(session, collection_id=collection_id, hour=f"{now:%Y%m%d%H}")
        if len(found) < BATCH:
            return
        after = found[-1]


def send_notice(invoice_id: str, customer_id: str) -> None:
    """Begin the collection of an open invoice under the mandate in force. A second call, or one that comes too late, does nothing."""
    with db.transaction() as session:
        mandate = queries.in_force(session, customer_id, lock=True)
        if mandate is None:
            return
        try:
            invoice = invoices.lock_payable(session, invoice_id, customer_id)
        except Conflict:
            return
        known = session.execute(
            select(Collection.id).where(Collection.mandate_id == mandate.id, Collection.invoice_id == invoice_id)
        ).first()
        if known is not None:
            return
        now = clock.now()
        day = policy.charge_day(invoice.due_on, now)
        row = Collection(
            id=new_id("col"),
            mandate_id=mandate.id,
            customer_id=customer_id,
            invoice_id=invoice_id,
            status=CollectionStatus.ANNOUNCED,
            charge_on=day,
            next_attempt_at=company_days.begins(day),
            attempts=0,
            is_trying=False,
            created_at=now,
            updated_at=now,
        )
        session.add(row)
        session.flush()
        audit.record(session, "collection.announced", row.id, {"invoice": invoice.number}, customer_id=customer_id)
        jobs.mail_notice.enqueue(session, collection_id=row.id)


@invoices.on_due_again
def _end_collections_of(session: Session, invoice: Invoice) -> None:
    """More is due than the notice said, so this invoice is not charged by itself any more: its customer pays it by hand."""
    rows = select(Collection).where(Collection.invoice_id == invoice.id, Collection.status.in_(statuses.ACTIVE))
    for row in session.scalars(rows.with_for_update()):
        collecting.end(session, row, CollectionStatus.CANCELED)


def schedule(collection_id: str) -> Collection | None:
    """The collection whose notice is sent now, with the day that the notice names; None when it needs no notice (any more)."""
    with db.transaction() as session:
        row = collecting.locked(session, collection_id)
        if row.status != CollectionStatus.ANNOUNCED or row.noticed_at is not None:
            return None
        invoice = session.get_one(Invoice, row.invoice_id)
        row.charge_on = policy.charge_day(invoice.due_on, clock.now())
        row.next_attempt_at = company_days.begins(row.charge_on)
    with db.reading() as session:
        return queries.collection(session, collection_id)


def mark_noticed(collection_id: str) -> None:
    """The notice is out: from its day on, and not before NOTICE, the money may be collected. A second call keeps the first moment."""
    with db.transaction() as session:
        row = collecting.locked(session, collection_id)
        if row.noticed_at is None:
            row.noticed_at = clock.now()
            row.next_attempt_at = policy.charged_from(row.charge_on, row.noticed_at)
