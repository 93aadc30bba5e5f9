"""What comes back of the documents and their numbers, case by case; the whole of it is the drill."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from portal.core import clock, db, numbering, recovery
from portal.documents import service as receipts
from portal.documents.models import RefundDocument
from portal.reconciliation import recovering, service
from portal.reconciliation.models import RunKind
from portal.refunds import executing
from portal.refunds.models import Refund
from tests.recovery.conftest import Company

pytestmark = pytest.mark.database("sqlite")


def recover(company: Company) -> None:
    with db.transaction() as session:
        recovery.begin(session, recovery.OPERATOR, {})
    recovering.compare_again()
    company.housekeeping()


def lasts() -> dict[str, int]:
    with db.reading() as session:
        return dict(numbering.lasts(session))


def test_the_first_numbers_of_all_come_back_and_no_other_is_used(company: Company) -> None:
    """Not that of an invoice, where none was issued; and a refund that had no document yet has none now."""
    copy = company.back_up()
    with company.later(1):
        paid = company.order(20_00)
        company.run_jobs()
        company.give_back(paid, 5_00)
        company.run_jobs()
        documents, numbers = company.documents(), lasts()
        assert len(documents) == 2 and set(numbers.values()) == {1}
        company.give_back(paid, 2_00)
        company.run_jobs()
        with db.reading() as session:
            (last,) = session.scalars(select(Refund).where(Refund.amount_minor == 2_00))
        unsaid = {f"credit_note_{name}": "" for name in ("code", "id", "issued_at", "number")}
        company.sandbox.client.v1.refunds.update(str(last.stripe_refund_id), {"metadata": unsaid})
        company.restore(copy)
        recover(company)
        assert company.documents()[: len(documents)] == documents
        assert lasts().keys() == numbers.keys()


def test_a_credit_note_whose_refund_has_failed_since_is_revoked_and_another_stays(company: Company) -> None:
    sure = company.order(20_00)
    company.run_jobs()
    company.give_back(sure, 5_00)
    unsure = company.order(30_00, "pm_card_refundFail")
    company.run_jobs()
    refund_id = company.approved(unsure, 7_00)
    executing.execute(refund_id)
    assert receipts.issue_credit_note(refund_id) is not None
    copy = company.back_up()
    company.run_jobs()
    company.restore(copy)
    recover(company)
    with db.reading() as session:
        revoked = {note.refund_id for note in session.scalars(select(RefundDocument)) if note.revoked_at is not None}
    assert revoked == {refund_id}


def test_a_comparison_gives_out_no_document_unless_it_recovers(company: Company) -> None:
    """The backup has the payment; its receipt was issued after it."""
    company.order(20_00)
    copy = company.back_up()
    company.run_jobs()
    documents = company.documents()
    assert len(documents) == 1
    company.restore(copy)
    with time_machine.travel(clock.now() + timedelta(hours=1)):
        service.execute(service.begin(RunKind.NIGHTLY, to_now=True))
    assert company.documents() == []
    recover(company)
    assert company.documents() == documents
