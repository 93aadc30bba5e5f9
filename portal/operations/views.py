"""The operations desk: the state of the portal, Stripe's events, failed jobs, what needs review and the audit trail."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, flash, request
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import audit, config, db
from portal.core.errors import Conflict, Invalid
from portal.core.keyset import Page
from portal.core.permissions import Permission
from portal.jobs import outbox, workers
from portal.jobs.models import JobStatus
from portal.operations import dependencies as depended_on
from portal.operations import job_kinds, messages, queries, settings_in_force, versions
from portal.operations import service as operations
from portal.operations.forms import AuditFilterForm, DeliveryFilterForm, EventFilterForm
from portal.stripe_events import service as stripe_events
from portal.web import lists
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other
from portal.web.subjects import address_of
from portal.webhook_endpoints import models as event_deliveries
from portal.webhook_endpoints import queries as delivery_queries
from portal.webhook_endpoints import service as delivery_service

bp = Blueprint("operations", __name__, url_prefix="/support/operations")


@bp.context_processor
def _context() -> dict[str, Any]:
    return {
        "address_of": address_of,
        "asked_every": workers.HOUSEKEEPING_SECONDS,
        "failure_text": messages.of_failure,
    }


@bp.get("")
@staff_only(Permission.VIEW_OPERATIONS)
def index() -> Response:
    with db.reading() as session:
        state = queries.state(session)
        dependencies = depended_on.all_of_them(session, worker_is_behind=state.worker_is_behind)
        running = versions.of_this_process(session)
    return page(
        "support/operations/index.html",
        state=state,
        most_counted=queries.MOST_COUNTED,
        dependencies=dependencies,
        versions=running,
    )


# Stripe's events


@bp.get("/events")
@staff_only(Permission.VIEW_OPERATIONS)
def events() -> Response:
    form = EventFilterForm(request.args)
    wrong = not form.validate()
    with db.reading() as session:
        found = queries.events(session, queries.EventFilter() if wrong else form.filter(), request.args.get("page"))
        types = queries.event_types(session)
    return _list("events", found, form, types=types, zone=config.current().timezone, wrong=wrong)


@bp.get("/events/<event_id>")
@staff_only(Permission.VIEW_OPERATIONS)
def event(event_id: str) -> Response:
    with db.reading() as session:
        found, job = queries.event(session, event_id)
    audit.record_access(event_id, None, "webhook event")
    return page("support/operations/event.html", event=found, job=job, body=_printed(found.body))


def _printed(body: bytes) -> str:
    """A body as a person reads it; as it is when it is not JSON."""
    text = body.decode("utf-8", errors="replace")
    try:
        printed = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
    return printed.encode(errors="replace").decode()  # a half of a surrogate pair cannot be shown


@bp.post("/events/<event_id>/replays")
@limiter.limit("30/minute")
@staff_only(Permission.REPEAT_JOBS)
def replay(event_id: str) -> AnyResponse:
    if stripe_events.replay(event_id):
        flash(gettext("The event is being applied again."), "success")
    else:
        flash(gettext("This event is already queued."), "info")
    return see_other("operations.event", event_id=event_id)


# Events to customers' systems


@bp.get("/deliveries")
@staff_only(Permission.VIEW_OPERATIONS)
def deliveries() -> Response:
    form = DeliveryFilterForm(request.args)
    wrong = not form.validate()
    wanted = delivery_queries.DeliveryFilter() if wrong else form.filter()
    with db.reading() as session:
        found = delivery_queries.deliveries(session, wanted, request.args.get("page"))
        names = queries.customer_names(session, {one.customer_id for one in found.rows})
    types = (*event_deliveries.EventType, event_deliveries.PING)
    return _list("deliveries", found, form, names=names, types=types, wrong=wrong)


@bp.get("/deliveries/<delivery_id>")
@staff_only(Permission.VIEW_OPERATIONS)
def delivery(delivery_id: str) -> Response:
    with db.reading() as session:
        found = delivery_queries.delivery(session, delivery_id)
        names = queries.customer_names(session, {found.customer_id})
    audit.record_access(delivery_id, found.customer_id, "event delivery")
    return page(
        "support/operations/delivery.html",
        delivery=found,
        name=names[found.customer_id],
        headers=found.event.headers(found.last_attempt_at or found.created_at),
        body=_printed(found.event.body),
    )


@bp.post("/deliveries/<delivery_id>/replays")
@limiter.limit("30/minute")
@staff_only(Permission.REPEAT_JOBS)
def send_again(delivery_id: str) -> AnyResponse:
    try:
        delivery_service.send_again(delivery_id)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("The event is being sent again."), "success")
    return see_other("operations.delivery", delivery_id=delivery_id)


# Jobs, and what needs review


@bp.get("/jobs")
@staff_only(Permission.VIEW_OPERATIONS)
def jobs() -> Response:
    dead_only, name = request.args.get("status") == JobStatus.DEAD, request.args.get("kind", "")
    with db.reading() as session:
        found = queries.failed_jobs(session, dead_only=dead_only, name=name, cursor=request.args.get("page"))
        kinds = job_kinds.by_kind(session)
    return _list(
        "jobs",
        found,
        dead_only=dead_only,
        kind=name,
        kinds=kinds,
        hours_of_attempts=outbox.HOURS_OF_ATTEMPTS,
        most_retried=operations.MOST_RETRIED,
    )


@bp.post("/jobs/kinds/<kind>/attempts")
@limiter.limit("30/minute")
@staff_only(Permission.REPEAT_JOBS)
def try_kind_again(kind: str) -> AnyResponse:
    try:
        number, are_more = operations.try_kind_again(kind)
    except operations.LookAtEach as error:
        flash(language.error_text(error, reader_language()), "error")
        return see_other("operations.jobs", status=JobStatus.DEAD, kind=kind)
    if not number:
        flash(gettext("No job of this kind has failed permanently any more."), "info")
    else:
        flash(ngettext("%(num)d job is being retried.", "%(num)d jobs are being retried.", number), "success")
    if are_more:
        flash(gettext("There are more of this kind. Retry them once these are done."), "info")
    return see_other("operations.jobs")


@bp.post("/jobs/<job_id>/attempts")
@limiter.limit("30/minute")
@staff_only(Permission.REPEAT_JOBS)
def try_again(job_id: str) -> AnyResponse:
    try:
        operations.try_again(job_id)
    except Conflict:
        flash(gettext("This job is done or running."), "info")
    else:
        flash(gettext("The job is being retried."), "success")
    return see_other("operations.jobs")


@bp.get("/review")
@staff_only(Permission.VIEW_OPERATIONS)
def review() -> Response:
    with db.reading() as session:
        found = queries.review_items(session)
    return page("support/operations/review.html", items=found)


# Settings


@bp.get("/settings")
@staff_only(Permission.VIEW_SETTINGS)
def settings() -> Response:
    sections = settings_in_force.by_section()
    return page(
        "support/operations/settings.html",
        sections=sections,
        problems=sum(bool(one.problems) for _section, found in sections for one in found),
        for_customers=config.current().for_customers,
    )


# The audit trail


@bp.get("/audit")
@staff_only(Permission.VIEW_AUDIT_TRAIL)
def audit_trail() -> Response:
    form = AuditFilterForm(request.args)
    wrong = not form.validate()
    wanted = queries.AuditFilter() if wrong else form.filter()
    with db.reading() as session:
        found = queries.audit_trail(session, wanted, request.args.get("page"))
        names, actions = queries.names(session, found.rows), queries.audit_actions(session)
    if wanted.customer_id and found.rows:
        audit.record_access(wanted.customer_id, wanted.customer_id, "audit trail")
    return _list("audit_trail", found, form, names=names, actions=actions, wrong=wrong)


@bp.get("/audit.csv")
@staff_only(Permission.VIEW_AUDIT_TRAIL)
def export_audit() -> Response:
    form = AuditFilterForm(request.args)
    if not form.validate():
        raise Invalid
    return lists.csv_file(operations.export_audit(form.filter(), lists.csv_shape()), "audit.csv")


def _list(name: str, found: Page[Any], form: Any = None, **facts: Any) -> Response:
    return lists.filtered(f"operations.{name}", f"support/operations/{name}.html", found, form=form, **facts)
