"""Asking for a refund and deciding on it, on both databases: amounts, windows, claims, and four eyes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from portal.accounts.models import Customer
from portal.core import clock, company_days, db
from portal.core.errors import Conflict, Forbidden, Invalid, NotFound, PortalError
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.payments.models import Payment
from portal.refunds import email, policy, queue, service
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import RefundStatus
from tests import factories
from tests.payments.conftest import audited, everything, jobs
from tests.refunds.conftest import Counter
from tests.smtp import Mailbox

FOUR_EYES = pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")


def test_a_request_reserves_its_amount_and_asks_no_bank(counter: Counter) -> None:
    refund_id = counter.ask(19_00)
    assert counter.sums == (0, 19_00, 100_00)
    assert counter.at_stripe == []
    assert counter.refund(refund_id).status == RefundStatus.REQUESTED
    assert [step.status for step in counter.refund(refund_id).steps] == [RefundStatus.REQUESTED]
    assert len(jobs("refunds.mail")) == audited("refund.status") == 1


def test_a_second_click_asks_once(counter: Counter) -> None:
    first = counter.ask(19_00, key="the-same-form")
    before = everything()
    assert counter.ask(19_00, key="the-same-form") == first
    assert everything() == before
    with pytest.raises(Invalid) as refusal:
        counter.ask(20_00, key="the-same-form")
    assert refusal.value.code == "key_reused"


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (Money(0, "eur"), "invalid"),
        (Money(-5_00, "eur"), "invalid"),
        (Money(119_01, "eur"), "too_much"),
        (Money(10**15, "eur"), "too_much"),
        (Money(5_00, "usd"), "invalid"),
    ],
)
def test_an_amount_that_cannot_be_is_refused_and_changes_nothing(counter: Counter, amount: Money, code: str) -> None:
    before = everything()
    key = "a-form-of-ada"
    with pytest.raises(Invalid) as refusal:
        service.ask(
            counter.customer_id,
            counter.user_id,
            counter.payment_id,
            amount,
            RefundReason.PRODUCT_NOT_RECEIVED,
            "",
            client_key=key,
        )
    assert (refusal.value.field, refusal.value.code) == ("amount", code)
    assert (everything(), counter.at_stripe) == (before, [])


@pytest.mark.parametrize(
    ("currency", "paid", "between", "step"),
    [
        ("kwd", 5_120, 1_005, "0.010 KWD"),
        ("bhd", 5_120, 1_001, "0.010 BHD"),
        ("isk", 500_00, 1_50, "1.00 ISK"),
        ("ugx", 5000_00, 1_50, "1.00 UGX"),
    ],
)
def test_an_amount_between_the_steps_of_its_currency_is_asked_for_and_proposed_and_approved_by_nobody(
    counter: Counter, currency: str, paid: int, between: int, step: str
) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, counter.customer_id)
        counter.payment_id = factories.payment(session, customer, currency=currency, amount_minor=paid).id
    before, fine = everything(), Money(between, currency)
    entrances: list[Callable[[], object]] = [
        lambda: service.ask(
            counter.customer_id,
            counter.user_id,
            counter.payment_id,
            fine,
            RefundReason.PRODUCT_NOT_RECEIVED,
            "",
            client_key="an-app-of-ada",
        ),
        lambda: service.propose(
            counter.support.id, counter.payment_id, fine, RefundReason.GOODWILL, "", client_key="a-proposal"
        ),
    ]
    for entrance in entrances:
        with pytest.raises(Invalid) as refusal:
            entrance()
        assert refusal.value.field == "amount" and step in refusal.value.text()
    assert everything() == before
    refund_id = service.ask(
        counter.customer_id,
        counter.user_id,
        counter.payment_id,
        None,
        RefundReason.PRODUCT_NOT_RECEIVED,
        "",
        client_key="all-of-it",
    )
    with pytest.raises(Invalid):
        service.approve(refund_id, counter.support, amount=fine)
    assert counter.refund(refund_id).status == RefundStatus.REQUESTED


def test_what_is_reserved_is_not_there_a_second_time(counter: Counter) -> None:
    counter.ask(100_00)
    with pytest.raises(Invalid):
        counter.ask(19_01)
    counter.ask(19_00)
    with pytest.raises(Invalid) as refusal:
        counter.ask(1)
    assert refusal.value.code == "nothing_left"


def test_what_is_reserved_of_a_payment_without_an_invoice_is_not_there_a_second_time(counter: Counter) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, counter.customer_id)
        counter.payment_id = factories.payment(session, customer, amount_minor=119_00).id
    counter.ask(100_00)
    with pytest.raises(Invalid):
        counter.ask(19_01)
    counter.ask(19_00)
    with pytest.raises(Invalid) as refusal:
        counter.ask(1)
    assert refusal.value.code == "nothing_left"


def test_fifty_at_once_get_what_was_paid_and_not_a_cent_more(counter: Counter) -> None:
    def one(_: int) -> None:
        with suppress(PortalError):
            counter.ask(7_00)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(50)))
    assert counter.sums == (0, 17 * 7_00, 0)


def test_a_payment_that_has_not_arrived_cannot_be_refunded(counter: Counter) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, counter.customer_id)
        counter.payment_id = factories.payment(session, customer, status="processing", succeeded_at=None).id
    with pytest.raises(service.NotRefundable):
        counter.ask(1_00)


def test_someone_elses_payment_and_refund_are_not_found(counter: Counter) -> None:
    refund_id = counter.ask(19_00)
    with db.transaction() as session:
        stranger = factories.customer(session)
        user = factories.user(session, stranger)
    before, money = everything(), Money(1_00, "eur")
    with pytest.raises(NotFound):
        service.ask(
            stranger.id,
            user.id,
            counter.payment_id,
            money,
            RefundReason.PRODUCT_NOT_RECEIVED,
            "",
            client_key="a-strangers-form",
        )
    with pytest.raises(NotFound):
        service.withdraw(refund_id, stranger.id)
    assert everything() == before


def test_each_reason_has_its_window(counter: Counter) -> None:
    with time_machine.travel(clock.now() + timedelta(days=15)):
        with pytest.raises(service.WindowOver) as refusal:
            counter.ask(reason=RefundReason.NO_LONGER_WANTED)
        assert "until 20" in refusal.value.text()
        windows = service.windows(counter.payment)
        assert (windows[RefundReason.NO_LONGER_WANTED], windows[RefundReason.DUPLICATE]) == (False, True)
        counter.ask(reason=RefundReason.DUPLICATE)


@pytest.mark.settings(PORTAL_TIMEZONE="America/Los_Angeles")
def test_a_window_is_open_until_its_last_day_is_over_where_the_company_is(counter: Counter) -> None:
    paid_at = counter.payment.succeeded_at
    assert paid_at is not None
    over = company_days.ends(company_days.day_of(paid_at) + timedelta(days=14))
    for moment, is_open in ((over - timedelta(seconds=1), True), (over, False)):
        with time_machine.travel(moment, tick=False):
            assert service.windows(counter.payment)[RefundReason.NO_LONGER_WANTED] is is_open


def test_staff_may_propose_after_the_window_and_the_customer_hears_of_it_when_it_is_certain(counter: Counter) -> None:
    with time_machine.travel(clock.now() + timedelta(days=400)):
        counter.propose(counter.support, 5_00)
    assert counter.sums == (0, 5_00, 114_00)


def test_another_reason_needs_its_words(counter: Counter) -> None:
    with pytest.raises(Invalid):
        counter.ask(reason=RefundReason.OTHER)
    refund_id = counter.ask(reason=RefundReason.OTHER, words="It hums at night")
    with pytest.raises(Invalid):
        service.approve(refund_id, counter.support)
    assert service.approve(refund_id, counter.support, note="Heard it as well") == RefundStatus.APPROVED


def test_a_customer_withdraws_what_is_not_decided(counter: Counter) -> None:
    refund_id = counter.ask()
    service.withdraw(refund_id, counter.customer_id)
    before = everything()
    service.withdraw(refund_id, counter.customer_id)
    assert everything() == before
    assert counter.sums == (0, 0, 119_00)
    with pytest.raises(service.AlreadyDecided):
        service.approve(refund_id, counter.support)
    decided = counter.approved()
    with pytest.raises(service.AlreadyDecided):
        service.withdraw(decided, counter.customer_id)


def test_a_decision_is_made_once(counter: Counter) -> None:
    refund_id = counter.approved()
    before = everything()
    for again in (
        lambda: service.approve(refund_id, counter.admin),
        lambda: service.approve(refund_id, counter.admin, amount=Money(1_00, "eur")),
        lambda: service.reject(refund_id, counter.admin, rejection="No"),
        lambda: service.claim(refund_id, counter.admin),
    ):
        with pytest.raises(service.AlreadyDecided):
            again()
    assert everything() == before


def test_two_who_decide_at_once_decide_once(counter: Counter) -> None:
    refund_id = counter.ask()

    def one(number: int) -> bool:
        try:
            if number % 2:
                service.approve(refund_id, counter.approver)
            else:
                service.reject(refund_id, counter.approver, rejection="No")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 1


def test_a_rejection_frees_the_amount_and_needs_a_reason(counter: Counter) -> None:
    refund_id = counter.ask()
    with pytest.raises(Invalid):
        service.reject(refund_id, counter.support, rejection="  ")
    service.reject(refund_id, counter.support, rejection="It was delivered on Monday.")
    assert counter.refund(refund_id).rejection == "It was delivered on Monday."
    assert counter.sums == (0, 0, 119_00)


def test_less_may_be_approved_and_never_more(counter: Counter) -> None:
    refund_id = counter.ask(50_00)
    with pytest.raises(Invalid):
        service.approve(refund_id, counter.support, amount=Money(50_01, "eur"))
    with pytest.raises(Invalid):
        service.approve(refund_id, counter.support, amount=Money(0, "eur"))
    service.approve(refund_id, counter.support, amount=Money(20_00, "eur"))
    row = counter.refund(refund_id)
    assert (row.amount, row.asked) == (Money(20_00, "eur"), Money(50_00, "eur"))
    assert counter.sums == (0, 20_00, 99_00)


def test_customers_decide_nothing(counter: Counter) -> None:
    refund_id = counter.ask()
    customer = Reviewer(counter.user_id, "customer")
    before = everything()
    for decide in (
        lambda: service.approve(refund_id, customer),
        lambda: service.reject(refund_id, customer, rejection="No"),
        lambda: service.claim(refund_id, customer),
    ):
        with pytest.raises(Forbidden):
            decide()
    assert everything() == before


# Claims


def test_a_claim_keeps_others_away_for_a_while(counter: Counter) -> None:
    refund_id = counter.ask()
    service.claim(refund_id, counter.support)
    for other in (
        lambda: service.claim(refund_id, counter.approver),
        lambda: service.approve(refund_id, counter.approver),
        lambda: service.reject(refund_id, counter.approver, rejection="No"),
    ):
        with pytest.raises(service.ClaimedByOther):
            other()
    service.release(refund_id, counter.approver)  # is not theirs to give back
    with pytest.raises(service.ClaimedByOther):
        service.claim(refund_id, counter.approver)
    with time_machine.travel(clock.now() + service.CLAIM_HOLDS + timedelta(seconds=1)):
        service.claim(refund_id, counter.approver)
        service.release(refund_id, counter.approver)
        assert service.approve(refund_id, counter.support) == RefundStatus.APPROVED


# Four eyes


@FOUR_EYES
def test_above_the_threshold_two_people_must_approve(counter: Counter) -> None:
    refund_id = counter.ask(119_00)
    assert service.approve(refund_id, counter.support) == RefundStatus.APPROVED_ONCE
    assert jobs("refunds.execute") == []
    before = everything()
    with pytest.raises(service.FourEyes):
        service.approve(refund_id, counter.support)
    assert everything() == before
    assert service.approve(refund_id, counter.approver) == RefundStatus.APPROVED
    row = counter.refund(refund_id)
    assert (row.first_approved_by, row.decided_by) == (counter.support.id, counter.approver.id)
    assert len(jobs("refunds.execute")) == 1


@FOUR_EYES
def test_the_second_is_neither_the_one_who_asked_nor_support(counter: Counter) -> None:
    refund_id = counter.propose(counter.approver)
    with pytest.raises(service.OwnProposal):
        service.approve(refund_id, counter.approver)
    service.approve(refund_id, counter.admin)
    with pytest.raises(service.OwnProposal):
        service.approve(refund_id, counter.approver)
    with pytest.raises(service.FourEyes):
        service.approve(refund_id, counter.admin)
    with pytest.raises(service.NotYours):
        service.approve(refund_id, counter.support)
    assert counter.refund(refund_id).status == RefundStatus.APPROVED_ONCE


@FOUR_EYES
def test_a_changed_amount_voids_the_first_approval(counter: Counter) -> None:
    refund_id = counter.ask(119_00)
    service.approve(refund_id, counter.support)
    assert service.approve(refund_id, counter.approver, amount=Money(110_00, "eur")) == RefundStatus.APPROVED_ONCE
    row = counter.refund(refund_id)
    assert row.first_approved_by == counter.approver.id
    with pytest.raises(service.FourEyes):
        service.approve(refund_id, counter.approver)
    assert service.approve(refund_id, counter.admin) == RefundStatus.APPROVED


@FOUR_EYES
def test_below_the_threshold_one_is_enough_also_after_the_amount_was_lowered(counter: Counter) -> None:
    assert service.approve(counter.ask(110_00), counter.support, amount=Money(90_00, "eur")) == RefundStatus.APPROVED
    assert service.approve(counter.ask(5_00), counter.support) == RefundStatus.APPROVED


@FOUR_EYES
def test_an_amount_that_is_split_in_two_needs_two_all_the_same(counter: Counter) -> None:
    first, second = counter.ask(60_00), counter.ask(59_00)
    assert service.approve(first, counter.support) == RefundStatus.APPROVED
    assert service.approve(second, counter.support) == RefundStatus.APPROVED_ONCE
    assert service.approve(second, counter.approver) == RefundStatus.APPROVED


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="usd:100")
def test_a_currency_without_a_threshold_needs_two(counter: Counter) -> None:
    assert service.approve(counter.ask(1_00), counter.support) == RefundStatus.APPROVED_ONCE
    assert service.shown_threshold("eur") is None
    assert service.shown_threshold("usd") == Money(100_00, "usd")


def test_who_proposed_it_does_not_approve_it_whatever_the_amount(counter: Counter) -> None:
    refund_id = counter.propose(counter.admin, 1)
    before = everything()
    with pytest.raises(service.OwnProposal):
        service.approve(refund_id, counter.admin)
    assert service.approve_own(refund_id, counter.admin) == RefundStatus.REQUESTED
    assert everything() == before
    assert service.approve(refund_id, counter.support) == RefundStatus.APPROVED


@pytest.mark.settings(PORTAL_REFUND_OWN_APPROVAL="eur:20")
def test_a_setting_lets_one_approve_ones_own_up_to_a_sum_of_a_day(counter: Counter) -> None:
    assert service.approve_own(counter.propose(counter.support, 15_00), counter.support) == RefundStatus.APPROVED
    second = counter.propose(counter.support, 5_01)
    with pytest.raises(service.OwnProposal):
        service.approve(second, counter.support)
    assert service.approve(counter.propose(counter.support, 5_00), counter.support) == RefundStatus.APPROVED
    with time_machine.travel(clock.now() + policy.DAY + timedelta(minutes=1)):
        assert service.approve(second, counter.support) == RefundStatus.APPROVED


def other_payments(counter: Counter, number: int, customer_id: str = "") -> list[str]:
    """Payments of 119 euros of other customers, or of this one."""
    with db.transaction() as session:
        owners = [
            session.get_one(Customer, customer_id) if customer_id else factories.customer(session)
            for _ in range(number)
        ]
        return [factories.payment(session, owner, amount_minor=119_00).id for owner in owners]


def wish(counter: Counter, payment_id: str, minor: int = 100_00) -> str:
    """Of the payment's customer."""
    with db.reading() as session:
        owner = session.get_one(Payment, payment_id).customer_id
    key, money = f"wish:{payment_id}", Money(minor, "eur")
    return service.ask(owner, None, payment_id, money, RefundReason.PRODUCT_NOT_RECEIVED, "", client_key=key)


