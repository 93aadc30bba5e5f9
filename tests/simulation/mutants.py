"""`make mutants`: each known defect is put into a copy of the portal, where the tests that it names must fail.

First into a session that has collected all tests, which takes seconds. What none of them notices there, or what is changed where a
module is imported, is shown to them once more in a process of its own.

A defect that no test notices shows that one is missing; one whose place is not found any more must be written anew. Either makes the
command fail. The working tree is never touched.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from deploy.dev.processes import ROOT, end_with_clean_up_on_sigterm
from tests.simulation import commands, defects_after_paying, defects_in_paying, line_tests, random_defects
from tests.simulation.collected_tests import CollectedTests
from tests.simulation.defects import PROMISES, Defect, NotFoundOnce

ALL: Final = defects_in_paying.ALL + defects_after_paying.ALL

# What is no part of the code, or holds it twice.
LEFT_OUT = (".git", ".boot", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "var")
PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=no")
# One database shows a defect as well as two, in half the time.
ON_ONE = ("-k", "not postgresql")
# pytest's exit codes (a module of tests that cannot be imported counts as interrupted), and one of ours.
PASSED, FAILED, INTERRUPTED, TOO_LONG = 0, 1, 2, 99
# A test that waits for what never comes is ended before, by its own limit. Seconds.
LONGEST = 1_200

KILLED, EQUAL, SURVIVED, NOT_FOUND, BROKEN = "killed", "equal", "SURVIVED", "NOT FOUND", "BROKEN"
UNCLEAR = "unclear"


@dataclass(frozen=True)
class Outcome:
    defect: Defect
    verdict: str
    seconds: float
    said: str = ""


def misplaced(defect: Defect, root: Path = ROOT) -> list[str]:
    """The changes of a defect whose place is not there exactly once, a sentence each."""
    sentences = []
    for change in defect.changes:
        try:
            change.applied((root / change.file).read_text())
        except NotFoundOnce as lost:
            sentences.append(f"{defect.name}: {lost}")
    return sentences


def changed(defect: Defect, root: Path) -> dict[str, str]:
    """What the files hold with a defect. Raises NotFoundOnce."""
    texts: dict[str, str] = {}
    for change in defect.changes:
        before = texts.get(change.file)
        texts[change.file] = change.applied((root / change.file).read_text() if before is None else before)
    return texts


def put_in(defect: Defect, root: Path) -> dict[Path, str]:
    """Change the files below `root`; returns what they held. Raises SyntaxError for a change that is no program."""
    texts = {root / file: text for file, text in changed(defect, root).items()}
    before = {file: file.read_text() for file in texts}
    for file, text in texts.items():
        compile(text, str(file), "exec")
        file.write_text(text)
    return before


def run(tests: Sequence[str], root: Path, options: Sequence[str] = ON_ONE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *PYTEST, *options, *tests]
    try:
        return commands.run(command, cwd=root, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, TOO_LONG, "it took too long")


def judge_in_session(defect: Defect, root: Path, collected: CollectedTests) -> Outcome:
    """Show the defect to its tests in a session that has collected them. UNCLEAR when none notices it there, or when directories are
    all that is known of its tests.
    """
    started = time.monotonic()
    if (reason := random_defects.equal(defect)) is not None:
        return Outcome(defect, EQUAL, 0, reason)
    if lost := misplaced(defect, root):
        return Outcome(defect, NOT_FOUND, 0, "\n".join(lost))
    is_known = all(".py" in test for test in defect.tests)
    failed = collected.first_to_fail(changed(defect, root), defect.tests) if is_known else None
    return Outcome(defect, KILLED if failed else UNCLEAR, time.monotonic() - started, failed or "")


def judge(defect: Defect, root: Path, options: Sequence[str] = ON_ONE) -> Outcome:
    """Put the defect into this copy, run its tests there in a process of their own, and take it out again."""
    started = time.monotonic()

    def outcome(verdict: str, said: str = "") -> Outcome:
        return Outcome(defect, verdict, time.monotonic() - started, said)

    before = put_in(defect, root)
    try:
        done = run(defect.tests, root, options)
    finally:
        for file, text in before.items():
            file.write_text(text)
    if done.returncode in {FAILED, INTERRUPTED}:
        return outcome(KILLED)
    return outcome(SURVIVED if done.returncode == PASSED else BROKEN, done.stdout)


def judge_on_both(defect: Defect, root: Path) -> Outcome:
    """Likewise, on both databases, which no test that a random defect is shown to names."""
    tests = tuple(dict.fromkeys(test.partition("[")[0] for test in defect.tests))
    return replace(judge(replace(defect, tests=tests), root, ()), defect=defect)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--random", type=int, default=0, help="so many at random places instead of the known ones")
    parser.add_argument("--seed", type=int, default=1, help="chooses the places")
    parser.add_argument(
        "--first", type=int, default=1, help="which of these is the first: goes on where a run was ended"
    )
    parser.add_argument(
        "--lines",
        type=Path,
        default=ROOT / "var" / "lines-of-tests",
        help="the folder where it is kept which tests run which lines, for random ones",
    )
    parser.add_argument("names", nargs="*", help="only those whose name has one of these words in it")
    given = parser.parse_args()
    end_with_clean_up_on_sigterm()
    with ExitStack() as ended:
        directory = ended.enter_context(tempfile.TemporaryDirectory(prefix="portal-mutants-"))
        roots = [
            Path(shutil.copytree(ROOT, Path(directory, str(number)), ignore=shutil.ignore_patterns(*LEFT_OUT)))
            for number in range(given.jobs)
        ]
        lines = line_tests.measure(random_defects.asked(), roots[0], given.lines) if given.random else None
        every = random_defects.chosen(given.random, given.seed, tests_of=lines.of) if lines else ALL
        chosen = [
            one for one in every[given.first - 1 :] if not given.names or any(word in one.name for word in given.names)
        ]
        if not chosen:
            return 1
        asked = (
            random_defects.asked()
            if lines
            else sorted({test.partition("::")[0] for one in chosen for test in one.tests})
        )
        sessions = {root: CollectedTests(root, asked, lines.widest() if lines else ()) for root in roots}
        pool = ended.enter_context(ThreadPoolExecutor(given.jobs))
        for session in sessions.values():
            ended.callback(session.end)
        ended.callback(commands.end_all)
        ended.callback(pool.shutdown, wait=False, cancel_futures=True)
        free: SimpleQueue[Path] = SimpleQueue()
        for root in roots:
            free.put(root)

        def judged(how: Callable[[Defect, Path], Outcome], defect: Defect) -> Outcome:
            root = free.get()
            try:
                found = how(defect, root)
            finally:
                free.put(root)
            say(
                f"{found.verdict:<10}{found.seconds:6.1f} s  {defect.name}  {found.said if found.verdict != SURVIVED else ''}\n"
            )
            return found

        quick = pool.map(partial(judged, lambda defect, root: judge_in_session(defect, root, sessions[root])), chosen)
        outcomes = {one.defect: one for one in quick}
        unclear = [one.defect for one in outcomes.values() if one.verdict == UNCLEAR]
        if unclear and not (lines or is_healthy(unclear, roots[0])):
            return 1
        anew = pool.map(partial(judged, judge_on_both if lines else judge), unclear)
        outcomes |= {one.defect: one for one in anew}
    return report(list(outcomes.values()))


def is_healthy(chosen: Sequence[Defect], root: Path) -> bool:
    """Whether all named tests pass without any defect: only then does a failure say something."""
    tests = sorted({test for defect in chosen for test in defect.tests})
    done = run(tests, root)
    if done.returncode != PASSED:
        say(f"the tests fail without any defect:\n{done.stdout[-4_000:]}\n")
    return done.returncode == PASSED


def report(outcomes: Sequence[Outcome]) -> int:
    """Print the table; 1 when any defect was not noticed."""
    say(f"\n{'breaks':<8}{'defect':<84}{'':<10}{'seconds':>8}  tests\n")
    for one in outcomes:
        tests = ", ".join(test.partition("::")[2] or test for test in one.defect.tests[:3])
        say(f"{one.defect.breaks:<8}{one.defect.name:<84}{one.verdict:<10}{one.seconds:>8.1f}  {tests}\n")
    missed = [one for one in outcomes if one.verdict not in {KILLED, EQUAL}]
    for one in missed:
        promise = PROMISES.get(one.defect.breaks, "")
        say(f"\n{one.verdict}: {one.defect.name}\n{promise}\n{one.said[-2_000:]}\n")
    equal = sum(one.verdict == EQUAL for one in outcomes)
    say(f"\n{len(outcomes) - len(missed) - equal} of {len(outcomes)} defects were noticed, {equal} are none\n")
    return 1 if missed else 0


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
