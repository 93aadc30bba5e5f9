"""A customer's own systems that are told of events: for owners, by the same functions as the API."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from flask import Blueprint, Response, flash, request
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import db
from portal.core.errors import Conflict, Invalid, PortalError
from portal.identity.forms import tell, typed
from portal.web import guards, lists, pages
from portal.webhook_endpoints import queries, service
from portal.webhook_endpoints.forms import EndpointForm
from portal.webhook_endpoints.models import EventType, WebhookEndpoint

bp = Blueprint("webhooks_page", __name__, url_prefix="/account/webhooks")


@bp.get("")
@guards.owners_only
def index() -> Response:
    with db.reading() as session:
        endpoints = queries.endpoints(session, guards.customer_id())
    return pages.page("webhook_endpoints/index.html", endpoints=endpoints, most=service.MOST_ENDPOINTS)


@bp.get("/new")
@guards.owners_only
@guards.recently_proved
def new() -> Response:
    form = EndpointForm(formdata=None, events=[one.value for one in EventType])
    form.key.data = form.key.data or secrets.token_urlsafe(24)
    return _new_page(form)


@bp.post("/new")
@pages.limiter.limit("30/minute")
@guards.owners_only
@guards.recently_proved
def add() -> AnyResponse:
    """The secret stands in this one answer and is kept nowhere: a reload sends the form again, which shows and makes nothing."""
    form = EndpointForm()
    if form.validate_on_submit():
        try:
            endpoint, secret = service.add_endpoint(
                guards.customer_id(),
                typed(form.url),
                form.events.data or [],
                typed(form.description),
                current_user.id,
                client_key=typed(form.key),
            )
        except service.MadeAlready as error:
            flash(language.error_text(error, pages.reader_language()), "info")
            return pages.see_other("webhooks_page.index")
        except (Invalid, Conflict) as error:
            tell(form, error)
        else:
            return _secret_page(endpoint, secret, is_new=True)
    return _new_page(form)


@bp.get("/<endpoint_id>")
@guards.owners_only
def show(endpoint_id: str) -> Response:
    return _endpoint_page(endpoint_id)


@bp.post("/<endpoint_id>/secret")
@pages.limiter.limit("30/minute")
@guards.owners_only
@guards.recently_proved
def rotate(endpoint_id: str) -> AnyResponse:
    secret = service.rotate_secret(guards.customer_id(), endpoint_id)
    with db.reading() as session:
        endpoint = queries.endpoint(session, guards.customer_id(), endpoint_id)
    return _secret_page(endpoint, secret, is_new=False)


@bp.post("/<endpoint_id>/off")
@guards.owners_only
def turn_off(endpoint_id: str) -> AnyResponse:
    service.disable_endpoint(guards.customer_id(), endpoint_id)
    return _done(endpoint_id, _("The endpoint is turned off. It gets no events until you turn it on again."))


@bp.post("/<endpoint_id>/on")
@guards.owners_only
def turn_on(endpoint_id: str) -> AnyResponse:
    service.enable_endpoint(guards.customer_id(), endpoint_id)
    return _done(endpoint_id, _("The endpoint is turned on. It gets what happens from now on."))


@bp.post("/<endpoint_id>/test")
@pages.limiter.limit("30/minute")
@guards.owners_only
def test(endpoint_id: str) -> AnyResponse:
    return _do(
        endpoint_id,
        lambda: service.send_test(guards.customer_id(), endpoint_id),
        _("A test event is on its way. Its answer appears below within seconds."),
    )


@bp.post("/<endpoint_id>/removal")
@guards.owners_only
@guards.recently_proved
def remove(endpoint_id: str) -> AnyResponse:
    service.remove_endpoint(guards.customer_id(), endpoint_id)
    flash(_("The endpoint is removed."), "success")
    return pages.see_other("webhooks_page.index")


@bp.post("/deliveries/<delivery_id>/replays")
@pages.limiter.limit("60/minute")
@guards.owners_only
def replay(delivery_id: str) -> AnyResponse:
    with db.reading() as session:
        endpoint_id = queries.delivery_of(session, guards.customer_id(), delivery_id).endpoint_id
    return _do(
        endpoint_id,
        lambda: service.send_again(delivery_id, customer_id=guards.customer_id()),
        _("The event is on its way again, under the same number."),
    )


def _do(endpoint_id: str, act: Callable[[], object], done: str) -> AnyResponse:
    try:
        act()
    except Conflict as error:
        return _endpoint_page(endpoint_id, error)
    return _done(endpoint_id, done)


def _done(endpoint_id: str, words: str) -> AnyResponse:
    flash(words, "success")
    return pages.see_other("webhooks_page.show", endpoint_id=endpoint_id)


def _new_page(form: EndpointForm) -> Response:
    return pages.page("webhook_endpoints/new.html", status=422 if form.errors else 200, form=form)


def _secret_page(endpoint: WebhookEndpoint, secret: str, *, is_new: bool) -> Response:
    return pages.page("webhook_endpoints/secret.html", endpoint=endpoint, secret=secret, is_new=is_new)


def _endpoint_page(endpoint_id: str, refusal: PortalError | None = None) -> Response:
    with db.reading() as session:
        endpoint = queries.endpoint(session, guards.customer_id(), endpoint_id)
        found = queries.deliveries_to(session, guards.customer_id(), endpoint_id, request.args.get("page"))
    return pages.page(
        "webhook_endpoints/show.html",
        partial="webhook_endpoints/_deliveries.html",
        status=refusal.status if refusal else 200,
        endpoint=endpoint,
        found=found,
        refusal=language.error_text(refusal, pages.reader_language()) if refusal else None,
        **lists.pager_links("webhooks_page.show", found, endpoint_id=endpoint_id),
    )
