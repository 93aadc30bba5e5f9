"""The way of a payment at the service, against Stripe's sandbox, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from portal import gateway, stripe_sync
from portal.accounts.models import Customer
from portal.core import audit, clock, db
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.invoices import service as invoices
from portal.payment_methods import queries as kept
from portal.payment_methods import service as cards
from portal.payments import intents, queries, service
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from tests import factories
from tests.concurrency import run_concurrently
from tests.payments.conftest import Checkout, books, everything, jobs


def test_a_payment_goes_from_the_invoice_to_the_receipt(checkout: Checkout) -> None:
    started = checkout.start()
    assert started.status == PaymentStatus.REQUIRES_PAYMENT_METHOD
    assert started.client_secret.startswith(started.intent_id)
    (intent,) = checkout.intents
    assert (intent.amount, intent.currency, intent.metadata["payment_id"]) == (119_00, "eur", started.payment_id)

    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)

    payment = checkout.payment
    assert (payment.status, payment.card_brand, payment.card_last4) == (PaymentStatus.SUCCEEDED, "visa", "4242")
    assert payment.succeeded_at is not None
    assert checkout.invoice.status == "paid"
    assert books()[0] == ("charge", f"charge:{started.intent_id}", 119_00)
    assert jobs("documents.issue") == [{"payment_id": payment.id}]


def test_the_same_news_twice_changes_nothing(checkout: Checkout) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)
    checkout.sandbox.control("finish")
    intents.refresh(started.payment_id)
    before = everything()
    intents.refresh(started.payment_id)
    service.sync_intent(started.intent_id)
    service.follow_up(started.payment_id)
    assert everything() == before


def test_the_fee_is_booked_once_when_stripe_tells_it_later(checkout: Checkout) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    checkout.sandbox.control("finish")  # the balance transaction lands
    intents.refresh(started.payment_id)
    intents.refresh(started.payment_id)
    charge = checkout.sandbox.client.v1.charges.list({"expand": ["data.balance_transaction"]}).data[0]
    fee = charge.balance_transaction.fee  # type: ignore[union-attr]
    assert [(kind, minor) for kind, _, minor in books()] == [("charge", 119_00), ("fee", fee)]
    assert checkout.payment.fee_minor == fee


def test_two_tabs_reach_the_same_intent(checkout: Checkout) -> None:
    first, second = checkout.start("tab-number-one"), checkout.start("tab-number-two")
    assert (first.payment_id, first.intent_id) == (second.payment_id, second.intent_id)
    assert len(checkout.intents) == 1


def test_twenty_clicks_at_once_make_one_payment_and_one_intent(checkout: Checkout) -> None:
    with ThreadPoolExecutor(20) as pool:
        started = list(pool.map(lambda number: checkout.start(f"click-number-{number}"), range(20)))
    assert len({one.intent_id for one in started}) == 1
    assert len(checkout.intents) == 1
    assert len(checkout.payments) == 1


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/payment_intents"])
def test_a_double_click_waits_for_what_its_first_request_makes_at_stripe(checkout: Checkout, path: str) -> None:
    checkout.sandbox.control("faults", fault="delay", path=path, method="POST", seconds=3.0)
    started = run_concurrently(checkout.start, lambda: checkout.start("second-click"))
    assert [type(one) for one in started] == [service.Started] * 2, started
    assert len(checkout.intents) == 1


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/payment_intents"])
def test_stripe_that_is_busy_is_asked_again_and_nobody_is_told_of_too_many_attempts(
    checkout: Checkout, path: str
) -> None:
    """Another request holds the object: Stripe says so with 429 `lock_timeout`, however seldom it was asked."""
    checkout.fail("conflict", path, times=2)
    with pytest.raises(gateway.Busy) as told:
        checkout.start()
    assert "still busy" in told.value.text() and "attempts" not in told.value.text()
    checkout.fail("conflict", path, times=1)
    checkout.start()
    assert len(checkout.intents) == 1


def test_a_paid_invoice_cannot_be_paid_again(checkout: Checkout) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)
    with pytest.raises(service.AlreadyPaid):
        checkout.start("other-device")  # the row does not know yet; Stripe does
    assert checkout.invoice.status == "paid"
    with pytest.raises(Conflict):
        checkout.start("third-device")
    assert len(checkout.intents) == 1


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", ""),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", ""),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", ""),
        ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
    ],
)
@pytest.mark.database("sqlite")
def test_a_decline_is_told_and_the_next_card_pays(
    checkout: Checkout, method: str, code: str, decline_code: str
) -> None:
    started = checkout.start()
    checkout.decline(started.intent_id, method)
    intents.refresh(started.payment_id)
    payment = checkout.payment
    assert payment.status == PaymentStatus.REQUIRES_PAYMENT_METHOD
    assert payment.failure_code == code
    assert not decline_code or payment.decline_code == decline_code
    assert gateway.advice(payment.failure_code, payment.decline_code) == gateway.ADVICE.get(
        decline_code, gateway.ADVICE[code]
    )
    assert checkout.invoice.status == "open"

    again = checkout.start("first-click")
    assert again.intent_id == started.intent_id
    checkout.confirm(again.intent_id)
    intents.refresh(again.payment_id)
    payment = checkout.payment
    assert (payment.status, payment.failure_code, payment.decline_code) == (PaymentStatus.SUCCEEDED, "", "")


def test_every_decline_is_a_step_of_the_timeline(checkout: Checkout) -> None:
    started = checkout.start()
    for _ in range(2):
        checkout.decline(started.intent_id, "pm_card_visa_chargeDeclined")
        intents.refresh(started.payment_id)
    with db.reading() as session:
        steps = queries.for_customer(session, started.payment_id, checkout.customer_id).steps
    assert [step.failure_code for step in steps] == ["", "", "card_declined", "card_declined"]


def test_a_saved_card_is_remembered_and_pays_the_next_invoice(checkout: Checkout) -> None:
    started = checkout.start(save_card=True)
    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    (job,) = jobs("payment_methods.upsert")
    cards.upsert(job["stripe_payment_method_id"])
    cards.upsert(job["stripe_payment_method_id"])
    with db.reading() as session:
        (card,) = kept.of_customer(session, checkout.customer_id)
    assert (card.brand, card.last4) == ("visa", "4242")

    with db.transaction() as session:
        customer = session.get_one(Customer, checkout.customer_id)
        checkout.invoice_id = factories.invoice(session, customer).id
    second = checkout.start("second-invoice")
    checkout.confirm(second.intent_id, card.stripe_payment_method_id)
    intents.refresh(second.payment_id)
    assert checkout.payment.status == PaymentStatus.SUCCEEDED


def test_the_choice_to_save_the_card_may_change_until_it_is_confirmed(checkout: Checkout) -> None:
    checkout.start(save_card=False)
    checkout.start(save_card=True)
    assert checkout.intents[0].setup_future_usage == "off_session"
    assert checkout.payment.save_card
    checkout.start(save_card=False)
    assert checkout.intents[0].setup_future_usage is None


@pytest.mark.parametrize(("currency", "minor"), [("jpy", 500), ("kwd", 12_340), ("usd", 10_00)])
@pytest.mark.database("sqlite")
def test_amounts_reach_stripe_in_the_currencys_own_units(checkout: Checkout, currency: str, minor: int) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, checkout.customer_id)
        checkout.invoice_id = factories.invoice(session, customer, [("Work", 1000, minor, 0)], currency=currency).id
    started = checkout.start()
    intent = checkout.sandbox.client.v1.payment_intents.retrieve(started.intent_id)
    assert (intent.amount, intent.currency) == (minor, currency)
    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    assert checkout.payment.amount == Money(minor, currency)
    assert checkout.payment.status == PaymentStatus.SUCCEEDED


# Another's, void, or not what it seems


def test_an_invoice_of_someone_else_is_not_found_and_stripe_is_not_called(checkout: Checkout) -> None:
    with db.transaction() as session:
        other = factories.customer(session, email="eve@elsewhere.test")
    with pytest.raises(NotFound):
        service.start_for_invoice(other.id, checkout.invoice_id, client_key="a-foreign-click", save_card=False)
    assert checkout.payments == []
    assert checkout.intents == []


def test_a_void_invoice_cannot_be_paid(checkout: Checkout) -> None:
    checkout.start()
    invoices.void(checkout.invoice_id, "a mistake")
    with pytest.raises(Conflict):
        checkout.start("after-the-void")
    assert len(checkout.intents) == 1


def test_after_a_cancel_the_invoice_can_be_paid_anew(checkout: Checkout) -> None:
    first = checkout.start("first-click")
    service.cancel(first.payment_id)
    second = checkout.start("second-click")
    assert second.intent_id != first.intent_id
    with pytest.raises(Conflict):
        service.ensure_confirmable(first.payment_id, checkout.customer_id, save_card=False)


@pytest.mark.parametrize("what", ["amount", "customer"])
def test_an_intent_that_does_not_fit_holds_the_payment_for_review(checkout: Checkout, what: str) -> None:
    started = checkout.start()
    if what == "amount":
        checkout.change(amount_minor=1_00)
    else:
        with db.transaction() as session:
            session.get_one(Customer, checkout.customer_id).stripe_customer_id = "cus_of_someone_else"
    intents.refresh(started.payment_id)
    assert checkout.payment.review_reason, "found before any money moves"
    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    payment = checkout.payment
    assert payment.review_reason
    assert payment.status == PaymentStatus.REQUIRES_PAYMENT_METHOD
    assert checkout.invoice.status == "open"
    assert books() == []
    with pytest.raises(service.UnderReview):
        checkout.start("again-please")


def test_money_that_arrives_for_a_paid_invoice_is_found_and_kept_in_the_books(checkout: Checkout) -> None:
    started = checkout.start()
    with db.transaction() as session:
        invoices.mark_paid(session, checkout.invoice_id, clock.now())  # by a bank transfer, say
    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    payment = checkout.payment
    assert payment.status == PaymentStatus.SUCCEEDED
    assert "duplicate" in payment.review_reason
    assert len(jobs("documents.issue")) == 1


def test_an_old_answer_never_overwrites_a_newer_one(checkout: Checkout) -> None:
    started = checkout.start()
    version = checkout.payment.version
    old = gateway.current().retrieve_intent(started.intent_id)
    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    assert stripe_sync.settle(intents.KIND, started.payment_id, old, None, seen_version=version) is False
    assert checkout.payment.status == PaymentStatus.SUCCEEDED


# Payments without an invoice


def test_the_same_form_sent_twice_is_one_payment(checkout: Checkout) -> None:
    amount = Money(50_00, "eur")
    with ThreadPoolExecutor(8) as pool:
        ids = set(
            pool.map(
                lambda _: service.record_custom_payment(checkout.customer_id, amount, "Deposit", client_key="one-form"),
                range(8),
            )
        )
    assert len(ids) == 1
    (payment_id,) = ids
    started = service.ensure_confirmable(payment_id, checkout.customer_id, save_card=False)
    checkout.confirm(started.intent_id)
    intents.refresh(payment_id)
    with db.reading() as session:
        assert session.get_one(Payment, payment_id).status == PaymentStatus.SUCCEEDED


@pytest.mark.parametrize(
    "amount", [Money(4_99, "eur"), Money(5000_01, "eur"), Money(0, "eur"), Money(-5, "eur"), Money(10_00, "chf")]
)
@pytest.mark.database("sqlite")
def test_amounts_outside_the_limits_are_refused(checkout: Checkout, amount: Money) -> None:
    before = everything()
    with pytest.raises(Invalid):
        service.record_custom_payment(checkout.customer_id, amount, "Deposit", client_key="one-form")
    assert everything() == before


@pytest.mark.parametrize("amount", [Money(5_00, "eur"), Money(5000_00, "eur")])
@pytest.mark.database("sqlite")
def test_the_least_and_the_most_can_be_paid(checkout: Checkout, amount: Money) -> None:
    payment_id = service.record_custom_payment(checkout.customer_id, amount, "Deposit", client_key="one-form")
    with db.reading() as session:
        assert session.get_one(Payment, payment_id).amount == amount


@pytest.mark.settings(PORTAL_PAY_ANY_AMOUNT="false")
@pytest.mark.database("sqlite")
def test_other_amounts_can_be_switched_off(checkout: Checkout) -> None:
    with pytest.raises(NotFound):
        service.record_custom_payment(checkout.customer_id, Money(50_00, "eur"), "Deposit", client_key="one-form")


def test_only_a_person_of_the_customer_is_noted_as_who_pays(checkout: Checkout) -> None:
    with db.transaction() as session:
        user = factories.user(session, session.get_one(Customer, checkout.customer_id))
    for actor, person in (
        (audit.Actor("customer", user.id), user.id),
        (audit.Actor("api_client", "cli_of_a_shop"), None),
        (audit.Actor("worker", "mandates.collect"), None),
    ):
        with audit.acting(actor):
            checkout.start()
        assert checkout.payment.paid_by == person
    with audit.acting(audit.Actor("customer", user.id)):
        checkout.start()
    with audit.acting(audit.Actor("pay_link", "lnk_1")):
        service.ensure_confirmable(
            checkout.payment.id, checkout.customer_id, save_card=False, receipt_to="payer@elsewhere.test"
        )
    paid = checkout.payment
    assert (paid.paid_by, paid.pay_link_id, paid.receipt_to) == (None, "lnk_1", "payer@elsewhere.test")
    checkout.confirm(str(paid.stripe_intent_id))
    intents.refresh(paid.id)
    with audit.acting(audit.Actor("customer", user.id)), pytest.raises(intents.AlreadyPaid):
        service.ensure_confirmable(checkout.payment.id, checkout.customer_id, save_card=False)
    assert checkout.payment.paid_by is None, "who looks at it later has not paid it"


def test_a_payment_that_is_not_there_is_not_followed(sqlite_database: str) -> None:
    service.follow_up("pay_of_another_time")


def test_a_key_is_its_customers_own(checkout: Checkout) -> None:
    """Two customers may send the same key: neither meets what the other one began with it."""
    with db.transaction() as session:
        other = factories.customer(session)
        theirs = factories.invoice(session, other)

    def order(customer_id: str, minor: int = 20_00) -> str:
        return service.record_custom_payment(
            customer_id, Money(minor, "eur"), "Poster", client_key="one-and-the-same", allow_duplicate=True
        )

    ours, of_the_other = order(checkout.customer_id), order(other.id)
    assert (order(checkout.customer_id), order(other.id)) == (ours, of_the_other)
    assert ours != of_the_other
    with pytest.raises(Invalid):
        order(checkout.customer_id, 21_00)
    with pytest.raises(Conflict):
        checkout.start("one-and-the-same")
    checkout.start("of-the-first-alone")
    service.start_for_invoice(other.id, theirs.id, client_key="of-the-first-alone", save_card=False)
