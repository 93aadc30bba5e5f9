"""The OpenAPI document as its page shows it: operations by tag, their fields as rows, and what may be copied into a shell."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from portal.api import examples
from portal.api.bodies import JSON

METHODS: Final = ("get", "post", "put", "patch", "delete")
_ORIGIN: Final = "#/components/schemas/"
# Said once for the whole API, under limits.
_WITHOUT_NUL: Final = r"^[^\x00]*$"


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a key of a body: `name` says where it is ("items[].description"), `rules` what holds for its value.

    `objects` are those that it consists of, each described under its own name.
    """

    name: str
    kind: str
    required: bool
    rules: tuple[str, ...]
    words: str
    example: str
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What these statuses are answered with: an object's name, or else a media type alone."""

    statuses: tuple[tuple[str, str], ...]
    media_type: str
    object: str


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    method: str
    path: str
    summary: str
    words: str
    scopes: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_words: str
    answers: tuple[Answer, ...]
    answered: str
    curl: str

    @property
    def anchor(self) -> str:
        return f"operation-{self.name}"


@dataclass(frozen=True, slots=True)
class Object:
    name: str
    words: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """All of the page that comes from the document. `scopes` are each with the operations that it opens."""

    title: str
    words: str
    tags: tuple[tuple[str, tuple[Operation, ...]], ...]
    objects: tuple[Object, ...]
    scopes: tuple[tuple[str, tuple[Operation, ...]], ...]


def anchor(kind: str, name: str) -> str:
    """Where a part stands on the page: "object-Page-Payment"."""
    return f"{kind}-{re.sub(r'[^A-Za-z0-9_]+', '-', name).strip('-')}"


def read(document: dict[str, Any]) -> Reference:
    """The page of this OpenAPI document."""
    document = _with_words_in_place(document)
    known = document["components"]["schemas"]
    operations: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                operation = _operation(document, method, path, methods[method])
                operations[methods[method]["tags"][0]].append(operation)
    every = [operation for found in operations.values() for operation in found]
    scopes = sorted({scope for operation in every for scope in operation.scopes})
    return Reference(
        title=document["info"]["title"],
        words=document["info"]["description"],
        tags=tuple((tag, tuple(found)) for tag, found in operations.items()),
        objects=tuple(
            Object(name, _one_line(known[name].get("description", "")), tuple(_fields(known[name], known)))
            for name in _answered_with(every, known)
        ),
        scopes=tuple((scope, tuple(one for one in every if scope in one.scopes)) for scope in scopes),
    )


def _with_words_in_place(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the words of each enum where it refers to it: a reader wants them beside the key."""
    enums = {name: schema for name, schema in document["components"]["schemas"].items() if "enum" in schema}

    def inside(value: Any) -> Any:
        if isinstance(value, list):
            return [inside(one) for one in value]
        if not isinstance(value, dict):
            return value
        enum = enums.get(str(value.get("$ref", "")).removeprefix(_ORIGIN))
        if enum is not None:
            return enum | {name: inside(one) for name, one in value.items() if name != "$ref"}
        return {name: inside(one) for name, one in value.items()}

    return dict(inside(document))


def _operation(document: dict[str, Any], method: str, path: str, facts: dict[str, Any]) -> Operation:
    known = document["components"]["schemas"]
    content = facts.get("requestBody", {}).get("content", {}).get(JSON, {})
    body = _resolved(content["schema"], known) if content else {}
    return Operation(
        name=facts["operationId"],
        method=method.upper(),
        path=path,
        summary=facts["summary"].rstrip("."),
        words=_one_line(facts.get("description", "")),
        scopes=tuple(facts.get("x-scopes", ())),
        parameters=tuple(_parameter(given) for given in facts["parameters"]),
        body=tuple(_fields(body, known, deep=True)),
        body_words=_one_line(body.get("description", "")),
        answers=tuple(_answers(facts["responses"])),
        answered=_answered(facts["responses"], known),
        curl=_curl(document, method, path, facts, content.get("example")),
    )


# Fields


def _parameter(given: dict[str, Any]) -> Field:
    schema = given["schema"] | ({"description": given["description"]} if given.get("description") else {})
    where = {"path": "in the path", "header": "as a header"}.get(given["in"])
    found = _field(given["name"], schema, required=bool(given["required"]), answered=False)
    rules = ((where,) if where else ()) + found.rules
    return Field(found.name, found.kind, found.required, rules, found.words, found.example)


def _fields(schema: dict[str, Any], known: dict[str, Any], *, deep: bool = False, within: str = "") -> Iterator[Field]:
    """A row a key. `deep` has the keys of nested objects follow; without it they are referred to."""
    for name, given in schema.get("properties", {}).items():
        found = _field(within + name, given, required=name in schema.get("required", ()), answered=not deep)
        yield found
        if deep:
            for inner in found.objects:
                inside = f"{within}{name}[]." if found.kind.startswith("array") else f"{within}{name}."
                yield from _fields(known[inner], known, deep=True, within=inside)


def _field(name: str, given: dict[str, Any], *, required: bool, answered: bool) -> Field:
    schema, is_optional = _without_null(given)
    objects = tuple(_named(schema))
    shown = _example(schema)
    return Field(
        name=name,
        kind=(_kind(schema) + " or null" if is_optional else _kind(schema)) if answered else _shape(schema),
        required=required,
        rules=tuple(_rules(schema, answered=answered)),
        words=_one_line(given.get("description") or schema.get("description", "")),
        example="" if shown is None else json.dumps(shown, ensure_ascii=False),
        objects=objects,
    )


def _without_null(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema of what is there, with what stands beside it, and whether it may be null."""
    choices = schema.get("anyOf", [])
    there = [choice for choice in choices if choice != {"type": "null"}]
    if len(there) != 1:
        return schema, False
    beside = {name: value for name, value in schema.items() if name not in {"anyOf", "title"}}
    return there[0] | beside, len(there) < len(choices)


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].removeprefix(_ORIGIN))
    if schema.get("type") == "array":
        return f"array of {_kind(schema['items'])}"
    if schema.get("format") in {"date", "date-time"}:
        return str(schema["format"])
    return str(schema.get("type") or ("string" if "const" not in schema else json.dumps(schema["const"])))


