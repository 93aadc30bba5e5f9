"""The way of a payment: record the intent to pay, make it known at Stripe, record what Stripe says.

The payment-processor of the seed documents. No transaction is open while Stripe is asked, and the id of an intent is committed
before the intent can take money; so a crash at any line leaves a row from which the rest can be found out:

    start_…      transaction A: the row, its audit event and the follow-up job
    ensure_confirmable      Stripe: create the intent under a key made from the row; transaction B: its id
    (browser)    Stripe: the customer confirms, with 3-D Secure where the bank asks
    refresh      Stripe: fetch the intent; transaction C: settle

Webhooks, the page after paying, and the follow-up job all end in `refresh`, and `settle` is the only place where a status changes.
The phases up to the browser's stand in `starting`; `processing` pays for apps, and confirms from here when they say with what.
"""

from portal.payments.canceling import cancel, cancel_waiting
from portal.payments.card_testing import begin as begin_with_new_card
from portal.payments.card_testing import count_declined_charge
from portal.payments.confirming import CardGone, pay_other_with_card, pay_with_card
from portal.payments.following import cancel_pending, end_card_testing, follow_up, requeue_lost_jobs, sync, sync_intent
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
    start_for_invoice,
)
from portal.payments.order_rules import Item, Order
from portal.payments.orders import KeyReused, OrderResult, current, process
from portal.payments.restoring import LOST, bring_back, cancel_lost, labels
from portal.payments.settling import has_changes, mismatch

__all__ = [
    "LOST",
    "AlreadyPaid",
    "CardGone",
    "InProgress",
    "Item",
    "KeyReused",
    "Order",
    "OrderResult",
    "Started",
    "UnderReview",
    "Unresolved",
    "begin_with_new_card",
    "bring_back",
    "cancel",
    "cancel_lost",
    "cancel_pending",
    "cancel_waiting",
    "check_limits",
    "count_declined_charge",
    "current",
    "end_card_testing",
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
    "start_for_invoice",
    "sync",
    "sync_intent",
]
