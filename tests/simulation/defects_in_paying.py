"""Defects in the way of a payment, and the smallest tests that must notice each."""

from __future__ import annotations

from typing import Final

from tests.simulation.defects import Change, Defect, defect

CRASHES: Final = "tests/payments/test_crash_points.py::"
PAYING: Final = "tests/payments/test_paying.py::"
PRESSES: Final = "tests/payments/test_saved_cards.py::"
ORDERS: Final = "tests/payments/test_placing_orders.py::"
ACCIDENTS: Final = "tests/payments/test_order_accidents.py::"
REFUSALS: Final = "tests/payments/test_order_refusals.py::"
DECIDING: Final = "tests/refunds/test_asking_and_deciding.py::"
EXECUTING: Final = "tests/refunds/test_executing.py::"
LEDGER: Final = "tests/core/test_ledger.py::"
EXPIRY: Final = "tests/simulation/test_key_expiry.py::"
MODEL: Final = "tests/simulation/test_state_machine.py::"

TOLD: Final = "tests/payments/test_told.py::"
CANCELING: Final = "tests/payments/test_canceling.py::"

INTENTS_PY: Final = "portal/payments/intents.py"
STRIPE_SYNC_PY: Final = "portal/stripe_sync.py"
KEYED_CALLS_PY: Final = "portal/gateway/keyed_calls.py"
SETTLING_PY: Final = "portal/payments/settling.py"
ALLOCATING_PY: Final = "portal/payments/allocating.py"
CONFIRMING_PY: Final = "portal/payments/confirming.py"
CANCELING_PY: Final = "portal/payments/canceling.py"
ORDERS_PY: Final = "portal/payments/orders.py"
EXECUTING_PY: Final = "portal/refunds/executing.py"

KEYS: Final = (
    defect(
        "a payment's key is new each time",
        "P1",
        INTENTS_PY,
        "KIND",
        'f"payment:{payment.id}:{payment.attempt}"',
        'f"payment:{clock.now()}"',
        f"{CRASHES}test_the_answer_to_the_creation_is_lost_and_the_same_key_finds_the_intent",
    ),
    defect(
        "a confirmation's key is new each time",
        "P1",
        CONFIRMING_PY,
        "_send",
        "confirmation.id",
        "clock.now()",
        f"{ACCIDENTS}test_declined_and_dead_before_it_is_recorded_the_bank_is_not_asked_again",
    ),
    defect(
        "a refund's key is new each time",
        "P5",
        EXECUTING_PY,
        "KIND",
        'f"refund:{row.id}:{row.attempt}"',
        'f"refund:{clock.now()}"',
        f"{EXECUTING}test_a_lost_answer_is_found_under_the_same_key",
    ),
    defect(
        "a key is taken for remembered for ever",
        "P1",
        "portal/core/idempotency.py",
        "is_safe",
        "now - first_used < timedelta(seconds=KEY_SAFE_SECONDS)",
        "True",
        f"{EXECUTING}test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched",
    ),
    defect(
        "a key is trusted for longer than Stripe keeps it",
        "P1",
        "portal/core/idempotency.py",
        "KEY_SAFE_SECONDS",
        "23",
        "26",
        f"{EXPIRY}test_a_refund_that_was_not_answered",
    ),
    defect(
        "a refund is sent again without a look at Stripe's list",
        "P5",
        KEYED_CALLS_PY,
        "call_once",
        """
        if not call.is_fresh:
            return call.look_up()
        """,
        "",
        f"{EXECUTING}test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched",
    ),
    defect(
        "a payment is made anew without a look at Stripe's list",
        "P1",
        STRIPE_SYNC_PY,
        "_look_up",
        "kind.find(row)",
        "None",
        f"{CRASHES}test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched",
    ),
    defect(
        "what is sent under a key is made anew each time",
        "P1",
        STRIPE_SYNC_PY,
        "_send",
        "row.sent or {}",
        "kind.prepare(row)",
        "tests/payments/test_stripe_sync.py::test_what_is_sent_is_frozen_with_its_key",
    ),
    defect(
        "a lost intent of another payment of this customer is adopted",
        "P3",
        INTENTS_PY,
        "_find_at_stripe",
        '(intent for intent in listed if intent.metadata.get("payment_id") == payment.id)',
        "(intent for intent in listed)",
        f"{CRASHES}test_a_lost_intent_is_not_taken_for_that_of_the_customers_other_payment",
    ),
    defect(
        "a confirmation is sent again after its key's life",
        "P1",
        CONFIRMING_PY,
        "finish",
        "in_time and idempotency.is_safe(confirmation.key_used_at, now) and not payment.review_reason",
        "in_time and not payment.review_reason",
        f"{PRESSES}test_after_the_keys_life_it_is_looked_up_and_never_sent_again",
    ),
    defect(
        "a press is sent when its customer has long left",
        "P1",
        CONFIRMING_PY,
        "finish",
        "confirmation.off_session or clock.now() - confirmation.created_at < PRESENT_FOR",
        "True",
        f"{PRESSES}test_a_press_that_did_not_arrive_is_not_sent_when_its_customer_has_long_left",
    ),
    defect(
        "a second press begins while the first has no answer",
        "P1",
        CONFIRMING_PY,
        "record",
        "queries.by_press(session, payment.customer_id, client_key) or queries.unanswered(session, payment_id)",
        "queries.by_press(session, payment.customer_id, client_key)",
        f"{PRESSES}test_while_one_has_no_answer_the_next_press_finishes_that_one",
    ),
)

