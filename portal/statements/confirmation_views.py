"""Confirmations of a customer's balance, at the desk."""

from __future__ import annotations

from flask import Blueprint, Response
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import queries as accounts_queries
from portal.content import language
from portal.core import audit, db
from portal.core.errors import Conflict, Invalid
from portal.core.permissions import Permission
from portal.statements import confirmations
from portal.statements.forms import ConfirmationForm
from portal.web import guards, pages

bp = Blueprint("balance_confirmations", __name__, url_prefix="/support/customers/<customer_id>/balance-confirmations")


@bp.get("")
@guards.staff_only(Permission.VIEW_BOOKS)
def index(customer_id: str) -> Response:
    audit.record_access(customer_id, customer_id, "statement")
    return _page(customer_id, ConfirmationForm(formdata=None))


@bp.post("")
@pages.limiter.limit("30/minute")
@guards.staff_only(Permission.VIEW_BOOKS)
def confirm(customer_id: str) -> AnyResponse:
    form = ConfirmationForm()
    if not form.validate_on_submit():
        return _page(customer_id, form, status=422)
    try:
        made = confirmations.confirm(customer_id, form.chosen_day(), current_user.id, form.language.data)
    except (Invalid, Conflict) as error:
        form.day.errors = [language.error_text(error, pages.reader_language())]
        return _page(customer_id, form, status=422)
    return pages.see_other("balance_confirmations.show", customer_id=customer_id, confirmation_id=made)


@bp.get("/<confirmation_id>")
@guards.staff_only(Permission.VIEW_BOOKS)
def show(customer_id: str, confirmation_id: str) -> Response:
    """One, ready or being made; then this asks again by itself. It says when postings of that day have come since."""
    audit.record_access(customer_id, customer_id, "statement")
    with db.reading() as session:
        customer = accounts_queries.customer(session, customer_id)
        found = confirmations.one(session, confirmation_id, customer_id)
        has_changed = confirmations.balances_of(session, customer_id, found.day) != found.balances
    return pages.page(
        "statements/confirmation.html",
        partial="statements/_confirmation.html",
        customer=customer,
        confirmation=found,
        has_changed=has_changed,
    )


@bp.get("/<confirmation_id>/pdf")
@pages.limiter.limit("30/minute")
@guards.staff_only(Permission.VIEW_BOOKS)
def download(customer_id: str, confirmation_id: str) -> Response:
    found = confirmations.download(confirmation_id, customer_id)
    response = Response(found.pdf, content_type="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="balance-confirmation-{found.day}.pdf"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _page(customer_id: str, form: ConfirmationForm, status: int = 200) -> Response:
    with db.reading() as session:
        customer = accounts_queries.customer(session, customer_id)
        made = confirmations.of_customer(session, customer_id)
    if not form.is_submitted():
        form.language.data = language.supported(customer.language)
    return pages.page("statements/confirmations.html", status=status, customer=customer, form=form, made=made)