@pytest.mark.settings(PORTAL_REFUND_DAY_OF_STAFF="eur:300")
def test_what_one_person_approves_within_a_day_needs_a_second_from_a_sum_on(counter: Counter) -> None:
    wishes = [wish(counter, payment_id) for payment_id in other_payments(counter, 4)]
    assert [service.approve(one, counter.support) for one in wishes[:2]] == [RefundStatus.APPROVED] * 2
    assert service.approve(wishes[2], counter.support) == RefundStatus.APPROVED_ONCE
    assert jobs("refunds.mail_sums") == [{"refund_id": wishes[2], "version": 2, "reason": "staff"}]
    with pytest.raises(service.FourEyes):
        service.approve(wishes[2], counter.support)
    assert service.approve(wishes[3], counter.admin) == RefundStatus.APPROVED  # a colleague has given back nothing yet
    assert service.approve(wishes[2], counter.approver) == RefundStatus.APPROVED
    with time_machine.travel(clock.now() + policy.DAY + timedelta(minutes=1)):
        assert service.approve(counter.ask(100_00), counter.support) == RefundStatus.APPROVED


@pytest.mark.settings(PORTAL_REFUND_DAY_OF_STAFF="eur:300")
def test_what_one_person_proposes_within_a_day_counts_whoever_approves_it(counter: Counter) -> None:
    proposed = [
        service.propose(
            counter.support.id, one, Money(100_00, "eur"), RefundReason.GOODWILL, "", client_key=f"goodwill:{one}"
        )
        for one in other_payments(counter, 3)
    ]
    first, second, third = proposed
    assert service.approve(first, counter.approver) == RefundStatus.APPROVED
    assert service.approve(second, counter.admin) == RefundStatus.APPROVED
    assert service.approve(third, counter.admin) == RefundStatus.APPROVED_ONCE


