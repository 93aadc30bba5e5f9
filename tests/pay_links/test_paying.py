"""Paying by a link: what the page shows, what a press begins, and that nobody gets more by it than to pay this invoice."""

from __future__ import annotations

import html
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import clock, company_days, db
from portal.core.audit import AuditEvent
from portal.core.db import Base
from portal.documents import service as documents
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.jobs import outbox
from portal.pay_links import service
from portal.pay_links.models import PayLink
from portal.payments import service as payments
from portal.payments.models import Payment
from tests import factories
from tests.certain import present
from tests.concurrency import run_concurrently
from tests.pay_links.conftest import KEY, Open, place_of, start, token_of
from tests.payments.conftest import Checkout
from tests.smtp import Mailbox


def page(browser: FlaskClient, address: str, status: int = 200) -> str:
    answer = browser.get(address)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def begin(token: str, receipt_to: str = "") -> payments.Started:
    return service.start(token, client_key=KEY, at_most=None, receipt_to=receipt_to, ip="192.0.2.1", request_id="")


# The page


@pytest.mark.database("sqlite")
def test_the_page_shows_the_invoice_and_the_card_form_and_nothing_else_of_the_customer(
    opened: Open, link: str, checkout: Checkout
) -> None:
    browser = opened()
    place = place_of(browser, link)
    assert token_of(link) not in place
    shown = page(browser, place)
    for words in (checkout.invoice.number, "Nordlicht Energie GmbH", "Green electricity", "€119.00", 'id="pay-form"'):
        assert words in shown
    with db.reading() as session:
        customer = session.get_one(Customer, checkout.customer_id)
    for secret in (customer.name, customer.email, customer.id, "Oberbaum", customer.tax_id, checkout.invoice_id):
        assert secret not in shown
    for words in ("save-card", 'name="method"', 'data-country="DE"', "/payments/", "/invoices"):
        assert words not in shown


@pytest.mark.database("sqlite")
def test_its_answers_send_no_referrer_and_are_not_to_be_found_and_the_card_form_may_be_loaded(
    opened: Open, link: str, checkout: Checkout
) -> None:
    browser = opened()
    place = place_of(browser, link)
    for address in (urlsplit(link).path, place, f"{place}/outcome", "/pay/open/x", "/pay/plk_1"):
        answer = browser.get(address)
        assert answer.headers["Referrer-Policy"] == "no-referrer", address
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow", address
    assert '<meta name="referrer" content="no-referrer">' in page(browser, place)
    assert checkout.sandbox.url in browser.get(place).headers["Content-Security-Policy"]
    assert browser.get("/sign-in").headers["Referrer-Policy"] == "same-origin"


@pytest.mark.database("sqlite")
def test_the_secret_is_in_no_log_and_in_no_table(
    app: Flask, link: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    browser = app.test_client()
    place_of(browser, link)
    wrong = link[:-4] + "wxyz"
    assert browser.get(urlsplit(wrong).path).status_code == 404
    told = "".join(capsys.readouterr()) + caplog.text
    assert token_of(link) not in told and token_of(wrong) not in told
    with db.reading() as session:
        for table in Base.metadata.sorted_tables:
            rows = session.execute(select(table)).all()
            assert token_of(link) not in repr(rows), table.name


# Paying


def test_what_is_paid_by_the_link_is_the_customers_payment_of_the_invoice_and_saves_no_card(
    opened: Open, link: str, checkout: Checkout
) -> None:
    browser = opened()
    place = place_of(browser, link)
    answer = start(browser, place, save_card="yes", shown_minor="11900", shown_currency="eur")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    begun = answer.get_json()
    assert set(begun) == {"status", "client_secret", "outcome_url", "return_url"}
    assert begun["return_url"] == f"http://localhost{place}/return"
    checkout.confirm(begun["client_secret"].partition("_secret")[0])
    assert "Paid. Thank you!" in page(browser, begun["outcome_url"])
    paid = checkout.payment
    assert (paid.customer_id, paid.amount_minor, paid.paid_by) == (checkout.customer_id, 119_00, None)
    assert paid.has_succeeded and checkout.invoice.status == InvoiceStatus.PAID
    (intent,) = checkout.intents
    assert intent.setup_future_usage is None
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "payment.started")).one()
    assert (event.actor_kind, event.actor_id) == ("pay_link", paid.pay_link_id)
    assert "This invoice is paid" in page(browser, place)


