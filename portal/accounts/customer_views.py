"""Customers at the desk: making one, changing its details, and its people's invitations and addresses."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Response, flash
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import colleagues, customer_files, importing, service
from portal.accounts.customer_forms import (
    AddFileForm,
    CustomerFileForm,
    DetailsForm,
    NewCustomerForm,
    PersonEmailForm,
    PersonForm,
)
from portal.accounts.importing import CustomerReport
from portal.accounts.models import Customer, CustomerFile
from portal.accounts.staff_list import LIST
from portal.content import language, sheets
from portal.core import audit
from portal.core.errors import Conflict, Invalid, PortalError, RateLimited
from portal.core.permissions import Permission
from portal.identity import email_addresses, email_changes, web
from portal.identity.forms import tell, typed
from portal.web import pages, staff_lists
from portal.web.guards import recently_proved, staff_only
from portal.web.pages import limiter

bp = Blueprint("support_customers", __name__, url_prefix="/support/customers")

_DETAILS: Final = (
    *("name", "email", "address", "postal_code", "city", "country", "tax_id", "buyer_reference"),
    *("electronic_address", "external_id", "language"),
)
_REFUSED: Final = (Invalid, Conflict, RateLimited)


@bp.get("")
@staff_only(Permission.LOOK_UP)
def index() -> Response:
    return staff_lists.show(LIST)


@bp.get("/list.csv")
@staff_only(Permission.LOOK_UP)
def csv() -> Response:
    return staff_lists.as_csv(LIST)


@bp.route("/new", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.MANAGE_CUSTOMERS)
def new() -> AnyResponse:
    form = NewCustomerForm()
    if form.validate_on_submit():
        facts = {
            field: typed(form[field])
            for field in (
                "name",
                "email",
                "contact",
                "language",
                "address",
                "country",
                "tax_id",
                "external_id",
                *service.FOR_E_INVOICES,
            )
        }
        try:
            made = service.invite_customer(**facts)
        except _REFUSED as error:
            tell(form, error)
        else:
            flash(_("The customer is created. The invitation was sent to %(email)s.", email=facts["email"]), "success")
            return pages.see_other("support.customer", customer_id=made.customer_id)
    return pages.page("support/customers/new.html", status=web.status(form), form=form)


@bp.route("/<customer_id>/details", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.MANAGE_CUSTOMERS)
def details(customer_id: str) -> AnyResponse:
    customer = _seen(customer_id)
    form = DetailsForm(obj=customer)
    form.version.data = str(form.version.data)
    if form.validate_on_submit():
        try:
            service.change_details(
                customer_id,
                _version(form),
                service.Details(
                    **{name: typed(form[name]) for name in _DETAILS}, reminders_off=bool(form.reminders_off.data)
                ),
            )
        except service.StaleDetails as error:
            return _stale(customer_id, form, error)
        except Invalid as error:
            tell(form, error)
        else:
            flash(_("Saved."), "success")
            return pages.see_other("support.customer", customer_id=customer_id)
    return pages.page("support/customers/details.html", status=web.status(form), form=form, customer=customer)


# A file of them


@bp.route("/import", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.MANAGE_CUSTOMERS)
def upload() -> AnyResponse:
    """Nobody is added here: the next page shows who would be."""
    form = CustomerFileForm()
    if form.validate_on_submit():
        try:
            file_id = customer_files.UPLOADS.keep(current_user.id, form.file.data.filename or "", form.file.data.read())
        except Invalid as error:
            tell(form, error)
        else:
            return pages.see_other("support_customers.file", file_id=file_id)
    return pages.page(
        "support/customers/import.html",
        status=web.status(form),
        form=form,
        columns=importing.COLUMNS,
        most_megabytes=sheets.MOST_BYTES // 1_000_000,
        most_rows=language.number_text(sheets.MOST_ROWS, pages.reader_language()),
    )


@bp.get("/import/<file_id>")
@staff_only(Permission.MANAGE_CUSTOMERS)
def file(file_id: str) -> Response:
    """Whom the file would add, or every mistake in it by its row."""
    found, report = customer_files.look_into(file_id, current_user.id)
    return _file_page(found, report)


@bp.post("/import/<file_id>")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_CUSTOMERS)
def import_file(file_id: str) -> AnyResponse:
    """Where an invitation is not possible, or something has changed meanwhile, nobody is added, and the page says why."""
    found, report = customer_files.import_file(file_id, current_user.id, is_invited=bool(AddFileForm().invite.data))
    if report.problems:
        return _file_page(found, report)
    flash(ngettext("%(num)d customer was added.", "%(num)d customers were added.", len(report.made)), "success")
    return pages.see_other("support_customers.index")


def _file_page(file: CustomerFile, report: CustomerReport) -> Response:
    problems = [(one, language.error_text(one.error, pages.reader_language())) for one in report.problems]
    return pages.page(
        "support/customers/file.html", file=file, report=report, problems=problems, form=AddFileForm(formdata=None)
    )


def _version(form: DetailsForm) -> int:
    said = typed(form.version)
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0


def _stale(customer_id: str, form: DetailsForm, error: PortalError) -> Response:
    """What was typed stays in the form, beside what somebody else has stored; saving again writes over that, knowingly."""
    now = service.billing_details(customer_id)
    form.version.data = str(now.version)
    tell(form, error)
    return pages.page(
        "support/customers/details.html", status=error.status, form=form, customer=now, stored=_stored(form, now)
    )


def _stored(form: DetailsForm, now: Customer) -> list[tuple[str, str]]:
    """What differs from what was typed: the field's label, and what is stored."""
    return [
        (str(form[name].label.text), getattr(now, name) or "–")
        for name in _DETAILS
        if typed(form[name]).replace("\r\n", "\n").strip() != (getattr(now, name) or "")
    ]


