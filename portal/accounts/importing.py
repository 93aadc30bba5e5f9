"""Customers out of a CSV file (portal.content.sheets), one a row: all of it is written, or nothing.

A customer who is here already is known by `external_id`, or by `email`, and stays as they are: so the same file again brings nothing. The
columns are COLUMNS; an address has its lines between "|". docs/how-to/import-customers.md describes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import external_ids, service
from portal.accounts.models import Customer
from portal.content import sheets
from portal.content.sheets import Problem, Row, Unreadable
from portal.core import db
from portal.core.errors import N_, Conflict, Invalid, PortalError
from portal.identity import email_addresses
from portal.identity.queries import normal_email

NEEDED: Final = ("name", "email")
_KEPT: Final = ("language", "country", "tax_id", *service.FOR_E_INVOICES)
COLUMNS: Final = (*NEEDED, "contact", "external_id", "address", *_KEPT)


@dataclass(slots=True)
class CustomerReport:
    """What came of a file with `rows` rows: all of it is in, or, when there is a problem, none of it.

    `new` are the rows that are not here yet, and `already` the customers who are; `made` holds what was made of them, none in a dry run.
    """

    rows: int = 0
    new: list[Row] = field(default_factory=list)
    already: list[Customer] = field(default_factory=list)
    made: list[Customer] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _Undone(Exception):
    """Nothing of what was tried stays."""


def import_csv(file: BinaryIO, *, dry_run: bool = False, is_invited: bool = False) -> CustomerReport:
    """Make the customers of a file, in one transaction. Where they are `is_invited`, an owner of each (`contact`, or the customer's own
    name) gets an invitation by mail.

    A dry run tries the same, and takes it back. Raises Conflict when somebody else writes one of the same at the same moment.
    """
    report = CustomerReport()
    try:
        table = sheets.read(file, NEEDED, COLUMNS)
    except Unreadable as error:
        report.problems.extend(error.problems)
        return report
    report.rows = table.count
    report.problems.extend(table.problems)
    report.problems.extend(_twice(table.rows))
    if is_invited:
        for row in table.rows:
            _tried(report, row, lambda row=row: email_addresses.refuse_unreachable(row.cells["email"]))  # type: ignore[misc]
    try:
        with db.transaction() as session:
            for row in table.rows:
                _take(session, row, report, is_invited=is_invited)
            if dry_run or report.problems:
                raise _Undone
    except _Undone:
        report.made.clear()
    except IntegrityError as error:
        raise Conflict(N_("Somebody else has just added a customer of this file. Please try again.")) from error
    report.problems.sort(key=lambda problem: problem.line)
    return report


def _take(session: Session, row: Row, report: CustomerReport, *, is_invited: bool) -> None:
    """One row: a customer who is here already, a new one, or a problem."""

    def act() -> None:
        known = _known(session, row)
        if known is not None:
            report.already.append(known)
            return
        report.new.append(row)
        cells = row.cells
        made = service.add_customer(
            session,
            name=cells["name"],
            email=cells["email"],
            address=cells.get("address", "").replace("|", "\n"),
            external_id=cells.get("external_id", ""),
            **{name: cells.get(name, "") for name in _KEPT},
        )
        if is_invited:
            owner = service.add_user(session, email=made.email, name=cells.get("contact") or made.name, customer=made)
            service.send_invitation(session, owner)
        report.made.append(made)

    _tried(report, row, act)


def _tried(report: CustomerReport, row: Row, act: Callable[[], None]) -> None:
    try:
        act()
    except (Invalid, Conflict) as error:
        report.problems.append(Problem(row.line, _column(error), error))


def _column(error: PortalError) -> str:
    named = getattr(error, "field", None) or ""
    return named if named in COLUMNS else ""


def _known(session: Session, row: Row) -> Customer | None:
    """The customer whom a row is about, if they are here. Raises Invalid where its two names are of different customers, or of several."""
    external_id, email = row.cells.get("external_id", ""), normal_email(row.cells["email"])
    named = external_ids.find(session, external_id) if external_id else None
    if named is not None:
        return named
    at_email = session.scalars(select(Customer).where(Customer.email == email).limit(2)).all() if email else []
    if not at_email:
        return None
    if external_id and at_email[0].external_id != external_id:
        raise Invalid(
            N_("The customer %(existing_id)s has this e-mail address, and not this ID."),
            field="external_id",
            existing_id=at_email[0].id,
        )
    return at_email[0]


def _twice(rows: list[Row]) -> list[Problem]:
    """Rows that name a customer whom an earlier row names."""
    found = []
    for column, written in (("email", normal_email), ("external_id", str)):
        seen: dict[str, int] = {}
        for row in rows:
            value = written(row.cells.get(column, ""))
            first = seen.setdefault(value, row.line) if value else row.line
            if first != row.line:
                found.append(
                    Problem(row.line, column, Invalid(N_("Row %(line)s names the same customer."), line=first))
                )
    return found
