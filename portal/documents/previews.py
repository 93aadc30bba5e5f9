"""The PDF of an invoice that is not issued: the same freezing and the same pages as when it is, marked, without what makes it one.

It has no number, no code that says it is genuine, no address where it is paid, and no data inside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from portal.accounts.models import Customer
from portal.content import language
from portal.content.made_files import MadeFileStatus, Superseded
from portal.core import audit, clock, config, db
from portal.core.errors import N_
from portal.documents import freezing, pdf
from portal.documents.facts import InvoiceFacts
from portal.invoices import drafts, previews
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.models import InvoicePreview

log = structlog.get_logger(__name__)

# Where the number of an invoice stands, in the language of the document.
NO_NUMBER: Final = N_("Preview: not an invoice")
# Nobody verifies what was not issued.
NO_CODE: Final = ""
# Across each page, in the language of who asked for it.
WATERMARK: Final = N_("PREVIEW – NOT AN INVOICE")


def make(preview_id: str) -> None:
    """Make the PDF from its beginning; one that is ready, superseded or removed stays as it is."""
    with db.reading() as session:
        row = session.get(InvoicePreview, preview_id)
        customer = session.get(Customer, row.customer_id) if row else None
    if row is None or customer is None or row.status != MadeFileStatus.MAKING:
        return
    rendered = pdf.render_preview(
        facts_of(previews.draft_of(row), customer), language.translate(WATERMARK, row.language)
    )
    try:
        keeper = previews.STORE.begin(preview_id, files_all=1)
        keeper.keep(rendered.pdf, files_done=1)
        with db.transaction() as session:
            missing = len(rendered.missing)
            keeper.finish(session, clock.now(), size=len(rendered.pdf), files=1, missing=missing)
            audit.record(session, "invoice_preview.made", preview_id, {"missing": missing}, customer_id=row.customer_id)
    except Superseded:
        log.info("invoice_preview_superseded", preview=preview_id)


def facts_of(draft: InvoiceDraft, customer: Customer) -> InvoiceFacts:
    """What the invoice would say if it was issued now."""
    settings = config.current()
    issue = freezing.Issue(
        number=0,
        at=clock.now(),
        language=language.supported(customer.language),
        company=settings.company,
        code=NO_CODE,
        base_url=settings.base_url,
    )
    number = language.translate(NO_NUMBER, issue.language)
    invoice = invoices.row_of(draft, drafts.totals_of(draft), customer, number)
    return replace(freezing.invoice(invoice, customer, issue), verification=None, pay_at="", e_invoice="")