SETTLING: Final = (
    defect(
        "a stale update is settled",
        "P7",
        STRIPE_SYNC_PY,
        "settle",
        "row.version != seen_version",
        "row.version < seen_version",
        f"{PAYING}test_an_old_answer_never_overwrites_a_newer_one",
    ),
    defect(
        "a status only rises",
        "P7",
        SETTLING_PY,
        "apply",
        "_change(session, payment, intent)",
        """
        if payment.status in statuses.WAITING_FOR_CUSTOMER | {PaymentStatus.CREATED} or intent.status in statuses.FINAL:
            _change(session, payment, intent)
        """,
        f"{MODEL}test_a_fall_back_is_no_stale_update",
    ),
    defect(
        "what does not fit is settled",
        "P3",
        STRIPE_SYNC_PY,
        "_apply",
        "kind.differs(session, row, found)",
        '""',
        f"{PAYING}test_an_intent_that_does_not_fit_holds_the_payment_for_review",
    ),
    defect(
        "another customer's intent is settled",
        "P3",
        SETTLING_PY,
        "mismatch",
        "intent.customer_id not in payment_methods.stripe_customers_of(session, payment.customer_id)",
        "intent.customer_id is None",
        f"{PAYING}test_an_intent_that_does_not_fit_holds_the_payment_for_review",
    ),
    defect(
        "what was received is not looked at",
        "P3",
        SETTLING_PY,
        "mismatch",
        "intent.status == PaymentStatus.SUCCEEDED and intent.amount_received != payment.amount",
        "intent.amount_received.currency != payment.currency",
        f"{MODEL}test_what_does_not_fit_is_left_to_staff",
    ),
    defect(
        "an intent of the other mode is settled",
        "P3",
        SETTLING_PY,
        "mismatch",
        "intent.livemode != config.current().livemode",
        "intent.livemode is None",
        f"{MODEL}test_what_does_not_fit_is_left_to_staff",
    ),
    defect(
        "what contradicts a final state is not noticed",
        "P3",
        SETTLING_PY,
        "mismatch",
        "payment.status in statuses.FINAL",
        "payment.status == PaymentStatus.SUCCEEDED",
        f"{MODEL}test_every_pair_of_statuses",
    ),
    defect(
        "an unknown status is taken for paid",
        "P3",
        SETTLING_PY,
        "_change",
        """
        if intent.status == PaymentStatus.SUCCEEDED:
            _succeed(session, payment, intent)
        """,
        """
        if intent.status not in statuses.OPEN_AT_STRIPE | {PaymentStatus.CANCELED}:
            _succeed(session, payment, intent)
        """,
        f"{MODEL}test_an_unknown_status_is_never_taken_for_paid",
    ),
    Defect(
        "the receipt's job is left after the transaction",
        "P2",
        (
            Change(
                SETTLING_PY,
                "_succeed",
                "jobs.issue_receipt.enqueue(session, payment_id=payment.id)",
                "",
            ),
            Change(
                INTENTS_PY,
                "refresh",
                "return stripe_sync.refresh(KIND, payment_id)",
                """
                intent = stripe_sync.refresh(KIND, payment_id)
                if intent.status == PaymentStatus.SUCCEEDED:
                    from portal.core import db
                    from portal.payments import jobs

                    with db.transaction() as session:
                        jobs.issue_receipt.enqueue(session, payment_id=payment_id)
                return intent
                """,
            ),
        ),
        (f"{MODEL}test_a_payment_succeeds_with_all_that_belongs_to_it_or_not_at_all",),
    ),
    Defect(
        "the invoice is paid after the transaction",
        "P2",
        (
            Change(
                SETTLING_PY,
                "_succeed",
                "allocating.settle(session, payment, payment.succeeded_at)",
                "pass",
            ),
            Change(
                INTENTS_PY,
                "refresh",
                "return stripe_sync.refresh(KIND, payment_id)",
                """
                from portal.core import db
                from portal.payments import allocating

                intent = stripe_sync.refresh(KIND, payment_id)
                with db.transaction() as session:
                    payment = stripe_sync.locked(KIND, session, payment_id)
                    if payment.has_succeeded and payment.has_invoices:
                        allocating.settle(session, payment, payment.succeeded_at)
                return intent
                """,
            ),
        ),
        (f"{MODEL}test_a_payment_succeeds_with_all_that_belongs_to_it_or_not_at_all",),
    ),
    defect(
        "the fee that comes later is not booked",
        "P8",
        SETTLING_PY,
        "apply",
        "_book_fee(session, payment, intent)",
        "pass",
        f"{PAYING}test_the_fee_is_booked_once_when_stripe_tells_it_later",
    ),
    defect(
        "what was paid twice is kept",
        "P5",
        ALLOCATING_PY,
        "settle",
        "jobs.return_duplicate.enqueue(session, payment_id=payment.id)",
        "",
        f"{EXECUTING}test_an_invoice_that_was_paid_otherwise_when_the_money_arrived_is_given_back",
    ),
    defect(
        "a second intent of a payment is not noticed",
        "P1",
        STRIPE_SYNC_PY,
        "adopt",
        """
        if known not in {None, found.id}:
            raise kind.under_review
        """,
        "",
        f"{EXECUTING}test_money_that_a_second_intent_has_taken_goes_back_by_itself",
    ),
    defect(
        "a movement is booked as often as it is told",
        "P8",
        "portal/ledger/postings.py",
        "post",
        "reference",
        'f"{reference}:{new_id(kind)}"',
        f"{LEDGER}test_a_movement_is_booked_once_however_often_it_is_told",
    ),
)

