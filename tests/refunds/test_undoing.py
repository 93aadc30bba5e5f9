"""An approval at the desk is undone before anything is sent, or it is sent: never both, and never neither."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from portal.core import db
from portal.core.db import database_now
from portal.core.errors import Forbidden
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.refunds import executing, job_handlers, queries, service
from portal.refunds.models import Refund
from portal.refunds.service import TooLate
from portal.refunds.statuses import RefundStatus
from tests.crashing import dies
from tests.payments.conftest import audited, everything, jobs
from tests.refunds.conftest import Counter

HELD = 10
FOUR_EYES = pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")
# Importing the handlers registers what the worker runs.
REGISTERED = job_handlers


def approved(counter: Counter, minor: int = 19_00) -> str:
    refund_id = counter.ask(minor)
    assert service.approve(refund_id, counter.support, undo_seconds=HELD) == RefundStatus.APPROVED
    return refund_id


def time_is_over(refund_id: str) -> None:
    """What ten seconds bring by themselves: the approval is held no longer, and its job is due."""
    with db.transaction() as session:
        now = database_now(session)
        session.get_one(Refund, refund_id).held_until = now - timedelta(seconds=1)
        session.execute(update(JobRow).where(JobRow.name == "refunds.execute").values(run_at=now))


def told(counter: Counter, refund_id: str) -> list[str]:
    """The statuses that the customer hears of by mail."""
    return [job["status"] for job in jobs("refunds.mail") if job["refund_id"] == refund_id]


def test_until_the_time_is_over_nothing_is_sent_and_nobody_is_told(counter: Counter) -> None:
    refund_id = approved(counter)
    assert executing.execute(refund_id) == pytest.approx(HELD, abs=5)
    assert (counter.at_stripe, counter.refund(refund_id).status) == ([], RefundStatus.APPROVED)
    assert told(counter, refund_id) == [RefundStatus.REQUESTED]
    assert counter.sums == (0, 19_00, 100_00)
    time_is_over(refund_id)
    counter.execute(refund_id)
    assert [refund.amount for refund in counter.at_stripe] == [19_00]
    assert told(counter, refund_id)[:2] == [RefundStatus.REQUESTED, RefundStatus.APPROVED]


def test_what_was_undone_waits_as_before_and_can_be_decided_anew(counter: Counter) -> None:
    refund_id = approved(counter)
    service.undo(refund_id, counter.support)
    row = counter.refund(refund_id)
    assert (row.status, row.decided_by, row.held_until) == (RefundStatus.REQUESTED, None, None)
    assert [step.status for step in row.steps] == [RefundStatus.REQUESTED]
    assert jobs("refunds.execute") == [] and audited("refund.approval_undone") == 1
    assert told(counter, refund_id) == [RefundStatus.REQUESTED]
    before = everything()
    with pytest.raises(TooLate):
        service.undo(refund_id, counter.support)
    assert everything() == before
    assert executing.execute(refund_id) is None and counter.at_stripe == []

    service.approve(refund_id, counter.approver, undo_seconds=HELD)
    time_is_over(refund_id)
    counter.execute(refund_id)
    assert len(counter.at_stripe) == 1


def test_nobody_but_who_approved_it_undoes_it_and_not_after_its_time(counter: Counter) -> None:
    refund_id = approved(counter)
    with pytest.raises(TooLate):
        service.undo(refund_id, counter.approver)
    with pytest.raises(Forbidden):
        service.undo(refund_id, Reviewer(counter.user_id, "customer"))
    time_is_over(refund_id)
    before = everything()
    with pytest.raises(TooLate):
        service.undo(refund_id, counter.support)
    assert everything() == before


def test_what_was_approved_elsewhere_than_at_the_desk_is_sent_at_once(counter: Counter) -> None:
    refund_id = counter.approved(19_00)
    with pytest.raises(TooLate):
        service.undo(refund_id, counter.support)
    counter.execute(refund_id)
    assert len(counter.at_stripe) == 1


@FOUR_EYES
def test_each_of_two_people_undoes_their_own_approval(counter: Counter) -> None:
    refund_id = counter.ask()
    service.approve(refund_id, counter.support, undo_seconds=HELD)
    with pytest.raises(TooLate):
        service.undo(refund_id, counter.approver)
    service.undo(refund_id, counter.support)
    assert counter.refund(refund_id).first_approved_by is None
    service.approve(refund_id, counter.support, undo_seconds=HELD)
    assert service.approve(refund_id, counter.approver, undo_seconds=HELD) == RefundStatus.APPROVED
    with pytest.raises(TooLate):
        service.undo(refund_id, counter.support)  # the other one has decided
    service.undo(refund_id, counter.approver)
    row = counter.refund(refund_id)
    assert (row.status, row.first_approved_by) == (RefundStatus.APPROVED_ONCE, counter.support.id)
    assert service.approve(refund_id, counter.admin, undo_seconds=HELD) == RefundStatus.APPROVED
    time_is_over(refund_id)
    counter.execute(refund_id)
    assert len(counter.at_stripe) == 1


def test_a_job_that_a_worker_has_begun_is_not_undone(counter: Counter) -> None:
    refund_id = approved(counter)
    with db.transaction() as session:
        session.execute(update(JobRow).where(JobRow.name == "refunds.execute").values(run_at=database_now(session)))
    assert "refunds.execute" in {claimed.name for claimed in outbox.claim("a-worker", 100)}
    with pytest.raises(TooLate):
        service.undo(refund_id, counter.support)


@pytest.mark.parametrize("point", ["refund moved", "job to enqueue", "refund undone"])
def test_a_process_that_dies_while_approving_or_undoing_leaves_it_whole(counter: Counter, point: str) -> None:
    refund_id = counter.ask(19_00)
    if point == "refund undone":
        service.approve(refund_id, counter.support, undo_seconds=HELD)
        dies(point, lambda: service.undo(refund_id, counter.support))
        assert counter.refund(refund_id).status == RefundStatus.APPROVED
        service.undo(refund_id, counter.support)
    else:
        dies(point, lambda: service.approve(refund_id, counter.support, undo_seconds=HELD))
    assert counter.refund(refund_id).status == RefundStatus.REQUESTED
    assert jobs("refunds.execute") == []


def test_an_approval_whose_process_is_gone_is_sent_when_its_time_is_over(counter: Counter) -> None:
    refund_id = approved(counter)
    with db.transaction() as session:  # the job is lost as well
        session.execute(delete(JobRow).where(JobRow.name == "refunds.execute"))
    assert service.requeue_lost_jobs() == 1
    time_is_over(refund_id)
    outbox.run_due("another worker")
    assert len(counter.at_stripe) == 1


def test_the_worker_and_the_undo_race_and_one_of_them_wins(counter: Counter) -> None:
    wishes = [approved(counter, 5_00) for _ in range(8)]
    with db.transaction() as session:
        at = database_now(session) + timedelta(seconds=0.3)
        session.execute(update(Refund).where(Refund.id.in_(wishes)).values(held_until=at))
        session.execute(update(JobRow).where(JobRow.name == "refunds.execute").values(run_at=at))

    def undone(refund_id: str) -> bool:
        with suppress(TooLate):
            service.undo(refund_id, counter.support)
            return True
        return False

    def sent(refund_id: str) -> None:
        while (left := executing.execute(refund_id)) is not None and left < 1:
            pass

    with ThreadPoolExecutor(8) as pool:
        sending = [pool.submit(sent, one) for one in wishes]
        taken_back = [pool.submit(undone, one) for one in wishes]
        results = {one: future.result() for one, future in zip(wishes, taken_back, strict=True)}
        for future in sending:
            future.result()
    with db.reading() as session:
        statuses = {one: queries.by_id(session, one).status for one in wishes}
    for one, was_undone in results.items():
        assert (statuses[one] == RefundStatus.REQUESTED) == was_undone, one
    assert len(counter.at_stripe) == len(wishes) - sum(results.values())


def test_an_amount_that_was_lowered_with_the_approval_stays_as_it_was_typed(counter: Counter) -> None:
    refund_id = counter.ask(19_00)
    service.approve(refund_id, counter.support, amount=Money(9_00, "eur"), undo_seconds=HELD)
    service.undo(refund_id, counter.support)
    assert (counter.refund(refund_id).amount_minor, counter.refund(refund_id).asked_minor) == (9_00, 19_00)
