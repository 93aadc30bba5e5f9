"""`flask invoice`: what the operator types and is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import audit, db
from portal.documents.models import Document
from portal.invoices import queries
from portal.jobs import outbox
from tests.invoices.conftest import Issue
from tests.smtp import Mailbox

pytestmark = pytest.mark.database("sqlite")

ROW = "billing@bakery.example,A-1,eur,Bread,2,3.20,7"
HEADER = "customer,invoice,currency,description,quantity,unit_price,tax_rate"


def flask(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=words)


def test_one_invoice(app: Flask, customer: Customer) -> None:
    done = flask(
        app, "invoice", "create", "--customer", "Billing@bakery.example", "--currency", "EUR", "--due", "30",
        "--line", "Bread; rye;2,5;3.20;7 %", "--line", "Oven;1;99.99;19", "--reference", "PO 7",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "127.55 EUR" in done.output
    with db.reading() as session:
        owed = queries.owed(session, customer.id)
        invoice = queries.for_customer(session, owed.next_due[0].id, customer.id, with_lines=True)
        event = session.get_one(audit.AuditEvent, 2)
    assert [one.description for one in invoice.lines] == ["Bread; rye", "Oven"]
    assert invoice.reference == "PO 7"
    assert (invoice.due_on - invoice.issued_on).days == 30
    assert event.actor_kind == "cli"


def test_an_invoice_is_sent_again_when_its_document_is_made(
    app: Flask, customer: Customer, issue: Issue, smtp: Mailbox
) -> None:
    def work() -> None:
        while claimed := outbox.claim("worker", 1, lease_seconds=0):
            outbox.run(claimed[0], "worker")

    number = issue().number
    early = flask(app, "invoice", "send", number)
    assert early.exit_code == 1
    assert "It is sent as soon as it is ready." in early.output
    with app.app_context():
        work()
    done = flask(app, "invoice", "send", number)
    assert (done.exit_code, done.output) == (0, f"{number}: sent to {customer.email}\n")
    with app.app_context():
        work()
    assert [message["To"] for message in smtp.messages] == [customer.email] * 2


@pytest.mark.parametrize(
    ("customer_email", "line", "told"),
    [
        ("nobody@bakery.example", "Bread;1;5;0", "No customer has this e-mail address."),
        ("billing@bakery.example", "Bread;1;5", "description;quantity;unit price;tax rate"),
        ("billing@bakery.example", "Bread;1;five;0", "is not a number"),
        ("billing@bakery.example", "Bread;1 loaf;5;0", "is not a unit"),
        ("billing@bakery.example", "Bread;1;0.10;0", "the least that Stripe charges is 0.50 EUR"),
    ],
)
def test_a_wrong_invoice_is_told_in_a_sentence(
    app: Flask, customer: Customer, customer_email: str, line: str, told: str
) -> None:
    done = flask(app, "invoice", "create", "--customer", customer_email, "--currency", "eur", "--line", line)
    assert done.exit_code == 1
    assert told in done.output and "Traceback" not in done.output


def test_a_file_dry_then_for_good_then_again(app: Flask, customer: Customer, tmp_path: Path) -> None:
    file = tmp_path / "invoices.csv"
    file.write_text(f"{HEADER}\n{ROW}\n")
    dry = flask(app, "invoice", "import", str(file), "--dry-run")
    assert (dry.exit_code, "Rows: 1, invoices that would be issued: 1" in dry.output) == (0, True)
    done = flask(app, "invoice", "import", str(file))
    assert (done.exit_code, "A-1, 6.85 EUR" in done.output) == (0, True)
    again = flask(app, "invoice", "import", str(file))
    assert (again.exit_code, "invoices issued: 0, here already: 1" in again.output) == (0, True)


@pytest.mark.parametrize("more", [(), ("--no-mails",)], ids=["with mails", "without"])
def test_a_file_that_was_sent_elsewhere_mails_nobody(
    app: Flask, customer: Customer, tmp_path: Path, more: tuple[str, ...]
) -> None:
    file = tmp_path / "invoices.csv"
    file.write_text(f"{HEADER}\n{ROW}\n")
    assert flask(app, "invoice", "import", str(file), *more).exit_code == 0
    with db.reading() as session:
        document = session.scalars(select(Document)).one()
        issued = session.scalars(select(audit.AuditEvent).where(audit.AuditEvent.action == "invoice.issued")).one()
    assert (document.mail_waived_at is not None, issued.facts.get("mailed")) == (
        (True, False) if more else (False, None)
    )


def test_a_wrong_file_is_told_by_line_and_column(app: Flask, customer: Customer, tmp_path: Path) -> None:
    file = tmp_path / "invoices.csv"
    file.write_text(f"{HEADER}\n{ROW}\n{ROW.replace('A-1', 'A-2').replace(',2,', ',two,')}\n")
    done = flask(app, "invoice", "import", str(file))
    assert done.exit_code == 1
    assert "line 3, quantity: “two” is not a number" in done.output
    assert "nothing was imported" in done.output


def test_an_invoice_is_withdrawn_by_its_number(app: Flask, issue: Issue) -> None:
    number = issue().number
    assert flask(app, "invoice", "void", number).exit_code == 2
    for _ in range(2):
        done = flask(app, "invoice", "void", number, "--reason", "billed twice")
        assert (done.exit_code, done.output) == (0, f"{number}: void\n")
    missing = flask(app, "invoice", "void", "INV-1", "--reason", "billed twice")
    assert (missing.exit_code, "There is no invoice INV-1." in missing.output) == (1, True)
