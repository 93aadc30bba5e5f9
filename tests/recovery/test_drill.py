"""The drill: a backup, business, a restore. Nothing is charged twice, nothing is numbered twice, and all of it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal import gateway
from portal.core import recovery
from portal.core.money import Money
from portal.core.recovery import InRecovery
from portal.disputes import service as disputes
from portal.documents import service as receipts
from portal.mandates import collecting
from portal.payments import service as payments
from portal.payments.order_rules import Order
from portal.reconciliation import recovering
from tests.reconciliation.test_reconciling import stripe_holds, we_hold
from tests.recovery.conftest import Company, mark

pytestmark = pytest.mark.owner


def business(company: Company) -> dict[str, str]:
    """Up to the backup, and after it; returns the ids of invoices and payments that the tests speak of."""
    company.switch_on()
    before = company.bill(50_00)
    company.pay(before)
    company.run_jobs()
    by_card, automatic = company.bill(100_00, days=60), company.bill(30_00)
    with company.later(7):  # the notice of the automatic payment is out
        company.run_jobs()
    return {"before": before, "by_card": by_card, "automatic": automatic}


def more_business(company: Company, ids: dict[str, str]) -> None:
    """All that the backup does not have: a card on the page, an automatic payment, a refund of each kind of payment, and a dispute."""
    paid = company.pay(ids["by_card"])
    company.run_jobs()
    company.give_back(paid, 19_00)
    company.run_jobs()
    order = company.order(20_00)
    company.run_jobs()
    company.give_back(order, 5_00)
    company.run_jobs()
    company.order(45_00, "pm_card_createDispute")
    for dispute in company.sandbox.client.v1.disputes.list().data:
        disputes.sync_dispute(dispute.id)
    later = company.bill(70_00, days=60)
    company.run_jobs()
    ids["unpaid"] = later
    company.work()
    company.run_jobs()
    for payment_id, *_rest in company.known()["payments"]:
        payments.refresh(payment_id)  # Stripe's fee is known by now


@pytest.mark.timeout(300)  # a whole business day, twice
@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:5000,usd:5000")
def test_after_a_restore_nothing_is_charged_or_numbered_twice_and_all_is_brought_back(
    marks_file: Path, company: Company
) -> None:
    ids = business(company)
    copy = company.back_up()
    with company.later(10.5):
        more_business(company, ids)
        company.housekeeping()
        company.run_jobs()
        charged, documents, known, holds = (
            company.charged,
            company.documents(),
            company.known(),
            stripe_holds(company.sandbox),
        )
        assert len(charged) == 5 and len(documents) == 7, "the drill is about something"
        assert {status for _number, status in known["invoices"]} == {"paid", "open"}
        assert company.trail_is_whole()

        company.restore(copy)

        # Before anybody says a word: the mark tells, and every way to move money is shut.
        assert company.status().lost_event == mark(marks_file)["audit"]["number"]
        for move in (
            lambda: payments.start_for_invoice(
                company.customer_id, ids["by_card"], client_key="a" * 20, save_card=False
            ),
            lambda: payments.record_custom_payment(
                company.customer_id, Money(9_00, "eur"), "Poster", client_key="b" * 20
            ),
            company.bill,
            lambda: collecting.collect(company.collection(ids["automatic"]).id),
        ):
            with pytest.raises(InRecovery):
                move()
        company.work()
        assert company.charged == charged

        company.housekeeping()  # the worker notices, compares, and goes on by itself

        assert company.open_codes() == []
        assert not company.status().is_on
        assert company.charged == charged
        assert company.documents() == documents
        now = company.known()
        assert [row for row in now["invoices"] if row[1] == "paid"] == [
            row for row in known["invoices"] if row[1] == "paid"
        ]
        assert now["payments"] == known["payments"]
        assert now["refunds"] == known["refunds"]
        assert now["disputes"] == known["disputes"]
        assert we_hold() == stripe_holds(company.sandbox) == holds
        assert company.trail_is_whole()

        # Life goes on behind the highest numbers; the invoice that nobody had paid is lost, its number stays used.
        lost = [number for number, _status in known["invoices"] if number not in {row[0] for row in now["invoices"]}]
        assert company.told("numbering.gap") == [
            {"series": "invoice", "numbers": lost[0].rpartition("-")[2].lstrip("0")}
        ]
        company.pay(company.bill(10_00))
        company.run_jobs()
        assert company.known()["invoices"][-1][0].endswith("-000005")
        highest = max(row[1] for row in documents if row[1].startswith("PC-"))
        assert (
            max(row[1] for row in company.documents() if row[1].startswith("PC-"))[-6:]
            == f"{int(highest[-6:]) + 1:06d}"
        )
    with company.later(14), company.later(7):
        company.work()
        assert len(company.charged) == len(charged) + 1, "the automatic payment is not charged again on a later day"


@pytest.mark.timeout(300)  # a whole business day, twice
@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:5000,usd:5000")
def test_without_a_mark_stripe_tells_and_its_metadata_hold_the_numbers(company: Company) -> None:
    ids = business(company)
    copy = company.back_up()
    with company.later(10.5):
        more_business(company, ids)
        charged, documents, known = company.charged, company.documents(), company.known()
        company.restore(copy)
        assert not company.status().is_on
        company.work()  # the sweep would charge again at once
        company.housekeeping()
        assert company.told("recovery.begun")[0]["reason"] == recovery.STRIPE
        assert not company.status().is_on
        assert company.charged == charged
        assert company.documents() == documents
        assert company.known()["payments"] == known["payments"]


def test_what_stripe_knows_and_we_cannot_place_keeps_the_mode_on_until_a_person_resolves_it(
    marks_file: Path, company: Company
) -> None:
    copy = company.back_up()
    invoice_id = company.bill()
    company.pay(invoice_id)
    company.run_jobs()
    number = company.known()["invoices"][0][0]
    company.restore(copy)
    company.housekeeping()
    assert "lost_invoice" in company.open_codes()
    assert company.status().left == 1
    with pytest.raises(recovering.StillOpen):
        recovering.finish()
    with pytest.raises(InRecovery):
        company.bill()
    recovering.finish("The invoice is written again from its PDF.")
    assert company.told("recovery.finished")[-1]["overruled"] == "The invoice is written again from its PDF."
    company.bill()
    assert company.known()["invoices"][0][0] != number, "its number was given out before"
    company.housekeeping()
    assert not company.status().is_on, "what a person has overruled does not begin it again"


def test_a_payment_that_waits_for_its_customer_is_called_off_and_its_page_can_pay_nothing(
    marks_file: Path, company: Company
) -> None:
    invoice_id = company.bill()
    copy = company.back_up()
    started = payments.start_for_invoice(company.customer_id, invoice_id, client_key="k" * 20, save_card=False)
    company.restore(copy)
    company.housekeeping()
    assert not company.status().is_on
    assert gateway.current().retrieve_intent(started.intent_id).status == "canceled"
    company.pay(invoice_id)
    assert len(company.charged) == 1


def test_a_refund_that_was_sent_after_the_backup_is_not_sent_again(marks_file: Path, company: Company) -> None:
    """Approved in the backup, sent after it: its key at Stripe may be forgotten by the time of the restore."""
    paid = company.order(20_00)
    company.run_jobs()
    company.approved(paid, 5_00)
    copy = company.back_up()
    company.run_jobs()
    company.restore(copy)
    company.housekeeping()
    assert not company.status().is_on
    given = company.sandbox.client.v1.refunds.list({"limit": 10}).data
    assert [refund.amount for refund in given] == [5_00]
    assert company.known()["refunds"][0][2] == "succeeded"


def test_an_app_that_sends_its_order_again_after_the_restore_is_not_charged_again(
    marks_file: Path, company: Company
) -> None:
    copy = company.back_up()
    order = Order(
        company.customer_id,
        "order-of-an-app-1",
        amount=Money(20_00, "eur"),
        description="Poster",
        method="pm_card_visa",
        metadata={"basket": "A-7"},
    )
    first = payments.process(order)
    company.sandbox.control("finish")
    payments.refresh(first.payment.id)
    company.run_jobs()
    company.restore(copy)
    company.housekeeping()
    again = payments.process(order)
    assert (again.payment.id, again.payment.status) == (first.payment.id, "succeeded")
    assert again.payment.extra == {"basket": "A-7"}
    assert company.charged == [20_00]


def test_a_receipt_that_was_numbered_and_not_kept_at_stripe_gets_a_number_behind_all(
    marks_file: Path, company: Company
) -> None:
    invoice_id = company.bill()
    copy = company.back_up()
    paid = company.pay(invoice_id)
    receipts.issue(paid)
    company.restore(copy)
    company.housekeeping()
    assert [row[1][-6:] for row in company.documents()] == ["000002"]
    assert company.told("numbering.gap") == [{"series": "payment_confirmation", "numbers": "1"}]
