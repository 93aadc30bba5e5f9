"""The refund queue of the staff: who looks at a request, how it is decided, and refunds that staff propose themselves."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import date

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse
from wtforms import ValidationError

from portal.content import language
from portal.core import audit, company_days, db
from portal.core.errors import N_, Conflict, Forbidden, Invalid
from portal.core.money import Money
from portal.core.permissions import Permission
from portal.disputes import queries as disputes
from portal.identity import queries as accounts
from portal.payments import queries as payments
from portal.refunds import messages, policy, queries, service, statuses
from portal.refunds.forms import RefundForm, amount_of
from portal.refunds.models import Refund
from portal.refunds.service import Reviewer
from portal.refunds.statuses import RefundStatus
from portal.web import resuming
from portal.web.guards import require_recent_proof, staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("support_refunds", __name__, url_prefix="/support")

QUEUE = "support_refunds.queue"
MOST_IN_QUEUE = 50
MOST_OTHERS = 10
# More than these are shown as "99+" in the navigation.
MOST_COUNTED = 99


def number_waiting() -> str:
    """How many refunds ask something of staff, for their navigation; empty for none. One look into an index for each kind."""
    with db.reading() as session:
        number = queries.number_to_do(session, MOST_COUNTED + 1)
    return f"{MOST_COUNTED}+" if number > MOST_COUNTED else str(number or "")


def _reviewer() -> Reviewer:
    return Reviewer(current_user.id, current_user.role)


@bp.get("/refunds")
@staff_only(Permission.LOOK_UP)
def queue() -> Response:
    """What waits for a decision, oldest first; what nobody knows about; and what has failed."""
    with db.reading() as session:
        after = queries.by_id(session, request.args["after"]) if "after" in request.args else None
        waiting = queries.queue(session, MOST_IN_QUEUE + 1, after)
        unknown = queries.unknown(session, MOST_IN_QUEUE)
        failed = queries.failed(session, request.args.get("failed"))
        names = accounts.names(session, [row.claimed_by for row in waiting if service.is_claimed(row)])
    return page(
        "support/refunds/queue.html",
        waiting=waiting[:MOST_IN_QUEUE],
        more=waiting[MOST_IN_QUEUE - 1].id if len(waiting) > MOST_IN_QUEUE else None,
        unknown=unknown,
        failed=failed,
        explain=lambda refund: messages.for_staff(refund, reader_language()),
        names=names,
        is_claimed=service.is_claimed,
    )


@bp.get("/refunds/of-payment/<payment_id>")
@staff_only(Permission.LOOK_UP)
def of_payment(payment_id: str) -> Response:
    """The refunds of a payment, for the payment's page. Raises NotFound."""
    with db.reading() as session:
        payment = payments.by_id(session, payment_id)
        found = queries.of_payment(session, payment_id)
    audit.record_access(payment_id, payment.customer_id, "payment")
    return page("support/refunds/_of_payment.html", refunds=found)


@bp.get("/refunds/<refund_id>")
@staff_only(Permission.LOOK_UP)
def show(refund_id: str) -> Response:
    """All that one needs to decide: the request, the payment's sums, what was before, disputes and warnings."""
    with db.reading() as session:
        refund = queries.by_id(session, refund_id)
        sums = queries.sums(session, refund.payment)
        others = [row for row in queries.of_customer(session, refund.customer_id).rows if row.id != refund_id]
        disputed = disputes.blocking(session, refund.payment_id) is not None
        warnings = disputes.warnings_of(session, [refund.payment_id])
        people = [refund.asked_by, refund.claimed_by, refund.first_approved_by, refund.decided_by, refund.resolved_by]
        names = accounts.names(session, people)
        why_two = service.why_two(session, refund, _reviewer())
        may_approve = service.may_approve(session, refund, _reviewer())
    audit.record_access(refund_id, refund.customer_id, "refund")
    return page(
        "support/refunds/show.html",
        refund=refund,
        sums=sums,
        others=others[:MOST_OTHERS],
        disputed=disputed,
        failed=refund.status in statuses.GONE_WRONG,
        explanation=messages.for_staff(refund, reader_language()),
        today=company_days.today().isoformat(),
        warnings=warnings,
        names=names,
        claimed=service.is_claimed(refund),
        why_two=why_two,
        may_approve=may_approve,
        threshold=service.shown_threshold(refund.currency),
        amount_text=language.typed_amount(refund.amount, reader_language()),
        approving=resuming.typed_into(url_for("support_refunds.approve", refund_id=refund_id)),
        rejecting=resuming.typed_into(url_for("support_refunds.reject", refund_id=refund_id)),
        paying=resuming.typed_into(url_for("support_refunds.pay_outside", refund_id=refund_id)),
        closing=resuming.typed_into(url_for("support_refunds.close", refund_id=refund_id)),
    )


@bp.post("/refunds/<refund_id>/claim")
@staff_only(Permission.DECIDE_REFUNDS)
def claim(refund_id: str) -> AnyResponse:
    """Left by the page of an undecided refund when it is opened, as long as JavaScript runs; else by its button."""
    return _done(lambda: service.claim(refund_id, _reviewer()), refund_id)


@bp.post("/refunds/<refund_id>/release")
@staff_only(Permission.DECIDE_REFUNDS)
def release(refund_id: str) -> AnyResponse:
    service.release(refund_id, _reviewer())
    return see_other(QUEUE)


