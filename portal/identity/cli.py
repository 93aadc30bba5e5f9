"""`flask secret-key`: changing the secret key without loss. docs/how-to/rotate-keys.md is the way."""

from __future__ import annotations

from dataclasses import asdict

import click
from flask.cli import with_appcontext

from portal.core import db
from portal.core.commands import as_json_option, show, show_one
from portal.identity import resealing


@click.group("secret-key")
def secret_key() -> None:
    """See what still depends on an old secret key, and seal second factors anew under the present one."""


@secret_key.command()
@as_json_option
@with_appcontext
def status(*, as_json: bool) -> None:
    """Count by key what is kept of second factors. A key is called by eight digits, which tell nothing of it.

    \b
    Example:
      flask secret-key status
    """
    with db.reading() as session:
        rows = [asdict(kept) for kept in resealing.kept(session)]
    show(rows, as_json=as_json)


@secret_key.command()
@as_json_option
@with_appcontext
def reseal(*, as_json: bool) -> None:
    """Seal second factors anew that are kept under an accepted key. The worker does it every hour as well; a second run finds none.

    \b
    Example:
      flask secret-key reseal
    """
    number = resealing.reseal()
    show_one({"resealed": number}, f"{number} second factors were sealed anew.", as_json=as_json)
