"""Small macros are written into the templates that call them, when these are compiled.

A table of twenty rows calls a hundred of them, and a call costs more than what most of them do. A macro that depends on nothing but what it
is given is put in place of its call, with its arguments under names of their own, and without what its constant arguments rule out. What
comes out is the same to the letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

# What every template has, and none calls anything else.
_EVERYWHERE: Final = frozenset({"_", "gettext", "ngettext", "pgettext", "npgettext", "url_for", "range"})
# What makes a scope of its own, or has to do with other files.
_TOO_MUCH: Final = (nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock, nodes.Block, nodes.Import)
_FAR: Final = (nodes.FromImport, nodes.Include, nodes.Extends, nodes.EvalContextModifier, nodes.With, nodes.Scope)
# More of a template is left to calls: what is written out is compiled, and kept in memory.
MOST_NODES: Final = 80

Library = Callable[[str], Mapping[str, nodes.Macro]]


@dataclass(frozen=True, slots=True)
class _Small:
    """A macro that can be written out, its arguments' defaults, and the names that are its own."""

    body: list[nodes.Node]
    arguments: tuple[str, ...]
    defaults: Mapping[str, nodes.Expr]
    own: frozenset[str]
    has_place: bool


def write_out(template: nodes.Template, library: Library) -> nodes.Template:
    """The template with small macros in place of their calls; `library` gives the macros of a file, by their names."""
    imported = {
        local: macro
        for found in template.find_all(nodes.FromImport)
        if isinstance(found.template, nodes.Const) and not found.with_context
        for name in found.names
        for macro_name, local in [(name, name) if isinstance(name, str) else name]
        if (macro := library(str(found.template.value)).get(macro_name)) is not None
    }
    small = {name: made for name, macro in imported.items() if (made := _small(macro)) is not None}
    return _Writer(small).visit(template) if small else template


def _small(macro: nodes.Macro) -> _Small | None:
    """None for a macro that cannot be written out."""
    body = nodes.Scope(macro.body)
    if next(body.find_all(_TOO_MUCH + _FAR), None) or sum(1 for _ in body.find_all(nodes.Node)) > MOST_NODES:
        return None
    arguments = tuple(argument.name for argument in macro.args)
    last = arguments[len(arguments) - len(macro.defaults) :] if macro.defaults else ()
    if not all(isinstance(default, nodes.Const) for default in macro.defaults):
        return None
    names = list(body.find_all(nodes.Name))
    own = {*arguments, *(name.name for name in names if name.ctx == "store")}
    free = {name.name for name in names} - own - {"caller", "loop"}
    loops = list(body.find_all(nodes.For))
    if not free <= _EVERYWHERE or (any(name.name == "loop" for name in names) and not loops):
        return None
    places = sum(map(_is_place, body.find_all(nodes.Call)))
    shown = sum(_is_place(child) for output in body.find_all(nodes.Output) for child in output.nodes)
    if places > 1 or shown != places or any(_is_place(call) for loop in loops for call in loop.find_all(nodes.Call)):
        return None
    return _Small(macro.body, arguments, dict(zip(last, macro.defaults, strict=True)), frozenset(own), places > 0)


def _is_place(node: nodes.Node) -> bool:
    """Whether this is `caller()`."""
    is_call = isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "caller"
    return is_call and not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)  # type: ignore[attr-defined]


