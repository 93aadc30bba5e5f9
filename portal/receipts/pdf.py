"""A receipt's PDF from its frozen facts (the PDF generator): the only user of WeasyPrint, and never in the web process.

The same facts give the same bytes: fonts are our own, dates come from the facts, and nothing is fetched.
"""

from __future__ import annotations

import atexit
import logging
import mimetypes
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from portal import db, documents
from portal.receipts.facts import Facts

if TYPE_CHECKING:
    from weasyprint import CSS
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
STYLESHEET: Final = documents.TEMPLATES / "receipts" / "document.css"
# Readable in decades, and it may carry an electronic invoice as an attachment. Source: ISO 19005-3.
VARIANT: Final = "pdf/a-3b"

# Pango and fontconfig keep state that threads would share.
_lock: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Workshop:
    """What is costly to make and the same for every receipt. A new FontConfiguration each time leaks memory, too."""

    fonts: FontConfiguration
    styles: CSS


def render(facts: Facts) -> bytes:
    """The receipt as PDF/A-3b. Takes tens of milliseconds, the first time in a process about two seconds."""
    db.refuse_inside_transaction("rendering a PDF")
    html = documents.render("receipts/document.html", facts.language, receipt=facts)
    from weasyprint import HTML

    with _lock:
        tools = workshop()
        document = HTML(string=html, base_url=BASE, url_fetcher=fetcher(facts.logo))
        pdf: bytes = document.write_pdf(
            stylesheets=[tools.styles], font_config=tools.fonts, pdf_variant=VARIANT, pdf_tags=True
        )
    return pdf


@cache
def workshop() -> Workshop:
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

    logging.getLogger("weasyprint.progress").setLevel(logging.WARNING)  # seven lines a receipt tell nobody anything
    fonts = FontConfiguration()
    atexit.register(workshop.cache_clear)  # it removes its folder of fonts, which it can no more once Python goes down
    styles = CSS(string=STYLESHEET.read_text("utf-8"), font_config=fonts, url_fetcher=fetcher(""))
    return Workshop(fonts, styles)


def fetcher(logo: str) -> URLFetcher:
    """A fetcher that knows our fonts and the logo by name and nothing else: no file, no data, no network.

    WeasyPrint's own reads file:// and follows http:// wherever a document asks it to. What is refused is logged and left
    out of the document; the receipt is made all the same.
    """
    served = dict(FONTS)
    file = (STATIC / logo).resolve()
    if logo and file.is_file() and file.is_relative_to(STATIC.resolve()):
        served[LOGO] = file
    return _fetcher_class()(served)


@cache
def _fetcher_class() -> Any:
    """Made on first use, because its base class is WeasyPrint's."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OwnFilesOnly(URLFetcher):  # type: ignore[misc]
        def __init__(self, served: dict[str, Path]) -> None:
            super().__init__(allowed_protocols=(), allow_redirects=False)
            self._served = served

        def fetch(self, url: str, headers: object = None) -> URLFetcherResponse:  # noqa: ARG002  # WeasyPrint's signature
            file = self._served.get(url)
            if file is None:
                log.warning("receipt_fetch_refused", url=url[:200])
                raise ValueError("a receipt is made of our own files only")
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            return URLFetcherResponse(url, file.read_bytes(), {"Content-Type": kind})

    return OwnFilesOnly
