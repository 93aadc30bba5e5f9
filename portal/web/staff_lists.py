"""The lists of staff: one page for all of them, with filters, saved views, sums and a file. What is listed, each noun's package declares.

All filters stand in the address. The same columns make the page and the file; what they are asked is portal.core.listing's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flask import Response, current_app, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.content import csv_lines, language
from portal.core import audit, db, listed
from portal.core.errors import Invalid, NotFound
from portal.core.listing import Listing, Wanted
from portal.core.money import Money
from portal.core.permissions import Permission, may
from portal.web import lists, saved
from portal.web.filter_forms import ListFilterForm
from portal.web.pages import page, reader_language

# Of customers that fit what was typed; who needs more types more.
MOST_CUSTOMERS: Final = 6

_NAMES: Final = ("q", "customer", "since", "until", "currency", "least", "most", "sort")


@dataclass(frozen=True, slots=True)
class Column:
    """`value` gives a row's, from the row and from what the list's `facts_of` found. `heading` is a text of the catalogue.

    `kind` says how templates/support/lists/cells.html draws it: "text", "day", "moment", "money", "status" and so on. `place` is where
    it stands in the two lines that a row has on a phone: "title" and "number" in the first, "detail" and "state" in the second; one
    without a place is left out there.
    """

    name: str
    heading: str
    value: Callable[[Any, Any], Any]
    kind: str = "text"
    place: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter of which one value is chosen: a name of listing.choices. `kind` puts its values into words, as a Column's does.

    With a `standard` value that is meant where the address names none, and there is no "any".
    """

    name: str
    label: str
    any_label: str
    kind: str
    standard: str = ""


