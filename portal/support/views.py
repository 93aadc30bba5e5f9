"""The staff's desk: the search, and a customer's page with its parts."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import customer_access
from portal.accounts.forms import country_name
from portal.content import language
from portal.core import audit, clock, db
from portal.core.errors import Invalid, NotFound
from portal.core.permissions import Permission
from portal.support import offers, queries, recent, search, service, staff_mails
from portal.support.forms import MailsForm, NoteForm, ReasonForm
from portal.support.search_places import Kind
from portal.web import features, lists
from portal.web.guards import recently_proved, staff_only
from portal.web.pages import limiter, page, reader_language, see_other, wants_part
from portal.web.waiting import MOST_COUNTED, MailKind, Staff

bp: Final = Blueprint("support", __name__, url_prefix="/support")

# What search.Found.only names, as pages; who opens one finds it again among what they opened last.
_PAGES: Final = {
    "customer": ("support.customer", "customer_id"),
    "payment": ("support_payments.show", "payment_id"),
    "invoice": ("support_invoices.show", "invoice_id"),
    "refund": ("support_refunds.show", "refund_id"),
    "dispute": ("support_disputes.show", "dispute_id"),
}
_SUBJECT_IN: Final = dict(_PAGES.values())
# Of each kind, in the dialog that opens on every page.
MOST_AT_ONCE: Final = 3


@bp.get("")
@staff_only(Permission.LOOK_UP)
def index() -> AnyResponse:
    """The desk's home: what waits for the reader, and the search.

    The results come as one types; pressing Enter sends `open` besides, which opens the only result.
    """
    text = request.args.get("q", "")
    with db.reading() as session:
        found = search.search(session, text, search.kinds_for(current_user.role))
        staff = Staff(current_user.id, current_user.role)
        backlogs = None if text.strip() or wants_part() else features.backlogs(session, staff)
    if found.only and request.args.get("open"):
        kind, row_id = found.only
        endpoint, argument = _PAGES[kind]
        return see_other(endpoint, **{argument: row_id})
    return page(
        "support/index.html",
        partial="support/_results.html",
        text=text.strip(),
        found=found,
        backlogs=backlogs,
        most_counted=MOST_COUNTED,
        now=clock.now(),
    )


@bp.get("/search")
@staff_only(Permission.LOOK_UP)
def quick_search() -> AnyResponse:
    """For the dialog on every page: of each kind the best few, and before anything is typed what the reader has opened last."""
    text = request.args.get("q", "").strip()
    if not wants_part():
        return see_other("support.index", q=text)
    with db.reading() as session:
        if text:
            found = search.search(session, text, search.kinds_for(current_user.role), MOST_AT_ONCE)
        else:
            found = search.of_subjects(session, recent.subjects(session, current_user.id))
    return page("support/_quick_results.html", text=text, found=found)


@bp.get("/search/<noun>")
@staff_only(Permission.LOOK_UP)
def search_kind(noun: str) -> Response:
    """All results of a kind."""
    if noun not in search.kinds_for(current_user.role):
        raise NotFound
    text = request.args.get("q", "").strip()
    with db.reading() as session:
        found = search.all_of_kind(session, Kind(noun), text, request.args.get("page"))
    links = lists.pager_links("support.search_kind", found, noun=noun, q=text)
    return page(
        "support/all_results.html",
        partial="support/_all_results.html",
        kind=Kind(noun),
        text=text,
        found=found,
        **links,
    )


@bp.after_app_request
def _note_opened(response: AnyResponse) -> AnyResponse:
    """What a member of staff opens stands among what they opened last."""
    argument = _SUBJECT_IN.get(request.endpoint or "")
    if (
        argument
        and response.status_code == 200
        and request.method == "GET"
        and not wants_part()
        and current_user.is_staff
    ):
        recent.note_opened(current_user.id, str((request.view_args or {})[argument]))
    return response


@bp.route("/mails", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.LOOK_UP)
def mails() -> Response | AnyResponse:
    """Which mails the reader gets of what waits for them."""
    with db.reading() as session:
        chosen = staff_mails.choices_of(session, current_user.id)
    form = MailsForm(data={kind.value: chosen.get(kind, "") for kind in MailKind})
    if form.validate_on_submit():
        staff_mails.choose(current_user.id, form.wanted())
        flash(gettext("Saved."), "success")
        return see_other("support.mails")
    return page("support/mails.html", form=form, kinds=list(MailKind), status=422 if form.errors else 200)


@bp.get("/customers/<customer_id>")
@staff_only(Permission.LOOK_UP)
def customer(customer_id: str) -> Response:
    """The head of the page; its parts come one after the other, each from `section`."""
    with db.reading() as session:
        file = queries.customer_file(session, customer_id)
    audit.record_access(customer_id, customer_id, "customer")
    return page(
        "support/customers/show.html",
        file=file,
        customer=file.customer,
        country=country_name(file.customer.country),
        offers=offers.of_customer(file.customer),
    )


@bp.get("/customers/<customer_id>/<name>")
@staff_only(Permission.LOOK_UP)
def section(customer_id: str, name: str) -> Response:
    """One of queries.SECTIONS: as a part of the customer's page, or as a page of its own."""
    return _section(customer_id, name, NoteForm() if name == "notes" else None)


