"""What is left when a process dies, or an answer is lost, at each point of the pay flow; and that it all comes right by itself.

After each accident the follow-up job runs as a worker would run it, and the books must tell of exactly one payment.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from portal import gateway, stripe_sync
from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.errors import PortalError, Unavailable
from portal.jobs import outbox
from portal.payment_methods import service as cards
from portal.payments import following, intents, service
from portal.payments.statuses import PaymentStatus
from tests import factories
from tests.crashing import dies
from tests.payments.conftest import Checkout, books, everything, jobs

CREATE = "/v1/payment_intents"


def let_the_worker_finish(checkout: Checkout) -> None:
    """Run the follow-up until it says that the payment waits for its customer, or is at its end."""
    with suppress(outbox.Reschedule):
        service.follow_up(checkout.payment.id)


def pay_now(checkout: Checkout) -> None:
    (intent,) = checkout.intents
    checkout.confirm(intent.id)
    let_the_worker_finish(checkout)


def assert_paid_once(checkout: Checkout) -> None:
    assert checkout.payment.status == PaymentStatus.SUCCEEDED
    assert checkout.invoice.status == "paid"
    assert [kind for kind, _, _ in books() if kind == "charge"] == ["charge"]
    assert len(jobs("documents.issue")) == 1
    charges = checkout.sandbox.client.v1.charges.list({"limit": 100}).data
    assert sum(charge.amount for charge in charges if charge.paid) == 119_00


def test_dead_before_the_row_commits_the_next_click_starts_afresh(checkout: Checkout) -> None:
    dies("payment recorded", checkout.start)
    assert checkout.payments == []
    checkout.start()
    pay_now(checkout)
    assert_paid_once(checkout)


def test_row_committed_but_nothing_sent_the_worker_makes_the_intent(checkout: Checkout) -> None:
    checkout.fail("reset_before", CREATE, times=2)
    with pytest.raises(Unavailable):
        checkout.start()
    assert checkout.payment.status == PaymentStatus.CREATED
    assert checkout.intents == []
    let_the_worker_finish(checkout)
    assert checkout.payment.stripe_intent_id == checkout.intents[0].id
    pay_now(checkout)
    assert_paid_once(checkout)


@pytest.mark.parametrize("fault", ["reset_after", "truncate", "error_before", "conflict", "rate_limit"])
def test_the_answer_to_the_creation_is_lost_and_the_same_key_finds_the_intent(checkout: Checkout, fault: str) -> None:
    tried_once = fault in {"rate_limit", "truncate"}  # the SDK does not try these again
    checkout.fail(fault, CREATE, times=1 if tried_once else 2)
    with pytest.raises(PortalError):
        checkout.start()
    assert checkout.payment.stripe_intent_id is None
    started = checkout.start("second-click")
    assert [intent.id for intent in checkout.intents] == [started.intent_id]
    pay_now(checkout)
    assert_paid_once(checkout)


def test_stripe_keeps_its_500_under_the_key_so_the_list_brings_the_intent(checkout: Checkout) -> None:
    checkout.fail("error_after", CREATE)
    started = checkout.start()
    assert [intent.id for intent in checkout.intents] == [started.intent_id]
    assert checkout.payment.attempt == 1
    pay_now(checkout)
    assert_paid_once(checkout)


def test_a_500_that_came_before_any_effect_and_is_kept_leads_to_another_attempt(checkout: Checkout) -> None:
    checkout.fail("error_kept", CREATE)
    started = checkout.start()
    assert checkout.payment.attempt == 2
    assert [intent.id for intent in checkout.intents] == [started.intent_id] == [checkout.payment.stripe_intent_id]
    pay_now(checkout)
    assert_paid_once(checkout)


def test_stripe_keeps_its_500_to_the_making_of_the_customer_so_another_one_is_made(checkout: Checkout) -> None:
    checkout.fail("error_after", "/v1/customers")
    started = checkout.start()
    assert checkout.intents[0].customer == cards.ensure_stripe_customer(checkout.customer_id)
    checkout.confirm(started.intent_id)
    let_the_worker_finish(checkout)
    assert_paid_once(checkout)


def test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched(checkout: Checkout) -> None:
    checkout.fail("reset_after", CREATE, times=2)
    with pytest.raises(Unavailable):
        checkout.start()
    (intent,) = checkout.intents
    checkout.change(key_used_at=clock.now() - timedelta(hours=24))
    checkout.sandbox.control("clock", seconds=25 * 3600)  # Stripe has forgotten the key
    let_the_worker_finish(checkout)
    assert checkout.payment.stripe_intent_id == intent.id
    assert checkout.payment.attempt == 1
    pay_now(checkout)
    assert_paid_once(checkout)


def test_a_lost_intent_is_not_taken_for_that_of_the_customers_other_payment(checkout: Checkout) -> None:
    """Both were made at the same time for the same customer: only what is written on an intent tells whose it is."""
    checkout.fail("reset_before", CREATE, times=2)
    with pytest.raises(Unavailable):
        checkout.start()
    with db.transaction() as session:
        invoice = factories.invoice(session, session.get_one(Customer, checkout.customer_id))
    other = Checkout(checkout.sandbox, checkout.customer_id, invoice.id)
    other.start("the-other-invoice")
    checkout.change(key_used_at=clock.now() - timedelta(hours=24))
    let_the_worker_finish(checkout)
    assert checkout.payment.stripe_intent_id not in {None, other.payment.stripe_intent_id}
    assert len(checkout.intents) == 2


def test_nothing_arrived_and_the_key_has_expired_so_a_new_attempt_is_made(checkout: Checkout) -> None:
    checkout.fail("reset_before", CREATE, times=2)
    with pytest.raises(Unavailable):
        checkout.start()
    checkout.change(key_used_at=clock.now() - timedelta(hours=24))
    let_the_worker_finish(checkout)
    assert checkout.payment.attempt == 2
    pay_now(checkout)
    assert_paid_once(checkout)


def test_intent_made_but_dead_before_its_id_is_stored(checkout: Checkout) -> None:
    cards.ensure_stripe_customer(checkout.customer_id)
    dies("object created", checkout.start)
    assert [payment.stripe_intent_id for payment in checkout.payments] == [None]
    let_the_worker_finish(checkout)
    assert checkout.payment.stripe_intent_id == checkout.intents[0].id
    pay_now(checkout)
    assert_paid_once(checkout)


def test_the_lost_intents_webhook_finds_its_payment_by_metadata(checkout: Checkout) -> None:
    checkout.fail("reset_after", CREATE, times=2)
    with pytest.raises(Unavailable):
        checkout.start()
    (intent,) = checkout.intents
    checkout.confirm(intent.id)
    assert service.sync_intent(intent.id)
    assert_paid_once(checkout)


def test_an_unconfirmed_intent_waits_for_its_customer(checkout: Checkout) -> None:
    started = checkout.start()
    with pytest.raises(outbox.Reschedule) as later:
        service.follow_up(started.payment_id)
    assert 60 <= later.value.seconds <= 6 * 3600
    assert checkout.payment.status == PaymentStatus.REQUIRES_PAYMENT_METHOD


def test_an_abandoned_payment_is_canceled_after_its_days(checkout: Checkout) -> None:
    started = checkout.start()
    checkout.change(created_at=clock.now() - timedelta(days=following.ABANDONED_AFTER_DAYS, hours=1))
    service.follow_up(started.payment_id)
    assert checkout.payment.status == PaymentStatus.CANCELED
    assert checkout.intents[0].status == "canceled"
    checkout.start("a-week-later")


@pytest.mark.parametrize("point", ["object fetched", "details fetched", "change applied"])
def test_charged_and_dead_before_it_is_recorded(checkout: Checkout, point: str) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)
    dies(point, lambda: intents.refresh(started.payment_id))
    assert checkout.payment.status == PaymentStatus.REQUIRES_PAYMENT_METHOD
    let_the_worker_finish(checkout)
    assert_paid_once(checkout)


def test_dead_in_the_middle_of_settling_leaves_nothing_of_it(checkout: Checkout) -> None:
    """The posting, the invoice, the receipt's job and the status are one transaction."""

    started = checkout.start()
    checkout.confirm(started.intent_id)
    before = everything()
    for point in ("charge posted", "invoice paid", "job to enqueue", "payment changed", "change applied"):
        dies(point, lambda: intents.refresh(started.payment_id))
        assert everything() == before, point
    let_the_worker_finish(checkout)
    assert_paid_once(checkout)


