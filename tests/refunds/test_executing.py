"""The money goes back once, whatever dies or is lost, on both databases; and the books follow Stripe's word."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
import stripe

from portal import gateway, ledger, stripe_sync
from portal.accounts.models import Customer
from portal.core import clock, config, db
from portal.core.errors import Conflict, PortalError
from portal.core.money import Money
from portal.core.synced_rows import Phase
from portal.gateway.translating import to_refund
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.jobs import outbox
from portal.payments import intents
from portal.payments import queries as payment_queries
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.payments.statuses import Duplicate
from portal.refunds import executing, job_handlers, service
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests import factories
from tests.certain import present
from tests.crashing import dies
from tests.payments.conftest import audited, books, everything
from tests.payments.conftest import jobs as jobs_named
from tests.refunds.conftest import Counter

CREATE = "/v1/refunds"
FOREVER = timedelta(hours=24)


def finish(counter: Counter, refund_id: str) -> None:
    """As a worker that comes later does it."""
    with suppress(outbox.Reschedule):
        job_handlers.follow_up(refund_id)


def assert_refunded_once(counter: Counter, refund_id: str, minor: int = 119_00) -> None:
    row = counter.refund(refund_id)
    assert (row.status, row.review_reason) == (RefundStatus.SUCCEEDED, "")
    assert [(one.id, one.amount) for one in counter.at_stripe] == [(row.stripe_refund_id, minor)]
    assert [amount for kind, _, amount in books() if kind == "refund"] == [minor]
    assert jobs_named("documents.issue_credit_note") == [{"refund_id": refund_id}]
    assert counter.sums == (minor, 0, 119_00 - minor)


def test_an_approved_refund_is_sent_and_booked_and_the_same_news_changes_nothing(counter: Counter) -> None:
    refund_id = counter.refunded()
    assert_refunded_once(counter, refund_id)
    row = counter.refund(refund_id)
    assert [step.status for step in row.steps] == [
        RefundStatus.REQUESTED,
        RefundStatus.APPROVED,
        RefundStatus.EXECUTING,
        RefundStatus.SUCCEEDED,
    ]
    assert row.expected_by is not None and row.sent_at is not None
    (sent,) = counter.at_stripe
    assert (present(sent.metadata)["refund_id"], sent.reason) == (refund_id, "requested_by_customer")
    before = everything()
    counter.execute(refund_id)
    service.sync_refund(sent.id)
    service.sync_refunds_of(str(counter.payment.stripe_intent_id))
    assert everything() == before


def test_in_two_parts(counter: Counter) -> None:
    counter.refunded(19_00)
    counter.refunded(100_00)
    assert counter.sums == (119_00, 0, 0)
    assert sorted(one.amount for one in counter.at_stripe) == [19_00, 100_00]
    with db.reading() as session:
        assert ledger.sums_of(session, [counter.payment_id])[counter.payment_id]["refund"] == 119_00


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "truncate", "error_before", "conflict", "rate_limit"])
def test_a_lost_answer_is_found_under_the_same_key(counter: Counter, fault: str) -> None:
    refund_id = counter.approved()
    counter.fail(fault, CREATE, times=1 if fault in {"truncate", "rate_limit"} else 2, method="POST")
    with pytest.raises(PortalError):
        counter.execute(refund_id)
    assert counter.refund(refund_id).status == RefundStatus.EXECUTING
    counter.execute(refund_id)
    assert_refunded_once(counter, refund_id)


@pytest.mark.parametrize("point", ["refund begun", "refund checked", "attempt claimed", "object created"])
def test_dead_before_and_after_the_sending(counter: Counter, point: str) -> None:
    refund_id = counter.approved()
    dies(point, lambda: counter.execute(refund_id))
    counter.execute(refund_id)
    assert_refunded_once(counter, refund_id)


@pytest.mark.parametrize("point", ["object stored", "refund posted", "refund moved", "change applied"])
def test_dead_while_recording_leaves_nothing_half_done(counter: Counter, point: str) -> None:
    refund_id = counter.approved()
    dies(point, lambda: counter.execute(refund_id))
    finish(counter, refund_id)
    assert_refunded_once(counter, refund_id)


def test_stripe_keeps_its_500_under_the_key_so_the_list_brings_the_refund(counter: Counter) -> None:
    counter.fail("error_after", CREATE, method="POST")
    refund_id = counter.refunded()
    assert counter.refund(refund_id).status == RefundStatus.SUCCEEDED
    assert [refund.id for refund in counter.at_stripe] == [counter.refund(refund_id).stripe_refund_id]


SEARCHED = timedelta(hours=2)


def searched(counter: Counter, refund_id: str, since: timedelta = SEARCHED) -> None:
    """As if Stripe's list had been searched for so long already; then the worker comes."""
    counter.touch(refund_id, search_began_at=clock.now() - since)
    finish(counter, refund_id)


