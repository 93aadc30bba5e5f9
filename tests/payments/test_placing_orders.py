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
from portal.payments.models import Confirmation, PlacedOrder
from portal.payments.order_rules import Order
from portal.payments.service import OrderResult, process
from portal.payments.statuses import PaymentStatus
from tests import waiting
from tests.payment_methods.conftest import Wallet
from tests.payment_methods.test_by_reference import pass_3d_secure
from tests.payments.conftest import Till, everything, jobs
from tests.payments.test_crash_points import assert_paid_once

VISA, MASTERCARD = "4242424242424242", "5555555555554444"
DECLINED, ASKS_FOR_3DS = "4000000000009995", "4000002760003184"
KEY = "an-apps-first-order"
FIFTY = 50


def new_card(till: Till, number: str = VISA) -> str:
    """A payment method as an app makes it with Stripe's SDK."""
    return Wallet(till.sandbox, till.customer_id).method(number)


def order(till: Till, method: str | None = None, key: str = KEY, **values: Any) -> Order:
    return Order(customer_id=till.customer_id, client_key=key, invoice_id=till.invoice_id, method=method, **values)


def deposit(till: Till, method: str | None = None, key: str = KEY, **values: Any) -> Order:
    facts: dict[str, Any] = {"amount": Money(50_00, "eur"), "description": "Deposit"} | values
    return Order(customer_id=till.customer_id, client_key=key, method=method, **facts)


def told(found: OrderResult) -> tuple[str, str | None, bool]:
    return found.payment.status, found.next_action, found.client_secret is not None


def charges(till: Till) -> list[stripe.Charge]:
    return till.sandbox.client.v1.charges.list({"limit": 100}).data


def rows(kind: type[Any]) -> list[Any]:
    with db.reading() as session:
        return list(session.query(kind).all())


# The three ways


def test_a_new_card_pays_an_invoice_and_is_not_kept(till: Till) -> None:
    found = process(order(till, new_card(till)))
    assert told(found) == (PaymentStatus.SUCCEEDED, None, False)
    assert found.payment.card_last4 == "4242"
    assert_paid_once(till)
    (confirmation,) = rows(Confirmation)
    assert (confirmation.payment_method_id, confirmation.off_session) == (None, False)
    assert jobs("payment_methods.upsert") == []


@pytest.mark.parametrize("by", ["id", "stripe_payment_method_id"])
def test_a_saved_card_pays_by_either_of_its_names(till: Till, by: str) -> None:
    card = till.keep_card()
    assert told(process(order(till, getattr(card, by)))) == (PaymentStatus.SUCCEEDED, None, False)
    (confirmation,) = rows(Confirmation)
    assert confirmation.payment_method_id == card.id
    assert_paid_once(till)


def test_without_a_card_the_client_confirms(till: Till) -> None:
    found = process(order(till))
    assert told(found) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "confirm", True)
    intent_id = str(found.payment.stripe_intent_id)
    assert str(found.client_secret).startswith(intent_id)
    till.decline(intent_id, "pm_card_visa_chargeDeclined")
    assert process(order(till)).next_action == "confirm"  # a decline of the client's own leaves it to the client
    till.confirm(intent_id)
    assert told(process(order(till))) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(till)


def test_an_amount_without_an_invoice(till: Till) -> None:
    found = process(deposit(till, new_card(till), metadata={"shop.order": "4711"}))
    assert told(found) == (PaymentStatus.SUCCEEDED, None, False)
    assert (found.payment.amount, found.payment.description) == (Money(50_00, "eur"), "Deposit")
    (intent,) = till.intents
    assert intent.metadata.to_dict() == {
        "shop.order": "4711",
        "payment_id": found.payment.id,
        "customer_id": till.customer_id,
    }


@pytest.mark.parametrize("with_method", [True, False])
def test_a_card_is_saved_when_its_customer_wants_it(till: Till, with_method: bool) -> None:
    method = new_card(till)
    found = process(order(till, method if with_method else None, save_card=True))
    if not with_method:
        till.confirm(str(found.payment.stripe_intent_id), method)
        process(order(till, save_card=True))
    assert [intent.setup_future_usage for intent in till.intents] == ["off_session"]
    (job,) = jobs("payment_methods.upsert")
    cards.upsert(job["payment_method_id"])
    with db.reading() as session:
        (card,) = payment_methods.of_customer(session, till.customer_id)
    assert card.stripe_payment_method_id == method
    assert_paid_once(till)


# What the bank says


