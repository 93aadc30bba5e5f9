"""A whole running portal: web server, worker, sandbox and mailbox, as real processes that talk over real connections."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from deploy.dev.processes import Process, answers, end_all, free_port
from tests.forked import ForkedProcess, ForkServer
from tests.run import SETTINGS, process_environment
from tests.smtp import Mailbox

if TYPE_CHECKING:
    from stripe import StripeClient

# Two cores carry several browsers at once in a full run, in seconds.
START_SECONDS = 60.0
# Where Debian and others put libfaketime's library; this is its variant for programs with threads.
FAKETIME = ("lib/*/faketime/libfaketimeMT.so.1", "lib/faketime/libfaketimeMT.so.1", "lib64/faketime/libfaketimeMT.so.1")


class Clock:
    """What time it is for whole processes, however many of them, while they run: libfaketime reads the offset from a file.

    Waits and timeouts keep counting real seconds. Not moved are the test's own process, the browser and PostgreSQL.
    """

    def __init__(self, directory: Path) -> None:
        library = next((found for pattern in FAKETIME for found in Path("/usr").glob(pattern)), None)
        assert library is not None, "libfaketime is missing: `python3 deploy/dev/install.py dev` installs it"
        self.offset = timedelta()
        self._file = directory / "clock"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",  # the next question about the time gets the new answer
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # What it mends is no fault of ours, and with it threads that wait for each other get a tenth of their time.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",  # gunicorn's workers show by a file's time that they are alive
            "PYTHONPATH": str(Path(__file__).parent / "moved_clock"),
        }
        self.clean_up()  # after a run that was killed
        self.move()

    def move(self, *, days: float = 0, hours: float = 0, minutes: float = 0) -> None:
        """Forwards, or back with negative numbers, from where it stands; at once and for all processes."""
        self.offset += timedelta(days=days, hours=hours, minutes=minutes)
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(f"{self.offset.total_seconds():+.0f}\n")
        unfinished.replace(self._file)

    def clean_up(self) -> None:
        """Remove what libfaketime keeps in memory for a process under its number, and leaves there when it is killed.

        A later process of the same number would not start beside it.
        """
        for left in Path("/dev/shm").glob("*faketime_s*_*"):  # noqa: S108
            if not Path("/proc", left.name.rpartition("_")[2]).exists():
                left.unlink(missing_ok=True)


class SandboxServer:
    """The Stripe sandbox in a process of its own; its data last until `reset`."""

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        name = f"sandbox-{os.getpid()}"
        self.database = directory / f"{name}.db"
        self._process = Process(
            "sandbox",
            [sys.executable, "-m", "portal.sandbox", "--port", "0", "--db", self.database],
            log=directory / "log" / f"{name}.log",
            environment=process_environment(**clock.environment if clock else {}),
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

    def __init__(
        self,
        directory: Path,
        database: str,
        sandbox: SandboxServer,
        smtp: Mailbox,
        clock: Clock | None = None,
        settings: Mapping[str, str] | None = None,
        fork_server: ForkServer | None = None,
    ) -> None:
        """With a fork server its processes begin within milliseconds; one whose clock is moved cannot be forked."""
        assert clock is None or database.startswith("sqlite"), "PostgreSQL asks the machine's clock, which stays"
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
            **clock.environment if clock else {},
            **settings or {},
        )
        self._processes: dict[str, Process] = {}
        self._fork_server = fork_server

    def start(self) -> LivePortal:
        """Return when the web server and the worker are ready."""
        gunicorn = ["gunicorn", "--config", "deploy/gunicorn.conf.py", "--workers", "1"]
        web = self._spawn("web", [*gunicorn, "--bind", f"127.0.0.1:{self.port}", "wsgi:app"])
        self.start_worker()
        web.wait_until(lambda: answers(f"{self.url}/readyz"), within=START_SECONDS)
        return self

    def start_worker(self) -> None:
        worker = self._spawn("worker", ["flask", "--app", "wsgi", "worker"])
        worker.wait_until(lambda: "worker ready" in worker.said(), within=START_SECONDS)

    def stop_worker(self) -> None:
        self._processes.pop("worker").end()

    def kill_worker(self) -> None:
        """As a power cut would: what it had begun is left half done."""
        self._processes.pop("worker").kill()

    def said(self, name: str) -> str:
        """What this process ("web" or "worker") wrote since it was started last."""
        return self._processes[name].said()

    @property
    def logs(self) -> list[Path]:
        """The files with all that its processes wrote since they were started first."""
        return sorted(self._log.glob("*.log"))

    def stop(self) -> None:
        """End everything; what the processes wrote is printed, and pytest shows it when the test has failed."""
        web = self._processes.get("web")
        if web is not None:
            web.kill()  # it would wait for the browser's open connections, and has nothing to lose
        end_all(list(self._processes.values()))
        for process in self._processes.values():
            print(f"--- {process.name}\n{process.last_words(60)}")  # noqa: T201

    def _spawn(self, name: str, command: list[str]) -> Process:
        process: Process
        log = self._log / f"{name}.log"
        environment = dict(self._environment)
        if name == "web":
            environment["PORTAL_DATABASE_URL"] = environment["PORTAL_DATABASE_URL"].replace(
                "//portal_worker@", "//portal_web@"
            )
        if self._fork_server is None:
            process = Process(name, [sys.executable, "-m", *command], log=log, environment=environment)
        else:
            process = ForkedProcess(self._fork_server, name, command, log=log, environment=environment)
        self._processes[name] = process
        return process