def wait_of(counter: Counter, refund_id: str) -> float:
    with pytest.raises(outbox.Reschedule) as later:
        job_handlers.follow_up(refund_id)
    return later.value.seconds


def test_a_500_kept_without_effect_is_searched_for_and_then_sent_under_the_next_key(counter: Counter) -> None:
    counter.fail("error_kept", CREATE, method="POST")
    refund_id = counter.refunded()
    row = counter.refund(refund_id)
    assert (row.status, row.review_reason, row.attempt) == (RefundStatus.EXECUTING, "", 1)
    assert 9 <= wait_of(counter, refund_id) <= 10
    counter.touch(refund_id, search_began_at=clock.now() - timedelta(minutes=4))
    assert 235 <= wait_of(counter, refund_id) <= 245  # the waits double
    counter.touch(refund_id, search_began_at=clock.now() - timedelta(minutes=59))
    assert wait_of(counter, refund_id) <= 61  # and end with the search
    assert counter.at_stripe == []
    assert counter.refund(refund_id).phase == Phase.SEARCHED
    searched(counter, refund_id)
    counter.execute(refund_id)
    assert_refunded_once(counter, refund_id)
    assert (counter.refund(refund_id).attempt, audited("refund.new_attempt")) == (2, 1)


def test_dead_between_the_search_and_the_next_attempt_it_is_sent_once(counter: Counter) -> None:
    counter.fail("error_kept", CREATE, method="POST")
    refund_id = counter.refunded()
    counter.touch(refund_id, search_began_at=clock.now() - SEARCHED)
    dies("search ended", lambda: finish(counter, refund_id))
    assert (counter.refund(refund_id).attempt, counter.at_stripe) == (1, [])
    finish(counter, refund_id)
    assert_refunded_once(counter, refund_id)
    row = counter.refund(refund_id)
    assert (row.attempt, row.search_began_at) == (2, None)


def test_a_refund_that_appears_while_it_is_searched_for_is_taken_over(counter: Counter) -> None:
    counter.fail("error_kept", CREATE, method="POST")
    refund_id = counter.refunded()
    intent = str(counter.payment.stripe_intent_id)  # Stripe makes good what had failed
    counter.sandbox.client.v1.refunds.create({"payment_intent": intent, "metadata": {"refund_id": refund_id}})
    searched(counter, refund_id)
    assert_refunded_once(counter, refund_id)


def test_while_list_and_charge_contradict_each_other_nothing_is_sent_anew(counter: Counter) -> None:
    counter.fail("error_kept", CREATE, method="POST")
    refund_id = counter.refunded(19_00)
    made = counter.sandbox.client.v1.refunds.create(
        {"payment_intent": present(counter.payment.stripe_intent_id), "amount": 5_00}
    )
    counter.sandbox.control("refunds/lag", refund=made.id, seconds=60)
    searched(counter, refund_id)
    assert counter.refund(refund_id).attempt == 1
    searched(counter, refund_id, executing.UNCLEAR_AFTER)
    row = counter.refund(refund_id)
    assert (row.status, row.attempt) == (RefundStatus.UNKNOWN, 1) and "send it again" in row.review_reason
    assert [one.id for one in counter.at_stripe] == [made.id]


def test_a_third_failure_that_stripe_keeps_is_left_to_a_person(counter: Counter) -> None:
    counter.fail("error_kept", CREATE, times=2 * stripe_sync.MOST_ATTEMPTS, method="POST")  # the SDK calls twice
    refund_id = counter.refunded()
    for _ in range(stripe_sync.MOST_ATTEMPTS):
        searched(counter, refund_id)
    row = counter.refund(refund_id)
    assert (row.status, row.attempt) == (RefundStatus.UNKNOWN, stripe_sync.MOST_ATTEMPTS)
    service.send_again(refund_id, counter.approver)
    counter.execute(refund_id)
    assert_refunded_once(counter, refund_id)