def test_a_bank_that_asks_is_answered_by_the_client(till: Till) -> None:
    found = process(order(till, new_card(till, ASKS_FOR_3DS)))
    assert told(found) == (PaymentStatus.REQUIRES_ACTION, "authenticate", True)
    assert service.current(found.payment.id, till.customer_id).client_secret == found.client_secret
    assert told(process(order(till, new_card(till), "another-key"))) == (
        PaymentStatus.REQUIRES_ACTION,
        "authenticate",
        True,
    )
    assert len(rows(Confirmation)) == 1  # nothing new is begun meanwhile
    pass_3d_secure(till.intents[0])
    assert told(service.current(found.payment.id, till.customer_id)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(till)


def test_a_decline_is_an_answer_and_another_order_pays_the_same_payment(till: Till) -> None:
    declined = order(till, new_card(till, DECLINED))
    for _ in range(2):  # the same key asks no bank again
        found = process(declined)
        assert told(found) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, None, False)
        assert found.payment.decline_code == "insufficient_funds"
    assert len(charges(till)) == 1
    assert process(order(till, key="typed-by-hand")).next_action == "confirm"
    assert process(declined).next_action is None
    paid = process(order(till, new_card(till, MASTERCARD), "a-second-card"))
    assert (paid.payment.id, paid.payment.status) == (found.payment.id, PaymentStatus.SUCCEEDED)
    assert told(process(declined)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(till)


def test_the_bank_takes_its_time(till: Till) -> None:
    till.sandbox.control("payments/slow", times=1, seconds=60)
    found = process(order(till, new_card(till)))
    assert told(found) == (PaymentStatus.PROCESSING, None, False)
    with pytest.raises(service.InProgress):
        process(order(till, key="another-key"))
    till.sandbox.control("finish")
    assert told(process(order(till, found_method()))) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(till)


def found_method() -> str:
    """What the only order was charged to."""
    (placed,) = rows(PlacedOrder)
    return str(placed.method)


# Keys


def test_a_second_call_with_the_key_changes_nothing(till: Till) -> None:
    wanted = order(till, new_card(till), metadata={"a": "1", "b": "2"})
    first = process(wanted)
    till.sandbox.control("finish")  # Stripe tells its fee
    intents.refresh(first.payment.id)
    before = everything()
    assert process(wanted).payment.id == first.payment.id
    assert process(order(till, wanted.method, metadata={"b": "2", "a": "1"})).payment.id == first.payment.id
    assert everything() == before


def test_a_key_is_for_one_order(till: Till) -> None:
    method = new_card(till)
    process(order(till, method))
    before = everything()
    for other in (
        order(till),
        order(till, method, save_card=True),
        order(till, method, metadata={"a": "1"}),
        order(till, method, amount=Money(119_00, "eur")),
        deposit(till, method),
    ):
        with pytest.raises(service.KeyReused) as refused:
            process(other)
        assert (refused.value.code, refused.value.status) == ("key_reused", 422)
    assert everything() == before


def test_a_key_of_a_page_or_a_press_is_no_key_of_an_app(till: Till) -> None:
    card = till.keep_card()
    till.start("key-of-a-page")
    service.pay_with_card(till.customer_id, till.invoice_id, card.id, client_key="key-of-a-press")
    for key in ("key-of-a-page", "key-of-a-press"):
        with pytest.raises(service.KeyReused):
            process(deposit(till, key=key))
    with pytest.raises(Invalid):
        process(deposit(till, key="short"))


def test_an_order_goes_on_with_what_a_page_began(till: Till) -> None:
    started = till.start(save_card=True)
    wanted = order(till, new_card(till))
    found = process(wanted)
    assert (found.payment.id, found.payment.status) == (started.payment_id, PaymentStatus.SUCCEEDED)
    assert till.intents[0].setup_future_usage is None
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(till)
    with pytest.raises(Conflict):
        process(order(till, key="another-key"))


def test_fifty_calls_at_once_with_one_key_charge_once(till: Till) -> None:
    wanted = order(till, new_card(till))

    def one(_: int) -> str:
        return process(wanted).payment.id

    with ThreadPoolExecutor(10) as pool:
        ids = set(pool.map(one, range(FIFTY)))
    assert len(ids) == len(rows(PlacedOrder)) == len(rows(Confirmation)) == len(till.intents) == 1
    finish_all()
    assert_paid_once(till)


def test_fifty_keys_at_once_on_one_invoice_charge_once(till: Till) -> None:
    methods = [new_card(till) for _ in range(5)]

    def one(number: int) -> None:
        with suppress(PortalError):
            process(order(till, methods[number % 5], f"order-number-{number}"))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(FIFTY)))
    finish_all()
    assert len(till.intents) == 1
    assert_paid_once(till)


@pytest.mark.database("postgresql")
def test_an_app_and_a_page_that_pay_at_once_do_not_wait_for_each_other_in_a_circle(till: Till) -> None:
    """The page has the invoice's lock and then refers to the customer, whom the app's call has locked while it waits for the invoice."""
    with ThreadPoolExecutor(1) as pool:
        with db.transaction() as session:
            invoice = invoices.lock_open(session, till.invoice_id, till.customer_id)
            app = pool.submit(process, order(till))
            waiting.eventually(
                lambda: session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one() > 0
            )
            page = intents.record(
                session,
                customer_id=till.customer_id,
                invoice_id=till.invoice_id,
                client_key="of-the-page",
                amount=invoice.total,
                description=invoice.number,
                save_card=False,
            )
        assert app.result().payment.id == page.id


def finish_all() -> None:
    for confirmation in rows(Confirmation):
        confirming.finish(confirmation.id)


def test_a_payment_that_staff_look_at_goes_no_further(till: Till) -> None:
    found = process(order(till))
    stripe_sync.hold_by_id(intents.KIND, found.payment.id, "a reason")
    assert told(process(order(till))) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, None, False)
    with pytest.raises(service.UnderReview):
        process(order(till, new_card(till), "another-key"))
    assert charges(till) == []


def test_a_payment_of_a_page_is_told_as_it_is(till: Till) -> None:
    started = till.start()
    found = service.current(started.payment_id, till.customer_id)
    assert (found.next_action, found.client_secret) == ("confirm", started.client_secret)
    with db.reading() as session:
        assert queries.last_order(session, started.payment_id) is None