@pytest.mark.database("sqlite")
def test_amount_customer_and_place_are_the_invoices_whatever_is_sent_along(
    opened: Open, link: str, checkout: Checkout
) -> None:
    browser = opened()
    with db.transaction() as session:
        stranger = factories.customer(session)
        other = factories.invoice(session, stranger)
    forged = {
        "amount": "1", "amount_minor": "1", "currency": "jpy", "customer_id": stranger.id, "invoice_id": other.id,
        "link_id": "plk_1", "payment_id": "pay_1", "return_url": "https://evil.test/", "next": "https://evil.test/",
        "payment_method": "pm_card_visa", "paid_by": "usr_1", "shown_minor": "99999999",
    }  # fmt: skip
    answer = start(browser, place_of(browser, link), **forged)
    assert "evil" not in answer.get_data(as_text=True)
    (intent,) = checkout.intents
    assert (intent.amount, intent.currency, intent.status) == (119_00, "eur", "requires_payment_method")
    assert checkout.payment.customer_id == checkout.customer_id
    with db.reading() as session:
        assert session.scalar(select(Payment.id).where(Payment.customer_id == stranger.id)) is None


@pytest.mark.database("sqlite")
def test_more_than_the_page_showed_is_not_charged(opened: Open, link: str, checkout: Checkout) -> None:
    browser = opened()
    answer = start(browser, place_of(browser, link), shown_minor="100", shown_currency="eur")
    assert answer.status_code == 409 and "€119.00 is due" in answer.get_json()["detail"]
    assert checkout.intents == []


@pytest.mark.database("sqlite")
def test_a_link_pays_its_own_invoice_alone(app: Flask, opened: Open, link: str, checkout: Checkout) -> None:
    with db.transaction() as session:
        another = factories.invoice(session, session.get_one(Customer, checkout.customer_id))
    browser = opened()
    mine = place_of(browser, link)
    with db.reading() as session:
        assert session.scalar(select(PayLink.id).where(PayLink.invoice_id == another.id)) is None
    other = place_of(app.test_client(), present(service.for_invoice(another.id)))
    for address in (other, f"{other}/outcome", f"{other}/return"):
        assert browser.get(address).status_code == 404
    assert start(browser, other).status_code == 404
    for address in (mine, f"{mine}/outcome"):
        assert app.test_client().get(address).status_code == 404  # an id opens nothing
    assert checkout.intents == []


@pytest.mark.database("sqlite")
def test_nobody_is_signed_in_by_a_link(opened: Open, link: str) -> None:
    browser = opened()
    place_of(browser, link)
    for address in ("/", "/invoices", "/payment-methods", "/account", "/support"):
        answer = browser.get(address)
        assert (answer.status_code, "/sign-in" in answer.location) == (303, True)


@pytest.mark.database("sqlite")
def test_a_press_needs_the_token_of_its_page_and_comes_from_it(opened: Open, link: str) -> None:
    browser = opened()
    place = place_of(browser, link)
    assert browser.post(f"{place}/start", data={"client_key": KEY}).status_code == 400
    elsewhere = {"Origin": "https://evil.test", "Accept": "application/json"}
    token = factories.csrf_token(browser)
    body = {"client_key": KEY, "csrf_token": token}
    assert browser.post(f"{place}/start", data=body, headers=elsewhere).status_code == 400
    hidden = {"Origin": "null", "Sec-Fetch-Site": "cross-site", "Accept": "application/json"}
    assert browser.post(f"{place}/start", data=body, headers=hidden).status_code == 400
    hidden["Sec-Fetch-Site"] = "same-origin"
    assert browser.post(f"{place}/start", data=body, headers=hidden).status_code == 200


@pytest.mark.database("sqlite")
@pytest.mark.settings(PORTAL_BASE_URL="https://pay.nordlicht.test")
def test_a_press_needs_no_referrer_under_https(app: Flask, link: str) -> None:
    browser = app.test_client()
    secure = {"base_url": "https://pay.nordlicht.test"}
    place = browser.get(link.removeprefix("https://pay.nordlicht.test"), **secure).location
    shown = browser.get(place, **secure).get_data(as_text=True)
    token = shown.partition('name="csrf_token" value="')[2].partition('"')[0]
    answer = browser.post(
        f"{place}/start",
        data={"client_key": KEY, "csrf_token": token},
        headers={"Accept": "application/json"},
        **secure,
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)


@pytest.mark.database("sqlite")
def test_wrong_links_are_tried_a_few_times_from_an_address(app: Flask, link: str) -> None:
    browser = app.test_client()
    answers = [browser.get(f"/pay/open/{number:043}").status_code for number in range(25)]
    assert set(answers) == {404, 429} and answers[0] == 404 and answers[-1] == 429
    assert browser.get(urlsplit(link).path).status_code == 429


# Together with those who are signed in


def test_a_payment_that_is_begun_by_link_and_signed_in_at_once_is_one_and_charged_once(
    link: str, checkout: Checkout
) -> None:
    run_concurrently(lambda: checkout.start("signed-in"), lambda: begin(token_of(link)))
    live = [one for one in checkout.payments if one.status != "canceled"]
    assert len(live) == 1
    for intent in checkout.intents:
        if intent.status == "requires_payment_method":
            checkout.confirm(intent.id)
    assert [intent.status for intent in checkout.intents].count("succeeded") == 1
    payments.sync(live[0].id)
    assert checkout.invoice.status == InvoiceStatus.PAID