def _section(customer_id: str, name: str, note_form: NoteForm | None, status: int = 200) -> Response:
    with db.reading() as session:
        customer, found = queries.section(session, customer_id, name, request.args.get("page"))
    audit.record_access(customer_id, customer_id, "customer")
    partial = f"support/customers/_{name.replace('-', '_')}.html"
    return page(
        "support/customers/section.html",
        partial=partial,
        status=status,
        customer=customer,
        offers=offers.of_customer(customer),
        found=found,
        included=partial,
        form=note_form,
        older_url=_page_url(customer_id, name, found, "older"),
        newer_url=_page_url(customer_id, name, found, "newer"),
    )


def _page_url(customer_id: str, name: str, found: Any, side: str) -> str | None:
    cursor = getattr(found, side, None)
    return url_for("support.section", customer_id=customer_id, name=name, page=cursor) if cursor else None


@bp.route("/customers/<customer_id>/deactivation", methods=["GET", "POST"])
@staff_only(Permission.DEACTIVATE_CUSTOMERS)
@recently_proved
def deactivate(customer_id: str) -> AnyResponse:
    """What stays open is shown before the button is pressed."""
    form = ReasonForm()
    if form.validate_on_submit():
        try:
            customer_access.deactivate(customer_id, form.reason.data or "", by=current_user.id)
        except Invalid as error:
            form.reason.errors = [language.error_text(error, reader_language())]
        else:
            flash(gettext("The customer is deactivated."), "success")
            return see_other("support.customer", customer_id=customer_id)
    with db.reading() as session:
        file = queries.customer_file(session, customer_id)
        people = queries.able_people(session, customer_id)
        automatic = queries.automatic_payment(session, customer_id, None)
    audit.record_access(customer_id, customer_id, "customer")
    status = 422 if form.errors else 200
    return page(
        "support/customers/deactivate.html",
        status=status,
        form=form,
        file=file,
        customer=file.customer,
        people=people,
        automatic=automatic,
    )


@bp.post("/customers/<customer_id>/reactivation")
@staff_only(Permission.DEACTIVATE_CUSTOMERS)
@recently_proved
def reactivate(customer_id: str) -> AnyResponse:
    customer_access.reactivate(customer_id)
    flash(
        gettext("The customer is active again. Automatic payment stays off until the customer turns it on."), "success"
    )
    return see_other("support.customer", customer_id=customer_id)


@bp.post("/customers/<customer_id>/notes")
@staff_only(Permission.WRITE_NOTES)
def add_note(customer_id: str) -> AnyResponse:
    form = NoteForm()
    if form.validate_on_submit():
        try:
            service.add_note(customer_id, current_user.id, form.words.data or "")
        except Invalid as error:
            form.words.errors = [language.error_text(error, reader_language())]
        else:
            return see_other("support.section", customer_id=customer_id, name="notes")
    return _section(customer_id, "notes", form, status=422)
