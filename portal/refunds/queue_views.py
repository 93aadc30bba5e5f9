"""The queue of refunds: who sees what, many decided at once, saved filters, and a file of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, request
from flask_babel import gettext, ngettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import config, db, keyset
from portal.core.errors import Conflict, Forbidden, Invalid, NotFound, PortalError
from portal.core.four_eyes import Reviewer
from portal.core.permissions import Permission
from portal.identity import queries as accounts
from portal.refunds import exports, messages, queries, queue, queue_facts, service
from portal.refunds.models import Refund
from portal.web import lists, saved
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other
from portal.web.staff_lists import ViewedPage

bp = Blueprint("support_refund_queue", __name__, url_prefix="/support")

MOST_IN_QUEUE = service.MOST_AT_ONCE
NONE_FAILED: keyset.Page[Refund] = keyset.Page([], None, None)
VIEWED = ViewedPage(
    "refund_queue", "support_refunds.queue", Permission.DECIDE_REFUNDS, lambda given: queue.parse(given).arguments
)


def _reviewer() -> Reviewer:
    return Reviewer(current_user.id, current_user.role)


def number_waiting() -> str:
    """How many refunds the reader can do something about, for their navigation; empty for none. One look into an index for each kind."""
    number = queue.number_to_do(_reviewer())
    return f"{queue.MOST_COUNTED}+" if number > queue.MOST_COUNTED else str(number or "")


def shown(last: dict[str, Any], *, refused: PortalError | None = None) -> Response:
    """The page of the queue; `last` is what the reader has decided before. With what was refused, row by row, and what was typed."""
    wanted = queue.parse(request.args)
    with db.reading() as session:
        after = queries.by_id(session, request.args["after"]) if "after" in request.args else None
        waiting = queue.page(session, _reviewer(), wanted, MOST_IN_QUEUE + 1, after)
        more = waiting[MOST_IN_QUEUE - 1].id if len(waiting) > MOST_IN_QUEUE else None
        waiting = waiting[:MOST_IN_QUEUE]
        totals, number = queue.total(session, _reviewer(), wanted)
        names = accounts.names(session, [who for row in waiting for who in (row.claimed_by, row.assigned_to)])
        counts = queue.counts(session, _reviewer())
        context: dict[str, Any] = {
            "counts": counts.places,
            "facts": queue_facts.facts_of(session, waiting, current_user.id),
            "unknown": queries.unknown(session, MOST_IN_QUEUE) if counts.unknown else [],
            "failed": queries.failed(session, request.args.get("failed")) if counts.failed else NONE_FAILED,
            "views": saved.views_of(session, current_user.id, VIEWED.name),
            "colleagues": service.deciders(session),
        }
    refusals = refused.refusals if isinstance(refused, service.NotTogether) else {}
    return page(
        "support/refunds/queue.html",
        status=200 if refused is None else 422 if isinstance(refused, Invalid) else 409,
        wanted=wanted,
        most_counted=queue.MOST_COUNTED,
        waiting=waiting,
        more=more,
        totals=totals,
        number=number,
        refused=None if refused is None else language.error_text(refused, reader_language()),
        refusals={one: language.error_text(error, reader_language()) for one, error in refusals.items()},
        chosen=set(request.form.getlist("refund")),
        typed=request.form,
        explain=lambda refund: messages.for_staff(refund, reader_language()),
        names=names,
        is_claimed=service.is_claimed,
        batch=_batch(request.args.getlist("batch")) if "batch" in request.args else None,
        **context,
        **last,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """What its reader has approved together, as far as it stands, and for how many seconds all of it can be undone."""

    ids: list[str]
    seconds: int


def _batch(refund_ids: list[str]) -> Batch:
    with db.reading() as session:
        approved = queries.approved_by(session, refund_ids[: service.MOST_AT_ONCE], current_user.id)
        left = [queries.seconds_held(session, one) for one in approved]
    return Batch([one.id for one in approved], min(left, default=0))


@bp.get("/refunds/decisions")
@staff_only(Permission.DECIDE_REFUNDS)
def decided_all() -> Response:
    """What has become of what the reader has approved together."""
    batch = _batch(request.args.getlist("batch"))
    return page("support/refunds/decided.html", partial="support/refunds/_last_batch.html", last=None, batch=batch)


@bp.post("/refunds/decisions/undo")
@limiter.limit("60/minute")
@staff_only(Permission.DECIDE_REFUNDS)
def undo_all() -> AnyResponse:
    """Take all of one's approvals of these back, as far as they are not sent."""
    chosen = request.form.getlist("refund")
    try:
        undone = service.undo_all(chosen, _reviewer())
    except Invalid as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("support_refunds.queue")
    if undone:
        said = ngettext("Approval of %(num)d refund undone.", "Approval of %(num)d refunds undone.", undone)
        flash(said, "success")
    if undone < len(set(chosen)):
        late = len(set(chosen)) - undone
        flash(
            ngettext("%(num)d approval can no longer be undone.", "%(num)d approvals can no longer be undone.", late),
            "error",
        )
    return see_other("support_refunds.queue")


@bp.post("/refunds/decisions")
@limiter.limit("30/minute")
@staff_only(Permission.DECIDE_REFUNDS)
def decide_all() -> Response | AnyResponse:
    """Approve, reject or hand over what was selected: all of it, or nothing, saying what stands in the way of each."""
    chosen, form = request.form.getlist("refund"), request.form
    try:
        match form.get("act"):
            case "approve":
                undo_seconds = config.current().refund_undo_seconds
                service.approve_all(chosen, _reviewer(), note=form.get("note", ""), undo_seconds=undo_seconds)
                said = ngettext("%(num)s refund approved.", "%(num)s refunds approved.", len(chosen))
            case "reject":
                service.reject_all(chosen, _reviewer(), rejection=form.get("note", ""))
                said = ngettext("%(num)s refund rejected.", "%(num)s refunds rejected.", len(chosen))
            case "assign":
                service.assign_all(chosen, _reviewer(), form.get("colleague", ""))
                said = ngettext("%(num)s refund assigned.", "%(num)s refunds assigned.", len(chosen))
            case _:
                raise Invalid
    except (Invalid, Conflict, Forbidden) as error:
        return shown({"last": None}, refused=error)
    flash(said, "success")
    held = sorted(set(chosen)) if form["act"] == "approve" and config.current().refund_undo_seconds else None
    return see_other("support_refunds.queue", **queue.parse(request.args).arguments, batch=held)


@bp.get("/refunds.csv")
@staff_only(Permission.LOOK_UP)
def csv() -> Response:
    """What the filter finds, as a file."""
    wanted = queue.parse(request.args)
    return lists.csv_file(exports.export_queue(_reviewer(), wanted, lists.csv_shape()), "refunds.csv")


# One request


@bp.post("/refunds/<refund_id>/assignment")
@limiter.limit("60/minute")
@staff_only(Permission.DECIDE_REFUNDS)
def assign(refund_id: str) -> AnyResponse:
    try:
        service.assign_all([refund_id], _reviewer(), request.form.get("colleague", ""))
    except service.NotTogether as error:
        told: PortalError = error.refusals[refund_id]
        if isinstance(told, NotFound):
            raise told from error
        flash(language.error_text(told, reader_language()), "error")
    except (Invalid, Conflict, Forbidden) as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("Assigned."), "success")
    return see_other("support_refunds.show", refund_id=refund_id, **queue.parse(request.args).arguments)
