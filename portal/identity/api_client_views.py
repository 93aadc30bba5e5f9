"""The keys of the company's other systems, for admins: which there are, making one, revoking one."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import clock, db
from portal.core.errors import Invalid, RateLimited
from portal.core.permissions import Permission
from portal.identity import api_clients, sessions
from portal.identity import queries as accounts
from portal.identity.api_client_forms import ApiClientForm
from portal.identity.messages import SCOPES
from portal.web import lists
from portal.web.guards import recently_proved, require_recent_proof, staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("support_api_clients", __name__, url_prefix="/support/api-clients")


@bp.get("")
@staff_only(Permission.MANAGE_API_CLIENTS)
def index() -> Response:
    with db.reading() as session:
        found = api_clients.newest(session, request.args.get("page"))
        names = accounts.names(session, (row.created_by for row in found.rows))
    return page(
        "support/api_clients/index.html",
        partial="support/api_clients/_list.html",
        found=found,
        names=names,
        scope_words=SCOPES,
        now=clock.now(),
        **lists.pager_links("support_api_clients.index", found),
    )


@bp.get("/new")
@staff_only(Permission.MANAGE_API_CLIENTS)
def new() -> Response:
    form = ApiClientForm(formdata=None)
    form.key.data = form.key.data or secrets.token_urlsafe(24)
    return page("support/api_clients/new.html", form=form)


@bp.post("/new")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_API_CLIENTS)
def create() -> AnyResponse:
    """The secret stands in this one answer and is kept nowhere: a reload sends the form again, which shows and makes nothing."""
    form = ApiClientForm()
    if current_user.by_provider:
        require_recent_proof()
    if not form.validate_on_submit():
        return page("support/api_clients/new.html", status=422, form=form)
    try:
        if not current_user.by_provider:
            sessions.confirm_password(current_user.id, form.password.data or "", ip=request.remote_addr or "")
        client, secret = api_clients.create(
            form.name.data or "",
            form.scopes.data or (),
            current_user.id,
            names_end_users=bool(form.names_end_users.data),
            days=int(form.days.data) if form.days.data else None,
            client_key=form.key.data or "",
        )
    except api_clients.MadeAlready as error:
        flash(language.error_text(error, reader_language()), "info")
        return see_other("support_api_clients.index")
    except Invalid as error:
        form.tell(error)
        return page("support/api_clients/new.html", status=422, form=form)
    except RateLimited as error:
        form.tell(error)
        response = page("support/api_clients/new.html", status=429, form=form)
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    return page("support/api_clients/created.html", client=client, secret=secret, is_new=True)


@bp.post("/<client_id>/secret")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_API_CLIENTS)
@recently_proved
def rotate(client_id: str) -> AnyResponse:
    """Likewise; a reload makes yet another secret, and the browser asks before."""
    client, secret = api_clients.rotate(client_id, current_user.id)
    return page("support/api_clients/created.html", client=client, secret=secret, is_new=False)


@bp.post("/<client_id>/revocation")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_API_CLIENTS)
def revoke(client_id: str) -> AnyResponse:
    client = api_clients.revoke(client_id)
    flash(gettext("The API key of %(name)s is revoked.", name=client.name), "success")
    return see_other("support_api_clients.index")
