"""A new invoice at the staff's desk: its form, what it comes to while it is typed, how it will look, and issuing it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from flask import Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.accounts.service import Deactivated
from portal.content import language
from portal.core import config, db
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.permissions import Permission
from portal.invoices import drafts, importing, previews, price_list, queries, service, taxing
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.models import Invoice, InvoicePreview, PriceItem
from portal.invoices.staff_forms import InvoiceForm
from portal.invoices.staff_views import bp
from portal.invoices.totals import Totals
from portal.vat import queries as vat
from portal.vat import service as vat_ids
from portal.vat.queries import VatIdStanding
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other

# The blueprint of the desk's invoices, which staff_views makes, with these views.
__all__ = ["bp"]

T = TypeVar("T")
# So many customers fit under the field; who does not see theirs types more of it.
MOST_OFFERED: Final = 8
# The buttons of the form, and what is made anew with each page: not typed by anybody.
_BUTTONS: Final = frozenset(
    {
        "add_line",
        "remove_line",
        "find",
        "choose",
        "find_item",
        "item_text",
        "add_item",
        "preview",
        "change",
        "csrf_token",
    }
)
# With these the form only comes again.
_SHOWN_AGAIN: Final = ("find", "find_item", "change")


@bp.route("/new", methods=["GET", "POST"])
@staff_only(Permission.ISSUE_INVOICES)
def new() -> AnyResponse:
    """The form's buttons: "add_line" and "remove_line" (with a line's place) change it, "find" and "choose" (with an id) look for the
    customer, "find_item" and "add_item" (with an id) for an item of the price list, "preview" shows the invoice before it is issued,
    "change" leads back from there, and the other one issues.

    `like` names an invoice, such as one that was voided by mistake, whose customer and lines stand in the form already.
    """
    form = InvoiceForm()
    added = False
    if request.method == "GET":
        _begin(form)
    elif "add_line" in request.form:
        form.add_line()
    elif "remove_line" in request.form:
        form.remove_line(request.form.get("remove_line", -1, type=int))
    elif "choose" in request.form:
        form.customer.data = _told(form, lambda: _named(request.form["choose"])) or form.customer.data
    elif "add_item" in request.form:
        added = _add_item(form, request.form["add_item"])
    elif "preview" in request.form:
        found = _draft(form) if form.validate_on_submit() else None
        if found is not None:
            return _preview(*found)
    elif not any(name in request.form for name in _SHOWN_AGAIN) and form.validate_on_submit():
        issued = _issue(form)
        if issued is not None:
            flash(gettext("Invoice %(number)s is issued.", number=issued.number), "success")
            return see_other("support_invoices.show", invoice_id=issued.id)
    picked = _picked(form)
    return page(
        "support/invoices/new.html",
        form=form,
        reckoned=form.reckoned(),
        picked=picked,
        vat_id=_vat_id(picked),
        found=_fitting(form.customer.data or "") if "find" in request.form else None,
        items=_items(form.item_text.data or "") if "find_item" in request.form else None,
        added=added,
        status=422 if form.is_wrong else 200,
    )


@bp.get("/new/customers")
@staff_only(Permission.ISSUE_INVOICES)
def customers() -> Response:
    """The customers that fit what is typed (`customer`), as the options of the list under the field."""
    return page(
        "support/invoices/customers.html",
        partial="support/invoices/_customers.html",
        found=_fitting(request.args.get("customer", "")),
        as_buttons=False,
    )


@bp.get("/new/items")
@staff_only(Permission.ISSUE_INVOICES)
def items() -> Response:
    """The items of the price list that fit what is typed (`item_text`) for an invoice in `currency`, as the options under the field."""
    return page(
        "support/invoices/items.html",
        partial="support/invoices/_items.html",
        items=_items(request.args.get("item_text", "")),
        currency=request.args.get("currency", ""),
        as_buttons=False,
    )


def _items(typed: str) -> Sequence[PriceItem]:
    """By name, at most MOST_OFFERED."""
    with db.reading() as session:
        return price_list.fitting(session, typed, MOST_OFFERED)


def _add_item(form: InvoiceForm, item_id: str) -> bool:
    """Fill a line with this item; whether that was done, else the form says why not."""

    def usable() -> PriceItem:
        with db.reading() as session:
            return price_list.check_usable(price_list.found(session, item_id), form.currency.data)

    try:
        form.add_item(usable())
    except Invalid as error:
        form.item_text.errors = [language.error_text(error, reader_language())]
        return False
    form.item_text.data = ""
    return True


def _fitting(typed: str) -> list[Customer]:
    """By name, at most MOST_OFFERED."""
    with db.reading() as session:
        return [accounts.customer(session, one) for one, _name in accounts.fitting(session, typed, MOST_OFFERED)]


@bp.post("/new/total")
@staff_only(Permission.ISSUE_INVOICES)
def total() -> Response:
    """What the lines that are typed come to so far, as the part of the form that shows it; reckoned as it will be when it is issued."""
    form = InvoiceForm()
    return page(
        "support/invoices/new_total.html",
        partial="support/invoices/_total.html",
        reckoned=form.reckoned(),
        vat_id=_vat_id(_picked(form)),
    )


def _begin(form: InvoiceForm) -> None:
    if like := request.args.get("like", ""):
        with db.reading() as session:
            form.fill(queries.for_staff(session, like))
    form.customer.data = form.customer.data or _named(request.args.get("customer", ""))
    form.key.data = form.key.data or secrets.token_urlsafe(24)


def _named(customer_id: str) -> str:
    """What stands in the field for this customer: the id, which cannot be mistaken for another's. Empty for none."""
    if not customer_id:
        return ""
    with db.reading() as session:
        return accounts.customer(session, customer_id).id


