"""From the wire and to it: nested form parameters, JSON, and the expansion of references."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from portal.sandbox.errors import invalid
from portal.sandbox.kinds import Kind, Row, public

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

MOST_PARAMETERS = 2000
MOST_DEPTH = 8
EXPAND_DEPTH = 4

_PART = re.compile(r"\[([^\[\]]*)\]")


def decode_form(text: str) -> dict[str, Any]:
    """`a[b]=1&c[]=2&c[]=3&d[0][e]=4` -> `{"a": {"b": "1"}, "c": ["2", "3"], "d": [{"e": "4"}]}`.

    Raises a `StripeError` for a form that contradicts itself, such as `a=1&a[b]=2`.
    """
    tree: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict")
    except (ValueError, UnicodeDecodeError) as problem:
        raise invalid("Invalid request: the parameters could not be read.") from problem
    for name, value in pairs:
        _place(tree, _path(name), value, name)
    return {key: _lists(value) for key, value in tree.items()}


def _path(name: str) -> list[str]:
    head, bracket, _ = name.partition("[")
    if not bracket:
        return [name]
    parts = _PART.findall(name, len(head))
    if head == "" or "".join(f"[{part}]" for part in parts) != name[len(head) :] or len(parts) > MOST_DEPTH:
        raise invalid(f"Invalid parameter name: {name[:200]}")
    return [head, *parts]


def _place(tree: dict[str, Any], path: list[str], value: str, name: str) -> None:
    here = tree
    for place, part in enumerate(path):
        key = str(len(here)) if part == "" and place > 0 else part
        if place == len(path) - 1:
            here[key] = value
            return
        deeper = here.setdefault(key, {})
        if not isinstance(deeper, dict):
            raise invalid(f"Invalid parameter: {name[:200]} is given both as a value and as an object.", path[0])
        here = deeper


def _lists(value: Any) -> Any:
    """Hashes whose keys are 0, 1, 2 … and no others are lists."""
    if not isinstance(value, dict):
        return value
    items = {key: _lists(item) for key, item in value.items()}
    places = [str(place) for place in range(len(items))]
    if items and items.keys() == set(places):
        return [items[place] for place in places]
    return items


def encode(body: Row) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def expanded(call: Call, shown: Row, paths: Iterable[str]) -> Row:
    """`shown` with the references at `paths` replaced by what they refer to.

    A path is dotted; in a list it starts with `data`. Source: Stripe, "Expanding responses".
    Raises a `StripeError` for a property that cannot be expanded.
    """
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > EXPAND_DEPTH:
            raise invalid(f"You cannot expand more than {EXPAND_DEPTH} levels of a property: {path}", "expand")
        _expand(call, shown, parts, path)
    return shown


def _expand(call: Call, shown: Row, parts: list[str], path: str) -> None:
    if shown.get("object") in {"list", "search_result"} and "data" in shown:
        if parts[0] != "data" or len(parts) == 1:
            raise _cannot_expand(path)
        for item in shown["data"]:
            _expand(call, item, parts[1:], path)
        return
    if shown.get("deleted"):
        return
    kind = call.kinds.get(str(shown.get("object")))
    target, taken = _expandable(kind, parts) if kind else (None, 0)
    if kind is None or target is None:
        raise _cannot_expand(path)
    value = _expand_one(call, shown, kind, parts[:taken], target)
    if len(parts) > taken:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                _expand(call, item, parts[taken:], path)


def _expand_one(call: Call, shown: Row, kind: Kind, parts: list[str], target: str) -> Any:
    """Expand the one reference at `parts` and return what stands there now."""
    holder: Any = shown
    for step in parts[:-1]:
        holder = holder.get(step) if isinstance(holder, dict) else None
    if not isinstance(holder, dict):
        return None
    last = parts[-1]
    if last in kind.included:
        holder.setdefault(last, kind.included[last](call, shown))
    value = holder.get(last)
    if isinstance(value, str):
        found = call.session.find(call.kinds[target], value) if target in call.kinds else call.find_any(value)
        if found is not None:
            holder[last] = value = call.shown(found)
    return value


def _expandable(kind: Kind, parts: list[str]) -> tuple[str | None, int]:
    """The object name a path's first reference leads to, and how many parts of the path it takes."""
    if parts[0] in kind.included:
        return "list", 1
    for taken in range(len(parts), 0, -1):
        target = kind.expandable.get(".".join(parts[:taken]))
        if target is not None:
            return target, taken
    return None, 0


def _cannot_expand(path: str) -> Exception:
    leaf = path.rpartition(".")[2]
    return invalid(
        f"This property cannot be expanded ({leaf}). You may want to try expanding a parent "
        "property, or remove it from "
        "'expand'.",
        "expand",
    )


def as_list(url: str, rows: list[Row], *, has_more: bool) -> Row:
    return {"object": "list", "data": rows, "has_more": has_more, "url": url}


def changed_from(before: Row, after: Row) -> Row:
    """The `previous_attributes` of an update event: old values of what changed, going into hashes but not into lists."""
    changes: Row = {}
    old, new = public(before), public(after)
    for key in [*old, *(key for key in new if key not in old)]:
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            changes[key] = {
                name: was.get(name)
                for name in [*was, *(name for name in now if name not in was)]
                if was.get(name) != now.get(name)
            }
        else:
            changes[key] = was
    return changes
