"""The PDF: what it says, that it is the same each time, and that it reads nothing but our own files."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdf
import pytest

from deploy.dev.processes import ROOT
from portal.core import config, db, languages
from portal.documents import facts, pdf
from portal.documents.facts import Facts
from tests.documents.conftest import CODE, EGLISE, NORDLICHT, example, example_note
from tests.documents.test_e_invoices import invoice_of
from tests.run import process_environment

LONG = "Maintenance of the photovoltaic installation including travel, material and an inspection with protocol. " * 3


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings without a database: nothing here is stored."""
    monkeypatch.setenv("PORTAL_DATABASE_URL", "sqlite://")
    config.forget()
    yield
    config.forget()


def read(content: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(content))


def text_of(content: bytes) -> str:
    """The text of all pages with every kind of space made one."""
    return " ".join(" ".join(page.extract_text() for page in read(content).pages).split())


def test_number_parties_lines_and_total_are_in_the_text() -> None:
    said = text_of(pdf.render(example(("Green electricity", 1_500, 100_00, 1900), ("Grid fee", 1_000, 10_00, 700))).pdf)
    for words in (
        "Receipt",
        "R-2026-000123",
        "Nordlicht Energie GmbH",
        "DE123456789",
        "Église & Fils SARL",
        "75011 Paris",
        "FR40303265045",
        "Green electricity 1.5 €100.00 19% €150.00",
        "Grid fee 1 €10.00 7% €10.00",
        "Tax 19% on €150.00 €28.50",
        "Total paid €189.20",
        "Visa •••• 4242",
        "Nov 23, 2026",
        "INV-2026-0042",
        "pay_01kb4xw9k2v7j3f8e5m6n0p1qr",
        "ch_3SQ0aBcDeFgHiJkL",
        "Page 1 of 1",
    ):
        assert words in said


def test_a_credit_note_says_what_it_corrects_and_states_facts_alone() -> None:
    said = text_of(pdf.render(example_note((1900, 100_00, 19_00), (700, 10_00, 70), untaxed=5_00)).pdf)
    for words in (
        "Credit note",
        "CN-2026-000012",
        "Refunded to Église & Fils SARL",
        "Receipt number R-2026-000123 Nov 23, 2026",
        "Correction of receipt R-2026-000123 of Nov 23, 2026 19% €100.00",
        "Correction of receipt R-2026-000123 of Nov 23, 2026 7% €10.00",
        "Correction of receipt R-2026-000123 of Nov 23, 2026 – €5.00",
        "Net total €115.00",
        "Tax 19% on €100.00 €19.00",
        "Tax 7% on €10.00 €0.70",
        "Total refunded €134.70",
        "Reason Not received",
        "€134.70 refunded on Nov 23, 2026 to Visa •••• 4242.",
        "re_3SQ0aBcDeFgHiJkL",
        "74208480330000123456789",
        "INV-2026-0042",
    ):
        assert words in said
    assert "should" not in said and "on its way" not in said
    assert "Tax" not in text_of(
        pdf.render(replace(example_note(untaxed=5_00), seller=EGLISE, buyer=EGLISE)).pdf
    ).replace("VAT ID", "")


@pytest.mark.parametrize("document", [example(), example_note((1900, 100_00, 19_00))], ids=["receipt", "credit note"])
def test_the_address_that_verifies_it_stands_on_it_and_can_be_followed(document: Facts) -> None:
    content = pdf.render(document).pdf
    address = f"http://127.0.0.1:8000/verify/{CODE}"
    assert address in text_of(content)
    [page] = read(content).pages
    annotations: Any = page["/Annots"]
    links = [annotation.get_object() for annotation in annotations]
    assert {link["/A"]["/URI"] for link in links if "/A" in link} == {address}
    drawn = pdf.qr_code(document)
    assert drawn.startswith(b"<svg")
    with watching() as opened:
        assert pdf.render(document).pdf == content
    assert not [what for what in opened if what.startswith("socket")]


def test_a_receipt_from_before_there_were_codes_looks_as_it_did() -> None:
    old = replace(example(), version=1, verification=None)
    said = text_of(pdf.render(old).pdf)
    assert "verify" not in said
    assert "Stripe charge ID: ch_3SQ0aBcDeFgHiJkL" in said
    assert pdf.qr_code(old) == b""


