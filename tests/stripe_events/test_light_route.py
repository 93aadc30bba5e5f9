"""A webhook is answered in front of the application; what cannot be answered so meets the application as if there were no such way."""

from __future__ import annotations

import io

import psycopg
import pytest
from flask import Flask, request_started
from flask.testing import FlaskClient

from portal.core import db
from tests.stripe_events.test_webhooks import ADDRESS, event, registered, signed, stored

__all__ = ["registered"]


def test_a_good_webhook_begins_no_request_of_the_application(app: Flask, client: FlaskClient) -> None:
    begun: list[str] = []

    def note(*_: object, **__: object) -> None:
        begun.append("request")

    with request_started.connected_to(note, app):
        answer = client.post(ADDRESS, data=(body := event()), headers={"Stripe-Signature": signed(body)})
    assert (answer.json, begun) == ({"received": True, "new": True}, [])
    assert len(stored()) == 1


def test_its_answer_carries_what_every_answer_carries(client: FlaskClient) -> None:
    body = event()
    answer = client.post(ADDRESS, data=body, headers={"Stripe-Signature": signed(body)})
    refused = client.post(ADDRESS, data=body, headers={"Stripe-Signature": "t=1,v1=00"})
    assert (answer.status_code, refused.status_code) == (200, 400)
    assert refused.json is not None
    assert refused.json["code"] == "bad_webhook"
    assert answer.headers["X-Request-Id"] != refused.headers["X-Request-Id"]
    limits = {name for name in refused.headers.keys() if name.startswith(("RateLimit", "X-RateLimit", "Vary"))}  # noqa: SIM118
    assert set(refused.headers.keys()) - limits <= set(answer.headers.keys())


def test_a_body_that_comes_in_pieces_is_stored_as_well(client: FlaskClient) -> None:
    body = event()
    pieces = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
    headers = {"Stripe-Signature": signed(body), "Transfer-Encoding": "chunked"}
    answer = client.post(ADDRESS, headers=headers, environ_overrides=pieces)
    assert answer.status_code == 200
    assert [row.body for row in stored()] == [body]


@pytest.mark.owner
def test_a_connection_that_the_server_has_ended_loses_no_webhook(client: FlaskClient, database: str) -> None:
    first, second = event(number=1), event(number=2)
    assert client.post(ADDRESS, data=first, headers={"Stripe-Signature": signed(first)}).status_code == 200
    _end_all_connections(database)
    assert client.post(ADDRESS, data=second, headers={"Stripe-Signature": signed(second)}).status_code == 200
    assert [row.id for row in stored()] == ["evt_1", "evt_2"]


def _end_all_connections(url: str) -> None:
    """As a restart of PostgreSQL does to the connections in the pool."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def test_without_a_database_stripe_is_told_to_come_again(client: FlaskClient, settings: object) -> None:
    body = event()
    db.connect("postgresql://nobody@127.0.0.1:9/none")
    answer = client.post(ADDRESS, data=body, headers={"Stripe-Signature": signed(body)})
    assert answer.status_code == 503
