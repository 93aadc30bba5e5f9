"""What every page shares: rendering whole or in part, its language, its headers, and what is around every request."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import limits
import structlog
from flask import (
    Flask,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    request,
    session,
    url_for,
)
from flask_babel import Babel
from flask_limiter import Limiter
from flask_login import current_user
from flask_wtf.csrf import CSRFError, CSRFProtect, validate_csrf
from jinja2 import Undefined, pass_context
from limits.errors import StorageError
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse
from wtforms import ValidationError

from portal.content import language, logo
from portal.content.templates import LocaleEnvironment
from portal.core import (
    audit,
    card_numbers,
    company_days,
    config,
    languages,
    networks,
    patience,
    reach,
    recovery,
    time_zones,
)
from portal.web import access, forwarded, static_files
from portal.web.light_routes import new_request_id

# Browsers ask for HTTPS alone from then on, in seconds.
HSTS_SECONDS: Final = 63_072_000
# A caller's own name for a request.
LONGEST_REQUEST_ID: Final = 128
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def network_of_caller() -> str:
    """As whom a caller's requests are counted: an IPv4 address, or the /64 of an IPv6 one, which belongs to one subscriber."""
    return networks.network_of(request.remote_addr or "")


# In recovery mode (portal.core.recovery) requests that change something are refused, but for these parts of the portal: signing in
# and one's own account, Stripe's webhooks, which are only stored, and what staff need to see a recovery to its end.
FREE: Final = frozenset(
    {
        *(
            "identity",
            "accounts",
            "second_factor",
            "passkeys",
            "email_change",
            "people",
            "api_auth",
            "stripe_events",
            "verification",
        ),
        *("operations", "support_api_clients", "reconciliation", "book_packs"),
    }
)

babel = Babel()
csrf = CSRFProtect()
# Counts in each process by itself while the storage in the settings does not answer: limits must not take the pages down with them.
limiter = Limiter(key_func=network_of_caller, headers_enabled=True, in_memory_fallback_enabled=True)


def within(limit: str, *whose: str) -> bool:
    """Count something that is not refused but left out beyond a limit ("12/minute"); whether it is still within.

    It is while the storage of the limits does not answer.
    """
    try:
        return limiter.limiter.hit(limits.parse(limit), *whose)
    except StorageError:
        return True


# Rendering


def render(template: str, **context: Any) -> str:
    """Fill a template in the reader's language, with what Flask and its extensions give to templates.

    Raises ValueError for a value under a name that every page needs for its frame: the frame would show the value instead.
    """
    if taken := _OF_THE_FRAME.intersection(context):
        raise ValueError(f"{template}: the frame of the page has a name of these already: {', '.join(sorted(taken))}")
    locale = reader_language()
    environments: dict[str, LocaleEnvironment] = current_app.extensions[_ENVIRONMENTS]
    if locale not in environments:
        environments[locale] = _environment(locale)
    g.reader_zone = reader_zone()
    current_app.update_template_context(context)
    return environments[locale].get_template(template).render(context)


_ENVIRONMENTS: Final = "portal-templates"


def _environment(locale: str) -> LocaleEnvironment:
    """What the application's own environment has, in one language. A process keeps one for each."""
    is_development = config.current().environment == "development"
    environment = LocaleEnvironment(locale, undefined=Undefined, reads_changes=is_development)
    shared = current_app.jinja_env
    environment.bytecode_cache = shared.bytecode_cache or environment.bytecode_cache
    texts = {"_", "gettext", "ngettext", "pgettext", "npgettext"}
    environment.globals |= {name: value for name, value in shared.globals.items() if name not in texts}
    environment.globals["url_for"] = _Addresses()
    # Like the one of mails and documents it is given the context: templates that were compiled before serve both.
    environment.filters["datetime"] = pass_context(
        lambda _context, moment: language.datetime_text(moment, locale, g.reader_zone)
    )
    environment.filters["age"] = lambda moment: language.age_text(moment, locale)
    return environment


