"""The checks of a customer's VAT ID at the staff's desk."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts import queries as accounts
from portal.content import language
from portal.core import audit, config, db
from portal.core.errors import Conflict
from portal.core.permissions import Permission
from portal.vat import queries, service
from portal.web import lists
from portal.web.guards import staff_only
from portal.web.pages import limiter, page, reader_language, see_other

bp = Blueprint("support_vat", __name__, url_prefix="/support/customers/<customer_id>/vat-id")


@bp.get("")
@staff_only(Permission.LOOK_UP)
def of_customer(customer_id: str) -> Response:
    """What VIES said, newest first: a part of the customer's page, and a page of its own."""
    with db.reading() as session:
        customer = accounts.customer(session, customer_id)
        standing = queries.standing(session, customer)
        found = queries.checks(session, customer_id, request.args.get("page"))
    audit.record_access(customer_id, customer_id, "customer")
    return page(
        "support/vat/of_customer.html",
        partial="support/vat/_of_customer.html",
        customer=customer,
        standing=standing,
        found=found,
        may_check=bool(config.current().vies_url) and current_user.may(Permission.MANAGE_CUSTOMERS),
        **lists.pager_links("support_vat.of_customer", found, customer_id=customer_id),
    )


@bp.post("/check")
@limiter.limit("30/minute")
@staff_only(Permission.MANAGE_CUSTOMERS)
def check(customer_id: str) -> AnyResponse:
    try:
        service.recheck(customer_id)
    except Conflict as error:
        flash(language.error_text(error, reader_language()), "error")
    else:
        flash(gettext("VIES is being asked. The answer will be here in a moment."), "success")
    return see_other("support_vat.of_customer", customer_id=customer_id)
