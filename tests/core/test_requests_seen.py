"""Each request leaves one line in the log and a count, and neither holds anything of what was asked or answered."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from deploy.dev.processes import Process, answers, free_port
from portal.core import config, db, metrics
from portal.identity.models import User
from portal.payments.models import Payment
from portal.web import access
from tests import factories
from tests.run import process_environment
from tests.stripe_events.test_webhooks import ADDRESS, signed

pytestmark = pytest.mark.database("sqlite")

COUNTED_IN = Path("/dev/shm")  # noqa: S108  # as deploy/gunicorn.conf.py has it
TOKEN = "a-token-for-prometheus-of-some-length"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Filled when it is read: the lines of requests."""

    class Lines(list[dict[str, Any]]):
        def __iter__(self) -> Any:
            found = (record.msg for record in caplog.records)
            return iter([one for one in found if isinstance(one, dict) and one.get("event") == "request_answered"])

    caplog.set_level(logging.INFO)
    return Lines()


def last(told: list[dict[str, Any]]) -> dict[str, Any]:
    return [*told][-1]


@pytest.fixture
def somebody(database: str) -> tuple[User, Payment]:
    with db.transaction() as session:
        customer = factories.customer(session)
        return factories.user(session, customer), factories.payment(session, customer)


def test_a_page_is_told_by_its_route_its_reader_and_what_it_is_about(
    told: list[dict[str, Any]], client: FlaskClient, somebody: tuple[User, Payment]
) -> None:
    user, payment = somebody
    factories.sign_in(client, user)
    answer = client.get(f"/payments/{payment.id}?anything={user.email}")
    answer.close()  # as web servers do when all of it is sent
    line = last(told)
    assert line["route"] == "/payments/<payment_id>" and line["status"] == 200 and line["method"] == "GET"
    assert (line["actor"], line["actor_id"], line["payment_id"]) == ("customer", user.id, payment.id)
    assert line["ms"] > 0
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert user.email not in json.dumps([*told])


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/no-such-page", "none", 404),
        ("GET", "/payments", "/payments", 303),
        ("POST", "/sign-in", "/sign-in", 400),
        ("GET", "/api/payments/methods/list", "/api/payments/methods/list", 401),
        ("DELETE", "/sign-in", "none", 405),
    ],
)
def test_refusals_are_told_too(
    told: list[dict[str, Any]], app: Flask, method: str, path: str, route: str, status: int
) -> None:
    app.test_client().open(path, method=method).close()
    line = last(told)
    assert (line["route"], line["status"]) == (route, status)
    assert (line["actor"], line["actor_id"]) == ("anonymous", "")


def test_a_webhook_that_is_answered_in_front_of_the_application_is_told(told: list[dict[str, Any]], app: Flask) -> None:
    body = json.dumps({
        "id": "evt_1", "object": "event", "type": "charge.updated", "created": int(time.time()), "livemode": False,
        "data": {"object": {"id": "ch_1", "object": "charge"}},
    }).encode()  # fmt: skip
    answer = app.test_client().post(ADDRESS, data=body, headers={"Stripe-Signature": signed(body)})
    assert answer.status_code == 200
    answer.close()
    line = last(told)
    assert (line["route"], line["status"], line["request_id"]) == (ADDRESS, 200, answer.headers["X-Request-Id"])


def test_what_machines_ask_every_few_seconds_is_not_told(told: list[dict[str, Any]], app: Flask) -> None:
    for path in access.QUIET:
        app.test_client().get(path).close()
    assert [*told] == []


def test_a_failure_is_told_as_one() -> None:
    def broken(_environ: object, _start: object) -> Any:
        raise ZeroDivisionError

    counted = metrics.REQUESTS.labels(access.NO_ROUTE, "GET", 500)._value.get()
    with pytest.raises(ZeroDivisionError):
        access.Watched(broken)({"REQUEST_METHOD": "GET"}, lambda *_: lambda _: None)
    assert metrics.REQUESTS.labels(access.NO_ROUTE, "GET", 500)._value.get() == counted + 1


# /metrics


def test_without_a_token_nobody_is_told(client: FlaskClient) -> None:
    assert client.get("/metrics").status_code == 404


@pytest.mark.settings(PORTAL_METRICS_TOKEN=TOKEN)
def test_web_processes_tell_what_they_count_to_who_has_the_token(app: Flask) -> None:
    client = app.test_client()
    client.get("/sign-in").close()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 401
    served = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert served.status_code == 200
    assert 'portal_requests_total{method="GET",route="/sign-in",status="200"}' in served.text
    assert "portal_database_connections_in_use" in served.text
    assert "portal_last_webhook_timestamp_seconds" not in served.text, "that is the workers' to tell"


def test_the_processes_of_a_web_server_add_up_what_they_count(settings: config.Settings, tmp_path: Path) -> None:
    before = {*COUNTED_IN.glob("portal-metrics-*")}
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--workers", "2"]
    environment = process_environment(PORTAL_DATABASE_URL=settings.database_url, PORTAL_METRICS_TOKEN=TOKEN)
    process = Process(
        "gunicorn", [*command, "--bind", f"127.0.0.1:{port}", "wsgi:app"], log=tmp_path / "log", environment=environment
    )
    try:
        process.wait_until(lambda: answers(f"{url}/healthz"), within=60)
        for _ in range(20):
            requests.get(f"{url}/sign-in", timeout=10)
        for _ in range(4):  # whichever of the two answers
            served = requests.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).text
            assert 'portal_requests_total{method="GET",route="/sign-in",status="200"} 20.0' in served
    finally:
        process.end()
    assert {*COUNTED_IN.glob("portal-metrics-*")} <= before, "nothing of it stays in memory"
