"""What everybody is told of a payment: as long as a card may be charged without anybody doing anything, that it is on its way.

Who was told anything else would choose another card, and pay twice.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from portal.accounts.models import Customer
from portal.core import db
from portal.core.db import new_id
from portal.core.errors import PortalError
from portal.core.money import Money
from portal.payment_methods import queries as payment_methods
from portal.payment_methods import service as cards
from portal.payment_methods.models import PaymentMethod
from portal.payments import confirming, intents, queries, service, statuses
from portal.payments.models import Confirmation, Payment
from portal.payments.queries import Filter
from portal.payments.service import Unresolved, process
from portal.payments.statuses import PaymentStatus
from portal.statements import queries as statements
from portal.webhook_endpoints import service as webhook_endpoints
from tests import factories
from tests.crashing import dies
from tests.payments.conftest import Checkout
from tests.payments.test_order_accidents import CONFIRM, let_the_worker_finish
from tests.payments.test_placing_orders import DECLINED, deposit, new_card, order, rows
from tests.webhook_endpoints.test_telling import URL, told

UNKNOWN = "requires_something_new"
# State: what is told of it, and what while a try to charge a card has no answer.
TOLD = {
    PaymentStatus.CREATED: (PaymentStatus.CREATED, PaymentStatus.PROCESSING),
    PaymentStatus.REQUIRES_PAYMENT_METHOD: (PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.PROCESSING),
    PaymentStatus.REQUIRES_CONFIRMATION: (PaymentStatus.REQUIRES_CONFIRMATION, PaymentStatus.PROCESSING),
    PaymentStatus.REQUIRES_ACTION: (PaymentStatus.REQUIRES_ACTION, PaymentStatus.PROCESSING),
    PaymentStatus.PROCESSING: (PaymentStatus.PROCESSING, PaymentStatus.PROCESSING),
    PaymentStatus.REQUIRES_CAPTURE: (PaymentStatus.REQUIRES_CAPTURE, PaymentStatus.PROCESSING),
    UNKNOWN: (PaymentStatus.PROCESSING, PaymentStatus.PROCESSING),
    PaymentStatus.SUCCEEDED: (PaymentStatus.SUCCEEDED, PaymentStatus.SUCCEEDED),
    PaymentStatus.CANCELED: (PaymentStatus.CANCELED, PaymentStatus.CANCELED),
}
MOVING, WAITING, OVER = "money may move by itself", "money moves when the customer acts", "money moves no more"
MEANING = {
    PaymentStatus.PROCESSING: MOVING,
    PaymentStatus.REQUIRES_CAPTURE: MOVING,
    PaymentStatus.CREATED: WAITING,
    PaymentStatus.REQUIRES_PAYMENT_METHOD: WAITING,
    PaymentStatus.REQUIRES_CONFIRMATION: WAITING,
    PaymentStatus.REQUIRES_ACTION: WAITING,
    PaymentStatus.SUCCEEDED: OVER,
    PaymentStatus.CANCELED: OVER,
}
# After a try that the bank refused, people read these so.
READ_AS_DECLINED = dict.fromkeys(
    (PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.REQUIRES_CONFIRMATION), "declined"
)
ON_THE_OVERVIEW = {
    PaymentStatus.SUCCEEDED,
    PaymentStatus.PROCESSING,
    PaymentStatus.REQUIRES_CAPTURE,
    PaymentStatus.REQUIRES_ACTION,
}
GROUPS = {MOVING: {"processing"}, WAITING: {"unfinished"}, OVER: {"succeeded", "canceled"}}


def test_every_state_is_told_here_and_means_one_thing() -> None:
    assert set(TOLD) == set(PaymentStatus) | {UNKNOWN}
    assert set(MEANING) == set(PaymentStatus)
    assert {status for status, meaning in MEANING.items() if meaning == MOVING} == statuses.MOVING
    assert {status for status, meaning in MEANING.items() if meaning == OVER} == statuses.FINAL


def _begun(checkout: Checkout, card: PaymentMethod, status: str, *, is_unanswered: bool) -> Payment:
    """A payment in this state, with it as its text, and a try to charge the card that has an answer or none."""
    with db.transaction() as session:
        customer = session.get_one(Customer, checkout.customer_id)
        payment = factories.payment(
            session, customer, status=status, failure_code="card_declined", succeeded_at=None, description=status
        )
        source = cards.PaymentSource(card.stripe_payment_method_id, card.id, card.last4)
        row = confirming.record(session, payment.id, source, client_key=new_id("key"), off_session=False)
        if not is_unanswered:
            row.answered_at = row.created_at
    with db.reading() as session:
        return queries.for_customer(session, payment.id, checkout.customer_id)


@pytest.mark.parametrize("is_unanswered", [False, True])
def test_each_state_is_told_alike_everywhere(checkout: Checkout, is_unanswered: bool) -> None:
    card = checkout.keep_card()
    begun = {status: _begun(checkout, card, status, is_unanswered=is_unanswered) for status in TOLD}
    me = checkout.customer_id
    with db.reading() as session:
        groups = {
            name: {row.id for row in queries.history(session, me, Filter(status=name)).rows}
            for name in queries.STATUS_GROUPS
        }
        shown = queries.shown_statuses(session, begun.values())
        in_the_file = statements.lines(session, queries.export(session, me, Filter()))
        written = {line.payment.id: line.status for line in in_the_file}
        latest = {row.id for row in queries.latest(session, me, len(TOLD))}
        uses = payment_methods.uses(session, payment_methods.of_customer(session, me)).values()
    for status, payment in begun.items():
        expected = TOLD[status][is_unanswered]
        assert payment.public_status == expected, status
        assert {shown[payment.id], written[payment.id]} == {READ_AS_DECLINED.get(expected, expected)}, status
        assert payment.may_move == (MEANING[expected] == MOVING), status
        (group,) = [name for name, ids in groups.items() if payment.id in ids]
        assert group in GROUPS[MEANING[expected]], status
        assert (payment.id in latest) == (expected in ON_THE_OVERVIEW), status
        if is_unanswered and status not in statuses.FINAL:
            assert status in {use.description for found in uses for use in found}, "its card is in use"


@pytest.mark.parametrize("is_unanswered", [False, True])
def test_the_same_again_is_refused_exactly_while_money_may_move(checkout: Checkout, is_unanswered: bool) -> None:
    card = checkout.keep_card()
    for status, (answered, unanswered) in TOLD.items():
        amount = _begun(checkout, card, status, is_unanswered=is_unanswered).amount
        again = deposit(checkout, key=new_id("key"), amount=amount, description=status)
        if MEANING[unanswered if is_unanswered else answered] == MOVING:
            before = len(rows(Payment))
            with pytest.raises(Unresolved):
                process(again)
            assert len(rows(Payment)) == before
        else:
            process(again)


def test_what_differs_is_not_the_same_and_an_app_may_insist(checkout: Checkout) -> None:
    amount = _begun(checkout, checkout.keep_card(), PaymentStatus.PROCESSING, is_unanswered=False).amount
    alike: dict[str, Any] = {"amount": amount, "description": PaymentStatus.PROCESSING}
    process(deposit(checkout, key="another-amount", **alike | {"amount": Money(amount.minor + 1, amount.currency)}))
    process(deposit(checkout, key="another-text", **alike | {"description": "Another deposit"}))
    process(deposit(checkout, key="an-app-insists", **alike, allow_duplicate=True))


def test_a_try_after_a_decline_is_not_told_as_the_decline_before_it(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.bank(card, DECLINED)
    assert process(order(checkout, card.id)).payment.public_status == PaymentStatus.REQUIRES_PAYMENT_METHOD
    checkout.fail("reset_before", CONFIRM, times=2)
    found = process(order(checkout, new_card(checkout), "a-second-card"))
    assert (found.payment.public_status, found.payment.failure_code) == (PaymentStatus.PROCESSING, "card_declined")
    let_the_worker_finish()
    assert checkout.payment.public_status == PaymentStatus.SUCCEEDED


# Systems


def _declined_and_lost(checkout: Checkout) -> None:
    """The bank has said no, a webhook tells so, and our own try has no answer yet."""
    webhook_endpoints.add_endpoint(checkout.customer_id, URL, ["payment.failed", "payment.succeeded"], "", "usr_1")
    card = checkout.keep_card()
    checkout.bank(card, DECLINED)
    checkout.fail("reset_after", CONFIRM, times=2)
    process(order(checkout, card.id))
    intents.refresh(checkout.payment.id)


def test_a_decline_is_told_to_systems_when_the_try_is_answered_and_once(checkout: Checkout) -> None:
    _declined_and_lost(checkout)
    assert (checkout.payment.status, checkout.payment.public_status) == (
        PaymentStatus.REQUIRES_PAYMENT_METHOD,
        PaymentStatus.PROCESSING,
    )
    assert told("payment.failed") == [], "for everybody it is on its way"
    for _ in range(2):
        let_the_worker_finish()
    (failed,) = told("payment.failed")
    assert (failed["status"], failed["failure_code"]) == ("requires_payment_method", "insufficient_funds")


def test_who_dies_before_the_try_is_marked_as_answered_tells_the_decline_later(checkout: Checkout) -> None:
    _declined_and_lost(checkout)
    (confirmation,) = rows(Confirmation)
    dies("confirmation marked", lambda: confirming.finish(confirmation.id))
    assert told("payment.failed") == []
    let_the_worker_finish()
    assert len(told("payment.failed")) == 1


def test_a_try_that_never_arrived_is_told_to_have_failed_without_a_code(checkout: Checkout) -> None:
    """Its app was told that the payment is on its way, and waits for how it ends."""
    webhook_endpoints.add_endpoint(checkout.customer_id, URL, ["payment.failed"], "", "usr_1")
    checkout.fail("reset_before", CONFIRM, times=2)
    process(order(checkout, new_card(checkout)))
    (confirmation,) = rows(Confirmation)
    with db.transaction() as session:
        session.get_one(Confirmation, confirmation.id).key_used_at -= timedelta(days=2)
    with suppress(PortalError):
        let_the_worker_finish()
    (failed,) = told("payment.failed")
    assert (failed["status"], failed["failure_code"]) == ("requires_payment_method", None)
    assert service.current(checkout.payment.id, checkout.customer_id).next_action == "confirm"
