"""The rules by which a row and its object at Stripe are kept together, for every kind of them: payments, card setups, customers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from portal import gateway
from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.errors import Conflict, Unavailable
from portal.jobs import outages, outbox
from portal.payment_methods import holders, setups
from portal.payment_methods import jobs as card_jobs
from portal.payment_methods.models import CardSetup, FormerHolder, StripeCustomer
from portal.payments import service
from portal.payments import states as payment_states
from portal.payments.models import Payment
from portal.stripe_sync import Mirror
from tests.payments.conftest import Till, audited, jobs
from tests.smtp import Mailbox
from tests.together import together


@dataclass(frozen=True)
class Kind:
    """How one kind is begun, and where it is made at Stripe."""

    name: str
    model: type[Mirror]
    path: str
    column: str
    begin: Callable[[Till], object]


KINDS = [
    Kind("intent", Payment, "/v1/payment_intents", "stripe_intent_id", lambda till: till.start().intent_id),
    Kind(
        "setup",
        CardSetup,
        "/v1/setup_intents",
        "stripe_setup_intent_id",
        lambda till: setups.start_setup(till.customer_id, client_key="first-page", ip="").intent_id,
    ),
    Kind(
        "customer",
        StripeCustomer,
        "/v1/customers",
        "stripe_customer_id",
        lambda till: holders.holder(till.customer_id),
    ),
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def row(kind: Kind) -> Any:
    with db.reading() as session:
        (only,) = session.query(kind.model).all()
        return only


def change(kind: Kind, **values: Any) -> None:
    with db.transaction() as session:
        (only,) = session.query(kind.model).all()
        for name, value in values.items():
            setattr(only, name, value)


def at_stripe(till: Till, kind: Kind) -> list[str]:
    """What Stripe holds of this kind, newest first."""
    v1 = till.sandbox.client.v1
    lists: dict[str, Any] = {"intent": v1.payment_intents, "setup": v1.setup_intents, "customer": v1.customers}
    return [found.id for found in lists[kind.name].list({"limit": 100}).data]


def ready(till: Till, kind: Kind) -> None:
    """The customer at Stripe is there before a payment or a setup is begun."""
    if kind.name != "customer":
        holders.holder(till.customer_id)


def new_name(till: Till) -> None:
    with db.transaction() as session:
        session.get_one(Customer, till.customer_id).name = "Havel Bikes GmbH"


@every_kind
def test_a_double_press_waits_for_what_the_first_one_makes(till: Till, kind: Kind) -> None:
    ready(till, kind)
    till.sandbox.control("faults", fault="delay", path=kind.path, times=1, method="POST", seconds=1)
    outcomes = together(*[lambda: kind.begin(till)] * 2)
    assert outcomes == at_stripe(till, kind) * 2


@every_kind
@pytest.mark.parametrize("fault", ["error_after", "error_kept"])
def test_a_failure_that_is_stored_under_the_key_is_looked_up(till: Till, kind: Kind, fault: str) -> None:
    ready(till, kind)
    till.fail(fault, kind.path, method="POST")
    assert [kind.begin(till)] == at_stripe(till, kind)
    assert row(kind).attempt == (1 if fault == "error_after" else 2)


@every_kind
def test_a_key_that_stripe_may_have_forgotten_is_looked_up_first(till: Till, kind: Kind) -> None:
    ready(till, kind)
    till.fail("reset_after", kind.path, times=2, method="POST")
    with pytest.raises(Unavailable):
        kind.begin(till)
    change(kind, key_used_at=clock.now() - timedelta(hours=24))
    till.sandbox.control("clock", seconds=25 * 3600)
    assert [kind.begin(till)] == at_stripe(till, kind)
    assert row(kind).attempt == 1


@every_kind
def test_what_is_sent_is_frozen_with_its_key(till: Till, kind: Kind) -> None:
    """The answer was lost; meanwhile the customer has another name, and another customer at Stripe."""
    ready(till, kind)
    till.fail("reset_after", kind.path, times=2, method="POST")
    with pytest.raises(Unavailable):
        kind.begin(till)
    sent = row(kind).sent
    new_name(till)
    if kind.name != "customer":
        before = holders.holder(till.customer_id)
        other = till.sandbox.client.v1.customers.create({"name": "Another"}).id
        with db.transaction() as session:
            session.get_one(Customer, till.customer_id).stripe_customer_id = other
        with db.transaction() as session:  # what was begun for the first one is this customer's all the same
            session.add(FormerHolder(stripe_customer_id=before, customer_id=till.customer_id, lost_at=clock.now()))
    kind.begin(till)
    assert row(kind).sent == sent
    assert (getattr(row(kind), kind.column), row(kind).finding) == (at_stripe(till, kind)[-1], "")


@every_kind
def test_a_key_that_was_used_with_other_parameters_holds_the_row_for_review(till: Till, kind: Kind) -> None:
    ready(till, kind)
    till.fail("reset_after", kind.path, times=2, method="POST")
    with pytest.raises(Unavailable):
        kind.begin(till)
    change(kind, sent=row(kind).sent | {"metadata": {"customer_id": "another"}})
    with pytest.raises(gateway.IdempotencyMisuse):
        kind.begin(till)
    assert "idempotency key" in row(kind).finding
    before = at_stripe(till, kind)
    if kind.name == "customer":
        assert kind.begin(till) not in before, "staff look at the one; another is made, for nothing can be paid without"
    else:
        with pytest.raises(Conflict):
            kind.begin(till)
        assert at_stripe(till, kind) == before


# Ending what was abandoned


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.name)
@pytest.mark.parametrize("fault", ["error_after", "error_kept"])
def test_a_failure_stored_under_a_cancels_key_is_no_outage_and_it_is_canceled(
    till: Till, kind: Kind, fault: str
) -> None:
    kind.begin(till)
    change(kind, created_at=clock.now() - timedelta(days=8))
    till.fail(fault, f"{kind.path}/*/cancel")
    follow_up(kind)
    assert row(kind).status == "canceled"


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.name)
def test_the_follow_up_comes_again_until_it_is_canceled(till: Till, kind: Kind) -> None:
    kind.begin(till)
    change(kind, created_at=clock.now() - timedelta(days=8))
    for fault in ("error_kept", "delay", "error_kept"):  # the SDK sends the first one again, and gets what is stored
        till.sandbox.control("faults", fault=fault, path=f"{kind.path}/*/cancel", times=1, method="*", seconds=0)
    with pytest.raises(outbox.Later):
        follow_up(kind)
    assert row(kind).status in payment_states.WAITING_FOR_CUSTOMER
    follow_up(kind)
    assert row(kind).status == "canceled"


def follow_up(kind: Kind) -> None:
    (service if kind.model is Payment else setups).follow_up(row(kind).id)


@pytest.mark.parametrize("error", [gateway.KeptFailure(), gateway.KeyInUse(), gateway.RefusedParameter("email")])
def test_an_answer_about_one_call_is_no_outage_of_stripe(error: Exception) -> None:
    assert outages.service_of(error) is None


# A customer that Stripe has lost, or does not take


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.name)
def test_a_customer_deleted_at_stripe_without_a_word_is_made_anew_at_the_next_press(till: Till, kind: Kind) -> None:
    lost = holders.holder(till.customer_id)
    till.sandbox.client.v1.customers.delete(lost)
    kind.begin(till)
    (only,) = till.intents if kind.model is Payment else till.sandbox.client.v1.setup_intents.list().data
    assert only.customer == holders.holder(till.customer_id) != lost
    assert (row(kind).attempt, audited("customer.unlinked")) == (2, 1)
    for job in jobs("payments.call_off_waiting"):
        service.call_off_waiting(**job)
    assert row(kind).status != "canceled", "it was begun for the new customer"


@pytest.mark.parametrize("email", ["ada@spree-bikes", "ada..byron@spree bikes.test"])
def test_an_address_that_stripe_refuses_is_left_out_and_staff_are_told(
    app: Flask, till: Till, smtp: Mailbox, email: str
) -> None:
    with db.transaction() as session:
        session.get_one(Customer, till.customer_id).email = email
    till.start()
    made = till.sandbox.client.v1.customers.retrieve(holders.holder(till.customer_id))
    assert (made.email, made.name) == (None, "Spree Bikes GmbH")
    assert audited("customer.detail_refused") == 1
    with app.app_context():
        for job in jobs("cards.mail_refused_detail"):
            card_jobs.mail_refused_detail(**job)
    (mail,) = smtp.wait_for(1)
    assert "does not accept a detail" in str(mail["Subject"])
