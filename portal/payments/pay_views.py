"""Paying: the pages for it, what their scripts ask for, and what became of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, Response, flash, jsonify, redirect, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal import gateway
from portal.accounts import queries as accounts
from portal.content import language
from portal.core import config, db, money, recovery
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.invoices import part_payments
from portal.invoices import queries as invoices
from portal.invoices.statuses import InvoiceStanding, InvoiceStatus
from portal.payment_methods import fence
from portal.payment_methods import queries as cards
from portal.payment_methods import service as card_service
from portal.payment_methods.models import PaymentMethod
from portal.payments import allocating, queries, service, statuses
from portal.payments.forms import OtherAmountForm
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.web import failures, polling
from portal.web.guards import customer_id, customers_only, payers_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("pay", __name__, url_prefix="/payments")

# A browser may have asked Stripe to charge a card just before its page was reloaded; until then Stripe may not say so yet.
CHECK_UNTIL_POLL = 10

# What a database holds; more was not shown by any page of ours.
MOST_SHOWN_MINOR: Final = 2**63 - 1
_SIGN_IN_TO_SEE: Final = N_(
    "You are back from your bank’s page. What you confirmed there counts, also while you are signed out: please do not pay again, and sign "
    "in to see the result."
)
_NEEDS_SCRIPT: Final = N_(
    "You were not charged. Payment details go straight from your browser to Stripe, which requires "
    "JavaScript. Please turn it on, or choose a saved payment method."
)


@bp.get("/invoices/<selection>")
@payers_only
def invoice(selection: str) -> Response | AnyResponse:
    """The page where open invoices are paid, one or several at once; one that is not open any more shows itself instead.

    What was begun to be paid is looked up at Stripe first: it may have been paid meanwhile, and nobody is to press twice. An invoice that
    is charged by itself on a day is paid before it only by who asks for that.
    """
    me, shares = customer_id(), _shares(selection)
    ids = [one.invoice_id for one in shares]
    if len(ids) > 1 and not _can_be_paid(shares):
        return see_other("pay_together.choose", invoice=ids)
    with db.reading() as session:
        chosen = [invoices.for_customer(session, one, me) for one in ids]
        is_open = all(one.status == InvoiceStatus.OPEN for one in chosen)
        begun = queries.live_of_invoices(session, ids) if is_open else []
    for each in begun:
        one, is_known = _asked_about(each, me)
        if one.has_succeeded:
            return see_other("pay.outcome", payment_id=one.id)
        if one.review_reason or one.may_move or not is_known:
            return _outcome_page(one, is_checking=not one.review_reason, poll=1)
    with db.reading() as session:
        chosen = [invoices.for_customer(session, one, me) for one in ids]
        standings = invoices.standings(session, chosen)
        live = _of_these(queries.live_of_invoices(session, ids), ids)
        if live is not None and shares[0].amount not in {None, live.amount}:
            live = None  # of another part: it is called off when this one is begun
        kept = cards.of_customer(session, me, payable_in=chosen[0].currency)
        preferred = queries.last_card_tried(session, live.id) if live else None
        country = accounts.customer(session, me).country
    first = chosen[0]
    if len(chosen) == 1:
        if first.status != InvoiceStatus.OPEN:
            return see_other("invoices.show", invoice_id=selection)
        if live is not None and live.requires_action and not shares[0].amount and live.amount != first.amount_due:
            return see_other(
                "pay.invoice", selection=selection, part=live.amount_minor, now="yes"
            )  # that part is finished
        if standings[selection].status == InvoiceStanding.SCHEDULED and not request.args.get("now"):
            standing = standings[selection]
            return page("payments/ways_to_pay.html", invoice=first, standing=standing, card=None, client_key="")
    return _pay_page(
        amount=shares[0].amount or Money(sum(one.amount_due.minor for one in chosen), first.currency),
        invoices=chosen,
        least=part_payments.least(first) if len(chosen) == 1 else None,
        part=shares[0].amount,
        live=live,
        kept=kept,
        preferred=preferred,
        finish_now=request.args.get("finish") == "now",
        country=country,
        start_url=url_for("pay.start_invoice", selection=selection, part=request.args.get("part")),
        back_url=url_for("invoices.show", invoice_id=selection) if len(chosen) == 1 else url_for("invoices.index"),
    )


def _shares(selection: str) -> tuple[service.Share, ...]:
    """The invoices that an address names, each to be paid as far as it is due; or, of one, the `part` in minor units. Raises NotFound."""
    ids = selection.split(",")
    minor = request.args.get("part", 0, type=int)
    if len(ids) > 1 or not 0 < minor <= MOST_SHOWN_MINOR:
        return service.whole(*ids)
    with db.reading() as session:
        invoice = invoices.for_customer(session, selection, customer_id())
    return (service.Share(selection, invoice.in_currency(minor)),)


def _can_be_paid(shares: tuple[service.Share, ...]) -> bool:
    """Whether all of them are this customer's and open, and can be paid at once; else they are chosen anew."""
    with db.reading() as session:
        try:
            allocating.check_selection(session, customer_id(), shares)
        except (Invalid, Conflict):
            return False
    return True


