"""The rules by which a row and its object at Stripe are kept together, each for every kind it holds for, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from portal import gateway, stripe_sync
from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.errors import Conflict, Unavailable
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.core.synced_rows import Phase
from portal.jobs import outages, outbox
from portal.payment_methods import jobs as card_jobs
from portal.payment_methods import setups, stripe_customers
from portal.payment_methods.models import FormerStripeCustomer, PaymentMethod, PaymentMethodSetup, StripeCustomer
from portal.payments import intents, service
from portal.payments import statuses as payment_statuses
from portal.payments.models import Confirmation, Payment
from portal.refunds import executing
from portal.refunds import service as refunds
from portal.refunds.models import Refund
from portal.refunds.policy import RefundReason
from tests import factories
from tests.concurrency import run_concurrently
from tests.payments.conftest import Checkout, audited, jobs
from tests.smtp import Mailbox

# What is sent under a key


@dataclass(frozen=True)
class Sent:
    """How one kind is begun, and where it is made at Stripe.

    `begin` returns Stripe's id of what was made, None where nothing was; then `again` makes it. `ready` is what must be there before.
    `frozen` are the columns that go out under the key, and `other` is what would go out instead of them.
    """

    name: str
    model: type[Any]
    path: str
    begin: Callable[[Checkout], str | None]
    ready: Callable[[Checkout], object] = lambda checkout: stripe_customers.ensure_stripe_customer(checkout.customer_id)
    again: Callable[[Checkout], str | None] = lambda _till: None
    frozen: tuple[str, ...] = ("sent",)
    other: dict[str, Any] = field(default_factory=dict)


def only(model: type[Any]) -> Any:
    with db.reading() as session:
        (found,) = session.query(model).all()
        return found


def change(model: type[Any], **values: Any) -> None:
    with db.transaction() as session:
        (found,) = session.query(model).all()
        for name, value in values.items():
            setattr(found, name, value)


def paid(checkout: Checkout, method: str = "pm_card_visa") -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id, method)
    checkout.sandbox.control("finish")
    service.refresh(started.payment_id)


def approved(checkout: Checkout) -> None:
    """A refund of all that was paid."""
    paid(checkout)
    with db.transaction() as session:
        user = factories.user(session, session.get_one(Customer, checkout.customer_id))
        reviewer = Reviewer(factories.staff(session, role="support").id, "support")
    asked = (
        checkout.customer_id,
        user.id,
        checkout.payment.id,
        Money(119_00, "eur"),
        RefundReason.PRODUCT_NOT_RECEIVED,
        "",
    )
    refunds.approve(refunds.ask(*asked, client_key="first-page"), reviewer)


def send_refund(checkout: Checkout) -> str | None:
    del checkout
    executing.execute(only(Refund).id)
    found: str | None = only(Refund).stripe_refund_id
    return found


def search_and_send(checkout: Checkout) -> str | None:
    """After Stripe's list was searched for long enough."""
    change(Refund, search_began_at=clock.now() - timedelta(hours=2))
    return send_refund(checkout)


def press(checkout: Checkout, key: str = "first-press") -> str | None:
    """The button on an invoice; returns the charge."""
    return service.pay_with_card(
        checkout.customer_id, service.whole(checkout.invoice_id), only(PaymentMethod).id, client_key=key
    ).stripe_charge_id


SENT = [
    Sent("intent", Payment, "/v1/payment_intents", lambda checkout: checkout.start().intent_id),
    Sent(
        "setup",
        PaymentMethodSetup,
        "/v1/setup_intents",
        lambda checkout: setups.start_setup(checkout.customer_id, client_key="first-page", ip="").intent_id,
    ),
    Sent(
        "customer",
        StripeCustomer,
        "/v1/customers",
        lambda checkout: stripe_customers.ensure_stripe_customer(checkout.customer_id),
        ready=lambda _till: None,
    ),
    Sent("refund", Refund, "/v1/refunds", send_refund, ready=approved, again=search_and_send),
    Sent(
        "confirmation",
        Confirmation,
        "/v1/payment_intents/*/confirm",
        press,
        ready=Checkout.keep_card,
        again=lambda checkout: press(checkout, "another-press"),
        frozen=("stripe_payment_method_id", "off_session"),
        other={"off_session": True},
    ),
]
every_kind = pytest.mark.parametrize("kind", SENT, ids=lambda kind: kind.name)


def at_stripe(checkout: Checkout, kind: Sent) -> list[str]:
    """What Stripe holds of this kind, newest first."""
    v1 = checkout.sandbox.client.v1
    lists: dict[str, Any] = {
        "intent": v1.payment_intents, "setup": v1.setup_intents, "customer": v1.customers, "refund": v1.refunds,
        "confirmation": v1.charges,
    }  # fmt: skip
    return [found.id for found in lists[kind.name].list({"limit": 100}).data]


