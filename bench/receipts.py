"""What rendering a receipt costs: long against short ones, with fonts that are kept against fonts that are read anew each time, and a
later one against the first of a process.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from bench.lines import Line
from bench.timing import costs
from portal.content import templates
from portal.documents import facts, pdf, signing

LONG, LONG_AIM = 5.5, 4.0
OURS, OURS_AIM = 1.25, 1.15
WHY = (
    "Besides what the bare PDF has, ours is filled in from the facts, and becomes PDF/A: a colour profile, metadata and an identity from"
    " its content."
)
# The memory of the process after so many receipts, beside that after a few.
MANY, FEW, FLAT = 1_000, 50, 1.1
# Keeping a FontConfiguration, and all that the first receipt of a process makes, must pay.
KEPT = 0.95
LATER = 0.25
# Signing it, against rendering it.
SIGNED, SIGNED_AIM = 0.4, 0.25
CODE = "7K3M-9QXA-0B1C-2D4E-5F6G"


def receipt(lines: int) -> facts.ReceiptFacts:
    written = tuple(
        facts.Line(f"Green electricity, day {n}", 1_500, 100_00, (700, 1900)[n % 2], 150_00, (10_50, 28_50)[n % 2])
        for n in range(lines)
    )
    net, tax = sum(line.net_minor for line in written), sum(line.tax_minor for line in written)
    return facts.ReceiptFacts(
        version=facts.VERSION,
        number="R-2026-000123",
        issued_at=datetime(2026, 11, 23, tzinfo=UTC),
        issued_on=date(2026, 11, 23),
        paid_on=date(2026, 11, 23),
        language="en",
        currency="eur",
        seller=facts.Party("Seller GmbH", ("Hafenstraße 1", "20457 Hamburg"), "DE", "DE123456789"),
        seller_contact="help@example.com",
        buyer=facts.Party("Buyer SARL", ("Rue de l’Église 12", "75011 Paris"), "FR", "FR40303265045"),
        lines=written,
        taxes=facts.taxes_of(written),
        net_minor=net,
        tax_minor=tax,
        total_minor=net + tax,
        method=facts.Method("visa", "4242", ""),
        reference=facts.Reference("INV-1", {}, "pay_1", "ch_1"),
        verification=facts.Verification(CODE, f"https://example.com/verify/{CODE}"),
        logo="",
        colour="#0b5fff",
    )


def render_afresh(wanted: facts.Facts) -> None:
    pdf.workshop.cache_clear()
    pdf.render(wanted)


def bare() -> Callable[[], bytes]:
    """The least that the receipt of three lines costs: WeasyPrint alone, tagged, with its fonts and its style sheet read before."""
    from weasyprint import HTML

    written, tools = receipt(3), pdf.workshop()
    html = templates.render(f"documents/pdf/{written.kind}.html", written.language, document=written)
    fetcher = pdf.fetcher(written.logo, pdf.qr_code(written))

    def render() -> bytes:
        document = HTML(string=html, base_url=pdf.BASE, url_fetcher=fetcher)
        made: bytes = document.write_pdf(stylesheets=[tools.styles], font_config=tools.fonts, pdf_tags=True)
        return made

    return render


def _memory(receipts: int) -> float:
    """The memory that this process holds after so many more receipts, in MiB."""
    written = receipt(3)
    for _ in range(receipts):
        pdf.render(written)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(*, quick: bool) -> list[Line]:
    short, long = receipt(3), receipt(60)
    begun = time.process_time()
    pdf.render(short)
    cold = time.process_time() - begun
    unsigned = pdf.render(short).pdf
    signing.sign(unsigned, short.issued_at)
    works = {
        "kept": lambda: pdf.render(short),
        "long": lambda: pdf.render(long),
        "fresh": lambda: render_afresh(short),
        "bare": bare(),
        "signed": lambda: signing.sign(unsigned, short.issued_at),
    }
    found = costs(works, 2 if quick else 15)
    few, many = _memory(FEW // 10 if quick else FEW), _memory(MANY // 100 if quick else MANY)
    ours = found["kept"] / found["bare"]
    long_ratio = found["long"] / found["kept"]
    return [
        Line("receipt: 3 lines", found["kept"] * 1000, "ms", ours, "a bare PDF", OURS, OURS_AIM, WHY),
        Line("receipt: 60 lines", found["long"] * 1000, "ms", long_ratio, "3 lines", LONG, LONG_AIM),
        Line(f"receipt: memory after {MANY:,}", many, "MiB", many / few, f"after {FEW}", FLAT),
        Line(
            "receipt: fonts kept", found["kept"] * 1000, "ms", found["kept"] / found["fresh"], "fonts read anew", KEPT
        ),
        Line(
            "receipt: signing it",
            found["signed"] * 1000,
            "ms",
            found["signed"] / found["kept"],
            "rendering it",
            SIGNED,
            SIGNED_AIM,
        ),
        Line("receipt: a later one", found["kept"] * 1000, "ms", found["kept"] / cold, "the first one", LATER),
    ]
