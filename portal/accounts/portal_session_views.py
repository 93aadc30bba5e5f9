"""Where the company's own app sends the browser of somebody whom it vouches for."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import portal_sessions
from portal.identity import web
from portal.web import pages

bp = Blueprint("portal_sessions", __name__)


@bp.get("/portal-sessions/<token>")
@pages.limiter.limit("60 per minute")
def redeem(token: str) -> AnyResponse:
    """Sign in and go on. What only looks ahead (a preview of the link, a browser that loads it in advance) uses nothing up."""
    pages.hide_address()
    if request.method == "HEAD" or "prefetch" in request.headers.get("Sec-Purpose", ""):
        return Response(status=204)
    try:
        session_token, opens = portal_sessions.redeem(token, **web.browser())
    except portal_sessions.PortalLinkExpired:
        return pages.page("accounts/portal_session_expired.html", status=404)
    web.begin(session_token)
    return redirect(pages.local_path(opens, web.home()), 303)
