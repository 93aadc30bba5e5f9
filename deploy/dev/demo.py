"""The demo: the portal, its worker and the Stripe sandbox on this machine, until Ctrl-C.

    .venv/bin/python -m deploy.dev.demo --port 8000

At the first start a year of invoices and payments is lived through (deploy/dev/demo_year.py). Everything is kept in var/demo, so a second
run goes on with the same data. With a Stripe test key in .env it uses
Stripe itself, and keeps its data in var/demo-stripe. Standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import IO

from deploy.dev.processes import ROOT, Died, Process, answers, end_all, free_port, is_free

PYTHON = sys.executable
FLASK = (PYTHON, "-m", "flask", "--app", "wsgi")
# Where its servers listen, and by which name browsers open them: passkeys belong to a name, and no browser takes one at an address.
LOOPBACK = "127.0.0.1"
HOST = "localhost"
# How long a process may take until it answers, in seconds: an overloaded machine starts slowly.
START_SECONDS = 90.0
# Likewise until a command has ended; living through a year takes some ten seconds.
FILL_SECONDS = 300.0
TEST_KEYS = ("sk_test_", "rk_test_")
STRIPE_SETTINGS = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRETS")

TEST_CARDS = """\
4242 4242 4242 4242  pays
4000 0025 0000 3155  asks for 3-D Secure
4000 0000 0000 0002  is declined
4000 0000 0000 9995  has not enough money
any date ahead, any three digits"""

# As deploy/dev/seed.py makes them, whose import would take longer than the rest of this program; a test holds them together.
COMPANY = "Nordlicht Energie GmbH"
TIME_ZONE = "Europe/Berlin"
PASSWORD = "correct-horse-demo"  # noqa: S105  # of a database that holds nobody's data
SIGN_INS = (
    ("alex@bakery.example", "reads German, pays in euros"),
    ("robin@studio.example", "reads English, pays in dollars"),
    ("kim@trading.example", "reads English, pays in yen and Kuwaiti dinars"),
    ("support@nordlicht.example", "works at the desk: customers, refunds, invoices"),
    ("finance@nordlicht.example", "reads the books, and changes nothing"),
    ("approver@nordlicht.example", "the second pair of eyes of large refunds"),
    ("admin@nordlicht.example", "sees the audit trail as well"),
)


class CannotStart(Exception):
    """A reason that the reader of the message can remove."""


class Stopped(Exception):
    """Somebody asked for the end."""


class Demo:
    """One demo on one port. `run` returns when it was asked to stop; `stop` may be called from a signal handler."""

    def __init__(self, port: int, own_settings: Mapping[str, str], data: Path, *, with_year: bool = True) -> None:
        self.port = port
        self._with_year = with_year
        self.url = f"http://{HOST}:{port}"
        self._own_settings = own_settings
        self.uses_stripe = bool(own_settings.get("STRIPE_SECRET_KEY"))
        self.directory = data / ("demo-stripe" if self.uses_stripe else "demo")
        self._stopping = threading.Event()
        self._processes: list[Process] = []

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        # By a thread: a second signal in the midst of `set` would wait for ever for the lock that the first one holds.
        threading.Thread(target=self._stopping.set).start()

    def run(self) -> None:
        """Start everything, say where it is, and wait. Raises CannotStart or Died; no process is left in any case."""
        self._check_stripe_settings()
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._only_one():
            if not is_free(self.port):
                raise CannotStart(f"port {self.port} is taken; choose another one: make run PORT={self.port + 10}")
            try:
                self._start()
                self._wait_for_the_end()
            except Stopped:
                print("\nStopping …", flush=True)
            finally:
                end_all(self._processes)

    def _check_stripe_settings(self) -> None:
        key = self._own_settings.get("STRIPE_SECRET_KEY", "")
        if key and not key.startswith(TEST_KEYS):
            raise CannotStart(
                "STRIPE_SECRET_KEY in .env is not a key of Stripe's test mode, and the demo charges no real cards"
            )
        missing = [name for name in STRIPE_SETTINGS if key and not self._own_settings.get(name)]
        if missing:
            raise CannotStart(
                f"with your own Stripe keys, .env needs {' and '.join(missing)} too: see docs/developers.md"
            )

    def _start(self) -> None:
        sandbox_port, smtp_port = self._port_near(self.port + 1), self._port_near(self.port + 2)
        sandbox_url = f"http://{HOST}:{sandbox_port}"
        environment = self._environment(sandbox_url, f"http://{LOOPBACK}:{sandbox_port}", smtp_port)
        self._fill(environment)
        needed: list[tuple[Process, Callable[[], bool]]] = []
        if not self.uses_stripe or "PORTAL_MAIL_SERVER" not in self._own_settings:
            sandbox = self._spawn("sandbox", self._sandbox_command(sandbox_port, smtp_port), environment)
            needed.append((sandbox, lambda: "sandbox ready" in sandbox.said()))
        gunicorn = [PYTHON, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--workers", "1"]
        web = self._spawn("web", [*gunicorn, "--bind", f"{LOOPBACK}:{self.port}", "wsgi:app"], environment)
        worker = self._spawn("worker", [*FLASK, "worker"], environment)
        needed.append((web, lambda: answers(f"{self.url}/readyz")))
        needed.append((worker, lambda: "worker ready" in worker.said()))
        for process, ready in needed:
            process.wait_until(self._unless_stopped(ready), within=START_SECONDS)
        self._welcome(sandbox_url)

    def _fill(self, environment: Mapping[str, str]) -> None:
        """Put the demo company in place, at the sandbox with the year behind it.

        A second start only brings the database to the newest schema. A year that was cut off is begun anew.
        """
        database, sandbox, begun = (self.directory / name for name in ("portal.db", "sandbox.db", "filling"))
        if begun.exists():
            for file in self.directory.glob("*.db*"):
                file.unlink()
            (self.directory / "marks.json").unlink(missing_ok=True)
            begun.unlink()
        if self.uses_stripe or not self._with_year or database.exists() or sandbox.exists():
            self._do("migrate", [*FLASK, "migrate"], environment)
            self._do("seed", [PYTHON, "-m", "deploy.dev.seed"], environment)
            return
        begun.touch()
        print("Filling the demo with a year of invoices and payments …", flush=True)
        self._do("fill", [PYTHON, "-m", "deploy.dev.demo_year", "--sandbox", sandbox], environment)
        begun.unlink()

    def _sandbox_command(self, port: int, smtp_port: int) -> list[str | Path]:
        command: list[str | Path] = [*FLASK, "sandbox", "--port", str(port), "--smtp-port", str(smtp_port)]
        command += ["--db", self.directory / "sandbox.db"]
        if not self.uses_stripe:
            command += ["--webhook-url", f"{self.url}/api/webhooks/stripe"]  # signed with PORTAL_SANDBOX_WEBHOOK_SECRET
        return command

    def _environment(self, sandbox_url: str, stripe_url: str, smtp_port: int) -> dict[str, str]:
        """The machine's environment without any portal settings of its shell, then .env's, then the demo's own.

        Browsers know the sandbox as `sandbox_url`, and the portal asks it at `stripe_url`, the address where it listens.
        """
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_", "STRIPE_"))}
        kept = kept_secrets(self.directory / "env")
        usual = {
            "PORTAL_COMPANY_NAME": COMPANY,
            "PORTAL_COMPANY_ADDRESS": "Hafenstraße 12|20457 Hamburg",
            "PORTAL_COMPANY_COUNTRY": "DE",
            "PORTAL_COMPANY_LEGAL_FORM": "Gesellschaft mit beschränkter Haftung, Sitz Hamburg",
            "PORTAL_COMPANY_REGISTER_COURT": "Amtsgericht Hamburg",
            "PORTAL_COMPANY_REGISTER_NUMBER": "HRB 123456",
            "PORTAL_COMPANY_DIRECTORS": "Jule Petersen|Tomas Brandt",
            "PORTAL_COMPANY_TAX_ID": "DE123456789",
            "PORTAL_COMPANY_IBAN": "DE02120300000000202051",
            "PORTAL_COMPANY_BIC": "BYLADEM1001",
            "PORTAL_COMPANY_BANK": "Deutsche Kreditbank",
            "PORTAL_COMPANY_SUPPORT_EMAIL": "help@nordlicht.example",
            "PORTAL_TIMEZONE": TIME_ZONE,
            "PORTAL_MAIL_SERVER": LOOPBACK,
            "PORTAL_MAIL_PORT": str(smtp_port),
            "PORTAL_MAIL_SENDER": "billing@nordlicht.example",
        }
        demo = {
            "PORTAL_ENVIRONMENT": "development",
            "PORTAL_SECRET_KEY": kept["PORTAL_SECRET_KEY"],
            "PORTAL_DATABASE_URL": f"sqlite:///{self.directory / 'portal.db'}",
            "PORTAL_MARKS_FILE": str(self.directory / "marks.json"),
            "PORTAL_BASE_URL": self.url,
        }
        if not self.uses_stripe:
            demo |= {name: kept[name] for name in STRIPE_SETTINGS}
            demo["PORTAL_SANDBOX_WEBHOOK_SECRET"] = kept["STRIPE_WEBHOOK_SECRETS"]
            demo["STRIPE_API_BASE"] = stripe_url
            demo["STRIPE_JS_URL"] = f"{sandbox_url}/v3/"
        return inherited | usual | dict(self._own_settings) | demo

    def _do(self, name: str, command: list[str | Path], environment: Mapping[str, str]) -> None:
        """Run a command to its end. Raises Died when it fails."""
        process = self._spawn(name, command, environment)
        process.wait_until(self._unless_stopped(lambda: not process.running), within=FILL_SECONDS)
        self._processes.remove(process)
        if process.status != 0:
            raise Died(f"{name} failed:\n{process.last_words()}")

    def _spawn(self, name: str, command: list[str | Path], environment: Mapping[str, str]) -> Process:
        process = Process(name, command, log=self.directory / "log" / f"{name}.log", environment=environment)
        self._processes.append(process)
        return process

    def _unless_stopped(self, condition: Callable[[], bool]) -> Callable[[], bool]:
        def asked() -> bool:
            if self._stopping.is_set():
                raise Stopped
            return condition()

        return asked

    def _wait_for_the_end(self) -> None:
        while not self._stopping.wait(0.25):
            for process in self._processes:
                if not process.running:
                    raise Died(f"{process.name} ended with status {process.status}:\n{process.last_words()}")
        raise Stopped

    def _port_near(self, wanted: int) -> int:
        """The same port as last time, so that an open page of the inbox goes on; another one when that is taken."""
        return wanted if wanted < 65536 and is_free(wanted) else free_port()

    def _only_one(self) -> IO[str]:
        """The lock of the demo's folder, held until it is closed or the process is gone."""
        lock = (self.directory / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            place = lock.read().strip()
            lock.close()
            raise CannotStart(f"the demo of this folder runs already, at {place}") from error
        lock.truncate(0)
        lock.write(self.url)
        lock.flush()
        return lock

    def _welcome(self, sandbox_url: str) -> None:
        facts = [("Portal", self.url)]
        facts.extend(
            ("Sign in as" if number == 0 else "", f"{email:<28}{who}") for number, (email, who) in enumerate(SIGN_INS)
        )
        facts.append(("Password", PASSWORD))
        if not {"PORTAL_COMPANY_NAME", "PORTAL_TIMEZONE"} & self._own_settings.keys():
            facts.append(("Company", f"{COMPANY} in Hamburg; its days and times are those of {TIME_ZONE}"))
        if "PORTAL_MAIL_SERVER" not in self._own_settings:
            facts.append(("Mail it sends", f"{sandbox_url}/_sandbox/mail"))
        if self.uses_stripe:
            facts.append(("Stripe", "your own account, in test mode"))
            facts.append(("Webhooks", f"stripe listen --forward-to {self.url}/api/webhooks/stripe"))
        else:
            facts.append(("Stripe sandbox", f"{sandbox_url}/_sandbox/"))
        facts.extend(("Test cards" if number == 0 else "", card) for number, card in enumerate(TEST_CARDS.splitlines()))
        facts.append(("Data and logs", os.path.relpath(self.directory)))
        print(*(f"  {name:<16}{value}" for name, value in facts), sep="\n")
        print("\nCtrl-C stops everything; the data stays for the next time.", flush=True)


def kept_secrets(file: Path) -> dict[str, str]:
    """The demo's own secrets, made at the first run and readable by nobody else."""
    if not file.exists():
        made = {
            "PORTAL_SECRET_KEY": secrets.token_urlsafe(48),
            "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}",
            "STRIPE_PUBLISHABLE_KEY": f"pk_test_{secrets.token_hex(16)}",
            "STRIPE_WEBHOOK_SECRETS": f"whsec_{secrets.token_hex(16)}",
        }
        unfinished = file.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text("".join(f"{name}={value}\n" for name, value in made.items()))
        unfinished.rename(file)
    return settings_in(file)


def settings_in(file: Path) -> dict[str, str]:
    """The NAME=value lines of a file; empty values, comments and a missing file give nothing."""
    found = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if equals and value and not name.startswith("#"):
            found[name.strip()] = value
    return found


def main() -> int:
    os.umask(0o077)  # databases, secrets and logs are for who runs it alone
    parser = argparse.ArgumentParser(description="Run the demo until Ctrl-C.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--settings", type=Path, default=ROOT / ".env", help="your own settings, if there are any")
    parser.add_argument("--data", type=Path, default=ROOT / "var", help="where the demo's folder is")
    parser.add_argument("--no-year", action="store_true", help="begin with open invoices alone, which is quicker")
    wanted = parser.parse_args()
    data = wanted.data.absolute()
    demo = Demo(wanted.port, settings_in(wanted.settings), data, with_year=not wanted.no_year)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, demo.stop)
    try:
        demo.run()
    except CannotStart as reason:
        print(f"Cannot start: {reason}", file=sys.stderr)
        return 2
    except Died as death:
        print(f"The demo stopped: {death}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