@pytest.mark.parametrize("by_link_first", [True, False])
def test_neither_side_is_given_an_intent_that_the_other_has_tried_cards_on(
    link: str, checkout: Checkout, by_link_first: bool
) -> None:
    def signed_in() -> payments.Started:
        payments.end_others(checkout.customer_id, payments.whole(checkout.invoice_id))
        return checkout.start("signed-in")

    def by_link() -> payments.Started:
        return begin(token_of(link))

    first, second = (by_link, signed_in) if by_link_first else (signed_in, by_link)
    before = first()
    checkout.decline(before.intent_id, "pm_card_visa_chargeDeclined")
    after = second()
    assert after.intent_id != before.intent_id
    assert {intent.id: intent.status for intent in checkout.intents} == {
        before.intent_id: "canceled",
        after.intent_id: "requires_payment_method",
    }


def test_what_is_being_paid_is_not_begun_again_by_link(link: str, checkout: Checkout) -> None:
    checkout.start()
    checkout.change(status="processing")
    with pytest.raises(payments.InProgress):
        begin(token_of(link))
    assert [intent.status for intent in checkout.intents] == ["requires_payment_method"]  # not called off either
    assert service.opened(token_of(link)).state == "under_way"


# What a link opens


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ("paid", 200, "This invoice is paid"),
        ("void", 200, "This invoice was voided"),
        ("expired", 410, "This pay link has expired"),
        ("revoked", 404, "This pay link does not work"),
        ("made anew", 404, "This pay link does not work"),
    ],
)
def test_a_link_that_pays_nothing_says_so_and_no_more(
    opened: Open, link: str, checkout: Checkout, change: str, status: int, words: str
) -> None:
    browser = opened()
    place = place_of(browser, link)
    with db.transaction() as session:
        row = session.scalars(select(PayLink)).one()
        if change in {"paid", "void"}:
            session.get_one(Invoice, checkout.invoice_id).status = InvoiceStatus(change)
        elif change == "expired":
            row.expires_at = clock.now() - timedelta(seconds=1)
    if change == "revoked":
        service.revoke(checkout.invoice_id)
    elif change == "made anew":
        service.make(checkout.invoice_id)
    shown = page(browser, place, status)
    assert words in shown
    for told in (checkout.invoice.number, "€119.00", "Green electricity"):
        assert told not in shown
    assert start(browser, place).status_code in {404, 409}
    assert checkout.intents == []


def test_a_link_is_made_once_and_again_when_it_has_expired_and_never_after_it_was_revoked(
    link: str, checkout: Checkout
) -> None:
    assert service.for_invoice(checkout.invoice_id) == link
    due_on = checkout.invoice.due_on
    with db.transaction() as session:
        row = session.scalars(select(PayLink)).one()
        assert company_days.day_of(row.expires_at - timedelta(seconds=1)) == due_on + timedelta(days=60)
        row.expires_at = clock.now()
    renewed = service.for_invoice(checkout.invoice_id)
    assert renewed not in {None, link}
    service.revoke(checkout.invoice_id)
    service.revoke(checkout.invoice_id)
    assert service.for_invoice(checkout.invoice_id) is None
    service.make(checkout.invoice_id)
    assert service.for_invoice(checkout.invoice_id) not in {None, link, renewed}
    with db.reading() as session:
        query = select(AuditEvent.action).where(AuditEvent.subject == row.id).order_by(AuditEvent.number)
        assert list(session.scalars(query)) == ["pay_link.made", "pay_link.made", "pay_link.revoked", "pay_link.made"]


def test_two_mails_that_are_sent_at_once_bring_the_same_link(checkout: Checkout) -> None:
    made = run_concurrently(*[lambda: service.for_invoice(checkout.invoice_id)] * 4)
    assert len(set(made)) == 1 and None not in made


@pytest.mark.settings(PORTAL_PAY_LINK_DAYS="0")
def test_without_days_there_are_no_links(checkout: Checkout) -> None:
    assert service.for_invoice(checkout.invoice_id) is None
    assert service.of_invoice(checkout.invoice_id) is None


# The receipt


@pytest.mark.database("sqlite")
def test_the_receipt_goes_to_whoever_gets_the_invoices_and_to_the_address_that_was_typed(
    app: Flask, opened: Open, link: str, checkout: Checkout, smtp: Mailbox
) -> None:
    browser = opened()
    place = place_of(browser, link)
    refused = start(browser, place, receipt_to="no address")
    assert refused.status_code == 422 and checkout.intents == []
    started = start(browser, place, receipt_to=" Payer@Elsewhere.test ").get_json()
    checkout.confirm(started["client_secret"].partition("_secret")[0])
    assert "payer@elsewhere.test" in page(browser, started["outcome_url"])
    documents.render(documents.issue(checkout.payment.id))
    with app.app_context():
        while outbox.run_due():
            pass
    assert [message["To"] for message in smtp.messages] == ["ada@spree-bikes.test", "payer@elsewhere.test"]