def attempts(kind: Sent) -> int:
    """How many keys were used."""
    with db.reading() as session:
        rows = session.query(kind.model).all()
    return len(rows) if kind.model is Confirmation else int(rows[0].attempt)


def reason_for_review(kind: Sent) -> str:
    found = only(Payment if kind.model is Confirmation else kind.model)
    return str(found.review_reason)


def loses_the_answer(checkout: Checkout, kind: Sent) -> None:
    """Stripe does it, and nobody hears of it; whoever pressed a button is told to wait."""
    checkout.fail("reset_after", kind.path, times=2, method="POST")
    with suppress(Unavailable):
        kind.begin(checkout)
    assert len(at_stripe(checkout, kind)) == 1


@every_kind
def test_a_double_press_waits_for_what_the_first_one_makes(checkout: Checkout, kind: Sent) -> None:
    kind.ready(checkout)
    checkout.sandbox.control("faults", fault="delay", path=kind.path, times=1, method="POST", seconds=1)
    outcomes = run_concurrently(*[lambda: kind.begin(checkout)] * 2)
    assert outcomes == at_stripe(checkout, kind) * 2


@every_kind
@pytest.mark.parametrize("fault", ["error_after", "error_kept"])
def test_a_failure_that_is_stored_under_the_key_is_looked_up(checkout: Checkout, kind: Sent, fault: str) -> None:
    kind.ready(checkout)
    checkout.fail(fault, kind.path, method="POST")
    assert [kind.begin(checkout) or kind.again(checkout)] == at_stripe(checkout, kind)
    assert attempts(kind) == (1 if fault == "error_after" else 2)


@every_kind
def test_a_key_that_stripe_may_have_forgotten_is_looked_up_first(checkout: Checkout, kind: Sent) -> None:
    kind.ready(checkout)
    loses_the_answer(checkout, kind)
    change(kind.model, key_used_at=clock.now() - timedelta(hours=24))
    checkout.sandbox.control("clock", seconds=25 * 3600)
    assert [kind.begin(checkout)] == at_stripe(checkout, kind)
    assert attempts(kind) == 1


def all_is_different(checkout: Checkout, kind: Sent) -> None:
    """Meanwhile the customer has another name and another customer at Stripe, the card another id, the refund another reason."""
    with db.transaction() as session:
        session.get_one(Customer, checkout.customer_id).name = "Havel Bikes GmbH"
    if kind.name == "refund":
        change(Refund, reason=RefundReason.OTHER)
    elif kind.name == "confirmation":
        change(PaymentMethod, stripe_payment_method_id="pm_another")
    elif kind.name != "customer":
        before = stripe_customers.ensure_stripe_customer(checkout.customer_id)
        other = checkout.sandbox.client.v1.customers.create({"name": "Another"}).id
        with db.transaction() as session:
            session.get_one(Customer, checkout.customer_id).stripe_customer_id = other
        with db.transaction() as session:  # what was begun for the first one is this customer's all the same
            session.add(
                FormerStripeCustomer(
                    stripe_customer_id=before, customer_id=checkout.customer_id, detached_at=clock.now()
                )
            )


@every_kind
def test_what_is_sent_is_frozen_with_its_key(checkout: Checkout, kind: Sent) -> None:
    kind.ready(checkout)
    loses_the_answer(checkout, kind)
    sent = [getattr(only(kind.model), name) for name in kind.frozen]
    all_is_different(checkout, kind)
    assert kind.begin(checkout) == at_stripe(checkout, kind)[-1]
    assert [getattr(only(kind.model), name) for name in kind.frozen] == sent
    assert (attempts(kind), reason_for_review(kind)) == (1, "")


@every_kind
def test_a_key_that_was_used_with_other_parameters_holds_the_row_for_review(checkout: Checkout, kind: Sent) -> None:
    kind.ready(checkout)
    loses_the_answer(checkout, kind)
    change(kind.model, **(kind.other or {"sent": only(kind.model).sent | {"metadata": {"customer_id": "another"}}}))
    with pytest.raises(gateway.IdempotencyMisuse):
        kind.begin(checkout)
    assert "idempotency key" in reason_for_review(kind)
    before = at_stripe(checkout, kind)
    if kind.name == "customer":
        assert kind.begin(checkout) not in before, (
            "staff look at the one; another is made, for nothing can be paid without"
        )
    elif kind.name in {"refund", "confirmation"}:  # what came of the first call may be told, and nothing more is sent
        kind.begin(checkout)
        assert at_stripe(checkout, kind) == before
    else:
        with pytest.raises(Conflict):
            kind.begin(checkout)
        assert at_stripe(checkout, kind) == before


