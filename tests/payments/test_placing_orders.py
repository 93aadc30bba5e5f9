"""An app pays with one call: with a card it has just made, a saved one, or none yet; and its key is for one order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import stripe
from sqlalchemy import text

from portal import stripe_sync
from portal.core import db
from portal.core.errors import Conflict, Invalid, PortalError
from portal.core.money import Money
from portal.invoices import service as invoices
from portal.payment_methods import queries as payment_methods
from portal.payment_methods import service as cards
from portal.payments import confirming, intents, queries, service
from portal.payments.allocating import Part
from portal.payments.models import Confirmation, PlacedOrder
from portal.payments.order_rules import Order
from portal.payments.service import OrderResult, process
from portal.payments.statuses import PaymentStatus
from tests import waiting
from tests.payment_methods.conftest import Wallet
from tests.payment_methods.test_by_reference import pass_3d_secure
from tests.payments.conftest import Checkout, everything, jobs
from tests.payments.test_crash_points import assert_paid_once

VISA, MASTERCARD = "4242424242424242", "5555555555554444"
DECLINED, ASKS_FOR_3DS = "4000000000009995", "4000002760003184"
KEY = "an-apps-first-order"
FIFTY = 50


def new_card(checkout: Checkout, number: str = VISA) -> str:
    """A payment method as an app makes it with Stripe's SDK."""
    return Wallet(checkout.sandbox, checkout.customer_id).method(number)


def order(checkout: Checkout, method: str | None = None, key: str = KEY, **values: Any) -> Order:
    return Order(
        customer_id=checkout.customer_id,
        client_key=key,
        invoices=service.whole(checkout.invoice_id),
        method=method,
        **values,
    )


def deposit(checkout: Checkout, method: str | None = None, key: str = KEY, **values: Any) -> Order:
    facts: dict[str, Any] = {"amount": Money(50_00, "eur"), "description": "Deposit"} | values
    return Order(customer_id=checkout.customer_id, client_key=key, method=method, **facts)


def told(found: OrderResult) -> tuple[str, str | None, bool]:
    return found.payment.status, found.next_action, found.client_secret is not None


def charges(checkout: Checkout) -> list[stripe.Charge]:
    return checkout.sandbox.client.v1.charges.list({"limit": 100}).data


def rows(kind: type[Any]) -> list[Any]:
    with db.reading() as session:
        return list(session.query(kind).all())


# The three ways


def test_a_new_card_pays_an_invoice_and_is_not_kept(checkout: Checkout) -> None:
    found = process(order(checkout, new_card(checkout)))
    assert told(found) == (PaymentStatus.SUCCEEDED, None, False)
    assert found.payment.card_last4 == "4242"
    assert checkout.intents[0].metadata["invoice_id"] == checkout.invoice_id
    assert_paid_once(checkout)
    (confirmation,) = rows(Confirmation)
    assert (confirmation.payment_method_id, confirmation.off_session) == (None, False)
    assert jobs("payment_methods.upsert") == []


@pytest.mark.parametrize("by", ["id", "stripe_payment_method_id"])
def test_a_saved_card_pays_by_either_of_its_names(checkout: Checkout, by: str) -> None:
    card = checkout.keep_card()
    assert told(process(order(checkout, getattr(card, by)))) == (PaymentStatus.SUCCEEDED, None, False)
    (confirmation,) = rows(Confirmation)
    assert confirmation.payment_method_id == card.id
    assert_paid_once(checkout)


def test_without_a_card_the_client_confirms(checkout: Checkout) -> None:
    found = process(order(checkout))
    assert told(found) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "confirm", True)
    intent_id = str(found.payment.stripe_intent_id)
    assert str(found.client_secret).startswith(intent_id)
    checkout.decline(intent_id, "pm_card_visa_chargeDeclined")
    assert process(order(checkout)).next_action == "confirm"  # a decline of the client's own leaves it to the client
    checkout.confirm(intent_id)
    assert told(process(order(checkout))) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(checkout)


