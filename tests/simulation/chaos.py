"""One seed: a storm over the whole portal on a fresh database, then calm, and the invariants.

`python -m tests.simulation.chaos SEED --database sqlite --directory DIR` is one run in a process of its own; the campaign starts
these. The last line that it prints is its report as JSON; exit status 1 when a promise was broken or too little happened.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from deploy.dev.processes import ROOT, end_with_clean_up_on_sigterm
from tests.live import SandboxServer
from tests.postgres import PostgresServer
from tests.run import SETTINGS, Run, migrate, process_environment
from tests.simulation.browsers import DeskBrowser, PayingBrowser
from tests.simulation.clients import Bank, Client, PayingApp, Scene, StaffApp
from tests.simulation.processes import Killer, Portal, Repeating, children_of, port_and_url
from tests.simulation.proxy import FaultProxy
from tests.simulation.stormy_mailbox import StormyMailbox
from tests.simulation.told import Notebook
from tests.waiting import eventually

# A storm lasts until this much has happened, as far as it can be seen from outside; a run that comes to less proves nothing.
ENOUGH: Final = {"payments": 20, "kills": 52, "faults": 105}
LONGEST_STORM_SECONDS: Final = 150.0
SETTLES_WITHIN_SECONDS: Final = 60.0
POLL_EVERY_SECONDS: Final = 0.5
# What the worker does every few minutes to find what no event told of is brought forward to so long after the calm.
RECONCILES_AFTER_SECONDS: Final = 10.0
BROWSERS: Final = 3
# A debit is under way for five of these.
BANK_DAY_SECONDS: Final = 0.4
FAULTY_SHARE: Final = 0.35
# Kills come at any moment, but so that some work is done between them; see Killer.
KILL_EVERY: Final = (0.02, 0.3)
KILL_SERVER_EVERY: Final = (4.0, 9.0)
# The rest of the server's kills are of one of its processes.
WHOLE_SERVER_SHARE: Final = 0.5


@dataclass
class Report:
    """What one run did and found; `storm` is how many seconds it stormed, `settled` how many passed from the calm to the first moment
    without a violation.
    """

    seed: str
    database: str
    size: float = 1.0
    storm: float = 0.0
    payments: int = 0
    refunds: int = 0
    kills: int = 0
    server_kills: int = 0
    faults: int = 0
    calls: int = 0
    mail_faults: int = 0
    mails: int = 0
    repeated_mails: int = 0
    told_paid: int = 0
    settled: float | None = None
    violations: list[str] = field(default_factory=list)
    details: dict[str, dict[str, int] | list[str]] = field(default_factory=dict)

    @property
    def is_green(self) -> bool:
        return not self.violations

    def check_for_vacuity(self) -> None:
        for name, enough in ENOUGH.items():
            done = getattr(self, name)
            if done < enough * self.size:
                self.violations.append(f"vacuous: only {done} {name}, {enough * self.size:.0f} are wanted")


class ServerKiller:
    """Ends PostgreSQL with SIGKILL: the whole server, or one of its processes, which makes it begin anew.

    What is down comes back by `revive`, in the main thread: the kernel ends the server with the thread that started it.
    """

    def __init__(self, server: PostgresServer | None) -> None:
        self.kills = 0
        self._server = server
        self._is_down = threading.Event()

    def revive(self) -> bool:
        """Whether it is up; while processes of the killed one still hold its memory, it cannot start."""
        if self._server is not None and self._is_down.is_set():
            try:
                self._server.start()
            except RuntimeError:
                return False
            self._is_down.clear()
        return True

    def __call__(self, chance: random.Random) -> None:
        if self._server is None or self._is_down.is_set():
            return
        if chance.random() < WHOLE_SERVER_SHARE:
            self._server.kill()
            self._is_down.set()
        elif children := children_of(self._server.pid):
            with suppress(ProcessLookupError):
                os.kill(chance.choice(children), signal.SIGKILL)
        self.kills += 1


def run(seed: str, url: str, directory: Path, server: PostgresServer | None, size: float = 1.0) -> Report:
    """One seed on a fresh, migrated database, which is on `server` if there is one; it may then be killed, too.

    `size` is how much has to happen, as a share of ENOUGH. This process's settings and database become the run's.
    """
    report = Report(seed, "postgresql" if server else "sqlite", size)
    sandbox = SandboxServer(directory)
    sandbox.control("account", bank_day_seconds=BANK_DAY_SECONDS)
    proxy = FaultProxy(sandbox, seed, FAULTY_SHARE).start()
    mailbox = StormyMailbox(seed)
    port, portal_url = port_and_url()
    settings = _settings(url, portal_url, sandbox, mailbox)
    os.environ.update(SETTINGS | settings | {"STRIPE_API_BASE": sandbox.url})

    from portal.core import config, db
    from tests.simulation import world

    config.use(config.load())
    db.connect(url)
    portal = Portal(directory / "log", settings | {"STRIPE_API_BASE": proxy.url}, port)
    try:
        scene = Scene(portal_url, sandbox, world.make(seed, sandbox), Notebook(), seed)
        portal.start()
        killer = Killer(portal, lambda: proxy.calls)
        server_killer = ServerKiller(server)
        _storm(report, scene, proxy, mailbox, killer, server_killer)
        _count(report, scene, proxy, mailbox, killer)
        report.server_kills = server_killer.kills
        _settle(report, scene, mailbox)
        portal.stop()
        _reconcile_once_more(report, scene, mailbox, settings | {"STRIPE_API_BASE": sandbox.url})
        report.check_for_vacuity()
    finally:
        portal.stop()
        db.disconnect()
        mailbox.stop()
        proxy.stop()
        sandbox.stop()
    return report


def _settings(url: str, portal_url: str, sandbox: SandboxServer, mailbox: StormyMailbox) -> dict[str, str]:
    endpoint = sandbox.client.v1.webhook_endpoints.create(
        {"url": f"{portal_url}/api/webhooks/stripe", "enabled_events": ["*"], "api_version": "2026-10-28.endive"}
    )
    assert endpoint.secret is not None
    often = "1000000/minute"
    return {
        "PORTAL_DATABASE_URL": url,
        "PORTAL_BASE_URL": portal_url,
        "PORTAL_PROXIES": "1",  # each customer comes from an address of their own
        "PORTAL_API_LIMITS": f"all:{often},changes:{often},sign_in:{often},refused:{often}",
        "PORTAL_MAIL_PORT": str(mailbox.port),
        # What a storm's few people give back within minutes would else wait for a second one.
        "PORTAL_REFUND_DAY_OF_STAFF": "eur:1000000",
        "PORTAL_REFUND_DAY_OF_CUSTOMER": "eur:1000000",
        "PORTAL_REFUND_OWN_APPROVAL": "eur:1000000",
        "PORTAL_REFUND_SEARCH_SECONDS": "4",  # no Stripe makes a refund good later than this proxy's latest call
        "PORTAL_PART_PAYMENTS": "eur:1",
        "PORTAL_PAYMENT_METHODS": "card,link,apple_pay,google_pay,sepa_debit",
        "STRIPE_JS_URL": sandbox.js_url,
        "STRIPE_WEBHOOK_SECRETS": endpoint.secret,
    }


def _storm(
    report: Report,
    scene: Scene,
    proxy: FaultProxy,
    mailbox: StormyMailbox,
    killer: Killer,
    server_killer: ServerKiller,
) -> None:
    """Everything goes wrong until enough has; when this returns all is calm, and nobody asks for anything any more.

    How long that takes is the machine's business: two runs side by side do as much as one alone, only later.
    """
    chance = random.Random(f"{scene.seed}:webhooks")
    for action, share, late in (("drop", 0.25, 0), ("double", 0.25, 0), ("shuffle", 0.5, 2)):
        scene.sandbox.control("webhooks", action=action, share=share, seconds=late, seed=chance.randrange(10**9))
    clients: list[Client] = [PayingApp(scene, f"app{n}", payer) for n, payer in enumerate(scene.world.payers)]
    clients += [StaffApp(scene, f"staff{n}", token) for n, token in enumerate(scene.world.staff_tokens)]
    clients += [PayingBrowser(scene, f"browser{n}", payer) for n, payer in enumerate(scene.world.payers[:BROWSERS])]
    clients.append(DeskBrowser(scene, "desk0", scene.world.staff_emails[0], "10.98.0.1"))
    clients.append(Bank(scene, "bank", ""))
    killing: list[Repeating] = [
        Repeating("killer", scene.seed, KILL_EVERY, killer),
        Repeating("server-killer", scene.seed, KILL_SERVER_EVERY, server_killer),
    ]
    proxy.storm()
    mailbox.storm()
    began = time.monotonic()
    for client in clients:
        client.start()
    for repeating in killing:
        repeating.start()
    pause = threading.Event()
    while time.monotonic() - began < LONGEST_STORM_SECONDS:
        pause.wait(POLL_EVERY_SECONDS)
        server_killer.revive()
        done = {"payments": _charged(scene), "kills": killer.kills.total(), "faults": proxy.faults}
        if all(done[name] >= enough * report.size for name, enough in ENOUGH.items()):
            break
    report.storm = round(time.monotonic() - began, 1)
    scene.over.set()
    for repeating in killing:
        repeating.stop()
    eventually(server_killer.revive, within=30, what="PostgreSQL")
    mailbox.calm()
    proxy.calm()
    scene.sandbox.control("webhooks/clear")
    for client in clients:
        client.join()


def _charged(scene: Scene) -> int:
    """How many payments have succeeded at Stripe so far, up to the hundred that one page holds."""
    return sum(intent.status == "succeeded" for intent in scene.stripe.v1.payment_intents.list({"limit": 100}).data)


def _count(report: Report, scene: Scene, proxy: FaultProxy, mailbox: StormyMailbox, killer: Killer) -> None:
    from tests.simulation import stripe_side

    report.kills, report.faults, report.calls = killer.kills.total(), proxy.faults, proxy.calls
    report.mail_faults = mailbox.done.total()
    theirs = stripe_side.read(scene.sandbox.client)
    report.payments, report.refunds = len(theirs.succeeded), len(theirs.refunds)
    report.told_paid = scene.notebook.count("paid")
    report.details = {
        "answers": dict(scene.statuses.most_common()),
        "faults": dict(proxy.done),
        "kills": dict(killer.kills),
        "mail": dict(mailbox.done),
        "balance transactions": dict(Counter(movement.kind for movement in theirs.movements)),
        "intents": dict(Counter(intent.status for intent in theirs.intents.values())),
    }


def _settle(report: Report, scene: Scene, mailbox: StormyMailbox) -> None:
    from tests.simulation.invariants import violations

    began = time.monotonic()
    pause = threading.Event()
    reconciled = False
    while True:
        if not reconciled and time.monotonic() - began > RECONCILES_AFTER_SECONDS:
            reconciled = True
            reconcile()
        report.settled = round(time.monotonic() - began, 1)
        found = violations(scene.sandbox.client, scene.notebook.told, list(mailbox.messages))
        if not found or report.settled > SETTLES_WITHIN_SECONDS:
            break
        report.details["settled last"] = found[:5]
        pause.wait(POLL_EVERY_SECONDS)
    report.violations += found
    if report.settled > SETTLES_WITHIN_SECONDS and not found:
        report.violations.append(f"P2: the books were right only {report.settled} seconds after the calm")
    report.violations += [f"odd: {what} ({times} times)" for what, times in scene.odd.items()]
    report.mails, report.repeated_mails = len(mailbox.messages), mailbox.repeats


def reconcile() -> int:
    """A full run, as the worker's of every night but up to this moment; returns how many discrepancies are open."""
    from portal.reconciliation import service
    from portal.reconciliation.models import RunKind

    return service.execute(service.begin(RunKind.NIGHTLY, to_now=True)).open_discrepancies