def test_a_payment_disputed_while_the_refund_is_searched_for_is_not_refunded(counter: Counter) -> None:
    counter.fail("error_kept", CREATE, method="POST")
    refund_id = counter.refunded()
    with db.reading() as session:
        charge = session.get_one(Payment, counter.payment_id).stripe_charge_id
    counter.sandbox.control("disputes", charge=charge, reason="fraudulent")
    searched(counter, refund_id)
    row = counter.refund(refund_id)
    assert (row.status, row.failure_reason) == (RefundStatus.FAILED, executing.DISPUTED)


def test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched(counter: Counter) -> None:
    refund_id = counter.approved()
    counter.fail("reset_after", CREATE, times=2, method="POST")
    with pytest.raises(PortalError):
        counter.execute(refund_id)
    counter.touch(refund_id, key_used_at=clock.now() - FOREVER)
    counter.sandbox.control("clock", seconds=25 * 3600)  # Stripe has forgotten the key
    counter.execute(refund_id)
    assert_refunded_once(counter, refund_id)


def unknown(counter: Counter) -> str:
    """A refund whose answer was lost, which Stripe's list does not show, and whose key is too old to be sent again."""
    refund_id = counter.approved()
    counter.fail("reset_before", CREATE, times=2, method="POST")
    with pytest.raises(PortalError):
        counter.execute(refund_id)
    counter.touch(refund_id, key_used_at=clock.now() - FOREVER)
    counter.execute(refund_id)
    return refund_id


def test_what_nobody_knows_is_left_to_a_person(counter: Counter) -> None:
    refund_id = unknown(counter)
    row = counter.refund(refund_id)
    assert row.status == RefundStatus.UNKNOWN and "send it again" in row.review_reason
    counter.execute(refund_id)
    finish(counter, refund_id)
    assert counter.at_stripe == []
    assert counter.sums == (0, 119_00, 0)  # it stays reserved: it may have been made
    with pytest.raises(service.NotYours):
        service.send_again(refund_id, counter.support)
    service.send_again(refund_id, counter.approver)
    counter.execute(refund_id)
    assert_refunded_once(counter, refund_id)


def test_a_person_may_declare_that_it_was_never_made(counter: Counter) -> None:
    refund_id = unknown(counter)
    service.give_up(refund_id, counter.admin)
    assert counter.refund(refund_id).status == RefundStatus.FAILED
    assert counter.sums == (0, 0, 119_00)
    with pytest.raises(Conflict):
        service.send_again(refund_id, counter.admin)


def test_an_unknown_one_that_stripe_shows_after_all_is_taken_over_and_not_sent_again(counter: Counter) -> None:
    refund_id = unknown(counter)
    intent = str(counter.payment.stripe_intent_id)
    counter.sandbox.client.v1.refunds.create({"payment_intent": intent, "metadata": {"refund_id": refund_id}})
    for decide in (service.send_again, service.give_up):
        with pytest.raises((service.ShownByStripe, Conflict)):
            decide(refund_id, counter.approver)
    assert_refunded_once(counter, refund_id)


def test_a_disputed_payment_is_not_refunded_even_when_it_was_approved(counter: Counter) -> None:
    refund_id = counter.approved()
    with db.reading() as session:
        charge = session.get_one(Payment, counter.payment_id).stripe_charge_id
    counter.sandbox.control("disputes", charge=charge, reason="fraudulent")
    counter.fail("error_before", CREATE, times=2, method="POST")  # Stripe would refuse, and is not even asked
    counter.execute(refund_id)
    row = counter.refund(refund_id)
    assert (row.status, row.failure_reason) == (RefundStatus.FAILED, executing.DISPUTED)
    assert counter.at_stripe == []
    assert counter.sums == (0, 0, 119_00)


def test_what_was_given_back_at_the_dashboard_is_recorded_and_not_given_back_again(counter: Counter) -> None:
    asked = counter.ask(119_00)
    made = counter.sandbox.client.v1.refunds.create(
        {"payment_intent": str(counter.payment.stripe_intent_id), "amount": 100_00}
    )
    assert service.sync_refund(made.id)
    before = everything()
    assert service.sync_refund(made.id)
    assert everything() == before
    assert "dashboard" in counter.refund(asked).review_reason
    with pytest.raises(service.HeldForReview):
        service.approve(asked, counter.support)
    with pytest.raises(service.NotYours):
        service.lift_review(asked, counter.support)
    service.lift_review(asked, counter.approver)
    service.lift_review(asked, counter.approver)
    assert audited("refund.review_lifted") == 1
    service.approve(asked, counter.support)
    with pytest.raises(service.AlreadyDecided):
        service.lift_review(asked, counter.approver)
    counter.execute(asked)
    assert counter.refund(asked).failure_reason == executing.NOTHING_LEFT
    assert [one.amount for one in counter.at_stripe] == [100_00]
    assert [amount for kind, _, amount in books() if kind == "refund"] == [100_00]