REQUESTS: Final = (
    defect(
        "an app says what an invoice comes to",
        "P1",
        ORDERS_PY,
        "_check_amount_due",
        "order.amount != invoice.amount_due",
        "order.amount > invoice.amount_due",
        f"{REFUSALS}test_an_invoice_says_itself_what_is_paid",
    ),
    defect(
        "a key of another order repeats that one",
        "P1",
        ORDERS_PY,
        "_placed_before",
        """
        if placed.fingerprint != order.fingerprint:
            raise KeyReused
        """,
        "",
        f"{ORDERS}test_a_key_is_for_one_order",
    ),
    defect(
        "an order is written down after what it begins",
        "P6",
        ORDERS_PY,
        "_place",
        "payment.extra = dict(order.metadata)",
        """
        payment.extra = dict(order.metadata)
        session.commit()
        """,
        f"{ACCIDENTS}test_dead_before_the_order_is_written_nothing_is_left_of_it",
    ),
    defect(
        "another customer's payment is shown",
        "P9",
        "portal/payments/queries.py",
        "for_customer",
        "select(Payment).where(Payment.id == payment_id, Payment.customer_id == customer_id)",
        "select(Payment).where(Payment.id == payment_id)",
        "tests/api/test_access.py",
    ),
    defect(
        "another customer's card is charged",
        "P9",
        "portal/payment_methods/queries.py",
        "for_customer",
        """
        select(PaymentMethod).where(
            PaymentMethod.id == payment_method_id, PaymentMethod.customer_id == customer_id, PaymentMethod.removed_at.is_(None)
        )
        """,
        "select(PaymentMethod).where(PaymentMethod.id == payment_method_id, PaymentMethod.removed_at.is_(None))",
        f"{PRESSES}test_someone_elses_card_and_invoice_are_not_found_and_stripe_hears_nothing",
    ),
    defect(
        "another customer's invoice is paid",
        "P9",
        "portal/invoices/service.py",
        "lock_open",
        "lock(session, invoice_id, customer_id)",
        "lock(session, invoice_id)",
        f"{PAYING}test_an_invoice_of_someone_else_is_not_found_and_stripe_is_not_called",
    ),
    defect(
        "another customer's receipt is shown",
        "P9",
        "portal/documents/queries.py",
        "for_customer",
        "select(Document).where(Document.id == document_id, Document.customer_id == customer_id)",
        "select(Document).where(Document.id == document_id)",
        "tests/documents/test_pages.py",
    ),
    defect(
        "another customer's payment is refunded",
        "P9",
        "portal/refunds/settling.py",
        "lock_payment",
        "Payment.customer_id == customer_id",
        "Payment.customer_id.is_not(None)",
        f"{DECIDING}test_someone_elses_payment_and_refund_are_not_found",
    ),
)

