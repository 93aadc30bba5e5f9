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
        "P5",
        "portal/refunds/queries.py",
        "sums",
        "counts(FREED)",
        "Refund.status == RefundStatus.SUCCEEDED",
        f"{DECIDING}test_what_is_reserved_of_a_payment_without_an_invoice_is_not_there_a_second_time",
    ),
    defect(
        "what went back at the dashboard goes back again",
        "P5",
        EXECUTING_PY,
        "_refusal",
        "intent.charge.refunded + amount",
        "intent.charge.refunded",
        f"{EXECUTING}test_what_was_given_back_at_the_dashboard_is_recorded_and_not_given_back_again",
    ),
    defect(
        "a disputed payment is refunded",
        "P5",
        EXECUTING_PY,
        "_refusal",
        "intent.charge.disputed",
        "intent.charge.disputed and not amount",
        f"{EXECUTING}test_a_disputed_payment_is_not_refunded_even_when_it_was_approved",
    ),
    defect(
        "an unknown refund is sent again by itself",
        "P5",
        EXECUTING_PY,
        "_judge",
        """
        if row.phase != Phase.SEARCHED:
            return _leave_to_staff(session, row)
        """,
        """
        if row.phase != Phase.SEARCHED:
            return None
        """,
        f"{EXECUTING}test_what_nobody_knows_is_left_to_a_person",
    ),
    defect(
        "after a failure that Stripe keeps it is sent anew without a search",
        "P5",
        EXECUTING_PY,
        "_wait",
        "searched < whole",
        "searched > whole",
        f"{EXECUTING}test_a_500_kept_without_effect_is_searched_for_and_then_sent_under_the_next_key",
    ),
    defect(
        "it is sent anew although the charge says that more was given back than the list shows",
        "P5",
        EXECUTING_PY,
        "_agree",
        "intent.charge.refunded.minor == made",
        "intent.charge.refunded.minor >= made",
        f"{EXECUTING}test_while_list_and_charge_contradict_each_other_nothing_is_sent_anew",
    ),
    defect(
        "a refund of the dashboard is sent by us as well",
        "P5",
        "portal/refunds/service.py",
        "_record_foreign",
        "link(KIND, row, found.id)",
        "",
        f"{EXECUTING}test_a_foreign_refund_whose_recorder_dies_is_never_sent_by_us",
    ),
    defect(
        "one person decides above the threshold",
        "P5",
        "portal/core/four_eyes.py",
        "are_needed",
        "threshold is None or amount.decimal >= threshold",
        "threshold is None",
        f"{DECIDING}test_above_the_threshold_two_people_must_approve",
    ),
    defect(
        "who proposed a refund approves it",
        "P5",
        "portal/refunds/deciding.py",
        "may_approve",
        "row.origin != RefundOrigin.STAFF",
        "row.origin == RefundOrigin.STAFF",
        f"{DECIDING}test_who_proposed_it_does_not_approve_it_whatever_the_amount",
    ),
    defect(
        "one person gives back any sum in pieces",
        "P5",
        "portal/refunds/sums.py",
        "_within_a_day",
        "Refund.decided_at > clock.now() - policy.DAY",
        "Refund.decided_at < clock.now() - policy.DAY",
        f"{DECIDING}test_what_one_person_approves_within_a_day_needs_a_second_from_a_sum_on",
    ),
    defect(
        "a refund of another amount is settled",
        "P5",
        "portal/refunds/settling.py",
        "mismatch",
        "found.amount != row.amount",
        "found.amount < row.amount",
        f"{EXECUTING}test_what_does_not_fit_the_row_is_left_to_staff",
    ),
    defect(
        "a refund that fails after all is not booked back",
        "P8",
        "portal/refunds/settling.py",
        "_book",
        "found.return_movement is not None",
        "found.return_movement is not None and row.status == RefundStatus.PENDING",
        f"{EXECUTING}test_a_refund_that_fails_after_it_had_succeeded_reopens_the_balance",
    ),
    defect(
        "disputed money is booked by the dispute's status",
        "P8",
        "portal/disputes/settling.py",
        "_apply",
        "_book(session, dispute, found)",
        """
        if dispute.status == found.status:
            _book(session, dispute, found)
        """,
        f"{DISPUTES}test_what_is_over_stays_so_and_its_money_is_booked_all_the_same",
    ),
)

