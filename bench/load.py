"""Many customers at once, through the proxy that is shipped: python -m bench.load [--clients 64] [--seconds 60] [--hang 20]

Two web and two worker processes on PostgreSQL, behind nginx on deploy/nginx.conf where there is one. Each client has an address of its
own on this machine, looks at pages, reads lists by API and pays orders with saved cards. For some of the time Stripe takes calls and
does not answer, and one worker is killed. It fails for an answer that is an error, and for books that are not right once all is calm
(tests.simulation.invariants).

While Stripe hangs, who pays is told 503 with Retry-After where nothing was begun, or that the payment is being processed: neither is an
error.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter

from deploy.dev.processes import end_with_clean_up_on_sigterm, free_port
from tests import nginx
from tests.live import SandboxServer
from tests.postgres import PostgresServer
from tests.run import SETTINGS, migrate
from tests.simulation.processes import Portal
from tests.smtp import Mailbox

ANSWER_WITHIN_SECONDS: Final = 40
SETTLES_WITHIN_SECONDS: Final = 120
REST: Final = (0.1, 0.6)
# What a client does, and how often.
PAGES: Final = ("/", "/invoices", "/payments", "/receipts/", "/cards", "/account")
LISTS: Final = ("/api/invoices", "/api/payments/methods/list")


class _FromAddress(HTTPAdapter):
    """Connections from one address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> Any:
        return super().init_poolmanager(*args, source_address=(self._address, 0), **more)


class Customer:
    """One client: acts until all is over, and writes down what was answered."""

    def __init__(self, number: int, url: str, payer: Any, answers: Answers) -> None:
        self._chance = random.Random(f"load:{number}")  # noqa: S311  # nothing secret is drawn
        self._number, self._url, self._payer, self._answers = number, url, payer, answers
        self._orders = 0
        self._session = requests.Session()
        self._session.mount("https://", _FromAddress(f"127.0.1.{number + 1}"))
        self._session.mount("http://", _FromAddress(f"127.0.1.{number + 1}"))
        self._session.trust_env = False
        self._session.verify = False  # nobody signed the certificate
        self._session.headers["Host"] = nginx.NAME
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._answers.over.wait(self._chance.uniform(*REST)):
            drawn = self._chance.random()
            if drawn < 0.5:
                self._ask("page", "GET", self._chance.choice(PAGES), headers={"Cookie": self._payer.cookie})
            elif drawn < 0.75:
                self._ask("list", "GET", self._chance.choice(LISTS), headers=self._bearer())
            else:
                self._pay()

    def _pay(self) -> None:
        self._orders += 1
        name = f"load-{self._number}-{self._orders}"
        order = {
            "amount": self._chance.choice((9_90, 25_00, 75_50)), "currency": "eur", "description": name, "metadata": {"order": name},
            "payment_method_id": self._payer.card,
        }  # fmt: skip
        for _ in range(30):
            answer = self._ask(
                "payment",
                "POST",
                "/api/payments/process",
                json=order,
                headers=self._bearer() | {"Idempotency-Key": name},
            )
            if answer is None or answer.status_code not in {409, 503} or self._answers.over.wait(1.0):
                return

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._payer.token}"}

    def _ask(self, what: str, method: str, path: str, **request: Any) -> requests.Response | None:
        began = time.monotonic()
        try:
            answer = self._session.request(
                method, self._url + path, timeout=ANSWER_WITHIN_SECONDS, allow_redirects=False, **request
            )
        except requests.RequestException as error:
            self._answers.note(what, repr(error)[:300], time.monotonic() - began)
            return None
        code = (
            ""
            if answer.status_code < 400 or "json" not in answer.headers.get("Content-Type", "")
            else answer.json()["code"]
        )
        is_told = answer.status_code == 503 and "Retry-After" in answer.headers and what == "payment"
        self._answers.note(what, f"{answer.status_code} {code}".strip(), time.monotonic() - began, is_told=is_told)
        return answer


