"""Commands for the operator: `flask migrate`, `flask worker`, `flask sandbox`, and what each feature adds."""

from __future__ import annotations

import os
import secrets
import signal
import smtplib
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy import Connection

from portal.content import anchors
from portal.core import audit, company_days, config, db, metrics, money, schema
from portal.core.commands import as_json_option, show_one, told_plainly, without_logs
from portal.core.errors import N_, Invalid, NotFound
from portal.documents import queries as document_queries
from portal.documents import service as documents
from portal.invoices import crediting, importing, spreadsheet, writing_off
from portal.invoices import queries as invoice_queries
from portal.invoices import service as invoices
from portal.invoices.credit_lines import Wanted
from portal.invoices.details import DETAILS
from portal.invoices.drafts import USUAL_DAYS_TO_PAY, InvoiceDraft
from portal.invoices.models import Invoice
from portal.invoices.spreadsheet import DecimalMark
from portal.jobs import workers
from portal.privacy import walls


def install(app: Flask) -> None:
    """Add the commands that belong to no feature, and have all commands but those that run on and on say no more than they mean to."""
    for command in (migrate, worker, sandbox, invoice, audit_trail):
        app.cli.add_command(command)
    for command in app.cli.commands.values():
        if command not in {worker, sandbox}:
            without_logs(command)


def asks_for_help(words: list[str]) -> bool:
    """Whether a command line of flask only wants to know what there is."""
    return Path(words[0]).name in {"flask", "__main__.py"} and (
        "--help" in words or words[-2:-1] in (["--app"], ["-A"]) or len(words) == 1
    )


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema; a second run changes nothing. It runs as the owner of the tables.

    On PostgreSQL it also gives the roles portal_web and portal_worker, where there are any, the rights that they need.

    \b
    Example:
      flask migrate
    """
    schema.migrate(_wall)


def _wall(connection: Connection) -> None:
    bound = walls.keep(connection)
    if bound is None:
        return
    if bound:
        click.echo(f"The database keeps customers apart for {', '.join(bound)}.")
    else:
        click.echo(
            "Web and worker own the tables: the database does not keep customers apart by itself. "
            "docs/how-to/deploy.md says how it does, under “Roles of the database”."
        )


@click.command()
@click.option("--threads", default=4, show_default=True, help="Jobs run side by side.")
@with_appcontext
def worker(threads: int) -> None:
    """Run the jobs until SIGTERM or SIGINT. Any number of workers may run beside each other.

    \b
    Example:
      flask worker --threads 8
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # By a thread: a second signal in the midst of `set` would wait for ever for the lock that the first one holds.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  # threads need the app itself
    # Containers may share a name and a number, and a number comes again: the letters make it one worker's alone.
    owner = f"{socket.gethostname()[:50]}:{os.getpid()}:{secrets.token_hex(4)}"
    metrics.serve()
    click.echo(f"worker ready ({owner})")
    workers.work(owner, stop, threads=threads, context=app.app_context)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="An address of this machine alone.")
@click.option("--port", default=12111, show_default=True, help="Where it answers; 0 takes a free one.")
@click.option("--db", "database", default="var/sandbox.db", show_default=True, help="The sandbox's own SQLite file.")
@click.option("--smtp-port", type=int, help="Also take mail on this port; its inbox is a page of the sandbox.")
@click.option("--webhook-url", help="Send events here.")
@click.option("--webhook-secret", envvar="PORTAL_SANDBOX_WEBHOOK_SECRET", help="Sign them with this.")
@click.option("--account", type=click.Path(path_type=Path), help="A JSON file that describes the account.")
def sandbox(
    host: str,
    port: int,
    database: str,
    smtp_port: int | None,
    webhook_url: str | None,
    webhook_secret: str | None,
    account: Path | None,
) -> None:
    """Run a stand-in for Stripe on this machine, for trying things out and for the tests.

    \b
    Example:
      flask sandbox --port 12111 --db var/sandbox.db --smtp-port 1025
    """
    try:
        from portal.sandbox.account_settings import SettingsRefused, from_file
        from portal.sandbox.server import RefusedToStart, serve
        from portal.sandbox.settings import SandboxSettings
    except ModuleNotFoundError as missing:
        raise click.ClickException("The sandbox is for development, and no part of the production image.") from missing

    try:
        serve(
            host,
            port,
            database,
            smtp_port=smtp_port,
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            stripe_key=config.current().stripe_secret_key.get_secret_value(),
            settings=from_file(account, SandboxSettings()) if account else None,
        )
    except (RefusedToStart, SettingsRefused, OSError) as problem:
        raise click.ClickException(str(problem)) from problem


