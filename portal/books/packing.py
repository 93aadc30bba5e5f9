"""What is in a month's pack, and how it becomes one ZIP without ever being in memory as a whole.

The same content makes the same bytes: nothing in it tells when it was made, and by whom stands in the audit trail.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog

from portal.books import exports, tables
from portal.books.queries import LinesFilter
from portal.content.csv_lines import FOR_PROGRAMS
from portal.core import company_days, config, db, signing_keys
from portal.documents import queries as receipts
from portal.documents.models import Document, DocumentKind
from portal.documents.queries import Damaged
from portal.reconciliation import figures
from portal.reconciliation.figures import Figures, Period

log = structlog.get_logger(__name__)

PURPOSE: Final = "portal month-end pack signing key"
FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
PUBLIC_KEY: Final = "public-key.pem"
README: Final = "README.txt"
# Beside the documents: two lists of lines, two totals, the read-me, the key, the manifest and its signature.
OTHER_FILES: Final = 8

PART_BYTES: Final = 1_000_000
BATCH: Final = 200
# The earliest that a ZIP can tell: its files have no time of their own.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")

NOT_RENDERED: Final = "its PDF was not made yet"
DAMAGED: Final = "its stored PDF is not the one that was made"

_README: Final = """\
{company}: the books of {month}

{documents} receipts and credit notes that were issued from {since} to {until}, as they were sent, and the movements of money
of these days. They begin and end at midnight in the time zone {zone}.

receipts/, credit-notes/    the documents, named by their numbers
postings.csv                every movement in our books, with its two sides; the newest first
balance-transactions.csv    every movement of the balance at Stripe; the newest first
totals.csv, summary.txt     the figures of the month, from our books and from Stripe, and their difference
manifest.json               the SHA-256 and the size of each file, and the figures in minor units
manifest.sig                the signature of manifest.json (Ed25519)
public-key.pem              the key that it is signed with

The SHA-256 of the key is {fingerprint}.
The key of this portal is also at {address}

To verify the signature without the portal:

    openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in manifest.json -sigfile manifest.sig