@pytest.mark.parametrize(
    ("currency", "language", "unit_price", "total"),
    [
        ("eur", "en", 1_234_50, "€1,234.50"),
        ("eur", "de", 1_234_50, "1.234,50 €"),
        ("jpy", "en", 123_450, "¥123,450"),
        ("jpy", "de", 123_450, "123.450 ¥"),
        ("kwd", "en", 1_234_500, "1,234.500"),
        ("kwd", "de", 1_234_500, "1.234,500 KWD"),
    ],
)
def test_money_is_written_as_its_reader_writes_it(currency: str, language: str, unit_price: int, total: str) -> None:
    facts = example(("Deposit", 1_000, unit_price, None), currency=currency, language=language)
    assert total in text_of(pdf.render(facts).pdf)


def test_the_document_speaks_german() -> None:
    said = text_of(pdf.render(example(language="de")).pdf)
    for words in (
        "Zahlungsbestätigung",
        "Menge",
        "Einzelpreis",
        "Gezahlter Betrag",
        "Visa •••• 4242",
        "23.11.2026",
        "Seite 1 von 1",
        "Frankreich",
    ):
        assert words in said


def test_tax_columns_and_tax_numbers_are_left_out_where_there_are_none() -> None:
    facts = example(
        ("Deposit", 1_000, 50_00, None), seller=replace(NORDLICHT, tax_id=""), buyer=replace(EGLISE, tax_id="")
    )
    said = text_of(pdf.render(facts).pdf)
    assert "Tax" not in said
    assert "Total paid €50.00" in said


@pytest.mark.parametrize("language", languages.shipped())
def test_an_invoice_with_all_ways_to_pay_it_stands_on_one_sheet(language: str) -> None:
    made = invoice_of(
        [("Green electricity", 1_000, 100_00, 1900), ("Grid fee", 12_500, 7_50, 700), ("Meter", 1_000, 9_90, 1900)],
        language=language,
        logo="favicon.svg",
        note="Thank you.\nSee you soon.",
        pay_at="https://pay.nordlicht.example/invoices/inv_01kb4xw9k2v7j3f8e5m6n0p1qr",
        transfer=facts.Transfer(
            "Nordlicht Energie GmbH", "DE02120300000000202051", "BYLADEM1001", "Deutsche Kreditbank"
        ),
        verification=example().verification,
    )
    [page] = read(pdf.render(made).pdf).pages
    assert "See you soon." in page.extract_text()


def test_sixty_lines_fill_pages_that_each_have_the_tables_head() -> None:
    lines = [(f"Delivery {n}" if n % 7 else LONG[:300], 1_000, 12_34, 1900) for n in range(1, 61)]
    pages = [" ".join(page.extract_text().split()) for page in read(pdf.render(example(*lines)).pdf).pages]
    assert len(pages) > 2
    for n, said in enumerate(pages, 1):
        assert f"Page {n} of {len(pages)}" in said
        assert "R-2026-000123" in said
    assert all("Description Quantity Unit price Tax Net amount" in said for said in pages if "Delivery" in said)
    [end] = [said for said in pages if "Net total" in said]
    assert end.index("Net total") < end.index("Tax 19% on") < end.index("Total paid")
    assert "Delivery 60" in end, "the sums stand with the last line"


@pytest.mark.parametrize("count", [15, 17, 19, 21])
def test_the_sums_stay_together_wherever_the_page_ends(count: int) -> None:
    pages = [
        page.extract_text() for page in read(pdf.render(example(*[("Delivery", 1_000, 1_00, 1900)] * count)).pdf).pages
    ]
    with_net, with_total = (
        [n for n, said in enumerate(pages) if words in said] for words in ("Net total", "Total paid")
    )
    assert with_net == with_total
    assert "Delivery" in pages[with_net[0]]


@pytest.mark.parametrize(
    "name",
    [
        "שלום עולם בע״מ",
        "شركة النور للطاقة",
        "株式会社日本電力",
        "Ελληνική Ενέργεια ΑΕ",
        "ООО Свет",
        "Zażółć Gęślą Jaźń",
        "🔆 Solar",
    ],
)
def test_a_name_in_any_script_makes_a_receipt(name: str) -> None:
    """A letter that no installed font has shows as a box, and nothing else suffers."""
    assert "Date of issue Nov 23, 2026" in text_of(pdf.render(example(buyer=replace(EGLISE, name=name))).pdf)