def test_what_was_given_back_at_the_dashboard_beside_a_request_leaves_enough_for_it(counter: Counter) -> None:
    asked = counter.ask(19_00)
    made = counter.sandbox.client.v1.refunds.create(
        {"payment_intent": str(counter.payment.stripe_intent_id), "amount": 100_00}
    )
    assert service.sync_refund(made.id)
    assert counter.refund(asked).review_reason == ""
    service.approve(asked, counter.support)
    counter.execute(asked)
    assert counter.sums == (119_00, 0, 0)


@pytest.mark.database("sqlite")
def test_of_what_was_given_back_before_nothing_changes_by_what_is_at_the_dashboard(counter: Counter) -> None:
    refund_id = counter.refunded(19_00)
    made = counter.sandbox.client.v1.refunds.create(
        {"payment_intent": str(counter.payment.stripe_intent_id), "amount": 100_00}
    )
    assert service.sync_refund(made.id)
    assert counter.refund(refund_id).review_reason == ""


def test_a_foreign_refund_whose_recorder_dies_is_never_sent_by_us(counter: Counter) -> None:
    made = counter.sandbox.client.v1.refunds.create(
        {"payment_intent": str(counter.payment.stripe_intent_id), "amount": 9_00}
    )
    dies("foreign refund recorded", lambda: service.sync_refund(made.id))
    with db.reading() as session:
        (row,) = session.query(Refund).all()
    finish(counter, row.id)
    assert service.sync_refund(made.id)
    assert [one.id for one in counter.at_stripe] == [made.id]
    assert counter.sums == (9_00, 0, 110_00)


def test_a_refund_that_fails_after_it_had_succeeded_reopens_the_balance(counter: Counter) -> None:
    refund_id = counter.refunded()
    counter.sandbox.control("refunds/fail", refund=counter.refund(refund_id).stripe_refund_id)
    service.sync_refund(str(counter.refund(refund_id).stripe_refund_id))
    row = counter.refund(refund_id)
    assert row.status == RefundStatus.FAILED and row.failure_reason
    assert counter.sums == (0, 0, 119_00)
    assert [kind for kind, _, _ in books() if kind.startswith("refund")] == ["refund", "refund_failed"]
    assert jobs_named("documents.revoke_credit_note") == [{"refund_id": refund_id}]
    before = everything()
    service.sync_refund(str(row.stripe_refund_id))
    assert everything() == before
    again = counter.refunded()
    assert counter.refund(again).status == RefundStatus.SUCCEEDED


def test_what_a_payment_shows_follows_from_the_postings(counter: Counter) -> None:
    def shown() -> str:
        payment = counter.payment
        with db.reading() as session:
            return payment_queries.shown_statuses(session, [payment])[payment.id]

    assert shown() == "succeeded"
    part = counter.refunded(19_00)
    assert shown() == "partially_refunded"
    counter.refunded(100_00)
    assert shown() == "refunded"
    counter.sandbox.control("refunds/fail", refund=counter.refund(part).stripe_refund_id)
    executing.refresh(part)
    assert shown() == "partially_refunded"


def test_a_stale_update_never_wins(counter: Counter) -> None:
    refund_id = counter.refunded()
    row = counter.refund(refund_id)
    old = gateway.current().retrieve_refund(str(row.stripe_refund_id))
    counter.sandbox.control("refunds/fail", refund=row.stripe_refund_id)
    executing.refresh(refund_id)
    assert stripe_sync.settle(executing.KIND, refund_id, old, None, seen_version=row.version) is False
    executing.adopt(refund_id, old)
    assert (counter.refund(refund_id).status, counter.refund(refund_id).review_reason) == (RefundStatus.FAILED, "")


def test_what_does_not_fit_the_row_is_left_to_staff(counter: Counter) -> None:
    refund_id = counter.refunded(19_00)
    counter.touch(refund_id, amount_minor=18_00)
    executing.refresh(refund_id)
    assert "over 19.00 EUR" in counter.refund(refund_id).review_reason
    assert audited("refund.held_for_review") == 1


