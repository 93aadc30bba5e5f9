"""The refund queue of the staff: who looks at a request, how it is decided, and refunds that staff propose themselves."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import date
from typing import Any

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse
from wtforms import ValidationError

from portal.content import language
from portal.core import audit, company_days, config, db, money
from portal.core.errors import N_, Conflict, Forbidden, Invalid, NotFound, PortalError
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.core.permissions import Permission
from portal.disputes import queries as disputes
from portal.identity import queries as accounts
from portal.payments import queries as payments
from portal.refunds import answer_blocks, messages, policy, queries, queue_views, service, statuses, surroundings
from portal.refunds import queue as queue_of
from portal.refunds.forms import RefundForm, amount_of
from portal.refunds.models import Decision, Refund
from portal.web import resuming
from portal.web.guards import require_recent_proof, staff_only
from portal.web.offers import offer
from portal.web.pages import limiter, page, reader_language, see_other, wants_part

bp = Blueprint("support_refunds", __name__, url_prefix="/support")

QUEUE = "support_refunds.queue"
MOST_OTHERS = 10
# Who has a request open for so long is taken to be at work on it, and claims it.
STAY_SECONDS = 10


def _reviewer() -> Reviewer:
    return Reviewer(current_user.id, current_user.role)


@bp.get("/refunds")
@staff_only(Permission.LOOK_UP)
def queue() -> Response:
    """What waits for a decision, by whose turn it is; what nobody knows about; and what has failed."""
    return queue_views.shown(_decided_before())


@bp.get("/refunds/oldest")
@staff_only(Permission.DECIDE_REFUNDS)
def oldest() -> AnyResponse:
    """To the oldest request that the reader may decide; with `approved=once` among those that wait for a second approval. To the queue
    where there is none any more."""
    with db.reading() as session:
        refund_id = queue_of.oldest(session, _reviewer(), second=request.args.get("approved") == "once")
    return see_other(QUEUE) if refund_id is None else see_other("support_refunds.show", refund_id=refund_id)


@bp.get("/refunds/of-payment/<payment_id>")
@staff_only(Permission.LOOK_UP)
def of_payment(payment_id: str) -> Response:
    """The refunds of a payment, for the payment's page. Raises NotFound."""
    with db.reading() as session:
        payment = payments.by_id(session, payment_id)
        found = queries.of_payment(session, payment_id)
        refusal = service.why_not_refundable(session, payment)
    audit.record_access(payment_id, payment.customer_id, "payment")
    proposal = offer(N_("Propose a refund"), Permission.PROPOSE_REFUNDS, refusal)
    return page("support/refunds/_of_payment.html", refunds=found, payment=payment, proposal=proposal)


@bp.get("/refunds/<refund_id>")
@staff_only(Permission.LOOK_UP)
def show(refund_id: str) -> Response:
    """All that one needs to decide: the request, the payment's sums, what was before, disputes and warnings."""
    return _shown(refund_id)