def _of_these(payments: list[Payment], invoice_ids: list[str]) -> Payment | None:
    """The one of them that pays just these invoices."""
    return next((one for one in payments if one.amounts.keys() == set(invoice_ids)), None)


@bp.get("/<payment_id>/pay")
@payers_only
def custom_payment(payment_id: str) -> Response | AnyResponse:
    """The page where a payment without an invoice is made; one that has an invoice is paid there."""
    me = customer_id()
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, me)
        kept = cards.of_customer(session, me, payable_in=payment.currency)
        country = accounts.customer(session, me).country
    if payment.has_invoices:
        return see_other("pay.invoice", selection=payment.selection)
    payment, is_known = _asked_about(payment, me)
    if payment.status in statuses.FINAL:
        return see_other("payments.show", payment_id=payment_id)
    if payment.review_reason or payment.may_move or not is_known:
        return _outcome_page(payment, is_checking=not payment.review_reason, poll=1)
    return _pay_page(
        amount=payment.amount,
        invoices=[],
        least=None,
        part=None,
        live=payment,
        kept=kept,
        preferred=None,
        finish_now=False,
        country=country,
        start_url=url_for("pay.start_custom_payment", payment_id=payment_id),
        back_url=url_for("payments.overview"),
    )


def _pay_page(*, kept: list[PaymentMethod], live: Payment | None, **facts: Any) -> Response:
    settings = config.current()
    recovery.refuse_now()
    return page(
        "payments/pay.html",
        with_stripe=True,
        stripe_js_url=settings.stripe_js_url,
        publishable_key=settings.stripe_publishable_key,
        offered=fence.form_options(),
        wallets=fence.form_wallets(),
        express=fence.express_wallets(),
        savable=fence.savable(),
        client_key=secrets.token_urlsafe(24),
        advice={code: gettext(text) for code, text in gateway.ADVICE.items()},
        fallback_advice=gettext(gateway.advice("")),
        colour=settings.company.colour,
        code_refusals=sorted(gateway.CODE_REFUSALS),
        asking_for_code=_asking_for_code(kept, live),
        kept=kept,
        live=live,
        cancel_url=url_for("pay.cancel", payment_id=live.id) if live else None,
        may_save=True,
        **facts,
    )


def _asking_for_code(kept: list[PaymentMethod], live: Payment | None) -> set[str]:
    """The saved cards, by their ids at Stripe, whose security code is asked for: all of them where the settings say so,
    else the one that the bank has just refused for want of it.
    """
    kept = [card for card in kept if card.is_card]
    if config.current().ask_cvc_of_saved_cards:
        return {card.stripe_payment_method_id for card in kept}
    if live is None or gateway.CODE_REFUSALS.isdisjoint((live.failure_code, live.decline_code)):
        return set()
    refused = (live.card_brand, live.card_last4)
    return {card.stripe_payment_method_id for card in kept if (card.brand, card.last4) == refused}


