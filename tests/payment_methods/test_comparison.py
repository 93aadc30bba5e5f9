"""The daily comparison with Stripe's list of cards, for when webhooks were lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from portal import gateway
from portal.core import db
from portal.core.errors import Unavailable
from portal.gateway import listing
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.payment_methods import comparison, keeping, stripe_customers
from portal.payment_methods import jobs as card_jobs
from portal.payment_methods.models import PaymentMethod
from tests import factories
from tests.payment_methods.conftest import MASTERCARD, VISA, Wallet
from tests.payments.conftest import audited, everything, jobs

AMEX = "378282246310005"


def attach(wallet: Wallet, number: str = VISA, year: int = 2040) -> str:
    """As staff do at Stripe's dashboard; returns the reference."""
    method = wallet.method(number, year=year)
    wallet.sandbox.client.v1.payment_methods.attach(
        method, {"customer": stripe_customers.ensure_stripe_customer(wallet.customer_id)}
    )
    return method


def detach(wallet: Wallet, card: PaymentMethod) -> None:
    wallet.sandbox.client.v1.payment_methods.detach(card.stripe_payment_method_id)


def change_expiry(wallet: Wallet, card: PaymentMethod) -> None:
    expiry: Any = {"card": {"exp_month": 3, "exp_year": 2041}}
    wallet.sandbox.client.v1.payment_methods.update(card.stripe_payment_method_id, expiry)


def compared(wallet: Wallet) -> dict[str, PaymentMethod]:
    """The cards after a comparison, by their last digits; and a second one must have written nothing."""
    comparison.compare(wallet.customer_id)
    before = everything()
    comparison.compare(wallet.customer_id)
    assert everything() == before
    return {card.last4: card for card in wallet.cards}


def another(wallet: Wallet) -> Wallet:
    with db.transaction() as session:
        return Wallet(wallet.sandbox, factories.customer(session).id)


def a_day(app: Flask) -> None:
    """The round of one day, chunk by chunk, as the worker runs it."""
    with db.transaction() as session:
        card_jobs.compare.enqueue(session)
    while outbox.run_due():
        pass


def test_added_changed_and_removed_cards_are_found_without_any_webhook(wallet: Wallet) -> None:
    for number in (VISA, MASTERCARD):
        wallet.add(number)
    visa, mastercard = wallet.cards
    detach(wallet, visa)
    change_expiry(wallet, mastercard)
    attach(wallet, AMEX)
    cards = compared(wallet)
    assert cards.keys() == {"4444", "0005"}
    assert (cards["4444"].exp_month, cards["4444"].exp_year) == (3, 2041)
    assert [card.is_default for card in wallet.cards] == [True, False]
    assert audited("payment_method.removed") == audited("payment_method.updated") == 1


def test_what_is_in_step_is_not_even_fetched(wallet: Wallet) -> None:
    for number in (VISA, MASTERCARD):
        wallet.add(number)
    before = everything()
    wallet.fail("error_before", "/v1/payment_methods/*", times=100)
    comparison.compare(wallet.customer_id)
    assert everything() == before


def test_a_number_that_is_there_twice_is_judged_as_ever(wallet: Wallet) -> None:
    wallet.add(year=2034)
    later, same = attach(wallet, year=2036), attach(wallet, year=2034)
    (card,) = compared(wallet).values()
    assert (card.stripe_payment_method_id, card.exp_year) == (later, 2036)
    for job in jobs("payment_methods.detach"):
        keeping.detach(job["stripe_payment_method_id"])
    assert wallet.attached == {later}
    assert same in {job["stripe_payment_method_id"] for job in jobs("payment_methods.detach")}


def test_a_list_of_several_pages_is_read_to_its_end(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    for number in (VISA, MASTERCARD, AMEX, "6011111111111117", "3056930009020004"):
        attach(wallet, number)
    assert len(compared(wallet)) == 5


def test_who_is_not_known_at_stripe_is_left_alone(wallet: Wallet) -> None:
    wallet.fail("error_before", "*", times=100)
    before = everything()
    comparison.compare(wallet.customer_id)
    assert everything() == before


def test_a_customer_deleted_at_stripe_is_lost_here_too(wallet: Wallet) -> None:
    wallet.add()
    lost = stripe_customers.ensure_stripe_customer(wallet.customer_id)
    wallet.sandbox.client.v1.customers.delete(lost)
    assert compared(wallet) == {}
    assert audited("customer.unlinked") == 1
    assert jobs("payments.cancel_pending") == [{"customer_id": wallet.customer_id, "lost": lost}]
    assert stripe_customers.ensure_stripe_customer(wallet.customer_id) != lost


def test_while_stripe_does_not_answer_nothing_is_taken_for_removed(wallet: Wallet) -> None:
    wallet.add()
    before = everything()
    wallet.fail("error_before", "/v1/customers/*", times=2)
    with pytest.raises(Unavailable):
        comparison.compare(wallet.customer_id)
    assert everything() == before


@pytest.mark.parametrize("slow", [False, True])
def test_a_round_reaches_everybody_and_one_failure_stops_nobody(
    app: Flask, wallet: Wallet, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    """In chunks of two, or of one where Stripe is so slow that a chunk ends early."""
    monkeypatch.setattr(comparison, "CUSTOMERS_A_CHUNK", 2)
    if slow:
        monkeypatch.setattr(comparison, "LONGEST_CHUNK", timedelta(0))
    wallets = sorted([wallet, *(another(wallet) for _ in range(4))], key=lambda one: one.customer_id)
    for one in wallets:
        attach(one)
    wallet.fail(
        "error_before", f"/v1/customers/{stripe_customers.ensure_stripe_customer(wallets[1].customer_id)}/*", times=2
    )
    a_day(app)
    assert [len(one.cards) for one in wallets] == [1, 0, 1, 1, 1]
    assert len(jobs("payment_methods.compare")) == (6 if slow else 4)
    with db.transaction() as session:
        session.query(JobRow).delete()
    a_day(app)
    assert [len(one.cards) for one in wallets] == [1, 1, 1, 1, 1]


def test_a_chunk_that_runs_twice_leaves_one_next_chunk(wallet: Wallet) -> None:
    stripe_customers.ensure_stripe_customer(wallet.customer_id)
    for _ in range(2):
        comparison.compare_chunk("2026-11-23", "")
    assert jobs("payment_methods.compare") == [{"day": "2026-11-23", "after": wallet.customer_id}]


@pytest.mark.database("sqlite")
def test_the_worker_begins_a_round_by_itself(app: Flask) -> None:
    with db.transaction() as session:
        outbox.enqueue_periodic(session)
    assert jobs("payment_methods.compare") == [{}]


def test_no_transaction_is_open_while_stripe_lists(wallet: Wallet) -> None:
    with db.reading(), pytest.raises(db.NestedTransaction):
        list(gateway.current().list_methods("cus_1"))
