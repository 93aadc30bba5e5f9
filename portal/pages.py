"""What every page shares: rendering whole or in part, who may see it, its language, its headers, and its failures."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

import structlog
from flask import (
    Blueprint,
    Flask,
    Response,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_babel import Babel, gettext
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import AnonymousUserMixin, current_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response as AnyResponse

from portal import audit, config, db, language
from portal.errors import (
    N_,
    Forbidden,
    Invalid,
    NotFound,
    NotYet,
    PortalError,
    RateLimited,
    SignInRequired,
    Unavailable,
)

log = structlog.get_logger(__name__)

STATIC: Final = Path(__file__).parent.parent / "static"
TEMPLATES: Final = STATIC.parent / "templates"
# Browsers ask for HTTPS alone from then on, in seconds.
HSTS_SECONDS: Final = 63_072_000

bp = Blueprint("pages", __name__)
babel = Babel()
csrf = CSRFProtect()
# Counts in each process by itself while the storage in the settings does not answer: limits must not take the pages down with them.
limiter = Limiter(key_func=get_remote_address, headers_enabled=True, in_memory_fallback_enabled=True)

P = ParamSpec("P")
R = TypeVar("R")


# Rendering


def page(
    template: str, *, partial: str | None = None, status: int = 200, with_stripe: bool = False, **context: Any
) -> Response:
    """The whole page, or only `partial` (a `_name.html` that the whole page includes) when htmx asked for it.

    `with_stripe` opens the Content-Security-Policy to Stripe.js, for the pages that take a card and for no other.
    """
    g.with_stripe = with_stripe
    wanted = partial if partial and _wants_part() else template
    response = make_response(render_template(wanted, **context), status)
    if partial:
        response.vary.add("HX-Request")
    return response


def _wants_part() -> bool:
    headers = request.headers
    return "HX-Request" in headers and "HX-Boosted" not in headers and "HX-History-Restore-Request" not in headers


def see_other(endpoint: str, **values: Any) -> AnyResponse:
    """After a form has done its work: go and see, with a GET."""
    return redirect(url_for(endpoint, **values), 303)


def local_path(target: str | None, otherwise: str) -> str:
    """`target` when it is a path of this site, else `otherwise`: no one is sent elsewhere by a link of ours."""
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return otherwise
    if any(ord(mark) < 32 for mark in target):
        return otherwise
    parts = urlsplit(target)
    return otherwise if parts.scheme or parts.netloc else target


# Who is there


def customer_id() -> str:
    """The signed-in customer's id. Raises SignInRequired, and Forbidden for staff, who have no bills here."""
    if not current_user.is_authenticated:
        raise SignInRequired
    if current_user.customer_id is None:
        raise Forbidden
    return str(current_user.customer_id)


_ASK_A_PAYER: Final = N_(
    "Your role does not include paying and managing cards. Please ask one of your colleagues who may do this: "
    "your account page leads to the list of people."
)
_ASK_AN_OWNER: Final = N_(
    "Only an owner of your account can do this. Please ask one of them: your account page leads to the list of people."
)


def customers_only(view: Callable[P, R]) -> Callable[P, R]:
    """For those who are signed in for a customer, in any role; others are sent to sign in, staff are refused."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        customer_id()
        return view(*args, **kwargs)

    return guarded


def payers_only(view: Callable[P, R]) -> Callable[P, R]:
    """For those of a customer's people who may pay: owners and payers. Viewers and staff are refused."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        customer_id()
        if not current_user.may_pay:
            raise Forbidden(_ASK_A_PAYER)
        return view(*args, **kwargs)

    return guarded


def owners_only(view: Callable[P, R]) -> Callable[P, R]:
    """For the owners among a customer's people. The others and staff are refused."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        customer_id()
        if not current_user.may_manage:
            raise Forbidden(_ASK_AN_OWNER)
        return view(*args, **kwargs)

    return guarded


def signed_in_only(view: Callable[P, R]) -> Callable[P, R]:
    """For anyone who is signed in, customer or staff."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if not current_user.is_authenticated:
            raise SignInRequired
        return view(*args, **kwargs)

    return guarded