@bp.post("/invoices/<selection>/start")
@limiter.limit("30/minute")
@payers_only
def start_invoice(selection: str) -> AnyResponse:
    me, shares = customer_id(), _shares(selection)
    with db.reading() as session:
        ids = [invoices.for_customer(session, one.invoice_id, me).id for one in shares]
        begun = _of_these(queries.live_of_invoices(session, ids), ids)
    if not _is_script():
        return _pay_without_script(
            begun,
            lambda payment_method_id, key: service.pay_with_card(
                me, shares, payment_method_id, client_key=key, at_most=_shown_amount()
            ),
            url_for("pay.invoice", selection=selection, part=request.args.get("part")),
        )
    card_service.begin_payment(me, request.remote_addr or "", ids[0])
    try:
        _refuse_while_charging(begun)
        service.end_others(me, shares)
        key = request.form.get("client_key", "")
        started = service.start(me, shares, client_key=key, save_card=_save_card(), at_most=_shown_amount())
        return _answer(started)
    except Conflict as error:
        with db.reading() as session:
            found = queries.live_of_invoices(session, ids)
        if (
            len(ids) > 1 and _of_these(found, ids) is None
        ):  # it pays others as well, or not all: that is told where they are chosen
            go_on = url_for("pay_together.choose", invoice=ids)
            return failures.failure(
                error.status, error.code, language.error_text(error, reader_language()), go_on=go_on
            )
        return _in_the_way(error, found[0].id if found else None, ids[0])


@bp.post("/<payment_id>/start")
@limiter.limit("30/minute")
@payers_only
def start_custom_payment(payment_id: str) -> AnyResponse:
    me = customer_id()
    with db.reading() as session:
        begun = queries.for_customer(session, payment_id, me)
    if not _is_script():
        return _pay_without_script(
            begun,
            lambda payment_method_id, key: service.pay_other_with_card(
                me, payment_id, payment_method_id, client_key=key
            ),
            url_for("pay.custom_payment", payment_id=payment_id),
        )
    card_service.begin_payment(me, request.remote_addr or "", payment_id)
    try:
        _refuse_while_charging(begun)
        return _answer(service.ensure_confirmable(payment_id, me, save_card=_save_card()))
    except Conflict as error:
        return _in_the_way(error, payment_id)


def _refuse_while_charging(payment: Payment | None) -> None:
    """While a card may be charged from here, no browser is given the means to charge another one."""
    if payment is not None and payment.is_unanswered and payment.status not in statuses.FINAL:
        raise service.InProgress


def _in_the_way(error: Conflict, payment_id: str | None, invoice_id: str | None = None) -> AnyResponse:
    """The refusal, with what takes the place of the form: what has become of the payment, or else the invoice, closed meanwhile."""
    message = language.error_text(error, reader_language())
    if payment_id:
        shown_at = url_for("pay.outcome", payment_id=payment_id)
        return failures.failure(error.status, error.code, message, outcome_url=shown_at)
    flash(message, "info")
    invoice_url = url_for("invoices.show", invoice_id=invoice_id)
    return failures.failure(error.status, error.code, message, go_on=invoice_url)


@bp.post("/<payment_id>/cancellation")
@limiter.limit("30/minute")
@payers_only
def cancel(payment_id: str) -> AnyResponse:
    """Call off what waits for 3-D Secure, to pay with another card; what is paid meanwhile stays paid, and is shown."""
    me = customer_id()
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, me)
    try:
        service.cancel_waiting(payment_id)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "info")
        return see_other("pay.outcome", payment_id=payment_id)
    flash(gettext("The payment was canceled. You were not charged."), "info")
    if not payment.has_invoices:
        return see_other("payments.show", payment_id=payment_id)
    return see_other("pay.invoice", selection=payment.selection, now="yes")


