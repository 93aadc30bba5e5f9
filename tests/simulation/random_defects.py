"""Small defects at places that chance chooses in the code that deals with money: `make mutants RANDOM=20 SEED=1`.

A comparison or a condition turned, a `not` lost, a sum for a difference, a number one too high: what slips from a hand. The same seed
chooses the same ones as long as the code stays. Not each is a defect: where `<` and `<=` come to the same, none is noticed, and a person
says so in EQUAL.

None is made where it would say nothing of the tests: in what is only logged, in types, texts and columns, in the number that a module
declares as a limit of ours, which a test could only repeat, and in how many rows are read where one is taken or some at a time.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.dev.processes import ROOT
from tests.simulation.defects import Defect, NotFoundOnce

# Where they are put, and the tests that must notice them there.
PLACES: Final[dict[str, tuple[str, ...]]] = {
    "portal/payments": ("tests/payments",),
    "portal/refunds": ("tests/refunds",),
    "portal/documents": ("tests/documents",),
    "portal/invoices": ("tests/invoices",),
    "portal/mandates": ("tests/mandates",),
    "portal/ledger": ("tests/core/test_ledger.py", "tests/books"),
    "portal/reconciliation": ("tests/reconciliation", "tests/books"),
    "portal/core/money.py": ("tests/core/test_money.py", "tests/invoices"),
    "portal/core/idempotency.py": (
        "tests/core/test_idempotency.py",
        "tests/api/test_requests.py",
        "tests/api/test_paying.py",
    ),
}
# A defect is shown to those of these and of them that run its line. Others run such lines, too, on their way to something else.
ALSO_ASKED: Final = (
    *(f"tests/core/test_{name}.py" for name in "enums lost_jobs outages plans".split()),
    "tests/front/test_staff_lists.py",
    *(
        f"tests/{name}"
        for name in "api disputes operations payment_methods recovery statements stripe_events support webhook_endpoints".split()
    ),
)


def asked() -> tuple[str, ...]:
    """The directories and files of tests of which is measured which lines they run."""
    named = {test for tests in PLACES.values() for test in tests if not test.startswith("tests/api/")}
    return tuple(sorted(named)) + ALSO_ASKED


# What is declared there is held by migrations and by pictures rather than by tests of what money does.
LEFT_OUT: Final = tuple("models.py forms.py views.py email.py pdf.py messages.py labels.py cli.py feature.py".split())

# What comes to the same as the code, with the reason: by the defect's name without its line.
EQUAL: Final[dict[str, str]] = {
    "portal/core/shares.py share: 2 * part * reached + whole -> 2 * part * reached - whole": (
        "only where the counting-out begins: a unit that is missing is counted out, one too many is taken back"
    ),
    "portal/reconciliation/figures.py of: end < period.ends -> end <= period.ends": (
        "at the end of a period nothing newer is in it"
    ),
    "portal/reconciliation/figures.py _day_of: period.since > period.until -> period.since >= period.until": (
        "in a period of one day all is of that day"
    ),
    "portal/reconciliation/payouts.py open_payouts: StripePayout.created_at < run.since -> "
    "StripePayout.created_at <= run.since": "one of the run's first moment is held twice, to the same end",
    "portal/refunds/executing.py _wait: searched < whole -> searched <= whole": (
        "at the very moment it is searched once more, at once"
    ),
    "portal/refunds/executing.py _wait: searched < UNCLEAR_AFTER -> searched <= UNCLEAR_AFTER": (
        "at the very moment it is searched once more"
    ),
    "portal/refunds/executing.py _has_more_to_tell: found.movement is not None -> found.movement is None": (
        "what has failed is not followed any further, whatever is said here: the next look ends before it asks"
    ),
    "portal/refunds/waiting.py waiting: 10 -> 11": "the last of these stays the last; the order of the others has a test",
    "portal/payments/intents.py _find_at_stripe: 1 -> 2": "one hour or two: as much as clocks may differ, and no more is found",
    "portal/reconciliation/lost.py _keep: found[series] > known.get(series, 0) -> found[series] >= known.get(series, 0)": (
        "what is used already is kept as used once more"
    ),
    "portal/reconciliation/lost.py _credit_notes_again: 2 -> 3": "no two have the same refund, so what is third is never compared",
    "portal/reconciliation/service.py _part: 1 -> 2": "what is listed lies within the days of the run",
    "portal/payments/restoring.py notice_loss: intent.created <= seen_to -> intent.created < seen_to": (
        "Stripe tells whole seconds, and a recovery begins between two of them"
    ),
    "portal/payments/following.py follow_up: age > longest -> age >= longest": (
        "at the very moment it is canceled already, or with the next look"
    ),
    "portal/refunds/deciding.py _is_held: row.held_until <= database_now(session) -> "
    "row.held_until < database_now(session)": "at the very moment its job decides, which is taken back or has begun",
    "portal/mandates/service.py switch_on: 45 -> 46": "no address is longer than 45 signs",
    "portal/core/money.py around: 1 -> 2": "of what an amount is rounded to, only the number of decimals counts",
    "portal/reconciliation/transactions.py totals_at: 1 -> 2": "Stripe tells whole seconds: nothing is a microsecond later",
    "portal/refunds/queue.py _counted: 1 -> 2": "more than are counted are told as more, by one or by two",
    "portal/ledger/postings.py post_exchange: paid.minor > 0 -> paid.minor >= 0": "nothing is exchanged for nothing",
    "portal/ledger/postings.py post_fee: fee.minor > 0 -> fee.minor >= 0": "a fee of nothing has returned before",
    "portal/reconciliation/service.py _walk: step.name == \"intents\" -> step.name != 'intents'": (
        "what was brought back is closed behind the steps that follow, in the same run"
    ),
    "portal/reconciliation/movements.py _exchange: paid.minor > 0 -> paid.minor >= 0": "nothing is exchanged for nothing",
    "portal/reconciliation/movements.py _fee: fee.minor > 0 -> fee.minor >= 0": "a fee of nothing has returned before",
    "portal/reconciliation/movements.py _signed: amount.minor > 0 -> amount.minor >= 0": (
        "of an amount of nothing no posting is expected, whatever its sides"
    ),
}

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
# Where one side is the time that runs, the very instant is nobody's promise: which side is which is turned.
_BY_THE_CLOCK: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
}
_SUMS: Final[dict[type[ast.operator], type[ast.operator]]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}


@dataclass(frozen=True)
class Turned:
    """A file as it is, and as it is with one expression turned."""

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """Raises NotFoundOnce."""
        if text != self.old:
            raise NotFoundOnce(f"{self.file} has changed")
        return self.new


# The tests that run one of the lines of a file, from the first to the last; none where it is not known.
TestsOf = Callable[[Path, int, int], tuple[str, ...]]


def chosen(number: int, seed: int, root: Path = ROOT, tests_of: TestsOf = lambda *_: ()) -> list[Defect]:
    """So many of all, or all when there are fewer; each place at most once."""
    every = [
        (file, *turn, tests)
        for place, tests in PLACES.items()
        for file in files(root / place)
        for turn in _turned(ast.parse(file.read_text()))
    ]
    taken = random.Random(seed).sample(every, min(number, len(every)))
    return [
        _defect(file, node, turned, tests_of(file.relative_to(root), *_lines(node)) or tests, root)
        for file, node, turned, tests in taken
    ]


def files(place: Path) -> list[Path]:
    found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return [file for file in found if not file.name.endswith(LEFT_OUT)]


def of(file: Path, tests: tuple[str, ...], root: Path = ROOT) -> list[Defect]:
    """Every defect of these kinds in a file, one at a time."""
    return [_defect(file, node, turned, tests, root) for node, turned in _turned(ast.parse(file.read_text()))]


def equal(defect: Defect) -> str | None:
    """Why it comes to the same as the code; none when nobody has said so."""
    return EQUAL.get(without_line(defect))


def without_line(defect: Defect) -> str:
    """The name of a defect that stays when something above it changes."""
    return re.sub(r":\d+ ", " ", defect.name, count=1)


def _lines(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.end_lineno or node.lineno


def _defect(file: Path, node: ast.expr, turned: ast.expr, tests: tuple[str, ...], root: Path) -> Defect:
    text, new, name = file.read_text(), ast.unparse(turned), str(file.relative_to(root))
    old = " ".join((ast.get_source_segment(text, node) or "").split())
    change = Turned(name, text, _replaced(text, node, new))
    return Defect(f"{name}:{node.lineno} {_where(text, node)}: {old} -> {new}", "", (change,), tests)


def _where(text: str, node: ast.expr) -> str:
    """The innermost function that the expression is in."""
    functions = (one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef))
    around = [one for one in functions if one.lineno <= node.lineno <= (one.end_lineno or one.lineno)]
    return max(around, key=lambda one: one.lineno).name if around else "module"


def _turned(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each expression that can be turned, and what becomes of it."""
    for node in _walked(tree):
        match node:
            case ast.Compare(left=left, ops=[first, *others], comparators=comparators) if type(first) in _COMPARISONS:
                turns = _COMPARISONS | (_BY_THE_CLOCK if _is_by_the_clock(node) else {})
                yield node, ast.Compare(left, [turns[type(first)](), *others], comparators)
            case ast.BoolOp(op=ast.And(), values=values):
                yield node, ast.BoolOp(ast.Or(), values)
            case ast.BoolOp(op=ast.Or(), values=values):
                yield node, ast.BoolOp(ast.And(), values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield node, operand
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _SUMS and not _is_text(node):
                yield node, ast.BinOp(left, _SUMS[type(sign)](), right)
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                yield node, ast.Constant(value + 1)


def _walked(node: ast.AST, is_declared: bool = False) -> Iterator[ast.expr]:
    """The expressions below, but for what LEFT_OUT and the head of this file say; declared is what stands in a module's own lines."""
    for name, value in ast.iter_fields(node):
        if _is_field_left_out(node, name):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_left_out(child):
                continue
            is_ours = (is_declared or isinstance(node, ast.Module)) and not isinstance(child, _OWN_LINES)
            if isinstance(child, ast.expr) and not (is_ours and _is_only_numbers(child)):
                yield child
            yield from _walked(child, is_ours)


# What does not run when the module is imported, and classes, whose fields have defaults.
_OWN_LINES: Final = (ast.FunctionDef, ast.Lambda, ast.ClassDef)


def _is_only_numbers(node: ast.expr) -> bool:
    return all(isinstance(one, ast.Constant | ast.BinOp | ast.operator) for one in ast.walk(node))


def _is_left_out(node: ast.AST) -> bool:
    """What is put together into a text, or only logged."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."))


def _is_field_left_out(node: ast.AST, name: str) -> bool:
    if name in {"annotation", "returns", "decorator_list", "bases"}:
        return True
    match node:
        case ast.AnnAssign(annotation=annotation):  # what a table declares: migrations are held against it
            return name == "value" and ast.unparse(annotation).startswith("Mapped")
        case ast.Call(func=ast.Attribute(attr="limit"), args=[ast.Constant()]):
            return name == "args"
    return False


def _is_by_the_clock(node: ast.expr) -> bool:
    return any(f"{call}()" in ast.unparse(node) for call in ("clock.now", "time.monotonic"))


def _is_text(node: ast.BinOp) -> bool:
    """A sum of texts, which has no difference."""
    return any(
        isinstance(part, ast.Constant | ast.JoinedStr) and not _is_number(part) for part in (node.left, node.right)
    )


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _replaced(text: str, node: ast.expr, new: str) -> str:
    """The text with something else in the node's place, in as many lines; ast counts columns in bytes of UTF-8."""
    lines = text.encode().splitlines(keepends=True)
    assert node.end_lineno is not None and node.end_col_offset is not None
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    whole = text.encode()
    turned = f"({new}" + "\n" * (node.end_lineno - node.lineno) + ")"
    return (whole[:start] + turned.encode() + whole[end:]).decode()