@bp.route("/<customer_id>/people/new", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.MANAGE_CUSTOMERS)
@recently_proved
def invite(customer_id: str) -> AnyResponse:
    customer = _seen(customer_id)
    form = PersonForm(data={"language": customer.language})
    if form.validate_on_submit():
        facts: dict[str, Any] = {name: typed(form[name]) for name in ("name", "email", "language")}
        try:
            service.invite_owner(customer_id, **facts)
        except _REFUSED as error:
            tell(form, error)
        else:
            flash(_("The invitation was sent to %(email)s.", email=facts["email"]), "success")
            return pages.see_other("support.section", customer_id=customer_id, name="people")
    return pages.page("support/customers/invite.html", status=web.status(form), form=form, customer=customer)


@bp.post("/people/<user_id>/invitation")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_CUSTOMERS)
def invite_again(user_id: str) -> AnyResponse:
    invited = service.invite_again(user_id)
    flash(_("The invitation was sent again."), "success")
    return pages.see_other("support.section", customer_id=invited.customer_id, name="people")


@bp.route("/people/<user_id>/email", methods=["GET", "POST"])
@limiter.limit("30/minute", methods=["POST"])
@staff_only(Permission.CHANGE_ADDRESSES)
@recently_proved
def change_email(user_id: str) -> AnyResponse:
    """Someone lost their mailbox and says so by telephone. The new address has to be proved by its owner, and the old one is told."""
    customer = _seen(colleagues.customer_of(user_id))
    person = next(one for one in colleagues.of_customer(customer.id) if one.id == user_id)
    form = PersonEmailForm()
    if form.validate_on_submit():
        try:
            email = email_addresses.checked(typed(form.email))
            email_addresses.refuse_unreachable(email)
            if person.is_invited:
                service.readdress_invitation(user_id, email)
            else:
                email_changes.ask(user_id, email, by=current_user.id)
        except _REFUSED as error:
            tell(form, error)
        else:
            flash(
                _("We sent a link to %(email)s. The address counts once they have opened it.", email=email), "success"
            )
            return pages.see_other("support.section", customer_id=customer.id, name="people")
    return pages.page(
        "support/customers/email.html", status=web.status(form), form=form, customer=customer, person=person,
        waiting=email_changes.waiting(user_id),
    )  # fmt: skip


def _seen(customer_id: str) -> Customer:
    """Raises NotFound. That staff have seen it is recorded."""
    customer = service.billing_details(customer_id)
    audit.record_access(customer_id, customer_id, "customer")
    return customer
