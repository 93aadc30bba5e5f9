"""Routes that belong to no feature: the company's colour, the language, and whether the process is well."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, make_response, redirect, request, session
from werkzeug.wrappers import Response as AnyResponse

from portal.core import card_numbers, config, db, metrics, schema
from portal.core.errors import NotFound
from portal.web.pages import REPORTS, THEME_COOKIE, THEMES, csrf, limiter, local_path

log = structlog.get_logger(__name__)

bp = Blueprint("pages", __name__)

THEME_SECONDS: Final = 31_536_000


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


@bp.get("/metrics")
def metrics_of_web() -> Response:
    """What web processes have counted, for a Prometheus that has PORTAL_METRICS_TOKEN. Raises NotFound where no token is set."""
    token = config.current().metrics_token.get_secret_value()
    if not token:
        raise NotFound
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    return Response(metrics.of_web(), content_type=metrics.CONTENT_TYPE)


MOST_REPORT_BYTES: Final = 16_384
MOST_REPORTS: Final = 10


@bp.post(REPORTS)
@csrf.exempt
@limiter.limit("20/minute")
def csp_reports() -> AnyResponse:
    """What a browser was kept from on a page that takes a card: logged as a directive and a host, for the rest of what browsers tell may
    name people. Whoever sends what is no report is told nothing.
    """
    if (request.content_length or 0) <= MOST_REPORT_BYTES:
        for directive, host in _reported(request.stream.read(MOST_REPORT_BYTES)):
            log.warning("csp_violation", directive=directive, blocked=host)
    return make_response("", 204)


def _reported(body: bytes) -> Iterator[tuple[str, str]]:
    """The directive and the host of each report, in either of the forms that browsers send. Source: W3C, "Content Security Policy 3"."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return
    for one in (told if isinstance(told, list) else [told])[:MOST_REPORTS]:
        report = (one.get("csp-report") or one.get("body")) if isinstance(one, dict) else None
        if not isinstance(report, dict):
            continue
        directive = str(report.get("effectiveDirective") or report.get("violated-directive") or "").partition(" ")[0]
        blocked = str(report.get("blockedURL") or report.get("blocked-uri") or "")
        try:
            host = urlsplit(blocked).hostname or blocked
        except ValueError:
            host = ""
        if directive in _DIRECTIVES:
            yield directive, card_numbers.masked(re.sub(r"[^\w.-]", "", host)[:80])


# Others are no directives of ours.
_DIRECTIVES: Final = frozenset(
    "default-src script-src script-src-elem script-src-attr style-src style-src-elem style-src-attr img-src font-src connect-src frame-src "
    "form-action base-uri frame-ancestors worker-src media-src object-src".split()
)


@bp.get("/language/<code>", endpoint="language")
def choose_language(code: str) -> AnyResponse:
    """Read on in another language; the choice stays with this browser and changes nothing of the account."""
    if code not in config.current().languages:
        raise NotFound
    session["language"] = code
    return redirect(local_path(request.args.get("next"), "/"), 303)


@bp.post("/appearance")
def appearance() -> AnyResponse:
    """Light, dark, or as the system has it: the choice stays with this browser, with and without an account."""
    response = redirect(local_path(request.args.get("next"), "/"), 303)
    chosen = request.form.get("theme", "")
    if chosen in THEMES:
        secure = config.current().secure_cookies
        response.set_cookie(THEME_COOKIE, chosen, max_age=THEME_SECONDS, secure=secure, httponly=True, samesite="Lax")
    else:
        response.delete_cookie(THEME_COOKIE, secure=config.current().secure_cookies, httponly=True, samesite="Lax")
    return response


@bp.get("/healthz")
@limiter.exempt
def healthz() -> Response:
    """The process answers."""
    return make_response("ok\n", {"Content-Type": "text/plain"})


@bp.get("/readyz")
@limiter.exempt
def readyz() -> Response:
    """The process can do its work: the database answers, and has the schema that this release needs."""
    with db.reading() as session:
        is_ready = schema.is_new_enough(session)
    text = "ok\n" if is_ready else "The database has an older schema than this release needs: run `flask migrate`.\n"
    return make_response(text, 200 if is_ready else 503, {"Content-Type": "text/plain"})
