"""Many seeds, some at a time: `make chaos SEEDS=200 DATABASE=both`. Prints a line a seed, and the totals.

A seed that broke a promise is printed with what it broke and how to replay it; its logs stay under var/chaos. Exit status 1 then.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from deploy.dev.processes import ROOT, end_with_clean_up_on_sigterm, until_the_starter_dies
from tests.simulation.chaos import Report

DATABASES: Final = {"sqlite": ("sqlite",), "postgresql": ("postgresql",), "both": ("sqlite", "postgresql")}
# A storm, its calm, and the starting and ending of some ten processes on a busy machine. Seconds.
LONGEST_RUN_SECONDS: Final = 480
RED: Final = ROOT / "var" / "chaos"

# What stands in the table: the report's name, the column's title and its width.
COLUMNS: Final = (
    ("payments", "payments", 8),
    ("refunds", "refunds", 7),
    ("kills", "kills", 6),
    ("server_kills", "of server", 9),
    ("faults", "faults", 7),
    ("mails", "mails", 6),
    ("repeated_mails", "repeated", 8),
    ("storm", "storm s", 7),
    ("settled", "calm in s", 9),
)


def one(seed: str, database: str, size: float = 1.0) -> Report:
    """One seed in a process of its own, in a folder that is gone afterwards, unless the seed was red."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="portal-chaos-", dir=memory if memory.is_dir() else None) as folder:
        directory = Path(folder)
        directory.chmod(0o711)  # PostgreSQL may run as another user
        command = [
            *until_the_starter_dies(),
            *(sys.executable, "-m", "tests.simulation.chaos", seed, "--database", database),
            *("--directory", folder, "--size", str(size)),
        ]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_RUN_SECONDS
            )
            report = _report(seed, database, done.stdout, done.stderr)
        except subprocess.TimeoutExpired:
            report = Report(seed, database, violations=[f"it did not end within {LONGEST_RUN_SECONDS} seconds"])
        if not report.is_green:
            _keep(report, directory)
    return report


def _report(seed: str, database: str, printed: str, complained: str) -> Report:
    lines = printed.splitlines()
    try:
        return Report(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        return Report(seed, database, violations=[f"it ended without a report: {complained.strip()[-2000:]}"])


def _keep(report: Report, directory: Path) -> None:
    kept = RED / f"{report.database}-{report.seed}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for found in (
        *directory.glob("log/*"),
        *directory.glob("*.log"),
        *directory.glob("test_*.db*"),
        *directory.glob("sandbox*.db*"),
    ):
        if found.is_file():
            shutil.copy(found, kept)
    (kept / "report.json").write_text(json.dumps(report.__dict__, indent=1))


def table(reports: Iterator[Report]) -> list[Report]:
    """Print each report as it comes, then the totals; returns them all."""
    head = f"{'seed':>6} {'database':<10} " + " ".join(f"{title:>{width}}" for _, title, width in COLUMNS) + "  broken"
    print(head, flush=True)  # noqa: T201
    seen = []
    for report in reports:
        seen.append(report)
        figures = " ".join(f"{_figure(getattr(report, name)):>{width}}" for name, _, width in COLUMNS)
        print(f"{report.seed:>6} {report.database:<10} {figures}  {len(report.violations)}", flush=True)  # noqa: T201
        for sentence in report.violations[:20]:
            print(f"       {sentence[:400]}", flush=True)  # noqa: T201
        if not report.is_green:
            replay = f"make chaos SEEDS=1 FIRST={report.seed} DATABASE={report.database}"
            print(f"       replay: {replay}    logs: var/chaos/{report.database}-{report.seed}", flush=True)  # noqa: T201
    print(_totals(seen))  # noqa: T201
    return seen


def _figure(value: object) -> str:
    return "-" if value is None else str(value)


def _totals(reports: Sequence[Report]) -> str:
    def total(name: str) -> int:
        return sum(getattr(report, name) for report in reports)

    settled = sorted(report.settled for report in reports if report.settled is not None)
    slowest = f"{settled[len(settled) // 2]:.1f} in the middle, {settled[-1]:.1f} at most" if settled else "never"
    broken = sum(len(report.violations) for report in reports)
    red = [report for report in reports if not report.is_green]
    return "\n".join(
        (
            "",
            f"seeds             {len(reports)}, red: {len(red)}",
            f"payments          {total('payments'):,} (clients were told of {total('told_paid'):,})",
            f"refunds           {total('refunds'):,}",
            f"kills             {total('kills'):,}, of the database server: {total('server_kills'):,}",
            f"faults            {total('faults'):,} in {total('calls'):,} calls, {total('mail_faults'):,} of mail",
            f"mails             {total('mails'):,}, repeated: {total('repeated_mails'):,}",
            f"seconds to settle {slowest}",
            f"promises broken   {broken:,}",
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.campaign", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--database", choices=DATABASES, default="both")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    end_with_clean_up_on_sigterm()
    numbers = range(given.first, given.first + given.seeds)
    wanted = [(str(number), database) for number in numbers for database in DATABASES[given.database]]
    with ThreadPoolExecutor(given.jobs) as pool:
        reports = table(pool.map(lambda each: one(*each), wanted))
    return 0 if all(report.is_green for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
