"""Refunds that have failed are work: listed, counted, explained, and dealt with in one of three ways, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal.core import company_days, db
from portal.core.errors import Forbidden, Invalid
from portal.core.four_eyes import Reviewer
from portal.operations import queries as operations_queries
from portal.payments import queries as payment_queries
from portal.refunds import messages, queries, queue, service
from portal.refunds.models import Refund, Resolution
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import RefundStatus
from tests.payments.conftest import audited, books, everything, jobs
from tests.refunds.conftest import Counter

ANYBODY = Reviewer("usr_anybody", "approver")


@pytest.fixture
def failed(counter: Counter) -> str:
    """A refund of the whole payment that the bank has sent back."""
    refund_id = counter.refunded()
    stripe_id = str(counter.refund(refund_id).stripe_refund_id)
    counter.sandbox.control("refunds/fail", refund=stripe_id)
    service.sync_refund(stripe_id)
    return refund_id


def listed() -> list[str]:
    with db.reading() as session:
        rows = [row.id for row in queries.failed(session).rows]
        assert queries.number_failed(session, 100) == operations_queries.state(session).failed_refunds == len(rows)
        waiting = len(queue.page(session, ANYBODY, queue.Filter(), 100))
    assert queue.number_to_do(ANYBODY) == len(rows) + waiting
    return rows


def test_a_failed_refund_is_listed_counted_and_explained_until_someone_deals_with_it(
    counter: Counter, failed: str
) -> None:
    assert listed() == [failed]
    row = counter.refund(failed)
    assert "expired or was canceled" in messages.for_staff(row, "en") and "Karte" in messages.for_staff(row, "de")
    service.close(failed, counter.approver, note="The customer keeps the credit.")
    assert listed() == []
    before = everything()
    service.close(failed, counter.approver, note="The customer keeps the credit.")
    assert everything() == before
    assert counter.sums == (0, 0, 119_00)
    for again in (
        lambda: service.replace(failed, counter.support),
        lambda: service.pay_outside(failed, counter.admin, paid_on=company_days.today(), note="By transfer"),
    ):
        with pytest.raises(service.NotFailed):
            again()


# Stripe's API reference, "The Refund object", failure_reason; and our own.
REASONS = (
    "charge_for_pending_refund_disputed", "declined", "expired_or_canceled_card", "insufficient_funds", "lost_or_stolen_card",
    "merchant_request", "unknown", "a_reason_of_tomorrow", "charge_disputed", "charge_already_refunded", "charge_not_refundable",
    "payment_not_succeeded", "not_sent", "canceled",
)  # fmt: skip


@pytest.mark.parametrize("status", [RefundStatus.FAILED, RefundStatus.CANCELED])
def test_every_reason_is_explained_in_words_to_staff_and_to_the_customer(status: RefundStatus) -> None:
    for reason in REASONS:
        row = Refund(status=status, failure_reason=reason, resolution="")
        for text in (messages.for_staff(row, "en"), messages.for_customer(row, "en")):
            assert text.endswith(".") and "_" not in text, (reason, text)


def test_sent_again_it_is_a_new_refund_that_is_decided_like_all_others(counter: Counter, failed: str) -> None:
    new_id = service.replace(failed, counter.support)
    assert service.replace(failed, counter.approver) == new_id
    new, old = counter.refund(new_id), counter.refund(failed)
    assert (new.status, new.amount, new.reason, new.asked_by) == (
        RefundStatus.REQUESTED, old.amount, RefundReason.PRODUCT_NOT_RECEIVED, counter.support.id
    )  # fmt: skip
    assert (old.status, old.resolution, old.replaced_by) == (RefundStatus.FAILED, "sent_again", new_id)
    assert listed() == []
    assert "sending it again" in messages.for_customer(old, "en")
    service.approve(new_id, counter.approver)
    counter.execute(new_id)
    assert counter.refund(new_id).status == RefundStatus.SUCCEEDED
    assert counter.sums == (119_00, 0, 0)


def test_paid_another_way_it_counts_as_given_back_and_is_booked_from_the_bank(counter: Counter, failed: str) -> None:
    yesterday = company_days.today() - timedelta(days=1)
    for _ in range(2):
        service.pay_outside(failed, counter.approver, paid_on=yesterday, note="Transfer 4711")
    assert counter.sums == (119_00, 0, 0)
    assert listed() == []
    assert books()[-1] == ("refund_outside", f"refund_outside:{failed}", 119_00)
    assert audited("refund.paid_outside") == 1
    assert [job["status"] for job in jobs("refunds.mail")].count(Resolution.PAID_OUTSIDE) == 1
    payment = counter.payment
    with db.reading() as session:
        assert payment_queries.shown_statuses(session, [payment])[payment.id] == "refunded"
    with pytest.raises(Invalid):
        counter.ask(1_00)


def test_what_is_not_left_any_more_is_neither_sent_again_nor_paid_another_way(counter: Counter, failed: str) -> None:
    counter.refunded(100_00)
    before = everything()
    with pytest.raises(Invalid):
        service.replace(failed, counter.support)
    with pytest.raises(Invalid):
        service.pay_outside(failed, counter.admin, paid_on=company_days.today(), note="Transfer 4711")
    assert everything() == before


def test_who_may_not_and_what_is_no_answer_changes_nothing(counter: Counter, failed: str) -> None:
    customer, today = Reviewer(counter.user_id, "customer"), company_days.today()
    before = everything()
    for refused in (
        lambda: service.replace(failed, customer),
        lambda: service.pay_outside(failed, counter.support, paid_on=today, note="Transfer 4711"),
        lambda: service.close(failed, counter.support, note="Kept"),
    ):
        with pytest.raises(Forbidden):
            refused()
    for day, note in ((today, " "), (today + timedelta(days=1), "Soon"), (today - timedelta(days=400), "Long ago")):
        with pytest.raises(Invalid):
            service.pay_outside(failed, counter.approver, paid_on=day, note=note)
    with pytest.raises(service.NotFailed):
        service.close(counter.ask(), counter.approver, note="Not failed")
    assert [row for row in listed() if row == failed] == [failed]
    assert audited("refund.paid_outside") == audited("refund.nothing_owed") == 0
    assert before
