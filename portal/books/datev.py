"""A booking batch in DATEV's format (EXTF Buchungsstapel), which tax advisers in Germany read into their accounting.

A file of text in CP1252 with semicolons, decimal commas and CR LF: a header of 31 fields, the headings of the 125 columns, and a line for
each booking. Only the format's own rules stand here; which accounts are used is portal.books.datev_accounts', and an adviser's decision.

Source: DATEV developer portal, "DATEV-Format" (developer.datev.de/datev/platform/de/dtvf), pages "Header", version 700, and
"Buchungsstapel", format category 21, format version 13.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from portal.core.money import Money

ENCODING: Final = "cp1252"
CONTENT_TYPE: Final = "text/csv; charset=windows-1252"
HEADER_VERSION: Final = 700
CATEGORY: Final = 21
FORMAT_NAME: Final = "Buchungsstapel"
FORMAT_VERSION: Final = 13
# Bookings of one file are of one fiscal year: a day has no year in it.
FINANCIAL_ACCOUNTING: Final = 1
NOT_FIXED: Final = 0
LARGEST_MINOR: Final = 9_999_999_999_99

LONGEST_NUMBER: Final = 36
LONGEST_TEXT: Final = 60
LONGEST_LABEL: Final = 30
_NOT_IN_NUMBERS: Final = re.compile(r"[^A-Za-z0-9$&%*+/-]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _pairs(kind: str, content: str, number: int) -> tuple[str, ...]:
    return tuple(f"{name} {at}" for at in range(1, number + 1) for name in (kind, content))


COLUMNS: Final = (
    *(
        "Umsatz (ohne Soll/Haben-Kz)",
        "Soll/Haben-Kennzeichen",
        "WKZ Umsatz",
        "Kurs",
        "Basis-Umsatz",
        "WKZ Basis-Umsatz",
    ),
    *("Konto", "Gegenkonto (ohne BU-Schlüssel)", "BU-Schlüssel", "Belegdatum", "Belegfeld 1", "Belegfeld 2", "Skonto"),
    *("Buchungstext", "Postensperre", "Diverse Adressnummer", "Geschäftspartnerbank", "Sachverhalt", "Zinssperre"),
    "Beleglink",
    *_pairs("Beleginfo - Art", "Beleginfo - Inhalt", 8),
    *("KOST1 - Kostenstelle", "KOST2 - Kostenstelle", "Kost-Menge", "EU-Land u. UStID (Bestimmung)"),
    *("EU-Steuersatz (Bestimmung)", "Abw. Versteuerungsart", "Sachverhalt L+L", "Funktionsergänzung L+L"),
    *("BU 49 Hauptfunktionstyp", "BU 49 Hauptfunktionsnummer", "BU 49 Funktionsergänzung"),
    *_pairs("Zusatzinformation - Art", "Zusatzinformation- Inhalt", 20),
    *("Stück", "Gewicht", "Zahlweise", "Forderungsart", "Veranlagungsjahr", "Zugeordnete Fälligkeit", "Skontotyp"),
    *("Auftragsnummer", "Buchungstyp", "USt-Schlüssel (Anzahlungen)", "EU-Land (Anzahlungen)"),
    *("Sachverhalt L+L (Anzahlungen)", "EU-Steuersatz (Anzahlungen)", "Erlöskonto (Anzahlungen)", "Herkunft-Kz"),
    *("Buchungs GUID", "KOST-Datum", "SEPA-Mandatsreferenz", "Skontosperre", "Gesellschaftername", "Beteiligtennummer"),
    *("Identifikationsnummer", "Zeichnernummer", "Postensperre bis", "Bezeichnung SoBil-Sachverhalt"),
    *("Kennzeichen SoBil-Buchung", "Festschreibung", "Leistungsdatum", "Datum Zuord. Steuerperiode", "Fälligkeit"),
    *("Generalumkehr (GU)", "Steuersatz", "Land", "Abrechnungsreferenz", "BVV-Position", "EU-Land u. UStID (Ursprung)"),
    *("EU-Steuersatz (Ursprung)", "Abw. Skontokonto"),
)
_AT: Final = {name: at for at, name in enumerate(COLUMNS)}
# Columns of texts: these have quotation marks, also where nothing stands between them.
_TEXTS: Final = frozenset(
    at
    for at, name in enumerate(COLUMNS)
    if name.startswith(("Beleginfo", "Zusatzinformation", "Belegfeld", "KOST1", "KOST2", "EU-Land"))
    or name
    in {
        *("Soll/Haben-Kennzeichen", "WKZ Umsatz", "WKZ Basis-Umsatz", "BU-Schlüssel", "Buchungstext", "Beleglink"),
        *("Diverse Adressnummer", "Abw. Versteuerungsart", "Forderungsart", "Auftragsnummer", "Buchungstyp"),
        *("Herkunft-Kz", "Buchungs GUID", "SEPA-Mandatsreferenz", "Gesellschaftername", "Identifikationsnummer"),
        *("Zeichnernummer", "Bezeichnung SoBil-Sachverhalt", "Generalumkehr (GU)", "Land", "Abrechnungsreferenz"),
    }
)


@dataclass(frozen=True, slots=True)
class Batch:
    """What the header tells. `consultant` and `client` are the numbers that the adviser's office has at DATEV; `begins` is the first day of
    the fiscal year that `since` and `until`, both included, lie in. `chart` is "03" or "04".
    """

    consultant: int
    client: int
    begins: date
    account_length: int
    since: date
    until: date
    currency: str
    chart: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """`amount` is positive. With `is_debit` the `account` is debited and the `contra` account credited, else the other way round.

    `tax_key` is the BU-Schlüssel, "" where the contra account has its own tax or none; `number` the document's (Belegfeld 1).
    """

    amount: Money
    is_debit: bool
    account: str
    contra: str
    tax_key: str
    day: date
    number: str
    text: str
    due_on: date | None = None


def lines(batch: Batch, bookings: Iterable[Booking]) -> Iterator[bytes]:
    """The file, a line at a time. Raises ValueError for a booking that no line can hold."""
    yield _encoded(_header(batch))
    yield _encoded(COLUMNS)
    for booking in bookings:
        yield _encoded(_line(batch, booking))


def file_name(batch: Batch) -> str:
    """As DATEV recognizes it by itself."""
    return f"EXTF_Buchungsstapel_{batch.since:%Y%m%d}_{batch.until:%Y%m%d}.csv"


def fiscal_year(begin: tuple[int, int], day: date) -> date:
    """The first day of the fiscal year that a day lies in, which begins on this month and day."""
    month, first = begin
    begins = day.replace(month=month, day=first)
    return begins if begins <= day else begins.replace(year=day.year - 1)


def _header(batch: Batch) -> list[str]:
    created = f"{batch.created:%Y%m%d%H%M%S}{batch.created.microsecond // 1000:03d}"
    label = f"Buchungen {batch.since:%Y-%m-%d} bis {batch.until:%m-%d}"[:LONGEST_LABEL]
    about = [_text("EXTF"), str(HEADER_VERSION), str(CATEGORY), _text(FORMAT_NAME), str(FORMAT_VERSION), created]
    source = ["", _text("RE"), _text(""), _text("")]
    whose = [str(batch.consultant), str(batch.client), f"{batch.begins:%Y%m%d}", str(batch.account_length)]
    span = [f"{batch.since:%Y%m%d}", f"{batch.until:%Y%m%d}", _text(label), _text("")]
    kind = [str(FINANCIAL_ACCOUNTING), "0", str(NOT_FIXED), _text(batch.currency.upper())]
    rest = ["", _text(""), "", "", _text(batch.chart), "", "", _text(""), _text("")]
    return [*about, *source, *whose, *span, *kind, *rest]


def _line(batch: Batch, booking: Booking) -> list[str]:
    minor = booking.amount.minor
    if not 0 < minor <= LARGEST_MINOR or booking.amount.currency != batch.currency:
        raise ValueError(f"{booking.amount} cannot be booked in a batch of {batch.currency}")
    cells = [_text("") if at in _TEXTS else "" for at in range(len(COLUMNS))]
    for name, cell in {
        "Umsatz (ohne Soll/Haben-Kz)": f"{booking.amount.decimal:.2f}".replace(".", ","),
        "Soll/Haben-Kennzeichen": _text("S" if booking.is_debit else "H"),
        "WKZ Umsatz": _text(batch.currency.upper()),
        "Konto": booking.account,
        "Gegenkonto (ohne BU-Schlüssel)": booking.contra,
        "BU-Schlüssel": _text(booking.tax_key),
        "Belegdatum": f"{booking.day:%d%m}",
        "Belegfeld 1": _text(_NOT_IN_NUMBERS.sub("", booking.number)[:LONGEST_NUMBER]),
        "Buchungstext": _text(booking.text[:LONGEST_TEXT]),
        "Festschreibung": str(NOT_FIXED),
        "Fälligkeit": f"{booking.due_on:%d%m%Y}" if booking.due_on else "",
    }.items():
        cells[_AT[name]] = cell
    return cells


def _text(value: str) -> str:
    """In quotation marks, which are doubled inside; characters that CP1252 does not have are left to the encoding."""
    return '"' + _CONTROL.sub(" ", value).replace('"', '""') + '"'


def _encoded(cells: Iterable[str]) -> bytes:
    return (";".join(cells) + "\r\n").encode(ENCODING, errors="replace")
