"""What a line counts its quantity in, and whether it is of goods or services: kept, told, and refused where nobody knows it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portal.content import language
from portal.core import config, units
from portal.core.errors import Invalid
from portal.core.units import Unit
from portal.invoices import drafts, spreadsheet
from portal.invoices.drafts import InvoiceDraft, LineDraft
from tests.invoices.conftest import Issue
from tests.invoices.test_import import HEADER, places, read


@pytest.mark.settings(PORTAL_COMPANY_SUPPLIES="goods")
def test_a_line_says_its_unit_and_its_kind_or_what_the_company_mostly_sells(
    settings: config.Settings, issue: Issue
) -> None:
    invoice = issue(
        LineDraft("Advice", 1_500, 100_00, 1900, Unit.HOUR, "services"), LineDraft("Handbook", 2_000, 24_00, 700)
    )
    assert [(line.unit, line.supplies) for line in invoice.lines] == [("HUR", "services"), ("C62", "goods")]
    assert invoice.has_both_kinds


def test_an_unknown_unit_and_an_unknown_kind_are_named_at_their_fields(settings: config.Settings) -> None:
    lines = (LineDraft("Bread", 1_000, 3_00, 700, "ZZZ"), LineDraft("Bread", 1_000, 3_00, 700, Unit.PIECE, "bread"))
    problems = drafts.problems(InvoiceDraft("cus_1", "eur", lines))
    assert [problem.field for problem in problems] == ["lines-0-unit", "lines-1-supplies"]
    assert "ZZZ" in problems[0].text() and "HUR" in problems[0].text()


@pytest.mark.parametrize(
    ("unit", "quantity", "english", "german"),
    [
        (Unit.ONE, "1.5", "1.5", "1,5"),
        (Unit.PIECE, "1", "1 piece", "1 Stück"),
        (Unit.PIECE, "12", "12 pieces", "12 Stück"),
        (Unit.HOUR, "1", "1 hour", "1 Stunde"),
        (Unit.HOUR, "1.5", "1.5 hours", "1,5 Stunden"),
        (Unit.KILOGRAM, "1250", "1,250 kg", "1.250 kg"),
        (Unit.FLAT_RATE, "1", "1 flat rate", "1 Pauschale"),
        ("XQZ", "2", "2 XQZ", "2 XQZ"),
    ],
)
def test_a_quantity_is_written_with_its_unit_in_the_words_of_its_reader(
    unit: str, quantity: str, english: str, german: str
) -> None:
    written = (language.quantity_text(Decimal(quantity), unit, locale) for locale in ("en", "de"))
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in written] == [english, german]


@pytest.mark.parametrize("unit", list(Unit))
def test_each_unit_has_its_words(unit: Unit) -> None:
    for locale in ("en", "de"):
        assert language.unit_text(unit, locale)
        assert str(unit) not in language.quantity_text(Decimal(2), unit, locale)
    assert set(units.LABELS) == set(Unit)


# In a file


def test_a_file_may_name_units_and_kinds(settings: config.Settings) -> None:
    sheet = read(
        "billing@bakery.example,A-1,eur,Advice,1.5,90,19,hur,services",
        "billing@bakery.example,A-1,eur,Bread,2,3.20,7,,goods",
        header=f"{HEADER},unit,supplies",
    )
    assert sheet.problems == []
    assert [(line.unit, line.kind) for line in sheet.entries[0].draft.lines] == [("HUR", "services"), ("C62", "goods")]


def test_what_is_neither_is_told_at_its_cell(settings: config.Settings) -> None:
    row = "billing@bakery.example,A-1,eur,Advice,1.5,90,19,Std,both"
    assert places(read(row, header=f"{HEADER},unit,supplies")) == [(2, "unit"), (2, "supplies")]


def test_a_line_of_the_command_may_have_a_unit_behind_its_quantity() -> None:
    line = spreadsheet.line("Advice;1.5 HUR;90;19", "eur")
    assert (line.quantity_thousandths, line.unit) == (1_500, "HUR")
    with pytest.raises(Invalid):
        spreadsheet.line("Advice;HUR;90;19", "eur")
