"""What waits for staff: each package says what of its own does, in its `feature` module, and the desk's home shows all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from portal.core.money import Money

# A number beyond this is shown as "100+".
MOST_COUNTED: Final = 100


class MailKind(StrEnum):
    """What staff may have told to them by mail."""

    REFUND_REQUESTS = "refund_requests"
    SECOND_APPROVALS = "second_approvals"
    DISPUTES = "disputes"
    OUTAGES = "outages"


@dataclass(frozen=True, slots=True)
class Staff:
    """Who looks."""

    id: str
    role: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """Things of one kind that wait; those of which none does are not shown.

    `label` is a text of the catalogue, and `endpoint` with `arguments` the page where something is done about them. `number` counts up to
    MOST_COUNTED and one more. `oldest` and `newest` are since when the first and the last of them wait; `next_due` when the first of them
    must be done. `parts` are numbers and sums within, each with a text of the catalogue. `mail` is the kind of mail that tells
    of them. They stand in the order of `position`, and of the features. Where `endpoint` opens the first of them, `all_endpoint` is the
    page with all.
    """

    label: str
    icon: str
    endpoint: str
    number: int
    oldest: datetime | None = None
    newest: datetime | None = None
    next_due: datetime | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[tuple[str, int | Money], ...] = ()
    mail: MailKind | None = None
    position: int = 50
    all_endpoint: str = ""


Waiting = Callable[[Session, Staff], Iterable[Backlog]]


def counted(
    moments: Select[datetime] | Select[datetime | None],
) -> tuple[ColumnElement[Any], ColumnElement[Any], ColumnElement[Any]]:
    """How many rows a query of moments finds, up to MOST_COUNTED and one more, and the first and the last moment: parts of one question.

    The query is in the rising order of its moments.
    """
    some = moments.limit(MOST_COUNTED + 1).subquery()
    moment = some.c[0]
    number = select(func.count()).select_from(some).scalar_subquery()
    (column,) = moments.selected_columns
    newest = moments.order_by(None).order_by(column.desc()).limit(1).scalar_subquery()
    return number, select(func.min(moment)).scalar_subquery(), newest
