"""What a defect is: a small change of our own code that somebody could make, the promise that it breaks, and the tests that must notice it.

`mutants` puts them in. A place is named by its function and by a piece of syntax in it, so neither comments nor line breaks matter.
"""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from typing import Final, Protocol

# As docs/reliability.md has them, and what every system of record owes besides.
PROMISES: Final = {
    "P1": "no double charge",
    "P2": "charged at Stripe means paid here, with its receipt",
    "P3": "never paid here without a charge at Stripe",
    "P4": "one receipt a payment, one credit note a refund, mailed at least once",
    "P5": "no refund twice, and never more than was paid",
    "P6": "what was acknowledged is durable",
    "P7": "any order, duplicates or loss of webhooks ends in the same books",
    "P8": "the books equal Stripe’s, to the cent, fees included, also while direct debits are under way",
    "P9": "nobody sees or moves what is another’s",
    "P10": "the audit trail shows any tampering",
}


class NotFoundOnce(LookupError):
    """The place of a change is not there, or more than once: the defect must be written anew."""


class Edit(Protocol):
    """What turns the text of a file into that with a defect."""

    @property
    def file(self) -> str: ...

    def applied(self, text: str) -> str:
        """Raises NotFoundOnce."""
        ...


@dataclass(frozen=True)
class Change:
    """In `file`, in the function or method `where` (or in what the module’s name `where` stands for), `new` for `old`.

    Both are an expression, or statements; nothing new means that the old statements are left out.
    """

    file: str
    where: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The file with this change, without its comments. Raises NotFoundOnce."""
        tree = ast.parse(text)
        place = self._place(tree)
        old, new = _expression(self.old), _expression(self.new)
        if old is not None and new is not None:
            found = _replace_expressions(place, old, new)
        else:
            found = _replace_statements(place, _statements(self.old), _statements(self.new))
        if found != 1:
            raise NotFoundOnce(f"{self.file}, {self.where}: {found} times: {self.old!r}")
        return ast.unparse(tree) + "\n"

    def _place(self, tree: ast.Module) -> ast.AST:
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        methods = [one for node in classes for one in node.body if isinstance(one, ast.FunctionDef)]
        named = [node for node in [*tree.body, *methods] if self.where in _names(node)]
        if len(named) != 1:
            raise NotFoundOnce(f"{self.file}: {len(named)} things are called {self.where}")
        return named[0]


@dataclass(frozen=True)
class Defect:
    """`name` says what is wrong with it in, `breaks` which of the PROMISES it breaks; a random one breaks none that is known."""

    name: str
    breaks: str
    changes: tuple[Edit, ...]
    tests: tuple[str, ...]


def defect(name: str, breaks: str, file: str, where: str, old: str, new: str, *tests: str) -> Defect:
    """A defect in one place."""
    return Defect(name, breaks, (Change(file, where, old, new),), tests)


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(f"({text.strip()}\n)", mode="eval").body if text.strip() else None
    except SyntaxError:
        return None


def _statements(text: str) -> list[ast.stmt]:
    return ast.parse(textwrap.dedent(text)).body


def _replace_expressions(place: ast.AST, old: ast.expr, new: ast.expr) -> int:
    """Put one expression for another, wherever it stands in a place; returns how often that was."""
    wanted, found = ast.dump(old), 0

    class Replacer(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            nonlocal found
            if isinstance(node, ast.expr) and ast.dump(node) == wanted:
                found += 1
                return new
            return self.generic_visit(node)

    Replacer().visit(place)
    return found


def _replace_statements(place: ast.AST, old: list[ast.stmt], new: list[ast.stmt]) -> int:
    wanted, found = [ast.dump(one) for one in old], 0
    for node in list(ast.walk(place)):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if not isinstance(block, list):
                continue
            for start in range(len(block) - len(old) + 1):
                if [ast.dump(one) for one in block[start : start + len(old)]] == wanted:
                    found += 1
                    block[start : start + len(old)] = new or ([] if len(block) > len(old) else [ast.Pass()])
                    break
    return found
