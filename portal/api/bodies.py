"""Reading what an app sends: one JSON object or plain parameters, checked against a schema before anything is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from portal.core import texts
from portal.core.errors import N_, Invalid, PortalError

LARGEST_BODY_BYTES: Final = 256_000
DEEPEST_JSON: Final = 8
JSON: Final = "application/json"
_SECRETS: Final = frozenset({"password", "client_secret", "refresh_token"})

Model = TypeVar("Model", bound=BaseModel)


class MalformedJson(PortalError):
    code = "malformed_json"
    status = 400
    message = N_("The body is not one plain JSON object. It may also be nested too deep, or have a key twice.")


class NotJson(PortalError):
    code = "unsupported_media_type"
    status = 415
    message = N_("Please send JSON, with Content-Type: application/json.")


class WrongFields(Invalid):
    """`errors` say which, and why."""

    code = "invalid_request"
    message = N_("Something that you sent cannot be used: see errors.")

    def __init__(self, errors: list[dict[str, str]]) -> None:
        self.errors = errors
        super().__init__()


def query(model: type[Model]) -> Model:
    """The parameters of the address. Raises WrongFields, also for one that comes twice."""
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise WrongFields([{"field": name, "message": "sent more than once"} for name in twice])
    return _validated(lambda: model.model_validate_strings(dict(request.args.items())))


def body(model: type[Model]) -> Model:
    """The body of the request. Raises NotJson, MalformedJson, WrongFields, texts.CardNumber, and 413 for a large one."""
    raw = _object()
    return _validated(lambda: model.model_validate_json(raw))


def _object() -> bytes:
    """The body, certainly one JSON object of bounded depth without a key that comes twice."""
    request.max_content_length = LARGEST_BODY_BYTES
    if request.mimetype != JSON:
        raise NotJson
    raw = request.get_data()
    try:
        sent = json.loads(raw, object_pairs_hook=_without_twins, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedJson from error
    if not isinstance(sent, dict) or _is_deeper(sent, DEEPEST_JSON):
        raise MalformedJson
    _refuse_card_numbers(sent, "")
    return raw


def _refuse_card_numbers(value: Any, at: str) -> None:
    """Raises CardNumber before anything is done, for a text or a key anywhere in the body. Secrets are compared, and never kept."""
    if isinstance(value, str):
        texts.refuse_card_number(value, field=at)
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        if isinstance(name, str):
            texts.refuse_card_number(name, field=at)
        if name not in _SECRETS:
            _refuse_card_numbers(one, f"{at}.{name}" if at else str(name))


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_deeper(value: Any, most: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(most == 0 or _is_deeper(one, most - 1) for one in inner)


def _validated(validate: Callable[[], Model]) -> Model:
    try:
        return validate()
    except ValidationError as error:
        raise WrongFields(
            [_described(problem) for problem in error.errors(include_input=False, include_url=False)]
        ) from None


def _described(problem: Any) -> dict[str, str]:
    field = ".".join(str(part) for part in problem["loc"])
    return {"field": field, "message": problem["msg"].removeprefix("Value error, ")}
