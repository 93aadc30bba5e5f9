"""Disputes at the service, on both databases: whatever is heard, in any order and number, ends in Stripe's status and one set of books."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import stripe
import time_machine

from portal import gateway, stripe_sync
from portal.core import clock, db, listed
from portal.core.enums import Unknown
from portal.core.listing import Wanted
from portal.core.money import Money
from portal.disputes import queries, service, settling, statuses
from portal.disputes.models import NO_DEADLINE
from portal.disputes.staff_list import LISTING
from portal.disputes.statuses import DisputeStatus
from portal.jobs import outbox
from portal.operations import queries as operations_queries
from portal.stripe_events import jobs as registered
from tests.crashing import dies
from tests.disputes.conftest import Case
from tests.payments.conftest import audited, everything, jobs
from tests.stripe_events.test_webhooks import receive_all, stored

# Importing the jobs registers what applies an event.
__all__ = ["registered"]

TAKEN = {"dispute": 119_00, "dispute_fee": 15_00}
RETURNED = {**TAKEN, "dispute_reinstated": 119_00}
WITH_ITS_FEE = {**RETURNED, "dispute_fee_returned": 15_00}


def test_a_dispute_is_written_down_with_its_deadline_and_its_money(case: Case) -> None:
    case.pay().dispute(reason="product_not_received").heard()
    ours, theirs = case.ours, case.at_stripe
    assert (ours.payment_id, ours.customer_id) == (case.payment.id, case.checkout.customer_id)
    assert (ours.status, ours.reason, ours.amount) == ("needs_response", "product_not_received", Money(119_00, "eur"))
    assert ours.evidence_due_by == ours.deadline == clock.from_epoch(theirs.evidence_details.due_by or 0)
    assert ours.created_at == clock.from_epoch(theirs.created)
    assert (ours.has_evidence, ours.is_refundable, ours.closed_at, ours.review_reason) == (False, False, None, "")
    assert case.money == TAKEN
    assert case.history == ["opened", "funds_withdrawn"]
    assert (audited("dispute.opened"), audited("dispute.money")) == (1, 1)


def test_hearing_of_it_again_changes_nothing(case: Case) -> None:
    case.pay().dispute().heard()
    before = everything()
    case.heard()
    assert everything() == before


ORDERS = ["as sent", "reversed", "doubled", "only the last", "only the first"]


@pytest.mark.parametrize("order", ORDERS)
def test_events_in_any_order_and_number_end_in_the_same_books(case: Case, order: str) -> None:
    case.pay().dispute().decide("under_review", "won")
    bodies = case.events("charge.dispute.")
    assert len(bodies) == 5
    chosen = {
        "as sent": bodies,
        "reversed": bodies[::-1],
        "doubled": list(itertools.chain.from_iterable(zip(bodies, bodies, strict=True))),
        "only the last": bodies[-1:],
        "only the first": bodies[:1],
    }[order]
    receive_all(chosen)
    assert (case.ours.status, case.money) == ("won", RETURNED)
    assert {event.status for event in stored()} == {"applied"}


def test_the_fee_of_a_won_dispute_comes_back_where_the_account_gives_it_back(case: Case) -> None:
    case.checkout.sandbox.control("account", returns_dispute_fee="yes")
    case.pay().dispute().heard().decide("won").heard()
    assert (case.ours.status, case.money) == ("won", WITH_ITS_FEE)


@pytest.mark.parametrize(
    ("inquiry", "verdicts", "history", "money"),
    [
        (
            False,
            ["under_review", "won"],
            ["opened", "funds_withdrawn", "under_review", "funds_reinstated", "won"],
            RETURNED,
        ),
        (False, ["under_review", "lost"], ["opened", "funds_withdrawn", "under_review", "lost"], TAKEN),
        (False, ["lost"], ["opened", "funds_withdrawn", "lost"], TAKEN),
        (True, ["warning_under_review", "warning_closed"], ["opened", "warning_under_review", "warning_closed"], {}),
        (True, ["needs_response", "lost"], ["opened", "funds_withdrawn", "needs_response", "lost"], TAKEN),
    ],
)
def test_each_way_a_dispute_can_go_heard_at_every_stage(
    case: Case, inquiry: bool, verdicts: list[str], history: list[str], money: dict[str, int]
) -> None:
    case.pay().dispute(inquiry=inquiry).heard()
    for verdict in verdicts:
        assert case.ours.is_open
        case.decide(verdict).heard().heard()
        assert case.ours.status == verdict
    assert sorted(case.history) == sorted(history)
    assert case.history[0] == "opened"
    assert case.money == money
    assert case.ours.closed_at is not None
    assert case.ours.deadline == NO_DEADLINE
    assert audited("dispute.status") == len(verdicts)


def test_evidence_that_was_sent_ends_the_deadline(case: Case) -> None:
    case.pay().dispute().heard()
    evidence: Any = {"product_description": "Green electricity"}
    case.checkout.sandbox.client.v1.disputes.update(case.at_stripe.id, {"evidence": evidence, "submit": False})
    case.heard()
    assert (case.ours.has_evidence, case.ours.waits_for_evidence) == (True, True)
    assert case.ours.deadline < NO_DEADLINE
    case.checkout.sandbox.client.v1.disputes.update(case.at_stripe.id, {"submit": True})
    case.heard()
    assert (case.ours.status, case.ours.waits_for_evidence, case.ours.deadline) == ("under_review", False, NO_DEADLINE)


def test_a_payment_that_nobody_heard_of_is_settled_before_its_dispute(case: Case) -> None:
    case.pay(known=False).dispute().heard()
    assert case.payment.status == "succeeded"
    assert case.ours.review_reason == ""
    assert case.money == TAKEN


def test_a_dispute_of_a_charge_that_is_not_ours_is_ignored_with_a_note(case: Case) -> None:
    case.checkout.sandbox.client.v1.payment_intents.create(
        {
            "amount": 5_00,
            "currency": "eur",
            "confirm": True,
            "payment_method": "pm_card_createDispute",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    case.checkout.sandbox.control("finish")
    receive_all(case.events("charge.dispute."))
    assert {(event.status, event.note) for event in stored()} == {
        ("ignored", "the disputed charge is not the portal's")
    }
    assert case.money == {}
    assert jobs("disputes.follow_up") == []


def test_a_dispute_of_another_charge_is_for_staff_and_books_nothing(case: Case) -> None:
    case.pay().checkout.change(stripe_charge_id="ch_another")
    case.dispute().heard()
    assert "is not this payment's" in case.ours.review_reason
    assert case.money == {}
    assert audited("dispute.held_for_review") == 1
    before = everything()
    case.heard()
    service.follow_up(case.ours.id)
    assert everything() == before


@pytest.mark.parametrize(
    ("asked", "discrepancy"),
    [
        ({"amount": 150_00}, "Stripe's dispute is over 150.00 EUR, the payment over 119.00 EUR"),
        ({"amount": 130_00, "currency": "usd"}, "Stripe's dispute is in usd, the payment in eur"),
    ],
)
def test_a_dispute_that_differs_from_its_payment_is_followed_and_booked_as_it_is(
    case: Case, asked: dict[str, Any], discrepancy: str
) -> None:
    case.pay().dispute(**asked).heard()
    assert (case.ours.discrepancy, case.ours.review_reason, case.ours.status) == (discrepancy, "", "needs_response")
    minor, currency = asked["amount"], asked.get("currency", "eur")
    assert [(one.kind, one.amount) for one in moved(case)] == [
        ("dispute", Money(-int(str(minor)), str(currency))),
        ("dispute_fee", Money(-15_00, str(currency))),
    ]
    with pytest.raises(outbox.Reschedule):
        service.follow_up(case.ours.id)
    before = everything()
    case.heard()
    assert everything() == before
    case.decide("lost").heard()
    assert (case.ours.status, case.ours.closed_at is None) == ("lost", False)
    assert audited("dispute.discrepancy") == 1
    with db.reading() as session:
        assert [(one.kind, one.words) for one in operations_queries.review_items(session)] == [("dispute", discrepancy)]
        assert operations_queries.state(session).disputes_to_review == 1


def test_a_discrepancy_that_stripe_corrects_is_gone(case: Case) -> None:
    case.pay().dispute(amount=150_00).heard()
    assert settled(case, replace(fetched(case), amount=Money(119_00, "eur")))
    assert case.ours.discrepancy == ""
    assert audited("dispute.discrepancy_gone") == 1


def moved(case: Case) -> list[queries.Movement]:
    ours = case.ours
    with db.reading() as session:
        return sorted(queries.money_of(session, ours), key=lambda one: one.kind)


def fetched(case: Case) -> gateway.Dispute:
    return gateway.current().retrieve_dispute(case.at_stripe.id)


def settled(case: Case, found: gateway.Dispute) -> bool:
    return stripe_sync.settle(settling.KIND, case.ours.id, found, None, seen_version=case.ours.version)


def test_a_dispute_of_the_other_mode_is_for_staff(case: Case) -> None:
    case.pay().dispute()
    assert stripe_sync.open_row(settling.KIND, case.payment.id, replace(fetched(case), livemode=True))
    assert "other mode" in case.ours.review_reason
    assert case.money == {}


def test_a_stale_update_never_wins(case: Case) -> None:
    case.pay().dispute().heard()
    old, version = fetched(case), case.ours.version
    case.decide("lost").heard()
    before = everything()
    assert stripe_sync.settle(settling.KIND, case.ours.id, old, None, seen_version=version) is False
    assert stripe_sync.open_row(settling.KIND, case.payment.id, old) is False
    assert everything() == before


def test_what_is_over_stays_so_and_its_money_is_booked_all_the_same(case: Case) -> None:
    """Money that moves at Stripe is a fact, whatever a status says."""
    case.pay().dispute().heard().decide("won").heard()
    last = fetched(case)
    again = replace(last.balance_transactions[0], id="txn_again", fee=Money(0, "eur"))
    more = (*last.balance_transactions, again)
    assert settled(case, replace(last, status="needs_response", balance_transactions=more))
    assert case.ours.status == "won"
    assert case.ours.review_reason == "Stripe says needs_response of a dispute that is won"
    assert case.history.count("funds_withdrawn") == 2


def test_a_lost_dispute_may_be_appealed_and_is_followed_again(case: Case) -> None:
    case.pay().dispute().heard().decide("lost").heard()
    last = fetched(case)
    assert settled(case, replace(last, status="appeal_needs_response"))
    assert (case.ours.is_open, case.ours.closed_at, case.ours.review_reason) == (True, None, "")
    assert case.ours.waits_for_evidence
    assert len(jobs("disputes.follow_up")) == 2
    assert settled(case, replace(last, status="won"))
    assert case.ours.closed_at is not None


def test_a_status_that_nobody_knows_is_kept_and_followed(case: Case) -> None:
    case.pay().dispute().heard()
    assert settled(case, replace(fetched(case), status="in_arbitration"))
    assert (case.ours.status, case.ours.is_open) == ("in_arbitration", True)
    with db.reading() as session:
        assert [
            row.status for row in listed.page(session, LISTING, Wanted(choices=(("state", "open"),))).page.rows
        ] == ["in_arbitration"]


def test_a_fee_alone_and_a_part_of_the_amount_are_booked_by_their_signs(case: Case) -> None:
    case.pay().dispute().heard()
    last = fetched(case)
    taken = last.balance_transactions[0]
    none = Money(0, "eur")
    more = (
        taken,
        replace(taken, id="txn_countered", amount=none, fee=Money(20_00, "eur")),
        replace(taken, id="txn_part", amount=Money(60_00, "eur"), fee=none),
        replace(taken, id="txn_nothing", amount=none, fee=none),
    )
    assert settled(case, replace(last, balance_transactions=more))
    ours = case.ours
    with db.reading() as session:
        moved = [(one.kind, one.amount.minor) for one in queries.money_of(session, ours)]
    assert sorted(moved) == [
        ("dispute", -119_00), ("dispute_fee", -20_00), ("dispute_fee", -15_00), ("dispute_reinstated", 60_00),
    ]  # fmt: skip


# Accidents


@pytest.mark.parametrize("point", ["dispute opened", "job to enqueue", "dispute posted", "change applied"])
def test_dead_in_the_middle_of_settling_leaves_nothing_of_it(case: Case, point: str) -> None:
    case.pay().dispute()
    before = everything()
    dies(point, case.heard)
    assert everything() == before
    case.heard()
    assert case.money == TAKEN
    assert len(jobs("disputes.mail_opened")) == len(jobs("disputes.follow_up")) == len(jobs("disputes.remind")) == 1


@pytest.mark.parametrize("point", ["object fetched", "dispute changed", "dispute posted", "change applied"])
def test_dead_between_stripes_answer_and_the_end_of_a_change(case: Case, point: str) -> None:
    case.pay().dispute().heard().decide("won")
    before = everything()
    dies(point, case.heard)
    assert everything() == before
    follow_to_the_end(case)
    assert (case.ours.status, case.money) == ("won", RETURNED)


def test_many_hear_of_it_at_the_same_moment(case: Case) -> None:
    case.pay().dispute()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: case.heard(), range(8)))
    assert case.money == TAKEN
    assert case.history == ["opened", "funds_withdrawn"]


def follow_to_the_end(case: Case) -> None:
    """Run the follow-up until it asks for no more."""
    service.follow_up(case.ours.id)


def test_with_every_further_event_lost_the_worker_finds_out_by_itself(case: Case) -> None:
    case.pay().dispute().heard()
    for stage in ("needs_response", "under_review"):
        if stage != case.ours.status:
            case.decide(stage)
        with pytest.raises(outbox.Reschedule) as later:
            service.follow_up(case.ours.id)
        assert later.value.seconds >= 3600
        assert case.ours.status == stage
    case.decide("won")
    follow_to_the_end(case)
    assert (case.ours.status, case.money) == ("won", RETURNED)


def test_a_won_dispute_is_followed_until_its_money_is_back(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox returns the money at once, so Stripe's answer is kept from a moment before."""
    case.pay().dispute().heard()
    won = replace(fetched(case), status="won")
    assert settled(case, won)
    monkeypatch.setattr(service, "sync_dispute", lambda _: won)
    with pytest.raises(outbox.Reschedule):
        service.follow_up(case.ours.id)
    with time_machine.travel(clock.now() + service.MONEY_RETURNS_WITHIN + timedelta(hours=1)):
        service.follow_up(case.ours.id)
    assert case.ours.review_reason == "it is won, but the money has not come back"


