"""Receipts as their owner sees them: the list, one receipt, its PDF, and the receipt of a payment."""

from __future__ import annotations

import io
from typing import Final

from flask import Blueprint, Response, request, send_file, url_for

from portal import db, pages
from portal.receipts import facts, queries

bp = Blueprint("receipts", __name__, url_prefix="/receipts")

# A page that shows a payment asks again this often while its receipt is being made, and this many times: five minutes,
# longer than a worker that has fallen behind; after that the mail brings it.
LOOK_EVERY_SECONDS: Final = 2
MOST_LOOKS: Final = 150


@bp.get("/")
@pages.customers_only
def index() -> Response:
    """All receipts, newest first."""
    with db.reading() as session:
        found = queries.of_customer(session, pages.customer_id(), request.args.get("page"))
    return pages.page(
        "receipts/index.html",
        partial="receipts/_list.html",
        receipts=found.rows,
        next_url=url_for("receipts.index", page=found.older) if found.older else None,
        previous_url=url_for("receipts.index", page=found.newer) if found.newer else None,
    )


@bp.get("/<receipt_id>")
@pages.customers_only
def show(receipt_id: str) -> Response:
    with db.reading() as session:
        receipt = queries.for_customer(session, receipt_id, pages.customer_id())
    return pages.page("receipts/show.html", receipt=receipt, facts=facts.from_json(receipt.facts))


@bp.get("/<receipt_id>/pdf")
@pages.customers_only
def pdf(receipt_id: str) -> Response:
    """The bytes that were mailed, as a file to keep; while they are not there yet, a page that says so."""
    with db.reading() as session:
        receipt = queries.pdf_for_customer(session, receipt_id, pages.customer_id())
    if receipt.pdf is None:
        waiting = pages.page("receipts/being_made.html", status=503, receipt=receipt)
        waiting.headers["Retry-After"] = str(LOOK_EVERY_SECONDS)
        return waiting
    response = send_file(
        io.BytesIO(receipt.pdf),
        mimetype="application/pdf",
        as_attachment=True,
        download_name=f"{receipt.number}.pdf",
        etag=receipt.pdf_sha256 or False,
        last_modified=receipt.issued_at,
    )
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.get("/of-payment/<payment_id>")
@pages.customers_only
def of_payment(payment_id: str) -> Response:
    """Where a payment's receipt is to be had, or that it is being made: then this part of the page asks again by itself."""
    looks = request.args.get("looks", 0, type=int)
    with db.reading() as session:
        found = queries.of_payment(session, payment_id, pages.customer_id())
    return pages.page(
        "receipts/of_payment.html",
        partial="receipts/_of_payment.html",
        found=found,
        next_look=looks + 1 if 0 <= looks < MOST_LOOKS else None,
        every_seconds=LOOK_EVERY_SECONDS,
    )
