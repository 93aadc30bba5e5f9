"""The database: engine, base class, column types and the only places where a transaction begins and ends.

SQLite is the embedded default, PostgreSQL serves production; both behave alike behind `transaction()`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Interval,
    MetaData,
    Row,
    Select,
    String,
    and_,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg as postgresql_psycopg
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DisconnectionError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session
from sqlalchemy.types import TypeDecorator

from portal.core import clock

# A writer waits this long for another one before SQLite gives up, in milliseconds.
BUSY_TIMEOUT_MS: Final = 30_000

# What is raised while the database is away, full, or read-only, or has no connection left: its fault, and not the question's.
# PostgreSQL is read-only with an InternalError.
UNREACHABLE: Final[tuple[type[Exception], ...]] = (OperationalError, InterfaceError, InternalError, NoConnectionLeft)

# A transaction in which nothing has happened for so long is ended by PostgreSQL.
IDLE_IN_TRANSACTION: Final = "60s"
# A connection that was used within this time is taken for alive.
IDLE_SECONDS: Final = 1.0
_USED_AT: Final = "used_at"

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
# Sorts after everything else that a text may hold.
_LAST_CHARACTER: Final = "\U0010ffff"


class NestedTransaction(RuntimeError):
    """A transaction was opened inside another, or something slow was called inside one: an error of the program."""


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes with microseconds; naive ones are refused. SQLite keeps them as sortable text."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sqlite.DATETIME())  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def new_id(prefix: str) -> str:
    """A row's name, such as "pay_" and 26 characters: 48 bits of time, so that rows lie in order, and 80 random bits.

    Source: the ULID specification (layout and alphabet).
    """
    number = (int(clock.now().timestamp() * 1000) << 80) | secrets.randbits(80)
    letters = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        letters.append(_CROCKFORD[digit])
    return f"{prefix}_{''.join(reversed(letters))}"


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A CHECK that a text column holds one of these words, such as an enum's, named after the column."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=f"{column}_known")


def sorted_text(length: int) -> String:
    """The type of a text column that both databases order byte by byte, so that texts with one beginning lie side by side in an
    index of it: see begins_with. Left to itself, PostgreSQL orders as a language does, in which they do not.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def begins_with(column: Any, beginning: str) -> ColumnElement[bool]:
    """That a column of sorted_text begins so: a range of its index, with any plan and on either database."""
    return and_(column >= beginning, column < beginning + _LAST_CHARACTER)


# Whose rows may be seen by what runs here. It is changed in portal.core.reach alone, which says what the words mean.
EVERYONE: Final = "*"
REACH: Final[ContextVar[str]] = ContextVar("reach", default=EVERYONE)
_TELL_REACH: Final = "SELECT set_config('portal.reach', %(reach)s, true)"

_engine: Engine | None = None
_open: ContextVar[Session | Connection | None] = ContextVar("open_transaction", default=None)


def connect(url: str) -> Engine:
    """Use this database in this process from now on. A second call lets go of the first one's connections."""
    global _engine
    disconnect()
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})
        _prepare_sqlite(engine)
    else:
        # BEGIN is ours here, too: it tells the server in the same breath whose rows may be seen.
        engine = create_engine(url, pool_size=8, max_overflow=16, pool_timeout=4, isolation_level="AUTOCOMMIT")
        _prepare_postgresql(engine)
        _ask_idle_connections(engine)
    for prepare in _preparing:
        prepare(engine)
    _engine = engine
    return engine


_preparing: list[Callable[[Engine], None]] = []


def prepares_engines(prepare: Callable[[Engine], None]) -> Callable[[Engine], None]:
    """Call this function, too, with each engine that `connect` makes."""
    _preparing.append(prepare)
    return prepare


def _prepare_sqlite(engine: Engine) -> None:
    """WAL for readers beside one writer, FULL so that an acknowledged commit survives a power cut."""

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours: the driver would start every transaction as a reader
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A reader that turns into a writer fails at once with "database is locked"; a writer from the start waits.
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _prepare_postgresql(engine: Engine) -> None:
    """A server may be told to acknowledge before its log is on the disk; what we acknowledge survives a power cut. And a transaction in
    which nothing happens any more, because its process is frozen or gone, gives its locks back.
    """
    from portal.core import postgresql

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, args: Any, given: Any) -> Any:
        return postgresql.connect(*args, **given)

    @event.listens_for(engine, "connect")
    def _set(connection: Any, _record: Any) -> None:
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, false)"
            " WHERE current_setting('idle_in_transaction_session_timeout') = '0'",
            [IDLE_IN_TRANSACTION],
        )
        connection.commit()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") == "AUTOCOMMIT":
            return
        kind = "" if options.get("writing", True) else " ISOLATION LEVEL REPEATABLE READ READ ONLY"
        # One way to the server for both. Local to the transaction, so that it holds behind a pooler that lends connections by transaction.
        connection.exec_driver_sql(f"BEGIN{kind}; SET LOCAL portal.reach = '{_checked(REACH.get())}'")


