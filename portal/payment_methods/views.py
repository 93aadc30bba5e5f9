"""The saved payment methods of a customer, and the page where one is added."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, flash, jsonify, redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal import gateway
from portal.accounts import queries as accounts
from portal.core import config, db
from portal.core.errors import NotFound
from portal.payment_methods import fence, keeping, page_watch, queries, setups, statuses
from portal.payment_methods.models import PaymentMethodSetup
from portal.payment_methods.statuses import SetupStatus
from portal.web import polling
from portal.web.guards import customer_id, customers_only, payers_only
from portal.web.pages import hide_address, limiter, page, render, see_other

bp = Blueprint("payment_methods", __name__, url_prefix="/payment-methods")
# Where the pages were while there were cards alone; mails of then lead there.
former = Blueprint("cards", __name__, url_prefix="/cards")


@bp.get("")
@customers_only
def index() -> Response:
    with db.reading() as session:
        kept = queries.of_customer(session, customer_id())
        uses = queries.uses(session, kept)
    next_defaults = {one.id: queries.next_default([other for other in kept if other is not one]) for one in kept}
    return page("payment_methods/index.html", methods=kept, uses=uses, next_defaults=next_defaults)


@bp.post("/<payment_method_id>/default")
@limiter.limit("30/minute")
@payers_only
def make_default(payment_method_id: str) -> AnyResponse:
    try:
        keeping.make_default(payment_method_id, customer_id())
    except (keeping.Expired, keeping.Revoked) as error:
        flash(gettext(error.message), "error")
    else:
        flash(gettext("This is now your default payment method."), "success")
    return see_other("payment_methods.index")


@bp.post("/<payment_method_id>/removal")
@limiter.limit("30/minute")
@payers_only
def remove(payment_method_id: str) -> AnyResponse:
    next_default = keeping.remove(payment_method_id, customer_id())
    flash(gettext("The payment method was removed."), "success")
    if next_default is not None:
        flash(render("payment_methods/new_default.txt", method=next_default), "info")
    return see_other("payment_methods.index")


# Adding one


@bp.get("/new")
@payers_only
def new() -> Response:
    """The page where a payment method is added without paying."""
    with db.reading() as session:
        country = accounts.customer(session, customer_id()).country
    return _form(country)


@bp.get("/watched/<token>")
@limiter.limit("20/minute")
def watched(token: str) -> Response:
    """The same page, of nobody: for who looks each day whether it is what this release sends."""
    if not page_watch.is_todays(token):
        raise NotFound
    hide_address()
    return _form("")


def _form(country: str) -> Response:
    settings = config.current()
    return page(
        "payment_methods/new.html",
        with_stripe=True,
        stripe_js_url=settings.stripe_js_url,
        publishable_key=settings.stripe_publishable_key,
        offered=fence.form_options(saving=True),
        wallets=fence.form_wallets(saving=True),
        client_key=secrets.token_urlsafe(24),
        advice={code: gettext(text) for code, text in gateway.ADVICE.items()},
        fallback_advice=gettext(gateway.advice("")),
        colour=settings.company.colour,
        country=country,
    )


@bp.post("/setups")
@limiter.limit("30/minute")
@payers_only
def start() -> Response:
    """What add_method.js needs to let the customer confirm the payment method."""
    started = setups.start_setup(
        customer_id(), client_key=request.form.get("client_key", ""), ip=request.remote_addr or ""
    )
    return jsonify(
        status=started.status,
        client_secret=started.client_secret,
        outcome_url=url_for("payment_methods.outcome", setup_id=started.setup_id),
        return_url=url_for("payment_methods.came_back", setup_id=started.setup_id, _external=True),
    )


@bp.get("/setups/<setup_id>/outcome")
@customers_only
def outcome(setup_id: str) -> Response:
    """What became of adding a payment method, as the part of the page that asks again until it is known."""
    me = customer_id()
    poll = polling.number()
    with db.reading() as session:
        setup = queries.setup_for_customer(session, setup_id, me)
    if setup.status not in statuses.FINAL and setup.stripe_setup_intent_id and polling.asks_stripe(poll):
        setup = _refreshed(setup, me)
    return page(
        "payment_methods/outcome.html",
        partial="payment_methods/_outcome.html",
        setup=setup,
        advice=gettext(gateway.advice(setup.failure_code, setup.decline_code)) if setup.failure_code else "",
        poll=poll + 1,
        waiting=setup.status in {SetupStatus.PROCESSING, SetupStatus.CREATED} and poll < polling.MOST_POLLS,
    )


@bp.get("/setups/<setup_id>/return")
@customers_only
def came_back(setup_id: str) -> AnyResponse:
    """Where a bank's own page sends the customer after 3-D Secure."""
    me = customer_id()
    with db.reading() as session:
        setup = queries.setup_for_customer(session, setup_id, me)
    if setup.stripe_setup_intent_id:
        _refreshed(setup, me)
    return see_other("payment_methods.outcome", setup_id=setup_id)


def _refreshed(setup: PaymentMethodSetup, me: str) -> PaymentMethodSetup:
    """The setup after asking Stripe; as it was when Stripe does not answer, for the webhook will tell."""
    if not polling.ask_stripe(me, lambda: setups.refresh_setup(setup.id)):
        return setup
    with db.reading() as session:
        return queries.setup_for_customer(session, setup.id, me)


@former.get("")
@former.get("/new", defaults={"page": "new"})
def moved(page: str = "index") -> AnyResponse:
    """Where it is now."""
    return redirect(url_for(f"payment_methods.{page}"), 301)
