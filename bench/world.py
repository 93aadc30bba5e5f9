"""A portal with rows in a PostgreSQL of its own, for what is measured in this process."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask

from portal.accounts.models import Customer
from portal.app import create_app
from portal.core import clock, company_days, config, db
from portal.identity.models import User
from tests import factories
from tests.postgres import PostgresServer
from tests.run import migrate

PAYMENTS = 300
CUSTOMERS = 60


@dataclass(frozen=True)
class World:
    """The application, one of its customers with many payments, and who signs in for them and for staff."""

    app: Flask
    customer: Customer
    owner: User
    staff: User
    url: str


@contextmanager
def world() -> Iterator[World]:
    """Start PostgreSQL, fill a database and connect this process to it; all of it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as another user
        server = PostgresServer(Path(folder))
        try:
            migrate(server.url())
            url = server.url(role="portal_web")
            # Limits count requests of one caller; here one caller asks as often as many.
            os.environ.update({"PORTAL_DATABASE_URL": url, "PORTAL_API_LIMITS": "all:1000000/minute"})
            app = create_app(config.load())
            customer, owner, staff = _fill()
            yield World(app, customer, owner, staff, url)
            db.disconnect()
        finally:
            server.stop()


def _fill() -> tuple[Customer, User, User]:
    """One customer with payments and invoices of the last year, among others with a few each."""
    today, now = company_days.today(), clock.now()
    with db.transaction() as session:
        customer = factories.customer(session)
        owner, staff = factories.user(session, customer), factories.staff(session)
        for number in range(PAYMENTS):
            day = today - timedelta(days=number)
            invoice = factories.invoice(
                session,
                customer,
                status="open" if number < 3 else "paid",
                issued_on=day,
                due_on=day + timedelta(days=14),
            )
            if number >= 3:
                moment = now - timedelta(days=number)
                factories.payment(
                    session,
                    customer,
                    invoice,
                    created_at=moment,
                    succeeded_at=moment,
                    client_key=f"bench-{number}",
                    stripe_intent_id=f"pi_bench_{number}",
                    stripe_charge_id=f"ch_bench_{number}",
                )
        for _ in range(CUSTOMERS):
            other = factories.customer(session, email=f"{db.new_id('mail')}@bench.example")
            factories.payment(session, other, factories.invoice(session, other, status="paid"))
    return customer, owner, staff


def requests(app: Any, path: str, **headers: str) -> Callable[[], bytes]:
    """A GET of this path, as a WSGI server hands it on; its answer must be 200. Names of headers have _ for -."""
    address, _, query = path.partition("?")

    def ask() -> bytes:
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": address, "QUERY_STRING": query, "SCRIPT_NAME": "",
            "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "127.0.0.1:8000",
            "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(), "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
            **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
        }  # fmt: skip
        told: list[str] = []
        answer = app(environ, lambda status, _headers, _error=None: told.append(status))
        try:
            body = b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()
        assert told[0].startswith("200"), (path, told[0], body[:300])
        return body

    return ask


def cookie_of(app: Flask, user: User) -> str:
    """The cookie of a browser in which this user has signed in."""
    browser = app.test_client()
    factories.sign_in(browser, user)
    kept = browser.get_cookie("portal", domain="localhost")
    assert kept is not None
    return f"portal={kept.value}"
