"""What finding a misspelled word costs the databases among the words of 200,000 customers, in milliseconds, warm.

The names are made of syllables, so that there are about as many different words as customers. With BENCH_CUSTOMERS=1000000 in the
environment there are so many.
"""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, insert

from bench.lines import Line
from bench.size import Question, asked, milliseconds
from bench.timing import costs
from portal.accounts.models import Customer, CustomerWord, SpelledIn, WordTrigram, words_of
from portal.accounts.queries import similar_words
from portal.core import clock, config, db, spelling
from portal.support import search
from tests.postgres import PostgresServer
from tests.run import migrate

CUSTOMERS: Final = int(os.environ.get("BENCH_CUSTOMERS", "200000"))
MOST_MILLISECONDS: Final = 20.0
BATCH: Final = 20_000
ROUNDS: Final = 5
_SYLLABLES: Final = (
    "ba be bo da de do fa fe fo ga ge go ha he ho ja ka ke ko la le lo ma me mo na ne no pa pe po ra re ro sa se so ta te to wa we wo "
    "ber den fel gen hau ker lan mer nau rich sen ten ver win zel"
).split()
_FORMS: Final = ("GmbH", "AG", "KG", "OHG", "Ltd", "SARL")


def names(customers: int) -> Iterator[tuple[str, str]]:
    """A name and an address each, the same in every run; the first is "Bakery Sternschanze GmbH"."""
    chance = random.Random(7)  # noqa: S311  # nothing secret

    def word() -> str:
        return "".join(chance.choice(_SYLLABLES) for _ in range(chance.choice((2, 3, 3, 4))))

    yield "Bakery Sternschanze GmbH", "office@sternschanze.example"
    for number in range(1, customers):
        first, last = word(), word()
        yield f"{first} {last} {_FORMS[number % len(_FORMS)]}", f"{first}.{last}{number % 50}@{word()}.example"


def fill(connection: Connection, customers: int) -> None:
    now = clock.now()
    spelled: set[str] = set()
    numbered = enumerate(names(customers))
    while batch := list(itertools.islice(numbered, BATCH)):
        rows = [
            {"id": f"cus_{number}", "name": name, "email": email, "language": "en", "created_at": now}
            for number, (name, email) in batch
        ]
        words = [(f"cus_{number}", word) for number, of in batch for word in words_of(*of)]
        new = {word for _owner, word in words if spelling.is_spelled(word)} - spelled
        spelled |= new
        connection.execute(insert(Customer), rows)
        connection.execute(insert(CustomerWord), [{"word": word, "customer_id": owner} for owner, word in words])
        connection.execute(
            insert(WordTrigram),
            [
                {"trigram": trigram, "word": word, "spelled_in": SpelledIn.CUSTOMERS}
                for word in sorted(new)
                for trigram in spelling.trigrams(word)
            ],
        )


# What is typed, by how it is wrong, and what is meant.
TYPED: Final = {
    "two letters exchanged": ("bakrey", "bakery"),
    "a letter too many": ("bakkery", "bakery"),
    "two slips in a long word": ("stornschanse", "sternschanze"),
    "nothing like it": ("qwxzvqwx", ""),
}


def _costs() -> dict[str, float]:
    """On PostgreSQL what it needs for the statements; on SQLite, which works in this process, all that a search takes."""
    for typed, meant in TYPED.values():
        with db.reading() as session:
            words = similar_words(session, typed, 3)
        assert not meant or meant in words, (typed, words)
    asking: dict[str, Question] = {
        name: partial(similar_words, word=typed, most=3) for name, (typed, _meant) in TYPED.items()
    }
    asking["a whole search"] = partial(search.search, text="bakrey sternschanze")
    with db.engine().connect() as connection:
        if connection.dialect.name == "postgresql":
            return {name: milliseconds(connection, asked(question)) for name, question in asking.items()}
    return {name: cost * 1000 for name, cost in costs({name: _once(of) for name, of in asking.items()}, ROUNDS).items()}


def _once(question: Question) -> Callable[[], None]:
    def ask() -> None:
        with db.reading() as session:
            question(session)

    return ask


def measure(*, quick: bool) -> list[Line]:
    customers = 5_000 if quick else CUSTOMERS
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as another user
        server = PostgresServer(Path(folder))
        try:
            found = {"PostgreSQL": _of_database(server.url(), customers)}
        finally:
            db.disconnect()
            server.stop()
        found["SQLite"] = _of_database(f"sqlite:///{folder}/many.db", customers)
        db.disconnect()
    return [
        Line(f"misspelled, {database}: {name}", cost, "ms", cost / MOST_MILLISECONDS, "20 ms", 1.0)
        for database, of in found.items()
        for name, cost in of.items()
    ]


def _of_database(url: str, customers: int) -> dict[str, float]:
    migrate(url)
    config.use(config.load())
    db.connect(url)
    with db.engine().connect().execution_options(writing=True) as connection:
        fill(connection, customers)
        connection.commit()
    with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    return _costs()