class _Addresses:
    """Flask's url_for for templates, which keeps what it gave: an address of this application depends on what it is asked with, and on
    the path under which a proxy serves all of it.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], str] = {}

    def __call__(self, endpoint: str, **values: Any) -> str:
        key = (request.environ.get("SCRIPT_NAME", ""), endpoint, *values.items())
        try:
            found = self._kept.get(key)
        except TypeError:  # several values of one name
            return url_for(endpoint, **values)
        if found is None:
            found = url_for(endpoint, **values)
            if len(found) > _LONGEST_KEPT or endpoint.startswith(".") or "_external" in values:
                return found
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = found
        return found


_MOST_KEPT: Final = 2_000
_LONGEST_KEPT: Final = 200


def page(
    template: str, *, partial: str | None = None, status: int = 200, with_stripe: bool = False, **context: Any
) -> Response:
    """The whole page, or only `partial` (a `_name.html` that the whole page includes) when htmx asked for it.

    `with_stripe` opens the Content-Security-Policy to Stripe.js, for the pages that take a card and for no other.
    """
    g.with_stripe = with_stripe
    wanted = partial if partial and wants_part() else template
    response = make_response(render(wanted, **context), status)
    if partial:
        response.vary.add("HX-Request")
    return response


def in_recovery() -> bool:
    """Whether recovery mode is on; looked up once a request. For templates."""
    if "in_recovery" not in g:
        g.in_recovery = recovery.is_on_now()
    return bool(g.in_recovery)


def part(endpoint: str, **values: Any) -> Markup:
    """A part of the page that another feature draws, as its own address answers htmx and under the same guards.

    So a page is whole as it arrives, without scripts as well; a part that changes later asks for itself again. For templates.
    """
    with_stripe = g.get("with_stripe", False)
    g.inside_page = True
    try:
        response = make_response(current_app.view_functions[endpoint](**values))
    finally:
        g.inside_page, g.with_stripe = False, with_stripe
    return Markup(response.get_data(as_text=True))  # noqa: S704 - our own template has escaped it


def wants_part() -> bool:
    if g.get("inside_page", False):
        return True
    headers = request.headers
    return "HX-Request" in headers and "HX-Boosted" not in headers and "HX-History-Restore-Request" not in headers


# Marks an address to which a reader is led right after a cookie was set.
COOKIE_WAS_SET: Final = "cookie"


def brought_cookie() -> bool:
    """Whether the browser sent our session's cookie: right after it was set, one that did not keeps none of ours."""
    return current_app.config["SESSION_COOKIE_NAME"] in request.cookies


def cookies_are_blocked() -> bool:
    """Whether this page was led to right after a cookie was set, and none came back. For templates."""
    return COOKIE_WAS_SET in request.args and not brought_cookie()


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


def reader_language() -> str:
    """The reader's language: chosen in this browser, else their account's, else the browser's wish, else our first.

    An app has no browser: its wish counts alone.
    """
    if is_api():
        return language.supported(_wished_language())
    chosen = session.get("language")
    if chosen is None and current_user and current_user.is_authenticated:
        chosen = current_user.language
    if chosen is None:
        chosen = _wished_language()
    return language.supported(chosen)


def _wished_language() -> str | None:
    """The first of the wishes that we have, also in another country's form: "fr-CA" is French, and comes before the English after it."""
    offered = {code.lower().replace("_", "-"): code for code in reversed(config.current().languages)}
    offered = {code.partition("-")[0]: name for code, name in offered.items()} | offered
    for wish, quality in request.accept_languages:
        wished = wish.lower()
        for code in (wished, wished.partition("-")[0]):
            if quality > 0 and code in offered:
                return offered[code]
    return None


def reader_zone() -> ZoneInfo:
    """Whose clocks the reader's times are shown by: chosen on their account page, else what this browser or the one before said,
    else the company's.
    """
    chosen = guessed = ""
    if current_user and current_user.is_authenticated:
        chosen, guessed = current_user.time_zone, current_user.guessed_time_zone
    return time_zones.first_known(chosen, request.cookies.get(time_zones.COOKIE, ""), guessed)


