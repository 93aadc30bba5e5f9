"""What every operation of the API shares: who may call it, how often, what may be sent, and its entry in the OpenAPI document."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Literal

import structlog
from flask import Blueprint, g, request
from limits import RateLimitItem, WindowStats, parse
from limits.errors import StorageError
from limits.strategies import RateLimiter
from pydantic import BaseModel
from werkzeug.routing import BaseConverter
from werkzeug.wrappers import Response as AnyResponse

from portal.api import bodies, callers, end_users
from portal.api.callers import Caller
from portal.api.document import CUSTOMER_ID, PAYMENT_ID, Description
from portal.api.once import Again, answered_once, refusal, response_of
from portal.api.schemas import Problem
from portal.core import clock, config, networks
from portal.core.errors import PortalError, RateLimited
from portal.payment_methods import service as cards
from portal.web import pages

log = structlog.get_logger(__name__)

# What any operation may answer besides; whatever is not listed falls under "default".
_ALWAYS: Final = (422, 429, 503)
_SIGNED_IN: Final = (401, 403)
_WITH_BODY: Final = (400, 413, 415)
_ONCE: Final = (400, 409)
# The right password was given: that a code is needed besides is no failure.
_NO_FAILURES: Final = frozenset({"code_needed"})


@dataclass(frozen=True, slots=True)
class Operation:
    """What the document and the tests know of a view. One of `scopes` is needed; none: it is for anyone.

    `again` makes the answer to a request that comes a second time, from the id of what the first one was about: it shows that as it is
    now. Operations without it may be repeated as they are.
    """

    name: str
    scopes: tuple[str, ...]
    media_type: str
    again: Again | None


class PaymentId(BaseConverter):
    """The place of a payment's id in an address."""

    regex = PAYMENT_ID


class CustomerId(BaseConverter):
    """The place of a customer's id in an address: `me` is none."""

    regex = CUSTOMER_ID


def blueprint(name: str) -> Blueprint:
    """A blueprint of operations: without what is for browsers only, and with problem documents as refusals."""
    bp = Blueprint(f"api_{name}", __name__, url_prefix="/api")
    pages.csrf.exempt(bp)
    pages.limiter.exempt(bp)  # an operation counts by itself, by caller
    bp.register_error_handler(PortalError, refusal)
    bp.after_request(_headers)
    return bp


def operation(  # noqa: PLR0913  # what an operation is described by
    *scopes: str,
    tag: str,
    answer: type[BaseModel] | None,
    status: int = 200,
    refusals: Mapping[int, type[BaseModel]] | tuple[int, ...] = (),
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    again: Again | None = None,
    limit: Literal["all", "changes", "sign_in"] = "all",
    takes_cards: bool = False,
    media_type: str = bodies.JSON,
) -> Callable[[Callable[..., Any]], Callable[..., AnyResponse]]:
    """A view as an operation. It is called with the parts of its path and, as far as they are declared, `caller`, `query` and `body`.

    It returns an `answer`, or a whole response. Its docstring is the document's text. Under the limit "sign_in" only failures are
    counted. One that `takes_cards` tells besides how much is left of the limits of declined cards.
    """
    own = dict(refusals) if isinstance(refusals, Mapping) else dict.fromkeys(refusals, Problem)
    usual = (*_ALWAYS, *(_SIGNED_IN if scopes else ()), *(_WITH_BODY if body else ()), *(_ONCE if again else ()))
    answers = {status: answer} | dict.fromkeys(usual, Problem) | own

    def decorate(view: Callable[..., Any]) -> Callable[..., AnyResponse]:
        @wraps(view)
        def run(**path: str) -> AnyResponse:
            given: dict[str, Any] = dict(path)
            if scopes:
                given["caller"] = _admit(scopes, limit)
            elif limit == "sign_in":
                _refuse_failing(limit)
            else:
                _count(limit, _whence())
            if query is not None:
                given["query"] = bodies.query(query)
            if body is not None:
                given["body"] = bodies.body(body)
            with _counting(given.get("caller"), limit, takes_cards=takes_cards):
                if again is not None:
                    return answered_once(lambda: view(**given), given["caller"], again, status)
                return response_of(view(**given), status)

        run.description = Description(view.__name__, tag, query, body, answers)  # type: ignore[attr-defined]
        run.operation = Operation(view.__name__, scopes, media_type, again)  # type: ignore[attr-defined]
        return run

    return decorate


