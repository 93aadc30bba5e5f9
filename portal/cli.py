"""Commands for the operator: `flask migrate`, `flask worker`, `flask sandbox`, and what each feature adds."""

from __future__ import annotations

import os
import secrets
import signal
import smtplib
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from portal.accounts import access
from portal.accounts import queries as account_queries
from portal.accounts import service as accounts
from portal.accounts.models import STAFF_ROLES
from portal.content import anchors
from portal.core import audit, company_days, config, db, metrics
from portal.core.errors import PortalError
from portal.invoices import queries as invoice_queries
from portal.invoices import service as invoices
from portal.invoices import spreadsheet
from portal.invoices.drafts import USUAL_DAYS_TO_PAY, InvoiceDraft
from portal.invoices.spreadsheet import DecimalMark
from portal.jobs import workers

ROOT = Path(__file__).parent.parent


def install(app: Flask) -> None:
    for command in (migrate, worker, sandbox, staff, user, customer, invoice, audit_trail):
        app.cli.add_command(command)


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema; a second run changes nothing."""
    newest_schema()


def newest_schema() -> None:
    """Bring the database to the newest schema; a second call changes nothing."""
    from alembic import command
    from alembic.config import Config

    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations"))
    command.upgrade(alembic, "head")


@click.command()
@click.option("--threads", default=4, show_default=True, help="Jobs run side by side.")
@with_appcontext
def worker(threads: int) -> None:
    """Run the jobs until SIGTERM or SIGINT. Any number of workers may run beside each other."""
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
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=12111, show_default=True)
@click.option("--db", "database", default="var/sandbox.db", show_default=True, help="The sandbox's own SQLite file.")
@click.option("--smtp-port", type=int, help="Also take mail on this port; its inbox is a page of the sandbox.")
@click.option("--webhook-url", help="Send events here.")
@click.option("--webhook-secret", envvar="PORTAL_SANDBOX_WEBHOOK_SECRET", help="Sign them with this.")
def sandbox(
    host: str, port: int, database: str, smtp_port: int | None, webhook_url: str | None, webhook_secret: str | None
) -> None:
    """Run a stand-in for Stripe on this machine, for trying things out and for the tests."""
    try:
        from portal.sandbox.server import RefusedToStart, serve
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
        )
    except (RefusedToStart, OSError) as problem:
        raise click.ClickException(str(problem)) from problem


@click.group()
def staff() -> None:
    """The people who work here."""


@staff.command("create")
@click.argument("email")
@click.option("--name", required=True)
@click.option("--role", type=click.Choice(STAFF_ROLES), required=True)
@click.option("--language", default="", help="Of pages and mails: en, de.")
@with_appcontext
def create_staff(email: str, name: str, role: str, language: str) -> None:
    """Let someone in who works here; they choose their password by a link, which is also sent to them."""
    with _told_plainly():
        made = access.invite(email=email, name=name, role=role, language=language)
    click.echo(f"{made.user_id} may sign in as {role} after choosing a password, within seven days: {made.link}")


@staff.command("list")
@with_appcontext
def list_staff() -> None:
    """Who works here: address, role, whether they can sign in, and whether with a second factor. Parted by tabs."""
    for one in access.of_staff():
        factor = "second factor" if one.has_second_factor else "password only"
        click.echo(f"{one.email}\t{one.role}\t{one.state}\t{factor}\t{one.name}")


@staff.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice(STAFF_ROLES))
@with_appcontext
def change_role(email: str, role: str) -> None:
    """Give someone who works here another role; it holds at once. The last admin keeps theirs."""
    with _told_plainly():
        access.change_role(_user_id(email), role)
    click.echo(f"{email} is {role} from now on.")


@click.group()
def user() -> None:
    """Whoever signs in: staff and customers' people."""


@user.command("reset-second-factor")
@click.argument("email")
@with_appcontext
def reset_second_factor(email: str) -> None:
    """For someone who lost their phone and codes: they are signed out, and get in once with the code that this prints."""
    with _told_plainly():
        code = access.reset_second_factor(_user_id(email))
    if code is None:
        click.echo("There was no second factor.")
    else:
        click.echo(f"Tell them in person: after the password, this code lets them in once: {code}")


@user.command("end-access")
@click.argument("email")
@with_appcontext
def end_access(email: str) -> None:
    """Sign someone out everywhere, at once, and for good: browsers, apps, and the API keys that they made. Not the last admin."""
    with _told_plainly():
        access.end(_user_id(email))
    click.echo(f"{email} cannot sign in any more.")


@user.command("restore-access")
@click.argument("email")
@with_appcontext
def restore_access(email: str) -> None:
    """Let someone sign in again, in the role they had. API keys that were revoked stay revoked."""
    with _told_plainly():
        invited = access.restore(_user_id(email))
    how = f", after choosing a password, within seven days: {invited.link}" if invited else "."
    click.echo(f"{email} can sign in again{how}")


def _user_id(email: str) -> str:
    with db.reading() as session:
        found = account_queries.user_by_email(session, email)
    if found is None:
        raise click.ClickException(f"nobody signs in with {email}")
    return found.id


@click.group()
def customer() -> None:
    """Those who are billed."""


