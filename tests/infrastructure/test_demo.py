"""`make run`: what it starts, what it keeps, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.dev import demo as program
from deploy.dev import seed
from deploy.dev.processes import ROOT, free_port, until_the_starter_dies
from tests.processes import marked
from tests.waiting import eventually

START_SECONDS = 100.0
pytestmark = pytest.mark.timeout(300)


class Demo:
    """The supervisor as a process, and a mark in its environment by which all its descendants are found."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        self.settings = directory / "settings"
        self.mark = secrets.token_hex(8)
        self.process: subprocess.Popen[str] | None = None

    def start(self, *, with_year: bool = False) -> None:
        command = [sys.executable, "-m", "deploy.dev.demo", "--port", str(self.port)]
        command += [] if with_year else ["--no-year"]
        self.process = subprocess.Popen(
            [*until_the_starter_dies(), *command, "--data", str(self.directory), "--settings", str(self.settings)],
            cwd=ROOT,
            env=os.environ | {"DEMO_MARK": self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until_welcome(self) -> str:
        """All that it prints until it is ready; the address of the portal answers then."""
        assert self.process is not None and self.process.stdout is not None
        printed = ""
        for line in self.process.stdout:
            printed += line
            if "Ctrl-C" in line:
                return printed
        assert self.process.stderr is not None
        raise AssertionError(f"no welcome: {printed}\n{self.process.stderr.read()}")

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Its exit status and what it wrote as errors."""
        assert self.process is not None
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def left(self) -> dict[int, str]:
        """The processes that are still there, by their id."""
        return marked(f"DEMO_MARK={self.mark}")

    @property
    def worker(self) -> int:
        """The id of the worker's process."""
        return next(pid for pid, command in self.left().items() if command.rstrip().endswith("worker"))

    def flask(self, *words: str) -> str:
        """What one of the portal's commands prints, with the settings of the demo that runs."""
        pairs = Path(f"/proc/{self.worker}/environ").read_text().split("\0")
        environment = dict(pair.split("=", 1) for pair in pairs if pair)
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    def rows(self, table: str) -> int:
        return len(self._column(table, "1"))

    def states(self, table: str, column: str) -> set[object]:
        return set(self._column(table, column))

    def _column(self, table: str, column: str) -> list[object]:
        with closing(sqlite3.connect(self.directory / "demo" / "portal.db")) as connection:
            return [row[0] for row in connection.execute(f"SELECT {column} FROM {table}")]  # noqa: S608


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    try:
        yield demo
    finally:
        for pid in demo.left():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        if demo.process is not None:
            demo.process.communicate(timeout=60)


def test_demo_runs_stops_and_goes_on_where_it_was(demo: Demo) -> None:
    demo.start(with_year=True)
    welcome = demo.wait_until_welcome()
    assert f"http://localhost:{demo.port}" in welcome and "http://127.0.0.1" not in welcome, "passkeys need a name"
    assert "in Hamburg; its days and times are those of Europe/Berlin" in welcome
    with urllib.request.urlopen(f"http://localhost:{demo.port}/", timeout=10) as response:
        assert b"Nordlicht Energie" in response.read()
    kept = demo.directory / "demo" / "env"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert demo.states("refunds", "status") >= {
        "requested",
        "approved_once",
        "succeeded",
        "rejected",
        "withdrawn",
        "failed",
    }
    assert demo.states("disputes", "status") == {"needs_response", "under_review", "won", "lost", "warning_closed"}
    assert demo.rows("payment_methods") > 0 and demo.rows("documents") > 20
    told = json.loads(
        demo.flask("reconcile", "--since", str(datetime.now(UTC).date() - timedelta(days=400)), "--to-now", "--json")
    )
    assert told["open_discrepancies"] == 0 and told["counts"]["charges"] > 20
    secrets_before, rows_before = kept.read_text(), (demo.rows("users"), demo.rows("invoices"), demo.rows("payments"))
    demo.send(signal.SIGINT)
    assert demo.end() == (0, "")
    assert demo.left() == {}

    demo.start(with_year=True)
    demo.wait_until_welcome()
    assert kept.read_text() == secrets_before
    assert (demo.rows("users"), demo.rows("invoices"), demo.rows("payments")) == rows_before
    os.kill(demo.worker, signal.SIGKILL)
    status, errors = demo.end()
    assert status == 1
    assert "worker ended with status -9" in errors
    assert demo.left() == {}


def test_year_that_was_cut_off_is_begun_anew(demo: Demo) -> None:
    begun = demo.directory / "demo" / "filling"
    database = demo.directory / "demo" / "portal.db"
    demo.start(with_year=True)
    eventually(lambda: begun.exists() and database.exists(), within=START_SECONDS, what="the beginning of the year")
    demo.send(signal.SIGKILL)
    demo.end()
    eventually(lambda: not demo.left(), within=30, what="the end of all processes")
    cut_off = database.stat().st_ino
    assert begun.exists()

    demo.start()
    demo.wait_until_welcome()
    assert not begun.exists()
    assert database.stat().st_ino != cut_off
    assert demo.rows("users") == len(seed.CUSTOMERS) + len(seed.STAFF)


def test_printed_sign_ins_are_those_that_are_made() -> None:
    made = [*(customer.email for customer in seed.CUSTOMERS), *(email for email, _name, _role in seed.STAFF)]
    assert [email for email, _who in program.SIGN_INS] == made
    assert program.PASSWORD == seed.DEMO_PASSWORD


def test_killed_demo_takes_everything_along(demo: Demo) -> None:
    demo.start()
    demo.wait_until_welcome()
    demo.send(signal.SIGKILL)
    demo.end()
    eventually(lambda: not demo.left(), within=30, what="the end of all processes")


def test_stop_while_starting_leaves_nothing(demo: Demo) -> None:
    demo.start()
    eventually(lambda: len(demo.left()) > 1, within=START_SECONDS, what="the first child")
    demo.send(signal.SIGTERM)
    assert demo.end()[0] == 0
    assert demo.left() == {}


def test_taken_port_is_one_clear_line(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", demo.port)):
        demo.start()
        status, errors = demo.end()
    assert status == 2
    assert errors == f"Cannot start: port {demo.port} is taken; choose another one: make run PORT={demo.port + 10}\n"
    assert not (demo.directory / "demo" / "portal.db").exists()


def test_second_demo_of_a_folder_names_the_first(demo: Demo, tmp_path: Path) -> None:
    demo.start()
    eventually(lambda: len(demo.left()) > 1, within=START_SECONDS, what="the first child")
    second = Demo(tmp_path)
    second.start()
    status, errors = second.end()
    assert (status, errors) == (
        2,
        f"Cannot start: the demo of this folder runs already, at http://localhost:{demo.port}\n",
    )


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("STRIPE_SECRET_KEY=sk_live_key\n", "not a key of Stripe's test mode"),
        (
            "STRIPE_SECRET_KEY='sk_test_key'\nSTRIPE_PUBLISHABLE_KEY=\n",
            "needs STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRETS",
        ),
    ],
)
def test_unfit_stripe_keys_are_refused(demo: Demo, settings: str, complaint: str) -> None:
    demo.settings.write_text(settings)
    demo.start()
    status, errors = demo.end()
    assert status == 2
    assert complaint in errors
    assert errors.count("\n") == 1