def test_an_amount_without_an_invoice(checkout: Checkout) -> None:
    found = process(deposit(checkout, new_card(checkout), metadata={"shop.order": "4711"}))
    assert told(found) == (PaymentStatus.SUCCEEDED, None, False)
    assert (found.payment.amount, found.payment.description) == (Money(50_00, "eur"), "Deposit")
    (intent,) = checkout.intents
    assert intent.metadata.to_dict() == {
        "shop.order": "4711",
        "payment_id": found.payment.id,
        "customer_id": checkout.customer_id,
    }


@pytest.mark.parametrize("with_method", [True, False])
def test_a_card_is_saved_when_its_customer_wants_it(checkout: Checkout, with_method: bool) -> None:
    method = new_card(checkout)
    found = process(order(checkout, method if with_method else None, save_card=True))
    if not with_method:
        checkout.confirm(str(found.payment.stripe_intent_id), method)
        process(order(checkout, save_card=True))
    assert [intent.setup_future_usage for intent in checkout.intents] == ["off_session"]
    (job,) = jobs("payment_methods.upsert")
    cards.upsert(job["stripe_payment_method_id"])
    with db.reading() as session:
        (card,) = payment_methods.of_customer(session, checkout.customer_id)
    assert card.stripe_payment_method_id == method
    assert_paid_once(checkout)


# What the bank says


def test_a_bank_that_asks_is_answered_by_the_client(checkout: Checkout) -> None:
    found = process(order(checkout, new_card(checkout, ASKS_FOR_3DS)))
    assert told(found) == (PaymentStatus.REQUIRES_ACTION, "authenticate", True)
    assert service.current(found.payment.id, checkout.customer_id).client_secret == found.client_secret
    assert told(process(order(checkout, new_card(checkout), "another-key"))) == (
        PaymentStatus.REQUIRES_ACTION,
        "authenticate",
        True,
    )
    assert len(rows(Confirmation)) == 1  # nothing new is begun meanwhile
    pass_3d_secure(checkout.intents[0])
    assert told(service.current(found.payment.id, checkout.customer_id)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(checkout)


def test_a_decline_is_an_answer_and_another_order_pays_the_same_payment(checkout: Checkout) -> None:
    declined = order(checkout, new_card(checkout, DECLINED))
    for _ in range(2):  # the same key asks no bank again
        found = process(declined)
        assert told(found) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, None, False)
        assert found.payment.decline_code == "insufficient_funds"
    assert len(charges(checkout)) == 1
    assert process(order(checkout, key="typed-by-hand")).next_action == "confirm"
    assert process(declined).next_action is None
    paid = process(order(checkout, new_card(checkout, MASTERCARD), "a-second-card"))
    assert (paid.payment.id, paid.payment.status) == (found.payment.id, PaymentStatus.SUCCEEDED)
    assert told(process(declined)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(checkout)


def test_who_asks_for_the_payment_later_is_told_of_a_decline_as_the_order_was(checkout: Checkout) -> None:
    payment_id = process(order(checkout, new_card(checkout, DECLINED))).payment.id
    for next_action in (None, "confirm"):
        found = service.current(payment_id, checkout.customer_id)
        assert (found.next_action, found.client_secret is not None) == (next_action, next_action is not None)
        process(order(checkout, key="typed-by-hand"))
    assert len(charges(checkout)) == 1


def test_the_bank_takes_its_time(checkout: Checkout) -> None:
    checkout.sandbox.control("payments/slow", times=1, seconds=60)
    found = process(order(checkout, new_card(checkout)))
    assert told(found) == (PaymentStatus.PROCESSING, None, False)
    with pytest.raises(service.InProgress):
        process(order(checkout, key="another-key"))
    checkout.sandbox.control("finish")
    assert told(process(order(checkout, found_method()))) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(checkout)


def found_method() -> str:
    """What the only order was charged to."""
    (placed,) = rows(PlacedOrder)
    return str(placed.method)


# Keys


def test_a_second_call_with_the_key_changes_nothing(checkout: Checkout) -> None:
    wanted = order(checkout, new_card(checkout), metadata={"a": "1", "b": "2"})
    first = process(wanted)
    checkout.sandbox.control("finish")  # Stripe tells its fee
    intents.refresh(first.payment.id)
    before = everything()
    assert process(wanted).payment.id == first.payment.id
    assert process(order(checkout, wanted.method, metadata={"b": "2", "a": "1"})).payment.id == first.payment.id
    assert everything() == before


def test_a_key_is_for_one_order(checkout: Checkout) -> None:
    method = new_card(checkout)
    process(order(checkout, method))
    before = everything()
    for other in (
        order(checkout),
        order(checkout, method, save_card=True),
        order(checkout, method, metadata={"a": "1"}),
        order(checkout, method, amount=Money(119_00, "eur")),
        deposit(checkout, method),
    ):
        with pytest.raises(service.KeyReused) as refused:
            process(other)
        assert (refused.value.code, refused.value.status) == ("key_reused", 422)
    assert everything() == before


def test_a_key_of_a_page_or_a_press_is_no_key_of_an_app(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.start("key-of-a-page")
    service.pay_with_card(
        checkout.customer_id, service.whole(checkout.invoice_id), card.id, client_key="key-of-a-press"
    )
    for key in ("key-of-a-page", "key-of-a-press"):
        with pytest.raises(service.KeyReused):
            process(deposit(checkout, key=key))
    with pytest.raises(Invalid):
        process(deposit(checkout, key="short"))


def test_an_order_goes_on_with_what_a_page_began(checkout: Checkout) -> None:
    started = checkout.start(save_card=True)
    wanted = order(checkout, new_card(checkout))
    found = process(wanted)
    assert (found.payment.id, found.payment.status) == (started.payment_id, PaymentStatus.SUCCEEDED)
    assert checkout.intents[0].setup_future_usage is None
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(checkout)
    with pytest.raises(Conflict):
        process(order(checkout, key="another-key"))


def test_fifty_calls_at_once_with_one_key_charge_once(checkout: Checkout) -> None:
    wanted = order(checkout, new_card(checkout))

    def one(_: int) -> str:
        return process(wanted).payment.id

    with ThreadPoolExecutor(10) as pool:
        ids = set(pool.map(one, range(FIFTY)))
    assert len(ids) == len(rows(PlacedOrder)) == len(rows(Confirmation)) == len(checkout.intents) == 1
    finish_all()
    assert_paid_once(checkout)


def test_fifty_keys_at_once_on_one_invoice_charge_once(checkout: Checkout) -> None:
    methods = [new_card(checkout) for _ in range(5)]

    def one(number: int) -> None:
        with suppress(PortalError):
            process(order(checkout, methods[number % 5], f"order-number-{number}"))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(FIFTY)))
    finish_all()
    assert len(checkout.intents) == 1
    assert_paid_once(checkout)


