"""What staff do about a document: have one that was held made, and send one again."""

from __future__ import annotations

from flask import Blueprint, flash, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core.errors import Conflict
from portal.documents import service
from portal.identity.models import STAFF_ROLES
from portal.web.guards import staff_only
from portal.web.pages import reader_language, see_other

bp = Blueprint("support_documents", __name__, url_prefix="/support/documents")


@bp.post("/<document_id>/rendering")
@staff_only(*STAFF_ROLES)
def render_held(document_id: str) -> AnyResponse:
    """Of a document that lacks characters: a person has looked."""
    try:
        document = service.render_held(document_id, as_it_is=request.form.get("as_it_is") == "yes")
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support.index")
    flash(gettext("%(number)s is being created.", number=document.number), "success")
    return see_other("support.payment", payment_id=document.payment_id)


@bp.post("/<document_id>/mail")
@staff_only(*STAFF_ROLES)
def send_again(document_id: str) -> AnyResponse:
    try:
        document = service.send_again(document_id)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support.index")
    flash(gettext("%(number)s was sent again.", number=document.number), "success")
    return see_other("support.customer", customer_id=document.customer_id)
