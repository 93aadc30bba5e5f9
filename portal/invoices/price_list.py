"""The price list: what staff fill lines of invoices with. An item is written, changed and retired, and never deleted.

What a line takes from it stands in the line from then on. So a change here changes no invoice, and a line says only where it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.core import audit, clock, company_days, db, texts
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.core.units import Unit
from portal.invoices import drafts
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.models import PriceItem
from portal.invoices.statuses import PriceItemStatus

LONGEST_NAME: Final = 120
# All of them are looked through for what somebody types.
MOST_ITEMS: Final = 5_000
_NAME_TAKEN: Final = N_("An item of this name is in the price list already, in the same currency.")


@dataclass(frozen=True, slots=True)
class ItemDraft:
    """What was typed: the unit price net in minor units of `currency`, the tax rate in basis points. Its texts are tidied."""

    name: str
    description: str
    unit: str
    unit_price_minor: int
    currency: str
    tax_rate_basis_points: int
    supplies: str

    def __post_init__(self) -> None:
        for field in ("name", "description"):
            object.__setattr__(self, field, texts.tidied(getattr(self, field)))

    @property
    def kind(self) -> str:
        return self.supplies


class Refused(Invalid):
    """An item that breaks rules: all of `problems`, each with its field."""

    def __init__(self, problems: Sequence[Invalid]) -> None:
        self.problems = problems
        super().__init__(problems[0].text(), field=problems[0].field)


def _check(draft: ItemDraft) -> None:
    def rules() -> Iterator[Any]:
        yield lambda: _check_name(draft.name)
        yield lambda: texts.check(draft.description, field="description", longest=drafts.LONGEST_DESCRIPTION)
        yield lambda: drafts.check_currency(draft.currency)
        yield from drafts.rules_of_price(draft, draft.currency, company_days.today())

    if problems := drafts.broken(rules()):
        raise Refused(problems)


def _check_name(name: str) -> None:
    if not name:
        raise Invalid(N_("Please enter a name."), field="name")
    texts.check(name, field="name", longest=LONGEST_NAME)


def create(draft: ItemDraft) -> PriceItem:
    """A new item. Raises Refused, and Invalid where the name is taken (so a second call does) or the list is full."""
    _check(draft)
    try:
        with db.transaction() as session:
            _refuse_taken(session, draft, "")
            active = select(PriceItem.id).where(PriceItem.status == PriceItemStatus.ACTIVE).limit(MOST_ITEMS)
            if len(session.scalars(active).all()) >= MOST_ITEMS:
                raise Invalid(N_("The price list is full: it has %(most)s items."), field="name", most=MOST_ITEMS)
            item = PriceItem(
                id=db.new_id("itm"), status=PriceItemStatus.ACTIVE, created_at=clock.now(), **_columns(draft)
            )
            session.add(item)
            session.flush()
            audit.record(session, "price_item.created", item.id, _facts(item))
            return item
    except IntegrityError as error:  # somebody else took the name in this moment
        raise Invalid(_NAME_TAKEN, field="name") from error


def change(item_id: str, draft: ItemDraft) -> PriceItem:
    """Let an item say this from now on; invoices stay as they are. A second call changes nothing.

    Raises as `create` does, NotFound, and Conflict for one that is retired.
    """
    _check(draft)
    try:
        with db.transaction() as session:
            item = _lock(session, item_id)
            if item.status == PriceItemStatus.RETIRED:
                raise Conflict(N_("This item is retired and can no longer be changed."))
            _refuse_taken(session, draft, item.id)
            before = _facts(item)
            for name, value in _columns(draft).items():
                setattr(item, name, value)
            session.flush()
            after = _facts(item)
            changed = {name: [before[name], after[name]] for name in after if after[name] != before[name]}
            if changed:
                audit.record(session, "price_item.changed", item.id, {"item": item.name, **changed})
            return item
    except IntegrityError as error:
        raise Invalid(_NAME_TAKEN, field="name") from error


def retire(item_id: str) -> PriceItem:
    """Take an item out of the list: no line is filled with it any more. A second call changes nothing. Raises NotFound."""
    with db.transaction() as session:
        item = _lock(session, item_id)
        if item.status == PriceItemStatus.ACTIVE:
            item.status, item.retired_at = PriceItemStatus.RETIRED, clock.now()
            session.flush()
            audit.record(session, "price_item.retired", item.id, {"item": item.name})
        return item


def item(session: Session, item_id: str) -> PriceItem:
    """Raises NotFound."""
    one = found(session, item_id)
    if one is None:
        raise NotFound
    return one


def found(session: Session, item_id: str) -> PriceItem | None:
    return session.get(PriceItem, item_id)


def fitting(session: Session, typed: str, most: int) -> Sequence[PriceItem]:
    """Items to fill a line with whose name holds all words that are typed, or all; by name, at most so many."""
    position = func.strpos if db.dialect_of(session) == "postgresql" else func.instr
    holds = [position(PriceItem.name_folded, word) > 0 for word in texts.fold(typed[:LONGEST_NAME]).split()]
    query = select(PriceItem).where(PriceItem.status == PriceItemStatus.ACTIVE, *holds)
    return session.scalars(query.order_by(PriceItem.name_folded, PriceItem.currency).limit(most)).all()


def check_lines(session: Session, draft: InvoiceDraft) -> None:
    """That lines which were filled from the list could be filled so now.

    Raises Invalid (field "lines-<index>-…") where an item is unknown or retired, or its price is in another currency than the invoice.
    """
    wanted = {line.item_id for line in draft.lines if line.item_id}
    if not wanted:
        return
    items = {one.id: one for one in session.scalars(select(PriceItem).where(PriceItem.id.in_(wanted)))}
    for index, line in enumerate(draft.lines):
        if line.item_id:
            check_usable(items.get(line.item_id), draft.currency, f"lines-{index}-")


def check_usable(item: PriceItem | None, currency: str, at: str = "") -> PriceItem:
    """The item, when a line of an invoice in this currency may be filled with it. Raises Invalid, whose field begins with `at`."""
    if item is None:
        raise Invalid(N_("There is no such item in the price list."), field=f"{at}description")
    if item.status == PriceItemStatus.RETIRED:
        raise Invalid(
            N_("“%(name)s” was retired from the price list. Remove this line, and add another one."),
            field=f"{at}description",
            name=item.name,
        )
    if item.currency != currency:
        raise Invalid(
            N_("The price of “%(name)s” is in %(of_item)s, but the invoice is in %(of_invoice)s."),
            field=f"{at}unit_price",
            name=item.name,
            of_item=item.currency.upper(),
            of_invoice=currency.upper(),
        )
    return item


def _lock(session: Session, item_id: str) -> PriceItem:
    one = session.get(PriceItem, item_id, with_for_update=True, populate_existing=True)
    if one is None:
        raise NotFound
    return one


def _refuse_taken(session: Session, draft: ItemDraft, own_id: str) -> None:
    same = select(PriceItem.id).where(
        PriceItem.status == PriceItemStatus.ACTIVE,
        PriceItem.name_folded == _folded(draft.name),
        PriceItem.currency == draft.currency,
        PriceItem.id != own_id,
    )
    if session.scalar(same.limit(1)) is not None:
        raise Invalid(_NAME_TAKEN, field="name")


def _folded(name: str) -> str:
    return texts.fold(name)[:LONGEST_NAME]


def _columns(draft: ItemDraft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "name_folded": _folded(draft.name),
        "description": draft.description,
        "unit": Unit(draft.unit),
        "unit_price_minor": draft.unit_price_minor,
        "currency": draft.currency,
        "tax_rate_basis_points": draft.tax_rate_basis_points,
        "supplies": draft.supplies,
    }


def _facts(item: PriceItem) -> dict[str, Any]:
    return {
        "name": item.name,
        "description": item.description,
        "unit": str(item.unit),
        "unit_price": str(item.unit_price),
        "tax_rate": str(item.tax_rate),
        "supplies": item.supplies,
    }
