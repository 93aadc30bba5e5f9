"""What webhooks cost beside dj-stripe: the same signed events of the same payments, on PostgreSQL, each in one process without threads.

dj-stripe is other people's, and is measured where `make clients` has brought it. It does all of its work before it answers; the portal
stores an event and its job, and the worker applies it. Both are without what the SDK does between a request to Stripe and its answer.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from bench.lines import Line
from bench.stripe_seconds import stripe_seconds
from bench.world import World, world
from portal.core import db
from portal.jobs import outbox
from portal.payments import service as payments
from portal.stripe_events import jobs
from portal.stripe_events.handlers import HANDLERS
from tests import factories
from tests.clients.installing import DJ_STRIPE, brought
from tests.live import SandboxServer
from tests.run import SETTINGS

SITE = Path(__file__).with_name("dj_stripe_site.py")
BESIDE = "dj-stripe"
# A tenth of dj-stripe's cost is ten times its rate.
ACKNOWLEDGED_LIMIT, ACKNOWLEDGED_AIM = 0.1, 0.1
APPLIED_LIMIT, APPLIED_AIM = 0.85, 0.5
WHY = "dj-stripe copies what an event says; the portal fetches what is true now, settles it and writes postings, audit events and jobs."


def measure(*, quick: bool) -> list[Line]:
    python = brought("dj-stripe", DJ_STRIPE)
    if python is None:
        print("dj-stripe: not here; `make clients` brings it", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as kept:
        sandbox = SandboxServer(Path(folder))
        kept.callback(sandbox.stop)
        os.environ["STRIPE_API_BASE"] = sandbox.url
        portal, at_stripe = kept.enter_context(world()), kept.enter_context(stripe_seconds())
        events = _signed(_lived(sandbox, 5 if quick else 60))
        acknowledged = [_acknowledged(portal, body, signature) for body, signature in events]
        applied = _applied(portal, at_stripe)
        theirs = statistics.mean(_theirs(python, portal, sandbox, events))
    ours = statistics.mean(acknowledged)
    whole = ours + sum(applied) / len(events)
    return [
        Line(
            "webhook: acknowledged, and dj-stripe's",
            ours * 1000,
            "ms",
            ours / theirs,
            BESIDE,
            ACKNOWLEDGED_LIMIT,
            ACKNOWLEDGED_AIM,
        ),
        Line(
            "webhook: applied, and dj-stripe's",
            whole * 1000,
            "ms",
            whole / theirs,
            BESIDE,
            APPLIED_LIMIT,
            APPLIED_AIM,
            WHY,
        ),
    ]


def _lived(sandbox: SandboxServer, number: int) -> list[Any]:
    """The events of so many payments of the portal's, of the types that its endpoint asks for, oldest first."""
    for each in range(number):
        with db.transaction() as session:
            customer = factories.customer(session, email=f"shop-{each}@bench.example")
            invoice = factories.invoice(session, customer)
            factories.user(session, customer, email=f"shop-{each}@bench.example")
        started = payments.start_for_invoice(customer.id, invoice.id, client_key=f"bench-shop-{each}", save_card=False)
        intent_id = started.client_secret.partition("_secret")[0]
        sandbox.client.v1.payment_intents.confirm(intent_id, {"payment_method": "pm_card_visa"})
    listed = sandbox.client.v1.events.list({"limit": 100}).auto_paging_iter()
    return [event for event in listed if event.type in HANDLERS][::-1]


def _signed(events: list[Any]) -> list[tuple[str, str]]:
    secret, now = SETTINGS["STRIPE_WEBHOOK_SECRETS"].encode(), int(time.time())
    bodies = [str(event) for event in events]
    return [
        (body, f"t={now},v1={hmac.new(secret, f'{now}.{body}'.encode(), hashlib.sha256).hexdigest()}")
        for body in bodies
    ]


def _acknowledged(portal: World, body: str, signature: str) -> float:
    sent = body.encode()
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/api/webhooks/stripe", "QUERY_STRING": "", "SCRIPT_NAME": "", "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)), "HTTP_STRIPE_SIGNATURE": signature, "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(sent), "wsgi.errors": sys.stderr, "wsgi.multithread": False, "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }  # fmt: skip
    told: list[str] = []
    application: Any = portal.app
    begun = time.process_time()
    answer = b"".join(application(environ, lambda status, _headers, _error=None: told.append(status)))
    taken = time.process_time() - begun
    assert told[0].startswith("200"), (told, answer)
    return taken


def _applied(portal: World, at_stripe: list[float]) -> list[float]:
    """What the worker takes for each job that applies an event. What it leaves behind, such as receipts, is not done here."""
    taken: list[float] = []
    with portal.app.app_context():
        while True:
            at_stripe.clear()
            begun = time.process_time()
            claimed = outbox.claim("bench", 1)
            if not claimed:
                return taken
            if claimed[0].name == jobs.apply.name:
                outbox.run(claimed[0], "bench")
                taken.append(time.process_time() - begun - sum(at_stripe))


def _theirs(python: Path, portal: World, sandbox: SandboxServer, events: list[tuple[str, str]]) -> list[float]:
    with psycopg.connect(portal.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE dj_stripe")
        at = connection.info
        database = {"HOST": at.host, "PORT": at.port, "USER": at.user, "PASSWORD": at.password, "NAME": "dj_stripe"}
    given = {
        "database": database,
        "stripe": sandbox.url,
        "secret": SETTINGS["STRIPE_WEBHOOK_SECRETS"],
        "events": events,
    }
    done = subprocess.run(
        [str(python), str(SITE)], input=json.dumps(given), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[float] = json.loads(done.stdout)
    return found
