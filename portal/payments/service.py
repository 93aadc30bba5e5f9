"""Payments, as pages, jobs and other features use them.

- `intents`: a payment's row, and its intent at Stripe, ready to be confirmed in a browser.
- `allocating`: which invoices a payment is for, and how much of each.
- `orders`: paying from an app, with one call; `order_rules` says what an order may be.
- `confirming`: charging a card from here: for an order, for one press on an invoice, and for automatic payment.
- `following`: what becomes of a payment, for Stripe's events, pages that wait, and the worker.
- `debits`: what a direct debit does to the books until its bank has answered.
- `settling`: what Stripe says is taken over; the only place where a status changes.
- `canceling`: calling off what its customer has not finished.
- `restoring`: what the database has lost, brought back from Stripe.

No transaction is open while Stripe is asked, and the id of an intent is committed before the intent can take money; so a crash at any
line leaves a row from which the rest can be found out. docs/architecture.md tells the ways.
"""

from portal.payments.canceling import cancel, cancel_waiting, end_others
from portal.payments.confirming import CardGone, pay_other_with_card, pay_with_card
from portal.payments.following import (
    cancel_pending,
    count_declined_charge,
    end_card_testing,
    follow_up,
    requeue_lost_jobs,
    sync,
    sync_debit,
    sync_intent,
)
from portal.payments.intents import (
    AlreadyPaid,
    InProgress,
    Started,
    UnderReview,
    Unresolved,
    check_limits,
    ensure_confirmable,
    record_custom_payment,
    refresh,
    start,
    start_for_invoice,
)
from portal.payments.order_rules import MOST_INVOICES, Item, Order, Share, whole
from portal.payments.orders import KeyReused, OrderResult, current, process
from portal.payments.restoring import LOST, bring_back, cancel_lost, labels
from portal.payments.settling import has_changes, mismatch

__all__ = [
    "LOST",
    "MOST_INVOICES",
    "AlreadyPaid",
    "CardGone",
    "InProgress",
    "Item",
    "KeyReused",
    "Order",
    "OrderResult",
    "Share",
    "Started",
    "UnderReview",
    "Unresolved",
    "bring_back",
    "cancel",
    "cancel_lost",
    "cancel_pending",
    "cancel_waiting",
    "check_limits",
    "count_declined_charge",
    "current",
    "end_card_testing",
    "end_others",
    "ensure_confirmable",
    "follow_up",
    "has_changes",
    "labels",
    "mismatch",
    "pay_other_with_card",
    "pay_with_card",
    "process",
    "record_custom_payment",
    "refresh",
    "requeue_lost_jobs",
    "start",
    "start_for_invoice",
    "sync",
    "sync_debit",
    "sync_intent",
    "whole",
]