With it, `flask books verify-pack FILE` checks the signature and every file.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in the pack; `size` in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A document that is not in the pack, and why."""

    number: str
    why: str


@dataclass(frozen=True, slots=True)
class Packed:
    size: int
    files: int
    missing: tuple[Missing, ...]
    manifest_sha256: str
    key: str


# Called with each part, and with how many files are done by then. May raise: nothing more is packed then.
Keep = Callable[[bytes, int], None]


def key_address() -> str:
    return config.current().base_url + "/.well-known/books-signing-key.pem"


def count_files(period: Period) -> int:
    """How many files the pack of this period will have."""
    with db.reading() as session:
        return receipts.number_issued(session, period.begins, period.ends) + OTHER_FILES


def pack(period: Period, keep: Keep) -> Packed:
    """Make the pack and hand it over part by part; memory holds a part, a document, and the list of the files."""
    packing = _Packing(keep)
    with packing.archive() as archive:
        missing = tuple(_documents(archive, period))
        _add_books(archive, period)
        signed = _sign(archive, period, missing)
    return Packed(packing.size, len(archive.entries) + 2, missing, *signed)


class _Sink(io.RawIOBase):
    """A file that is only written to: what comes in leaves in parts."""

    def __init__(self, keep: Callable[[bytes], None]) -> None:
        self._keep = keep
        self._waiting = bytearray()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        length = len(data)
        self._waiting += data
        self.size += length
        while len(self._waiting) >= PART_BYTES:
            part = bytes(self._waiting[:PART_BYTES])
            del self._waiting[:PART_BYTES]
            self._keep(part)
        return length

    def end(self) -> None:
        if self._waiting:
            self._keep(bytes(self._waiting))
            self._waiting.clear()


class _Archive:
    """A ZIP being written, and what is in it."""

    def __init__(self, written: zipfile.ZipFile) -> None:
        self._written = written
        self.entries: list[Entry] = []

    def add(self, name: str, content: Iterable[bytes], *, compress: bool = True) -> Entry:
        """Write a file, and note its name and hash."""
        info = zipfile.ZipInfo(name, _NO_TIME)
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        info.external_attr = 0o644 << 16
        info.create_system = 3  # whatever the machine
        digest, size = hashlib.sha256(), 0
        with self._written.open(info, "w", force_zip64=True) as file:
            for chunk in content:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        entry = Entry(name, digest.hexdigest(), size)
        self.entries.append(entry)
        return entry


class _Packing:
    def __init__(self, keep: Keep) -> None:
        self._archive: _Archive | None = None
        self._sink = _Sink(lambda part: keep(part, len(self._archive.entries) if self._archive else 0))

    @property
    def size(self) -> int:
        return self._sink.size

    @contextmanager
    def archive(self) -> Iterator[_Archive]:
        with zipfile.ZipFile(self._sink, "w", allowZip64=True) as written:
            self._archive = _Archive(written)
            yield self._archive
        self._sink.end()


# The files


def _documents(archive: _Archive, period: Period) -> Iterator[Missing]:
    """Put the PDFs in, in the order in which they were issued; those that are not there are given back."""
    last: Document | None = None
    while True:
        with db.reading() as session:
            batch = receipts.issued(session, period.begins, period.ends, last, BATCH)
        for document in batch:
            why = _document(archive, document)
            if why:
                yield Missing(document.number, why)
            last = document
        if len(batch) < BATCH:
            return


def _document(archive: _Archive, document: Document) -> str:
    """Put one in; or tell why not."""
    try:
        with db.reading() as session:
            pdf = receipts.with_pdf(session, document.id).pdf
    except Damaged:
        log.error("document_damaged", document=document.id)
        return DAMAGED
    if pdf is None:
        return NOT_RENDERED
    folder = "receipts" if document.kind == DocumentKind.RECEIPT else "credit-notes"
    archive.add(f"{folder}/{_UNSAFE.sub('_', document.number)}.pdf", [pdf], compress=False)
    return ""


def _add_books(archive: _Archive, period: Period) -> None:
    wanted = LinesFilter(since=period.since, until=period.until)
    archive.add("postings.csv", _encoded(exports.posting_lines(wanted)))
    archive.add("balance-transactions.csv", _encoded(exports.transaction_lines(wanted)))


def _sign(archive: _Archive, period: Period, missing: tuple[Missing, ...]) -> tuple[str, str]:
    """The figures, what explains the pack, and what vouches for it. Returns the manifest's SHA-256 and the key's fingerprint."""
    with db.reading() as session:
        found = [figures.of(session, currency, period) for currency in figures.currencies(session)]
    archive.add("totals.csv", _encoded(_totals(found)))
    archive.add("summary.txt", [f"{tables.text(found, period)}\n".encode()])
    key = signing_keys.derived(PURPOSE)
    fingerprint = signing_keys.fingerprint(key.public_key())
    documents = sum(entry.name.endswith(".pdf") for entry in archive.entries)
    archive.add(README, [_readme(period, documents, missing, fingerprint).encode()])
    archive.add(PUBLIC_KEY, [signing_keys.pem(key.public_key())])
    manifest = {
        "format": FORMAT,
        "company": config.current().company.name,
        "month": f"{period.since:%Y-%m}",
        "timezone": company_days.zone().key,
        "key": fingerprint,
        "figures": [tables.facts(one) for one in found],
        "missing": [asdict(one) for one in missing],
        "files": [asdict(entry) for entry in sorted(archive.entries, key=lambda entry: entry.name)],
    }
    written = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
    signed = archive.add(MANIFEST, [written])
    archive.add(SIGNATURE, [key.sign(written)], compress=False)
    del archive.entries[-2:]  # the manifest cannot vouch for itself
    return signed.sha256, fingerprint


def _readme(period: Period, documents: int, missing: tuple[Missing, ...], fingerprint: str) -> str:
    text = _README.format(
        company=config.current().company.name,
        month=f"{period.since:%Y-%m}",
        documents=documents,
        since=period.since,
        until=period.until,
        zone=company_days.zone().key,
        fingerprint=fingerprint,
        address=key_address(),
    )
    if missing:
        text += f"\nNOT IN THIS PACK ({len(missing)}):\n\n"
        text += "".join(f"    {one.number}: {one.why}\n" for one in missing)
    return text


def _totals(found: list[Figures]) -> Iterator[str]:
    yield FOR_PROGRAMS.header({name: name for name in tables.COLUMNS})
    for one in found:
        for line in one.lines:
            amounts = (line.ours.decimal, line.stripes.decimal, line.difference.decimal)
            yield FOR_PROGRAMS.line((one.currency.upper(), line.name, *amounts))


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    return (line.encode() for line in lines)
