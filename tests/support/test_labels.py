"""Every event that the portal records has words, so that staff read none by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import portal
from portal.core.synced_rows import Mirror, Reviewed, Synced
from portal.core.upkeep import UpkeepKind
from portal.disputes.statuses import DisputeStatus
from portal.documents import models as documents
from portal.edelivery.models import HandoverStatus
from portal.mandates import statuses as collections
from portal.mandates.statuses import CollectionStatus
from portal.refunds import models as refund_models
from portal.refunds.statuses import RefundStatus
from portal.support import labels

SANDBOX = Path(portal.__file__).parent / "sandbox"
OURS = [path for path in Path(portal.__file__).parent.rglob("*.py") if not path.is_relative_to(SANDBOX)]


def _below(kind: type[Synced]) -> set[type[Synced]]:
    """The tables of this kind."""
    own = {kind} if hasattr(kind, "__tablename__") else set()
    return own.union(*(_below(one) for one in kind.__subclasses__()))


# What may stand in the brackets of an f-string.
FILLINGS = {
    "document.kind": tuple(documents.DocumentKind),
    "stored.kind": tuple(documents.DocumentKind),
    "note.kind": documents.OF_REFUNDS,
    "kind.noun": tuple(sorted(row.noun for row in _below(Mirror))),
    "row.noun": tuple(sorted(row.noun for row in _below(Reviewed))),
    "kind": tuple(UpkeepKind),
    "row.status": tuple(one for one in HandoverStatus if one != HandoverStatus.PENDING),
    "self._word": ("invoice_file", "customer_file"),
    "resolution": tuple(refund_models.Resolution),
    "status": tuple(status for status in CollectionStatus if status not in collections.ACTIVE),
}


class Code:
    """A module, with for each call the function that it stands in."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.tree = ast.parse(path.read_text())
        self.calls = list(self._calls(self.tree, None))

    def _calls(
        self, node: ast.AST, inside: ast.FunctionDef | None
    ) -> Iterator[tuple[ast.Call, ast.FunctionDef | None]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield child, inside
            yield from self._calls(child, child if isinstance(child, ast.FunctionDef) else inside)

    def recorded(self) -> Iterator[str]:
        own = "record" if self.name == "audit.py" else "audit.record"
        for call, inside in self.calls:
            if ast.unparse(call.func) == own:
                found = list(self.spelled(call.args[1], inside))
                assert found, f"{self.name}:{call.lineno} records what nobody can read from the code"
                yield from found

    def spelled(self, node: ast.expr, inside: ast.FunctionDef | None) -> Iterator[str]:
        """The texts that an expression may have: written out, put together, a constant's, or an argument's."""
        match node:
            case ast.Constant():
                yield str(node.value)
            case ast.JoinedStr():
                parts = [
                    FILLINGS[ast.unparse(one.value)]
                    if isinstance(one, ast.FormattedValue)
                    else (ast.literal_eval(one),)
                    for one in node.values
                ]
                yield from map("".join, product(*parts))
            case ast.Name(name) if name.isupper():
                for line in self.tree.body:
                    if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == name and line.value:
                        yield from self.spelled(line.value, None)
            case ast.Name(name) if inside is not None:
                place = [argument.arg for argument in inside.args.args].index(name)
                for call, caller in self.calls:
                    if ast.unparse(call.func) == inside.name:
                        yield from self.spelled(call.args[place], caller)


def test_every_event_has_words_and_every_word_an_event() -> None:
    recorded = {action for path in OURS for action in Code(path).recorded()}
    told = labels.WORDS.keys() | labels.OUTCOMES.keys()
    assert recorded - told == set(), "these need words in portal.support.labels"
    assert told - recorded == set(), "these are recorded nowhere"


def test_every_state_of_a_refund_and_a_dispute_has_words() -> None:
    assert labels.OUTCOMES["refund.status"].keys() == set(RefundStatus)
    assert labels.OUTCOMES["dispute.status"].keys() == set(DisputeStatus)
