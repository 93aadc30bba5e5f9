"""The saved cards of a customer."""

from __future__ import annotations

from flask import Blueprint, Response, flash
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal import db
from portal.cards import queries, service
from portal.pages import customer_id, customers_only, limiter, page, see_other

bp = Blueprint("cards", __name__, url_prefix="/cards")


@bp.get("")
@customers_only
def index() -> Response:
    with db.reading() as session:
        kept = queries.of_customer(session, customer_id())
    return page("cards/index.html", cards=kept)


@bp.post("/<card_id>/removal")
@limiter.limit("30/minute")
@customers_only
def remove(card_id: str) -> AnyResponse:
    service.remove(card_id, customer_id())
    flash(gettext("The card was removed."), "success")
    return see_other("cards.index")
