"""`flask customer export`: all about a customer, as a file."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext

from portal.accounts.cli import customer
from portal.core.commands import as_json_option, show_one, told_plainly
from portal.privacy import service


@customer.command("export")
@click.argument("customer_id")
@click.option(
    "--to",
    "into",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Write the ZIP into this file, which only you can read.",
)
@as_json_option
@with_appcontext
def export(customer_id: str, into: Path, *, as_json: bool) -> None:
    """Write all data about a customer, with their documents, into a ZIP.

    \b
    Example:
      flask customer export cus_01jq --to personal-data.zip
    """
    with told_plainly():
        files, missing = service.write(customer_id, into)
    show_one(
        {"customer_id": customer_id, "file": str(into), "files": files, "documents_missing": missing},
        f"{files} files are in {into}; {missing} documents are missing.",
        as_json=as_json,
    )
