"""A whole running portal: web server, worker, sandbox and mailbox, as real processes that talk over real connections."""

from __future__ import annotations

import json
import os
import re
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from deploy.dev.processes import Process, answers, end_all, free_port
from tests.run import SETTINGS, process_environment
from tests.smtp import Mailbox

if TYPE_CHECKING:
    from stripe import StripeClient

# Two cores carry several browsers at once in a full run, in seconds.
START_SECONDS = 60.0


class SandboxServer:
    """The Stripe sandbox in a process of its own; its data last until `reset`."""

    def __init__(self, directory: Path) -> None:
        name = f"sandbox-{os.getpid()}"
        self._process = Process(
            "sandbox",
            [sys.executable, "-m", "portal.sandbox", "--port", "0", "--db", directory / f"{name}.db"],
            log=directory / "log" / f"{name}.log",
            environment=process_environment(),
        )
        try:
            self._process.wait_until(lambda: "sandbox ready on" in self._process.said(), within=START_SECONDS)
        except BaseException:
            self._process.end()
            raise
        ready = re.search(r"sandbox ready on (http://[\d.:]+)", self._process.said())
        assert ready is not None
        self.url = ready[1]
        self.js_url = f"{self.url}/v3/"

    @cached_property
    def client(self) -> StripeClient:
        """Stripe's own SDK, speaking to this sandbox with the portal's key."""
        from stripe import StripeClient

        return StripeClient(SETTINGS["STRIPE_SECRET_KEY"], base_addresses={"api": self.url})

    def control(self, name: str, **arguments: object) -> dict[str, Any]:
        """One of the sandbox's controls, such as "reset"; its page lists them all."""
        request = Request(  # noqa: S310  # our own http:// address
            f"{self.url}/_sandbox/{name}", json.dumps(arguments).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return dict(json.load(answer))

    def reset(self) -> None:
        self.control("reset")

    def stop(self) -> None:
        self._process.end()


class LivePortal:
    """The portal as it is deployed, on one database. Start and stop its parts at will; `stop` ends what is left."""

    def __init__(self, directory: Path, database: str, sandbox: SandboxServer, smtp: Mailbox) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sandbox = sandbox
        self.smtp = smtp
        self._log = directory / "log" / str(self.port)
        endpoint = sandbox.client.v1.webhook_endpoints.create(
            {"url": f"{self.url}/api/webhooks/stripe", "enabled_events": ["*"], "api_version": "2026-10-28.endive"}
        )
        assert endpoint.secret is not None
        self._environment = process_environment(
            PORTAL_DATABASE_URL=database,
            PORTAL_BASE_URL=self.url,
            PORTAL_MAIL_PORT=str(smtp.port),
            STRIPE_API_BASE=sandbox.url,
            STRIPE_JS_URL=sandbox.js_url,
            STRIPE_WEBHOOK_SECRETS=endpoint.secret,
        )
        self._processes: dict[str, Process] = {}

    def start(self) -> LivePortal:
        """Return when the web server and the worker are ready."""
        gunicorn = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--workers", "1"]
        web = self._spawn("web", [*gunicorn, "--bind", f"127.0.0.1:{self.port}", "wsgi:app"])
        self.start_worker()
        web.wait_until(lambda: answers(f"{self.url}/readyz"), within=START_SECONDS)
        return self

    def start_worker(self) -> None:
        worker = self._spawn("worker", [sys.executable, "-m", "flask", "--app", "wsgi", "worker"])
        worker.wait_until(lambda: "worker ready" in worker.said(), within=START_SECONDS)

    def stop_worker(self) -> None:
        self._processes.pop("worker").end()

    def kill_worker(self) -> None:
        """As a power cut would: what it had begun is left half done."""
        self._processes.pop("worker").kill()

    def stop(self) -> None:
        """End everything; what the processes wrote is printed, and pytest shows it when the test has failed."""
        web = self._processes.get("web")
        if web is not None:
            web.kill()  # it would wait for the browser's open connections, and has nothing to lose
        end_all(list(self._processes.values()))
        for process in self._processes.values():
            print(f"--- {process.name}\n{process.last_words(60)}")  # noqa: T201

    def _spawn(self, name: str, command: list[str]) -> Process:
        process = Process(name, command, log=self._log / f"{name}.log", environment=self._environment)
        self._processes[name] = process
        return process