class Answers:
    """What all clients were answered, and in what time; `is_hanging` parts the time in which Stripe does not answer."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.is_hanging = False
        self._lock = threading.Lock()
        self.seconds: dict[tuple[str, bool], list[float]] = defaultdict(list)
        self.said = Counter[str]()
        self.errors = Counter[str]()

    def note(self, what: str, said: str, seconds: float, *, is_told: bool = False) -> None:
        with self._lock:
            self.seconds[what, self.is_hanging].append(seconds)
            self.said[f"{what}: {said}"] += 1
            is_answer = said[:1] in "23" or is_told or said.startswith(("402", "409"))
            if not is_answer:
                self.errors[f"{what}: {said}"] += 1


def _table(answers: Answers) -> Iterator[str]:
    yield f"{'what':<10}{'Stripe':<10}{'answers':>9}{'half within':>14}{'19 of 20':>12}{'slowest':>10}"
    for (what, is_hanging), seconds in sorted(answers.seconds.items()):
        most = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
        state = "hangs" if is_hanging else "answers"
        yield f"{what:<10}{state:<10}{len(seconds):>9}{median(seconds):>12.2f} s{most:>10.2f} s{max(seconds):>8.1f} s"
    yield from (f"  {times:>6} × {said}" for said, times in answers.said.most_common())


@contextmanager
def _stage(folder: Path) -> Iterator[tuple[str, SandboxServer, Portal, Mailbox, Any]]:
    """All that runs, and the customers: the address to ask, Stripe, the portal, the mailbox, and who pays."""
    with ExitStack() as stack:
        server = PostgresServer(folder)
        stack.callback(server.stop)
        migrate(server.url())
        sandbox = SandboxServer(folder)
        stack.callback(sandbox.stop)
        mailbox = Mailbox()
        stack.callback(mailbox.stop)
        port, https, http = free_port(), free_port(), free_port()
        program = nginx.binary()
        endpoint = sandbox.client.v1.webhook_endpoints.create({
            "url": f"http://127.0.0.1:{port}/api/webhooks/stripe", "enabled_events": ["*"], "api_version": "2026-10-28.endive",
        })  # fmt: skip
        base = f"http://127.0.0.1:{port}"
        settings = {
            "PORTAL_DATABASE_URL": server.url(role="portal_web"), "PORTAL_BASE_URL": base, "PORTAL_PROXIES": "1" if program else "none",
            "PORTAL_API_LIMITS": "all:1000000/minute,changes:1000000/minute,sign_in:1000000/minute,refused:1000000/minute",
            "PORTAL_MAIL_PORT": str(mailbox.port), "STRIPE_JS_URL": sandbox.js_url, "STRIPE_API_BASE": sandbox.url,
            "STRIPE_WEBHOOK_SECRETS": str(endpoint.secret),
        }  # fmt: skip
        os.environ.update(SETTINGS | settings)
        from portal.app import create_app
        from portal.core import config, db
        from tests.simulation import world

        db.connect(server.url(role="portal_worker"))
        config.use(config.load())
        made = world.make("load", sandbox)
        # Apart, for who signs in reads no other's rows from then on.
        customers = copy_context().run(lambda: _customers(create_app(config.current()), made))
        db.connect(server.url(role="portal_worker"))
        portal = Portal(folder / "log", settings, port)
        stack.callback(portal.stop)
        portal.start()
        if program is None:
            print("There is no nginx here: gunicorn is asked without a proxy.")
            yield base, sandbox, portal, mailbox, customers
            return
        proxy = nginx.start(program, folder, https=https, http=http, behind=port)
        stack.callback(proxy.kill)
        time.sleep(1)
        yield f"https://127.0.0.1:{https}", sandbox, portal, mailbox, customers


class _Payer:
    def __init__(self, token: str, cookie: str, card: str) -> None:
        self.token, self.cookie, self.card = token, cookie, card


def _customers(app: Any, made: Any) -> list[_Payer]:
    from sqlalchemy import select

    from bench.world import cookie_of
    from portal.core import db
    from portal.identity.models import User

    with db.reading() as session:
        users = {user.email: user for user in session.scalars(select(User))}
    # The first of a payer's cards is a Visa that pays.
    return [
        _Payer(payer.token, cookie_of(app, users[payer.email]), next(iter(payer.cards)))
        for payer in made.payers
        if payer.cards
    ]


def _killed(portal: Portal) -> str:
    name, pid = next(victim for victim in portal.victims() if victim[0] == "worker")
    os.kill(pid, 9)
    return f"{name} {pid} was killed"


def _settled(sandbox: SandboxServer, mailbox: Mailbox) -> list[str]:
    from tests.simulation.invariants import violations

    began = time.monotonic()
    while True:
        found = violations(sandbox.client, [], list(mailbox.messages))
        if not found or time.monotonic() - began > SETTLES_WITHIN_SECONDS:
            print(f"All was calm after {time.monotonic() - began:.0f} seconds.")
            return found
        time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hang", type=float, default=20, help="for how long Stripe does not answer; 0 for not at all")
    given = parser.parse_args()
    end_with_clean_up_on_sigterm()
    urllib3.disable_warnings()
    with tempfile.TemporaryDirectory(prefix="portal-load-") as made:
        folder = Path(made)
        folder.chmod(0o711)
        with _stage(folder) as (url, sandbox, portal, mailbox, payers):
            answers = Answers()
            clients = [Customer(n, url, payers[n % len(payers)], answers) for n in range(given.clients)]
            for client in clients:
                client.thread.start()
            third = (given.seconds - given.hang) / 2
            steps: list[tuple[float, Callable[[], object]]] = [(third, lambda: print(_killed(portal)))]
            if given.hang:
                steps += [
                    (0, lambda: sandbox.control("faults", fault="hang_before", times=1_000, seconds=given.hang)),
                    (0, lambda: setattr(answers, "is_hanging", True)),
                    (given.hang, lambda: sandbox.control("faults/clear")),
                    (0, lambda: setattr(answers, "is_hanging", False)),
                ]
            for pause, act in steps:
                time.sleep(pause)
                act()
            time.sleep(third)
            answers.over.set()
            for client in clients:
                client.thread.join(ANSWER_WITHIN_SECONDS)
            print("\n".join(_table(answers)))
            broken = _settled(sandbox, mailbox)
    wrong = [*(f"ERROR: {times} × {said}" for said, times in answers.errors.items()), *broken]
    print("\n".join(wrong) or "No error, and the books are right.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
