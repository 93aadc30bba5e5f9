"""Invoices out of a file: all of it is issued, or nothing. What it looks like: portal.invoices.spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.accounts.service import Deactivated
from portal.content.sheets import Problem
from portal.core import db
from portal.core.errors import N_, Invalid
from portal.identity import queries as accounts
from portal.invoices import service, spreadsheet, taxing
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.models import Invoice
from portal.invoices.spreadsheet import DecimalMark, Entry, Sheet

# SQLite takes a limited number of values in one statement.
MOST_IN_ONE_QUESTION: Final = 500


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of a file with `rows` rows of data: all of it is in, or, when there is a problem, none of it.

    `new` are the invoices of the file that were not here before, as it describes them; `issued` holds what was made of them, unless
    it was a dry run. `already` holds those that an earlier import has brought.
    """

    rows: int
    new: tuple[Entry, ...]
    issued: tuple[Invoice, ...]
    already: tuple[Invoice, ...]
    problems: tuple[Problem, ...]

    @property
    def fresh(self) -> int:
        return len(self.new)


def import_csv(
    file: BinaryIO, *, decimal_mark: DecimalMark | None = None, dry_run: bool = False, mailed: bool = True
) -> ImportReport:
    """Issue the invoices in a CSV file (see portal.invoices.spreadsheet), in one transaction.

    The same file again issues nothing: an invoice is known by its customer and its name in the file. When its total there has
    changed, that is a problem. Where they are not `mailed`, no customer gets a mail of what is issued. Raises Conflict when another import
    brings the same invoices at the same moment.
    """
    sheet = spreadsheet.read(file, decimal_mark)
    with db.reading() if dry_run else db.transaction() as session:
        fresh, already = _match(session, sheet)
        if sheet.problems or dry_run:
            problems = tuple(sorted(sheet.problems, key=lambda problem: problem.line))
            return ImportReport(sheet.rows, tuple(fresh), (), tuple(already), problems)
        issued = tuple(service.add(session, replace(entry.draft, mailed=mailed), entry.totals) for entry in fresh)
        return ImportReport(sheet.rows, tuple(fresh), issued, tuple(already), ())


def _match(session: Session, sheet: Sheet) -> tuple[list[Entry], list[Invoice]]:
    """The file's new invoices with their customers, and those that are here already; adds to the sheet's problems."""
    customers = _customers_by_email(session, {email for _line, email in sheet.customers})
    fresh, already = [], []
    gone = _deactivated(session, customers)
    for line, email in sheet.customers:
        try:
            if _only(customers.get(email, [])) in gone:
                raise Invalid(Deactivated.message, field="customer")
        except Invalid as error:
            sheet.problems.append(Problem(line, "customer", error))
    for entry in sheet.entries:
        if len(customers.get(entry.email, [])) != 1 or customers[entry.email][0] in gone:
            continue
        draft = replace(entry.draft, customer_id=_only(customers[entry.email]))
        known = service.by_external_reference(session, draft.customer_id, draft.external_reference or "")
        if known is None:
            fresh.append(replace(entry, draft=draft))
            sheet.problems.extend(_problems_of_tax(session, entry.line, draft))
        elif (known.currency, known.total_minor) == (draft.currency, entry.totals.total_minor):
            already.append(known)
        else:
            message = N_("This invoice was imported before as %(number)s, with a total of %(total)s.")
            changed = Invalid(message, number=known.number, total=known.total)
            sheet.problems.append(Problem(entry.line, "invoice", changed))
    return fresh, already


def _problems_of_tax(session: Session, line: int, draft: InvoiceDraft) -> Iterator[Problem]:
    """At the first line of the invoice, which no draft knows the lines of the file by."""
    try:
        taxing.check(session, draft, session.get_one(Customer, draft.customer_id))
    except Invalid as error:
        yield Problem(line, "tax_rate", error)


def customer_billed_at(email: str) -> str:
    """The id of the customer with this e-mail address. Raises Invalid (field "customer") when it is none, or more than one."""
    email = accounts.normal_email(email)
    with db.reading() as session:
        return _only(_customers_by_email(session, {email}).get(email, []))


def _only(customer_ids: list[str]) -> str:
    """The one customer there is with an address. Raises Invalid when there is none, or when it is not clear who is meant."""
    if not customer_ids:
        raise Invalid(N_("No customer has this e-mail address."), field="customer")
    if len(customer_ids) > 1:
        raise Invalid(N_("More than one customer has this e-mail address."), field="customer")
    return customer_ids[0]


def _deactivated(session: Session, customers: dict[str, list[str]]) -> set[str]:
    """Which of these customers (by e-mail address) are deactivated."""
    ids = sorted(customer_id for found in customers.values() for customer_id in found)
    gone: set[str] = set()
    for start in range(0, len(ids), MOST_IN_ONE_QUESTION):
        chunk = ids[start : start + MOST_IN_ONE_QUESTION]
        rows = select(Customer.id).where(Customer.id.in_(chunk), Customer.deactivated_at.is_not(None))
        gone |= set(session.scalars(rows))
    return gone


def _customers_by_email(session: Session, emails: set[str]) -> dict[str, list[str]]:
    """The ids of the customers with each of these addresses, written as accounts.queries.normal_email does."""
    found: dict[str, list[str]] = {}
    wanted = sorted(emails)
    for start in range(0, len(wanted), MOST_IN_ONE_QUESTION):
        chunk = wanted[start : start + MOST_IN_ONE_QUESTION]
        for customer_id, address in session.execute(
            select(Customer.id, Customer.email).where(Customer.email.in_(chunk))
        ):
            found.setdefault(address, []).append(customer_id)
    return found
