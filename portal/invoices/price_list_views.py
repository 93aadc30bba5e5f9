"""The price list at the staff's desk."""

from __future__ import annotations

from flask import Blueprint, Response, flash
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from portal.content import language
from portal.core import db
from portal.core.errors import Conflict, Invalid
from portal.core.permissions import Permission
from portal.invoices import price_list
from portal.invoices.models import PriceItem
from portal.invoices.price_list_forms import PriceItemForm
from portal.invoices.price_staff_list import PRICE_LIST
from portal.web import staff_lists
from portal.web.guards import staff_only
from portal.web.pages import page, reader_language, see_other

bp = Blueprint("support_price_list", __name__, url_prefix="/support/price-list")


@bp.get("")
@staff_only(Permission.ISSUE_INVOICES)
def index() -> Response:
    return staff_lists.show(PRICE_LIST)


@bp.get("/list.csv")
@staff_only(Permission.ISSUE_INVOICES)
def csv() -> Response:
    return staff_lists.as_csv(PRICE_LIST)


@bp.route("/new", methods=["GET", "POST"])
@staff_only(Permission.ISSUE_INVOICES)
def new() -> AnyResponse:
    form = PriceItemForm()
    if form.validate_on_submit():
        try:
            item = price_list.create(form.draft())
        except Invalid as error:
            form.tell(error)
        else:
            flash(gettext("“%(name)s” is in the price list.", name=item.name), "success")
            return see_other("support_price_list.index")
    return page("support/price_list/new.html", form=form, status=422 if form.errors else 200)


@bp.get("/<item_id>")
@staff_only(Permission.ISSUE_INVOICES)
def show(item_id: str) -> Response:
    item = _item(item_id)
    form = PriceItemForm(formdata=None)
    form.fill(item)
    return page("support/price_list/show.html", item=item, form=form)


@bp.post("/<item_id>")
@staff_only(Permission.ISSUE_INVOICES)
def change(item_id: str) -> AnyResponse:
    item, form = _item(item_id), PriceItemForm()
    if form.validate_on_submit():
        try:
            changed = price_list.change(item_id, form.draft())
        except Invalid as error:
            form.tell(error)
        except Conflict as error:
            flash(language.error_text(error, reader_language()), "error")
            return see_other("support_price_list.show", item_id=item_id)
        else:
            flash(
                gettext("“%(name)s” was changed. Invoices that were issued stay as they are.", name=changed.name),
                "success",
            )
            return see_other("support_price_list.index")
    return page("support/price_list/show.html", item=item, form=form, status=422)


@bp.post("/<item_id>/retirement")
@staff_only(Permission.ISSUE_INVOICES)
def retire(item_id: str) -> AnyResponse:
    item = price_list.retire(item_id)
    flash(gettext("“%(name)s” is retired. No line is filled with it any more.", name=item.name), "success")
    return see_other("support_price_list.index")


def _item(item_id: str) -> PriceItem:
    with db.reading() as session:
        return price_list.item(session, item_id)