def _is_script() -> bool:
    """Whether pay.js asks; else the browser has sent the form by itself, for its script is not there, or not yet."""
    return bool(request.accept_mimetypes.best == "application/json")


def _pay_without_script(live: Payment | None, pay: Callable[[str, str], Payment], page_url: str) -> AnyResponse:
    """Charge the saved card that was chosen. A new card, or a security code, is typed into Stripe's form alone: that says so."""
    with db.reading() as session:
        card = cards.all_by_method(session, customer_id()).get(request.form.get("method", ""))
    if live is not None and live.may_move:
        return see_other("pay.outcome", payment_id=live.id)
    if card is None or card.stripe_payment_method_id in _asking_for_code([card], live):
        flash(gettext(_NEEDS_SCRIPT), "error")
        return redirect(page_url, 303)
    return _charge(lambda: pay(card.id, request.form.get("client_key", "")), page_url)


def _charge(pay: Callable[[], Payment], page_url: str) -> AnyResponse:
    """Pay, and show what came of it; the pay page says what was refused, and leads on where nothing is to be paid, or the bank asks."""
    try:
        payment = pay()
    except (Invalid, Conflict) as error:
        flash(language.error_text(error, reader_language()), "error" if isinstance(error, Invalid) else "info")
        return redirect(page_url, 303)
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        return redirect(f"{page_url}{'&' if '?' in page_url else '?'}finish=now", 303)
    return see_other("pay.outcome", payment_id=payment.id)


@bp.post("/invoices/<invoice_id>/card")
@limiter.limit("30/minute")
@payers_only
def with_card(invoice_id: str) -> AnyResponse:
    """One press on the invoice pays it with a saved card; where the bank wants to ask, its page goes on by itself."""
    me, form = customer_id(), request.form
    method_id, client_key = form.get("payment_method_id", ""), form.get("client_key", "")
    return _charge(
        lambda: service.pay_with_card(
            me, service.whole(invoice_id), method_id, client_key=client_key, at_most=_shown_amount()
        ),
        url_for("pay.invoice", selection=invoice_id),
    )


@bp.get("/invoices/<invoice_id>/ways")
@payers_only
def ways_to_pay(invoice_id: str) -> Response:
    """How an open invoice can be paid from its page: at once with the default card, or on the page for it."""
    me = customer_id()
    with db.reading() as session:
        invoice = invoices.for_customer(session, invoice_id, me)
        standing = invoices.standings(session, [invoice])[invoice_id]
        live = queries.live_of_invoice(session, invoice_id)
        card = cards.default_method(session, me)
    if card is not None and (not card.takes(invoice.currency) or _asking_for_code([card], live)):
        card = None  # another one is chosen, or its code is typed, on the page for it
    return page(
        "payments/ways_to_pay.html",
        partial="payments/_ways_to_pay.html",
        invoice=invoice,
        standing=standing,
        card=card,
        client_key=secrets.token_urlsafe(24),
    )


def _shown_amount() -> Money | None:
    """What the page said is due when its button was pressed; more than that is not charged. None of a page from before it said so."""
    minor, currency = request.form.get("shown_minor", -1, type=int), request.form.get("shown_currency", "")
    return Money(minor, currency) if 0 <= minor <= MOST_SHOWN_MINOR and money.is_currency(currency) else None


def _save_card() -> bool:
    return request.form.get("save_card") == "yes"


def _answer(started: service.Started) -> Response:
    """What pay.js needs to let the customer confirm; the amount is not among it, for Stripe has it from us."""
    return jsonify(
        payment_id=started.payment_id,
        status=started.status,
        client_secret=started.client_secret,
        outcome_url=url_for("pay.outcome", payment_id=started.payment_id),
        return_url=url_for("pay.came_back", payment_id=started.payment_id, _external=True),
    )