@pytest.mark.settings(PORTAL_REFUND_DAY_OF_CUSTOMER="eur:300")
def test_what_one_customer_gets_back_within_a_day_needs_a_second_from_a_sum_on(counter: Counter) -> None:
    wishes = [wish(counter, one) for one in other_payments(counter, 3, counter.customer_id)]
    assert service.approve(wishes[0], counter.support) == RefundStatus.APPROVED
    assert service.approve(wishes[1], counter.admin) == RefundStatus.APPROVED
    assert service.approve(wishes[2], counter.approver) == RefundStatus.APPROVED_ONCE
    assert jobs("refunds.mail_sums") == [{"refund_id": wishes[2], "version": 2, "reason": "customer"}]
    (stranger,) = other_payments(counter, 1)
    assert service.approve(wish(counter, stranger), counter.support) == RefundStatus.APPROVED


@pytest.mark.settings(PORTAL_REFUND_DAY_OF_STAFF="eur:300")
def test_approvals_at_the_same_moment_do_not_pass_the_sum_of_a_day(counter: Counter) -> None:
    wishes = [wish(counter, payment_id) for payment_id in other_payments(counter, 6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda one: service.approve(one, counter.support), wishes))
    assert sorted(found) == [RefundStatus.APPROVED] * 2 + [RefundStatus.APPROVED_ONCE] * 4


