"""Which lines a kill is tried at."""

from __future__ import annotations

import pytest

from portal.core import audit, db
from portal.core.money import Money
from tests.simulation.killing import way_of

pytestmark = pytest.mark.database("sqlite")


def add() -> None:
    assert Money(1_00, "eur") + Money(2_00, "eur") == Money(3_00, "eur")


def nothing() -> None:
    """What is ready without doing anything."""


def test_lines_between_which_nothing_can_happen_are_one_moment(database: str) -> None:
    way = way_of(add, ready=nothing)
    assert len(way.lines) > 3
    assert way.moments == way.lines[:1]


def test_a_line_that_another_work_is_killed_at_leaves_its_moment_to_the_next(database: str) -> None:
    lines = way_of(add, ready=nothing).lines
    way = way_of(add, ready=nothing, known=lines[:2])
    assert (way.lines, way.moments) == (lines, lines[2:3])


def test_before_and_after_something_is_written_are_two_moments(database: str) -> None:
    def note() -> None:
        with db.transaction() as session:
            audit.record(session, "payment.started", "pay_1")

    way = way_of(note, ready=nothing)
    files = {line.file.rpartition("/")[2] for line in way.moments}
    assert {"audit.py", "db.py"} <= files
    assert 5 < len(way.moments) < len(way.lines)