@dataclass(frozen=True, slots=True)
class ViewedPage:
    """A page whose filters can be saved under a name; `reads` keeps of an address what is one of them."""

    name: str
    endpoint: str
    permission: Permission
    reads: Callable[[Mapping[str, str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class StaffList:
    """A list for those who have the permission. `open` gives the endpoint and the values of a row's own page; texts are of the catalogue.

    `facts_of` finds for the rows of a page what their columns need besides, in a bounded number of questions. `customers` finds those
    that fit what was typed as ids and names, for lists that can be narrowed to one. `side` is a template of what stands beside the heading.
    """

    name: str
    title: str
    position: int
    endpoint: str
    csv_endpoint: str
    permission: Permission
    listing: Listing[Any]
    columns: tuple[Column, ...]
    open: Callable[[Any], tuple[str, dict[str, Any]]]
    search_label: str
    choices: tuple[Choice, ...] = ()
    facts_of: Callable[[Session, Sequence[Any]], Any] = lambda _session, _rows: None
    customers: Callable[[Session, str, int], Sequence[tuple[str, str]]] | None = None
    side: str = ""
    lead: str = ""

    def reads(self, given: Mapping[str, str]) -> dict[str, str]:
        """What of an address is a filter of this list."""
        names = (*_NAMES, *(choice.name for choice in self.choices))
        return {name: given[name] for name in names if given.get(name)}


LISTS: Final = "portal-staff-lists"


def lists_shown() -> list[StaffList]:
    """Those that the reader may see, in their order; for templates."""
    found: Mapping[str, StaffList | ViewedPage] = current_app.extensions[LISTS]
    shown = [one for one in found.values() if isinstance(one, StaffList) and may(current_user.role, one.permission)]
    return sorted(shown, key=lambda one: one.position)


def viewed_page(name: str) -> StaffList | ViewedPage:
    """The list of this name. Raises NotFound, also for those that the reader may not see."""
    found: StaffList | ViewedPage | None = current_app.extensions[LISTS].get(name)
    if found is None or not may(current_user.role, found.permission):
        raise NotFound
    return found


# What was asked


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an address asks for. `wanted` is missing where that makes no sense, or several `customers` fit."""

    form: ListFilterForm
    wanted: Wanted | None
    customers: Sequence[tuple[str, str]] = ()


def _read(session: Session, of: StaffList) -> _Asked:
    """Raises NotFound for a choice that is not offered."""
    form = ListFilterForm(request.args)
    if not form.validate():
        return _Asked(form, None)
    chosen = ((one.name, request.args.get(one.name) or one.standard) for one in of.choices)
    choices = tuple((name, value) for name, value in chosen if value)
    typed, customers = (form.customer.data or "").strip(), list[tuple[str, str]]()
    if typed and of.customers is not None:
        customers = list(of.customers(session, typed, MOST_CUSTOMERS))
        if len(customers) != 1:
            return _Asked(form, None, customers)
    wanted = form.wanted(customers[0][0] if customers else "", choices)
    try:
        wanted = replace(wanted, sort=listed.order_of(of.listing, wanted))
    except Invalid as error:
        form.sort.errors = [language.error_text(error, reader_language())]
        return _Asked(form, None, customers)
    return _Asked(form, wanted, customers)


# The page


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it is drawn: the address of its page, and the columns' values."""

    id: str
    url: str
    values: Sequence[Any]


def show(of: StaffList, **context: Any) -> Response:
    """The page of a list. Raises NotFound for a cursor or a choice that nobody gave out."""
    filters = of.reads(request.args)
    found: listed.Found[Any] | None = None
    sums = facts = None
    with db.reading() as session:
        asked = _read(session, of)
        if asked.wanted is not None:
            found = listed.page(session, of.listing, asked.wanted, request.args.get("page"))
            sums = listed.sums(session, of.listing, asked.wanted) if asked.wanted.is_narrowed else None
            facts = of.facts_of(session, found.page.rows)
        views = saved.views_of(session, current_user.id, of.name)
    rows = found.page.rows if found else []
    return page(
        "support/lists/index.html",
        partial="support/lists/_list.html",
        status=422 if asked.form.errors else 200,
        of=of,
        filters=filters,
        form=asked.form,
        sort=asked.wanted.sort if asked.wanted else None,
        customers=asked.customers,
        is_cut=found.is_cut if found else False,
        lines=[_line(of, row, facts) for row in rows],
        sums=sums,
        views=views,
        most_looked=listed.LOOKED,
        **(lists.pager_links(of.endpoint, found.page, **filters) if found else {}),
        **context,
    )


def _line(of: StaffList, row: Any, facts: Any) -> Line:
    endpoint, values = of.open(row)
    return Line(
        getattr(row, of.listing.row_id.key),
        url_for(endpoint, **values),
        [column.value(row, facts) for column in of.columns],
    )


# The file


def as_csv(of: StaffList) -> Response:
    """All that the filter finds, as a file; that it was taken is recorded before the first line.

    Raises Invalid where the filter makes no sense, and listed.TooMany.
    """
    shape = lists.csv_shape()
    with db.reading() as session:
        asked = _read(session, of)
    if asked.wanted is None:
        raise Invalid(field="customer" if asked.customers else None)
    batches = listed.batches(of.listing, asked.wanted)
    facts = {name: value for name, value in of.reads(request.args).items() if name != "q"}
    with db.transaction() as session:
        audit.record(session, "list.exported", of.name, dict(facts))
    return lists.csv_file(_lines(of, batches, shape), f"{of.name}.csv")


def _lines(of: StaffList, batches: Iterator[tuple[Session, list[Any]]], shape: csv_lines.Shape) -> Iterator[str]:
    yield shape.header(_headings(of))
    for session, rows in batches:
        facts = of.facts_of(session, rows)
        for row in rows:
            yield shape.line(cell for column in of.columns for cell in _cells(column, column.value(row, facts)))


def _headings(of: StaffList) -> dict[str, str]:
    """An amount has its currency beside it, and a moment its zone in its heading."""
    headings: dict[str, str] = {}
    for column in of.columns:
        headings[column.name] = f"{column.heading} (%(zone)s)" if column.kind == "moment" else column.heading
        if column.kind == "money":
            headings[f"{column.name}_currency"] = _CURRENCY
    return headings


_CURRENCY: Final = "Currency"


def _cells(column: Column, value: Any) -> list[csv_lines.Cell]:
    if column.kind == "money":
        return [value.decimal, value.currency.upper()] if isinstance(value, Money) else ["", ""]
    if value is None:
        return [""]
    return [value if column.kind in {"day", "moment"} else str(value)]
