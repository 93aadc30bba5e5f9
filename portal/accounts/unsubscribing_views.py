"""Behind the link by which a mail is done without."""

from __future__ import annotations

from flask import Blueprint, Response

from portal.accounts import unsubscribing
from portal.web import pages

bp = Blueprint("unsubscribing", __name__, url_prefix="/mails/unsubscribe")


@bp.get("/<token>")
@pages.limiter.limit("60/minute")
def show(token: str) -> Response:
    """Opening it alone, as programs that look through mails do, changes nothing."""
    pages.hide_address()
    _customer_id, mail = unsubscribing.read(token)
    return pages.page("accounts/unsubscribe.html", mail=mail, token=token, done=False)


@bp.post("/<token>")
@pages.limiter.limit("60/minute")
@pages.csrf.exempt  # type: ignore[untyped-decorator]
def unsubscribe(token: str) -> Response:
    """The press of the button there, or of a program for its reader, which has no token and no cookie: the link says who it is."""
    pages.hide_address()
    unsubscribing.unsubscribe(token)
    _customer_id, mail = unsubscribing.read(token)
    return pages.page("accounts/unsubscribe.html", mail=mail, token=token, done=True)