@pytest.mark.parametrize("kind", [one for one in SENT if one.name != "confirmation"], ids=lambda kind: kind.name)
def test_where_a_row_stands_can_be_read(checkout: Checkout, kind: Sent) -> None:
    kind.ready(checkout)
    checkout.fail("reset_before", kind.path, times=2, method="POST")
    with pytest.raises(Unavailable):
        kind.begin(checkout)
    assert only(kind.model).phase == Phase.SENT
    kind.begin(checkout)
    assert only(kind.model).phase == Phase.KNOWN


# Ending what was abandoned


@pytest.mark.parametrize("kind", SENT[:2], ids=lambda kind: kind.name)
@pytest.mark.parametrize("fault", ["error_after", "error_kept"])
def test_a_failure_stored_under_a_cancels_key_is_no_outage_and_it_is_canceled(
    checkout: Checkout, kind: Sent, fault: str
) -> None:
    kind.begin(checkout)
    change(kind.model, created_at=clock.now() - timedelta(days=8))
    checkout.fail(fault, f"{kind.path}/*/cancel")
    follow_up(kind)
    assert only(kind.model).status == "canceled"


@pytest.mark.parametrize("kind", SENT[:2], ids=lambda kind: kind.name)
def test_the_follow_up_comes_again_until_it_is_canceled(checkout: Checkout, kind: Sent) -> None:
    kind.begin(checkout)
    change(kind.model, created_at=clock.now() - timedelta(days=8))
    for fault in ("error_kept", "delay", "error_kept"):  # the SDK sends the first one again, and gets what is stored
        checkout.sandbox.control("faults", fault=fault, path=f"{kind.path}/*/cancel", times=1, method="*", seconds=0)
    with pytest.raises(outbox.Reschedule):
        follow_up(kind)
    assert only(kind.model).status in payment_statuses.WAITING_FOR_CUSTOMER
    follow_up(kind)
    assert only(kind.model).status == "canceled"


def follow_up(kind: Sent) -> None:
    (service if kind.model is Payment else setups).follow_up(only(kind.model).id)


@pytest.mark.parametrize("error", [gateway.KeptFailure(), gateway.KeyInUse(), gateway.RefusedParameter("email")])
def test_an_answer_about_one_call_is_no_outage_of_stripe(error: Exception) -> None:
    assert outages.service_of(error) is None


# A customer that Stripe has lost, or does not take


@pytest.mark.parametrize("kind", SENT[:2], ids=lambda kind: kind.name)
def test_a_customer_deleted_at_stripe_without_a_word_is_made_anew_at_the_next_press(
    checkout: Checkout, kind: Sent
) -> None:
    lost = stripe_customers.ensure_stripe_customer(checkout.customer_id)
    checkout.sandbox.client.v1.customers.delete(lost)
    kind.begin(checkout)
    (made,) = checkout.intents if kind.model is Payment else checkout.sandbox.client.v1.setup_intents.list().data
    assert made.customer == stripe_customers.ensure_stripe_customer(checkout.customer_id) != lost
    assert (attempts(kind), audited("customer.unlinked")) == (2, 1)
    for job in jobs("payments.cancel_pending"):
        service.cancel_pending(**job)
    assert only(kind.model).status != "canceled", "it was begun for the new customer"


def test_what_staff_look_at_is_not_called_off_with_its_customer_at_stripe(checkout: Checkout) -> None:
    lost = stripe_customers.ensure_stripe_customer(checkout.customer_id)
    payment_id = checkout.start().payment_id
    stripe_sync.hold_by_id(intents.KIND, payment_id, "a reason")
    service.cancel_pending(checkout.customer_id, lost)
    assert only(Payment).status == "requires_payment_method"
    change(Payment, review_reason="")
    service.cancel_pending(checkout.customer_id, lost)
    assert only(Payment).status == "canceled"


@pytest.mark.parametrize("email", ["ada@spree-bikes", "ada..byron@spree bikes.test"])
def test_an_address_that_stripe_refuses_is_left_out_and_staff_are_told(
    app: Flask, checkout: Checkout, smtp: Mailbox, email: str
) -> None:
    with db.transaction() as session:
        session.get_one(Customer, checkout.customer_id).email = email
    checkout.start()
    made = checkout.sandbox.client.v1.customers.retrieve(stripe_customers.ensure_stripe_customer(checkout.customer_id))
    assert (made.email, made.name) == (None, "Spree Bikes GmbH")
    assert audited("customer.detail_refused") == 1
    with app.app_context():
        for job in jobs("payment_methods.mail_refused_detail"):
            card_jobs.mail_refused_detail.run(**job)
    (mail,) = smtp.wait_for(1)
    assert "does not accept a detail" in str(mail["Subject"])
