"""What one run of the tests shares among its workers: a folder, a PostgreSQL, and databases already migrated."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from deploy.dev.processes import ROOT
from tests import postgres
from tests.emptying import AsNew, Connection

TEMPLATE = "migrated"
# How many tests one PostgreSQL database serves.
USES = 40
ROOM_BYTES = 4_000_000_000
_numbers = count(1)


class Run:
    """Made by the first process of a run; its workers make their own from the same directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.templates = directory / "templates"
        self._as_new: dict[str, AsNew] = {}
        self._times_used: Counter[str] = Counter()
        self._spare: list[str] = []
        self._connections: dict[str, Connection] = {}

    @property
    def _name(self) -> str:
        """Of this process, which may have been forked from another."""
        return f"test_{os.getpid()}"

    def fresh_sqlite(self) -> str:
        """The URL of an empty, migrated SQLite database of its own."""
        template = self.directory / f"{TEMPLATE}.db"
        with self._once("sqlite"):
            if not template.exists():
                unfinished = template.with_suffix(".new")
                migrate(f"sqlite:///{unfinished}")
                with sqlite3.connect(unfinished) as connection:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.close()
                unfinished.rename(template)
        copy = self.directory / f"{self._name}_{next(_numbers)}.db"
        shutil.copyfile(template, copy)
        return f"sqlite:///{copy}"

    def fresh_postgresql(self) -> str:
        """The URL of an empty, migrated PostgreSQL database of its own, which may have served a test before."""
        name = self._spare.pop() if self._spare else self._new_postgresql()
        self._times_used[name] += 1
        return postgres.url(self._sockets, name)

    def _new_postgresql(self) -> str:
        name = f"{self._name}_{next(_numbers)}"
        with self._server() as server, self._once("postgresql"):
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
                server.execute("CREATE DATABASE unfinished")
                migrate(postgres.url(self._sockets, "unfinished"))
                with psycopg.connect(postgres.url(self._sockets, "unfinished")) as connection:
                    # Tests of plans gather statistics, which a server does by itself.
                    connection.execute(f"GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO {postgres.BOUND}")
                server.execute(f"ALTER DATABASE unfinished RENAME TO {TEMPLATE}")
            # Copying files costs a quarter of what copying through the log does.
            server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        self._as_new[name] = AsNew.of(self.connection(postgres.url(self._sockets, name)))
        return name

    def drop(self, url: str) -> None:
        """Let go of a database made here, whoever is still connected to it."""
        if url.startswith("sqlite"):
            file = Path(url.removeprefix("sqlite:///"))
            for suffix in ("", "-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)
            return
        name = _name(url)
        if self._is_as_new(name):
            self._spare.append(name)
            return
        self._connections.pop(name).close()
        with self._server() as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def end(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def connection(self, url: str) -> Connection:
        """To a PostgreSQL database made here: one that stays open from test to test, and is made again when a test has ended it."""
        name = _name(url)
        kept = self._connections.get(name)
        if kept is None or not _answers(kept):
            kept = psycopg.connect(postgres.url(self._sockets, name), autocommit=True)
            self._connections[name] = kept
        return kept

    def _is_as_new(self, name: str) -> bool:
        """Make it so, unless it was used often: removed rows keep their room in the files, and in indexes that are looked through."""
        if self._times_used[name] >= USES:
            return False
        try:
            return self._as_new[name].restore(self.connection(postgres.url(self._sockets, name)))
        except psycopg.Error:
            return False  # a test may have left it in any state, even without the table that is asked for

    @property
    def _sockets(self) -> Path:
        return self.directory / "postgresql"

    def _server(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(postgres.url(self._sockets, "postgres"), autocommit=True)

    @contextmanager
    def _once(self, what: str) -> Iterator[None]:
        """One process at a time, so that the first one makes the template and the others find it."""
        with (self.directory / f"{what}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _name(url: str) -> str:
    return url.rpartition("@/")[2].partition("?")[0]


def _answers(connection: Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _quick_folder() -> Path | None:
    """A folder in memory, where there is one with room to spare: a run makes and drops some thousand databases."""
    memory = Path("/dev/shm")  # noqa: S108
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None


class FirstProcess(Run):
    """The run as its first process holds it, with PostgreSQL as its child."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="portal-tests-", dir=_quick_folder())))
        self.directory.chmod(0o711)  # PostgreSQL may run as another user
        try:
            self._postgres = postgres.PostgresServer(self.directory)
        except BaseException:
            shutil.rmtree(self.directory)
            raise

    def end(self) -> None:
        super().end()
        self._postgres.stop()
        shutil.rmtree(self.directory)


def migrate(url: str) -> None:
    """Bring a database up to date with the command that operators use, in a process of its own."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "migrate"]
    environment = process_environment(PORTAL_DATABASE_URL=url)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"flask migrate failed:\n{done.stdout}\n{done.stderr}"


# The settings of tests; keys of the shape that Stripe gives out, worth nothing.
SETTINGS = {
    "PORTAL_ENVIRONMENT": "test",
    "PORTAL_SECRET_KEY": "a-key-for-tests-which-guards-nothing",
    "PORTAL_BASE_URL": "http://127.0.0.1:8000",
    "PORTAL_MAIL_SERVER": "127.0.0.1",
    "PORTAL_MAIL_PORT": "9",  # nobody listens there: a test that sends mail asks for the `smtp` fixture
    "PORTAL_MAIL_SENDER": "billing@portal.test",
    "PORTAL_COMPANY_NAME": "Nordlicht Energie GmbH",
    "PORTAL_COMPANY_ADDRESS": "Hafenstraße 1|20457 Hamburg|Germany",
    "PORTAL_COMPANY_TAX_ID": "DE123456789",
    "PORTAL_COMPANY_SUPPORT_EMAIL": "help@portal.test",
    "PORTAL_REFUND_UNDO_SECONDS": "0",  # a test of undoing asks for some
    "STRIPE_SECRET_KEY": "sk_test_tests",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_tests",
    "STRIPE_WEBHOOK_SECRETS": "whsec_tests",
    "STRIPE_API_BASE": "http://127.0.0.1:9",  # likewise: ask for `sandbox`
    "STRIPE_JS_URL": "http://127.0.0.1:9/v3/",
}


def process_environment(**changes: str) -> dict[str, str]:
    """The environment of a process of the portal in tests: the machine's own, these settings, and `changes`."""
    return os.environ | SETTINGS | changes
