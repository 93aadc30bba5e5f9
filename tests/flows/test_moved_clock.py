"""Days pass for the running portal: what waited for them happens, and everything goes on."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import expect

from deploy.dev.processes import answers
from portal.core import db
from portal.core.clock import now
from portal.jobs import own_jobs
from tests.flows.conftest import PATIENCE_MS, VISA, Shopper, move
from tests.live import Clock
from tests.waiting import eventually

WEEK = timedelta(days=7)
# A job that sends no mail, for no job died so long ago.
NOTHING_DIED = 1


def test_after_eight_days_sessions_have_ended_jobs_have_run_and_payments_succeed(
    shopper: Shopper, clock: Clock
) -> None:
    page = shopper.sign_in().page
    with db.transaction() as session:
        own_jobs.mail_dead.enqueue_in(session, WEEK.total_seconds(), span=NOTHING_DIED)

    move(clock, days=8)
    assert answers(f"{shopper.portal.url}/readyz")
    eventually(lambda: _state_of_job() == "done", within=20)
    page.goto(f"{shopper.portal.url}/invoices/{shopper.invoice_id}")
    expect(page.get_by_label("E-mail")).to_be_visible()
    shopper.sign_in()
    _pay_and_leave(shopper)
    assert shopper.payments[0].updated_at > now() + WEEK

    move(clock, days=-8, hours=-1)
    shopper.invoice_id = shopper.owe()
    shopper.sign_in()  # the cookie is of a moment that has not come
    _pay_and_leave(shopper)
    assert shopper.charged == [119_00, 119_00]
    assert "TIMEOUT" not in shopper.portal.said("web"), "gunicorn took a worker that lives for dead"


def _state_of_job() -> str | None:
    with db.reading() as session:
        job = own_jobs.mail_dead.find(session, span=NOTHING_DIED)
        return job.status if job else None


def _pay_and_leave(shopper: Shopper) -> None:
    """The page is gone before it could ask how it went, so that only the webhook tells."""
    shopper.open_pay_page()
    with shopper.page.expect_response(re.compile(r"/v1/payment_intents/[^/]+/confirm"), timeout=PATIENCE_MS):
        shopper.pay_with(VISA)
    shopper.page.goto("about:blank")
    eventually(lambda: shopper.invoice.status == "paid", within=30, what="the webhook")