def _shape(schema: dict[str, Any]) -> str:
    """Likewise where the keys of nested objects follow: their names would tell nothing."""
    return re.sub(r"\b[A-Z]\w*", lambda _name: "objects" if schema.get("type") == "array" else "object", _kind(schema))


def _rules(schema: dict[str, Any], *, answered: bool) -> Iterator[str]:
    """What a value must fulfil, in words, a phrase each."""
    if "enum" in schema:
        yield "one of " + ", ".join(str(value) for value in schema["enum"])
    least, most = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if least is not None:
        yield f"more than {least}" if "exclusiveMinimum" in schema else f"at least {least}"
    if most is not None:
        yield f"at most {most:,}"
    for size, unit in (("Length", "characters"), ("Items", "entries"), ("Properties", "keys")):
        if schema.get(f"min{size}"):
            yield f"at least {schema[f'min{size}']} {unit if schema[f'min{size}'] > 1 else _ONE[unit]}"
        if f"max{size}" in schema:
            yield f"at most {schema[f'max{size}']:,} {unit}"
    if schema.get("pattern", _WITHOUT_NUL) != _WITHOUT_NUL:
        yield f"like {schema['pattern']}"
    for name, inner in schema.get("patternProperties", {}).items():
        yield f"keys like {name}"
        yield "values: " + ", ".join(_rules(inner, answered=answered))
    default = schema.get("default")
    if not answered and default not in (None, "", [], {}):
        yield f"{json.dumps(default)} if it is not given"


_ONE: Final = {"characters": "character", "entries": "entry", "keys": "key"}


def _example(schema: dict[str, Any]) -> Any:
    given = schema.get("examples")
    return given[0] if given else None


def _named(schema: dict[str, Any]) -> Iterator[str]:
    """The objects that a schema refers to."""
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(_ORIGIN)
    elif schema.get("type") == "array":
        yield from _named(schema["items"])


def _resolved(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    name = next(_named(schema), None)
    return dict(known[name]) if name else schema


# Answers


def _answers(responses: dict[str, Any]) -> Iterator[Answer]:
    """One for each object that is answered with, in the order of their statuses."""
    statuses: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for status, response in sorted(responses.items()):
        if status == "default":
            continue
        for media_type, content in response["content"].items():
            name = next(_named(content["schema"]), "")
            statuses.setdefault((media_type, name), []).append((status, HTTPStatus(int(status)).phrase))
    for (media_type, name), found in statuses.items():
        yield Answer(tuple(found), media_type, name)


def _answered(responses: dict[str, Any], known: dict[str, Any]) -> str:
    """An answer that went well, as JSON; nothing for a file."""
    status = min(status for status in responses if status.startswith("2"))
    content = responses[status]["content"].get(JSON)
    if content is None:
        return ""
    return json.dumps(examples.answer(content["schema"], known), indent=2, ensure_ascii=False)


def _answered_with(operations: list[Operation], known: dict[str, Any]) -> list[str]:
    """The names of all objects that are answered with, and of those inside them; by name."""
    waiting = [answer.object for operation in operations for answer in operation.answers if answer.object]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            for given in known[name].get("properties", {}).values():
                waiting.extend(_named(_without_null(given)[0]))
    return sorted(found)


# What may be copied


def _curl(document: dict[str, Any], method: str, path: str, facts: dict[str, Any], body: Any) -> str:
    """A command for a shell. $TOKEN is the access token; {names} of the path become variables, too."""
    named = re.sub(r"\{(\w+)\}", lambda found: f"${found[1].upper()}", path)
    address = document["servers"][0]["url"] + named + _query(facts["parameters"])
    lines = [f'curl "{address}"' if method == "get" else f'curl -X {method.upper()} "{address}"']
    if facts["security"]:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if any(given["name"] == "Idempotency-Key" for given in facts["parameters"]):
        lines.append('-H "Idempotency-Key: $(uuidgen)"')
    if body is not None:
        lines += [f'-H "Content-Type: {JSON}"', f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    elif JSON not in _first(facts["responses"])["content"]:
        lines.append("-o receipt.pdf")
    return " \\\n  ".join(lines)


def _query(parameters: list[dict[str, Any]]) -> str:
    """What must be sent, and how long a list is to be."""
    shown = [
        given for given in parameters if given["in"] == "query" and (given["required"] or given["name"] == "limit")
    ]
    pairs = [f"{given['name']}={'50' if given['name'] == 'limit' else '$' + given['name'].upper()}" for given in shown]
    return "?" + "&".join(pairs) if pairs else ""


def _first(responses: dict[str, Any]) -> dict[str, Any]:
    return dict(responses[min(responses)])


def _one_line(text: str) -> str:
    return " ".join(text.split())
