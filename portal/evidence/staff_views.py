"""The evidence for a dispute: read, changed and proposed by one person, sent by another."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import audit, clock, db
from portal.core.errors import Conflict, Forbidden, Invalid
from portal.core.permissions import Permission
from portal.disputes import queries as disputes
from portal.documents.models import Document
from portal.evidence import compelling, fields, gathering, offers, queries, service
from portal.evidence.models import Evidence
from portal.evidence.staff_forms import EvidenceForm, form_for
from portal.identity import queries as users
from portal.web.guards import require_recent_proof, staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("support_evidence", __name__, url_prefix="/support/disputes/<dispute_id>/evidence")

SHOW = "support_evidence.show"


@bp.get("")
@staff_only(Permission.LOOK_UP)
def show(dispute_id: str) -> Response:
    return _page(dispute_id)


@bp.post("")
@limiter.limit("60/minute")
@staff_only(Permission.PREPARE_EVIDENCE)
def save(dispute_id: str) -> AnyResponse:
    """The button "propose" says as well that what was typed is ready for the bank."""
    with db.reading() as session:
        form = form_for(disputes.dispute(session, dispute_id).reason)
    if not form.validate_on_submit():
        return _page(dispute_id, form)
    try:
        row = service.save(dispute_id, current_user.id, form.shown_version, form.typed, form.document.data)
        if "propose" in request.form:
            service.propose(dispute_id, current_user.id, row.version)
    except (Invalid, Conflict) as error:
        form.tell(error)
        return _page(dispute_id, form)
    said = (
        gettext("Proposed. A colleague must send it to the bank.") if "propose" in request.form else gettext("Saved.")
    )
    flash(said, "success")
    return see_other(SHOW, dispute_id=dispute_id)


@bp.post("/gathering")
@limiter.limit("30/minute")
@staff_only(Permission.PREPARE_EVIDENCE)
def gather(dispute_id: str) -> AnyResponse:
    return _done(dispute_id, lambda: service.ask_to_gather(dispute_id), gettext("The evidence is being gathered."))


@bp.post("/proposal/withdrawal")
@limiter.limit("30/minute")
@staff_only(Permission.PREPARE_EVIDENCE)
def take_back(dispute_id: str) -> AnyResponse:
    return _done(dispute_id, lambda: service.take_back(dispute_id), gettext("It is a draft again."))


@bp.post("/approval")
@limiter.limit("30/minute")
@staff_only(Permission.SEND_EVIDENCE)
def approve(dispute_id: str) -> AnyResponse:
    require_recent_proof()
    version = request.form.get("version", 0, type=int)
    return _done(
        dispute_id,
        lambda: service.approve(dispute_id, current_user.id, version),
        gettext("The evidence is being sent to the bank."),
    )


@bp.get("/state")
@staff_only(Permission.LOOK_UP)
def of_dispute(dispute_id: str) -> Response:
    """Where the evidence stands, as a part of the dispute's page. Raises NotFound for an unknown dispute."""
    with db.reading() as session:
        dispute = disputes.dispute(session, dispute_id)
        row = queries.if_gathered(session, dispute_id)
    audit.record_access(dispute_id, dispute.customer_id, "dispute")
    return page(
        "support/evidence/of_dispute.html",
        partial="support/evidence/_state.html",
        dispute=dispute,
        evidence=row,
        offers=offers.of_dispute(dispute, row, current_user.id),
    )


def _page(dispute_id: str, form: EvidenceForm | None = None) -> Response:
    with db.reading() as session:
        dispute = disputes.dispute(session, dispute_id)
        row = queries.if_gathered(session, dispute_id)
        offered = gathering.documents_of(session, dispute)
        earlier = gathering.earlier_payments(session, dispute)
        names = users.names(session, [row.edited_by, row.proposed_by, row.approved_by]) if row is not None else {}
    audit.record_access(dispute_id, dispute.customer_id, "dispute")
    is_refused = form is not None
    offered_now = offers.of_dispute(dispute, row, current_user.id)
    may_change = offered_now["change"].stands
    if row is not None and may_change and form is None:
        form = form_for(dispute.reason)
        form.fill(row)
    if form is not None:
        form.offer(offered)
    return page(
        "support/evidence/show.html",
        status=422 if is_refused else 200,
        dispute=dispute,
        evidence=row,
        # What was refused is shown with all that was typed, also when nothing can be changed any more.
        form=form if is_refused or may_change else None,
        offers=offered_now,
        fields=fields.for_reason(dispute.reason),
        document=_named(offered, row),
        earlier=earlier,
        takes_visa_ce3=compelling.may_be_given(dispute),
        visa_ce3_statuses=compelling.STATUSES,
        visa_ce3_actions=compelling.ACTIONS,
        names=names,
        days_left=(dispute.deadline - clock.now()).days if dispute.waits_for_evidence else None,
        dispute_url=url_for("support_disputes.show", dispute_id=dispute_id),
    )


def _named(offered: list[Document], row: Evidence | None) -> Document | None:
    """The document that goes along."""
    chosen = row.documents.get(fields.RECEIPT) if row is not None else None
    return next((one for one in offered if one.id == chosen), None)


def _done(dispute_id: str, act: Callable[[], None], said: str) -> AnyResponse:
    try:
        act()
    except (Invalid, Conflict, Forbidden) as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(said, "success")
    return see_other(SHOW, dispute_id=dispute_id)
