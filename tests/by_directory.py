"""Where the time of a run went: `pytest --by-directory` prints it at the end, as `make test` does."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def table(reports: Iterable[pytest.TestReport]) -> list[str]:
    """A line of Markdown for each directory below tests/, the one with the largest share first; seconds are those of all processes."""
    tests: dict[str, set[str]] = {}
    seconds: dict[str, float] = {}
    for report in reports:
        directory = report.nodeid.split("/")[1]
        tests.setdefault(directory, set()).add(report.nodeid)
        seconds[directory] = seconds.get(directory, 0) + report.duration
    whole = sum(seconds.values()) or 1
    lines = ["| directory | tests | seconds | share |", "|---|---:|---:|---:|"]
    for directory, taken in sorted(seconds.items(), key=lambda one: one[1], reverse=True):
        lines.append(f"| {directory} | {len(tests[directory]):,} | {taken:,.0f} | {taken / whole:.0%} |")
    lines.append(f"| all | {sum(map(len, tests.values())):,} | {whole:,.0f} | |")
    return lines