# The API's documentation is a page for people.
API_DOCS: Final = "/api/docs"


def is_api() -> bool:
    """Whether an app asks: it has no session, and reads JSON."""
    return request.path.startswith("/api/") and request.path != API_DOCS


THEME_COOKIE: Final = "theme"
THEMES: Final = ("light", "dark")


def reader_theme() -> str:
    """Light or dark, as chosen for this browser; "" follows its system."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


# Around every request


def _path_to_log() -> str:
    """The address without the secret of a link from a mail."""
    token = (request.view_args or {}).get("token")
    return request.path.replace(token, "…") if token else request.path


def is_from_this_site() -> bool:
    """Whether the page that sends this request is one of ours, as far as the browser says: Sec-Fetch-Site and Origin.

    What is no browser says neither. A person who types an address sends "none". Source: W3C, "Fetch Metadata Request Headers".
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    if origin == "null":  # what a page sends from which no address goes anywhere (`hide_address`); others send it, too
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    return origin is None or origin in {_origin_of(config.current().base_url), _origin_of(request.host_url)}


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _refuse_other_sites() -> None:
    """For all that changes something, besides the token in each form. The API takes no cookie: nobody's browser has a right there."""
    if request.method not in _READING and not is_api() and not is_from_this_site():
        structlog.get_logger(__name__).warning(
            "refused_from_another_site", origin=request.headers.get("Origin", "")[:200]
        )
        raise CSRFError("The request comes from another site.")


def _begin_request() -> None:
    reach.begin(reach.STRANGER)
    patience.begin()
    given = request.headers.get("X-Request-Id", "")
    g.request_id = new_request_id()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id, method=request.method, path=_path_to_log())
    is_good = 0 < len(given) <= LONGEST_REQUEST_ID and given.isascii() and given.isprintable()
    if is_good and not card_numbers.holds_one(given):
        # Beside ours and not in its place: whoever calls could make theirs the same for all, or the same as someone else's.
        structlog.contextvars.bind_contextvars(caller_request_id=given)
    audit.set_actor(audit.Actor("anonymous", "", request.remote_addr or "", g.request_id))
    if request.endpoint != "pages.healthz":
        is_forwarded = any(name in request.headers for name in forwarded.HEADERS)
        forwarded.watch(request.remote_addr or "", is_forwarded=is_forwarded)
    if request.endpoint != "pages.healthz" and not is_api() and current_user.is_authenticated:
        kind = "customer" if current_user.customer_id and not current_user.viewing else "staff"
        audit.set_actor(audit.Actor(kind, current_user.id, request.remote_addr or "", g.request_id))
        if kind == "staff" and not (current_user.viewing and request.method in _READING):
            reach.begin(reach.EVERYONE)  # of customers' people it is begun by the guard of the page


def _hold_changes() -> None:
    """Raises recovery.InRecovery for what would change something while nothing may: whatever the view, and before it writes anything."""
    if request.method not in _READING and request.endpoint and request.blueprint not in FREE:
        recovery.refuse_now()


def hide_address() -> None:
    """The answer to this request is not to be found by search engines, and no address goes from it to anyone, not even to us.

    A form on such a page is sent without a referrer, which Flask-WTF wants under https: its view is exempt from that check, and calls
    `check_form` itself.
    """
    g.hides_address = True


def check_form() -> None:
    """Raises CSRFError for a form without our token; for views that are exempt from the usual check, see `hide_address`."""
    try:
        validate_csrf(request.form.get("csrf_token") or request.headers.get("X-CSRFToken"))
    except ValidationError as error:
        raise CSRFError(str(error)) from error


def _finish_request(response: Response) -> Response:
    actor = audit.actor()
    access.note(
        request.environ,
        request.url_rule.rule if request.url_rule else access.NO_ROUTE,
        request.view_args,
        actor=actor.kind,
        actor_id=actor.id,
    )
    for name, value in security_headers(with_stripe=g.get("with_stripe", False)).items():
        response.headers[name] = value
    if g.get("hides_address", False):
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response