TELLING: Final = (
    defect(
        "a charge without an answer is told as it was before",
        "P1",
        "portal/payments/statuses.py",
        "public_status",
        "PaymentStatus.PROCESSING if is_unanswered else status",
        "status",
        f"{TOLD}test_each_state_is_told_alike_everywhere",
    ),
    defect(
        "the same is ordered again while it may still be charged",
        "P1",
        ORDERS_PY,
        "_place",
        "amount is not None and not order.allow_duplicate",
        "amount is None",
        f"{TOLD}test_the_same_again_is_refused_exactly_while_money_may_move",
    ),
    defect(
        "a decline is told to systems while a try has no answer",
        "P1",
        SETTLING_PY,
        "_has_failed",
        "is_refused(payment) and queries.unanswered(session, payment.id) is None",
        "is_refused(payment)",
        f"{TOLD}test_a_decline_is_told_to_systems_when_the_try_is_answered_and_once",
    ),
    defect(
        "what waits is canceled under one key for ever",
        "P1",
        STRIPE_SYNC_PY,
        "cancel",
        "new_id(key)",
        "key",
        f"{CANCELING}test_a_500_that_stripe_keeps_stands_in_nobodys_way",
    ),
    defect(
        "a payment that succeeds while it is canceled is not settled",
        "P2",
        CANCELING_PY,
        "cancel",
        "return stripe_sync.cancel(KIND, payment_id).status",
        """
        stripe_sync.cancel(KIND, payment_id)
        return PaymentStatus.CANCELED
        """,
        f"{CANCELING}test_a_success_that_arrives_meanwhile_wins_and_is_told",
    ),
    defect(
        "what is being processed counts as due",
        "P1",
        "portal/payments/queries.py",
        "_is_being_charged",
        "_has_live(has_public_status('processing'))",
        "_has_live(Payment.status == CREATED, Payment.status != CREATED)",
        "tests/mandates/test_standing.py::test_each_state_stands_so_and_is_counted_and_told_so",
    ),
)

ALL: Final = KEYS + SETTLING + REQUESTS + TELLING