@pytest.mark.parametrize("name", ["Ελληνική Ενέργεια", "ООО Свет", "Zażółć Gęślą Jaźń ß ₽ ₴ ₺ ½"])
def test_latin_greek_and_cyrillic_are_written_in_our_own_font(name: str) -> None:
    content = pdf.render(example(buyer=replace(EGLISE, name=name))).pdf
    assert fonts(content) == {"Receipt"}
    assert name in text_of(content)


@pytest.mark.parametrize("language", languages.shipped())
def test_every_language_is_written_in_our_own_font(language: str) -> None:
    """The spaces of French amounts, too."""
    drawn = pdf.render(example(("Audit", 1_000, 1_234_567_00, 1900), language=language))
    assert drawn.missing == () and fonts(drawn.pdf) == {"Receipt"}


def fonts(content: bytes) -> set[str]:
    """The families of the embedded fonts."""
    found = set()
    for page in read(content).pages:
        resources: Any = page["/Resources"]
        for font in resources["/Font"].values():
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            assert "/FontFile2" in inner["/FontDescriptor"].get_object(), "every font is in the file"
            found.add(inner["/BaseFont"].partition("+")[2].partition("-")[0])
    return found


def test_it_is_pdf_a_with_title_author_language_and_the_day_of_issue() -> None:
    document = read(pdf.render(example(language="de")).pdf)
    info = document.metadata
    assert info is not None
    assert (info.title, info.author) == ("Zahlungsbestätigung R-2026-000123", "Nordlicht Energie GmbH")
    assert {str(info[name]) for name in ("/CreationDate", "/ModDate")} == {"D:20261123043015Z"}
    root: Any = document.trailer["/Root"]
    assert root["/Lang"] == "de"
    assert root["/MarkInfo"]["/Marked"]
    assert root["/OutputIntents"][0].get_object()["/S"] == "/GTS_PDFA1"
    xmp = root["/Metadata"].get_object().get_data().decode()
    assert 'part="3"' in xmp
    assert 'conformance="B"' in xmp


# The same bytes

