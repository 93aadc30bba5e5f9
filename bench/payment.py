"""What a payment costs the worker from the moment Stripe has charged the card, until its receipt is mailed and its events are applied."""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import update

from bench import receipts
from bench.lines import Line
from bench.stripe_seconds import stripe_seconds
from bench.world import World, world
from deploy.dev.processes import Process
from portal.core import db
from portal.jobs import outbox
from portal.jobs.models import QUEUED, JobRow
from portal.payments import service as payments
from portal.stripe_events import service as stripe_events
from tests import factories
from tests.live import SandboxServer
from tests.run import process_environment

LIMIT, AIM = 2.3, 2.1


def measure(*, quick: bool) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as kept:
        sandbox = SandboxServer(Path(folder))
        kept.callback(sandbox.stop)
        os.environ |= {"STRIPE_API_BASE": sandbox.url, "PORTAL_MAIL_PORT": kept.enter_context(_mailbox(Path(folder)))}
        portal, at_stripe = kept.enter_context(world()), kept.enter_context(stripe_seconds())
        ways, bare, bare_render = [], [], receipts.bare()
        _way(portal, sandbox, "bench-way", at_stripe)
        for number in range(3 if quick else 15):
            ways.append(_way(portal, sandbox, f"bench-way-{number}", at_stripe))
            begun = time.process_time()
            bare_render()
            bare.append(time.process_time() - begun)
    ours, floor = statistics.median(ways), statistics.median(bare)
    return [Line("payment: its whole way", ours * 1000, "ms", ours / floor, "a bare PDF", LIMIT, AIM)]


def _way(portal: World, sandbox: SandboxServer, key: str, at_stripe: list[float]) -> float:
    """Processor seconds of the worker for one payment, but for what it spends on the way to Stripe and back."""
    with db.transaction() as session:
        customer = factories.customer(session, email=f"{key}@bench.example")
        invoice = factories.invoice(session, customer)
        factories.user(session, customer, email=f"{key}@bench.example")
    started = payments.start_for_invoice(customer.id, invoice.id, client_key=key, save_card=False)
    intent_id = started.client_secret.partition("_secret")[0]
    sandbox.client.v1.payment_intents.confirm(intent_id, {"payment_method": "pm_card_visa"})
    for event in sandbox.client.v1.events.list({"limit": 20}).data:
        stripe_events.take_in(str(event).encode())
    at_stripe.clear()
    begun = time.process_time()
    _run_all(portal)
    return time.process_time() - begun - sum(at_stripe)


def _run_all(portal: World) -> None:
    """What is due, and what is left for later; not what workers do every minute whether there are payments or not."""
    with portal.app.app_context():
        while outbox.run_due():
            _let_time_pass()


def _let_time_pass() -> None:
    """What was left for later is due."""
    with db.transaction() as session:
        session.execute(update(JobRow).where(QUEUED).values(run_at=JobRow.created_at))


@contextmanager
def _mailbox(folder: Path) -> Iterator[str]:
    """The port of a mail server that is another process."""
    command = [sys.executable, "-m", "bench.mailbox"]
    process = Process("mailbox", command, log=folder / "mailbox.log", environment=process_environment())
    try:
        process.wait_until(lambda: "port " in process.said(), within=60)
        found = re.search(r"port (\d+)", process.said())
        assert found is not None
        yield found[1]
    finally:
        process.end()
