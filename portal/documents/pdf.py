"""A document's PDF from its frozen facts (the PDF generator): the only user of WeasyPrint, and never in the web process.

The same facts give the same bytes: fonts are our own, dates come from the facts, and nothing is fetched.
"""

from __future__ import annotations

import atexit
import io
import logging
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from portal.content import templates
from portal.core import db
from portal.documents import e_invoices
from portal.documents.facts import Facts, InvoiceFacts

if TYPE_CHECKING:
    from weasyprint import CSS, Attachment
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

log = structlog.get_logger(__name__)

STATIC: Final = Path(__file__).parent.parent.parent / "static"
FONTS: Final = {
    "portal:fonts/regular": STATIC / "fonts" / "inter-4.1-regular.ttf",
    "portal:fonts/semibold": STATIC / "fonts" / "inter-4.1-semibold.ttf",
}
LOGO: Final = "portal:logo"
BASE: Final = "portal:document"  # a relative address is one more name that is not served
QR_CODE: Final = "portal:qr-code"
PAY_CODE: Final = "portal:pay-code"
TRANSFER_CODE: Final = "portal:transfer-code"
STYLESHEET: Final = templates.TEMPLATES / "documents" / "pdf" / "document.css"
# What the PDF tells of the data inside it, with the description that PDF/A asks for, and that they say what its pages say. Source:
# Factur-X 1.0, chapter 6.
FACTUR_X: Final = templates.TEMPLATES / "documents" / "pdf" / "factur_x.xmp"
SAME_CONTENT: Final = "Alternative"
# Readable in decades, and it may carry an electronic invoice as an attachment. Source: ISO 19005-3.
VARIANT: Final = "pdf/a-3b"

# Pango and fontconfig keep state that threads would share.
_lock: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Workshop:
    """What is costly to make and the same for every document. A new FontConfiguration each time leaks memory, too."""

    fonts: FontConfiguration
    styles: CSS


@dataclass(frozen=True, slots=True)
class Rendered:
    """`missing` are the characters that no font on this machine has, each once: a box stands in the document for each of them."""

    pdf: bytes
    missing: tuple[str, ...]


def render(facts: Facts) -> Rendered:
    """The document as PDF/A-3b, with its e-invoice inside. Takes tens of milliseconds, the first time in a process about two seconds."""
    db.refuse_inside_transaction("rendering a PDF")
    html = templates.render(f"documents/pdf/{facts.kind}.html", facts.language, document=facts)
    with _lock:
        served = fetcher(facts.logo, qr_code(facts), pay_code(facts), transfer_code(facts))
        return _rendered(html, served, *_data_inside(facts))


def render_preview(facts: InvoiceFacts, watermark: str) -> Rendered:
    """An invoice that is not issued: `watermark` stands across each page, and nothing is inside, nor any code to scan."""
    db.refuse_inside_transaction("rendering a PDF")
    html = templates.render("documents/pdf/invoice_preview.html", facts.language, document=facts, watermark=watermark)
    with _lock:
        return _rendered(html, fetcher(facts.logo), [], [])


def draw(template: str, letter: Any) -> Rendered:
    """Another letter of the company's, as PDF/A-3b like the documents: `letter` has a `language` and a `logo`, and is what the template,
    which extends documents/pdf/base.html, calls `document`. One with a `verification`, as documents have, gets its QR code.
    """
    db.refuse_inside_transaction("rendering a PDF")
    html = templates.render(template, letter.language, document=letter)
    with _lock:
        return _rendered(html, fetcher(letter.logo, qr_code(letter)), [], [])


def _rendered(html: str, served: URLFetcher, attachments: list[Attachment], metadata: list[str]) -> Rendered:
    from weasyprint import HTML

    with _missing_glyphs() as missing:
        tools = workshop()
        document = HTML(string=html, base_url=BASE, url_fetcher=served)
        pdf: bytes = document.write_pdf(
            stylesheets=[tools.styles],
            font_config=tools.fonts,
            pdf_variant=VARIANT,
            pdf_tags=True,
            attachments=attachments,
            xmp_metadata=metadata,
        )
    return Rendered(pdf, tuple(dict.fromkeys(missing)))


def _data_inside(facts: Facts) -> tuple[list[Attachment], list[str]]:
    """The e-invoice of a document, and where it stands what the PDF tells of it; nothing of one that carries none."""
    data = e_invoices.inside(facts)
    if data is None:
        return [], []
    from weasyprint import Attachment

    attached = Attachment(
        string=data.decode(),
        name=e_invoices.FILE_NAME,
        description="Factur-X",
        created=facts.issued_at,
        modified=facts.issued_at,
        relationship=SAME_CONTENT,
    )
    return [attached], [str(FACTUR_X)]


