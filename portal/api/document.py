"""The OpenAPI document, collected from the operations as they are served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from inspect import unwrap
from threading import Lock
from typing import Any, Final

from flask import current_app
from pydantic import BaseModel

from portal.api import examples
from portal.api.bodies import JSON
from portal.api.schemas import Problem
from portal.core import config

OPENAPI: Final = "3.1.0"
VERSION: Final = "1.0.0"
BEARER: Final = "bearer"
PROBLEM: Final = "application/problem+json"

DESCRIPTION: Final = """Everything that the portal's pages do with invoices, payments, cards, receipts and refunds, for your own apps.

Amounts are whole numbers in a currency's minor units (1099 is 10.99 EUR); times are UTC, in ISO 8601; days, such as
`due_on`, are those of the company where it keeps its books. Get an access token from `POST /api/auth/token` and send it as
`Authorization: Bearer …`. Every request that changes something needs an `Idempotency-Key` of your own: send it again with the same key
when an answer was lost, and nothing happens twice. Refusals are problem documents (RFC 9457).
"""


def _component(model: type[BaseModel]) -> str:
    """The name of a schema, of letters alone as OpenAPI demands: a page of refunds, Page[Refund] in Python, is RefundPage."""
    generic = model.__pydantic_generic_metadata__
    if generic["origin"] is None:
        return model.__name__
    return "".join(part.__name__ for part in (*generic["args"], generic["origin"]))


@dataclass(frozen=True, slots=True)
class Description:
    """What a view takes and answers: `answers` by status, None for one without a body or with one that is no JSON."""

    name: str
    tag: str
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    answers: Mapping[int, type[BaseModel] | None]


PAYMENT_ID: Final = "pay_[0-9a-z]{1,36}"
CUSTOMER_ID: Final = "cus_[0-9a-z]{1,36}"
# Ids that stand where a word of ours could stand as well.
_PATTERNS: Final = {"payment_id": PAYMENT_ID, "customer_id": CUSTOMER_ID}
IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A name of your own for this request, such as a UUID. The same request with the same key is answered again and repeats "
    "nothing; with another body it is refused. Kept for two days.",
    "schema": {"type": "string", "minLength": 8, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def openapi() -> dict[str, Any]:
    """The document as it is served: to be read, and not to be changed. Made once a process."""
    settings = config.current()
    return _made(settings.company.name, settings.base_url)


_one_at_a_time: Final = Lock()


@lru_cache(maxsize=2)
def _made(company: str, base_url: str) -> dict[str, Any]:
    with _one_at_a_time:
        document = _collected()
    document["info"]["title"] = f"{company}: billing API"
    document["components"]["securitySchemes"] = {BEARER: {"type": "http", "scheme": BEARER, "bearerFormat": "JWT"}}
    document["servers"] = [{"url": base_url}]
    operations = {rule.endpoint: rule for rule in current_app.url_map.iter_rules()}
    for endpoint in operations:
        facts = getattr(current_app.view_functions[endpoint], "operation", None)
        if facts is not None:
            _complete(document["paths"], facts)
    document["components"]["schemas"] = dict(sorted(document["components"]["schemas"].items()))
    return document


def _collected() -> dict[str, Any]:
    """What spectree makes of the views. It is read here and not when views are declared, and so are the schemas of all models: that
    takes half a second, which a process that is never asked for the document need not spend.
    """
    from spectree import Response, SpecTree

    spec = SpecTree(
        "flask",
        mode="strict",
        title="Billing portal API",
        version=VERSION,
        openapi_version=OPENAPI,
        description=DESCRIPTION,
        annotations=False,
        naming_strategy=_component,
        nested_naming_strategy=lambda _parent, child: child,
        validation_error_model=Problem,
        page_templates={},
    )
    for view in current_app.view_functions.values():
        told: Description | None = getattr(view, "description", None)
        if told is not None:
            # Spectree finds it by what the view says that it wraps.
            view.__wrapped__ = spec.validate(  # type: ignore[union-attr]
                query=told.query,
                json=told.body,
                resp=Response(**{f"HTTP_{code}": model for code, model in told.answers.items()}),
                tags=[told.tag],
                skip_validation=True,
                operation_id=told.name,
            )(unwrap(view))
    collected: dict[str, Any] = spec.spec
    return collected


def _complete(paths: dict[str, Any], facts: Any) -> None:
    """Say what spectree does not know of an operation: its scopes, its key, and the media types of its answers."""
    entry = next(
        operation
        for methods in paths.values()
        for operation in methods.values()
        if operation["operationId"] == facts.name
    )
    for parameter in entry["parameters"]:
        if parameter["in"] == "path":
            parameter["schema"] = {"type": "string"}
            if parameter["name"] in _PATTERNS:
                parameter["schema"]["pattern"] = f"^{_PATTERNS[parameter['name']]}$"
    if facts.scopes:
        entry["security"] = [{BEARER: []}]
        entry["x-scopes"] = list(facts.scopes)
    else:
        entry["security"] = []
    if facts.again is not None:
        entry["parameters"].append(IDEMPOTENCY_KEY)
    if facts.name in examples.BODIES:
        entry["requestBody"]["content"][JSON]["example"] = examples.BODIES[facts.name]
    entry["responses"]["default"] = {"description": "Any other refusal"}
    for status, response in entry["responses"].items():
        if status == "default" or int(status) >= 400:
            schema = response.get("content", {}).get(JSON, {}).get("schema", {"$ref": "#/components/schemas/Problem"})
            response["content"] = {PROBLEM: {"schema": schema}}
        elif facts.media_type != JSON:
            response["content"] = {facts.media_type: {"schema": {"type": "string", "format": "binary"}}}
        if facts.again is not None and status != "default":
            response.setdefault("headers", {})["Idempotent-Replayed"] = {
                "description": "“true” when this is the answer to an earlier request with the same key.",
                "schema": {"type": "string", "enum": ["true"]},
            }