def test_an_answer_that_comes_when_all_is_over_is_stale(checkout: Checkout) -> None:
    """Two clicks create the intent under one key; the slower one reads its answer after the payment has succeeded."""
    started = checkout.start()
    answer = gateway.current().retrieve_intent(started.intent_id)
    checkout.confirm(started.intent_id)
    let_the_worker_finish(checkout)
    assert stripe_sync.adopt(intents.KIND, started.payment_id, answer).status == PaymentStatus.SUCCEEDED
    assert checkout.payment.review_reason == ""
    assert_paid_once(checkout)


def test_recorded_but_the_clients_answer_was_lost_so_its_next_call_shows_the_state(checkout: Checkout) -> None:
    started = checkout.start("one-click")
    again = checkout.start("one-click")
    assert again == started
    checkout.confirm(started.intent_id)
    with pytest.raises(service.AlreadyPaid):
        checkout.start("one-click")
    assert_paid_once(checkout)


def test_the_browsers_confirmation_is_lost_on_the_way_and_sent_again(checkout: Checkout) -> None:
    """An intent succeeds at most once, so a browser that sends its confirmation again charges nothing more."""
    started = checkout.start()
    checkout.confirm(started.intent_id)
    with pytest.raises(Exception, match="already succeeded"):
        checkout.confirm(started.intent_id)
    let_the_worker_finish(checkout)
    assert_paid_once(checkout)


def test_a_key_used_with_other_parameters_holds_the_row_for_review(checkout: Checkout) -> None:
    checkout.fail("reset_after", CREATE, times=2)
    with pytest.raises(Unavailable):
        checkout.start()
    checkout.change(sent=(checkout.payment.sent or {}) | {"description": "somebody changed it by hand"})
    with pytest.raises(gateway.IdempotencyMisuse):
        checkout.start("second-click")
    assert "idempotency key" in checkout.payment.review_reason
    with pytest.raises(service.UnderReview):
        checkout.start("third-click")


def test_two_workers_follow_up_at_the_same_moment(checkout: Checkout) -> None:
    checkout.fail("reset_before", CREATE, times=2)
    with pytest.raises(Unavailable):
        checkout.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: let_the_worker_finish(checkout), range(4)))
    assert len(checkout.intents) == 1
    pay_now(checkout)
    assert_paid_once(checkout)


def test_no_transaction_is_open_while_stripe_is_asked(checkout: Checkout) -> None:
    with db.transaction(), pytest.raises(db.NestedTransaction):
        gateway.current().retrieve_intent("pi_any")


def test_whoever_pays_while_stripe_does_not_answer_reads_that_nothing_was_charged(checkout: Checkout) -> None:
    checkout.fail("reset_before", CREATE, times=2)
    with pytest.raises(Unavailable) as refusal:
        checkout.start()
    assert "You were not charged" in refusal.value.text()
    assert "charged" not in Unavailable.message  # which is also read by those who do not pay
