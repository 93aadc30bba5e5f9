"""Evidence at the service, on both databases: gathered from what we know, sent by two people, once, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from portal.accounts.models import Customer
from portal.core import clock, db, recovery
from portal.core.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from portal.disputes import queries as disputes
from portal.disputes.statuses import DisputeStatus
from portal.documents import service as documents
from portal.evidence import gathering, queries, sending, service
from portal.evidence.statuses import EvidenceStatus
from portal.identity import sessions
from portal.payments.models import Payment
from tests import factories
from tests.concurrency import run_concurrently
from tests.crashing import dies, overtaken
from tests.disputes.conftest import Case
from tests.evidence.conftest import Answer, evidence_of
from tests.payments.conftest import audited, jobs

STATEMENT = "uncategorized_text"


# Gathering


def test_the_first_draft_says_what_our_records_say(answer: Answer) -> None:
    texts, invoice, ours = answer.row.texts, answer.case.checkout.invoice, answer.case.ours
    assert f"119.00 EUR for invoice {invoice.number}" in texts[STATEMENT]
    assert texts["product_description"].startswith(f"Invoice {invoice.number}")
    assert (texts["customer_name"], texts["customer_email_address"]) == (ours.customer.name, ours.customer.email)
    assert texts["service_date"] == invoice.issued_on.isoformat()
    assert answer.row.status == EvidenceStatus.DRAFT
    assert list(answer.row.documents) == ["receipt"]


def test_of_a_payment_by_link_nobody_is_told_that_its_payer_was_signed_in(case: Case) -> None:
    payment_id = case.pay().payment.id
    with db.transaction() as session:
        session.get_one(Payment, payment_id).pay_link_id = "plk_1"
    case.dispute(reason="fraudulent").heard()
    service.gather(case.ours.id)
    said = evidence_of(case.ours.id).texts[STATEMENT]
    assert "through the payment link that we had e-mailed with the invoice" in said
    assert "signed in" not in said and "in their account" not in said


@pytest.mark.parametrize(("reason", "asked"), [("duplicate", True), ("fraudulent", False)])
def test_what_the_reason_does_not_ask_for_is_not_told(case: Case, reason: str, asked: bool) -> None:
    case.pay().dispute(reason=reason).heard()
    service.gather(case.ours.id)
    with db.transaction() as session:
        user_id = factories.staff(session).id
    typed = {STATEMENT: "Two meters.", "duplicate_charge_explanation": "Each was for a meter of its own."}
    row = service.save(case.ours.id, user_id, 1, typed, None)
    assert ("duplicate_charge_explanation" in row.texts) is asked


def test_a_dispute_that_waits_for_us_has_its_evidence_gathered_by_itself(case: Case) -> None:
    case.pay().dispute().heard()
    assert [job["dispute_id"] for job in jobs("evidence.gather")] == [case.ours.id]


def test_3d_secure_and_what_was_refunded_are_told(case: Case) -> None:
    case.pay("pm_card_threeDSecureOptional")
    paid = case.payment
    with db.transaction() as session:
        payment = session.get_one(Payment, paid.id)
        factories.refund(session, payment, status="rejected", rejection="It was used for a month.")
    case.dispute().heard()
    service.gather(case.ours.id)
    texts = evidence_of(case.ours.id).texts
    assert "It was used for a month." in texts["refund_refusal_explanation"]


def test_earlier_payments_of_the_same_card_count_when_they_are_old_enough_and_nobody_complained(case: Case) -> None:
    case.pay().dispute().heard()
    paid, dispute_id = case.payment, case.ours.id
    with db.transaction() as session:
        customer = session.get_one(Customer, paid.customer_id)

        def earlier(days: int, *, last4: str = paid.card_last4) -> Payment:
            at = clock.now() - timedelta(days=days)
            more: dict[str, Any] = {
                "card_brand": paid.card_brand,
                "card_last4": last4,
                "created_at": at,
                "succeeded_at": at,
            }
            return factories.payment(session, customer, **more)

        good = [earlier(130), earlier(200), earlier(360)]
        earlier(10)
        earlier(400)
        earlier(150, last4="0005")
        factories.dispute(session, earlier(140), status="won")
        factories.fraud_warning(session, earlier(141))
        factories.refund(session, earlier(142), status="succeeded")
        expected = [one.id for one in good[:2]]
    with db.reading() as session:
        ours = disputes.dispute(session, dispute_id)
        assert [one.id for one in gathering.earlier_payments(session, ours)] == expected


@pytest.mark.database("sqlite")
def test_the_activity_log_says_how_somebody_has_signed_in(answer: Answer) -> None:
    with db.transaction() as session:
        dispute = disputes.dispute(session, answer.dispute_id)
        person = factories.user(session, session.get_one(Customer, dispute.customer_id))
        sessions.start(session, person, ip="203.0.113.7", user_agent="")
        sessions.start(session, person, ip="203.0.113.7", user_agent="", by_link=True)
        sessions.start(session, person, ip="203.0.113.7", user_agent="", by_passkey=True)
        log = gathering.texts_of(session, dispute, None)["access_activity_log"]
    ways = ("with a password", "with a link sent to the e-mail address", "with a passkey")
    assert all(f"signed in {way}" in log for way in ways)


def test_a_second_draft_is_not_written(answer: Answer) -> None:
    answer.save({STATEMENT: "Ours."})
    service.gather(answer.dispute_id)
    assert answer.row.texts[STATEMENT] == "Ours."
    assert audited("evidence.gathered") == 1


def test_a_process_that_dies_while_it_gathers_leaves_nothing(case: Case) -> None:
    case.pay().dispute().heard()
    dispute_id = case.ours.id
    dies("evidence gathered", lambda: service.gather(dispute_id))
    with pytest.raises(NotFound):
        evidence_of(dispute_id)
    service.gather(dispute_id)
    assert evidence_of(dispute_id).version == 1


# From a draft to the bank


def test_two_people_send_it_and_the_dispute_is_won(answer: Answer) -> None:
    answer.save({STATEMENT: "winning_evidence"})
    answer.stage()
    assert (answer.row.staged_version, answer.submissions) == (2, 0)
    assert answer.at_stripe.evidence.uncategorized_text == "winning_evidence"
    answer.propose()
    answer.approve()
    answer.send()
    assert (answer.row.status, answer.submissions) == (EvidenceStatus.SENT, 1)
    answer.case.checkout.sandbox.control("finish")
    answer.case.heard()
    assert answer.case.ours.status == DisputeStatus.WON
    assert answer.at_stripe.evidence.receipt is not None
    assert [audited(f"evidence.{what}") for what in ("staged", "proposed", "approved", "sent")] == [1, 1, 1, 1]


def test_evidence_without_a_document_is_sent_without_one(answer: Answer) -> None:
    assert answer.row.documents
    answer.save(document="")
    answer.propose()
    answer.approve()
    answer.send()
    assert (answer.row.status, answer.submissions) == (EvidenceStatus.SENT, 1)
    assert answer.at_stripe.evidence.receipt is None


def test_who_proposed_it_cannot_send_it(answer: Answer) -> None:
    answer.propose()
    with pytest.raises(Forbidden):
        answer.approve(by=answer.first)
    with pytest.raises(IntegrityError), db.transaction() as session:
        queries.of_dispute(session, answer.dispute_id).approved_by = answer.first
    assert answer.row.status == EvidenceStatus.PROPOSED


def test_a_change_makes_a_draft_of_what_was_proposed(answer: Answer) -> None:
    answer.propose()
    shown = answer.row.version
    answer.save({STATEMENT: "Something else."})
    assert answer.row.status == EvidenceStatus.DRAFT
    with pytest.raises(Conflict):
        service.approve(answer.dispute_id, answer.second, shown)
    assert jobs("evidence.send") == []


def test_what_was_proposed_can_be_taken_back(answer: Answer) -> None:
    answer.propose()
    service.take_back(answer.dispute_id)
    service.take_back(answer.dispute_id)
    assert answer.row.status == EvidenceStatus.DRAFT
    assert audited("evidence.taken_back") == 1


def test_two_who_change_it_at_once_do_not_overwrite_each_other(answer: Answer) -> None:
    answer.save({STATEMENT: "The first one's."}, version=1)
    with pytest.raises(Conflict):
        answer.save({STATEMENT: "The second one's."}, version=1)
    assert answer.row.texts[STATEMENT] == "The first one's."


def test_saving_what_is_there_already_changes_nothing(answer: Answer) -> None:
    assert answer.save().version == 1
    assert audited("evidence.changed") == 0


def test_evidence_without_a_statement_cannot_be_proposed(answer: Answer) -> None:
    answer.save({STATEMENT: ""})
    with pytest.raises(Invalid) as refusal:
        answer.propose()
    assert refusal.value.field == STATEMENT


def test_a_document_of_another_payment_cannot_go_along(answer: Answer) -> None:
    with db.transaction() as session:
        other = factories.payment(session, factories.customer(session))
        strange = factories.receipt(session, other, pdf=b"%PDF-", pdf_sha256="0" * 64).id
    with pytest.raises(Invalid):
        answer.save(document=strange)
    assert answer.row.version == 1


def test_texts_that_are_too_long_together_are_refused(answer: Answer) -> None:
    names = (STATEMENT, "product_description", "refund_refusal_explanation", "access_activity_log")
    answer.save(dict.fromkeys(names, "x" * 20_000))
    with pytest.raises(Invalid):
        answer.save({STATEMENT: "x" * 20_001})


def test_an_empty_text_takes_away_what_lay_at_stripe(answer: Answer) -> None:
    answer.save({"product_description": "Electricity"})
    answer.stage()
    answer.save({"product_description": ""})
    answer.stage()
    assert answer.at_stripe.evidence.product_description is None


def test_an_older_version_is_not_laid_ready_over_a_newer_one(answer: Answer) -> None:
    answer.save({STATEMENT: "New."})
    answer.stage()
    sending.stage(answer.dispute_id, 1)
    assert answer.at_stripe.evidence.uncategorized_text == "New."


# Crashes, and a bank that is quicker


@pytest.mark.parametrize("point", ["evidence begun", "evidence to give", "evidence given"])
def test_a_process_that_dies_sends_it_once(answer: Answer, point: str) -> None:
    answer.propose()
    answer.approve()
    dies(point, answer.send)
    answer.send()
    assert (answer.row.status, answer.submissions) == (EvidenceStatus.SENT, 1)
    assert audited("evidence.sent") == 1


def test_a_lost_answer_is_found_out_about(answer: Answer) -> None:
    answer.propose()
    answer.approve()
    answer.case.checkout.fail("reset_after", "/v1/disputes/*", method="POST", times=2)
    with pytest.raises(Unavailable):
        answer.send()
    answer.send()
    assert (answer.row.status, answer.submissions) == (EvidenceStatus.SENT, 1)


def test_what_was_sent_at_the_dashboard_is_not_sent_again(answer: Answer) -> None:
    answer.propose()
    answer.approve()
    answer.case.checkout.sandbox.client.v1.disputes.update(
        answer.at_stripe.id, {"evidence": {"uncategorized_text": "By hand."}, "submit": True}
    )
    answer.send()
    assert (answer.row.status, answer.submissions) == (EvidenceStatus.SENT, 1)
    assert answer.at_stripe.evidence.uncategorized_text == "By hand."


def test_a_dispute_that_was_decided_meanwhile_takes_nothing(answer: Answer) -> None:
    answer.propose()
    answer.approve()
    answer.case.decide("lost")
    answer.send()
    assert (answer.row.status, answer.submissions) == (EvidenceStatus.REFUSED, 0)
    assert answer.case.ours.status == DisputeStatus.LOST


def test_a_dispute_that_is_decided_while_it_is_sent_is_told_in_stripes_words(answer: Answer) -> None:
    answer.propose()
    answer.approve()
    with overtaken("evidence to give", lambda: answer.case.decide("lost")):
        answer.send()
    assert answer.row.status == EvidenceStatus.REFUSED
    assert answer.row.refusal == "This dispute is already closed"


LATE: list[Callable[[Answer], object]] = [
    lambda answer: answer.save({STATEMENT: "Too late."}),
    lambda answer: answer.propose(),
    lambda answer: answer.approve(),
    lambda answer: service.ask_to_gather(answer.dispute_id),
]


@pytest.mark.parametrize("late", LATE)
def test_nothing_is_changed_when_the_bank_does_not_wait_any_more(
    answer: Answer, late: Callable[[Answer], object]
) -> None:
    answer.case.decide("lost").heard()
    before = answer.row
    with pytest.raises(Conflict):
        late(answer)
    assert (answer.row.version, answer.row.status) == (before.version, before.status)


def test_a_second_send_by_two_approvers_at_once_leaves_one_job(answer: Answer) -> None:
    answer.propose()
    run_concurrently(answer.approve, answer.approve)
    assert len(jobs("evidence.send")) == 1


def test_an_unknown_dispute_has_no_evidence(answer: Answer) -> None:
    with pytest.raises(NotFound):
        service.propose("dsp_unknown", answer.first, 1)


def test_nothing_is_sent_in_recovery_mode(answer: Answer) -> None:
    answer.propose()
    answer.approve()
    with db.transaction() as session:
        recovery.begin(session, recovery.OPERATOR, {})
    with pytest.raises(recovery.InRecovery):
        answer.send()
    assert answer.submissions == 0


def test_a_receipt_that_is_not_rendered_yet_does_not_go_along(case: Case) -> None:
    case.pay()
    documents.issue(case.payment.id)
    case.dispute().heard()
    service.gather(case.ours.id)
    assert evidence_of(case.ours.id).documents == {}