def staff_only(*roles: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For staff with one of these roles. To everyone else there is no such page."""

    def guard(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if not current_user.is_authenticated:
                raise SignInRequired
            if current_user.role not in roles:
                raise NotFound
            return view(*args, **kwargs)

        return guarded

    return guard


def reader_language() -> str:
    """The reader's language: chosen in this browser, else their account's, else the browser's wish, else our first.

    An app has no browser: its wish counts alone.
    """
    if is_api():
        return language.supported(request.accept_languages.best_match(config.current().languages))
    chosen = session.get("language")
    if chosen is None and current_user and current_user.is_authenticated:
        chosen = current_user.language
    if chosen is None:
        chosen = request.accept_languages.best_match(config.current().languages)
    return language.supported(chosen)


# Routes that belong to no feature


@bp.get("/theme.css")
def theme() -> Response:
    """The company's colour as custom properties, so that no page needs a style of its own."""
    colour = config.current().company.colour
    contrast = _readable_on(colour)
    away = "#000000" if contrast == "#ffffff" else "#ffffff"  # towards it what is written on the colour stays readable
    response = make_response(f":root {{ --brand: {colour}; --brand-contrast: {contrast}; --brand-away: {away}; }}\n")
    response.mimetype = "text/css"
    response.cache_control.max_age = 300
    response.cache_control.public = True
    return response


def _readable_on(colour: str) -> str:
    """Black or white, whichever contrasts more. Source: WCAG 2.2, "relative luminance"."""

    def linear(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"


@bp.get("/language/<code>", endpoint="language")
def choose_language(code: str) -> AnyResponse:
    """Read on in another language; the choice stays with this browser and changes nothing of the account."""
    if code not in config.current().languages:
        raise NotFound
    session["language"] = code
    return redirect(local_path(request.args.get("next"), "/"), 303)


@bp.get("/healthz")
@limiter.exempt
def healthz() -> Response:
    """The process answers."""
    return make_response("ok\n", {"Content-Type": "text/plain"})


@bp.get("/readyz")
@limiter.exempt
def readyz() -> Response:
    """The process can do its work: the database answers."""
    db.is_reachable()
    return make_response("ok\n", {"Content-Type": "text/plain"})


# Failures

_TITLES: Final = {
    400: N_("That did not work"),
    401: N_("Please sign in"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("That is not possible here"),
    409: N_("Something has changed"),
    413: N_("That was too large"),
    422: N_("Please check what you entered"),
    429: N_("A moment, please"),
    503: N_("Not available right now"),
}
_MESSAGES: Final = {
    400: N_("We could not read what your browser sent. Please go back, reload the page and try again."),
    405: N_("This address does not take that kind of request."),
    413: N_("What you sent is larger than we accept."),
    429: RateLimited.message,
}
_DATABASE_DOWN: Final = N_("We cannot reach our records at the moment. Nothing was lost. Please try again in a minute.")
_FORM_EXPIRED: Final = N_("This form was open for too long. Please go back, reload the page and send it again.")


# The API's documentation is a page for people.
API_DOCS: Final = "/api/docs"


def is_api() -> bool:
    """Whether an app asks: it has no session, and reads JSON."""
    return request.path.startswith("/api/") and request.path != API_DOCS


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
            render_template("errors/error.html", status=status, title=title, message=message, next_step=None), status
        )
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def refusal(error: PortalError) -> AnyResponse:
    """What a caller is told of an error of ours; a browser whose session has ended is led to the sign-in."""
    if isinstance(error, SignInRequired) and not is_api():
        return _to_sign_in()
    if error.status >= 500 and not isinstance(error, NotYet):
        log.error("request_failed", code=error.code, exc_info=error)
    message = language.error_text(error, reader_language())
    field = error.field if isinstance(error, Invalid) else None
    return failure(
        error.status,
        error.code,
        message,
        errors=[{"field": field, "message": message}] if field else [],
        retry_after=getattr(error, "retry_after", None),
    )


def _to_sign_in() -> AnyResponse:
    there = request.full_path.rstrip("?") if request.method == "GET" and not _wants_part() else None
    target = url_for("accounts.sign_in", next=there)
    if "HX-Request" in request.headers:
        response = make_response("", 401)
        response.headers["HX-Redirect"] = target
        return response
    return redirect(target, 303)


def _http_error(error: HTTPException) -> AnyResponse:
    status = error.code or 500
    if error.response is not None or 300 <= status < 400:
        return error.get_response()
    message = gettext(_MESSAGES.get(status, NotFound.message if status == 404 else PortalError.message))
    if isinstance(error, CSRFError):
        message = gettext(_FORM_EXPIRED)
    wait = getattr(error, "retry_after", None) or (60 if status == 429 else None)
    response = failure(status, error.name.lower().replace(" ", "_"), message, retry_after=wait)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


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


# Around every request


def _path_to_log() -> str:
    """The address without the secret of a link from a mail."""
    token = (request.view_args or {}).get("token")
    return request.path.replace(token, "…") if token else request.path


def _begin_request() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if 8 <= len(given) <= 64 and given.isascii() and given.isalnum() else secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id, method=request.method, path=_path_to_log())
    audit.set_actor(audit.Actor("anonymous", "", request.remote_addr or "", g.request_id))
    if request.endpoint != "pages.healthz" and not is_api() and current_user.is_authenticated:
        kind = "customer" if current_user.customer_id else "staff"
        audit.set_actor(audit.Actor(kind, current_user.id, request.remote_addr or "", g.request_id))


def _finish_request(response: Response) -> Response:
    for name, value in security_headers(with_stripe=g.get("with_stripe", False)).items():
        response.headers[name] = value
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response


def security_headers(*, with_stripe: bool) -> dict[str, str]:
    """The headers of every answer. Source: OWASP ASVS 5.0 V3.4, and Stripe, "Security guide: Content Security Policy"."""
    settings = config.current()
    script = frame = connect = ""
    if with_stripe:
        origin = settings.stripe_js_origin
        if origin == "https://js.stripe.com":
            script = frame = " https://js.stripe.com https://*.js.stripe.com"
            frame += " https://hooks.stripe.com"
            connect = " https://api.stripe.com"
        else:
            script = frame = f" {origin}"
            connect = f" {origin}"
    frame = frame or " 'none'"
    policy = (
        f"default-src 'none'; script-src 'self'{script}; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'{connect}; frame-src{frame}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": f'camera=(), microphone=(), geolocation=(), payment=(self "{settings.stripe_js_origin}")',
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if settings.secure_cookies:
        headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}; includeSubDomains"
    return headers


@cache
def _static_version(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def static_url(name: str) -> str:
    """The address of a file under static/, which browsers may keep: vendored files carry their version in the name, our own
    get a mark that changes when the file does.
    """
    if name.startswith("vendor/"):
        return f"/static/{name}"
    return f"/static/{name}?v={_static_version(name)}"


def _context() -> dict[str, Any]:
    company = config.current().company
    return {
        "company": {
            "name": company.name,
            "address_lines": company.address_lines,
            "support_email": company.support_email,
            "website": company.website,
            "logo_url": static_url(company.logo) if company.logo else None,
        },
        "locale": reader_language(),
        "request_id": g.get("request_id", ""),
        "static_url": static_url,
    }


def install(app: Flask) -> None:
    """Put all of this around an application's requests. Raises config.WrongSettings when the company's logo is not there."""
    logo = config.current().company.logo
    if logo and not (STATIC / logo).is_file():
        raise config.WrongSettings(f"PORTAL_COMPANY_LOGO: there is no file static/{logo}")
    app.before_request(_begin_request)  # the first: what the others refuse has a request id and an actor, too
    babel.init_app(app, locale_selector=reader_language, default_translation_directories=str(language.CATALOGUES))
    csrf.init_app(app)
    limiter.init_app(app)
    app.after_request(_finish_request)
    app.context_processor(_context)
    app.add_template_global(lambda endpoint: endpoint in app.view_functions, "has_page")
    app.add_template_filter(lambda amount: language.money_text(amount, reader_language()), "money")
    app.add_template_filter(
        lambda amount, rounded=False: language.amount_text(amount, reader_language(), rounded=rounded), "amount"
    )
    app.add_template_filter(lambda day: language.date_text(day, reader_language()), "date")
    app.add_template_filter(lambda day: language.month_text(day, reader_language()), "month")
    app.add_template_filter(lambda moment: language.datetime_text(moment, reader_language()), "datetime")
    app.register_error_handler(PortalError, refusal)
    app.register_error_handler(HTTPException, _http_error)
    for kind in db.UNREACHABLE:
        app.register_error_handler(kind, _database_error)
    app.register_error_handler(DataError, _unstorable)
    app.register_error_handler(Exception, _unforeseen)
    app.register_blueprint(bp)
