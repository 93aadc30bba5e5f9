"""Refunds as their customer sees them: asking, following, withdrawing."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import company_days, db
from portal.core.errors import Conflict, Invalid
from portal.disputes import queries as disputes
from portal.payments import queries as payments
from portal.refunds import messages, policy, queries, service, statuses
from portal.refunds.forms import AnswerForm, RefundForm
from portal.web import lists
from portal.web.guards import customer_id, customers_only, payers_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("refunds", __name__)


@bp.get("/refunds")
@customers_only
def index() -> Response:
    """All refunds of a customer, newest first."""
    with db.reading() as session:
        found = queries.of_customer(session, customer_id(), request.args.get("page"))
    return page(
        "refunds/index.html",
        found=found,
        **lists.pager_links("refunds.index", found),
    )


@bp.get("/refunds/<refund_id>")
@customers_only
def show(refund_id: str) -> Response:
    return _shown(refund_id, AnswerForm())


def _shown(refund_id: str, form: AnswerForm, status: int = 200) -> Response:
    with db.reading() as session:
        refund = queries.for_customer(session, refund_id, customer_id())
        conversation = queries.messages_of(session, refund_id)
    overdue = refund.expected_by is not None and refund.expected_by < company_days.today()
    may_withdraw = refund.status in statuses.UNDECIDED
    return page(
        "refunds/show.html",
        status=status,
        refund=refund,
        conversation=conversation,
        form=form,
        overdue=overdue,
        may_withdraw=may_withdraw,
        explanation=messages.for_customer(refund, reader_language()),
    )


@bp.post("/refunds/<refund_id>/answer")
@limiter.limit("30/minute")
@payers_only
def answer(refund_id: str) -> Response | AnyResponse:
    """What staff asked is answered; the request waits for a decision again."""
    form = AnswerForm()
    if not form.validate_on_submit():
        return _shown(refund_id, form, 422)
    try:
        service.answer(refund_id, customer_id(), current_user.id, form.answer.data or "")
    except Invalid as error:
        form.answer.errors = [language.error_text(error, reader_language())]
        return _shown(refund_id, form, 422)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("Thank you. We go on with your request."), "success")
    return see_other("refunds.show", refund_id=refund_id)


@bp.post("/refunds/<refund_id>/withdrawal")
@limiter.limit("30/minute")
@payers_only
def withdraw(refund_id: str) -> AnyResponse:
    try:
        service.withdraw(refund_id, customer_id())
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("You have withdrawn your request."), "success")
    return see_other("refunds.show", refund_id=refund_id)


@bp.get("/payments/<payment_id>/refunds")
@customers_only
def of_payment(payment_id: str) -> Response:
    """The refunds of a payment and whether one can be asked for, as a part of the payment's page."""
    me = customer_id()
    with db.reading() as session:
        payment = payments.for_customer(session, payment_id, me)
        found = queries.of_payment(session, payment_id)
        sums = queries.sums(session, payment)
        disputed = disputes.blocking(session, payment_id) is not None
    open_to = [reason for reason, is_open in service.windows(payment).items() if is_open]
    return page(
        "refunds/of_payment.html",
        partial="refunds/_of_payment.html",
        payment=payment,
        refunds=found,
        sums=sums,
        may_ask=payment.has_succeeded and bool(open_to) and sums.remaining.minor > 0 and not disputed,
        disputed=disputed,
        last_day=max(policy.last_day(reason, payment.succeeded_at) for reason in policy.OF_CUSTOMERS)
        if payment.succeeded_at
        else None,
    )


@bp.route("/payments/<payment_id>/refund-requests", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@payers_only
def ask(payment_id: str) -> Response | AnyResponse:
    """Ask for a refund of a payment, in whole or in part."""
    me = customer_id()
    with db.reading() as session:
        payment = payments.for_customer(session, payment_id, me)
        sums = queries.sums(session, payment)
        left = queries.left_by_invoice(session, payment)
        disputed = disputes.blocking(session, payment_id) is not None
    form = RefundForm(payment.currency, policy.OF_CUSTOMERS, left)
    if form.validate_on_submit() and form.amount is not None:
        try:
            refund_id = service.ask(
                me,
                current_user.id,
                payment_id,
                form.amount,
                form.reason.data,
                form.explanation.data or "",
                client_key=form.key.data or "",
                invoice_id=form.chosen_invoice,
            )
        except (Invalid, Conflict) as error:
            form.tell(error)
        else:
            flash(gettext("Your request has arrived. We will e-mail you as soon as it is decided."), "success")
            return see_other("refunds.show", refund_id=refund_id)
    if not form.key.data:
        form.key.data = secrets.token_urlsafe(24)
    if request.method == "GET" and not form.amount_text.data and not form.is_of_several:
        form.amount_text.data = language.typed_amount(sums.remaining, reader_language())
    return page(
        "refunds/ask.html",
        form=form,
        payment=payment,
        sums=sums,
        disputed=disputed,
        ends={
            reason: policy.last_day(reason, payment.succeeded_at or payment.created_at)
            for reason in policy.OF_CUSTOMERS
        },
        is_open=service.windows(payment),
        status=422 if form.errors else 200,
    )
