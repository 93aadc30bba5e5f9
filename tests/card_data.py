"""No card number may be left behind: in a database, in a mail, in a log. Looked for after every test that has one of these.

Nor may a log hold a secret, or an e-mail address, which is the name of a person.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from portal.core import card_numbers
from tests.emptying import Connection

# What PostgreSQL looks for in a first pass: as many digits as a card has, however they are parted.
_MANY_DIGITS = r"([0-9][^0-9a-zA-Z]{0,3}){13}"
# A table in which no row was ever written has an empty file, as most have in most tests.
_COLUMNS_OF_TABLES_WITH_ROWS = """
    SELECT attrelid::regclass::text, string_agg(quote_ident(attname), ', ')
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND pg_relation_size(attrelid) > 0
    AND attnum > 0 AND NOT attisdropped AND atttypid IN ('varchar'::regtype, 'text'::regtype, 'json'::regtype, 'jsonb'::regtype)
    GROUP BY attrelid ORDER BY 1
"""
# E-mail addresses (but Stripe's own, which its SDK tells), what confirms a payment, and keys. Passwords of tests are words.
_PRIVATE = re.compile(
    r"[\w.+-]+@(?!stripe\.com)[\w-]+\.\w+|_secret_[A-Za-z0-9]|[Bb]earer [\w.-]{8}|whsec_[\w+/]{12}|[rs]k_(?:test|live)_\w{12}|pale trams"
)
# Random, of sixteen hexadecimal digits: a few in a million hold a number like a card's.
_REQUEST_ID = re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{16}\b")


def check_sqlite(file: Path) -> None:
    """Raises AssertionError for a card number in any text of any table."""
    _check(_of_sqlite(file))


def check_postgresql(connection: Connection) -> None:
    """Likewise."""
    _check(_of_postgresql(connection))


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
        lines = log.read_text(errors="replace").splitlines()
        _check((log.name, line) for line in lines)
        for line in lines:
            assert not _PRIVATE.search(line), f"a log holds what is private: {line[:600]}"


def _check(texts: Iterable[tuple[str, str]]) -> None:
    for place, text in texts:
        assert not card_numbers.holds_one(_REQUEST_ID.sub("", text)), f"a card number is left in {place}: {text[:300]}"


def _of_sqlite(file: Path) -> Iterator[tuple[str, str]]:
    database = sqlite3.connect(file)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # names from the database itself
            names = [column[0] for column in rows.description]
            yield from (
                (f"{table}.{name}", _text(value))
                for row in rows
                for name, value in zip(names, row, strict=True)
                if isinstance(value, str | bytes) and len(value) >= card_numbers.SHORTEST
            )
    finally:
        database.close()


def _of_postgresql(connection: Connection) -> Iterator[tuple[str, str]]:
    columns = connection.execute(_COLUMNS_OF_TABLES_WITH_ROWS).fetchall()
    if columns:
        yield from connection.execute(_question(columns)).fetchall()


def _question(columns: Iterable[tuple[Any, ...]]) -> str:
    """One question for all columns of text: the rows of each table once, and their columns with letters between, which part numbers."""
    return " UNION ALL ".join(
        f"SELECT '{table}', text FROM (SELECT concat_ws(' and ', {names}) AS text FROM {table}) cells WHERE text ~ '{_MANY_DIGITS}'"  # noqa: S608
        for table, names in columns
    )


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
