"""Refunds through their pages: the customer asks and withdraws, staff claim and decide, and everyone is told what they need."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import clock, company_days, db
from portal.identity.models import User
from portal.payments.models import Payment
from portal.refunds import queries, service
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests import factories
from tests.counting import counted_queries
from tests.payments.conftest import everything
from tests.refunds.conftest import Counter

pytestmark = pytest.mark.database("sqlite")


def browser_of(app: Flask, user_id: str) -> FlaskClient:
    with db.reading() as session:
        user = session.get_one(User, user_id)
    browser = app.test_client()
    factories.sign_in(browser, user)
    return browser


@pytest.fixture
def ada(app: Flask, counter: Counter) -> FlaskClient:
    return browser_of(app, counter.user_id)


@pytest.fixture
def tom(app: Flask, counter: Counter) -> FlaskClient:
    """Who sits at the desk: support."""
    return browser_of(app, counter.support.id)


def see(browser: FlaskClient, address: str) -> str:
    return html.unescape(browser.get(address).get_data(as_text=True))


def send(browser: FlaskClient, address: str, **form: str) -> str:
    """Send a form and follow where it leads."""
    form["csrf_token"] = factories.csrf_token(browser)
    return html.unescape(browser.post(address, data=form, follow_redirects=True).get_data(as_text=True))


def test_a_customer_asks_for_a_part_and_withdraws_it(ada: FlaskClient, counter: Counter) -> None:
    assert "Request a refund" in see(ada, f"/payments/{counter.payment_id}/refunds")
    address = f"/payments/{counter.payment_id}/refund-requests"
    assert 'value="119.00"' in see(ada, address)
    key = "a-form-of-ada"
    assert "Please choose a reason" in send(ada, address, amount_text="19.00", key=key)
    assert "such as" in send(ada, address, amount_text="nineteen", reason="product_not_received", key=key)
    assert "At most €119.00" in send(ada, address, amount_text="500", reason="product_not_received", key=key)
    page = send(ada, address, amount_text="19.00", reason="product_not_received", explanation="Never came", key=key)
    assert "Your request has arrived" in page and "Never came" in page
    assert "€19.00" in see(ada, "/refunds")
    (refund_id,) = {row.id for row in refunds_of(counter)}
    assert "You have withdrawn" in send(ada, f"/refunds/{refund_id}/withdrawal")
    assert counter.sums == (0, 0, 119_00)


def refunds_of(counter: Counter) -> list[Refund]:
    with db.reading() as session:
        return list(queries.of_payment(session, counter.payment_id))


def test_the_reason_that_staff_give_is_read_by_the_customer(
    ada: FlaskClient, tom: FlaskClient, counter: Counter
) -> None:
    refund_id = counter.ask(19_00)
    assert "Spree Bikes GmbH" in see(tom, "/support/refunds")
    page = see(tom, f"/support/refunds/{refund_id}")
    for words in ("€119.00", "€19.00", "€100.00", "Not received"):
        assert words in page
    send(tom, f"/support/refunds/{refund_id}/claim")
    assert "You are reviewing this refund" in see(tom, f"/support/refunds/{refund_id}")
    assert "Please tell the customer why" in send(tom, f"/support/refunds/{refund_id}/rejection", rejection="")
    assert "Rejected." in send(tom, f"/support/refunds/{refund_id}/rejection", rejection="It came on Monday.")
    assert "It came on Monday." in see(ada, f"/refunds/{refund_id}")
    assert "It came on Monday." in see(ada, f"/refunds/{refund_id}")


def test_a_colleagues_claim_is_shown_and_holds(app: Flask, tom: FlaskClient, counter: Counter) -> None:
    refund_id = counter.ask()
    service.claim(refund_id, counter.approver)
    page = see(tom, f"/support/refunds/{refund_id}")
    assert "is reviewing this refund" in page and 'id="approve"' not in page
    before = everything()
    assert "is reviewing this refund" in send(tom, f"/support/refunds/{refund_id}/approval")
    assert without_sessions(everything()) == without_sessions(before)


def without_sessions(tables: dict[str, list[object]]) -> dict[str, list[object]]:
    return {name: rows for name, rows in tables.items() if name != "sign_in_sessions"}


def test_a_lowered_amount_is_approved(tom: FlaskClient, counter: Counter) -> None:
    refund_id = counter.ask(50_00)
    assert "such as" in send(tom, f"/support/refunds/{refund_id}/approval", amount="much")
    assert "Approved." in send(tom, f"/support/refunds/{refund_id}/approval", amount="20.00", note="Half was used")
    row = counter.refund(refund_id)
    assert (row.status, row.amount_minor, row.staff_note) == (RefundStatus.APPROVED, 20_00, "Half was used")


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")
def test_four_eyes_are_said_and_kept(app: Flask, tom: FlaskClient, counter: Counter) -> None:
    refund_id = counter.ask()
    assert "This amount needs two people." in see(tom, f"/support/refunds/{refund_id}")
    assert "A second person must approve" in send(tom, f"/support/refunds/{refund_id}/approval")
    assert "you already have" in send(tom, f"/support/refunds/{refund_id}/approval")
    second = browser_of(app, counter.approver.id)
    assert "Partially approved" in see(second, "/support/refunds")
    assert "Approved." in send(second, f"/support/refunds/{refund_id}/approval")


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")
def test_the_desk_says_what_a_changed_amount_has_led_to(app: Flask, tom: FlaskClient, counter: Counter) -> None:
    address = f"/support/refunds/{counter.ask()}"
    assert "Reason given to the customer" not in see(tom, address)
    assert "A second person must approve" in send(tom, f"{address}/approval")
    assert "You have approved this refund." in see(tom, address) and "data-claim" not in see(tom, address)
    second = browser_of(app, counter.approver.id)
    assert "data-claim" in see(second, address)
    assert "A second person must approve" in send(second, f"{address}/approval", amount="110.00")
    assert "The money is being refunded." in send(tom, f"{address}/approval", amount="20.00")


def test_only_a_dispute_that_forbids_a_refund_is_told(ada: FlaskClient, tom: FlaskClient, counter: Counter) -> None:
    address, words = f"/support/refunds/{counter.ask(19_00)}", "disputed at the bank"
    dispute(counter, status="prevented", is_refundable=True)
    assert words not in see(tom, address)
    assert "Request a refund" in see(ada, f"/payments/{counter.payment_id}/refunds")
    dispute(counter)
    assert words in see(tom, address)
    assert words in see(ada, f"/payments/{counter.payment_id}/refunds")
    assert "Send the request" not in see(ada, f"/payments/{counter.payment_id}/refund-requests")


def dispute(counter: Counter, **values: object) -> None:
    with db.transaction() as session:
        factories.dispute(session, session.get_one(Payment, counter.payment_id), **values)


def test_staff_propose_a_refund(tom: FlaskClient, counter: Counter) -> None:
    address = f"/support/payments/{counter.payment_id}/refund"
    assert 'value="119.00"' in see(tom, address)
    page = send(tom, address, amount_text="5.00", reason="goodwill", explanation="For the wait", key="a-form-of-tom")
    assert "Goodwill" in page and "For the wait" in page
    assert counter.sums == (0, 5_00, 114_00)


def test_the_navigation_of_staff_counts_what_waits(tom: FlaskClient, ada: FlaskClient, counter: Counter) -> None:
    def counted() -> list[str]:
        with counted_queries() as asked:
            page = see(tom, "/support/invoices")
        assert len([one for one in asked if "refunds" in one]) == 1
        return re.findall(r'class="nav-count">([^<]*)<', page)

    assert counted() == []
    counter.ask(19_00)
    counter.ask(19_00)
    assert counted() == ["2"]
    with db.transaction() as session:
        payment = session.get_one(Payment, counter.payment_id)
        for _ in range(98):
            factories.refund(session, payment, status=RefundStatus.REQUESTED, amount_minor=1)
    assert counted() == ["99+"]
    assert "nav-count" not in see(ada, "/refunds")


def test_what_was_set_aside_is_released_by_an_approver(app: Flask, tom: FlaskClient, counter: Counter) -> None:
    refund_id = counter.ask(19_00)
    counter.touch(refund_id, review_reason="too little is left")
    address = f"/support/refunds/{refund_id}"
    page = see(tom, address)
    assert "too little is left" in page and "must remove the hold" in page and "Remove hold" not in page
    assert f"{address}/approval" not in page and f"{address}/rejection" in page
    second = browser_of(app, counter.approver.id)
    assert "Remove hold" in see(second, address)
    page = send(second, f"{address}/review/lift")
    assert "Hold removed" in page and "too little is left" not in page
    assert f"{address}/approval" in page


def test_a_failed_refund_is_work_on_the_desk_and_its_customer_reads_what_was_done(
    app: Flask, tom: FlaskClient, ada: FlaskClient, counter: Counter
) -> None:
    refund_id = counter.approved()
    counter.touch(refund_id, status=RefundStatus.FAILED, failed_at=clock.now(), failure_reason="lost_or_stolen_card")
    queue = see(tom, "/support/refunds")
    assert "Failed refunds" in queue and "reported lost or stolen" in queue
    address = f"/support/refunds/{refund_id}"
    page = see(tom, address)
    assert "Send again" in page and "outside-payment" not in page
    approver = browser_of(app, counter.approver.id)
    assert "outside-payment" in see(approver, address)
    assert "Please enter a day" in send(approver, f"{address}/outside-payment", paid_on="soon", note="By transfer")
    today = company_days.today().isoformat()
    assert "paid another way" in send(approver, f"{address}/outside-payment", paid_on=today, note="By transfer")
    assert "We paid your refund another way" in see(ada, f"/refunds/{refund_id}")
    assert "Failed refunds" not in see(tom, "/support/refunds")
    assert "Nothing was changed" in send(tom, f"{address}/replacement")


def test_an_unknown_refund_asks_for_a_decision(app: Flask, tom: FlaskClient, counter: Counter) -> None:
    refund_id = counter.approved()
    counter.touch(refund_id, status=RefundStatus.UNKNOWN, review_reason="Stripe’s answer was lost")
    shown = see(browser_of(app, counter.user_id), f"/refunds/{refund_id}")
    assert "We are checking your refund" in shown and "will shortly be sent" not in shown
    assert "Refund status unknown" in see(tom, "/support/refunds")
    assert "Retry refund" not in see(tom, f"/support/refunds/{refund_id}")
    second = browser_of(app, counter.approver.id)
    assert "Retry refund" in see(second, f"/support/refunds/{refund_id}")
    assert "the refund was never sent" in send(second, f"/support/refunds/{refund_id}/abandonment")
    assert counter.refund(refund_id).status == RefundStatus.FAILED
