"""Stripe's search: a small query language over customers, payment intents and charges.

Source: Stripe, "Search API" and "Search query language": `field:"value"` is equal, `field~"value"` contains, `>` `<` `>=` `<=` compare
numbers, `metadata["key"]:"value"` looks into metadata, a leading `-` negates, and clauses are joined by AND or by OR, never both. Stripe's
index lags behind by a moment; this one does not.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import StripeError, invalid
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.params import Integer, Parameters, Text

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

PARAMETERS = Parameters({"query": Text(clearable=False), "limit": Integer(1, 100), "page": Text()}, required=("query",))

MOST_CLAUSES = 10
SCANNED_AT_ONCE = 200

Matches = Callable[[Row], bool]

_TEXT, _NUMBER, _TOKEN = "text", "number", "token"
_CLAUSE = re.compile(
    r"""\s*(?P<negated>-)?(?P<field>[a-z_]+(?:\.[a-z0-9_]+)*|metadata\[(?P<quote>["'])(?P<key>.*?)(?P=quote)\])
    \s*(?P<operator>>=|<=|[:~<>])\s*(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[^\s"']+))""",
    re.VERBOSE,
)
_JOINT = re.compile(r"\s+(AND|OR|and|or)\s+|\s+(?=-?[a-z])")


def search(call: Call, kind: Kind, fields: Mapping[str, str], url: str) -> Row:
    """The page of results the call's parameters ask for. `fields` says of each searchable field whether it is text, a number or a token."""
    matches = parse(call.params["query"], fields)
    limit = call.params.get("limit", 10)
    position = _position(call.params.get("page"))
    found: list[tuple[Row, tuple[int, int]]] = []
    while len(found) <= limit:
        batch = call.session.page(kind, limit=SCANNED_AT_ONCE, after=position)
        for row in batch.rows:
            place = call.session.position(kind, row["id"])
            if place is not None:
                position = place
                if not row.get("deleted") and matches(row):
                    found.append((row, place))
        if not batch.has_more:
            break
    has_more = len(found) > limit
    shown = found[:limit]
    result: Row = {
        "object": "search_result",
        "data": [call.shown(row) for row, _ in shown],
        "has_more": has_more,
        "next_page": _token(shown[-1][1]) if has_more else None,
        "url": url,
    }
    if "total_count" in (call.params.get("expand") or ()):
        call.params["expand"] = [path for path in call.params["expand"] if path != "total_count"]
        result["total_count"] = _count(call, kind, matches)
    return result


def _count(call: Call, kind: Kind, matches: Matches) -> int:
    return sum(1 for row in call.session.all(kind) if not row.get("deleted") and matches(row))


def parse(query: str, fields: Mapping[str, str]) -> Matches:
    """What a query asks of an object. Raises the error of a query that cannot be read."""
    clauses: list[Matches] = []
    joints: set[str] = set()
    place = 0
    while place < len(query.rstrip()):
        clause = _CLAUSE.match(query, place)
        if clause is None:
            raise _unreadable(query)
        clauses.append(_condition(clause, fields))
        place = clause.end()
        joint = _JOINT.match(query, place)
        if joint is not None:
            joints.add((joint[1] or "AND").upper())
            place = joint.end()
        elif place < len(query.rstrip()):
            raise _unreadable(query)
    if not clauses or len(joints) > 1 or len(joints) >= len(clauses):
        raise _unreadable(query)
    if len(clauses) > MOST_CLAUSES:
        raise invalid(f"A query may have at most {MOST_CLAUSES} clauses.", "query")
    joined = any if joints == {"OR"} else all
    return lambda row: joined(clause(row) for clause in clauses)


def _condition(clause: re.Match[str], fields: Mapping[str, str]) -> Matches:
    key = clause["key"]
    name = "metadata" if key is not None else clause["field"]
    sort = fields.get(name)
    if sort is None:
        raise invalid(f"Field `{name}` is an unsupported search field for this resource.", "query")
    operator = clause["operator"]
    quoted = clause["double"] if clause["double"] is not None else clause["single"]
    wanted = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else clause["bare"]
    if (operator == "~" and sort != _TEXT and key is None) or (
        operator in "<=>=" and operator != ":" and sort != _NUMBER
    ):
        raise invalid(f"Operator `{operator}` is not supported for the field `{name}`.", "query")
    if wanted != "null" and sort == _NUMBER and not re.fullmatch(r"-?\d+", wanted):
        raise invalid(f"Field `{name}` needs a number.", "query")
    compare = _comparison(operator, wanted, quoted is not None)
    steps = ["metadata", key] if key is not None else name.split(".")
    negated = clause["negated"] is not None
    return lambda row: compare(_value(row, steps)) is not negated


def _value(row: Row, steps: list[str]) -> Any:
    value: Any = row
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _comparison(operator: str, wanted: str, quoted: bool) -> Callable[[Any], bool]:
    if wanted == "null" and not quoted:
        return lambda value: value is None
    match operator:
        case ":":
            return lambda value: value is not None and _as_text(value) == wanted.lower()
        case "~":
            return lambda value: value is not None and wanted.lower() in _as_text(value)
        case ">":
            return lambda value: value is not None and value > int(wanted)
        case "<":
            return lambda value: value is not None and value < int(wanted)
        case ">=":
            return lambda value: value is not None and value >= int(wanted)
    return lambda value: value is not None and value <= int(wanted)


def _as_text(value: Any) -> str:
    return str(value).lower()


def _unreadable(query: str) -> StripeError:
    return invalid(
        f'We were unable to parse your search query: {query[:200]}. Try using the format `metadata["key"]:"value"` '
        "to query for metadata or "
        '`field:"value"` to query for other fields.',
        "query",
    )


def _token(position: tuple[int, int]) -> str:
    return base64.urlsafe_b64encode(f"{position[0]}:{position[1]}".encode()).decode()


def _position(page: str | None) -> tuple[int, int] | None:
    if page is None:
        return None
    try:
        created, seq = base64.urlsafe_b64decode(page).decode("ascii").split(":")
        return int(created), int(seq)
    except (ValueError, binascii.Error) as problem:
        raise invalid("Invalid page.", "page") from problem
