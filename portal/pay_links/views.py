"""The page behind a pay link. It knows one invoice, and nobody is signed in by it.

The secret leaves the address at once and is kept in the browser's session, by the link's id: so it stands in no history, no referrer, and
not in what a bank's page sends the payer back to; and two tabs with two links pay each its own invoice.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from flask import Blueprint, Response, flash, g, jsonify, request, session, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal import gateway
from portal.content import language
from portal.core import config, money, recovery
from portal.core.errors import Conflict, NotFound
from portal.core.money import Money
from portal.pay_links import service
from portal.pay_links.forms import ReceiptForm
from portal.pay_links.service import LinkState, Opened
from portal.payment_methods import fence
from portal.payment_methods import service as card_service
from portal.payments import service as payments
from portal.payments import statuses
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.web import failures, pages, polling
from portal.web.pages import limiter, see_other

bp = Blueprint("pay_links", __name__, url_prefix="/pay")

_KEPT: Final = "pay_links"
# A browser that opens more forgets the first.
MOST_KEPT: Final = 5
# Wrong links from one address; 256 bits are not guessed at any rate, but nobody need try. An id opens nothing, and is not counted.
MOST_WRONG: Final = "20 per minute"
# See pay_views.
MOST_SHOWN_MINOR: Final = 2**63 - 1
CHECK_UNTIL_POLL: Final = 10

_STATUS: Final = {LinkState.UNKNOWN: 404, LinkState.EXPIRED: 410}


def _was_wrong(response: Response) -> bool:
    return response.status_code == 404


few_wrong: Final = limiter.shared_limit(MOST_WRONG, scope="pay links", deduct_when=_was_wrong)


@bp.before_request
def _hide() -> None:
    pages.hide_address()


@bp.get("/open/<token>")
@few_wrong
@limiter.limit("60/minute")
def open_link(token: str) -> AnyResponse:
    """Where the link of a mail leads."""
    found = service.opened(token)
    if found.link is None:
        return _closed(found)
    kept = {name: value for name, value in session.get(_KEPT, {}).items() if name != found.link.id}
    session[_KEPT] = dict([*kept.items(), (found.link.id, token)][-MOST_KEPT:])
    return see_other("pay_links.show", link_id=found.link.id)


def _found(link_id: str) -> Opened:
    """What the link opens whose secret this browser has brought; UNKNOWN for an id alone."""
    found = service.opened(session.get(_KEPT, {}).get(link_id, ""))
    return found if found.link is not None and found.link.id == link_id else Opened(LinkState.UNKNOWN)


@bp.get("/<link_id>")
def show(link_id: str) -> AnyResponse:
    found = _found(link_id)
    payment = service.payment_through(found.link) if found.link else None
    if payment is not None and found.state == LinkState.PAYABLE:
        payment, is_known = _asked_about(payment, payment.customer_id)
        if payment.has_succeeded or payment.may_move or payment.review_reason or not is_known:
            return _outcome(_found(link_id), payment, poll=1, is_checking=not is_known)
    if found.state != LinkState.PAYABLE or found.invoice is None:
        return _closed(found)
    recovery.refuse_now()
    waits = payment is not None and payment.status == PaymentStatus.REQUIRES_ACTION
    settings = config.current()
    return pages.page(
        "pay_links/show.html",
        with_stripe=True,
        stripe_js_url=settings.stripe_js_url,
        publishable_key=settings.stripe_publishable_key,
        offered=fence.form_options(),
        wallets=fence.form_wallets(),
        express=fence.express_wallets(),
        client_key=secrets.token_urlsafe(24),
        advice={code: gettext(text) for code, text in gateway.ADVICE.items()},
        fallback_advice=gettext(gateway.advice("")),
        colour=settings.company.colour,
        code_refusals=sorted(gateway.CODE_REFUSALS),
        invoice=found.invoice,
        amount=found.invoice.amount_due,
        live=payment if waits else None,
        start_url=url_for("pay_links.start", link_id=link_id),
        cancel_url=url_for("pay_links.cancel", link_id=link_id),
        receipt_field=ReceiptForm(formdata=None).receipt_to,
        # Nothing of the customer: no saved cards, none to be saved, and not where it is.
        kept=[],
        asking_for_code=set(),
        preferred=None,
        finish_now=False,
        may_save=False,
        country="",
    )


def _closed(found: Opened) -> Response:
    """That nothing can be paid here, and why, as far as the holder of a link may know."""
    return pages.page("pay_links/closed.html", status=_STATUS.get(found.state, 200), state=found.state)


@bp.post("/<link_id>/start")
@limiter.limit("30/minute")
@pages.csrf.exempt
def start(link_id: str) -> AnyResponse:
    """Like pay_views.start_invoice; the amount is the invoice's, whatever is sent along."""
    pages.check_form()
    found = _found(link_id)
    if found.link is None or found.invoice is None:
        raise NotFound
    if request.accept_mimetypes.best != "application/json":
        flash(
            gettext(
                "You were not charged. Card details go straight from your browser to Stripe, which requires JavaScript. Please turn it on."
            ),
            "error",
        )
        return see_other("pay_links.show", link_id=link_id)
    card_service.begin_payment(found.link.customer_id, request.remote_addr or "", found.invoice.id)
    try:
        started = service.start(
            session[_KEPT][link_id],
            client_key=request.form.get("client_key", ""),
            at_most=_shown_amount(),
            receipt_to=request.form.get("receipt_to", ""),
            ip=request.remote_addr or "",
            request_id=g.get("request_id", ""),
        )
    except Conflict as error:
        message = language.error_text(error, pages.reader_language())
        return failures.failure(
            error.status, error.code, message, outcome_url=url_for("pay_links.outcome", link_id=link_id)
        )
    return jsonify(
        status=started.status,
        client_secret=started.client_secret,
        outcome_url=url_for("pay_links.outcome", link_id=link_id),
        return_url=url_for("pay_links.came_back", link_id=link_id, _external=True),
    )


