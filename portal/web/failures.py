"""What a caller is told when something went wrong: a page for people, problem+json for programs, and the cause in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import structlog
from flask import Flask, current_app, flash, g, jsonify, make_response, redirect, request, url_for
from flask_babel import gettext
from flask_login import AnonymousUserMixin, current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import audit, card_numbers, config, db
from portal.core.errors import (
    N_,
    Invalid,
    NotFound,
    NotYet,
    OtherRole,
    PortalError,
    ProofOutdated,
    RateLimited,
    SignInRequired,
    Unavailable,
)
from portal.web import resuming
from portal.web.pages import API_DOCS, COOKIE_WAS_SET, brought_cookie, is_api, reader_language, render, wants_part

log = structlog.get_logger(__name__)

_TITLES: Final = {
    400: N_("That did not work"),
    401: N_("Please sign in"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("That is not possible here"),
    409: N_("Something has changed"),
    413: N_("Too large"),
    422: N_("Please check what you entered"),
    429: N_("Please wait a moment"),
    503: N_("Not available right now"),
}
_MESSAGES: Final = {
    400: N_("We could not read what your browser sent. Please go back, reload the page and try again."),
    405: N_("This address does not take that kind of request."),
    429: RateLimited.message,
}
_DATABASE_DOWN: Final = N_("We cannot reach our records at the moment. Please try again in a minute.")
_FORM_EXPIRED: Final = N_("This form was open for too long. Please go back, reload the page and send it again.")
# Led back to a form that was sent in vain. What concerns money says first that none was taken.
_SIGNED_OUT: Final = N_("You have been signed out. Nothing was sent. Please sign in to continue where you were.")
_SIGNED_OUT_PAYING: Final = N_("You have been signed out. You were not charged. Please sign in to continue.")
_OUTDATED: Final = N_("This page was out of date. Nothing was sent. Please check it and send it again.")
_OUTDATED_PAYING: Final = N_("You were not charged. This page was out of date. Please check the payment and pay again.")
_SIGN_IN_OUTDATED: Final = N_("This page was out of date. Please sign in now.")


def _problem_type(code: str) -> str:
    """Where an app's developer reads what the code means and what to do; a page's own scripts need no more than the code."""
    return f"{config.current().base_url}{API_DOCS}#error-{code}" if is_api() else "about:blank"


def failure(
    status: int,
    code: str,
    message: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    retry_after: int | None = None,
    **members: object,
) -> AnyResponse:
    """An error as the caller reads it: a page for people, problem+json (RFC 9457) for programs.

    `errors` tell which "field" each is about and its "message"; `members` are more of the problem's own.
    """
    title = gettext(_TITLES.get(status, N_("Something went wrong")))
    if is_api() or request.accept_mimetypes.best == "application/json":
        problem = {"type": _problem_type(code), "title": title, "status": status, "code": code, "detail": message}
        response: AnyResponse = jsonify(
            problem | {"request_id": g.get("request_id", ""), "errors": list(errors)} | members
        )
        response.mimetype = "application/problem+json"
        response.status_code = status
    else:
        g.with_stripe = False
        response = make_response(
            render("errors/error.html", status=status, title=title, message=message, next_step=None), status
        )
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def refusal(error: PortalError) -> AnyResponse:
    """What a caller is told of an error of ours; a browser whose session has ended is led to the sign-in."""
    if isinstance(error, SignInRequired) and not is_api():
        return _to_sign_in()
    if isinstance(error, ProofOutdated) and not is_api():
        return _to_proof()
    if error.status >= 500 and not isinstance(error, NotYet):
        log.error("request_failed", code=error.code, exc_info=error)
    if error.status == 403 or isinstance(error, OtherRole):
        _record_refusal(error)
    message = language.error_text(error, reader_language())
    field = error.field if isinstance(error, Invalid) else None
    return failure(
        error.status,
        error.code,
        message,
        errors=[{"field": field, "message": message}] if field else [],
        retry_after=getattr(error, "retry_after", None),
        **{name: error.facts[name] for name in ("existing_id",) if name in error.facts},
    )


def _record_refusal(error: PortalError) -> None:
    """What someone is not allowed to do stands in the trail: at most once an hour for each of them and each thing."""
    if audit.actor().kind == "anonymous":
        return
    try:
        facts = {"method": request.method, "path": card_numbers.masked(request.path)[:200], "code": error.code}
        audit.refused((request.endpoint or "unknown")[:80], facts)
    except db.UNREACHABLE as unreachable:
        log.error("database_unreachable", exc_info=unreachable)


def _to_sign_in() -> AnyResponse:
    if request.method == "GET":
        there = None if wants_part() else request.full_path.rstrip("?")
        return _go_to(url_for("identity.sign_in", next=there))
    return _resume(resuming.owner_of_form() or "", must_sign_in=True)


def _to_proof() -> AnyResponse:
    """Whoever has to confirm their password is led back to the form, with what they typed."""
    if request.method == "GET":
        there = None if wants_part() else request.full_path.rstrip("?")
    else:
        there = resuming.page_of_form()
        resuming.keep(there, current_user.id)
    return _go_to(url_for("identity.confirm_password", next=there), ProofOutdated.message)


def _resume(owner: str, *, must_sign_in: bool) -> AnyResponse:
    """For a form whose session is gone: say that nothing was done, and lead to where it is sent again, over signing in where needed.

    `owner` is whose form it was, "" for nobody's.
    """
    if request.endpoint in {"identity.sign_in", "identity.sign_in_code"}:
        target = url_for("identity.sign_in", next=request.args.get("next"))
        if current_user.is_authenticated:
            return _go_to(target)  # which leads on to where the sign-in would have led
        resuming.keep(target, owner)
        return _go_to(target, _SIGN_IN_OUTDATED)
    there, is_paying = resuming.page_of_form(), request.blueprint == "pay"
    resuming.keep(there, owner)
    if must_sign_in:
        return _go_to(url_for("identity.sign_in", next=there), _SIGNED_OUT_PAYING if is_paying else _SIGNED_OUT)
    return _go_to(there or "/", _OUTDATED_PAYING if is_paying else _OUTDATED)


def _go_to(target: str, message: str | None = None) -> AnyResponse:
    """Another page, which shows the message; scripts of ours are told where."""
    if message:
        flash(gettext(message), "warning")
        if not brought_cookie():  # gone with the last window, or blocked: the next page can tell
            target += f"{'&' if '?' in target else '?'}{COOKIE_WAS_SET}=set"
    if "HX-Request" in request.headers:
        response = make_response("", 401)
        response.headers["HX-Redirect"] = target
        return response
    if request.accept_mimetypes.best == "application/json":
        return failure(401, SignInRequired.code, gettext(message or SignInRequired.message), go_on=target)
    return redirect(target, 303)


def _http_error(error: HTTPException) -> AnyResponse:
    status = error.code or 500
    if error.response is not None or 300 <= status < 400:
        return error.get_response()
    if status == 404 and (there := _without_slash()) is not None:
        return redirect(there, 308)
    message = gettext(_MESSAGES.get(status, NotFound.message if status == 404 else PortalError.message))
    if status == 413 and request.max_content_length:
        most = language.number_text(request.max_content_length // 1_000, reader_language())
        message = gettext("What you sent is larger than we accept: at most %(most)s kB.", most=most)
    if isinstance(error, CSRFError):
        owner = resuming.owner_of_form()
        if owner is not None:
            return _resume(owner, must_sign_in=bool(owner) and not current_user.is_authenticated)
        message = gettext(_FORM_EXPIRED)
    wait = getattr(error, "retry_after", None) or (60 if status == 429 else None)
    response = failure(status, error.name.lower().replace(" ", "_"), message, retry_after=wait)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _without_slash() -> str | None:
    """Where an address with a slash too many at its end leads; None when there is nothing either."""
    path = request.path.rstrip("/")
    if request.url_rule is not None or not path or path == request.path or path.startswith("//"):
        return None
    try:
        current_app.url_map.bind("").match(path, method=request.method)
    except MethodNotAllowed:
        pass
    except (HTTPException, RequestRedirect):
        return None
    query = request.query_string.decode("ascii", "replace")
    return f"{quote(path)}?{query}" if query else quote(path)


def _database_error(error: Exception) -> AnyResponse:
    """The database is away, full, read-only, or has no connection left. Stripe sends its webhook again after a 503."""
    log.error("database_unreachable", exc_info=error)
    # The page must not ask again who is there: this is where Flask-Login keeps the answer.
    g._login_user = AnonymousUserMixin()  # noqa: SLF001
    return failure(503, Unavailable.code, gettext(_DATABASE_DOWN), retry_after=Unavailable.retry_after)


def _unstorable(error: DataError) -> AnyResponse:
    """PostgreSQL takes no NUL in a text, for one: nothing that a browser sends by itself."""
    log.warning("value_refused_by_database", exc_info=error)
    return failure(400, "bad_request", gettext(_MESSAGES[400]))


def _unforeseen(error: Exception) -> AnyResponse:
    log.error("request_crashed", exc_info=error)
    return failure(500, PortalError.code, gettext(PortalError.message))


def install(app: Flask) -> None:
    """Answer all that a view of this application may raise."""
    app.register_error_handler(PortalError, refusal)
    app.register_error_handler(HTTPException, _http_error)
    for kind in db.UNREACHABLE:
        app.register_error_handler(kind, _database_error)
    app.register_error_handler(DataError, _unstorable)
    app.register_error_handler(Exception, _unforeseen)