class _Writer(NodeTransformer):
    """Puts the macros in place of the calls of one template."""

    def __init__(self, small: Mapping[str, _Small]) -> None:
        self._small = small
        self._numbers = count()

    def visit_Output(self, output: nodes.Output) -> list[nodes.Node]:  # noqa: N802  # Jinja's names
        written: list[nodes.Node] = []
        rest: list[nodes.Expr] = []
        for child in output.nodes:
            instead = self._instead_of(child, None)
            if instead is None:
                rest.append(self.visit(child))
                continue
            if rest:
                written.append(nodes.Output(rest, lineno=output.lineno))
            written.append(instead)
            rest = []
        if rest:
            written.append(nodes.Output(rest, lineno=output.lineno))
        return written

    def visit_CallBlock(self, block: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        self.generic_visit(block)
        return block if block.args else self._instead_of(block.call, block.body) or block

    def _instead_of(self, call: nodes.Node, inside: list[nodes.Node] | None) -> nodes.Node | None:
        """What a call comes to with this block inside; None for a call that stays."""
        if (
            not isinstance(call, nodes.Call)
            or not isinstance(call.node, nodes.Name)
            or call.dyn_args
            or call.dyn_kwargs
        ):
            return None
        macro = self._small.get(call.node.name)
        if macro is None or (inside is not None and not macro.has_place) or len(call.args) > len(macro.arguments):
            return None
        given = dict(zip(macro.arguments, call.args, strict=False)) | {pair.key: pair.value for pair in call.kwargs}
        values = {**macro.defaults, **given}
        if set(values) != set(macro.arguments):
            return None
        number = next(self._numbers)
        names = {name: f"written_{number}_{name}" for name in macro.own}
        constants = {name: value for name, value in values.items() if isinstance(value, nodes.Const)}
        filled = _Filler(names, constants, inside)
        body = [node for old in _copied(macro.body, call.lineno) for node in _several(filled.visit(old))]
        told = {name: self.visit(value) for name, value in values.items() if name not in constants}
        targets = [nodes.Name(names[name], "store") for name in told]
        made: nodes.Node = nodes.With(targets, list(told.values()), body) if told else nodes.Scope(body)
        return made.set_lineno(call.lineno)


class _Filler(NodeTransformer):
    """A macro's body for one call: its own names made unlike any other, constants in their places, what they rule out left out."""

    def __init__(
        self, names: Mapping[str, str], constants: Mapping[str, nodes.Expr], inside: list[nodes.Node] | None
    ) -> None:
        self._names, self._constants, self._inside = names, constants, inside

    def visit_Name(self, name: nodes.Name) -> nodes.Expr:  # noqa: N802
        if name.name == "caller":
            return nodes.Const(self._inside is not None, lineno=name.lineno)
        if name.name in self._constants and name.ctx == "load":
            return nodes.Const(self._constants[name.name].value, lineno=name.lineno)  # type: ignore[attr-defined]
        if name.name in self._names:
            return nodes.Name(self._names[name.name], name.ctx, lineno=name.lineno)
        return name

    def visit_Output(self, output: nodes.Output) -> list[nodes.Node]:  # noqa: N802
        written: list[nodes.Node] = []
        rest: list[nodes.Expr] = []
        for child in output.nodes:
            if not _is_place(child):
                rest.append(self.visit(child))
                continue
            written += [nodes.Output(rest, lineno=output.lineno)] if rest else []
            written += [nodes.Scope(self._inside or [], lineno=output.lineno)]
            rest = []
        return [*written, nodes.Output(rest, lineno=output.lineno)] if rest else written

    def visit_If(self, branch: nodes.If) -> nodes.Node | list[nodes.Node]:  # noqa: N802
        if branch.elif_:
            first, *others = branch.elif_
            branch.else_ = [nodes.If(first.test, first.body, others, branch.else_, lineno=first.lineno)]
            branch.elif_ = []
        self.generic_visit(branch)
        is_so = _constant(branch.test)
        if is_so is None:
            return branch
        return branch.body if is_so else branch.else_

    def visit_CondExpr(self, choice: nodes.CondExpr) -> nodes.Expr:  # noqa: N802
        self.generic_visit(choice)
        is_so = _constant(choice.test)
        if is_so is None or (not is_so and choice.expr2 is None):
            return choice
        return choice.expr1 if is_so else choice.expr2  # type: ignore[return-value]


def _constant(test: nodes.Node) -> bool | None:
    """What a test comes to that depends on nothing; None for one that does."""
    match test:
        case nodes.Const():
            return bool(test.value)
        case nodes.Not():
            found = _constant(test.node)
            return None if found is None else not found
        case nodes.Test(node=nodes.Const() as node, name="none"):
            return node.value is None
    return None


def _copied(what: Any, line: int) -> Any:
    """A node, or a list of nodes, anew; errors in it are told to be in this line."""
    if isinstance(what, list | tuple):
        return type(what)(_copied(one, line) for one in what)
    if not isinstance(what, nodes.Node):
        return what
    attributes = {name: getattr(what, name, None) for name in what.attributes} | {"lineno": line}
    return type(what)(*(_copied(getattr(what, name, None), line) for name in what.fields), **attributes)


def _several(node: nodes.Node | list[nodes.Node] | None) -> Iterator[nodes.Node]:
    if isinstance(node, list):
        yield from node
    elif node is not None:
        yield node
