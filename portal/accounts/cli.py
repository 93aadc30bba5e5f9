"""`flask staff`, `flask user` and `flask customer`: who may sign in."""

from __future__ import annotations

from typing import BinaryIO

import click
from flask.cli import with_appcontext

from portal.accounts import access, importing
from portal.accounts import service as accounts
from portal.core import db, languages
from portal.core.commands import as_json_option, show, show_one, told_plainly
from portal.core.permissions import STAFF_ROLES
from portal.identity import queries as account_queries


@click.group()
def staff() -> None:
    """The people who work here."""


@staff.command("create")
@click.argument("email")
@click.option("--name", required=True, help="As colleagues and customers read it.")
@click.option(
    "--role", type=click.Choice([role.value for role in STAFF_ROLES]), required=True, help="What they may do."
)
@click.option("--language", default="", help=f"Of pages and mails: {', '.join(languages.shipped())}.")
@as_json_option
@with_appcontext
def create_staff(email: str, name: str, role: str, language: str, *, as_json: bool) -> None:
    """Let someone in who works here; they choose their password by a link, which is also sent to them.

    \b
    Example:
      flask staff create ada@example.com --name "Ada Example" --role admin
    """
    with told_plainly():
        made = access.invite(email=email, name=name, role=role, language=language)
    show_one(
        {"user_id": made.user_id, "email": email, "role": role, "link": made.link},
        f"{made.user_id} may sign in as {role} after choosing a password, within seven days: {made.link}",
        as_json=as_json,
    )


@staff.command("list")
@as_json_option
@with_appcontext
def list_staff(*, as_json: bool) -> None:
    """Who works here: address, name, role, whether they can sign in, and whether with a second factor.

    \b
    Example:
      flask staff list
      flask staff list --json
    """
    rows = [
        {
            "email": one.email,
            "name": one.name,
            "role": one.role,
            "status": one.status,
            "second_factor": one.has_second_factor,
        }
        for one in access.of_staff()
    ]
    show(rows, as_json=as_json)


@staff.command("role")
@click.argument("email")
@click.argument("role", type=click.Choice([role.value for role in STAFF_ROLES]))
@as_json_option
@with_appcontext
def change_role(email: str, role: str, *, as_json: bool) -> None:
    """Give someone who works here another role; it holds at once. The last admin keeps theirs.

    \b
    Example:
      flask staff role ada@example.com approver
    """
    with told_plainly():
        access.change_role(_user_id(email), role)
    show_one({"email": email, "role": role}, f"{email} is {role} from now on.", as_json=as_json)


@click.group()
def user() -> None:
    """Whoever signs in: staff and customers' people."""


@user.command("reset-second-factor")
@click.argument("email")
@as_json_option
@with_appcontext
def reset_second_factor(email: str, *, as_json: bool) -> None:
    """For someone who lost their phone and codes: they are signed out, and get in once with the code that this prints.

    \b
    Example:
      flask user reset-second-factor ada@example.com
    """
    with told_plainly():
        code = access.reset_second_factor(_user_id(email))
    told = f"Tell them in person: after the password, this code lets them in once: {code}"
    show_one({"email": email, "code": code}, told if code else "There was no second factor.", as_json=as_json)


@user.command("end-access")
@click.argument("email")
@as_json_option
@with_appcontext
def end_access(email: str, *, as_json: bool) -> None:
    """Sign someone out everywhere, at once, and for good: browsers, apps, and the API keys that they made. Not the last admin.

    \b
    Example:
      flask user end-access ada@example.com
    """
    with told_plainly():
        access.end(_user_id(email))
    show_one({"email": email, "access": "ended"}, f"{email} cannot sign in any more.", as_json=as_json)


@user.command("restore-access")
@click.argument("email")
@as_json_option
@with_appcontext
def restore_access(email: str, *, as_json: bool) -> None:
    """Let someone sign in again, in the role they had. API keys that were revoked stay revoked.

    \b
    Example:
      flask user restore-access ada@example.com
    """
    with told_plainly():
        invited = access.restore(_user_id(email))
    how = f", after choosing a password, within seven days: {invited.link}" if invited else "."
    link = invited.link if invited else None
    show_one({"email": email, "access": "active", "link": link}, f"{email} can sign in again{how}", as_json=as_json)


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
@click.option("--language", default="", help=f"Of pages, mails and receipts: {', '.join(languages.shipped())}.")
@click.option("--address", default="", help='Lines, separated by "|".')
@click.option("--country", default="", help="Two letters: DE, AT.")
@click.option("--tax-id", default="", help="As it is to appear on documents.")
@as_json_option
@with_appcontext
def invite_customer(
    email: str, name: str, contact: str, language: str, address: str, country: str, tax_id: str, *, as_json: bool
) -> None:
    """Open an account for a customer; they choose their password by a link, which is also sent to them.

    \b
    Example:
      flask customer invite ada@example.com --name "Spree Bikes GmbH" --country DE
    """
    with told_plainly():
        made = accounts.invite_customer(
            name=name,
            email=email,
            contact=contact,
            language=language,
            address=address.replace("|", "\n"),
            country=country,
            tax_id=tax_id,
        )
    show_one(
        {"customer_id": made.customer_id, "email": email, "link": made.link},
        f"{made.customer_id} may sign in after choosing a password, within seven days: {made.link}",
        as_json=as_json,
    )


@customer.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Check the file and add nobody.")
@click.option("--invite", is_flag=True, help="Mail an owner of each new customer a link to choose a password.")
@as_json_option
@with_appcontext
def import_customers(file: BinaryIO, *, dry_run: bool, invite: bool, as_json: bool) -> None:
    """Add the customers in a CSV file: all of them, or none when a row is wrong. Who is here already stays as they are.

    \b
    Example:
      flask customer import docs/examples/customers.csv --dry-run
    """
    with told_plainly():
        report = importing.import_csv(file, dry_run=dry_run, is_invited=invite)
    for problem in report.problems:
        place = f"line {problem.line}" if problem.line else "the file"
        click.echo(f"{place}{f', {problem.column}' if problem.column else ''}: {problem.text}", err=True)
    if report.problems:
        raise click.ClickException(f"nobody was added. Rows: {report.rows}, mistakes: {len(report.problems)}")
    did = "customers who would be added" if dry_run else "customers added"
    show_one(
        {
            "rows": report.rows,
            "dry_run": dry_run,
            "fresh": len(report.new),
            "already": len(report.already),
            "made": [{"id": one.id, "email": one.email, "external_id": one.external_id} for one in report.made],
        },
        f"Rows: {report.rows}, {did}: {len(report.new)}, here already: {len(report.already)}",
        as_json=as_json,
    )
