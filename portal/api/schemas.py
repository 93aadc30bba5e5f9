"""The shapes of what apps send and get. Each answer has exactly these keys; what is not known is null.

Amounts are whole numbers in minor units, quantities and rates decimal numbers as texts, times ISO 8601 in UTC.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MOST_ON_A_PAGE: Final = 100
LARGEST_AMOUNT: Final = 999_999_999_999

# PostgreSQL stores no NUL.
PRINTABLE: Final = r"^[^\x00]*$"


Text = Annotated[str, StringConstraints(pattern=PRINTABLE)]


def _iso_day(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("a day is written like 2026-01-31")
    return date.fromisoformat(value)


Amount = Annotated[
    int, Field(gt=0, le=LARGEST_AMOUNT, description="In minor units: 1099 is 10.99 EUR.", examples=[1099])
]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$"), Field(examples=["eur"])]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")]
# Only as ISO 8601 writes a day: pydantic takes a number for seconds since 1970, too.
Day = Annotated[date, BeforeValidator(_iso_day)]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?$"), Field(examples=["1.5"])]
Percent = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,2})?$"), Field(examples=["19"])]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,300}$")]


class Sent(BaseModel):
    """What an app sends: a key that we do not know is refused, and nothing is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Row = TypeVar("Row")


class Page(Answer, Generic[Row]):
    data: list[Row]
    has_more: bool = Field(description="Whether rows follow after these.")
    next_cursor: str | None = Field(description="The `cursor` that asks for them; null on the last page.")
    total: int | None = Field(default=None, description="How many there are in all, if that was asked for.")


class FieldError(Answer):
    field: str
    message: str


class Problem(Answer):
    """Why not (RFC 9457). Programs go by `code`; `detail` is for people, in the language that was asked for."""

    type: str
    title: str
    status: int
    code: str = Field(examples=["not_found"])
    detail: str
    request_id: str = Field(description="Names this request in our logs.")
    errors: list[FieldError]
    existing_id: str | None = Field(
        default=None, description="What is there already, where the refusal is about that; not sent otherwise."
    )


class Deleted(Answer):
    deleted: Literal[True] = True


class Queued(Answer):
    queued: Literal[True] = True
