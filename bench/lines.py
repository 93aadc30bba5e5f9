"""One line of the table: what something of the portal costs, as a multiple of what the least of it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """`cost` is in `unit`, for the reader; `ratio` is to `beside`, measured in the same run, and must not exceed `limit`.

    `aim` is the ratio that is wanted, where the limit only holds what has been reached.
    """

    work: str
    cost: float
    unit: str
    ratio: float
    beside: str
    limit: float
    aim: float | None = None

    @property
    def is_within(self) -> bool:
        return self.ratio <= self.limit


def table(lines: Sequence[Line]) -> str:
    """As Markdown."""
    rows = [
        f"| {line.work} | {line.cost:.2f} {line.unit} | {line.ratio:.2f} × {line.beside} | {line.limit:.2f} |"
        f" {line.aim or line.limit:.2f} |"
        f" {'yes' if line.is_within else 'no'} |"
        for line in lines
    ]
    return "\n".join(
        ["| work | cost | ratio | limit | aim | within the limit |", "|---|---:|---|---:|---:|---|", *rows]
    )