@customer.command("invite")
@click.argument("email")
@click.option("--name", required=True, help="The person or company that is billed.")
@click.option("--contact", default="", help="Who signs in, if it is someone else.")
@click.option("--language", default="", help="Of pages, mails and receipts: en, de.")
@click.option("--address", default="", help='Lines parted by "|".')
@click.option("--country", default="", help="Two letters: DE, AT.")
@click.option("--tax-id", default="")
@with_appcontext
def invite_customer(
    email: str, name: str, contact: str, language: str, address: str, country: str, tax_id: str
) -> None:
    """Open an account for a customer; they choose their password by a link, which is also sent to them."""
    with _told_plainly():
        made = accounts.invite_customer(
            name=name,
            email=email,
            contact=contact,
            language=language,
            address=address.replace("|", "\n"),
            country=country,
            tax_id=tax_id,
        )
    click.echo(f"{made.customer_id} may sign in after choosing a password, within seven days: {made.link}")


@click.group()
def invoice() -> None:
    """Bill customers: one invoice, or a file of them. docs/invoices.md says how."""


@invoice.command("create")
@click.option("--customer", required=True, metavar="EMAIL", help="Whom to bill.")
@click.option("--currency", required=True, help="Three letters: eur, usd, jpy.")
@click.option(
    "--line",
    "lines",
    multiple=True,
    required=True,
    metavar="TEXT",
    help='"Description;quantity;unit price;tax %"; once a line.',
)
@click.option(
    "--due", "days", type=click.IntRange(0, 1_000), default=USUAL_DAYS_TO_PAY, show_default=True, help="Days to pay."
)
@click.option("--reference", default="", help="The customer's order number or the like.")
@with_appcontext
def create_invoice(customer: str, currency: str, lines: tuple[str, ...], days: int, reference: str) -> None:
    """Issue an invoice, open from now on."""
    with _told_plainly():
        draft = InvoiceDraft(
            invoices.customer_billed_at(customer),
            currency.lower(),
            tuple(spreadsheet.line(line, currency) for line in lines),
            due_on=company_days.today() + timedelta(days=days),
            reference=reference,
        )
        issued = invoices.issue(draft)
    click.echo(f"{issued.number}: {issued.total}, due {issued.due_on}")


@invoice.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--decimal-mark", type=click.Choice([".", ","]), help="How the file writes decimals, if it is not clear.")
@click.option("--dry-run", is_flag=True, help="Check the file and import nothing.")
@with_appcontext
def import_invoices(file: BinaryIO, decimal_mark: DecimalMark | None, *, dry_run: bool) -> None:
    """Issue the invoices in a CSV file: all of them, or none when a row is wrong."""
    with _told_plainly():
        report = invoices.import_csv(file, decimal_mark=decimal_mark, dry_run=dry_run)
    for problem in report.problems:
        place = f"line {problem.line}" if problem.line else "the file"
        click.echo(f"{place}{f', {problem.column}' if problem.column else ''}: {problem.text}", err=True)
    if report.problems:
        raise click.ClickException(f"nothing was imported. Rows: {report.rows}, mistakes: {len(report.problems)}")
    for issued in report.issued:
        click.echo(f"{issued.number}: {issued.external_reference}, {issued.total}")
    did = "invoices that would be issued" if dry_run else "invoices issued"
    click.echo(f"Rows: {report.rows}, {did}: {report.fresh}, here already: {len(report.already)}")


@invoice.command("void")
@click.argument("number")
@click.option("--reason", required=True, help="For the audit trail; the customer does not see it.")
@with_appcontext
def void_invoice(number: str, reason: str) -> None:
    """Withdraw an open invoice, so that nobody owes it any longer; a second run changes nothing."""
    with _told_plainly():
        with db.reading() as session:
            found = invoice_queries.by_number(session, number)
        withdrawn = invoices.void(found.id, reason)
    click.echo(f"{withdrawn.number}: void")


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
@with_appcontext
def verify_audit(anchor_file: Path | None, mailed: tuple[str, ...]) -> None:
    """Walk the whole trail; exit status 1 when an event was edited, removed, put elsewhere or cut off, and which is the first."""
    file = anchor_file or config.current().audit_anchor_file
    try:
        anchored = anchors.together(anchors.in_file(file) if file else {}, anchors.from_mails(mailed))
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
    click.echo(f"Events: {length}, anchors: {len(anchored)}, head: {head.hash if head else audit.GENESIS}")


@audit_trail.command("anchor")
@with_appcontext
def anchor_audit() -> None:
    """Write the head of the trail down outside of the database now, as the worker does once a day."""
    file = config.current().audit_anchor_file
    with db.transaction() as session, audit.acting(audit.Actor("cli")):
        anchor = anchors.take(session)
    click.echo(f"{anchor.number}:{anchor.hash}")
    try:
        if file:
            anchors.append(anchor, file)
        anchors.send(anchor)
    except (OSError, smtplib.SMTPException) as error:
        raise click.ClickException(f"it was not written down everywhere: {error}") from error


@contextmanager
def _told_plainly() -> Iterator[None]:
    """What a command does is the operator's doing, and what goes wrong is a sentence, not a traceback."""
    try:
        with audit.acting(audit.Actor("cli")):
            yield
    except PortalError as error:
        raise click.ClickException(error.text()) from error