@bp.post("/refunds/<refund_id>/approval")
@limiter.limit("60/minute")
@staff_only(Permission.DECIDE_REFUNDS)
def approve(refund_id: str) -> AnyResponse:
    with db.reading() as session:
        refund = queries.by_id(session, refund_id)
        is_large = service.needs_two(session, refund)
    if is_large:
        require_recent_proof()

    def approval() -> str:
        note = request.form.get("note", "")
        if service.approve(refund_id, _reviewer(), amount=_amount(refund), note=note) == RefundStatus.APPROVED:
            return str(gettext("Approved. The money is being refunded."))
        return str(gettext("You approved the refund. A second person must approve it too."))

    return _done(approval, refund_id, then=QUEUE)


def _amount(refund: Refund) -> Money | None:
    """What was typed into the form; None for the amount that stands there already. Raises Invalid."""
    text = request.form.get("amount", "").strip()
    try:
        return amount_of(text, refund.currency) if text else None
    except ValidationError as error:
        raise Invalid(str(error)) from error


@bp.post("/refunds/<refund_id>/rejection")
@limiter.limit("60/minute")
@staff_only(Permission.DECIDE_REFUNDS)
def reject(refund_id: str) -> AnyResponse:
    rejection, note = request.form.get("rejection", ""), request.form.get("note", "")
    return _done(
        lambda: service.reject(refund_id, _reviewer(), rejection=rejection, note=note),
        refund_id,
        gettext("Rejected. The customer gets your reason by e-mail."),
        QUEUE,
    )


@bp.post("/refunds/<refund_id>/new-attempt")
@limiter.limit("30/minute")
@staff_only(Permission.RESOLVE_REFUNDS)
def send_again(refund_id: str) -> AnyResponse:
    said = gettext("The refund is being sent again.")
    return _done(lambda: service.send_again(refund_id, _reviewer()), refund_id, said)


@bp.post("/refunds/<refund_id>/abandonment")
@limiter.limit("30/minute")
@staff_only(Permission.RESOLVE_REFUNDS)
def give_up(refund_id: str) -> AnyResponse:
    said = gettext("Recorded: the refund was never sent. The amount can be refunded again.")
    return _done(lambda: service.give_up(refund_id, _reviewer()), refund_id, said)


@bp.post("/refunds/<refund_id>/replacement")
@limiter.limit("30/minute")
@staff_only(Permission.PROPOSE_REFUNDS)
def replace(refund_id: str) -> AnyResponse:
    """A failed refund is sent again, as a new one."""
    try:
        new_id = service.replace(refund_id, _reviewer())
    except (Invalid, Conflict, Forbidden) as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support_refunds.show", refund_id=refund_id)
    flash(gettext("This is the new refund. It is waiting for approval."), "success")
    return see_other("support_refunds.show", refund_id=new_id)


@bp.post("/refunds/<refund_id>/outside-payment")
@limiter.limit("30/minute")
@staff_only(Permission.RESOLVE_REFUNDS)
def pay_outside(refund_id: str) -> AnyResponse:
    note, typed = request.form.get("note", ""), request.form.get("paid_on", "")

    def record() -> None:
        try:
            paid_on = date.fromisoformat(typed)
        except ValueError as error:
            raise Invalid(N_("Please enter a day."), field="paid_on") from error
        service.pay_outside(refund_id, _reviewer(), paid_on=paid_on, note=note)

    return _done(record, refund_id, gettext("Recorded. The customer is notified by e-mail."))


@bp.post("/refunds/<refund_id>/closure")
@limiter.limit("30/minute")
@staff_only(Permission.RESOLVE_REFUNDS)
def close(refund_id: str) -> AnyResponse:
    note = request.form.get("note", "")
    return _done(
        lambda: service.close(refund_id, _reviewer(), note=note), refund_id, gettext("Recorded: nothing is owed.")
    )


@bp.post("/refunds/<refund_id>/review/lift")
@limiter.limit("30/minute")
@staff_only(Permission.RESOLVE_REFUNDS)
def lift_review(refund_id: str) -> AnyResponse:
    said = gettext("Hold removed. The refund can be decided again.")
    return _done(lambda: service.lift_review(refund_id, _reviewer()), refund_id, said)


@bp.route("/payments/<payment_id>/refund", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.PROPOSE_REFUNDS)
def propose(payment_id: str) -> Response | AnyResponse:
    """A refund that nobody asked for; it is decided like all others."""
    with db.reading() as session:
        payment = payments.by_id(session, payment_id)
        sums = queries.sums(session, payment)
    audit.record_access(payment_id, payment.customer_id, "payment")
    form = RefundForm(payment.currency, policy.OF_STAFF)
    if form.validate_on_submit() and form.amount is not None:
        try:
            refund_id = service.propose(
                current_user.id,
                payment_id,
                form.amount,
                form.reason.data,
                form.explanation.data or "",
                client_key=form.key.data or "",
            )
        except (Invalid, Conflict) as error:
            form.tell(error)
        else:
            return see_other("support_refunds.show", refund_id=refund_id)
    if not form.key.data:
        form.key.data = secrets.token_urlsafe(24)
    if request.method == "GET" and not form.amount_text.data:
        form.amount_text.data = language.typed_amount(sums.remaining, reader_language())
    status = 422 if form.errors else 200
    return page("support/refunds/propose.html", form=form, payment=payment, sums=sums, status=status)


def _done(
    act: Callable[[], str | None], refund_id: str, said: str = "", then: str = "support_refunds.show"
) -> AnyResponse:
    """Do it and go on, saying what `act` returns or else `said`; or stay on the refund's page and say why not."""
    try:
        said = act() or said
    except (Invalid, Conflict, Forbidden) as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support_refunds.show", refund_id=refund_id)
    if said:
        flash(said, "success")
    return see_other(then) if then == QUEUE else see_other(then, refund_id=refund_id)
