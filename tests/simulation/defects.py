"""Defects that somebody could make: each a small change of our own code, and the smallest tests that must notice it.

They are applied by `mutants`. A place is named by its text, which must stand exactly once in its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CRASHES: Final = "tests/payments/test_crash_points.py::"
PAYING: Final = "tests/payments/test_paying.py::"
PRESSES: Final = "tests/payments/test_saved_cards.py::"
ORDERS: Final = "tests/payments/test_processing.py::"
ACCIDENTS: Final = "tests/payments/test_processing_accidents.py::"
REFUSALS: Final = "tests/payments/test_processing_refusals.py::"
DECIDING: Final = "tests/refunds/test_asking_and_deciding.py::"
EXECUTING: Final = "tests/refunds/test_executing.py::"
DISPUTES: Final = "tests/disputes/test_following.py::"
PHASES: Final = "tests/receipts/test_phases.py::"
ISSUING: Final = "tests/receipts/test_issuing.py::"
CREDIT_NOTES: Final = "tests/receipts/test_credit_notes.py::"
WEBHOOKS: Final = "tests/webhooks/test_webhooks.py::"
OUTBOX: Final = "tests/core/test_outbox.py::"
LEDGER: Final = "tests/core/test_ledger.py::"
EXPIRY: Final = "tests/simulation/test_key_expiry.py::"
MODEL: Final = "tests/simulation/test_state_machine.py::"

INTENTS_PY: Final = "portal/payments/intents.py"
SETTLING_PY: Final = "portal/payments/settling.py"
CONFIRMING_PY: Final = "portal/payments/confirming.py"
PROCESSING_PY: Final = "portal/payments/processing.py"
EXECUTING_PY: Final = "portal/refunds/executing.py"
WEBHOOKS_PY: Final = "portal/webhooks/service.py"
RECEIPTS_PY: Final = "portal/receipts/service.py"


@dataclass(frozen=True)
class Change:
    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Defect:
    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


def defect(name: str, file: str, old: str, new: str, *tests: str) -> Defect:
    """A defect in one place."""
    return Defect(name, (Change(file, old, new),), tests)


KEYS: Final = (
    defect(
        "a payment's key is new each time",
        INTENTS_PY,
        'f"payment:{payment.id}:{payment.attempt}"',
        'f"payment:{clock.now()}"',
        f"{CRASHES}test_the_answer_to_the_creation_is_lost_and_the_same_key_finds_the_intent",
    ),
    defect(
        "a confirmation's key is new each time",
        CONFIRMING_PY,
        'f"confirmation:{confirmation.id}"',
        'f"confirmation:{clock.now()}"',
        f"{ACCIDENTS}test_declined_and_dead_before_it_is_recorded_the_bank_is_not_asked_again",
    ),
    defect(
        "a refund's key is new each time",
        EXECUTING_PY,
        'key = f"refund:{row.id}" if',
        'key = f"refund:{clock.now()}" if',
        f"{EXECUTING}test_a_lost_answer_is_found_under_the_same_key",
    ),
    defect(
        "a key is taken for remembered for ever",
        "portal/idempotency.py",
        "return now - first_used < timedelta(seconds=KEY_SAFE_SECONDS)",
        "return True",
        f"{EXECUTING}test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched",
    ),
    defect(
        "a key is trusted for longer than Stripe keeps it",
        "portal/idempotency.py",
        "KEY_SAFE_SECONDS: Final = 23 * 3600",
        "KEY_SAFE_SECONDS: Final = 26 * 3600",
        f"{EXPIRY}test_a_refund_that_was_not_answered",
    ),
    defect(
        "a refund is sent again without a look at Stripe's list",
        EXECUTING_PY,
        "    if not order.key_is_safe:\n        _look_up(order)\n        return\n",
        "",
        f"{EXECUTING}test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched",
    ),
    defect(
        "a payment is made anew without a look at Stripe's list",
        INTENTS_PY,
        "        intent = _find_at_stripe(payment, customer_at_stripe)\n",
        "",
        f"{CRASHES}test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched",
    ),
    defect(
        "a lost intent of another payment of this customer is adopted",
        INTENTS_PY,
        'if intent.metadata.get("payment_id") == payment.id), None)',
        "), None)",
        f"{CRASHES}test_a_lost_intent_is_not_taken_for_that_of_the_customers_other_payment",
    ),
    defect(
        "a confirmation is sent again after its key's life",
        CONFIRMING_PY,
        "if in_time and idempotency.is_safe(confirmation.key_used_at, now) and",
        "if in_time and",
        f"{PRESSES}test_after_the_keys_life_it_is_looked_up_and_never_sent_again",
    ),
    defect(
        "a press is sent when its customer has long left",
        CONFIRMING_PY,
        "confirmation.off_session or clock.now() - confirmation.created_at < PRESENT_FOR",
        "True",
        f"{PRESSES}test_a_press_that_did_not_arrive_is_not_sent_when_its_customer_has_long_left",
    ),
    defect(
        "a second press begins while the first has no answer",
        CONFIRMING_PY,
        " or queries.unanswered(session, payment_id)",
        "",
        f"{PRESSES}test_while_one_has_no_answer_the_next_press_finishes_that_one",
    ),
)

SETTLING: Final = (
    defect(
        "old news are settled",
        SETTLING_PY,
        "if payment.version != seen_version:",
        "if payment.version < seen_version:",
        f"{PAYING}test_an_old_answer_never_overwrites_a_newer_one",
    ),
    defect(
        "a status only rises",
        SETTLING_PY,
        "        if _is_news(payment, intent):\n",
        "        rank = [states.CREATED, states.REQUIRES_PAYMENT_METHOD, states.REQUIRES_CONFIRMATION, states.REQUIRES_ACTION]\n"
        "        if payment.status in rank or intent.status in states.FINAL:\n",
        f"{MODEL}test_a_fall_back_is_no_old_news",
    ),
    defect(
        "what does not fit is settled",
        SETTLING_PY,
        "        if mismatch:\n",
        "        if mismatch and not intent.id:\n",
        f"{PAYING}test_an_intent_that_does_not_fit_freezes_the_payment_for_staff",
    ),
    defect(
        "another customer's intent is settled",
        SETTLING_PY,
        "if intent.customer_id not in saved_cards.holders(session, payment.customer_id):",
        "if intent.customer_id is None:",
        f"{PAYING}test_an_intent_that_does_not_fit_freezes_the_payment_for_staff",
    ),
    defect(
        "what was received is not looked at",
        SETTLING_PY,
        "if intent.status == states.SUCCEEDED and intent.amount_received != payment.amount:",
        "if intent.amount_received.currency != payment.currency:",
        f"{MODEL}test_what_does_not_fit_is_left_to_staff",
    ),
    defect(
        "an intent of the other mode is settled",
        SETTLING_PY,
        "if intent.livemode != config.current().livemode:",
        "if intent.livemode is None:",
        f"{MODEL}test_what_does_not_fit_is_left_to_staff",
    ),
    defect(
        "final states do not absorb",
        SETTLING_PY,
        "        if payment.status in states.FINAL:\n",
        "        if payment.status == intent.status == states.SUCCEEDED:\n",
        f"{MODEL}test_every_pair_of_statuses",
    ),
    defect(
        "an unknown status is taken for paid",
        SETTLING_PY,
        "    if intent.status == states.SUCCEEDED:\n        _succeed(session, payment, intent)\n",
        "    if intent.status not in states.OPEN_AT_STRIPE | {states.CANCELED}:\n        _succeed(session, payment, intent)\n",
        f"{MODEL}test_an_unknown_status_is_never_taken_for_paid",
    ),
    Defect(
        "the receipt's job is left after the transaction",
        (
            Change(
                SETTLING_PY,
                '    outbox.enqueue(session, "receipts.issue", key=f"receipt:{payment.id}", payment_id=payment.id)\n',
                "",
            ),
            Change(
                SETTLING_PY,
                "        if settle(payment_id, intent, seen_version=row.version):\n",
                "        if settle(payment_id, intent, seen_version=row.version):\n"
                "            if intent.status == states.SUCCEEDED:\n"
                "                with db.transaction() as session:\n"
                '                    outbox.enqueue(session, "receipts.issue", key=f"receipt:{payment_id}", payment_id=payment_id)\n',
            ),
        ),
        (f"{MODEL}test_a_payment_succeeds_with_all_that_belongs_to_it_or_not_at_all",),
    ),
    Defect(
        "the invoice is paid after the transaction",
        (
            Change(SETTLING_PY, "        _pay_invoice(session, payment, payment.invoice_id)\n", "        pass\n"),
            Change(
                SETTLING_PY,
                "        if settle(payment_id, intent, seen_version=row.version):\n",
                "        if settle(payment_id, intent, seen_version=row.version):\n"
                "            with db.transaction() as session:\n"
                "                payment = locked(session, payment_id)\n"
                "                if payment.has_succeeded and payment.invoice_id:\n"
                "                    _pay_invoice(session, payment, payment.invoice_id)\n",
            ),
        ),
        (f"{MODEL}test_a_payment_succeeds_with_all_that_belongs_to_it_or_not_at_all",),
    ),
    defect(
        "the fee that comes later is not booked",
        SETTLING_PY,
        "            elif payment.status == states.SUCCEEDED:\n                _book_fee(session, payment, intent)\n",
        "",
        f"{PAYING}test_the_fee_is_booked_once_when_stripe_tells_it_later",
    ),
    defect(
        "what was paid twice is kept",
        SETTLING_PY,
        '        outbox.enqueue(session, "refunds.return_duplicate", key=f"return:{payment.id}", payment_id=payment.id)\n',
        "",
        f"{EXECUTING}test_an_invoice_that_was_paid_otherwise_when_the_money_arrived_is_given_back",
    ),
    defect(
        "a second intent of a payment is not noticed",
        INTENTS_PY,
        "    if stored != intent.id:\n        raise UnderReview\n",
        "",
        f"{EXECUTING}test_money_that_a_second_intent_has_taken_goes_back_by_itself",
    ),
    defect(
        "a movement is booked as often as it is told",
        "portal/ledger/postings.py",
        "            reference=reference,\n",
        '            reference=f"{reference}:{new_id(kind)}",\n',
        f"{LEDGER}test_a_movement_is_booked_once_however_often_it_is_told",
    ),
)

REQUESTS: Final = (
    defect(
        "an app says what an invoice comes to",
        PROCESSING_PY,
        "if order.amount is not None and order.amount != invoice.total:",
        "if order.amount is not None and order.amount > invoice.total:",
        f"{REFUSALS}test_an_invoice_says_itself_what_is_paid",
    ),
    defect(
        "a key of another order repeats that one",
        PROCESSING_PY,
        "        if placed.fingerprint != order.fingerprint:\n            raise KeyReused\n",
        "",
        f"{ORDERS}test_a_key_is_for_one_order",
    ),
    defect(
        "an order is written down after what it begins",
        PROCESSING_PY,
        "    payment.extra = dict(order.metadata)\n",
        "    payment.extra = dict(order.metadata)\n    session.commit()\n",
        f"{ACCIDENTS}test_dead_before_the_order_is_written_nothing_is_left_of_it",
    ),
    defect(
        "another customer's payment is shown",
        "portal/payments/queries.py",
        ".where(Payment.id == payment_id, Payment.customer_id == customer_id)\n        .options(selectinload(Payment.steps)",
        ".where(Payment.id == payment_id)\n        .options(selectinload(Payment.steps)",
        "tests/api/test_access.py",
    ),
    defect(
        "another customer's card is charged",
        "portal/cards/queries.py",
        "SavedCard.id == card_id, SavedCard.customer_id == customer_id, SavedCard.removed_at.is_(None)",
        "SavedCard.id == card_id, SavedCard.removed_at.is_(None)",
        f"{PRESSES}test_someone_elses_card_and_invoice_are_not_found_and_stripe_hears_nothing",
    ),
    defect(
        "another customer's invoice is paid",
        "portal/invoices/service.py",
        "invoice = _lock(session, invoice_id, customer_id)\n    if invoice.status == PAID:",
        "invoice = _lock(session, invoice_id)\n    if invoice.status == PAID:",
        f"{PAYING}test_an_invoice_of_someone_else_is_not_found_and_stripe_is_not_called",
    ),
    defect(
        "another customer's receipt is shown",
        "portal/receipts/queries.py",
        "    query = select(Document).where(Document.id == document_id, Document.customer_id == customer_id)\n"
        "    document = session.execute(query).",
        "    query = select(Document).where(Document.id == document_id)\n    document = session.execute(query).",
        "tests/receipts/test_pages.py",
    ),
    defect(
        "another customer's payment is refunded",
        "portal/refunds/settling.py",
        "        query = query.where(Payment.customer_id == customer_id)\n",
        "        query = query.where(Payment.customer_id.is_not(None))\n",
        f"{DECIDING}test_someone_elses_payment_and_refund_are_not_found",
    ),
)

REFUNDS: Final = (
    defect(
        "what is reserved can be asked for again",
        "portal/refunds/queries.py",
        "select(refunded, reserved).where(Refund.payment_id == payment.id, Refund.state.not_in(FREED))",
        "select(refunded, reserved).where(Refund.payment_id == payment.id, Refund.state == SUCCEEDED)",
        f"{DECIDING}test_what_is_reserved_is_not_there_a_second_time",
    ),
    defect(
        "what went back at the dashboard goes back again",
        EXECUTING_PY,
        "    if intent.charge.refunded + order.amount > intent.amount_received:\n",
        "    if intent.charge.refunded > intent.amount_received:\n",
        f"{EXECUTING}test_what_was_given_back_at_the_dashboard_is_recorded_and_not_given_back_again",
    ),
    defect(
        "a disputed payment is refunded",
        EXECUTING_PY,
        "    if intent.charge.disputed:\n",
        "    if intent.charge.disputed and order.key_is_safe is None:\n",
        f"{EXECUTING}test_a_disputed_payment_is_not_refunded_even_when_it_was_approved",
    ),
    defect(
        "an unknown refund is sent again by itself",
        EXECUTING_PY,
        "                move(session, row, states.UNKNOWN)\n                mark(\n",
        "                send_again(session, row)\n                _ = (\n",
        f"{EXECUTING}test_what_nobody_knows_is_left_to_a_person",
    ),
    defect(
        "a refund of the dashboard is sent by us as well",
        EXECUTING_PY,
        "        if not is_first and row.key_used_at is None:\n            return None",
        "        if not is_first and row.key_used_at is None and row.finding:\n            return None",
        f"{EXECUTING}test_a_foreign_refund_whose_recorder_dies_is_never_sent_by_us",
    ),
    defect(
        "one person decides above the threshold",
        "portal/refunds/policy.py",
        "return threshold is None or amount.decimal >= threshold",
        "return threshold is None",
        f"{DECIDING}test_above_the_threshold_two_people_must_approve",
    ),
    defect(
        "old news of a refund are settled",
        "portal/refunds/settling.py",
        "        if row.version != seen_version:\n",
        "        if row.version < seen_version:\n",
        f"{EXECUTING}test_old_news_never_wins",
    ),
    defect(
        "a refund of another amount is settled",
        "portal/refunds/settling.py",
        "    if found.amount != row.amount:\n",
        "    if found.amount < row.amount:\n",
        f"{EXECUTING}test_what_does_not_fit_the_row_is_left_to_staff",
    ),
    defect(
        "a refund that fails after all is not booked back",
        "portal/refunds/settling.py",
        "    if found.return_movement is not None:\n",
        "    if found.return_movement is not None and row.state == states.PENDING:\n",
        f"{EXECUTING}test_a_refund_that_fails_after_it_had_succeeded_reopens_the_balance",
    ),
    defect(
        "disputed money is booked by the dispute's status",
        "portal/disputes/settling.py",
        "        what = FUNDS_WITHDRAWN if moved.minor < 0 else FUNDS_REINSTATED\n",
        "        if dispute.status in states.FINAL and moved.minor > 0:\n            continue\n"
        "        what = FUNDS_WITHDRAWN if moved.minor < 0 else FUNDS_REINSTATED\n",
        f"{DISPUTES}test_what_is_over_stays_so_and_its_money_is_booked_all_the_same",
    ),
)

DOCUMENTS: Final = (
    defect(
        "a receipt is issued twice",
        RECEIPTS_PY,
        "        return found or _issue_receipt(session, payment)\n",
        "        return _issue_receipt(session, payment)\n",
        f"{ISSUING}test_a_second_run_finds_the_receipt_and_changes_nothing",
    ),
    defect(
        "a credit note is issued twice",
        RECEIPTS_PY,
        "        if found is not None:\n            return found\n        if refund.succeeded_at is None:",
        "        if refund.succeeded_at is None:",
        f"{CREDIT_NOTES}test_a_second_run_finds_the_credit_note_and_changes_nothing",
    ),
    defect(
        "a mail is marked before it is sent",
        "portal/receipts/email.py",
        "    _send_document(document, customer, document.kind)\n    service.mark_mailed(document.id, customer.email)\n",
        "    service.mark_mailed(document.id, customer.email)\n    _send_document(document, customer, document.kind)\n",
        f"{PHASES}test_a_mail_server_that_refuses_a_mail_is_asked_again",
    ),
    defect(
        "a repeated mail is another mail",
        "portal/mail.py",
        "digest = hashlib.sha256(key.encode())",
        'digest = hashlib.sha256(f"{key}{clock.now()}".encode())',
        f"{PHASES}test_a_death_at_any_commit_costs_no_number_no_pdf_and_no_mail",
    ),
    defect(
        "a number is used up by what is not issued",
        "portal/numbering.py",
        "    session.flush()\n    return row.last\n",
        "    session.commit()\n    return row.last\n",
        "tests/core/test_numbering.py::test_many_at_once_with_every_third_given_up_leave_no_gap",
    ),
)

EVENTS_AND_JOBS: Final = (
    defect(
        "a webhook's signature is not checked",
        "portal/gateway/webhook_signature.py",
        "        if any(hmac.compare_digest(expected, signature) for signature in signatures):\n",
        "        if expected and signatures:\n",
        f"{WEBHOOKS}test_what_stripe_did_not_send_now_is_refused_and_nothing_is_written",
    ),
    defect(
        "an old signature is good for ever",
        "portal/gateway/webhook_signature.py",
        "if abs(clock.now().timestamp() - timestamp) > TOLERANCE_SECONDS:",
        "if timestamp - clock.now().timestamp() > TOLERANCE_SECONDS:",
        f"{WEBHOOKS}test_what_stripe_did_not_send_now_is_refused_and_nothing_is_written",
    ),
    defect(
        "an event of the other mode is taken",
        WEBHOOKS_PY,
        '    if event["livemode"] != settings.livemode:\n',
        '    if event["livemode"] is None:\n',
        f"{WEBHOOKS}test_what_stripe_did_not_send_now_is_refused_and_nothing_is_written",
    ),
    Defect(
        "an event is marked before it is applied",
        (
            Change(WEBHOOKS_PY, "    note = handlers.handle(event)\n", '    note = ""\n'),
            Change(
                WEBHOOKS_PY,
                '    log.info("webhook_applied"',
                '    note = handlers.handle(event)\n    log.info("webhook_applied"',
            ),
        ),
        (f"{WEBHOOKS}test_while_stripe_is_down_an_event_waits_and_is_applied_later",),
    ),
    defect(
        "an event is stored without its job",
        WEBHOOKS_PY,
        '        outbox.enqueue(session, "webhooks.apply", key=f"webhook:{event[\'id\']}", event_id=event["id"])\n',
        "",
        f"{WEBHOOKS}test_an_event_is_stored_whole_with_its_job",
    ),
    defect(
        "a job that someone has is taken by another",
        "portal/outbox.py",
        "free = Job.lease_until.is_(None) | (Job.lease_until < now)\n    queued",
        "free = Job.lease_until.is_(None) | (Job.lease_until > clock.from_epoch(0))\n    queued",
        f"{OUTBOX}test_a_job_that_someone_has_is_nobody_elses_until_the_lease_is_over",
    ),
    defect(
        "a job is done before it has run",
        "portal/outbox.py",
        "                handler(**job.args)\n",
        "                _close(job, owner)\n                handler(**job.args)\n",
        f"{OUTBOX}test_a_failure_backs_off_by_the_schedule_and_after_the_last_try_the_job_is_dead",
    ),
    defect(
        "a job leaves without its transaction",
        "portal/outbox.py",
        "    if key is None:\n        session.execute(insert(Job).values(row))\n        return True\n",
        "    if key is None:\n        session.execute(insert(Job).values(row))\n        session.commit()\n        return True\n",
        f"{OUTBOX}test_a_job_leaves_with_its_transaction_or_not_at_all",
    ),
    defect(
        "the audit trail does not hold what happened",
        "portal/audit.py",
        'digest_of({key: row[key] for key in row if key != "hash"}) != row["hash"]',
        'not row["hash"]',
        "tests/core/test_audit.py::test_whatever_is_edited_in_an_event_shows",
    ),
)

ALL: Final = KEYS + SETTLING + REQUESTS + REFUNDS + DOCUMENTS + EVENTS_AND_JOBS
