"""The desk's home: what waits for whoever looks, with its number and its age, in few questions."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import clock, company_days, db
from portal.core.db import new_id
from portal.disputes.models import NO_DEADLINE
from portal.jobs.models import JobRow, JobStatus
from portal.ledger import LedgerAccount, post
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests import factories
from tests.counting import counted_queries

pytestmark = pytest.mark.database("sqlite")

# One for each kind of thing that can wait, and who looks.
MOST_QUESTIONS = 15
UNDECIDED = {"status": RefundStatus.REQUESTED, "succeeded_at": None, "stripe_refund_id": None, "amount_minor": 10_00}


def see(app: Flask, role: str) -> str:
    with db.transaction() as session:
        user = factories.staff(session, role)
    browser: FlaskClient = app.test_client()
    factories.sign_in(browser, user)
    return html.unescape(browser.get("/support").get_data(as_text=True))


def waiting(page: str) -> dict[str, str]:
    found = re.findall(r"<span>([^<]*)</span> <strong class=\"nav-count\">([^<]*)<", page)
    return dict(found)


def test_nothing_waits_at_first(app: Flask) -> None:
    page = see(app, "approver")
    assert waiting(page) == {} and "Nothing waits for you" in page


@pytest.fixture
def work(app: Flask) -> None:
    now, today = clock.now(), company_days.today()
    with db.transaction() as session:
        customer, tom = factories.customer(session), factories.staff(session, "support", name="Tom Staff")
        payment = factories.payment(session, customer)

        def refund(**values: object) -> None:
            factories.refund(session, payment, **(UNDECIDED | values))

        refund(asked_at=now - timedelta(days=3))
        refund(status=RefundStatus.APPROVED_ONCE, first_approved_by=tom.id, first_approved_at=now)
        refund(status=RefundStatus.FAILED, failed_at=now)
        refund(status=RefundStatus.UNKNOWN)
        refund(claimed_by=tom.id, claimed_at=now)
        for deadline in (now + timedelta(days=2, hours=1), now + timedelta(days=5), NO_DEADLINE):
            factories.dispute(session, payment, deadline=deadline, evidence_due_by=deadline)
        for days in (5, 40, 120):
            late: dict[str, Any] = {
                "due_on": today - timedelta(days=days),
                "issued_on": today - timedelta(days=days + 14),
            }
            factories.invoice(session, customer, **late)
        job = {"name": "payments.follow_up", "args": {}, "run_at": now, "created_at": now}
        session.add(JobRow(id=new_id("job"), status=JobStatus.DEAD, finished_at=now, **job))


@pytest.mark.usefixtures("work")
def test_what_waits_is_what_this_person_can_act_on(app: Flask) -> None:
    common = {"Refunds that failed": "1", "Disputes that want evidence": "2", "Invoices overdue": "3"}
    common |= {"Jobs that failed permanently": "1", "Refunds for me to decide": "1"}
    page = see(app, "support")
    assert waiting(page) == common
    for words in ("The oldest for 3 days", "2 days left", "within 3 days: 1", "within 7 days: 1", "up to 30 days"):
        assert words in page
    only_for_approvers = {"Refunds for my second approval": "1", "Refunds whose status is unknown": "1"}
    page = see(app, "approver")
    assert waiting(page) == common | only_for_approvers
    in_order = [
        "Refunds for me to decide",
        "Refunds for my second approval",
        "Refunds that failed",
        "Refunds whose status is unknown",
    ]
    assert [name for name in waiting(page) if name.startswith("Refunds")] == in_order


@pytest.mark.usefixtures("work")
def test_the_home_asks_few_questions_and_each_line_leads_somewhere(app: Flask) -> None:
    with db.transaction() as session:
        user = factories.staff(session, "admin")
    browser = app.test_client()
    factories.sign_in(browser, user)
    with counted_queries() as asked:
        page = browser.get("/support").get_data(as_text=True)
    assert len(asked) <= MOST_QUESTIONS, "\n".join(asked)
    block = page[page.index('class="backlogs"') : page.index("</ul>", page.index('class="backlogs"'))]
    for address in set(re.findall(r'href="([^"]*)"', block)):
        assert browser.get(html.unescape(address), follow_redirects=True).status_code == 200, address


def test_the_home_opens_the_oldest_request_that_one_may_decide(app: Flask) -> None:
    """Not what a colleague has taken, what oneself proposed, what waits for its customer, or what another approval leads to."""
    now = clock.now()
    with db.transaction() as session:
        me, tom = factories.staff(session, "approver"), factories.staff(session, "support", name="Tom Staff")
        payment = factories.payment(session, factories.customer(session), amount_minor=500_00)

        def refund(days: int, **values: object) -> str:
            return factories.refund(session, payment, asked_at=now - timedelta(days=days), **(UNDECIDED | values)).id

        once = {"status": RefundStatus.APPROVED_ONCE, "first_approved_at": now}
        refund(9, claimed_by=tom.id, claimed_at=now)
        refund(8, waiting_since=now)
        refund(7, origin="staff", asked_by=me.id)
        refund(6, **once, first_approved_by=me.id)
        first_second, second_second = (refund(days, **once, first_approved_by=tom.id) for days in (5, 4))
        first, second = refund(3), refund(2)
    browser = app.test_client()
    factories.sign_in(browser, me)
    page = html.unescape(browser.get("/support").get_data(as_text=True))
    for label, ids in (
        ("Refunds for me to decide", (first, second)),
        ("Refunds for my second approval", (first_second, second_second)),
    ):
        (address,) = re.findall(rf'href="([^"]*)"(?:(?!</a>).)*<span>{label}</span>', page)
        for refund_id in ids:
            assert browser.get(address).location == f"/support/refunds/{refund_id}", label
            with db.transaction() as session:
                session.get_one(Refund, refund_id).status = RefundStatus.REJECTED
        assert browser.get(address).location == "/support/refunds", "nothing is left"
    assert page.count(' · <a href="/support/refunds">See all') == 2


def test_sums_of_one_age_in_several_currencies_stand_side_by_side(app: Flask) -> None:
    with db.transaction() as session:
        customer, day = factories.customer(session), company_days.today() - timedelta(days=20)
        for currency in ("eur", "jpy"):
            late: dict[str, Any] = {"due_on": day, "issued_on": day, "currency": currency}
            factories.invoice(session, customer, **late)
    words = " ".join(re.sub(r"<[^>]*>", "", see(app, "approver")).split())
    assert re.search(r"The oldest for \d+ days · up to 30 days: €119.00, ¥11,900", words), words


def test_the_figures_of_the_day_are_drawn_and_told(app: Flask) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, factories.customer(session))
        declined: dict[str, Any] = {
            "status": "requires_payment_method",
            "failure_code": "card_declined",
            "succeeded_at": None,
        }
        factories.payment(session, factories.customer(session), decline_code="insufficient_funds", **declined)
        sides: dict[str, Any] = {"debit": LedgerAccount.STRIPE, "credit": LedgerAccount.RECEIVABLES}
        post(
            session,
            "charge",
            **sides,
            amount=payment.amount,
            subject=payment.id,
            reference="charge:pi_1",
            at=clock.now(),
        )
    page = see(app, "support")
    assert "insufficient funds: 1" in page
    assert "€50.00" in page and 'role="img"' in page