def _shown(refund_id: str, *, refused: PortalError | None = None, decision: str = "") -> Response:
    """The page of a refund; with what was typed into the form of a `decision` that was refused."""
    with db.reading() as session:
        refund = queries.by_id(session, refund_id)
        may_decide = refund.status in statuses.UNDECIDED and current_user.may(Permission.DECIDE_REFUNDS)
        sums = queries.sums(session, refund.payment)
        others = [row for row in queries.of_customer(session, refund.customer_id).rows if row.id != refund_id]
        disputed = disputes.blocking(session, refund.payment_id) is not None
        warnings = disputes.warnings_of(session, [refund.payment_id])
        conversation = queries.messages_of(session, refund_id)
        people = [refund.asked_by, refund.claimed_by, refund.first_approved_by, refund.decided_by, refund.resolved_by]
        people += [refund.assigned_to, *(message.author_id for message in conversation)]
        names = accounts.names(session, people)
        colleagues = service.deciders(session)
        why_two = service.why_two(session, refund, _reviewer())
        may_approve = service.may_approve(session, refund, _reviewer())
        lines = surroundings.lines_of(session, refund, refund.payment)
        neighbours = surroundings.payments_around(session, refund.payment)
        rejections, questions = (
            answer_blocks.offered(session, decided_by, refund, reader_language()) if may_decide else []
            for decided_by in (Decision.REJECTION, Decision.QUESTION)
        )
    audit.record_access(refund_id, refund.customer_id, "refund")
    typed = {name: request.form.to_dict() for name in (decision,) if name}
    return page(
        "support/refunds/show.html",
        status=200 if refused is None else 409 if isinstance(refused, Conflict) else 422,
        refused=None if refused is None else language.error_text(refused, reader_language()),
        decision=decision,
        arguments=queue_of.parse(request.args).arguments,
        refund=refund,
        sums=sums,
        others=others[:MOST_OTHERS],
        disputed=disputed,
        failed=refund.status in statuses.GONE_WRONG,
        explanation=messages.for_staff(refund, reader_language()),
        today=company_days.today().isoformat(),
        warnings=warnings,
        names=names,
        colleagues=colleagues,
        claimed=service.is_claimed(refund),
        stay_seconds=STAY_SECONDS,
        why_two=why_two,
        lines=lines,
        neighbours=neighbours,
        approval=offer(
            N_("Approve"),
            None,
            *surroundings.obstacles(refund, _reviewer(), disputed=disputed, may_approve=may_approve),
        ),
        threshold=service.shown_threshold(refund.currency),
        decimals=money.exponent(refund.currency),
        decimal_mark=language.decimal_mark(reader_language()),
        amount_text=language.typed_amount(refund.amount, reader_language()),
        approving=typed.get("approve") or resuming.typed_into(url_for("support_refunds.approve", refund_id=refund_id)),
        conversation=conversation,
        asking=typed.get("ask") or resuming.typed_into(url_for("support_refunds.ask_customer", refund_id=refund_id)),
        rejections=rejections,
        questions=questions,
        customer_language=language.name_of(language.supported(refund.customer.language), reader_language()),
        language_name=lambda code: language.name_of(code, reader_language()),
        rejecting=typed.get("reject") or resuming.typed_into(url_for("support_refunds.reject", refund_id=refund_id)),
        paying=resuming.typed_into(url_for("support_refunds.pay_outside", refund_id=refund_id)),
        closing=resuming.typed_into(url_for("support_refunds.close", refund_id=refund_id)),
        **_decided_before(refund_id),
    )


def _decided_before(refund_id: str | None = None) -> dict[str, Any]:
    """The refund that the reader has decided just now: the one that the address names, else the one whose page this is."""
    last_id = request.args.get("last") or refund_id
    if not last_id:
        return {"last": None}
    with db.reading() as session:
        try:
            last = queries.by_id(session, last_id)
        except NotFound:
            return {"last": None}
        left = queries.seconds_held(session, last)
    mine = current_user.id in {last.decided_by, last.first_approved_by} or last.waiting_since is not None
    if not mine or (last_id == refund_id and not left):
        return {"last": None}
    return {"last": last, "seconds": left}


@bp.get("/refunds/<refund_id>/decision")
@staff_only(Permission.DECIDE_REFUNDS)
def decided(refund_id: str) -> Response:
    """What has become of a decision of the reader's, for the page that they went on to."""
    with db.reading() as session:
        refund = queries.by_id(session, refund_id)
        left = queries.seconds_held(session, refund)
    audit.record_access(refund_id, refund.customer_id, "refund")
    return page(
        "support/refunds/decided.html", partial="support/refunds/_last.html", last=refund, seconds=left, batch=None
    )


@bp.get("/refunds/<refund_id>/next")
@staff_only(Permission.DECIDE_REFUNDS)
def next_one(refund_id: str) -> AnyResponse:
    """Go on to the next request that the reader may decide, in the order that the address names; to the queue where none is left."""
    wanted, last = queue_of.parse(request.args), request.args.get("last")
    with db.reading() as session:
        here = queries.by_id(session, refund_id)
        next_id = queue_of.next_for(session, _reviewer(), wanted, here)
    if next_id is None:
        return see_other(QUEUE, **wanted.arguments, last=last)
    return see_other("support_refunds.show", refund_id=next_id, **wanted.arguments, last=last)


