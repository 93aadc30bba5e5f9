"""The mark: how far this database has come, written down outside of it, so that one which was restored from a backup is told.

A small file of JSON, PORTAL_MARKS_FILE, holds the number and hash of the last audit event and the last number of each series of documents.
Whoever commits moves it on, right after the commit, so it is never ahead of a database that has lost nothing. Portal.recovery holds
the database against it; the numbers are those behind which new ones go on after a restore.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session

from portal.core import config

log = structlog.get_logger(__name__)

# Others may not read it: it tells how much business there is.
ONLY_WE: Final = 0o600
_PENDING: Final = "mark"


class Unreadable(ValueError):
    """The file is there and cannot be read, or is no mark: nobody can tell whether the database went back in time."""


@dataclass(slots=True)
class Mark:
    """`number` and `hash` of the last audit event, none before the first; `series` holds the last number by the series' name."""

    number: int = 0
    hash: str = ""
    series: dict[str, int] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps({"audit": {"number": self.number, "hash": self.hash}, "series": self.series}, sort_keys=True)


@dataclass(slots=True)
class _Pending:
    """What a transaction will write when it is committed; `anew` replaces the audit event whatever it was."""

    mark: Mark
    anew: bool = False


def is_kept() -> bool:
    """Whether the settings name a file."""
    return config.current().marks_file is not None


def read() -> Mark | None:
    """What the file says; None without a file. Raises Unreadable."""
    file = config.current().marks_file
    if file is None:
        return None
    try:
        return _parsed(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"{file}: {type(error).__name__}") from error


def _parsed(text: str) -> Mark:
    found = json.loads(text)
    series = {str(name): int(number) for name, number in found["series"].items()}
    return Mark(int(found["audit"]["number"]), str(found["audit"]["hash"]), series)


# Moving it on


def note_event(session: Session, number: int, digest: str) -> None:
    """The mark moves on to this audit event when the caller's transaction is committed."""
    if is_kept():
        mark = _pending(session).mark
        mark.number, mark.hash = number, digest


def note_number(session: Session, series: str, number: int) -> None:
    """Likewise the last number of a series; the mark never goes back to a lower one."""
    if is_kept():
        series_of = _pending(session).mark.series
        series_of[series] = max(number, series_of.get(series, 0))


def begin_anew(session: Session) -> None:
    """The audit event of the caller's transaction replaces the mark's, also one that this database does not have. Series stay."""
    if is_kept():
        _pending(session).anew = True


def begins_anew(session: Session) -> bool:
    """Whether `begin_anew` was called in this transaction."""
    found = session.info.get(_PENDING)
    return isinstance(found, _Pending) and found.anew


def _pending(session: Session) -> _Pending:
    found = session.info.get(_PENDING)
    if not isinstance(found, _Pending):
        found = session.info[_PENDING] = _Pending(Mark())
        event.listen(session, "after_commit", _committed, once=True)
    return found


def _committed(session: Session) -> None:
    """The commit stands whatever happens here: a mark that could not be moved is only behind."""
    pending: _Pending = session.info.pop(_PENDING)
    try:
        _advance(pending)
    except (OSError, Unreadable):
        log.exception("mark_not_moved")


def _advance(pending: _Pending) -> None:
    file = config.current().marks_file
    if file is None:
        return
    with _alone(file):
        mark, new = read() or Mark(), pending.mark
        before = mark.text()
        if new.number and (pending.anew or new.number > mark.number):
            mark.number, mark.hash = new.number, new.hash
        for name, number in new.series.items():
            mark.series[name] = max(number, mark.series.get(name, 0))
        if mark.text() != before:
            _replace(file, mark.text(), durable=bool(new.series) or pending.anew)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One writer at a time, of all processes that share the file."""
    lock = os.open(file.with_name(file.name + ".lock"), os.O_RDWR | os.O_CREAT, ONLY_WE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(file: Path, text: str, *, durable: bool) -> None:
    """Readers see the old text or the new one. After a power cut an older event is no harm, but a number given out must be there."""
    new = file.with_name(file.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, ONLY_WE)
    try:
        os.write(descriptor, text.encode())
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(file)


def facts() -> dict[str, Any]:
    """What the file says, as facts of an audit event; empty when it says nothing or cannot be read."""
    try:
        mark = read()
    except Unreadable:
        return {}
    return {} if mark is None else {"event": mark.number, "series": dict(mark.series)}
