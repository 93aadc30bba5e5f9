"""The SDK's own type annotations, read as a schema: what Stripe's objects hold, and what its calls take.

The annotations are generated from Stripe's API description for exactly the version the SDK speaks. They are read from the source, because
many of their names exist only while types are checked.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from stripe import StripeObject
from stripe._object_classes import get_object_class

Schema = dict[str, ast.expr]


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(module)))


@functools.cache
def _class(module: str, name: str) -> ast.ClassDef:
    return next(node for node in _tree(module).body if isinstance(node, ast.ClassDef) and node.name == name)


def _fields(node: ast.ClassDef) -> Schema:
    return {
        item.target.id: item.annotation
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and "ClassVar" not in ast.unparse(item.annotation)
    }


def _read(annotation: ast.expr) -> ast.expr:
    """An annotation without the quotes around it."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def problems(row: Any) -> list[str]:
    """Where an object of Stripe's differs from the SDK's type for it."""
    if row.get("object") in ("list", "search_result"):
        return [problem for item in row["data"] for problem in problems(item)]
    found = get_object_class("V1", row["object"])
    if found is StripeObject:
        return [f"the SDK knows no object {row['object']}"]
    if row.get("deleted"):
        return (
            [] if set(row) == {"id", "object", "deleted"} else [f"{row['object']}: a deleted object has {sorted(row)}"]
        )
    node = _class(found.__module__, found.__name__)
    return list(_check_class(row, node, [node], row["object"]))


def _check_class(row: dict[str, Any], node: ast.ClassDef, scope: list[ast.ClassDef], place: str) -> Iterator[str]:
    fields = _fields(node)
    for name in row.keys() - fields.keys():
        yield f"{place}.{name} is not in the SDK's type"
    for name, annotation in fields.items():
        if name not in row:
            if not ast.unparse(_read(annotation)).startswith("Optional["):
                yield f"{place}.{name} is missing"
            continue
        yield from _check(row[name], _read(annotation), scope, f"{place}.{name}")


def _check(value: Any, annotation: ast.expr, scope: list[ast.ClassDef], place: str) -> Iterator[str]:  # noqa: C901, PLR0912
    annotation = _read(annotation)
    if isinstance(annotation, ast.Name | ast.Attribute):
        yield from _check_name(value, ast.unparse(annotation), scope, place)
        return
    if not isinstance(annotation, ast.Subscript):
        return
    outer = ast.unparse(annotation.value)
    inner = annotation.slice
    match outer:
        case "Optional":
            if value is not None:
                yield from _check(value, inner, scope, place)
        case "Union":
            options = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            listed = [option for option in options if ast.unparse(option).startswith("Literal")]
            # A union of listed values and str is an open set to the SDK; the sandbox keeps to the list.
            options = listed or options
            tries = [list(_check(value, option, scope, place)) for option in options]
            if all(tries):
                yield tries[0][0]
        case "List":
            if not isinstance(value, list):
                yield f"{place} is no list: {value!r}"
            else:
                for number, item in enumerate(value):
                    yield from _check(item, inner, scope, f"{place}[{number}]")
        case "Literal":
            allowed = [ast.literal_eval(item) for item in (inner.elts if isinstance(inner, ast.Tuple) else [inner])]
            if value not in allowed:
                yield f"{place} is {value!r}, which is none of {allowed}"
        case "ExpandableField":
            if isinstance(value, dict):
                yield from problems(value)
            elif not isinstance(value, str):
                yield f"{place} is neither an id nor an object: {value!r}"
        case "ListObject":
            if not isinstance(value, dict) or value.get("object") != "list":
                yield f"{place} is no list object: {value!r}"
            else:
                yield from problems(value)
        case "UntypedStripeObject":
            if not isinstance(value, dict):
                yield f"{place} is no object: {value!r}"


_PLAIN: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}


def _check_name(value: Any, name: str, scope: list[ast.ClassDef], place: str) -> Iterator[str]:
    if name == "Any":
        return
    if name in _PLAIN:
        fits = isinstance(value, _PLAIN[name]) and (name == "bool" or not isinstance(value, bool))
        if not fits:
            yield f"{place} is {value!r}, not {name}"
        return
    for holder in reversed(scope):
        for item in holder.body:
            if isinstance(item, ast.ClassDef) and item.name == name:
                if isinstance(value, dict):
                    yield from _check_class(value, item, [*scope, item], place)
                else:
                    yield f"{place} is no object: {value!r}"
                return
    if isinstance(value, dict) and "object" in value:
        yield from problems(value)


# -- parameters ------------------------------------------------------------------------------------------------------------------


def parameters(name: str) -> dict[str, Any]:
    """The parameters of a call as a nested dict: a name leads to the parameters inside it, to a set of choices, or to None."""
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
    for package in ("stripe.params", "stripe.params.radar", "stripe.params.test_helpers"):
        try:
            module = importlib.import_module(f"{package}._{words}")
        except ModuleNotFoundError:
            continue
        return _parameters_of(module.__name__, name)
    raise LookupError(name)


def _parameters_of(module: str, name: str) -> dict[str, Any]:
    return {field: _inside(module, annotation) for field, annotation in _fields(_class(module, name)).items()}


def _inside(module: str, annotation: ast.expr) -> dict[str, Any] | set[str] | None:
    classes = {node.name for node in _tree(module).body if isinstance(node, ast.ClassDef)}
    choices: set[str] = set()
    for node in _walk(annotation):
        if isinstance(node, ast.Name) and node.id in classes:
            return _parameters_of(module, node.id)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            choices |= {str(ast.literal_eval(item)) for item in items}
    choices.discard("")
    return choices or None


def _walk(annotation: ast.expr) -> Iterator[ast.AST]:
    """Every part of an annotation, also inside quotes."""
    for node in ast.walk(annotation):
        yield node
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and ("[" in node.value or node.value[:1].isupper())
        ):
            try:
                inner = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                continue
            yield from _walk(inner)