@contextmanager
def _missing_glyphs() -> Iterator[list[str]]:
    """The characters that WeasyPrint draws a box for while this lasts: it tells them to its logger, and nobody else."""
    found: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.msg, str) and record.msg.startswith(".notdef glyph") and record.args:
                found.append(str(next(iter(record.args))))

    logger, listener = logging.getLogger("weasyprint"), Listener(logging.WARNING)
    logger.addHandler(listener)
    try:
        yield found
    finally:
        logger.removeHandler(listener)


@cache
def workshop() -> Workshop:
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

    logging.getLogger("weasyprint.progress").setLevel(logging.WARNING)  # seven lines a document tell nobody anything
    fonts = FontConfiguration()
    atexit.register(workshop.cache_clear)  # it removes its folder of fonts, which it can no more once Python goes down
    styles = CSS(string=STYLESHEET.read_text("utf-8"), font_config=fonts, url_fetcher=fetcher(""))
    return Workshop(fonts, styles)


def qr_code(facts: Any) -> bytes:
    """The address that verifies the document, for a telephone's camera, as SVG; empty when the document has no code.

    Level M bears that a sixth of it is soiled. The quiet zone is left by the style sheet. Source: ISO/IEC 18004.
    """
    verification = getattr(facts, "verification", None)
    return _drawn(verification.address) if verification else b""


def pay_code(facts: Facts) -> bytes:
    """The QR code of the page where an invoice is paid, as SVG; nothing of another document."""
    return _drawn(facts.pay_at) if isinstance(facts, InvoiceFacts) else b""


def transfer_code(facts: Facts) -> bytes:
    """The QR code by which a banking app fills in the transfer, as SVG: of an invoice in euros with an account; nothing of another.

    Source: European Payments Council, EPC069-12, "Quick Response Code: Guidelines to enable data capture for the initiation of a SEPA
    credit transfer".
    """
    if not isinstance(facts, InvoiceFacts) or facts.epc_transfer is None:
        return b""
    from segno.helpers import make_epc_qr

    to = facts.epc_transfer
    drawn = io.BytesIO()
    code = make_epc_qr(
        to.holder[:70], to.iban, facts.total.decimal, text=facts.number, bic=to.bic or None, encoding="utf-8"
    )
    code.save(drawn, kind="svg", border=0, xmldecl=False)
    return drawn.getvalue()


def _drawn(address: str) -> bytes:
    drawn = io.BytesIO()
    import segno

    segno.make_qr(address, error="m").save(drawn, kind="svg", border=0, xmldecl=False)
    return drawn.getvalue()


def fetcher(logo: str, qr_code: bytes = b"", pay_code: bytes = b"", transfer_code: bytes = b"") -> URLFetcher:
    """A fetcher that knows our fonts, the logo and the QR codes by name and nothing else: no file, no data, no network.

    WeasyPrint's own reads file:// and follows http:// wherever a document asks it to. What is refused is logged and left
    out of the document; the document is made all the same.
    """
    served: dict[str, Path | bytes] = dict(FONTS)
    file = (STATIC / logo).resolve()
    if logo and file.is_file() and file.is_relative_to(STATIC.resolve()):
        served[LOGO] = file
    if qr_code:
        served[QR_CODE] = qr_code
    if pay_code:
        served[PAY_CODE] = pay_code
    if transfer_code:
        served[TRANSFER_CODE] = transfer_code
    return _fetcher_class()(served)


@cache
def _fetcher_class() -> Any:
    """Made on first use, because its base class is WeasyPrint's."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OwnFilesOnly(URLFetcher):  # type: ignore[misc]
        def __init__(self, served: dict[str, Path | bytes]) -> None:
            super().__init__(allowed_protocols=(), allow_redirects=False)
            self._served = served

        def fetch(self, url: str, headers: object = None) -> URLFetcherResponse:  # noqa: ARG002  # WeasyPrint's signature
            found = self._served.get(url)
            if found is None:
                log.warning("document_fetch_refused", url=url[:200])
                raise ValueError("a document is made of our own files only")
            if isinstance(found, bytes):
                return URLFetcherResponse(url, found, {"Content-Type": "image/svg+xml"})
            kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
            return URLFetcherResponse(url, found.read_bytes(), {"Content-Type": kind})

    return OwnFilesOnly
