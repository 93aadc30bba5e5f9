"""No card number may be left behind: in a database, in a mail, in a log. Looked for after every test that has one of these."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from portal.core import card_numbers

# What PostgreSQL looks for in a first pass: as many digits as a card has, however they are parted.
_MANY_DIGITS = r"([0-9][^0-9a-zA-Z]{0,3}){13}"
# Random, of sixteen hexadecimal digits: a few in a million hold a number like a card's.
_REQUEST_ID = re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{16}\b")


def check_database(url: str) -> None:
    """Raises AssertionError for a card number in any text of any table."""
    cells = _of_sqlite(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else _of_postgresql(url)
    _check(cells)


def check_mails(messages: Iterable[EmailMessage]) -> None:
    for message in messages:
        # The boundary between its parts is a random number of 19 digits.
        said = [(name, value) for name, value in message.items() if name.lower() != "content-type"]
        _check(("a mail's headers", f"{name}: {value}") for name, value in said)
        for part in message.walk():
            if part.get_content_maintype() == "text":
                _check(("a mail", line) for line in str(part.get_content()).splitlines())


def check_log(log: Path) -> None:
    if log.is_file():
        _check((log.name, line) for line in log.read_text(errors="replace").splitlines())


def _check(texts: Iterable[tuple[str, str]]) -> None:
    for place, text in texts:
        assert not card_numbers.holds_one(_REQUEST_ID.sub("", text)), f"a card number is left in {place}: {text[:300]}"


def _of_sqlite(path: str) -> Iterator[tuple[str, str]]:
    database = sqlite3.connect(path)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # names from the database itself
            names = [column[0] for column in rows.description]
            yield from (
                (f"{table}.{name}", _text(value))
                for row in rows
                for name, value in zip(names, row, strict=True)
                if isinstance(value, str | bytes)
            )
    finally:
        database.close()


def _of_postgresql(url: str) -> Iterator[tuple[str, str]]:
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as database:
        yield from database.execute(_question(database)).fetchall()  # type: ignore[call-overload]


def _question(database: psycopg.Connection[Any]) -> str:
    """One question for all columns of text, for most databases of tests are nearly empty."""
    columns = database.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND data_type IN ('character varying', 'text', 'json', 'jsonb')"
    ).fetchall()
    return _written(frozenset((str(table), str(column)) for table, column in columns))


@cache
def _written(columns: frozenset[tuple[str, str]]) -> str:
    return " UNION ALL ".join(
        f'SELECT \'{table}.{column}\', "{column}"::text FROM "{table}" WHERE "{column}"::text ~ \'{_MANY_DIGITS}\''  # noqa: S608
        for table, column in sorted(columns)
    )


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