def _reconcile_once_more(report: Report, scene: Scene, mailbox: StormyMailbox, settings: dict[str, str]) -> None:
    """G: the command finds no discrepancy, a second run changes no row, and every invariant still holds. Nothing else runs."""
    from tests.payments.conftest import everything
    from tests.simulation.invariants import violations

    command = [sys.executable, "-m", "flask", "--app", "wsgi", "reconcile", "--nightly", "--to-now"]
    said = subprocess.run(
        command, cwd=ROOT, env=process_environment(**settings), capture_output=True, text=True, check=False
    )
    if said.returncode != 0:
        report.violations.append(f"G: flask reconcile ends with {said.returncode}: {said.stdout} {said.stderr[-1000:]}")
    before = everything()
    open_discrepancies = reconcile()
    if open_discrepancies:
        report.violations.append(f"G: a second run leaves {open_discrepancies} discrepancies")
    for table, rows in everything().items():
        if table != "reconciliations" and rows != before[table]:
            report.violations.append(f"G: a second run changed {table}")
    if report.violations:
        return
    told_and_mailed = (scene.notebook.told, list(mailbox.messages))
    report.violations += violations(scene.sandbox.client, *told_and_mailed, worker_runs=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.chaos", description=__doc__)
    parser.add_argument("seed")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--directory", type=Path, required=True, help="for the run's files; its logs stay there")
    parser.add_argument("--size", type=float, default=1.0, help="how much is to happen; 1 is the campaign's")
    given = parser.parse_args()
    end_with_clean_up_on_sigterm()
    given.directory.mkdir(parents=True, exist_ok=True)
    server = PostgresServer(given.directory, durable=True) if given.database == "postgresql" else None
    try:
        if server is None:
            url = Run(given.directory).fresh_sqlite()
        else:
            url = server.url()
            migrate(url)
        report = run(given.seed, url, given.directory, server, given.size)
    finally:
        if server is not None:
            server.stop()
    print(json.dumps(asdict(report)))  # noqa: T201
    return 0 if report.is_green else 1


if __name__ == "__main__":
    sys.exit(main())