# States


def test_every_pair_of_statuses() -> None:
    known = {*DisputeStatus, Unknown("in_arbitration")}
    of_lost = {"lost", "won", "appeal_needs_response", "appeal_under_review"}
    for before in known:
        follow = {after for after in known if statuses.may_follow(before, after)}
        if before == "lost":
            assert follow == of_lost
        elif before in {"won", "warning_closed", "prevented"}:
            assert follow == {before}
        else:
            assert follow == known, before


# Refunds


@pytest.mark.parametrize(
    ("inquiry", "verdicts"),
    [
        (False, []),
        (False, ["under_review"]),
        (False, ["lost"]),
        (False, ["won"]),
        (True, []),
        (True, ["warning_closed"]),
        (True, ["needs_response"]),
    ],
)
def test_a_payment_is_blocked_exactly_when_stripe_refuses_to_refund_it(
    case: Case, inquiry: bool, verdicts: list[str]
) -> None:
    case.pay().dispute(inquiry=inquiry).decide(*verdicts).heard()
    payment = case.payment
    with db.reading() as session:
        blocking = queries.blocking(session, payment.id)

    def refund() -> object:
        return case.checkout.sandbox.client.v1.refunds.create({"payment_intent": str(payment.stripe_intent_id)})

    if blocking is None:
        refund()
    else:
        with pytest.raises(stripe.StripeError) as refused:
            refund()
        assert refused.value.code == "charge_disputed"