# Where browsers tell what the policy of a page that takes a card kept from it: portal.web.views.
REPORTS: Final = "/csp-reports"


def static_headers() -> dict[str, str]:
    """The headers of files, which are no documents: what a picture or a script may load by itself is nothing."""
    names = ("X-Content-Type-Options", "Referrer-Policy", "Strict-Transport-Security")
    headers = {name: value for name, value in security_headers(with_stripe=False).items() if name in names}
    return headers | {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}


def security_headers(*, with_stripe: bool) -> dict[str, str]:
    """The headers of every answer. Source: OWASP ASVS 5.0 V3.4, and Stripe, "Security guide: Content Security Policy"."""
    settings = config.current()
    script = frame = connect = payment = ""
    opener = "same-origin"
    if with_stripe:
        origin = settings.stripe_js_origin
        if origin == "https://js.stripe.com":
            script = frame = " https://js.stripe.com https://*.js.stripe.com"
            frame += " https://hooks.stripe.com"
            connect = " https://api.stripe.com"
        else:
            script = frame = f" {origin}"
            connect = f" {origin}"
        payment = f'self "{origin}"'
        if origin == "https://js.stripe.com":
            payment += ' "https://*.js.stripe.com" "https://pay.google.com"'
        # Google Pay may open a window of its own, which tells Stripe's frame what came of it.
        opener = "same-origin-allow-popups"
    frame = frame or " 'none'"
    policy = (
        f"default-src 'none'; script-src 'self'{script}; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'{connect}; frame-src{frame}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    if with_stripe:
        policy += f"; report-uri {REPORTS}; report-to csp"
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": f"camera=(), microphone=(), geolocation=(), payment=({payment})",
        "Cross-Origin-Opener-Policy": opener,
    }
    if with_stripe:
        headers["Reporting-Endpoints"] = f'csp="{REPORTS}"'
    if settings.secure_cookies:
        headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}; includeSubDomains"
    return headers


# The names of `_context`, and of what Flask and its extensions add.
_OF_THE_FRAME: Final = frozenset(
    """company locale languages reader_zone request_id theme hides_address static_url static_integrity static_modules style_sheets
    g request session current_user csrf_token csrf_meta_tag""".split()
)


def _context() -> dict[str, Any]:
    company = config.current().company
    return {
        "company": {
            "name": company.name,
            "address_lines": company.address_lines,
            "support_email": company.support_email,
            "website": company.website,
            "iban": company.iban_text,
            "bic": company.bic,
            "bank": company.bank,
            "logo_url": static_files.url(company.logo) if company.logo else None,
            "zone": company_days.zone().key,
        },
        "locale": reader_language(),
        "languages": language.choices(),
        "reader_zone": g.reader_zone if "reader_zone" in g else reader_zone(),
        "request_id": g.get("request_id", ""),
        "theme": reader_theme(),
        "hides_address": g.get("hides_address", False),
        "static_url": static_files.url,
        "static_integrity": static_files.integrity,
        "static_modules": static_files.modules,
        "style_sheets": static_files.sheets,
    }


def install(app: Flask) -> None:
    """Put all of this around an application's requests. Raises config.WrongSettings for a logo that logo.check refuses."""
    logo.check(config.current().company.logo)
    app.before_request(_begin_request)  # the first: what the others refuse has a request id and an actor, too
    app.before_request(_refuse_other_sites)
    babel.init_app(app, locale_selector=reader_language, default_translation_directories=str(languages.CATALOGUES))
    app.before_request(
        _hold_changes
    )  # before what a form is checked for: whatever it holds, this is why nothing is done
    csrf.init_app(app)
    limiter.init_app(app)
    app.after_request(_finish_request)
    app.teardown_request(lambda _error: patience.end())
    app.context_processor(_context)
    app.add_template_global(in_recovery, "in_recovery")
    app.add_template_global(part, "part")
    app.add_template_global(cookies_are_blocked, "cookies_are_blocked")
    app.extensions[_ENVIRONMENTS] = {}