def _shown_amount() -> Money | None:
    minor, currency = request.form.get("shown_minor", -1, type=int), request.form.get("shown_currency", "")
    return Money(minor, currency) if 0 <= minor <= MOST_SHOWN_MINOR and money.is_currency(currency) else None


@bp.post("/<link_id>/cancellation")
@limiter.limit("30/minute")
@pages.csrf.exempt
def cancel(link_id: str) -> AnyResponse:
    """Call off what was begun through this link and waits for 3-D Secure, to pay with another card."""
    pages.check_form()
    found = _found(link_id)
    payment = service.payment_through(found.link) if found.link else None
    if payment is None:
        raise NotFound
    try:
        payments.cancel_waiting(payment.id)
    except Conflict as error:
        flash(language.error_text(error, pages.reader_language()), "info")
    else:
        flash(gettext("The payment was canceled. You were not charged."), "info")
    return see_other("pay_links.show", link_id=link_id)


@bp.get("/<link_id>/outcome")
def outcome(link_id: str) -> AnyResponse:
    """What became of the payment, as the part of the page that asks again until it is known."""
    found = _found(link_id)
    if found.link is None:
        return _closed(found)
    return _outcome(found, service.payment_through(found.link), poll=polling.number())


@bp.get("/<link_id>/return")
def came_back(link_id: str) -> AnyResponse:
    """Where a bank's own page sends the payer after 3-D Secure."""
    found = _found(link_id)
    if found.link is None:
        return _closed(found)
    return _outcome(found, service.payment_through(found.link), poll=0)


def _outcome(found: Opened, payment: Payment | None, *, poll: int, is_checking: bool = False) -> Response:
    link = found.link
    is_checking = is_checking or request.args.get("checking") == "yes"
    if payment is not None and link is not None and polling.asks_stripe(poll):
        payment, is_known = _asked_about(payment, link.customer_id)
        is_checking = not is_known or (is_checking and (payment.may_move or poll < CHECK_UNTIL_POLL))
    facts: dict[str, Any] = {"advice": "", "unknown": False, "waiting": False}
    if payment is not None:
        is_open = payment.status not in statuses.FINAL and not payment.review_reason
        facts["unknown"] = is_open and (is_checking or payment.may_move or payment.status == PaymentStatus.CREATED)
        facts["waiting"] = facts["unknown"] and payment.expected_by is None and poll < polling.MOST_POLLS
        if payment.failure_code:
            facts["advice"] = gettext(
                gateway.advice(payment.failure_code, payment.decline_code, debit=payment.is_by_debit)
            )
    return pages.page(
        "pay_links/outcome.html",
        partial="pay_links/_outcome.html",
        state=found.state,
        link_id=link.id if link else "",
        payment=payment,
        poll=poll + 1,
        checking="yes" if is_checking else None,
        **facts,
    )


def _asked_about(payment: Payment, customer_id: str) -> tuple[Payment, bool]:
    """The payment after asking Stripe, and whether it is known now how it stands there."""
    if payment.status in statuses.FINAL or payment.stripe_intent_id is None:
        return payment, True
    if not polling.ask_stripe(customer_id, lambda: payments.sync(payment.id)):
        return payment, False
    return service.payment_by_id(payment.id), True