def _picked(form: InvoiceForm) -> Customer | None:
    """Whose id stands in the field, so that their name can be told beside it."""
    try:
        with db.reading() as session:
            return accounts.customer(session, (form.customer.data or "").strip())
    except NotFound:
        return None


def _vat_id(customer: Customer | None) -> VatIdStanding | None:
    """What is known of the VAT ID of a customer abroad: at home no tax rests on it."""
    if customer is None or customer.country == config.current().company.country:
        return None
    with db.reading() as session:
        return vat.standing(session, customer)


def _told(form: InvoiceForm, act: Callable[[], T]) -> T | None:
    """What it returns, or None when something was refused, which stands in the form then."""
    try:
        return act()
    except Deactivated as error:
        form.tell("customer", language.error_text(error, reader_language()))
    except (Invalid, Conflict) as error:
        form.tell(getattr(error, "field", None), language.error_text(error, reader_language()))
    except NotFound:
        form.tell("customer", gettext("There is no such customer."))
    return None


def _customer(form: InvoiceForm) -> Customer:
    typed = (form.customer.data or "").strip()
    customer_id = importing.customer_billed_at(typed) if "@" in typed else _named(typed)
    with db.reading() as session:
        return accounts.customer(session, customer_id)


def _draft(form: InvoiceForm) -> tuple[InvoiceDraft, Totals, Customer] | None:
    """What would be issued, checked as it is then."""

    def drafted() -> tuple[InvoiceDraft, Totals, Customer]:
        customer = _customer(form)
        if customer.deactivated_at is not None:
            raise Deactivated
        draft = form.draft(customer.id)
        with db.reading() as session:
            price_list.check_lines(session, draft)
            taxing.check(session, draft, customer)
        return draft, drafts.check(draft), customer

    return _told(form, drafted)


def _preview(draft: InvoiceDraft, sums: Totals, customer: Customer) -> Response:
    rests_on_vat_id = bool(taxing.lines_resting_on_vat_id(draft, customer))
    if rests_on_vat_id:
        vat_ids.refresh(customer.id)
    return page(
        "support/invoices/preview.html",
        draft=draft,
        sums=sums,
        customer=customer,
        vat_id=_vat_id(customer) if rests_on_vat_id else None,
        typed=[(name, text) for name, text in request.form.items(multi=True) if name not in _BUTTONS],
    )


@bp.post("/new/pdf")
@limiter.limit("30/minute")
@staff_only(Permission.ISSUE_INVOICES)
def request_pdf() -> AnyResponse:
    """Have the PDF of what is typed made, as it would be issued."""
    form = InvoiceForm()
    found = _draft(form) if form.validate_on_submit() else None
    problem = gettext("Please check what you entered") if found is None else ""
    if found is not None:
        try:
            preview_id = previews.request(current_user.id, found[0], reader_language())
            return see_other("support_invoices.pdf_preview", preview_id=preview_id)
        except Conflict as error:
            problem = language.error_text(error, reader_language())
    return _pdf_page(None, problem)


@bp.get("/previews/<preview_id>")
@staff_only(Permission.ISSUE_INVOICES)
def pdf_preview(preview_id: str) -> Response:
    """The PDF of a draft, ready or being made; then this asks again by itself."""
    with db.reading() as session:
        found = previews.preview(session, preview_id, current_user.id)
    return _pdf_page(found)


def _pdf_page(preview: InvoicePreview | None, problem: str = "") -> Response:
    return page(
        "support/invoices/pdf_preview.html",
        partial="support/invoices/_pdf_preview.html",
        status=422 if problem else 200,
        preview=preview,
        problem=problem,
    )


@bp.get("/previews/<preview_id>/file")
@limiter.limit("60/minute")
@staff_only(Permission.ISSUE_INVOICES)
def pdf_file(preview_id: str) -> Response:
    row, parts = previews.download(preview_id, current_user.id)
    response = Response(parts, content_type="application/pdf")
    response.content_length = row.size
    response.headers["Content-Disposition"] = 'inline; filename="preview.pdf"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _issue(form: InvoiceForm) -> Invoice | None:
    def issued() -> Invoice:
        customer = _customer(form)
        draft = form.draft(customer.id)
        made = service.issue(draft, client_key=form.key.data or "")
        known = _vat_id(customer) if taxing.lines_resting_on_vat_id(draft, customer) else None
        if known is not None and not known.is_valid:
            flash(
                gettext(
                    "The VAT ID %(tax_id)s is not checked: it is not known whether tax may be left out.",
                    tax_id=known.tax_id,
                ),
                "warning",
            )
        return made

    return _told(form, issued)
