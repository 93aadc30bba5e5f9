"""Payments that the database has lost, because it was restored from a backup, brought back from what Stripe knows of them.

Everything is taken from the intent: our ids stand in its metadata since it was made, and what a receipt's issue has left there since
(portal.documents.labels) tells under which key an app ordered it. Nothing here makes or confirms anything at Stripe; what nobody can pay
any more, because its page belongs to the time that was lost, is canceled there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import gateway, stripe_sync
from portal.accounts.models import Customer
from portal.core import audit, clock, config, db, recovery
from portal.core.db import new_id
from portal.core.errors import Conflict
from portal.core.money import Money
from portal.core.synced_rows import touch
from portal.gateway import Intent
from portal.invoices.models import Invoice
from portal.jobs import own_jobs
from portal.payment_methods import service as cards
from portal.payments import allocating, jobs, order_rules, queries, statuses
from portal.payments.allocating import Part
from portal.payments.intents import KIND, UnderReview, refresh
from portal.payments.models import Confirmation, Payment, PaymentStep, PlacedOrder
from portal.payments.order_rules import LABELS, OWN_NAMES, Item
from portal.payments.statuses import Duplicate, PaymentStatus

log = structlog.get_logger(__name__)

# Why an intent of ours cannot be brought back: codes of discrepancies, which portal.reconciliation.messages says to a person.
CUSTOMER_UNKNOWN: Final = "lost_customer"
INVOICE_UNKNOWN: Final = "lost_invoice"
AMOUNT_DIFFERS: Final = "lost_amount"
OTHER_PAYMENT: Final = "lost_second"
CUSTOMER_DIFFERS: Final = "lost_stripe_customer"
LOST: Final = (CUSTOMER_UNKNOWN, INVOICE_UNKNOWN, AMOUNT_DIFFERS, OTHER_PAYMENT, CUSTOMER_DIFFERS)

# Where an intent is looked for that was made for a row without one, before the row's time by our clock. Clocks differ.
LISTED_BEFORE: Final = timedelta(hours=1)
# Of one customer there are few.
LISTED_AT_LEAST: Final = timedelta(days=35)
_ID: Final = re.compile(r"pay_[0-9a-z]{26}")


# Noticing


def notice_loss(intent: Intent) -> bool:
    """Stripe has an intent that was made for a customer of ours, and no row knows its payment: the database went back in time.

    Recovery mode begins, unless an earlier one has seen the intent: what could not be brought back then is a discrepancy. False for
    what is none of ours.
    """
    if intent.livemode != config.current().livemode:
        return False
    with db.transaction() as session:
        if session.get(Customer, intent.metadata.get("customer_id", "")) is None:
            return False
        seen_to = recovery.last_begun(session)
        if seen_to is not None and intent.created <= seen_to:
            return False
        if recovery.begin(session, recovery.STRIPE, {"intent": intent.id}):
            own_jobs.tend_recovery.enqueue(session)
        return True


def refuse_lost(customer_id: str, invoice_id: str) -> None:
    """Before a card is charged without its holder: Stripe shows no payment of the invoice that no row knows.

    A mark outside of the database tells the same sooner, where one is kept. Raises recovery.InRecovery, which begins with it; UnderReview
    for a payment that an earlier recovery could not bring back; and the gateway's errors.
    """
    with db.reading() as session:
        invoice = session.get_one(Invoice, invoice_id)
        at_stripe = session.get_one(Customer, customer_id).stripe_customer_id
    if at_stripe is None:
        return
    since = min(invoice.created_at, clock.now() - LISTED_AT_LEAST) - LISTED_BEFORE
    for intent in gateway.current().list_intents(created_from=since, created_to=clock.now(), customer_id=at_stripe):
        if invoice_id not in _paid_by(intent) or intent.status == PaymentStatus.CANCELED:
            continue
        with db.reading() as session:
            is_known = session.get(Payment, intent.metadata.get("payment_id", "")) is not None
        if not is_known:
            raise recovery.InRecovery if notice_loss(intent) else UnderReview


# Bringing back


def bring_back(intent: Intent) -> str:
    """Make an intent that names a payment which no row knows a payment again, with its posting, its invoice paid, and its jobs.

    Returns an empty text, or why it cannot be done (see above); nothing was changed then. What was never paid is canceled at Stripe
    instead. A second call changes nothing. Raises the gateway's errors.
    """
    with db.reading() as session:
        why_not = _why_not(session, intent)
    if why_not == CUSTOMER_UNKNOWN:
        return why_not  # it may be another system's: nothing of it is touched
    if intent.status in statuses.WAITING_FOR_CUSTOMER:
        intent = cancel_lost(intent)
    if intent.status == PaymentStatus.CANCELED:
        return ""
    with db.reading() as session:
        live = queries.live_of_invoices(session, list(_paid_by(intent)))
    if why_not:
        return why_not
    if intent.customer_id and not cards.link_customer(intent.metadata["customer_id"], intent.customer_id):
        return CUSTOMER_DIFFERS
    others = [closed for one in live if (closed := _closed(one, intent)) is not None]
    if any(one.status != PaymentStatus.SUCCEEDED for one in others):
        return OTHER_PAYMENT
    stripe_sync.adopt(KIND, _record(intent, {invoice_id for one in others for invoice_id in one.amounts}), intent)
    return ""


def cancel_lost(intent: Intent) -> Intent:
    """Cancel an intent of the time that was lost, so that nobody pays it any more; one that was paid at this very moment comes back so."""
    try:
        return gateway.current().cancel_intent(intent.id, f"cancel_lost:{intent.id}")
    except (gateway.UnexpectedState, gateway.KeptFailure):
        return gateway.current().retrieve_intent(intent.id)


def _why_not(session: Session, intent: Intent) -> str:
    named = intent.metadata
    customer = session.get(Customer, named.get("customer_id", ""))
    if customer is None or not _ID.fullmatch(named.get("payment_id", "")):
        return CUSTOMER_UNKNOWN
    try:
        amounts = allocating.read_labels(named, intent.amount)
    except ValueError:
        return INVOICE_UNKNOWN
    for invoice_id, amount in amounts.items():
        invoice = session.get(Invoice, invoice_id)
        if invoice is None or invoice.customer_id != customer.id:
            return INVOICE_UNKNOWN
        if amount.currency != invoice.currency or amount > invoice.total:
            return AMOUNT_DIFFERS
    return ""


def _paid_by(intent: Intent) -> dict[str, Money]:
    """What an intent pays of each invoice, by its id; nothing where it pays none, or what it says cannot be read."""
    try:
        return allocating.read_labels(intent.metadata, intent.amount)
    except ValueError:
        return {}


def _closed(live: Payment, intent: Intent) -> Payment | None:
    """The payment that the backup has of the same invoice, at its end if it can be brought there; None when it is canceled.

    Its intent may have been made after the backup: then it is found by its metadata. Where there is none, the row is given up, since
    nothing was ever charged for it.
    """
    if live.stripe_intent_id is None:
        listed = gateway.current().list_intents(
            created_from=live.created_at - LISTED_BEFORE, created_to=clock.now(), customer_id=intent.customer_id
        )
        found = next((one for one in listed if one.metadata.get("payment_id") == live.id), None)
        if found is None:
            _give_up(live.id)
            return None
        stripe_sync.adopt(KIND, live.id, found)
    current = refresh(live.id)
    if current.status in statuses.WAITING_FOR_CUSTOMER:
        cancel_lost(current)
        refresh(live.id)
    with db.reading() as session:
        row = session.get_one(Payment, live.id, options=[queries.WITH_INVOICES])
    return None if row.status == PaymentStatus.CANCELED else row


def _give_up(payment_id: str) -> None:
    """Cancel a row that has no intent; what was to be sent for it is not sent any more."""
    with db.transaction() as session:
        payment = stripe_sync.locked(KIND, session, payment_id)
        if payment.stripe_intent_id is not None or payment.status in statuses.FINAL:
            raise Conflict
        payment.status = PaymentStatus.CANCELED
        allocating.release(session, payment, clock.now())
        touch(payment)
        session.add(PaymentStep.of(payment))
        unanswered = update(Confirmation).where(
            Confirmation.payment_id == payment_id, Confirmation.answered_at.is_(None)
        )
        session.execute(unanswered.values(answered_at=clock.now()))
        facts = {"before": PaymentStatus.CREATED, "after": PaymentStatus.CANCELED}
        audit.record(session, "payment.status", payment.id, facts, customer_id=payment.customer_id)


def _record(intent: Intent, paid: Collection[str]) -> str:
    """The row as it was; returns its id, also on a second call.

    An invoice has one payment that succeeded, those that are `paid` have another one: what a second one has taken goes back by itself, as
    it would have without the loss. Where a part of it was for others, that part pays them, and staff are told of the rest.
    """
    named, amounts = intent.metadata, _paid_by(intent)
    is_second = bool(amounts) and amounts.keys() <= set(paid)
    with db.transaction() as session:
        session.execute(select(Customer.id).where(Customer.id == named["customer_id"]).with_for_update(key_share=True))
        payment_id = named["payment_id"]
        if session.get(Payment, payment_id) is not None:
            return payment_id
        parts = [Part(session.get_one(Invoice, one), amount) for one, amount in amounts.items() if not is_second]
        payment = Payment(
            id=payment_id,
            customer_id=named["customer_id"],
            has_invoices=bool(parts),
            allocations=allocating.rows_of(parts),
            client_key=f"second:{intent.id}" if is_second else _client_key(session, intent),
            duplicate=Duplicate.SECOND_INTENT if is_second else None,
            amount_minor=intent.amount.minor,
            currency=intent.amount.currency,
            description=intent.description,
            items=_items(intent),
            extra={name: value for name, value in named.items() if name not in OWN_NAMES},
            save_card=intent.setup_future_usage is not None,
            status=PaymentStatus.CREATED,
            attempt=1,
            version=1,
            created_at=intent.created,
            updated_at=clock.now(),
        )
        for one in payment.allocations:
            one.released_at = clock.now() if one.invoice_id in paid else None
        session.add(payment)
        session.flush()
        session.add(PaymentStep.of(payment))
        _record_order(session, payment, intent)
        facts = {"intent": intent.id, "amount": str(intent.amount), **allocating.named(parts)}
        audit.record(session, "payment.brought_back", payment.id, facts, customer_id=payment.customer_id)
        jobs.follow_up.enqueue(session, payment_id=payment.id)
        if is_second:
            jobs.return_duplicate.enqueue(session, payment_id=payment.id)
        log.warning("payment_brought_back", payment_id=payment.id, intent_id=intent.id)
        return payment_id


def _client_key(session: Session, intent: Intent) -> str:
    """The key of its form or its order, so that the same one sent again pays nothing again; one of ours where nobody wrote it down."""
    key = intent.metadata.get("client_key", "")
    taken = not key or queries.by_client_key(session, intent.metadata["customer_id"], key) is not None
    return f"restored:{intent.id}" if taken else key


def _record_order(session: Session, payment: Payment, intent: Intent) -> None:
    fingerprint = intent.metadata.get("order_fingerprint", "")
    if not fingerprint or queries.order_by_key(session, payment.customer_id, payment.client_key) is not None:
        return
    session.add(
        PlacedOrder(
            id=new_id("ord"),
            customer_id=payment.customer_id,
            client_key=payment.client_key,
            payment_id=payment.id,
            fingerprint=fingerprint,
            method=intent.metadata.get("order_method") or None,
            created_at=payment.created_at,
        )
    )
    session.flush()


# What is written at Stripe for such a day


def labels(session: Session, payment: Payment) -> dict[str, str]:
    """What only our database knows of a payment, as entries of its intent's metadata; `bring_back` reads them."""
    found = {"client_key": payment.client_key}
    order = queries.order_by_key(session, payment.customer_id, payment.client_key)
    if order is not None:
        found |= {"order_fingerprint": order.fingerprint, "order_method": order.method or ""}
    written = json.dumps(payment.items, ensure_ascii=True, separators=(",", ":")) if payment.items else ""
    size = order_rules.LONGEST_VALUE
    parts = [written[at : at + size] for at in range(0, len(written), size)]
    if len(parts) <= LABELS:  # a longer list is not cut: it is left out whole
        found |= {f"items_{number}": part for number, part in enumerate(parts, 1)}
    return found


def _items(intent: Intent) -> list[dict[str, Any]]:
    written = "".join(intent.metadata.get(f"items_{number}", "") for number in range(1, LABELS + 1))
    try:
        return [Item(**item).to_json() for item in json.loads(written)] if written else []
    except (ValueError, TypeError):
        return []