def _admit(scopes: tuple[str, ...], limit: str) -> Caller:
    whence = _whence()
    _refuse_guessing(whence)
    try:
        caller = callers.authenticate()
    except PortalError as error:
        if error.status == 401:
            _note_refused(whence)
        raise
    _count(limit, caller.key)
    if caller.scopes.isdisjoint(scopes):
        raise callers.MissingScope(scopes[0])
    return caller


def _whence() -> str:
    """The address by which a request is counted. Who guesses the token that lets a system name it is counted by their own."""
    sender = pages.network_of_caller()
    if not end_users.is_named():
        return sender
    _refuse_guessing(sender)
    try:
        return networks.network_of(end_users.address())
    except PortalError as error:
        if error.status == 401:
            _note_refused(sender)
        raise


def _refuse_guessing(whence: str) -> None:
    if not _counted(lambda limiter: limiter.test(_limit("refused"), "api", "refused", whence)):
        raise RateLimited


def _note_refused(whence: str) -> None:
    _counted(lambda limiter: limiter.hit(_limit("refused"), "api", "refused", whence))


@contextmanager
def _counting(caller: Caller | None, limit: str, *, takes_cards: bool) -> Iterator[None]:
    """Count what came of an operation, and tell of limits that its work has used up."""
    try:
        yield
    except PortalError as error:
        if limit == "sign_in" and error.status == 401 and error.code not in _NO_FAILURES:
            count_failure(limit)
        raise
    finally:
        if takes_cards and caller is not None and caller.customer_id is not None:
            for standing in cards.standings(caller.customer_id, end_users.address()):
                told = (standing.most, standing.window_seconds, standing.left, standing.wait_seconds)
                _tell_limit(standing.name, *told)


def _refuse_failing(name: str) -> None:
    """Raises RateLimited after too many failures from here."""
    limit, whence = _limit(name), _whence()

    def test(limiter: RateLimiter) -> bool:
        allowed = limiter.test(limit, "api", name, whence)
        _remember(name, limit, limiter.get_window_stats(limit, "api", name, whence))
        return allowed

    if not _counted(test):
        raise RateLimited(retry_after=g.rate_limits[name][-1])


def count_failure(name: str) -> None:
    """Count a failure from here: a wrong password, a token that nobody gave out."""
    _counted(lambda limiter: _hit(limiter, name, _whence()))


def _counted(count: Callable[[RateLimiter], bool]) -> bool:
    """Whether the call is allowed. It is while the storage of the limits does not answer: a payment is worth more than a limit."""
    try:
        return count(pages.limiter.limiter)
    except StorageError as error:
        log.error("limits_storage_unreachable", exc_info=error)
        return True


def _limit(name: str) -> RateLimitItem:
    return parse(config.current().api_limits[name])


def _count(name: str, whose: str) -> None:
    """Count a call under a limit of the settings, and remember how much of it is left."""
    if not _counted(lambda limiter: _hit(limiter, name, whose)):
        raise RateLimited(retry_after=g.rate_limits[name][-1])


def _hit(limiter: RateLimiter, name: str, whose: str) -> bool:
    limit = _limit(name)
    allowed = limiter.hit(limit, "api", name, whose)
    _remember(name, limit, limiter.get_window_stats(limit, "api", name, whose))
    return allowed


def _remember(name: str, limit: RateLimitItem, stats: WindowStats) -> None:
    wait = max(1, math.ceil(stats.reset_time - clock.now().timestamp()))
    _tell_limit(name, limit.amount, limit.get_expiry(), max(0, stats.remaining), wait)


def _tell_limit(name: str, most: int, window_seconds: int, left: int, wait_seconds: int) -> None:
    if "rate_limits" not in g:
        g.rate_limits = {}
    g.rate_limits[name] = (most, window_seconds, left, wait_seconds)


def _headers(response: AnyResponse) -> AnyResponse:
    """How much of the limit is left (IETF, draft-ietf-httpapi-ratelimit-headers), and how to prove who one is."""
    limits = g.get("rate_limits", {}).items()
    if limits:
        policies = (f'"{name}";q={most};w={window}' for name, (most, window, _left, _wait) in limits)
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(
            f'"{name}";r={left};t={wait}' for name, (_most, _window, left, wait) in limits
        )
    if response.status_code == 401:
        given = "Authorization" in request.headers
        response.headers.setdefault("WWW-Authenticate", 'Bearer error="invalid_token"' if given else "Bearer")
    return response