def _checked(reach: str) -> str:
    """Raises ValueError for what could not stand in a statement as it is."""
    if not _REACH.fullmatch(reach):
        raise ValueError(f"not a reach: {reach!r}")
    return reach


_REACH: Final = re.compile(r"[*]|[A-Za-z0-9_.~-]{1,40}")


def tell_reach() -> None:
    """That the reach has changed, where a transaction is open on PostgreSQL."""
    session = _open.get()
    if session is not None and dialect_of(session) == "postgresql":
        connection = session.connection() if isinstance(session, Session) else session
        connection.exec_driver_sql(_TELL_REACH, {"reach": REACH.get()})


def _ask_idle_connections(engine: Engine) -> None:
    """A connection that has lain idle is asked whether it still lives; one that was just used is not, which saves a way to the server.

    Source: SQLAlchemy, "Custom / Legacy Pessimistic Ping".
    """

    @event.listens_for(engine, "checkin")
    def _note_use(_connection: Any, record: Any) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(connection: Any, record: Any, _borrowed: Any) -> None:
        if time.monotonic() - record.info.get(_USED_AT, time.monotonic()) < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool makes all of its connections anew


def disconnect() -> None:
    """Close the pool's connections, if there are any."""
    global _engine
    if _engine is not None:
        _engine.dispose()
        _engine = None


def after_fork() -> None:
    """In a process that was forked: none of the connections of the first one is used here, nor closed, which are still its own."""
    if _engine is not None:
        _engine.dispose(close=False)


def engine() -> Engine:
    if _engine is None:
        raise RuntimeError("no database: call db.connect(url) first")
    return _engine


@contextmanager
def transaction() -> Iterator[Session]:
    """A write transaction: all of it is durable when the block ends, or none of it.

    Raises NestedTransaction when one is open already. Nothing slow (Stripe, SMTP, a PDF) may happen inside.
    """
    refuse_inside_transaction("another transaction")
    with engine().connect().execution_options(writing=True) as connection:
        yield from _run(connection, writing=True)


@contextmanager
def reading() -> Iterator[Session]:
    """A consistent view for reading; what is changed in it is thrown away. It may stand inside nothing, like a write."""
    refuse_inside_transaction("another transaction")
    with engine().connect().execution_options(writing=False) as connection:
        yield from _run(connection, writing=False)


@contextmanager
def reading_once() -> Iterator[Session]:
    """For one question alone: on PostgreSQL without the transaction around it, which would ask the server twice more, and which alone tells
    it whose rows may be seen: of tables whose rows have owners nothing is read here. It may stand inside nothing, like a write.
    """
    refuse_inside_transaction("another transaction")
    options: dict[str, Any] = {"writing": False}
    if engine().dialect.name == "postgresql":
        options |= {"isolation_level": "AUTOCOMMIT"}
    with engine().connect().execution_options(**options) as connection:
        yield from _run(connection, writing=False)


@contextmanager
def writing_once() -> Iterator[Connection]:
    """For a write that is one statement on PostgreSQL: durable as soon as it is executed, without the two ways to the server that a
    transaction around it takes, and of a table whose rows have no owners. On SQLite it is a transaction. It may stand inside nothing, and
    has no session around it.
    """
    refuse_inside_transaction("another transaction")
    options: dict[str, Any] = {"writing": True}
    if engine().dialect.name == "postgresql":
        options |= {"isolation_level": "AUTOCOMMIT"}
    with engine().connect().execution_options(**options) as connection:
        token = _open.set(connection)
        try:
            yield connection
            connection.commit()
        finally:
            _open.reset(token)


class _ByDriver:
    """A statement that SQLAlchemy writes, once, and PostgreSQL's driver executes, without a transaction around it: what SQLAlchemy does
    around each execution costs more than the driver does. All its values are parameters with a type, and one value each.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self.statement = statement
        dialect: Dialect = postgresql_psycopg.dialect()  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._defaults = {name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required}
        processors = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
        }
        self._processors = [(name, processor) for name, processor in processors.items() if processor]
        columns = statement.selected_columns
        self.row: Any = namedtuple("Row", [str(column.key) for column in columns])  # type: ignore[misc]
        readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._readers = [(place, reader) for place, reader in enumerate(readers) if reader]

    def rows(self, values: Mapping[str, object]) -> list[Any]:
        """Raises what the driver raises; the connection is given up then."""
        prepared = self._defaults | dict(values)
        for name, process in self._processors:
            prepared[name] = process(prepared[name])
        borrowed = engine().raw_connection()
        try:
            driver: Any = borrowed.driver_connection
            for listener in engine().dispatch.before_cursor_execute:  # whoever counts what is asked hears of this, too
                listener(None, None, self._sql, prepared, None, False)
            with driver.pipeline():  # both in one way to the server, and in one transaction
                driver.execute(_TELL_REACH, {"reach": REACH.get()})
                asked = driver.execute(self._sql, prepared)
            found: list[tuple[Any, ...]] = asked.fetchall()
        except BaseException:
            borrowed.invalidate()
            raise
        borrowed.close()
        return [self.row._make(self._read(row)) for row in found]

    def _read(self, row: tuple[Any, ...]) -> Sequence[Any]:
        if not self._readers:
            return row
        values = list(row)
        for place, read in self._readers:
            values[place] = read(values[place])
        return values


class WrittenAtOnce:
    """A statement that PostgreSQL executes at once and without a transaction around it: what it writes is durable when `execute` returns.

    It bears being executed twice, for when the connection is lost nobody knows whether it was.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._prepared = _ByDriver(statement)

    def execute(self, values: dict[str, object]) -> tuple[object, ...] | None:
        """The first row of what it returns. Raises what SQLAlchemy raises. It may stand inside nothing."""
        refuse_inside_transaction("another transaction")
        try:
            rows = self._prepared.rows(values)
            return tuple(rows[0]) if rows else None
        except engine().dialect.loaded_dbapi.Error:  # SQLAlchemy meets it again, and says what it is
            with writing_once() as connection:
                found = connection.execute(self._prepared.statement, values).first()
                return None if found is None else tuple(found)


