"""Small defects at places that chance chooses in the code that deals with money: `make mutants RANDOM=20 SEED=1`.

A comparison or a condition turned, a `not` lost, a sum for a difference, a number one too high: what slips from a hand. The same seed
chooses the same ones as long as the code stays. Not each is a defect: where `<` and `<=` come to the same, none is noticed, and a person
says so.
"""

from __future__ import annotations

import ast
import random
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
    "portal/core/idempotency.py": ("tests/api/test_requests.py", "tests/api/test_paying.py"),
}
# Defects are shown to whichever tests run their lines, but for those of other programs and of what takes minutes.
OTHERS: Final = frozenset("clients contract flows front infrastructure sandbox sandbox_browser simulation".split())


def measured(root: Path = ROOT) -> tuple[str, ...]:
    """The directories of tests of which is measured which lines they run."""
    return tuple(
        f"tests/{place.name}"
        for place in sorted((root / "tests").iterdir())
        if any(place.glob("test_*.py")) and place.name not in OTHERS
    )


# What is declared there is held by migrations and by pictures rather than by tests of what money does.
LEFT_OUT: Final = ("models.py", "forms.py", "views.py", "email.py", "pdf.py", "messages.py", "labels.py", "cli.py")

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


def _lines(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.end_lineno or node.lineno


def _defect(file: Path, node: ast.expr, turned: ast.expr, tests: tuple[str, ...], root: Path) -> Defect:
    text, new, name = file.read_text(), ast.unparse(turned), str(file.relative_to(root))
    old = " ".join((ast.get_source_segment(text, node) or "").split())
    return Defect(
        f"{name}:{node.lineno}: {old} -> {new}", "", (Turned(name, text, _replaced(text, node, f"({new})")),), tests
    )


def _turned(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each expression that can be turned, and what becomes of it."""
    for node in _walked(tree):
        match node:
            case ast.Compare(left=left, ops=[first, *others], comparators=comparators) if type(first) in _COMPARISONS:
                yield node, ast.Compare(left, [_COMPARISONS[type(first)](), *others], comparators)
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


def _walked(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions below, without what only says of which type something is, and without texts that are put together."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "bases"} or (name == "value" and _is_column(node)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.JoinedStr) or not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.expr):
                yield child
            yield from _walked(child)


def _is_column(node: ast.AST) -> bool:
    """What a table declares: migrations are held against it."""
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Mapped")


def _is_text(node: ast.BinOp) -> bool:
    """A sum of texts, which has no difference."""
    return any(
        isinstance(part, ast.Constant | ast.JoinedStr) and not _is_number(part) for part in (node.left, node.right)
    )


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _replaced(text: str, node: ast.expr, new: str) -> str:
    """The text with something else in the node's place; ast counts columns in bytes of UTF-8."""
    lines = text.encode().splitlines(keepends=True)
    assert node.end_lineno is not None and node.end_col_offset is not None
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    whole = text.encode()
    return (whole[:start] + new.encode() + whole[end:]).decode()