@pytest.mark.database("postgresql")
def test_an_app_and_a_page_that_pay_at_once_do_not_wait_for_each_other_in_a_circle(checkout: Checkout) -> None:
    """The page has the invoice's lock and then refers to the customer, whom the app's call has locked while it waits for the invoice."""
    with ThreadPoolExecutor(1) as pool:
        with db.transaction() as session:
            invoice = invoices.lock_open(session, checkout.invoice_id, checkout.customer_id)
            app = pool.submit(process, order(checkout))
            waiting.eventually(
                lambda: session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one() > 0
            )
            page = intents.record(
                session,
                customer_id=checkout.customer_id,
                parts=[Part(invoice, invoice.amount_due)],
                client_key="of-the-page",
                amount=invoice.total,
                description=invoice.number,
                save_card=False,
            )
        assert app.result().payment.id == page.id


def finish_all() -> None:
    for confirmation in rows(Confirmation):
        confirming.finish(confirmation.id)


def test_a_payment_that_staff_look_at_goes_no_further(checkout: Checkout) -> None:
    found = process(order(checkout))
    stripe_sync.hold_by_id(intents.KIND, found.payment.id, "a reason")
    assert told(process(order(checkout))) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, None, False)
    with pytest.raises(service.UnderReview):
        process(order(checkout, new_card(checkout), "another-key"))
    assert charges(checkout) == []


def test_a_payment_of_a_page_is_told_as_it_is(checkout: Checkout) -> None:
    started = checkout.start()
    found = service.current(started.payment_id, checkout.customer_id)
    assert (found.next_action, found.client_secret) == ("confirm", started.client_secret)
    with db.reading() as session:
        assert queries.last_order(session, started.payment_id) is None