@bp.post("/refunds/<refund_id>/claim")
@staff_only(Permission.DECIDE_REFUNDS)
def claim(refund_id: str) -> Response | AnyResponse:
    """Sent by the page of an undecided refund when its reader stays or begins to act, as long as JavaScript runs; else by its button."""
    refused = None
    try:
        service.claim(refund_id, _reviewer())
    except (Invalid, Conflict, Forbidden) as error:
        refused = error
    if not wants_part():
        if refused:
            flash(language.error_text(refused, reader_language()), "error")
        return see_other("support_refunds.show", refund_id=refund_id, **queue_of.parse(request.args).arguments)
    with db.reading() as session:
        refund = queries.by_id(session, refund_id)
        names = accounts.names(session, [refund.claimed_by])
    return page(
        "support/refunds/_claim.html",
        status=409 if refused else 200,
        refund=refund,
        names=names,
        claimed=service.is_claimed(refund),
        undecided=refund.status in statuses.UNDECIDED,
        stay_seconds=STAY_SECONDS,
        arguments=queue_of.parse(request.args).arguments,
    )


@bp.post("/refunds/<refund_id>/release")
@staff_only(Permission.DECIDE_REFUNDS)
def release(refund_id: str) -> AnyResponse:
    """Sent by its button, and by the page when it is left."""
    service.release(refund_id, _reviewer())
    return see_other(QUEUE)


@bp.post("/refunds/<refund_id>/approval")
@limiter.limit("60/minute")
@staff_only(Permission.DECIDE_REFUNDS)
def approve(refund_id: str) -> Response | AnyResponse:
    with db.reading() as session:
        refund = queries.by_id(session, refund_id)
        is_large = service.needs_two(session, refund)
    if is_large:
        require_recent_proof()

    def approval() -> None:
        undo_seconds, note = config.current().refund_undo_seconds, request.form.get("note", "")
        service.approve(refund_id, _reviewer(), amount=_amount(refund), note=note, undo_seconds=undo_seconds)

    return _decide(approval, refund_id, "approve")


def _decide(act: Callable[[], None], refund_id: str, decision: str) -> Response | AnyResponse:
    """Decide, and go on to the next request; or stay on the page, with what was typed and why not."""
    try:
        act()
    except (Invalid, Conflict, Forbidden) as error:
        return _shown(refund_id, refused=error, decision=decision)
    return see_other("support_refunds.next_one", refund_id=refund_id, last=refund_id, **_order())


def _order() -> dict[str, str]:
    """What the address says of the queue that its reader came from."""
    return {name: value for name, value in request.args.items() if name in queue_of.ARGUMENTS}


@bp.post("/refunds/<refund_id>/undo")
@limiter.limit("60/minute")
@staff_only(Permission.DECIDE_REFUNDS)
def undo(refund_id: str) -> AnyResponse:
    """Take one's approval back, and see the request again."""
    said = gettext("Approval undone. Nothing was sent.")
    return _done(lambda: service.undo(refund_id, _reviewer()), refund_id, said)


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
def reject(refund_id: str) -> Response | AnyResponse:
    rejection, note = request.form.get("rejection", ""), request.form.get("note", "")
    return _decide(lambda: service.reject(refund_id, _reviewer(), rejection=rejection, note=note), refund_id, "reject")


@bp.post("/refunds/<refund_id>/question")
@limiter.limit("30/minute")
@staff_only(Permission.DECIDE_REFUNDS)
def ask_customer(refund_id: str) -> Response | AnyResponse:
    """Ask the customer something by mail, and go on: the request waits for the answer."""
    question = request.form.get("question", "")
    return _decide(lambda: service.ask_customer(refund_id, _reviewer(), question), refund_id, "ask")


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
        left = queries.left_by_invoice(session, payment)
    audit.record_access(payment_id, payment.customer_id, "payment")
    form = RefundForm(payment.currency, policy.OF_STAFF, left)
    if form.validate_on_submit() and form.amount is not None:
        try:
            refund_id = service.propose(
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
            return see_other("support_refunds.show", refund_id=refund_id)
    if not form.key.data:
        form.key.data = secrets.token_urlsafe(24)
    if request.method == "GET" and not form.amount_text.data and not form.is_of_several:
        form.amount_text.data = language.typed_amount(sums.remaining, reader_language())
    status = 422 if form.errors else 200
    return page("support/refunds/propose.html", form=form, payment=payment, sums=sums, status=status)


def _done(act: Callable[[], object], refund_id: str, said: str) -> AnyResponse:
    """Do it and stay on the refund's page, saying what was done or why not."""
    try:
        act()
    except (Invalid, Conflict, Forbidden) as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support_refunds.show", refund_id=refund_id)
    flash(said, "success")
    return see_other("support_refunds.show", refund_id=refund_id)
