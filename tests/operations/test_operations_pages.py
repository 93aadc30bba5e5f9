"""The pages of the operations desk: who may see them, what is on them, and what their buttons do."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.content import language
from portal.core import audit, clock, config, db
from portal.core.audit import Actor, AuditEvent
from portal.core.db import new_id
from portal.core.money import Money
from portal.jobs import outbox, own_jobs
from portal.jobs.models import JobRow
from portal.ledger import LedgerAccount, post
from portal.payment_methods.models import PaymentMethodSetup
from portal.stripe_events import jobs as event_jobs
from portal.stripe_events.models import StripeEvent
from portal.webhook_endpoints.models import WebhookEndpoint
from tests import factories
from tests.counting import counted_queries
from tests.smtp import Mailbox, text_of

pytestmark = pytest.mark.database("sqlite")

DESK = "/support/operations"
ROLES = ("support", "approver", "admin")
Browsers = Callable[[str], FlaskClient]

# The pages and buttons of each role; whoever may not, is told that there is no such page.
MAY: dict[tuple[str, str], tuple[int, int, int]] = {
    ("GET", ""): (200, 200, 200),
    ("GET", "/events"): (200, 200, 200),
    ("GET", "/events/evt_1"): (200, 200, 200),
    ("POST", "/events/evt_1/replays"): (404, 303, 303),
    ("GET", "/deliveries"): (200, 200, 200),
    ("GET", "/deliveries/dlv_1"): (200, 200, 200),
    ("POST", "/deliveries/dlv_1/replays"): (404, 303, 303),
    ("GET", "/jobs"): (200, 200, 200),
    ("POST", "/jobs/job_1/attempts"): (404, 303, 303),
    ("POST", "/jobs/kinds/documents.render/attempts"): (404, 303, 303),
    ("GET", "/review"): (200, 200, 200),
    ("GET", "/audit"): (404, 404, 200),
    ("GET", "/audit.csv"): (404, 404, 200),
}


@pytest.fixture
def troubles(app: Flask) -> None:
    """One of everything that can go wrong, and a payment in the books."""
    now = clock.now()
    with db.transaction() as session:
        customer = factories.customer(session)
        factories.stripe_event(session, id="evt_1", body=b'{"data": {"name": "<b>Zo\xc3\xab</b>"}}')
        factories.delivery(session, customer, id="dlv_1", status="failed", status_code=500, answer="<b>no</b>")
        factories.failed_job(session, id="job_1", args={"event_id": "evt_1"}, last_error="OSError: <full>")
        payment = factories.payment(session, customer, review_reason="the amount differs: 1 instead of 2")
        factories.refund(session, payment, id="rfd_1", status="unknown")
        factories.dispute(session, payment, id="dsp_1", review_reason="it is another charge's")
        factories.fraud_warning(session, payment)
        session.add(
            PaymentMethodSetup(
                id=new_id("set"), customer_id=customer.id, client_key="key", review_reason="it is another customer's",
                created_at=now, updated_at=now,
            )
        )  # fmt: skip
        paid: dict[str, Any] = {"amount": Money(119_00, "eur"), "subject": "pay_1", "at": now}
        post(
            session,
            "charge",
            debit=LedgerAccount.STRIPE,
            credit=LedgerAccount.RECEIVABLES,
            reference="charge:pi_1",
            **paid,
        )
        post(
            session,
            "fee",
            debit=LedgerAccount.FEES,
            credit=LedgerAccount.STRIPE,
            reference="fee:txn_1",
            **(paid | {"amount": Money(2_03, "eur")}),
        )
        audit.record(session, "payment.status", "pay_1", {"status": ["created", "succeeded"]}, customer_id=customer.id)


def post_to(browser: FlaskClient, address: str) -> int:
    return browser.post(DESK + address, headers={"X-CSRFToken": factories.csrf_token(browser)}).status_code


def seen(browser: FlaskClient, address: str) -> str:
    answer = browser.get(DESK + address)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True))).split())


def test_events_are_found_by_the_companys_clocks(troubles: None, browser_of: Browsers) -> None:
    config.use(config.current().model_copy(update={"timezone": "Europe/Berlin"}))
    with db.transaction() as session:
        for hour, name in ((8, "evt_morning"), (14, "evt_noon")):
            at = datetime(2026, 3, 2, hour, 30, 40, tzinfo=UTC)
            factories.stripe_event(session, id=name, received_at=at, type=f"test.{name}")
    browser = browser_of("support")

    def shown(**span: str) -> list[str]:
        page = seen(browser, "/events?" + urlencode(span)).partition("newest first")[2]
        return [name for name in ("morning", "noon") if f"test.evt_{name} Mar" in page]

    assert shown(since="2026-03-02T09:30", until="2026-03-02T09:30") == [
        "morning"
    ]  # 8:30 in UTC; the last minute is in
    assert shown(since="2026-03-02T09:31") == ["noon"]
    assert shown(until="2026-03-02T09:29") == []
    assert shown(since="2026-03-02T00:00", type="test.evt_noon") == ["noon"]
    assert "From (Europe/Berlin)" in seen(browser, "/events")
    for wrong in ("since=yesterday", "since=2026-03-02T09:30&until=2026-03-01T09:30"):
        assert browser.get(f"{DESK}/events?{wrong}").status_code == 422
    for extreme in ("since=0001-01-01T00:00", "until=9999-12-31T23:59"):
        assert browser.get(f"{DESK}/events?{extreme}").status_code == 200


def test_a_kind_of_jobs_is_tried_again_by_one_press(troubles: None, browser_of: Browsers) -> None:
    support, approver = browser_of("support"), browser_of("approver")
    assert "documents.render 0 0 1" in seen(approver, "/jobs")
    assert "Retry all" not in seen(support, "/jobs")
    answer = approver.post(
        f"{DESK}/jobs/kinds/documents.render/attempts",
        headers={"X-CSRFToken": factories.csrf_token(approver)},
        follow_redirects=True,
    )
    assert "1 job is being retried." in answer.get_data(as_text=True)
    event = latest_event()
    assert (event.action, event.subject, event.facts) == ("jobs.revived", "documents.render", {"number": 1})
    with db.transaction() as session:
        factories.failed_job(session, name="refunds.execute")
    assert "Retry these one by one" in seen(approver, "/jobs")
    answer = approver.post(
        f"{DESK}/jobs/kinds/refunds.execute/attempts",
        headers={"X-CSRFToken": factories.csrf_token(approver)},
        follow_redirects=True,
    )
    assert "Look at each of them" in answer.get_data(as_text=True)


def latest_event() -> AuditEvent:
    with db.reading() as session:
        return session.scalars(select(AuditEvent).order_by(AuditEvent.number.desc()).limit(1)).one()


def test_each_role_gets_what_the_table_says(troubles: None, browser_of: Browsers) -> None:
    browsers = [browser_of(role) for role in ROLES]
    found = {
        (method, address): tuple(
            browser.get(DESK + address).status_code if method == "GET" else post_to(browser, address)
            for browser in browsers
        )
        for method, address in MAY
    }
    assert found == MAY


def test_nobody_is_offered_what_they_would_be_refused(troubles: None, browser_of: Browsers) -> None:
    support = browser_of("support")
    for address in ("", "/events/evt_1", "/jobs"):
        page = support.get(DESK + address).get_data(as_text=True)
        assert not re.search(r'href="[^"]*(/operations/audit|/support/books)', page)
        assert "<dialog" not in page.partition("<main")[2].partition("</main>")[0]
    assert f'href="{DESK}/audit"' in browser_of("admin").get(DESK).get_data(as_text=True)


# The state


def test_the_state_of_a_new_portal_is_fine_but_for_the_anchor(app: Flask, browser_of: Browsers) -> None:
    text = seen(browser_of("support"), "")
    assert "Failed permanently 0 Fine" in text
    assert "Last checkpoint of the audit log Never Needs review" in text


def test_the_state_names_what_waits_for_a_person(troubles: None, browser_of: Browsers) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, factories.customer(session))
        factories.refund(session, payment, status="failed", failed_at=clock.now())
    text = seen(browser_of("support"), "")
    assert "Failed permanently 1 Needs review" in text
    assert "Payments that need review 1 Needs review" in text
    assert "Failed refunds that nobody has resolved 1 Needs review" in text
    assert "Received, not applied yet 1" in text


# Events


def test_an_event_is_shown_as_it_came_and_that_it_was_seen_is_written_down(
    troubles: None, browser_of: Browsers
) -> None:
    support = browser_of("support")
    page = support.get(f"{DESK}/events/evt_1").get_data(as_text=True)
    assert '"name": "<b>Zoë</b>"' in unescape(page)
    assert "<b>Zoë" not in page
    assert (latest_event().action, latest_event().subject) == ("staff.viewed", "evt_1")
    assert support.get(f"{DESK}/events/evt_none").status_code == 404


def test_a_body_that_is_no_json_is_shown_all_the_same(app: Flask, browser_of: Browsers) -> None:
    with db.transaction() as session:
        factories.stripe_event(session, id="evt_torn", body=b'{"torn": \xff')
    assert '{"torn": �' in seen(browser_of("support"), "/events/evt_torn")


def test_a_press_has_the_event_applied_again(troubles: None, browser_of: Browsers) -> None:
    approver = browser_of("approver")
    assert post_to(approver, "/events/evt_1/replays") == 303
    assert "The event is being applied again" in seen(approver, "/events/evt_1")
    assert post_to(approver, "/events/evt_1/replays") == 303
    assert "already queued" in seen(approver, "/events/evt_1")
    with db.reading() as session:
        assert session.get_one(StripeEvent, "evt_1").status == "received"
        jobs = session.scalars(select(JobRow).where(JobRow.name == "stripe_events.apply")).all()
    assert [job.args for job in jobs] == [{"event_id": "evt_1", "replay": 1}]


def test_events_are_filtered_by_what_is_in_the_address(troubles: None, browser_of: Browsers) -> None:
    support = browser_of("support")
    assert "payment_intent.succeeded" in seen(support, "/events?q=pi_1&status=received")
    assert "No matching events" in seen(support, "/events?q=pi_2")
    assert "No matching events" in seen(support, "/events?status=ignored")
    assert support.get(f"{DESK}/events?status=lost").status_code == 422


# Events to customers' systems


def test_a_delivery_is_shown_without_its_signature_and_sent_again(troubles: None, browser_of: Browsers) -> None:
    admin = browser_of("admin")
    text = seen(admin, "/deliveries/dlv_1")
    for words in (
        "webhook-id: evt_",
        "webhook-timestamp: ",
        "(not shown)",
        '"invoice_id": "inv_1"',
        "<b>no</b>",
        "500",
    ):
        assert words in text
    assert "v1," not in text
    assert (latest_event().action, latest_event().facts) == ("staff.viewed", {"what": "event delivery"})
    assert post_to(admin, "/deliveries/dlv_1/replays") == 303
    assert "The event is being sent again" in seen(admin, "/deliveries/dlv_1")
    assert (latest_event().action, latest_event().actor_kind) == ("delivery.sent_again", "staff")
    with db.reading() as session:
        (job,) = session.scalars(select(JobRow).where(JobRow.name == "webhook_endpoints.deliver"))
    assert job.args == {"delivery_id": "dlv_1", "replay": 1}
    assert post_to(admin, "/deliveries/dlv_none/replays") == 404


def test_nothing_is_sent_again_to_an_endpoint_that_is_switched_off(troubles: None, browser_of: Browsers) -> None:
    admin = browser_of("admin")
    with db.transaction() as session:
        session.scalars(select(WebhookEndpoint)).one().disabled_at = clock.now()
    assert 'action="/support/operations/deliveries/dlv_1/replays"' not in admin.get(
        f"{DESK}/deliveries/dlv_1"
    ).get_data(as_text=True)
    assert post_to(admin, "/deliveries/dlv_1/replays") == 303
    assert "This endpoint is turned off" in seen(admin, "/deliveries/dlv_1")


def test_deliveries_are_found_by_customer_state_and_type(troubles: None, browser_of: Browsers) -> None:
    with db.transaction() as session:
        other = factories.customer(session, name="Elbe Boats AG")
        factories.delivery(session, other, type="ping")
        wanted = other.id
    admin = browser_of("admin")
    both = seen(admin, "/deliveries")
    assert both.index("Elbe Boats AG") < both.index("Spree Bikes GmbH")
    for query in (f"customer={wanted}", "status=delivered", "type=ping"):
        text = seen(admin, f"/deliveries?{query}")
        assert "Elbe Boats AG" in text
        assert "Spree Bikes GmbH" not in text
    assert "No matching deliveries" in seen(admin, "/deliveries?customer=cus_none")
    assert admin.get(f"{DESK}/deliveries?status=lost").status_code == 422


# Jobs, and what needs review


def test_a_press_has_a_dead_job_tried_again(troubles: None, browser_of: Browsers) -> None:
    admin = browser_of("admin")
    text = seen(admin, "/jobs?status=dead")
    assert "documents.render" in text
    assert "OSError: <full>" in text
    assert post_to(admin, "/jobs/job_1/attempts") == 303
    assert "The job is being retried" in seen(admin, "/jobs")
    assert (latest_event().action, latest_event().actor_kind) == ("job.revived", "staff")
    assert "No job has failed permanently" in seen(admin, "/jobs?status=dead")
    assert post_to(admin, "/jobs/job_none/attempts") == 404


def test_a_job_that_waits_for_a_service_says_so_and_not_a_time_that_does_not_count(browser_of: Browsers) -> None:
    tomorrow = clock.now() + timedelta(days=1)
    with db.transaction() as session:
        factories.failed_job(
            session, run_at=tomorrow, status="queued", waits_for="stripe", waits_since=clock.now(), finished_at=None,
            name=event_jobs.apply.name, args={"event_id": "evt_1"}, unique_key=event_jobs.apply.key(event_id="evt_1", replay=0),
        )  # fmt: skip
        factories.stripe_event(session, id="evt_1")
    for page in ("/jobs", "/events/evt_1"):
        text = seen(browser_of("admin"), page)
        assert "Waiting for Stripe" in text, page
        assert "As soon as the service answers; it is checked every 10 seconds" in text, page
        assert language.date_text(tomorrow.date(), "en") not in text, page


def test_staff_get_one_mail_about_the_jobs_that_died(app: Flask, smtp: Mailbox) -> None:
    with db.transaction() as session:
        for number in range(22):
            factories.failed_job(session, last_error=f"OSError: {number}")
        span = int(clock.now().timestamp()) // outbox.ALERT_SPAN_SECONDS
        factories.failed_job(session, name=own_jobs.mail_dead.name)
        own_jobs.mail_dead.enqueue(session, span=span)
        own_jobs.mail_dead.enqueue(session, span=span + 1)  # in which nothing died
    with app.app_context():
        outbox.run_due()
    (mail,) = smtp.messages
    assert (mail["To"], mail["Subject"]) == (
        config.current().company.support_email,
        "Jobs that failed permanently: 22",
    )
    text = text_of(mail)
    assert text.count("documents.render: OSError") == 20
    assert "And 2 more." in text
    assert f"{DESK}/jobs?status=dead" in text


def test_what_is_frozen_stands_with_its_sentence(troubles: None, browser_of: Browsers) -> None:
    text = seen(browser_of("support"), "/review")
    assert "the amount differs: 1 instead of 2" in text
    assert "it is another customer's" in text
    assert "it is another charge's" in text
    assert "Refund status unknown" in text
    assert "card used without the cardholder’s consent" in text
    assert text.count("Spree Bikes GmbH") == 5
    page = browser_of("support").get(f"{DESK}/review").get_data(as_text=True)
    for address in ("/support/refunds/rfd_1", "/support/disputes/dsp_1", "/support/payments/pay_"):
        assert f'href="{address}' in page


def test_empty_lists_say_so(app: Flask, browser_of: Browsers) -> None:
    approver = browser_of("approver")
    for address, words in (
        ("/events", "No webhooks yet"),
        ("/deliveries", "No webhooks sent yet"),
        ("/jobs", "No job has failed"),
        ("/jobs?status=dead", "No job has failed permanently"),
        ("/review", "Nothing on hold"),
    ):
        assert words in seen(approver, address)


# The audit trail


def test_the_audit_trail_is_read_by_people(troubles: None, browser_of: Browsers) -> None:
    text = seen(browser_of("admin"), "/audit?subject=pay_1")
    assert "status: created → succeeded" in text
    assert "Spree Bikes GmbH" in text


def test_whose_trail_was_looked_at_is_in_the_trail(troubles: None, browser_of: Browsers) -> None:
    customer_id = latest_event().customer_id
    assert customer_id
    browser_of("admin").get(f"{DESK}/audit?customer={customer_id}")
    assert (latest_event().action, latest_event().customer_id) == ("staff.viewed", customer_id)


def test_the_trail_as_a_file_is_safe_in_a_spreadsheet(app: Flask, browser_of: Browsers) -> None:
    admin = browser_of("admin")
    with audit.acting(Actor("staff", "=cmd|'/c calc'!A1")), db.transaction() as session:
        audit.record(session, "note.written", "+A1", {"words": "Zoë"})
    answer = admin.get(f"{DESK}/audit.csv?action=note.written")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline=""))
    assert (row["actor"], row["subject"], row["facts"]) == ("'=cmd|'/c calc'!A1", "'+A1", '{"words": "Zoë"}')
    assert (latest_event().action, latest_event().facts) == ("audit.exported", {"action": "note.written"})
    assert admin.get(f"{DESK}/audit.csv?since=never").status_code == 422


def test_a_longer_list_asks_no_more_questions(troubles: None, browser_of: Browsers) -> None:
    admin = browser_of("admin")
    addresses = ("/events", "/deliveries", "/jobs", "/review", "/audit")

    def asked() -> dict[str, int]:
        numbers = {}
        for address in addresses:
            with counted_queries() as statements:
                assert admin.get(DESK + address).status_code == 200
            numbers[address] = len(statements)
        return numbers

    asked()  # what is asked once a process
    before = asked()
    with db.transaction() as session:
        customers = [factories.customer(session) for _ in range(15)]
        for customer in customers:
            factories.stripe_event(session)
            factories.failed_job(session)
            factories.delivery(session, customer)
            factories.payment(session, customer, review_reason="the amount differs")
            audit.record(session, "x.y", "pay_1", customer_id=customer.id)
    assert asked() == before


def test_a_proxy_that_is_not_configured_shows(app: Flask, browser_of: Browsers, settings: config.Settings) -> None:
    told = "A proxy is in front, but PORTAL_PROXIES does not say so"
    browser = browser_of("support")
    assert told not in unescape(browser.get(DESK).get_data(as_text=True))
    for address in ("198.51.100.7", "198.51.100.8"):
        app.test_client().get("/sign-in", headers={"X-Forwarded-For": address})
    assert told in unescape(browser.get(DESK).get_data(as_text=True))
    with db.reading() as session:
        noted = select(AuditEvent).where(AuditEvent.action == "proxy.not_configured")
        assert len(session.scalars(noted).all()) == 1
    config.use(settings.model_copy(update={"proxies": 1}))
    assert told not in unescape(browser.get(DESK).get_data(as_text=True))
