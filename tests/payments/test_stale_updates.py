"""How a row follows its object at Stripe, by the same rules for every kind, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from portal import stripe_sync
from portal.disputes import service as disputes
from portal.disputes import settling as settling_disputes
from portal.disputes import warnings
from portal.disputes.models import Dispute, EarlyFraudWarning
from portal.payment_methods import setups
from portal.payment_methods.models import PaymentMethodSetup
from portal.payments import intents
from portal.payments.models import Payment
from portal.refunds import executing
from portal.refunds.models import Refund
from tests.concurrency import run_concurrently
from tests.payments.conftest import Checkout, everything
from tests.payments.test_stripe_sync import approved, only, paid, send_refund


@dataclass(frozen=True)
class Followed:
    """How one kind comes to be, what moves it to its end at Stripe, and what its row says then."""

    name: str
    rules: Any
    model: type[Any]
    begin: Callable[[Checkout], object]
    move: Callable[[Checkout], object]
    says: str
    last: object


def disputed(checkout: Checkout) -> None:
    paid(checkout)
    checkout.sandbox.control(
        "disputes", charge=str(checkout.intents[0].latest_charge), reason="fraudulent", inquiry="no"
    )
    (found,) = checkout.sandbox.client.v1.disputes.list().data
    assert disputes.sync_dispute(found.id)


def refunded(checkout: Checkout) -> None:
    approved(checkout)
    send_refund(checkout)


def warned(checkout: Checkout) -> None:
    paid(checkout, "pm_card_createIssuerFraudRecord")
    (found,) = checkout.sandbox.client.v1.radar.early_fraud_warnings.list().data
    assert disputes.sync_warning(found.id)


FOLLOWED = [
    Followed(
        "intent",
        intents.KIND,
        Payment,
        Checkout.start,
        lambda checkout: checkout.confirm(str(checkout.payment.stripe_intent_id)),
        "status",
        "succeeded",
    ),
    Followed(
        "setup",
        setups.KIND,
        PaymentMethodSetup,
        lambda checkout: setups.start_setup(checkout.customer_id, client_key="first-page", ip=""),
        lambda checkout: checkout.sandbox.client.v1.setup_intents.confirm(
            str(only(PaymentMethodSetup).stripe_setup_intent_id), {"payment_method": "pm_card_visa"}
        ),
        "status",
        "succeeded",
    ),
    Followed(
        "refund",
        executing.KIND,
        Refund,
        refunded,
        lambda checkout: checkout.sandbox.control("refunds/fail", refund=only(Refund).stripe_refund_id),
        "status",
        "failed",
    ),
    Followed(
        "dispute",
        settling_disputes.KIND,
        Dispute,
        disputed,
        lambda checkout: checkout.sandbox.control(
            "disputes/decide", dispute=only(Dispute).stripe_dispute_id, verdict="lost"
        ),
        "status",
        "lost",
    ),
    Followed(
        "warning",
        warnings.KIND,
        EarlyFraudWarning,
        warned,
        lambda checkout: checkout.sandbox.client.v1.refunds.create(
            {"payment_intent": str(checkout.payment.stripe_intent_id)}
        ),
        "actionable",
        False,
    ),
]
every_followed = pytest.mark.parametrize("kind", FOLLOWED, ids=lambda kind: kind.name)


def seen(kind: Followed) -> tuple[Any, Any, Any]:
    """A row, its object as Stripe has it now, and what belongs to that."""
    row = only(kind.model)
    found = kind.rules.fetch(kind.rules.stripe_id(row))
    return row, found, kind.rules.gather(found)


@every_followed
def test_a_stale_update_never_wins(checkout: Checkout, kind: Followed) -> None:
    kind.begin(checkout)
    row, *old = seen(kind)
    kind.move(checkout)
    stripe_sync.refresh(kind.rules, row.id)
    assert getattr(only(kind.model), kind.says) == kind.last
    before = everything()
    assert stripe_sync.settle(kind.rules, row.id, *old, seen_version=row.version) is False
    assert everything() == before


@pytest.mark.parametrize("kind", [one for one in FOLLOWED if one.name != "warning"], ids=lambda kind: kind.name)
def test_a_final_state_absorbs_and_what_contradicts_it_is_held_for_review(checkout: Checkout, kind: Followed) -> None:
    kind.begin(checkout)
    row, *old = seen(kind)
    kind.move(checkout)
    stripe_sync.refresh(kind.rules, row.id)
    assert stripe_sync.settle(kind.rules, row.id, *old, seen_version=only(kind.model).version)
    now = only(kind.model)
    assert getattr(now, kind.says) == kind.last
    assert now.review_reason.startswith("Stripe says ")


@every_followed
def test_the_same_update_changes_nothing_however_often_it_comes(checkout: Checkout, kind: Followed) -> None:
    kind.begin(checkout)
    kind.move(checkout)
    row_id = only(kind.model).id
    checkout.sandbox.control("finish")
    stripe_sync.refresh(kind.rules, row_id)
    before = everything()
    run_concurrently(*[lambda: stripe_sync.refresh(kind.rules, row_id)] * 2)
    assert everything() == before
