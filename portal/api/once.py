"""Answering a request once, however often it comes: the header Idempotency-Key.

The services behind know the key, too, and keep it in the rows that they make; so a request that was cut off in the middle is finished
by the next one with its key, and not done again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from flask import Response, make_response, request
from flask_babel import gettext
from pydantic import BaseModel
from werkzeug.wrappers import Response as AnyResponse

from portal.api import app_requests
from portal.api.bodies import WrongFields
from portal.api.callers import Caller, MissingScope, ProofNeeded
from portal.content import language
from portal.core import idempotency, metrics, texts
from portal.core.errors import N_, PortalError
from portal.core.keyset import WrongCursor
from portal.web import failures, pages
from portal.web.guards import PROOF_LASTS

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
# What pages call a page that is not there, an app has sent itself.
WRONG_CURSOR: Final = N_("This cursor is not one of this list.")
KEY: Final = re.compile(r"[!-~]{8,255}", re.ASCII)


class MissingKey(PortalError):
    code = "idempotency_key_missing"
    status = 400
    message = N_("This request needs one Idempotency-Key: 8 to 255 visible characters of your own choice.")


Again = Callable[[Caller, str], BaseModel]


class RefusedWith(PortalError):
    """A refusal that shows what it is about, as its member `shown_as`: a declined payment."""

    def __init__(self, error: PortalError, subject: Any, shown_as: str, **members: object) -> None:
        super().__init__(error.message, code=error.code, **error.facts)
        self.status = error.status
        self.subject, self.shown_as, self.members = subject, shown_as, members


def refusal(error: PortalError) -> AnyResponse:
    """An error as a problem document, with the members and headers of its kind."""
    message = language.error_text(error, pages.reader_language())
    if isinstance(error, WrongFields):
        return failures.failure(error.status, error.code, message, errors=error.errors)
    if isinstance(error, RefusedWith):
        members = {**error.members, error.shown_as: error.subject.model_dump(mode="json")}
        return failures.failure(error.status, error.code, message, **members)
    if isinstance(error, WrongCursor):
        wrong = gettext(WRONG_CURSOR)
        return failures.failure(422, "bad_cursor", wrong, errors=[{"field": "cursor", "message": wrong}])
    response = failures.refusal(error)
    if isinstance(error, MissingScope):
        response.headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    if isinstance(error, ProofNeeded):
        age = int(PROOF_LASTS.total_seconds())
        response.headers["WWW-Authenticate"] = f'Bearer error="insufficient_user_authentication", max_age="{age}"'
    return response


def response_of(answer: BaseModel | Response, status: int) -> Response:
    if isinstance(answer, Response):
        return answer
    response = make_response(answer.model_dump_json(by_alias=True), status)
    response.mimetype = "application/json"
    return response


def key_of(caller: Caller) -> str:
    """The key under which services keep what this request does. Raises MissingKey."""
    return idempotency.client_key_of(caller.key, _key())


def answered_once(act: Callable[[], Any], caller: Caller, again: Again, status: int) -> AnyResponse:
    """What `act` answers; or, for a request that was answered before, that status with what it was about as it is now.

    A refusal is kept like an answer, but for those that say "not now": then the next request with the key goes on. Raises MissingKey,
    app_requests.KeyReused and InFlight.
    """
    key = _key()
    known = app_requests.begin(caller.key, key, _fingerprint())
    if known is not None:
        metrics.DUPLICATES_STOPPED.labels("request").inc()
        return _replayed(known, caller, again)
    try:
        answer = act()
    except PortalError as error:
        # Nor is what the person can put right by signing in again kept under the key.
        if error.status >= 500 or error.status == 429 or isinstance(error, ProofNeeded):
            app_requests.release(caller.key, key)
            raise
        _keep_refusal(caller, key, error)
        raise
    except BaseException:
        app_requests.release(caller.key, key)
        raise
    app_requests.finish(caller.key, key, status=status, subject=answer.id)
    return response_of(answer, status)


def _keep_refusal(caller: Caller, key: str, error: PortalError) -> None:
    problem = refusal(error).get_json()
    subject = ""
    if isinstance(error, RefusedWith):
        subject = error.subject.id
        problem["shown_as"] = error.shown_as
        del problem[error.shown_as]  # a replay shows it as it is then, and what opens it is not kept
    app_requests.finish(caller.key, key, status=error.status, subject=subject, answer=problem)


def _replayed(known: app_requests.Answered, caller: Caller, again: Again) -> AnyResponse:
    if known.answer is None:
        response: AnyResponse = response_of(again(caller, known.subject), known.status)
    else:
        problem = dict(known.answer)
        shown_as = problem.pop("shown_as", None)
        members = {name: value for name, value in problem.items() if name not in _RENEWED}
        if shown_as is not None:
            members[shown_as] = again(caller, known.subject).model_dump(mode="json")
        response = failures.failure(known.status, problem["code"], problem["detail"], **members)
    response.headers[REPLAYED] = "true"
    return response


_RENEWED: Final = frozenset({"type", "title", "status", "code", "detail", "request_id"})


def _key() -> str:
    given = request.headers.getlist(HEADER)
    if len(given) != 1 or not KEY.fullmatch(given[0]):
        raise MissingKey
    texts.refuse_card_number(given[0], field=HEADER)
    return given[0]


def _fingerprint() -> str:
    """The same for the same request, however its JSON is written."""
    sent = json.dumps(json.loads(request.get_data() or b"{}"), sort_keys=True, ensure_ascii=True)
    return sha256(f"{request.method} {request.full_path}\n{sent}".encode()).hexdigest()