@click.group()
def invoice() -> None:
    """Bill customers: one invoice, or a file of them. docs/invoices.md says how."""


def _detail_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each of portal.invoices.details."""
    for detail in reversed(DETAILS):
        command = click.option(f"--{detail.name.replace('_', '-')}", detail.name, default="", help=detail.hint)(command)
    return command


@invoice.command("create")
@click.option("--customer", required=True, metavar="EMAIL", help="Whom to bill.")
@click.option("--currency", required=True, help="Three letters: eur, usd, jpy.")
@click.option(
    "--line",
    "lines",
    multiple=True,
    required=True,
    metavar="TEXT",
    help='"Description;quantity;unit price;tax %"; once a line. A unit may follow the quantity: 1.5 HUR; a discount the price: 90 -10%.',
)
@click.option(
    "--due", "days", type=click.IntRange(0, 1_000), default=USUAL_DAYS_TO_PAY, show_default=True, help="Days to pay."
)
@click.option(
    "--supplied-from", default="", metavar="DAY", help="The day of supply, or the first of a period: 2026-11-01."
)
@click.option("--supplied-to", default="", metavar="DAY", help="The last day of a period.")
@click.option("--discount", default="", help="Off the sum of the lines: 10%, or an amount.")
@click.option("--discount-reason", default="", help="Why; the customer reads it.")
@_detail_options
@as_json_option
@with_appcontext
def create_invoice(
    customer: str,
    currency: str,
    lines: tuple[str, ...],
    days: int,
    supplied_from: str,
    supplied_to: str,
    discount: str,
    *,
    as_json: bool,
    **texts: Any,
) -> None:
    """Issue an invoice, open from now on.

    \b
    Example:
      flask invoice create --customer ada@example.com --currency eur --line "Consulting;2 HUR;90;19"
    """
    with told_plainly():
        draft = InvoiceDraft(
            importing.customer_billed_at(customer),
            currency.lower(),
            tuple(spreadsheet.line(line, currency) for line in lines),
            due_on=company_days.today() + timedelta(days=days),
            supplied_from=spreadsheet.day(supplied_from),
            supplied_to=spreadsheet.day(supplied_to),
            discount=replace(
                spreadsheet.discount(discount, money.exponent(currency.lower())), reason=texts.pop("discount_reason")
            ),
            **texts,
        )
        issued = invoices.issue(draft)
    show_one(_facts(issued), f"{issued.number}: {issued.total}, due {issued.due_on}", as_json=as_json)


@invoice.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--decimal-mark", type=click.Choice([".", ","]), help="How the file writes decimals, if it is not clear.")
@click.option("--dry-run", is_flag=True, help="Check the file and import nothing.")
@click.option("--no-mails", is_flag=True, help="Mail none of these invoices: their customers have them from elsewhere.")
@as_json_option
@with_appcontext
def import_invoices(
    file: BinaryIO, decimal_mark: DecimalMark | None, *, dry_run: bool, no_mails: bool, as_json: bool
) -> None:
    """Issue the invoices in a CSV file: all of them, or none when a row is wrong.

    \b
    Example:
      flask invoice import docs/examples/invoices.csv --dry-run
    """
    with told_plainly():
        report = importing.import_csv(file, decimal_mark=decimal_mark, dry_run=dry_run, mailed=not no_mails)
    for problem in report.problems:
        place = f"line {problem.line}" if problem.line else "the file"
        click.echo(f"{place}{f', {problem.column}' if problem.column else ''}: {problem.text}", err=True)
    if report.problems:
        raise click.ClickException(f"nothing was imported. Rows: {report.rows}, mistakes: {len(report.problems)}")
    if not as_json:
        for issued in report.issued:
            click.echo(f"{issued.number}: {issued.external_reference}, {issued.total}")
    did = "invoices that would be issued" if dry_run else "invoices issued"
    show_one(
        {
            "rows": report.rows,
            "dry_run": dry_run,
            "fresh": report.fresh,
            "already": len(report.already),
            "issued": [_facts(issued) for issued in report.issued],
        },
        f"Rows: {report.rows}, {did}: {report.fresh}, here already: {len(report.already)}",
        as_json=as_json,
    )


def _facts(invoice: Invoice) -> dict[str, Any]:
    """An invoice for programs: its total in minor units."""
    return {
        "id": invoice.id,
        "number": invoice.number,
        "status": invoice.status,
        "external_reference": invoice.external_reference,
        "total": invoice.total_minor,
        "currency": invoice.currency,
        "due_on": invoice.due_on.isoformat(),
    }


@invoice.command("void")
@click.argument("number")
@click.option("--reason", required=True, help="For the audit trail; the customer does not see it.")
@as_json_option
@with_appcontext
def void_invoice(number: str, reason: str, *, as_json: bool) -> None:
    """Withdraw an open invoice, so that nobody owes it any longer; a second run changes nothing.

    \b
    Example:
      flask invoice void INV-2026-000042 --reason "Billed twice"
    """
    with told_plainly():
        with db.reading() as session:
            found = invoice_queries.by_number(session, number)
        withdrawn = invoices.void(found.id, reason)
    show_one(_facts(withdrawn), f"{withdrawn.number}: void", as_json=as_json)


@invoice.command("send")
@click.argument("number")
@as_json_option
@with_appcontext
def send_invoice(number: str, *, as_json: bool) -> None:
    """Mail an invoice again, to everyone who gets the customer's invoices now. Each run sends it again.

    \b
    Example:
      flask invoice send INV-2026-000042
    """
    with told_plainly():
        with db.reading() as session:
            found = invoice_queries.by_number(session, number)
            document = document_queries.of_issued_invoice(session, found.id)
            if document is None:
                raise NotFound(N_("This invoice has no document: it was issued before invoices had one."))
            addresses = document_queries.addresses(session, document)
        documents.send_again(document.id)
    told = ", ".join(addresses)
    show_one(_facts(found) | {"sent_to": addresses}, f"{found.number}: sent to {told}", as_json=as_json)


@invoice.command("credit")
@click.argument("number")
@click.option("--reason", required=True, help="The customer reads it on the credit note.")
@click.option(
    "--line",
    "lines",
    multiple=True,
    metavar="PLACE;QUANTITY",
    help="So much of the line at this place, from 1; PLACE;;NET for a net amount of it. All that is due, if no line is named.",
)
@as_json_option
@with_appcontext
def credit_invoice(number: str, reason: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """Take back lines of an invoice that is not paid, or all that is due of it; its credit note is issued and mailed.

    From the four-eyes threshold on it is only proposed: one of the staff must approve it.

    \b
    Example:
      flask invoice credit INV-2026-000042 --reason "Returned" --line "1;0.5"
    """
    with told_plainly():
        with db.reading() as session:
            found = invoice_queries.by_number(session, number)
        wanted = [_credited_line(text, found.currency) for text in lines] or None
        made = crediting.credit(found.id, None, reason=reason, lines=wanted)
        with db.reading() as session:
            found = invoice_queries.by_number(session, number)
    told = _facts(found) | {"credit": made.id, "credit_status": made.status, "credited": made.amount_minor}
    show_one(told, f"{found.number}: {made.amount} {made.status}, {found.amount_due} due", as_json=as_json)


@invoice.command("write-off")
@click.argument("number")
@click.option("--reason", required=True, help="For the audit trail; the customer does not see it.")
@as_json_option
@with_appcontext
def write_off_invoice(number: str, reason: str, *, as_json: bool) -> None:
    """Propose to write off what is due of an invoice and will not come: one of the staff must approve it.

    \b
    Example:
      flask invoice write-off INV-2026-000042 --reason "Insolvent, file 12 IN 345/26"
    """
    with told_plainly():
        with db.reading() as session:
            found = invoice_queries.by_number(session, number)
        made = writing_off.propose(found.id, None, reason=reason)
    told = _facts(found) | {"write_off": made.id, "write_off_status": made.status, "amount": made.amount_minor}
    show_one(told, f"{found.number}: {made.amount} {made.status}", as_json=as_json)


def _credited_line(text: str, currency: str) -> Wanted:
    """ "1;0.5" or "1;;20.00". Raises Invalid."""
    place, quantity, net = (*(part.strip() for part in text.split(";")), "", "")[:3]
    try:
        return Wanted(
            int(place),
            spreadsheet.scaled(quantity, 3, ".") if quantity else None,
            spreadsheet.scaled(net, money.exponent(currency), ".") if net else None,
        )
    except ValueError as error:
        raise Invalid(N_("Please write a line as PLACE;QUANTITY, or as PLACE;;NET."), field="lines") from error


@click.group("audit")
def audit_trail() -> None:
    """The audit trail: whether anybody has tampered with it. docs/how-to/verify-the-audit-trail.md says what to do then."""


@audit_trail.command("verify")
@click.option(
    "--anchor-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Hold the trail against these anchors.  [default: PORTAL_AUDIT_ANCHOR_FILE]",
)
@click.option("--anchor", "mailed", multiple=True, metavar="NUMBER:HASH", help="And against one from a mail.")
@as_json_option
@with_appcontext
def verify_audit(anchor_file: Path | None, mailed: tuple[str, ...], *, as_json: bool) -> None:
    """Check the whole trail; exit status 1 when an event was edited, removed, put elsewhere or cut off, and which is the first.

    \b
    Example:
      flask audit verify
      flask audit verify --anchor 1204:9f86d081
    """
    file = anchor_file or config.current().audit_anchor_file
    try:
        anchored = anchors.merged(anchors.in_file(file) if file else {}, anchors.from_mails(mailed))
    except (anchors.BadAnchor, OSError) as error:
        raise click.ClickException(str(error)) from error
    with db.reading() as session:
        head = session.get(audit.AuditHead, audit.HEAD_ID)
        length = head.number if head else 0
        hidden = length < audit.STRIDE or not sys.stderr.isatty()
        with click.progressbar(length=length, label="Checking", file=sys.stderr, hidden=hidden) as bar:
            broken = audit.verify(session, anchored, bar.update)
    if broken:
        raise click.ClickException(broken)
    newest = head.hash if head else audit.GENESIS
    show_one(
        {"events": length, "anchors": len(anchored), "head": newest},
        f"Events: {length}, anchors: {len(anchored)}, head: {newest}",
        as_json=as_json,
    )


@audit_trail.command("anchor")
@as_json_option
@with_appcontext
def anchor_audit(*, as_json: bool) -> None:
    """Write the head of the trail down outside of the database now, as the worker does once a day.

    \b
    Example:
      flask audit anchor
    """
    file = config.current().audit_anchor_file
    with db.transaction() as session, audit.acting(audit.Actor("cli")):
        anchor = anchors.take(session)
    show_one({"number": anchor.number, "hash": anchor.hash}, f"{anchor.number}:{anchor.hash}", as_json=as_json)
    try:
        if file:
            anchors.append(anchor, file)
        anchors.send(anchor)
    except (OSError, smtplib.SMTPException) as error:
        raise click.ClickException(f"it was not written down everywhere: {error}") from error