@pytest.mark.settings(PORTAL_REFUND_DAY_OF_CUSTOMER="eur:100")
def test_staff_are_told_of_a_sum_that_needs_a_second_person(counter: Counter, app: Flask, smtp: Mailbox) -> None:
    refund_id = counter.ask(119_00)
    service.approve(refund_id, counter.support)
    with app.app_context():
        for _ in range(2):
            email.send_sums(refund_id, "customer")
    first, second = smtp.messages
    assert first["Subject"] == "Refunds of €119.00 within a day: a second approval is needed"
    assert first["Message-ID"] == second["Message-ID"]
    service.approve(refund_id, counter.admin)
    with app.app_context():
        email.send_sums(refund_id, "customer")
    assert len(smtp.messages) == 2


# The queue


def test_the_queue_is_oldest_first_and_holds_what_is_undecided(counter: Counter) -> None:
    first, second, third = (counter.ask(10_00) for _ in range(3))
    service.reject(second, counter.support, rejection="No")
    with db.reading() as session:
        rows = queue.page(session, counter.support, queue.Filter(), 10)
        assert [row.id for row in rows] == [first, third]
        assert rows[0].customer.name and rows[0].payment.description
        assert [row.id for row in queue.page(session, counter.support, queue.Filter(), 10, rows[0])] == [third]
        assert queue.counts(session, counter.support).places == {
            queue.Place.MINE: 2,
            queue.Place.SECOND: 0,
            queue.Place.TAKEN: 0,
            queue.Place.CUSTOMER: 0,
        }
