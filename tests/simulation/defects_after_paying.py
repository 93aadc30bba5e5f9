"""Defects in what follows a payment, and in what carries all: refunds, documents, events and jobs."""

from __future__ import annotations

from typing import Final

from tests.simulation.defects import Change, Defect, defect

DECIDING: Final = "tests/refunds/test_asking_and_deciding.py::"
EXECUTING: Final = "tests/refunds/test_executing.py::"
DISPUTES: Final = "tests/disputes/test_following.py::"
PHASES: Final = "tests/documents/test_phases.py::"
ISSUING: Final = "tests/documents/test_issuing.py::"
CREDIT_NOTES: Final = "tests/documents/test_credit_notes.py::"
WEBHOOKS: Final = "tests/stripe_events/test_webhooks.py::"
OUTBOX: Final = "tests/core/test_outbox.py::"

EXECUTING_PY: Final = "portal/refunds/executing.py"
WEBHOOKS_PY: Final = "portal/stripe_events/service.py"
RECEIPTS_PY: Final = "portal/documents/service.py"

REFUNDS: Final = (
    defect(
        "what is reserved can be asked for again",
        "portal/refunds/queries.py",
        "select(refunded, reserved).where(Refund.payment_id == payment.id, _counts(FREED))",
        "select(refunded, reserved).where(Refund.payment_id == payment.id, Refund.status == RefundStatus.SUCCEEDED)",
        f"{DECIDING}test_what_is_reserved_is_not_there_a_second_time",
    ),
    defect(
        "what went back at the dashboard goes back again",
        EXECUTING_PY,
        "    if intent.charge.refunded + amount > intent.amount_received:\n",
        "    if intent.charge.refunded > intent.amount_received:\n",
        f"{EXECUTING}test_what_was_given_back_at_the_dashboard_is_recorded_and_not_given_back_again",
    ),
    defect(
        "a disputed payment is refunded",
        EXECUTING_PY,
        "    if intent.charge.disputed:\n",
        "    if intent.charge.disputed and not amount:\n",
        f"{EXECUTING}test_a_disputed_payment_is_not_refunded_even_when_it_was_approved",
    ),
    defect(
        "an unknown refund is sent again by itself",
        EXECUTING_PY,
        "    if row.phase != Phase.SEARCHED:  # the key may be forgotten\n        return _leave_to_staff(session, row)\n",
        "    if row.phase != Phase.SEARCHED:\n        return None\n",
        f"{EXECUTING}test_what_nobody_knows_is_left_to_a_person",
    ),
    defect(
        "after a failure that Stripe keeps it is sent anew without a search",
        EXECUTING_PY,
        "    if searched < whole:\n",
        "    if searched > whole:\n",
        f"{EXECUTING}test_a_500_kept_without_effect_is_searched_for_and_then_sent_under_the_next_key",
    ),
    defect(
        "it is sent anew although the charge says that more was given back than the list shows",
        EXECUTING_PY,
        "intent.charge.refunded.minor == made",
        "intent.charge.refunded.minor >= made",
        f"{EXECUTING}test_while_list_and_charge_contradict_each_other_nothing_is_sent_anew",
    ),
    defect(
        "a refund of the dashboard is sent by us as well",
        "portal/refunds/service.py",
        "        link(KIND, row, found.id)  # so that",
        "        # so that",
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
        "who proposed a refund approves it",
        "portal/refunds/deciding.py",
        "    if row.origin != RefundOrigin.STAFF or row.asked_by != reviewer.id:\n",
        "    if row.origin == RefundOrigin.STAFF or row.asked_by != reviewer.id:\n",
        f"{DECIDING}test_who_proposed_it_does_not_approve_it_whatever_the_amount",
    ),
    defect(
        "one person gives back any sum in pieces",
        "portal/refunds/sums.py",
        "            Refund.decided_at > clock.now() - policy.DAY,\n",
        "            Refund.decided_at < clock.now() - policy.DAY,\n",
        f"{DECIDING}test_what_one_person_approves_within_a_day_needs_a_second_from_a_sum_on",
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
        "    if found.return_movement is not None and row.status == RefundStatus.PENDING:\n",
        f"{EXECUTING}test_a_refund_that_fails_after_it_had_succeeded_reopens_the_balance",
    ),
    defect(
        "disputed money is booked by the dispute's status",
        "portal/disputes/settling.py",
        "    _book(session, dispute, found)\n",
        "    if dispute.status == found.status:\n        _book(session, dispute, found)\n",
        f"{DISPUTES}test_what_is_over_stays_so_and_its_money_is_booked_all_the_same",
    ),
)

DOCUMENTS: Final = (
    defect(
        "a receipt is issued twice",
        RECEIPTS_PY,
        "        return found or _issue_receipt(session, payment, kept)\n",
        "        return _issue_receipt(session, payment, kept)\n",
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
        "portal/documents/email.py",
        "    _send_document(document, customer.email, customer.language, document.kind)\n"
        '    crash.point("document mailed")\n'
        "    service.mark_mailed(document.id, customer.email)\n",
        "    service.mark_mailed(document.id, customer.email)\n"
        "    _send_document(document, customer.email, customer.language, document.kind)\n",
        f"{PHASES}test_a_mail_server_that_refuses_a_mail_is_asked_again",
    ),
    defect(
        "a repeated mail is another mail",
        "portal/content/mail.py",
        "digest = hashlib.sha256(key.encode())",
        'digest = hashlib.sha256(f"{key}{clock.now()}".encode())',
        f"{PHASES}test_a_death_at_any_commit_costs_no_number_no_pdf_and_no_mail",
    ),
    defect(
        "a number is used up by what is not issued",
        "portal/core/numbering.py",
        "    session.flush()\n    marks.note_number(session, series, row.last)\n    return row.last\n",
        "    session.commit()\n    marks.note_number(session, series, row.last)\n    return row.last\n",
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
        "portal/jobs/outbox.py",
        "free = Job.lease_until.is_(None) | (Job.lease_until < now)\n    queued",
        "free = Job.lease_until.is_(None) | (Job.lease_until > clock.from_epoch(0))\n    queued",
        f"{OUTBOX}test_a_job_that_someone_has_is_nobody_elses_until_the_lease_is_over",
    ),
    defect(
        "a job is done before it has run",
        "portal/jobs/outbox.py",
        "                handler(**job.args)\n",
        "                _close(job, owner)\n                handler(**job.args)\n",
        f"{OUTBOX}test_a_failure_backs_off_by_the_schedule_and_after_the_last_try_the_job_is_dead",
    ),
    defect(
        "a job leaves without its transaction",
        "portal/jobs/outbox.py",
        "    if key is None:\n        session.execute(insert(Job).values(row))\n        return True\n",
        "    if key is None:\n        session.execute(insert(Job).values(row))\n        session.commit()\n        return True\n",
        f"{OUTBOX}test_a_job_leaves_with_its_transaction_or_not_at_all",
    ),
    defect(
        "the audit trail does not hold what happened",
        "portal/core/audit.py",
        'digest_of({key: row[key] for key in row if key != "hash"}) != row["hash"]',
        'not row["hash"]',
        "tests/core/test_audit.py::test_whatever_is_edited_in_an_event_shows",
    ),
)

ALL: Final = REFUNDS + DOCUMENTS + EVENTS_AND_JOBS