DOCUMENTS: Final = (
    defect(
        "a receipt is issued twice",
        "P4",
        RECEIPTS_PY,
        "issue",
        "found or _issue_receipt(session, payment, kept)",
        "_issue_receipt(session, payment, kept)",
        f"{ISSUING}test_a_second_run_finds_the_receipt_and_changes_nothing",
    ),
    defect(
        "a credit note is issued twice",
        "P4",
        RECEIPTS_PY,
        "issue_credit_note",
        """
        if found is not None:
            return found
        """,
        "",
        f"{CREDIT_NOTES}test_a_second_run_finds_the_credit_note_and_changes_nothing",
    ),
    defect(
        "a mail is marked before it is sent",
        "P4",
        "portal/documents/email.py",
        "send",
        "_send_document(document, customer.email, customer.language, document.kind)",
        """
        service.mark_mailed(document.id, customer.email)
        _send_document(document, customer.email, customer.language, document.kind)
        """,
        f"{PHASES}test_a_mail_server_that_refuses_a_mail_is_asked_again",
    ),
    defect(
        "a repeated mail is another mail",
        "P4",
        "portal/content/mail.py",
        "message_id",
        "key",
        'f"{key}{clock.now()}"',
        f"{PHASES}test_a_death_at_any_commit_costs_no_number_no_pdf_and_no_mail",
    ),
    defect(
        "a number is used up by what is not issued",
        "P4",
        "portal/core/numbering.py",
        "take",
        "session.flush",
        "session.commit",
        "tests/core/test_numbering.py::test_many_at_once_with_every_third_given_up_leave_no_gap",
    ),
)

EVENTS_AND_JOBS: Final = (
    defect(
        "a webhook's signature is not checked",
        "P3",
        "portal/gateway/webhook_signature.py",
        "verify",
        "any((hmac.compare_digest(expected, signature) for signature in signatures))",
        "expected and signatures",
        f"{WEBHOOKS}test_what_stripe_did_not_send_now_is_refused_and_nothing_is_written",
    ),
    defect(
        "an old signature is good for ever",
        "P3",
        "portal/gateway/webhook_signature.py",
        "verify",
        "abs(clock.now().timestamp() - timestamp)",
        "timestamp - clock.now().timestamp()",
        f"{WEBHOOKS}test_what_stripe_did_not_send_now_is_refused_and_nothing_is_written",
    ),
    defect(
        "an event of the other mode is taken",
        "P3",
        WEBHOOKS_PY,
        "receive",
        'event["livemode"] != settings.livemode',
        'event["livemode"] is None',
        f"{WEBHOOKS}test_what_stripe_did_not_send_now_is_refused_and_nothing_is_written",
    ),
    Defect(
        "an event is marked before it is applied",
        "P6",
        (
            Change(
                WEBHOOKS_PY,
                "apply",
                "handlers.handle(event)",
                "''",
            ),
            Change(
                WEBHOOKS_PY,
                "apply",
                'log.info("webhook_applied", event_id=event_id, type=event.type, note=note, together=len(together))',
                """
                note = handlers.handle(event)
                log.info("webhook_applied", event_id=event_id, type=event.type, note=note, together=len(together))
                """,
            ),
        ),
        (f"{WEBHOOKS}test_while_stripe_is_down_an_event_waits_and_is_applied_later",),
    ),
    Defect(
        "an event is stored without its job",
        "P6",
        (
            Change(WEBHOOKS_PY, "_write", "jobs.apply.enqueue(connection, event_id=event_id, replay=0)", ""),
            Change(
                WEBHOOKS_PY,
                "_event_with_job",
                "select(stored.c.id).add_cte(jobs.apply.insertion_after(stored))",
                "select(stored.c.id)",
            ),
        ),
        (f"{WEBHOOKS}test_an_event_is_stored_whole_with_its_job",),
    ),
    defect(
        "a job that someone has is taken by another",
        "P6",
        "portal/jobs/outbox.py",
        "_due",
        "JobRow.lease_until < now",
        "JobRow.lease_until > clock.from_epoch(0)",
        f"{OUTBOX}test_a_job_that_someone_has_is_nobody_elses_until_the_lease_is_over",
    ),
    defect(
        "a job is done before it has run",
        "P6",
        "portal/jobs/outbox.py",
        "run",
        "known.run(**job.args)",
        """
        _close(job, owner)
        known.run(**job.args)
        """,
        f"{OUTBOX}test_a_failure_backs_off_by_the_schedule_and_after_the_last_try_the_job_is_dead",
    ),
    defect(
        "a job leaves without its transaction",
        "P6",
        "portal/jobs/job.py",
        "_insert",
        "return session.execute(unless_known.returning(_ROWS.c.id)).first() is not None",
        """
        made = session.execute(unless_known.returning(_ROWS.c.id)).first() is not None
        session.commit()
        return made
        """,
        f"{OUTBOX}test_a_job_leaves_with_its_transaction_or_not_at_all",
    ),
    defect(
        "the audit trail does not hold what happened",
        "P10",
        "portal/core/audit.py",
        "verify",
        'digest_of({key: row[key] for key in row if key != "hash"}) != row["hash"]',
        'not row["hash"]',
        "tests/core/test_audit.py::test_whatever_is_edited_in_an_event_shows",
    ),
)

ALL: Final = REFUNDS + DOCUMENTS + EVENTS_AND_JOBS
