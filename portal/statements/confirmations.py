"""The confirmation of a balance, for auditors: what a customer's account came to at the end of a day, by the postings, with a code.

It says what the books say at the moment when it is made, and stays so: postings are only ever added, and one that is booked later for that
day or an earlier one is not in it. Then another confirmation of the same day says something else, and both tell when they were made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from portal.accounts import queries as accounts_queries
from portal.accounts.models import Customer
from portal.content import language
from portal.core import audit, company_days, config, db
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.documents import service as documents
from portal.documents.queries import IssuedFile
from portal.statements import jobs
from portal.statements.accounts import balance, currencies
from portal.statements.models import BalanceConfirmation

# Of a customer, on its page.
MOST_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Verification:
    """As on documents: the code in groups, and the address that tells what was confirmed."""

    code: str
    address: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What the PDF says, in the shape of documents/pdf/base.html."""

    confirmation: BalanceConfirmation
    verification: Verification
    seller: Any
    seller_contact: str
    seller_contact_name: str
    seller_contact_phone: str
    imprint: Any
    buyer: Any
    logo: str
    colour: str

    @property
    def number(self) -> str:
        """Confirmations have none: their code tells them apart."""
        return ""

    @property
    def language(self) -> str:
        return self.confirmation.language

    @property
    def issued_on(self) -> date:
        return company_days.day_of(self.confirmation.made_at)

    @property
    def created(self) -> str:
        return self.confirmation.made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the code of a confirmation tells whoever holds it, in the words of portal.documents.queries.Issued as far as it has them."""

    code_text: str
    seller: str
    customer_name: str
    day: date
    amounts: tuple[Money, ...]
    made_at: datetime
    has_file: bool
    kind: str = "balance_confirmation"
    revoked_at: None = None


def confirm(customer_id: str, day: date, user_id: str, wanted_language: str) -> str:
    """Freeze what the account came to at the end of a day of the company's, and have the PDF made; returns the confirmation's id.

    Each call makes another one. Raises NotFound for the customer, Invalid for a day that is not over, and Conflict where nothing was ever
    booked.
    """
    if day >= company_days.today():
        raise Invalid(N_("Please choose a day that is over."), field="day")
    with db.transaction() as session:
        customer = accounts_queries.customer(session, customer_id)
        balances = balances_of(session, customer_id, day)
        if not balances:
            raise Conflict(N_("Nothing was ever booked for this customer."))
        made = BalanceConfirmation(
            id=db.new_id("bcf"),
            customer_id=customer_id,
            requested_by=user_id,
            day=day,
            made_at=db.database_now(session),
            language=language.supported(wanted_language),
            company=config.current().company.name,
            customer_name=customer.name,
            balances=balances,
            code=documents.codes.new(),
        )
        session.add(made)
        session.flush()
        told = {"day": day.isoformat(), "balances": balances}
        audit.record(session, "balance.confirmed", made.id, told, customer_id=customer_id)
        jobs.make_confirmation.enqueue(session, confirmation_id=made.id)
        return made.id


def balances_of(session: Session, customer_id: str, day: date) -> dict[str, int]:
    """By the postings that are there now, in minor units, for each currency in which anything was ever booked."""
    return {code: balance(session, customer_id, code, day).minor for code in currencies(session, customer_id)}


def make(confirmation_id: str) -> None:
    """Make the PDF, sign it and keep it; one that is kept stays. Raises NotFound."""
    with db.reading() as session:
        row = session.get(BalanceConfirmation, confirmation_id)
        if row is None:
            raise NotFound
        customer = session.get_one(Customer, row.customer_id)
    if row.pdf_sha256 is not None:
        return
    code = documents.codes.grouped(row.code)
    head = documents.letterhead(config.current().company, customer)
    letter = Letter(row, Verification(code, f"{config.current().base_url}/verify/{code}"), **head)
    pdf = documents.draw_signed("statements/confirmation_pdf.html", letter, row.made_at)
    with db.transaction() as session:
        stored = session.get_one(BalanceConfirmation, confirmation_id, with_for_update=True)
        if stored.pdf_sha256 is None:
            stored.pdf, stored.pdf_sha256 = pdf, hashlib.sha256(pdf).hexdigest()


def of_customer(session: Session, customer_id: str) -> Sequence[BalanceConfirmation]:
    """The newest ones."""
    mine = select(BalanceConfirmation).where(BalanceConfirmation.customer_id == customer_id)
    newest = mine.order_by(BalanceConfirmation.made_at.desc(), BalanceConfirmation.id.desc())
    return session.scalars(newest.limit(MOST_SHOWN)).all()


def one(session: Session, confirmation_id: str, customer_id: str, *, with_pdf: bool = False) -> BalanceConfirmation:
    """Raises NotFound, also for another customer's."""
    options = [undefer(BalanceConfirmation.pdf)] if with_pdf else []
    found = session.get(BalanceConfirmation, confirmation_id, options=options)
    if found is None or found.customer_id != customer_id:
        raise NotFound
    return found


def for_company(session: Session, confirmation_id: str) -> BalanceConfirmation:
    """Whosever it is. Raises NotFound."""
    found = session.get(BalanceConfirmation, confirmation_id)
    if found is None:
        raise NotFound
    return found


def code_text(row: BalanceConfirmation) -> str:
    """Its code, in groups."""
    return documents.codes.grouped(row.code)


def download(confirmation_id: str, customer_id: str) -> BalanceConfirmation:
    """With its PDF; that it was taken is recorded. Raises NotFound, also while it is being made."""
    with db.transaction() as session:
        found = one(session, confirmation_id, customer_id, with_pdf=True)
        if found.pdf is None:
            raise NotFound
        audit.record(session, "balance.confirmation_downloaded", found.id, {}, customer_id=customer_id)
        return found


def by_code(session: Session, typed: str) -> Confirmed | None:
    """What was confirmed, for whoever holds the code, as a person typed it or a scanner read it."""
    code = documents.codes.read(typed)
    return None if code is None else _told(session, BalanceConfirmation.code == code)


def by_sha256(session: Session, digest: str) -> Confirmed | None:
    """Likewise, by the SHA-256 of its PDF."""
    return _told(session, BalanceConfirmation.pdf_sha256 == digest)


def file_by_code(session: Session, typed: str) -> IssuedFile | None:
    """Its PDF, and what its code tells, for comparing with a file that is said to be it; None where there is none."""
    code = documents.codes.read(typed)
    query = (
        select(BalanceConfirmation).where(BalanceConfirmation.code == code).options(undefer(BalanceConfirmation.pdf))
    )
    found = session.scalar(query) if code is not None else None
    if found is None or found.pdf is None:
        return None
    amounts = (language.money_text(abs(amount), found.language) for amount in found.amounts)
    return IssuedFile(found.pdf, (language.date_text(found.day, found.language), *amounts))


def _told(session: Session, which: Any) -> Confirmed | None:
    found = session.scalar(select(BalanceConfirmation).where(which).limit(1))
    if found is None:
        return None
    return Confirmed(
        documents.codes.grouped(found.code),
        found.company,
        found.customer_name,
        found.day,
        tuple(found.amounts),
        found.made_at,
        found.pdf_sha256 is not None,
    )
