"""One line of the table: what something of the portal costs, as a multiple of what the least of it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """`cost` is in `unit`, for the reader; `ratio` is to `beside`, measured in the same run, and must not exceed `limit`.

    `aim` is the ratio that is wanted, where the limit only holds what has been reached; `why` says why it is not had.
    """

    work: str
    cost: float
    unit: str
    ratio: float
    beside: str
    limit: float
    aim: float | None = None
    why: str = ""

    @property
    def is_within(self) -> bool:
        return self.ratio <= self.limit

    @property
    def is_wanted(self) -> bool:
        """Whether it is what is wanted, too."""
        return self.ratio <= (self.aim or self.limit)


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


def not_had(lines: Sequence[Line]) -> str:
    """The aims that were missed, each with what was reached and why, as Markdown."""
    return "\n".join(
        f"- **{line.work}**: {line.ratio:.2f} × {line.beside}, wanted {line.aim:.2f}. {line.why}".rstrip()
        for line in lines
        if line.aim is not None and not line.is_wanted
    )