# So many different questions of this kind are asked; each is made once a process.
_prepared = lru_cache(maxsize=100)(_ByDriver)


def rows_of(statement: Select[*tuple[Any, ...]], parameters: dict[str, Any]) -> Sequence[Any]:
    """The rows that one question for columns finds, by the columns' names, as cheaply as it can be asked: without a session, and on
    PostgreSQL without a transaction and by the driver alone. For what each request asks, with a statement that is built once.

    Raises what SQLAlchemy raises. It may stand inside nothing, like a write.
    """
    refuse_inside_transaction("another transaction")
    if engine().dialect.name == "postgresql":
        try:
            return _prepared(statement).rows(parameters)
        except (
            engine().dialect.loaded_dbapi.Error
        ):  # a lost connection, mostly: SQLAlchemy takes another one, or says what it is
            pass
    with engine().connect().execution_options(writing=False) as connection:
        return connection.execute(statement, parameters).all()


def rows_in(
    session: Session, statement: Select[*tuple[Any, ...]], parameters: Mapping[str, Any]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The rows that one question for columns finds in the transaction of a session, past what a session does for rows of its own: that
    costs as much again. For what each request asks, with a statement that is built once.
    """
    session.flush()  # as the session does before it asks
    return session.connection().execute(statement, dict(parameters)).all()


def _run(connection: Any, *, writing: bool) -> Iterator[Session]:
    session = Session(bind=connection, expire_on_commit=False, autoflush=True)
    token = _open.set(session)
    try:
        yield session
        if writing:
            session.commit()
        else:
            session.expunge_all()  # a roll-back empties what it still holds, and the reader goes on with what was read
            session.rollback()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.close()
        _open.reset(token)


def refuse_inside_transaction(what: str) -> None:
    """Raise NestedTransaction when a transaction is open in this thread: called by everything slow."""
    if _open.get() is not None:
        raise NestedTransaction(f"{what} inside an open transaction")


def dialect_of(session: Session | Connection) -> str:
    """ "postgresql" or "sqlite"."""
    return (session if isinstance(session, Connection) else session.get_bind()).dialect.name


def database_now(session: Session) -> datetime:
    """The database's clock (UTC): leases and the life of keys are measured with it, so that machines need not agree.

    SQLite lives on this machine and in this process, so its clock is ours.
    """
    if session.get_bind().dialect.name == "sqlite":
        return clock.now()
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


def database_moment(session: Session | Connection, seconds: float = 0) -> Any:
    """The same clock so many seconds on, as a part of a statement, for which nobody has to ask it before: the statement begins then."""
    later = timedelta(seconds=seconds)
    if dialect_of(session) == "sqlite":
        return clock.now() + later
    return (
        func.statement_timestamp(type_=UTCDateTime()) + literal(later, Interval())
        if seconds
        else func.statement_timestamp()
    )


def inline_literals(column: InstrumentedAttribute[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """`column IN (values)` with the values in the statement itself instead of beside it.

    SQLite uses a partial index only for a condition that it can compare with the index's own when it plans, before it knows any
    value. So the condition must be the index's to the letter: the values in alphabetical order.
    Source: SQLite, "Partial Indexes", queries using partial indexes.
    """
    words = sorted(str(value) for value in values)
    if not all(word.isidentifier() for word in words):
        raise ValueError(f"no words of a status: {words}")
    return column.in_([literal_column(f"'{word}'") for word in words])


def among(column: InstrumentedAttribute[Any], values: str, dialect: str) -> ColumnElement[bool]:
    """That a text column holds one of the parameter `values`, for a question that is built once: on PostgreSQL one array, for which the
    statement need not be written anew each time.
    """
    if dialect == "postgresql":
        return column == any_(bindparam(values, type_=postgresql.ARRAY(String)))
    return column.in_(bindparam(values, expanding=True))
