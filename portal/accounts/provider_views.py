"""Staff sign in at the company's identity provider: there, and back."""

from __future__ import annotations

from flask import Blueprint, redirect, request, session
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import provider, provider_sign_in
from portal.content import language
from portal.core.errors import PortalError
from portal.identity import web
from portal.web import pages

bp = Blueprint("provider", __name__, url_prefix="/sign-in/provider")

KEPT = "provider_attempt"


@bp.get("")
@pages.limiter.limit("30 per minute")
def begin() -> AnyResponse:
    """Whoever is signed in already proves once more who they are."""
    try:
        address, attempt = provider_sign_in.begin(again=current_user.is_authenticated)
    except provider.ProviderUnavailable as error:
        return _refused(error)
    session[KEPT] = {**attempt, "next": request.args.get("next", "")}
    return redirect(address, 303)


@bp.get("/return")
@pages.limiter.limit("30 per minute")
def finish() -> AnyResponse:
    """What was kept is good once. The address, which holds the code, is left at once."""
    kept = session.pop(KEPT, None)
    target = str(kept.pop("next", "")) if isinstance(kept, dict) else ""
    answered = {name: request.args[name] for name in ("state", "code", "error") if name in request.args}
    try:
        token = provider_sign_in.sign_in(kept, answered, **web.browser())
    except (provider.NotProved, provider.ProviderUnavailable, provider_sign_in.NoAccess) as error:
        return _refused(error)
    web.begin(token)
    return redirect(pages.local_path(target, web.home()), 303)


def _refused(error: PortalError) -> AnyResponse:
    return pages.page(
        "accounts/provider_refused.html",
        status=error.status,
        problem=language.error_text(error, pages.reader_language()),
    )
