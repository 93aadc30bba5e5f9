"""The pages of disputes: the staff's list and one dispute, and what a customer is told of it."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, text

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core import listed as asking
from portal.core.errors import NotFound
from portal.core.listing import Wanted
from portal.disputes import queries, service
from portal.disputes.models import NO_DEADLINE, Dispute
from portal.disputes.staff_list import LISTING
from portal.payments.models import Payment
from tests import factories
from tests.counting import counted_queries
from tests.disputes.conftest import Case

OPEN = Wanted(choices=(("state", "open"),))
LIST = "/support/disputes"


def opened(payment: Payment, **values: Any) -> str:
    with db.transaction() as session:
        return factories.dispute(session, payment, **values).id


@pytest.fixture
def payment(settings: object) -> Payment:
    with db.transaction() as session:
        return factories.payment(session, factories.customer(session), description="Deposit for a meter")


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    with db.transaction() as session:
        person = factories.staff(session)
    browser = app.test_client()
    factories.sign_in(browser, person)
    return browser


def shown(browser: FlaskClient, address: str, *, part: bool = False) -> str:
    answer = browser.get(address, headers={"HX-Request": "true"} if part else {})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def listed(page: str) -> list[str]:
    return re.findall(r'class="row-link"(?: data-open)? href="/support/disputes/(dsp_[^"]+)"', page)


@pytest.mark.database("sqlite")
def test_the_nearest_deadline_comes_first_and_what_is_over_stands_apart(staff: FlaskClient, payment: Payment) -> None:
    now = clock.now()
    waits = opened(payment, status="under_review")
    late = opened(payment, deadline=now + timedelta(days=9))
    soon = opened(payment, deadline=now + timedelta(days=2))
    won = opened(payment, status="won", created_at=now - timedelta(days=90))
    lost = opened(payment, status="lost", created_at=now - timedelta(days=60))
    assert listed(shown(staff, LIST)) == [soon, late, waits]
    assert listed(shown(staff, f"{LIST}?state=closed")) == [lost, won]
    part = shown(staff, LIST, part=True)
    assert part.lstrip().startswith('<div id="list"')
    assert "Spree Bikes GmbH" in part and "What was paid for has not arrived" in part
    assert "9999" not in part


@pytest.mark.database("sqlite")
def test_what_differs_from_the_payment_stands_beside_what_the_bank_says(staff: FlaskClient, payment: Payment) -> None:
    words = "Stripe's dispute is in usd, the payment in eur"
    due = clock.now() + timedelta(days=2)
    odd = opened(payment, discrepancy=words, currency="usd", status="needs_response", evidence_due_by=due, deadline=due)
    page = shown(staff, f"{LIST}/{odd}")
    assert "The dispute differs from the payment" in page and words in page
    assert "The bank waits for our evidence until" in page
    assert "differs" not in shown(staff, f"{LIST}/{opened(payment)}")


@pytest.mark.database("sqlite")
def test_a_long_list_leads_forth_and_back_through_every_dispute(staff: FlaskClient, payment: Payment) -> None:
    now = clock.now()
    ids = [opened(payment, deadline=now + timedelta(hours=hour // 2)) for hour in range(60)]  # two of each deadline
    pages = [shown(staff, LIST)]
    while next_page := re.search(r'href="([^"]+)" rel="next"', pages[-1]):
        pages.append(shown(staff, next_page[1]))
    assert [len(listed(page)) for page in pages] == [50, 10]
    assert set().union(*map(listed, pages)) == set(ids)
    back = re.search(r'href="([^"]+)" rel="prev"', pages[-1])
    assert back is not None
    assert listed(shown(staff, back[1])) == listed(pages[-2])
    with counted_queries() as asked:
        shown(staff, LIST)
    assert len(asked) <= 6
    with db.reading() as session:
        assert (queries.counts(session).open, queries.counts(session).waiting) == (60, 60)


def test_lists_and_counts_go_by_the_index_however_many_there_are(payment: Payment) -> None:
    """Years of closed disputes do not slow down the open ones."""
    now = clock.now()
    shape = {
        "payment_id": payment.id, "customer_id": payment.customer_id, "stripe_charge_id": "ch_1", "amount_minor": 1_00,
        "currency": "eur", "reason": "general", "has_evidence": False, "is_refundable": False, "review_reason": "",
        "created_at": now, "updated_at": now, "version": 1,
    }  # fmt: skip
    rows = [
        {
            **shape,
            "id": f"dsp_{number:06d}",
            "stripe_dispute_id": f"du_{number}",
            "status": "lost" if number % 25 else "needs_response",
            "deadline": NO_DEADLINE if number % 25 else now + timedelta(minutes=number),
        }
        for number in range(5_000)
    ]
    with db.transaction() as session:
        session.execute(insert(Dispute), rows)
        session.execute(text("ANALYZE"))
    with db.reading() as session:
        assert queries.counts(session) == queries.Counts(100, 100)
        first = asking.page(session, LISTING, OPEN, size=20).page
        second = asking.page(session, LISTING, OPEN, first.older, size=20).page
        assert [row.id for row in second.rows] == [f"dsp_{number:06d}" for number in range(500, 1000, 25)]
    with counted_queries() as asked, db.reading() as session:
        asking.page(session, LISTING, OPEN)
        (page,) = [statement for statement in asked if "FROM disputes" in statement]
        # The index is found by these very words, so they stand in the statement and are no parameters.
        open_only = "status NOT IN ('lost', 'prevented', 'warning_closed', 'won')"
        assert open_only in page.replace("(disputes.status", "status").replace("'))", "')")
        word = "EXPLAIN QUERY PLAN" if db.engine().dialect.name == "sqlite" else "EXPLAIN"
        nearest = f"SELECT id FROM disputes WHERE {open_only} ORDER BY deadline, id LIMIT 21"  # noqa: S608  # all of it is ours
        how = str(session.execute(text(f"{word} {nearest}")).all())
    assert "ix_disputes_open" in how and "Sort" not in how and "TEMP B-TREE" not in how, how


def test_one_dispute_tells_its_history_its_money_and_where_to_answer(staff: FlaskClient, case: Case) -> None:
    case.pay("pm_card_createIssuerFraudRecord")
    (warning,) = case.checkout.sandbox.client.v1.radar.early_fraud_warnings.list().data
    service.sync_warning(warning.id)
    case.dispute().heard()
    address = f"{LIST}/{case.ours.id}"
    page = shown(staff, address)
    for words in (
        "Dispute of €119.00",
        "The bank waits for our evidence until",
        f'href="https://dashboard.stripe.com/test/disputes/{case.at_stripe.id}"',
        "The card issuer warned of fraud on",
        "Not possible because of this dispute",
        "-€119.00",
        "-€15.00",
        "The bank opened the dispute",
        "Amount debited",
    ):
        assert words in page, words
    case.decide("won").heard()
    page = shown(staff, address)
    assert "Won: the payment stands" in page and "Amount returned" in page
    assert len(re.findall(r'class="money">€(119|15)\.00', page)) >= 2
    assert "Answer at Stripe" not in page


@pytest.mark.database("sqlite")
def test_a_customers_disputes_are_a_part_of_the_desk(staff: FlaskClient, payment: Payment) -> None:
    address = f"{LIST}/of-customer/{payment.customer_id}"
    assert " hidden" in shown(staff, address, part=True)
    assert "This customer has disputed no payment." in shown(staff, address)
    dispute_id = opened(payment)
    part = shown(staff, address, part=True)
    assert listed(part) == [dispute_id] and "Deposit for a meter" in part
    assert staff.get(f"{LIST}/of-customer/cus_nobody").status_code == 404
    assert staff.get(f"{LIST}/dsp_nothing").status_code == 404


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("needs_response", "This payment was disputed at the bank"),
        ("under_review", "This payment was disputed at the bank"),
        ("in_arbitration", "This payment was disputed at the bank"),
        ("warning_needs_response", "Your bank has asked us about this payment"),
        ("warning_closed", "The question is answered, and the payment stands."),
        ("won", "Your bank has decided that the payment stands."),
        ("lost", "Your bank has decided in your favor"),
        ("prevented", "This was settled before it became a dispute."),
    ],
)
def test_a_customer_is_told_plainly_on_the_payments_page(app: Flask, payment: Payment, status: str, words: str) -> None:
    with db.transaction() as session:
        owner = factories.user(session, session.get_one(Customer, payment.customer_id))
    browser = app.test_client()
    factories.sign_in(browser, owner)
    address = f"/payments/{payment.id}/dispute"
    assert words not in shown(browser, f"/payments/{payment.id}")
    assert " hidden" in shown(browser, address, part=True)
    assert "This payment is not disputed." in shown(browser, address)
    opened(payment, status=status)
    part = shown(browser, address, part=True)
    assert part.lstrip().startswith(f'<div id="dispute-of-{payment.id}"')
    assert " hidden" not in part and words in part
    assert words in shown(browser, f"/payments/{payment.id}")
    assert words in shown(browser, address)


@pytest.mark.database("sqlite")
def test_another_customers_payment_is_not_found(payment: Payment) -> None:
    with db.transaction() as session:
        stranger = factories.customer(session)
    opened(payment)
    with db.reading() as session, pytest.raises(NotFound):
        queries.of_own_payment(session, payment.id, stranger.id)