AGAIN = """
import hashlib, json, sys
from portal.documents import facts, pdf
print(hashlib.sha256(pdf.render(facts.from_json(json.load(sys.stdin))).pdf).hexdigest())
"""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_in_another_process(facts: Facts, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", AGAIN],
        input=json.dumps(facts.to_json()),
        cwd=ROOT,
        env=process_environment(PORTAL_DATABASE_URL="sqlite://", **environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_other_processes_make_the_same_credit_note() -> None:
    facts = example_note((1900, 100_00, 19_00), (700, 10_00, 70))
    moved = {"PORTAL_BASE_URL": "https://moved.example", "PORTAL_COMPANY_NAME": "Renamed AG"}
    assert digest_in_another_process(facts, PYTHONHASHSEED="1", **moved) == digest(pdf.render(facts).pdf)


def test_other_processes_make_the_same_bytes() -> None:
    lines = [(f"Delivery {n}", 1_500, 12_34, (700, 1900)[n % 2]) for n in range(40)]
    facts = example(*lines, language="de", buyer=replace(EGLISE, name="Église Ωμέγα Свет"))
    pdf.render(example(("Something else", 1_000, 1_00, None)))  # what a process made before leaves no trace
    here = digest(pdf.render(facts).pdf)
    assert digest_in_another_process(facts, PYTHONHASHSEED="1", TZ="Asia/Tokyo") == here
    assert digest_in_another_process(facts, PYTHONHASHSEED="2", LC_ALL="C", PORTAL_COMPANY_NAME="Renamed AG") == here


def test_threads_that_render_at_once_make_the_same_bytes() -> None:
    wanted = [example(("Delivery", 1_000, price, 1900)) for price in (1_00, 2_00, 3_00)]
    alone = [digest(pdf.render(facts).pdf) for facts in wanted]
    with ThreadPoolExecutor(4) as pool:
        together = [digest(made.pdf) for made in pool.map(pdf.render, wanted * 3)]
    assert together == alone * 3


def test_nothing_is_rendered_inside_a_transaction(sqlite_database: str) -> None:
    with db.transaction(), pytest.raises(db.NestedTransaction):
        pdf.render(example())


# What it reads


class Listener:
    """Counts who knocks on a port of 127.0.0.1."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/logo.png"
        self.visits = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                visitor, _address = self.socket.accept()
            except TimeoutError:
                continue
            self.visits += 1
            visitor.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    try:
        yield listening
    finally:
        listening.stop()


_watched: list[str] | None = None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _watched is not None and event in ("socket.connect", "socket.getaddrinfo", "open"):
        _watched.append(f"{event} {arguments[0] if event == 'open' else arguments}")


sys.addaudithook(_watch)


@contextmanager
def watching() -> Iterator[list[str]]:
    """The sockets and files that this process opens meanwhile."""
    global _watched
    _watched = []
    try:
        yield _watched
    finally:
        _watched = None


@pytest.mark.parametrize(
    "address",
    [
        "{listener}",
        "//127.0.0.1/logo.png",
        "file:///etc/hostname",
        "FILE:///etc/hostname",
        "file://localhost/etc/hostname",
        "ftp://127.0.0.1/x",
        "https://127.0.0.1:9/x",
        "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%3E%3Cimage%20href='{listener}'/%3E%3C/svg%3E",
        "portal:logo",
        "portal:../../etc/hostname",
        "portal:fonts/../../wsgi.py",
        "/etc/hostname",
        "wsgi.py",
    ],
)
def test_no_address_in_a_document_opens_a_socket_or_a_file(address: str, listener: Listener) -> None:
    from weasyprint import HTML

    pdf.render(example())  # fonts are loaded once a process
    target = address.format(listener=listener.url)
    html = (
        f'<link rel="stylesheet" href="{target}"><link rel="attachment" href="{target}">'
        f'<style>@import url("{target}"); @font-face {{ font-family: x; src: url("{target}") }}'
        f'p {{ font-family: x; background: url("{target}") }}</style>'
        f'<p>text<img src="{target}"><object data="{target}"></object><embed src="{target}"></p>'
    )
    with watching() as opened:
        content = HTML(string=html, base_url=pdf.BASE, url_fetcher=pdf.fetcher("")).write_pdf()
    assert listener.visits == 0
    assert not [what for what in opened if what.startswith("socket") or "hostname" in what or "wsgi" in what]
    assert b"/EmbeddedFile" not in content


@pytest.mark.parametrize(
    "logo", ["../wsgi.py", "../../../../etc/hostname", "/etc/hostname", "missing.svg", "fonts", ""]
)
def test_a_logo_from_elsewhere_is_not_read_and_the_receipt_is_made_all_the_same(logo: str) -> None:
    from weasyprint.urls import URLFetchingError, fetch

    with pytest.raises(URLFetchingError), fetch(pdf.fetcher(logo), "portal:logo"):
        pass
    assert "Total paid" in text_of(pdf.render(example(logo=logo)).pdf)


def test_the_companys_logo_stands_on_the_receipt() -> None:
    with watching() as opened:
        content = pdf.render(example(logo="favicon.svg")).pdf
    assert [what for what in opened if what.endswith("favicon.svg")]
    assert content != pdf.render(example()).pdf


def test_the_fetcher_survives_what_weasyprint_asks_of_it() -> None:
    """A redirect, a failure or a stranger's scheme is one of the errors that WeasyPrint catches, never one that ends the job."""
    fetcher = pdf.fetcher("")
    for address in ("http://127.0.0.1:9/", "file:///etc/hostname", "data:,x", "nothing", ""):
        with pytest.raises(ValueError, match="our own files"):
            fetcher(address)
    font = fetcher("portal:fonts/regular")
    assert font.read() == Path(ROOT, "static/fonts/inter-4.1-regular.ttf").read_bytes()


def test_what_no_font_has_is_told_and_what_a_font_has_is_not() -> None:
    names = "東京 ไทย हिन्दी বাংলা 한국 עברית العربية 👩‍🚀 Ωμέγα می\u200cخواهم Donau\u00addampf"
    assert pdf.render(example(buyer=replace(EGLISE, name=names))).missing == ()
    lacking = pdf.render(example(buyer=replace(EGLISE, name="a\ue0a7b\ue0a8\ue0a7")))
    assert lacking.missing == ("\ue0a7", "\ue0a8")


def test_documents_stay_small() -> None:
    plain = len(pdf.render(example()).pdf)
    assert plain < 30_000
    for name in ("東京株式会社", "ไทย हिन्दी বাংলা", "👩‍🚀 🎉"):
        assert len(pdf.render(example(buyer=replace(EGLISE, name=name))).pdf) < 100_000, name
