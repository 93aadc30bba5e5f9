"""The price list: written, changed and retired, each with its event; and what of it a line takes and keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import audit, db
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.units import Unit
from portal.invoices import price_list, queries, service
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice, PriceItem
from portal.invoices.price_list import ItemDraft, Refused
from tests.concurrency import run_concurrently

Act = Callable[[], object]
ADVICE = ItemDraft("Advice", "Advice on site", Unit.HOUR, 95_00, "eur", 1900, "services")


def events(subject: str) -> list[tuple[str, dict[str, object]]]:
    query = select(audit.AuditEvent).where(audit.AuditEvent.subject == subject).order_by(audit.AuditEvent.number)
    with db.reading() as session:
        return [(event.action, event.facts) for event in session.scalars(query)]


def taken(item: PriceItem, **values: object) -> LineDraft:
    """A line that was filled with an item."""
    line = LineDraft(
        item.line_text, 1_000, item.unit_price_minor, item.tax_rate_basis_points, item.unit, item.supplies, item.id
    )
    return replace(line, **values)  # type: ignore[arg-type]


def found(typed: str = "") -> list[str]:
    with db.reading() as session:
        return [item.name for item in price_list.fitting(session, typed, 8)]


def test_an_item_is_written_changed_and_retired_and_each_is_recorded(settings: object) -> None:
    item = price_list.create(ADVICE)
    price_list.change(item.id, replace(ADVICE, unit_price_minor=99_00))
    price_list.change(item.id, replace(ADVICE, unit_price_minor=99_00))
    price_list.retire(item.id)
    price_list.retire(item.id)
    told = events(item.id)
    assert [action for action, _ in told] == ["price_item.created", "price_item.changed", "price_item.retired"]
    assert told[1][1] == {"item": "Advice", "unit_price": ["95.00 EUR", "99.00 EUR"]}
    assert found() == []
    with pytest.raises(Conflict):
        price_list.change(item.id, ADVICE)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"description": "x" * 301}, "description"),
        ({"unit": "ZZZ"}, "unit"),
        ({"unit_price_minor": -1}, "unit_price"),
        ({"unit_price_minor": 10**12}, "unit_price"),
        ({"currency": "xxx"}, "currency"),
        ({"tax_rate_basis_points": 10_001}, "tax_rate"),
        ({"tax_rate_basis_points": -1}, "tax_rate"),
        ({"supplies": "both"}, "supplies"),
    ],
)
def test_what_is_wrong_is_named_at_its_field_and_nothing_is_written(
    settings: object, wrong: dict[str, object], field: str
) -> None:
    item = price_list.create(ADVICE)
    draft = replace(ADVICE, **{"name": "Other", **wrong})  # type: ignore[arg-type]
    acts: tuple[Act, ...] = (lambda: price_list.create(draft), lambda: price_list.change(item.id, draft))
    for act in acts:
        with pytest.raises(Refused) as refused:
            act()
        assert [problem.field for problem in refused.value.problems] == [field]
    assert (found(), len(events(item.id))) == (["Advice"], 1)


def test_all_mistakes_are_told_at_once(settings: object) -> None:
    with pytest.raises(Refused) as refused:
        price_list.create(ItemDraft("", "", "ZZZ", -1, "eur", 1900, "services"))
    assert [problem.field for problem in refused.value.problems] == ["name", "unit_price", "unit"]


def test_a_name_stands_for_one_price_in_a_currency(settings: object) -> None:
    price_list.create(ADVICE)
    dollars = price_list.create(replace(ADVICE, currency="usd"))
    acts: tuple[Act, ...] = (
        lambda: price_list.create(replace(ADVICE, name="ADVICE")),
        lambda: price_list.change(dollars.id, ADVICE),
    )
    for act in acts:
        with pytest.raises(Invalid) as refused:
            act()
        assert refused.value.field == "name"
    price_list.retire(dollars.id)
    price_list.create(replace(ADVICE, currency="usd"))


def test_two_who_write_the_same_item_at_once_write_one(settings: object) -> None:
    outcomes = run_concurrently(*[lambda: price_list.create(ADVICE)] * 4)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Invalid", "Invalid", "Invalid", "PriceItem"]
    assert found() == ["Advice"]


def test_items_are_found_by_words_of_their_names(settings: object) -> None:
    for name in ("Würzburger Beratung", "Beratung vor Ort", "Handbuch"):
        price_list.create(replace(ADVICE, name=name))
    assert found("beratung") == ["Beratung vor Ort", "Würzburger Beratung"]
    assert found("WURZ beratung") == ["Würzburger Beratung"]
    assert found("nothing") == []


# What a line takes


def test_a_line_keeps_what_it_took_whatever_becomes_of_the_item(customer: Customer) -> None:
    item = price_list.create(ADVICE)
    invoice = service.issue(InvoiceDraft(customer.id, "eur", (taken(item, quantity_thousandths=2_500),)))
    price_list.change(item.id, replace(ADVICE, name="Other", unit_price_minor=1_00, unit=Unit.DAY, supplies="goods"))
    price_list.retire(item.id)
    with db.reading() as session:
        [line] = queries.for_customer(session, invoice.id, customer.id, with_lines=True).lines
    assert (line.description, line.unit, line.unit_price_minor) == ("Advice on site", "HUR", 95_00)
    assert (line.tax_rate_basis_points, line.supplies, line.item_id) == (1900, "services", item.id)


def test_a_retired_item_one_in_another_currency_and_an_unknown_one_fill_no_line(customer: Customer) -> None:
    retired, dollars = price_list.create(ADVICE), price_list.create(replace(ADVICE, currency="usd"))
    price_list.retire(retired.id)
    for line, field in (
        (taken(retired), "lines-1-description"),
        (taken(dollars), "lines-1-unit_price"),
        (taken(dollars, item_id="itm_none"), "lines-1-description"),
    ):
        draft = InvoiceDraft(customer.id, "eur", (LineDraft("Bread", 1_000, 3_00, 700), line))
        with pytest.raises(Invalid) as refused:
            service.issue(draft)
        assert refused.value.field == field
    with db.reading() as session:
        assert session.scalar(select(Invoice.id)) is None


def test_an_item_that_nobody_has_is_not_found(settings: object) -> None:
    acts: tuple[Act, ...] = (lambda: price_list.retire("itm_none"), lambda: price_list.change("itm_none", ADVICE))
    for act in acts:
        with pytest.raises(NotFound):
            act()