def test_money_that_a_second_intent_has_taken_goes_back_by_itself(counter: Counter) -> None:
    (first,) = counter.intents
    second = counter.sandbox.client.v1.payment_intents.create(
        {
            "amount": first.amount,
            "currency": first.currency,
            "customer": str(first.customer),
            "metadata": {"payment_id": counter.payment_id},
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    counter.confirm(second.id)
    assert payments.sync_intent(second.id)
    (job,) = jobs_named("refunds.return_duplicate")
    with suppress(outbox.Reschedule):
        job_handlers.return_duplicate(**job)
    refund_id = service.return_duplicate(job["payment_id"])
    assert refund_id == service.return_duplicate(job["payment_id"])
    assert counter.refund(str(refund_id)).held_until is None, "nobody is asked, so nobody can undo it"
    counter.execute(str(refund_id))
    (sent,) = counter.at_stripe
    assert (sent.payment_intent, sent.amount, sent.reason) == (second.id, 119_00, "duplicate")
    assert [kind for kind, _, _ in books() if kind in {"charge", "refund"}] == ["charge", "charge", "refund"]
    counter.sandbox.control("finish")  # Stripe knows the fee now
    payments.sync_intent(second.id)
    before = everything()
    assert payments.sync_intent(second.id)
    assert everything() == before


def test_an_invoice_that_was_paid_otherwise_when_the_money_arrived_is_given_back(counter: Counter) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, counter.customer_id)
        counter.invoice_id = factories.invoice(session, customer).id
    started = counter.start("the-other-invoice")
    with db.transaction() as session:
        session.get_one(Invoice, counter.invoice_id).status = InvoiceStatus.PAID  # by bank transfer, say
    counter.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    (job,) = jobs_named("refunds.return_duplicate")
    assert job == {"payment_id": started.payment_id}
    counter.execute(str(service.return_duplicate(started.payment_id)))
    assert [one.payment_intent for one in counter.at_stripe] == [started.intent_id]


@pytest.mark.database("sqlite")
def test_a_duplicate_that_was_given_back_already_is_not_given_back_again(counter: Counter) -> None:
    counter.refunded(119_00)
    with db.transaction() as session:
        session.get_one(Payment, counter.payment_id).duplicate = Duplicate.SECOND_INTENT
    assert service.return_duplicate(counter.payment_id) is None


def test_an_ordinary_payment_is_no_duplicate(counter: Counter) -> None:
    assert service.return_duplicate(counter.payment_id) is None


def test_a_key_that_a_customer_has_chosen_makes_no_duplicate(counter: Counter) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, counter.customer_id)
        payment_id = factories.payment(session, customer, client_key="second:pi_of_mine").id
    assert service.return_duplicate(payment_id) is None


def test_a_refund_as_older_versions_of_the_api_tell_it_has_no_acquirer_reference_number() -> None:
    plain = {"id": "re_1", "object": "refund", "amount": 5_00, "currency": "eur", "status": "succeeded", "created": 1}
    references: dict[str, object] = {"payment_intent": "pi_1", "balance_transaction": None, "metadata": {}}
    found = to_refund(stripe.Refund.construct_from(plain | references, "sk_test_1"))
    assert (found.id, found.amount, found.acquirer_reference_number) == ("re_1", Money(5_00, "eur"), "")


def test_no_transaction_is_open_while_money_goes_back(counter: Counter) -> None:
    with db.transaction(), pytest.raises(db.NestedTransaction):
        gateway.current().create_refund(
            "a-key", intent_id="pi_1", amount=Money(1_00, "eur"), reason="duplicate", metadata={}
        )


@pytest.mark.parametrize(
    "values",
    [
        {"review_reason": "Two of Stripe's refunds claim to be this one."},
        {"status": "failed"},
        {"status": "canceled"},
        {"status": "rejected"},
        {"status": "requested"},
        {"status": "unknown"},
    ],
    ids=lambda values: next(iter(values.values()))[:12],
)
def test_what_is_over_or_waits_for_a_person_is_not_followed(settings: config.Settings, values: dict[str, str]) -> None:
    """Stripe, which nobody could reach here, is not asked."""
    with db.transaction() as session:
        paid = factories.payment(session, factories.customer(session))
        refund = factories.refund(session, paid, **({"succeeded_at": None} | values))
    assert executing.follow_up(refund.id) is None
