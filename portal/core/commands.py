"""What all commands of the operator share: sentences instead of tracebacks, tables for people, JSON for programs, no log lines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

import click

from portal.core import audit
from portal.core.errors import PortalError

# Commands are made once a process, and applications several times.
_QUIET: Final[set[click.Command]] = set()

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@contextmanager
def told_plainly() -> Iterator[None]:
    """What a command does is the operator's doing, and what goes wrong is a sentence, not a traceback."""
    try:
        with audit.acting(audit.Actor("cli")):
            yield
    except PortalError as error:
        raise click.ClickException(error.text()) from error


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows of the same columns: as a table, the names of the columns above, or as a list of objects."""
    if as_json:
        click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
    elif rows:
        cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for line in cells:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_one(facts: Mapping[str, Any], sentence: str, *, as_json: bool) -> None:
    """Print what came of a command: a sentence, or its facts as one object."""
    click.echo(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else sentence)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def without_logs(command: click.Command) -> None:
    """Have a command, or each of a group's, log warnings and errors only: what it says is for the one who typed it.

    Logs go to standard error in any case. PORTAL_LOG_LEVEL=DEBUG shows all of them.
    """
    if isinstance(command, click.Group):
        for child in command.commands.values():
            without_logs(child)
    callback = command.callback
    if callback is None or command in _QUIET:
        return
    _QUIET.add(command)

    @wraps(callback)
    def quiet(*words: Any, **options: Any) -> Any:
        root = logging.getLogger()
        before = root.level
        root.setLevel(logging.WARNING if before == logging.INFO else before)
        try:
            return callback(*words, **options)
        finally:
            root.setLevel(before)

    command.callback = quiet
