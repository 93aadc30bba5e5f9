"""What a list can be narrowed by that a person narrows as they like, however many rows there are; portal.core.listed asks it.

A list lies in the order of a moment (newest or oldest first), or within a currency in the order of an amount. An index leads through it:
of what is wanted, the conditions that this index serves lead (`within`), and all others are looked at row by row (`besides`). Where there
are such others, a page looks through so many rows of the index and ends there; the next one goes on. So no combination of filters can
read a whole table, and each may be offered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, bindparam, func
from sqlalchemy.sql.base import ExecutableOption

Row = TypeVar("Row")
Condition = Callable[[], ColumnElement[bool]]
# An InstrumentedAttribute, which mypy takes for what it gives on a row where it stands in a dataclass.
MappedColumn = Any


class Sort(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    LARGEST = "largest"
    SMALLEST = "smallest"
    DUE = "due"  # the nearest deadline first


BY_AMOUNT: Final = frozenset({Sort.LARGEST, Sort.SMALLEST})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed to, and its order. `customer` is an id; `choices` are pairs such as ("status", "open").

    Days are the company's, both included. Amounts are minor units of `currency`, both included. Without a `sort` it is the newest first,
    or with amounts the largest first where an index serves that.
    """

    text: str = ""
    customer: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    currency: str = ""
    least_minor: int | None = None
    most_minor: int | None = None
    since: date | None = None
    until: date | None = None
    sort: Sort | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether it finds less than all."""
        return any((self.text, self.customer, self.choices, self.currency, self.since, self.until)) or (
            self.least_minor is not None or self.most_minor is not None
        )


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What one value of a choice asks of a row. `within` is a condition whose rows an index holds in the order of the moment, `besides`
    one that no index serves; none is needed. `also_of_customer`: an index serves `within` among the rows of one customer as well. `sort`
    is the order in which these are shown, unless another is wanted; for DUE an index holds the rows of `within` by their deadlines.
    """

    within: Condition | None = None
    besides: Condition | None = None
    also_of_customer: bool = False
    sort: Sort | None = None


@dataclass(frozen=True, slots=True)
class TextForm:
    """A form that a typed text may have. `reads` gives the parameters of the condition, or None for a text that has another form.

    `is_few`: an index finds its rows, which are few, whatever order they are in. Else each row is looked at. One that needs a
    customer is offered for the rows of one alone.
    """

    reads: Callable[[str], Mapping[str, object] | None]
    condition: Callable[[str], ColumnElement[bool]]  # for a dialect
    is_few: bool = True


def row_by_row(column: Any) -> Any:
    """The column in a condition that is looked at row by row: no index of its own tempts the database away from the one that leads."""
    return func.coalesce(column, column, type_=column.type)


def exactly(typed: str) -> Mapping[str, object] | None:
    """Of a TextForm whose condition asks for one of our or of Stripe's ids: `text`."""
    return {"text": typed} if "_" in typed and " " not in typed else None


def beginning(typed: str) -> Mapping[str, object] | None:
    """Of a TextForm for a number by its beginning, in capitals: `text`, `text_end`."""
    number = typed.upper()
    return {"text": number, "text_end": number + _LAST} if number.isascii() and " " not in number else None


_LAST: Final = "\U0010ffff"


def begins(column: Any) -> ColumnElement[bool]:
    """That a column of db.sorted_text begins with the parameter `text`, whose range ends with `text_end`: see `beginning`."""
    return and_(column >= bindparam("text"), column < bindparam("text_end"))


@dataclass(frozen=True, eq=False, slots=True)
class Listing(Generic[Row]):
    """What can be asked of the rows of a table. It has an index on (moment, row_id), with a `customer` on (customer, moment, row_id), and
    where it is `ordered_by_amount` on (currency, amount, moment, row_id). `options` are those of the rows that a page loads.
    """

    row_id: MappedColumn
    moment: MappedColumn
    customer: MappedColumn | None = None
    currency: MappedColumn | None = None
    amount: MappedColumn | None = None
    ordered_by_amount: bool = False
    deadline: MappedColumn | None = None
    choices: Mapping[str, Mapping[str, Narrowing]] = field(default_factory=dict)
    texts: tuple[TextForm, ...] = ()
    options: tuple[ExecutableOption, ...] = ()
    base: Condition | None = None
