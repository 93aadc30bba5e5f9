"""The kinds of data that the portal keeps: what for, on which ground, for how long, and who removes them.

This is the record of processing and the schedule of retention at once. docs/explanation/data-and-retention.md repeats it, held by
a test, and each table of portal.privacy.inventory belongs to one of these.

Source: GDPR, articles 5 (1) e, 6 (1), 17 (3) and 30; Abgabenordnung § 147 (3) and Umsatzsteuergesetz § 14b (1), as of 2025.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portal.core.errors import N_

# Years after the end of the one in which something came about. Another country's law may ask for more.
YEARS_OF_BOOKS: Final = 10
YEARS_OF_VOUCHERS: Final = 8
YEARS_OF_LETTERS: Final = 6


class Ground(StrEnum):
    """Why the data may be processed, by the GDPR."""

    CONTRACT = "article 6 (1) b: the contract"
    LAW = "article 6 (1) c: what law asks for"
    INTEREST = "article 6 (1) f: security, and claims"
    NONE = "none needed: nothing about a person"


class AtErasure(StrEnum):
    """What happens to data of a kind when a customer is erased."""

    REMOVED = "removed"
    PSEUDONYMISED = "pseudonymised"
    KEPT = "kept"
    SWEPT = "gone after its time"
    UNTOUCHED = "not about a customer"


@dataclass(frozen=True, slots=True)
class Kind:
    """`keeps` says for how long in words, and `years` the same for what is kept by law: full years after the year in which it came about.

    `jobs` are the periodic jobs that remove it. `law` names why it outlives an erasure.
    """

    name: str
    what: str
    purpose: str
    ground: Ground
    keeps: str
    at_erasure: AtErasure
    years: int | None = None
    law: str = ""
    jobs: tuple[str, ...] = ()


_AS_CUSTOMER: Final = "until the customer is erased"

CUSTOMERS: Final = Kind(
    "customers",
    "name, addresses, VAT ID and language of a customer; recipients of its documents",
    "to write invoices and documents, and to send them",
    Ground.CONTRACT,
    _AS_CUSTOMER,
    AtErasure.PSEUDONYMISED,
)
PEOPLE: Final = Kind(
    "people",
    "who signs in: name, e-mail address, language, time zone, role",
    "to know who may do what, and to write to them",
    Ground.CONTRACT,
    _AS_CUSTOMER,
    AtErasure.PSEUDONYMISED,
)
SIGN_INS: Final = Kind(
    "sign-ins",
    "sessions and apps with address and browser, passkeys, second factors, links of mails, wrong passwords",
    "to let the right people in, and nobody else",
    Ground.INTEREST,
    "sessions 90 days after they ended; apps and links 30 days; wrong passwords 15 minutes; the rest until its owner removes it",
    AtErasure.REMOVED,
    jobs=("identity.sweep", "accounts.sweep"),
)
VOUCHERS: Final = Kind(
    "vouchers",
    N_(
        "invoices, payments, refunds, disputes, documents with their PDF, checks of VAT IDs, agreements to be charged automatically"
    ),
    "to bill, to be paid, and to prove both",
    Ground.LAW,
    "8 years after the end of their year",
    AtErasure.KEPT,
    YEARS_OF_VOUCHERS,
    "§ 147 (1) no. 4 and (3) AO, § 14b (1) UStG; GDPR, article 17 (3) b",
)
BOOKS: Final = Kind(
    "books",
    N_("postings, and the audit log: who did what, when, and from which address"),
    "to keep the books, and to prove that nobody changed them",
    Ground.LAW,
    "10 years after the end of their year",
    AtErasure.KEPT,
    YEARS_OF_BOOKS,
    "§ 147 (1) no. 1 and (3) AO, § 146 (4) AO; GDPR, article 17 (3) b and e",
)
LETTERS: Final = Kind(
    "letters",
    N_("why a refund was asked for, what was written about it, and the evidence in a dispute"),
    "to decide, and to answer for it",
    Ground.LAW,
    "6 years after the end of their year",
    AtErasure.KEPT,
    YEARS_OF_LETTERS,
    "§ 147 (1) no. 2, 3 and (3) AO; GDPR, article 17 (3) b and e",
    jobs=("privacy.sweep_by_schedule",),
)
MAILS: Final = Kind(
    "mails",
    "to whom a mail went, its subject and when; addresses that a mail server refused; never the text",
    "to show what was sent, and to notice what does not arrive",
    Ground.INTEREST,
    "6 years after the end of their year",
    AtErasure.PSEUDONYMISED,
    YEARS_OF_LETTERS,
    jobs=("privacy.sweep_by_schedule",),
)
CARDS: Final = Kind(
    "cards",
    "brand, last four digits, expiry, country and Stripe's id of a card; never its number",
    "to pay without typing it again",
    Ground.CONTRACT,
    "until the customer removes it; attempts to add one for some days",
    AtErasure.PSEUDONYMISED,
    jobs=("payment_methods.sweep",),
)
NOTES: Final = Kind(
    "notes",
    "what staff wrote down about a customer",
    "to help the customer",
    Ground.INTEREST,
    _AS_CUSTOMER,
    AtErasure.REMOVED,
)
ENDPOINTS: Final = Kind(
    "endpoints",
    "addresses of customers' systems, and what they were told",
    "to tell the customer's systems what changes",
    Ground.CONTRACT,
    "endpoints until they are removed; events 30 days",
    AtErasure.REMOVED,
    jobs=("webhook_endpoints.sweep",),
)
FILES: Final = Kind(
    "files",
    "ZIP files, statements and previews that were asked for",
    "to hand them over once they are made",
    Ground.CONTRACT,
    "3 days; previews an hour",
    AtErasure.REMOVED,
    jobs=("documents.sweep_archives", "statements.sweep", "invoices.sweep_previews", "privacy.sweep"),
)
ERASURES: Final = Kind(
    "erasures",
    N_("that an erasure was asked for, who decided, and what was kept"),
    "to prove that it was done",
    Ground.LAW,
    "as long as the portal; they name the customer by its number alone",
    AtErasure.KEPT,
    law="GDPR, article 5 (2)",
)
STRIPE: Final = Kind(
    "events from Stripe",
    "what Stripe told of a payment, as it was sent",
    "to apply it, and to look it up when something does not fit",
    Ground.CONTRACT,
    "their text 90 days after it was applied; that there was one, as long as the portal",
    AtErasure.SWEPT,
    jobs=("privacy.sweep_by_schedule",),
)
REQUESTS: Final = Kind(
    "requests",
    "what an app asked for under its key, and jobs",
    "to answer the same request the same way, and to finish what was begun",
    Ground.CONTRACT,
    "requests 2 days, jobs 14 days after they are done",
    AtErasure.SWEPT,
    jobs=("api.sweep", "jobs.sweep"),
)
STAFF: Final = Kind(
    "staff",
    "what staff chose and opened, keys of the company's systems, texts to choose from",
    "to let staff work",
    Ground.CONTRACT,
    "as long as they work here",
    AtErasure.UNTOUCHED,
)
SYSTEM: Final = Kind(
    "system",
    "numbers, balances, runs of the reconciliation, price list, backups",
    "to run the portal",
    Ground.NONE,
    "as long as the portal; uploaded files 2 days, month-end packs 30",
    AtErasure.UNTOUCHED,
    jobs=("books.sweep", "invoices.forget_files", "accounts.forget_files"),
)

KINDS: Final = (
    CUSTOMERS,
    PEOPLE,
    SIGN_INS,
    VOUCHERS,
    BOOKS,
    LETTERS,
    MAILS,
    CARDS,
    NOTES,
    ENDPOINTS,
    FILES,
    ERASURES,
    STRIPE,
    REQUESTS,
    STAFF,
    SYSTEM,
)
