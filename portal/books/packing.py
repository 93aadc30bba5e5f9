"""What is in a month's pack, and how it becomes one ZIP without ever being in memory as a whole.

The same content makes the same bytes: nothing in it tells when it was made, and by whom stands in the audit trail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

import structlog

from portal.books import datev_export, exports, tables
from portal.books.queries import LinesFilter
from portal.content import archives
from portal.content.archives import Archive, Keep
from portal.content.csv_lines import FOR_PROGRAMS
from portal.core import company_days, config, db, signing_keys
from portal.documents import queries as receipts
from portal.documents import service as documents
from portal.documents.models import Document
from portal.reconciliation import balances, figures
from portal.reconciliation.figures import Figures, Period

log = structlog.get_logger(__name__)

PURPOSE: Final = "portal month-end pack signing key"
FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
PUBLIC_KEY: Final = "public-key.pem"
README: Final = "README.txt"
# Beside the documents: three lists of lines, two totals, the read-me, the key, the manifest and its signature; and the batch for DATEV.
OTHER_FILES: Final = 9

BATCH: Final = 200

_README: Final = """\
{company}: the books of {month}

{documents} documents that were issued from {since} to {until}, as they were sent, and the movements of money
of these days. They begin and end at midnight in the time zone {zone}.

invoices/, receipts/,       the documents, by their kinds, named by their numbers
payment-confirmations/,
credit-notes/,
refund-confirmations/
postings.csv                every movement in our books, with its two sides, its document, customer and tax rate; the newest first
documents.csv               the documents, a line for each rate of tax, with net and tax
EXTF_Buchungsstapel_….csv   the books as a booking batch for DATEV, in EUR, where the portal is set up for it
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


def key_address() -> str:
    return config.current().base_url + "/.well-known/books-signing-key.pem"


def count_files(period: Period) -> int:
    """How many files the pack of this period will have."""
    with db.reading() as session:
        documents = receipts.number_issued(session, period.begins, period.ends)
    return documents + OTHER_FILES + datev_export.is_set_up()


def pack(period: Period, keep: Keep) -> Packed:
    """Make the pack and hand it over part by part; memory holds a part, a document, and the list of the files."""
    with archives.writing(keep) as archive:
        missing = tuple(_documents(archive, period))
        _add_books(archive, period)
        signed = _sign(archive, period, missing)
    return Packed(archive.size, len(archive.entries) + 2, missing, *signed)


# The files


def _documents(archive: Archive, period: Period) -> Iterator[Missing]:
    """Put the PDFs in, in the order in which they were issued; those that are not there are given back."""
    last: Document | None = None
    while True:
        with db.reading() as session:
            batch = receipts.issued(session, period.begins, period.ends, last, BATCH)
        for document in batch:
            why = documents.pack(archive, document)
            if why:
                yield Missing(document.number, why)
            last = document
        if len(batch) < BATCH:
            return


def _add_books(archive: Archive, period: Period) -> None:
    wanted = LinesFilter(since=period.since, until=period.until)
    archive.add("postings.csv", _encoded(exports.posting_lines(wanted)))
    archive.add("documents.csv", _encoded(exports.document_lines(period)))
    if datev_export.is_set_up():
        # Of the month's end, and not of now: the same books make the same bytes.
        batch = datev_export.prepare(period, created=period.ends)
        archive.add(batch.name, batch.lines())
    archive.add("balance-transactions.csv", _encoded(exports.transaction_lines(wanted)))


def _sign(archive: Archive, period: Period, missing: tuple[Missing, ...]) -> tuple[str, str]:
    """The figures, what explains the pack, and what vouches for it. Returns the manifest's SHA-256 and the key's fingerprint."""
    with db.reading() as session:
        found = [figures.of(session, currency, period) for currency in balances.currencies(session)]
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
