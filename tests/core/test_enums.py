"""Words of an enum in a column, and words of Stripe's that nobody knows yet."""

from __future__ import annotations

from itertools import product

import pytest

from portal.accounts.models import Customer
from portal.core import db
from portal.core.enums import Unknown, parse
from portal.payment_methods.statuses import SetupStatus
from portal.payment_methods.statuses import public_status as told_of_setup
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.refunds import statuses as refunds
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests import factories

NEW = "requires_something_new"


@pytest.fixture
def customer(database: str) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


def test_a_word_that_nobody_knows_is_kept_and_equals_none_that_is_known() -> None:
    assert parse(PaymentStatus, "succeeded") is PaymentStatus.SUCCEEDED
    found = parse(PaymentStatus, NEW)
    assert isinstance(found, Unknown) and found == NEW
    assert found not in set[str](PaymentStatus)


def test_a_status_that_stripe_invents_is_stored_and_never_taken_for_paid(customer: Customer) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, customer, succeeded_at=None)
        refund_id = factories.refund(session, payment, succeeded_at=None, amount_minor=1).id
        session.get_one(Payment, payment.id).status = Unknown(NEW)
        session.get_one(Refund, refund_id).status = Unknown(NEW)
    with db.reading() as session:
        payment, refund = session.get_one(Payment, payment.id), session.get_one(Refund, refund_id)
    assert isinstance(payment.status, Unknown) and isinstance(refund.status, Unknown)
    assert (payment.status, payment.has_succeeded, payment.public_status) == (NEW, False, PaymentStatus.PROCESSING)
    assert (refund.status, refund.has_succeeded, refund.has_failed) == (NEW, False, False)
    assert refunds.known(refund.status) == refunds.public_status(refund.status) == RefundStatus.UNKNOWN


def test_of_a_payment_method_setup_it_is_told_as_processing() -> None:
    assert told_of_setup(NEW) == SetupStatus.PROCESSING
    assert [told_of_setup(status) for status in SetupStatus] == list(SetupStatus)


# What the worker follows after the sending.
AT_STRIPE = {RefundStatus.EXECUTING, RefundStatus.UNKNOWN, RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION}


def test_every_pair_of_a_refunds_statuses_with_one_that_nobody_knows() -> None:
    new = Unknown(NEW)
    for before in RefundStatus:
        assert refunds.may_follow(before, new) == (before in AT_STRIPE), before
    for after in RefundStatus:
        assert refunds.may_follow(new, after) == (after in refunds.OF_STRIPE), after
    assert refunds.may_follow(new, Unknown("another"))


def test_what_is_over_stays_over_but_for_a_refund_that_comes_back() -> None:
    over = {RefundStatus.REJECTED, RefundStatus.WITHDRAWN, RefundStatus.FAILED, RefundStatus.CANCELED}
    allowed = {
        (before, after) for before, after in product(RefundStatus, repeat=2) if refunds.may_follow(before, after)
    }
    assert not [pair for pair in allowed if pair[0] in over]
    assert {after for before, after in allowed if before == RefundStatus.SUCCEEDED} == {RefundStatus.FAILED}
    assert {after for before, after in allowed if before == RefundStatus.APPROVED} == {
        RefundStatus.EXECUTING,
        RefundStatus.FAILED,
        # An approval is undone before anything is sent.
        RefundStatus.REQUESTED,
        RefundStatus.APPROVED_ONCE,
    }