@bp.get("/<payment_id>/outcome")
@customers_only
def outcome(payment_id: str) -> Response:
    """What became of a payment, as the part of the page that asks again until it is known."""
    me = customer_id()
    poll = polling.number()
    is_checking = request.args.get("checking") == "yes"
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, me)
    if polling.asks_stripe(poll):
        payment, is_known = _asked_about(payment, me)
        is_checking = not is_known or (is_checking and (payment.may_move or poll < CHECK_UNTIL_POLL))
    return _outcome_page(payment, is_checking=is_checking, poll=poll + 1)


def _outcome_page(payment: Payment, *, is_checking: bool, poll: int) -> Response:
    """What became of a payment. It asks again by itself while that is not known: the bank has the word, or Stripe could not be asked
    (`is_checking`). `poll` counts.
    """
    is_open = payment.status not in statuses.FINAL and not payment.review_reason
    unknown = is_open and (is_checking or payment.may_move or payment.status == PaymentStatus.CREATED)
    with db.reading() as session:
        shown = queries.shown_statuses(session, [payment])[payment.id]
        addresses = accounts.receipt_addresses(session, payment.customer_id, payment.paid_by)
    return page(
        "payments/outcome.html",
        partial="payments/_outcome.html",
        payment=payment,
        shown=shown,
        addresses=addresses,
        advice=gettext(gateway.advice(payment.failure_code, payment.decline_code, debit=payment.is_by_debit))
        if payment.failure_code
        else "",
        poll=poll,
        checking="yes" if is_checking else None,
        unknown=unknown,
        waiting=unknown and payment.expected_by is None and poll <= polling.MOST_POLLS,
    )


def _asked_about(payment: Payment, me: str) -> tuple[Payment, bool]:
    """The payment after asking Stripe, and whether it is known now how it stands there: not when Stripe did not answer."""
    reached_stripe = payment.stripe_intent_id is not None or payment.is_unanswered
    if payment.status in statuses.FINAL or not reached_stripe:
        return payment, True
    if not polling.ask_stripe(me, lambda: service.sync(payment.id)):
        return payment, False
    with db.reading() as session:
        return queries.for_customer(session, payment.id, me), True


@bp.get("/<payment_id>/return")
def came_back(payment_id: str) -> AnyResponse:
    """Where a bank's own page sends the customer after 3-D Secure, and the page of another payment method.

    What the address says of the outcome is not looked at: Stripe is asked. In a browser that is not signed in nothing is told but that,
    and the intent's secret that stands in the address goes nowhere else.
    """
    if not current_user.is_authenticated:
        flash(gettext(_SIGN_IN_TO_SEE), "info")
        return see_other("identity.sign_in", next=url_for("pay.came_back", payment_id=payment_id))
    me = customer_id()
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, me)
    payment, _is_known = _asked_about(payment, me)
    waits = payment.public_status in statuses.WAITING_FOR_CUSTOMER
    if waits and not payment.failure_code and current_user.may_pay:
        return see_other("pay.custom_payment", payment_id=payment_id)
    return see_other("payments.show", payment_id=payment_id)


@bp.route("/other", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@payers_only
def other() -> Response | AnyResponse:
    """Pay another amount: the amount is written down here, the card is asked for on the next page."""
    limits = config.current().pay_any_amount_limits
    if not config.current().pay_any_amount:
        raise NotFound
    form = OtherAmountForm()
    if form.validate_on_submit() and form.amount is not None:
        try:
            payment_id = service.record_custom_payment(
                customer_id(),
                form.amount,
                (form.description.data or "").strip(),
                client_key=form.key.data or "",
                allow_duplicate=form.again.data,
            )
        except Invalid as error:
            form.amount_text.errors = [language.error_text(error, reader_language())]
        except service.Unresolved as error:
            form.again.errors = [language.error_text(error, reader_language())]
        else:
            return see_other("pay.custom_payment", payment_id=payment_id)
    if not form.key.data:
        form.key.data = secrets.token_urlsafe(24)
    spans = [
        (money.from_decimal(least, code), money.from_decimal(most, code)) for code, (least, most) in limits.items()
    ]
    return page("payments/other.html", form=form, spans=spans, status=422 if form.errors else 200)
