"""What a receipt says, without a database: numbers, rates, quantities, countries, and its JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from portal.documents import facts
from portal.documents.facts import Line, Party
from portal.vat.untaxed import Untaxed
from tests.documents.conftest import EGLISE, NORDLICHT, example, example_note


@pytest.mark.parametrize(
    ("n", "day", "number"),
    [
        (1, date(2026, 1, 1), "R-2026-000001"),
        (123, date(2026, 12, 31), "R-2026-000123"),
        (124, date(2027, 1, 1), "R-2027-000124"),
        (1_234_567, date(2031, 5, 5), "R-2031-1234567"),
    ],
)
def test_the_number_runs_on_through_the_years(n: int, day: date, number: str) -> None:
    assert facts.number_text(n, day) == number


def test_facts_come_back_from_json_as_they_were() -> None:
    written = example(("Strom – 1½ Tage", 1_500, 12_345, 750), ("Free", 1_000, 10, None))
    assert facts.from_json(json.loads(json.dumps(written.to_json()))) == written


def test_facts_of_a_credit_note_come_back_as_they_were() -> None:
    written = example_note((1900, 100_00, 19_00), untaxed=5_00)
    assert facts.from_json(json.loads(json.dumps(written.to_json()))) == written
    assert written.untaxed_minor == 5_00


def test_facts_from_before_documents_had_codes_are_read_as_a_receipt_without_one() -> None:
    now = example()
    first = {name: value for name, value in with_order(now.to_json()).items() if name not in {"kind", "verification"}}
    assert facts.from_json(first | {"version": 1}) == replace(now, version=1, verification=None)


def of_receipt(written: dict[str, Any]) -> dict[str, Any]:
    """As facts of credit notes were written while these named a receipt, and a day that was hoped for."""
    before = {name: value for name, value in written.items() if not name.startswith("corrects")}
    number, day = written["corrects_number"], written["corrects_issued_on"]
    return before | {"receipt_number": number, "receipt_issued_on": day, "expected_by": "2026-12-07"}


def test_facts_of_a_credit_note_that_hoped_for_a_day_are_read_without_it() -> None:
    now = example_note((1900, 100_00, 19_00))
    assert facts.from_json(of_receipt(now.to_json()) | {"version": 4}) == replace(now, version=4)


def with_order(written: dict[str, Any]) -> dict[str, Any]:
    """As facts were written while they held the customer's order number alone of an invoice's details."""
    reference = dict(written["reference"])
    reference["order"] = reference.pop("details").get("reference", "")
    return written | {"reference": reference}


def test_facts_with_an_order_number_are_read_as_such_a_detail() -> None:
    now = example()
    assert now.reference.labelled_details("en") == [("Purchase order number", "PO 7781")]
    assert facts.from_json(with_order(now.to_json()) | {"version": 3}) == replace(now, version=3)
    without = replace(now, reference=replace(now.reference, details={}))
    assert facts.from_json(with_order(without.to_json()) | {"version": 3}) == replace(without, version=3)


def test_facts_of_a_credit_note_with_the_words_of_before_are_read_in_those_of_today() -> None:
    now = example_note((1900, 100_00, 19_00))
    before = of_receipt(with_order(now.to_json())) | {"version": 2, "reason": "not_received"}
    before["bank_reference"] = before.pop("acquirer_reference_number")
    assert facts.from_json(before) == replace(now, version=2, reason="product_not_received")


def test_facts_with_one_reason_for_all_without_tax_are_read_as_the_reason_of_each_part() -> None:
    now = example_note((1900, 100_00, 19_00), (0, 10_00, 0))
    before = now.to_json() | {"version": 5, "untaxed": "reverse_charge"}
    before["taxes"] = [{name: part[name] for name in part if name != "untaxed"} for part in before["taxes"]]
    found = facts.from_json(before)
    assert [tax.untaxed for tax in found.taxes] == [None, Untaxed.REVERSE_CHARGE]
    assert (found.reasons_untaxed, found.has_unexplained) == ((Untaxed.REVERSE_CHARGE,), False)
    assert facts.from_json(before | {"untaxed": None}) == replace(now, version=5)


def test_lines_from_before_they_had_units_say_a_number_alone() -> None:
    now = example(("Strom", 1_500, 12_345, 750))
    before = now.to_json() | {"version": 5, "untaxed": None}
    before["lines"] = [
        {name: part[name] for name in part if name not in {"unit", "supplies", "untaxed"}} for part in before["lines"]
    ]
    assert facts.from_json(before) == replace(now, version=5)


def test_facts_from_before_there_were_discounts_have_none() -> None:
    now = example(("Strom", 1_500, 12_345, 750))
    before = now.to_json() | {"version": 9}
    before["lines"] = [{name: part[name] for name in part if "discount" not in name} for part in before["lines"]]
    assert facts.from_json(before) == replace(now, version=9)


def test_facts_of_another_version_are_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="version 12"):
        facts.from_json(example().to_json() | {"version": 12})


def test_facts_with_something_unknown_are_refused() -> None:
    with pytest.raises(ValueError, match="discount"):
        facts.from_json(example().to_json() | {"discount": 5})


@pytest.mark.parametrize(
    ("basis_points", "language", "text"),
    [
        (1900, "en", "19%"),
        (1900, "de", "19\N{NO-BREAK SPACE}%"),
        (750, "en", "7.5%"),
        (825, "de", "8,25\N{NO-BREAK SPACE}%"),
        (0, "en", "0%"),
        (10_000, "en", "100%"),
        (None, "en", "–"),
    ],
)
def test_a_rate_is_written_as_its_reader_writes_it(basis_points: int | None, language: str, text: str) -> None:
    assert facts.rate_text(basis_points, language) == text


@pytest.mark.parametrize(
    ("thousandths", "language", "text"),
    [(1_000, "en", "1"), (1_500, "de", "1,5"), (1, "en", "0.001"), (1_234_567_000, "en", "1,234,567")],
)
def test_a_quantity_is_written_without_idle_zeros(thousandths: int, language: str, text: str) -> None:
    assert Line("Hours", thousandths, 1, None, 1, 0).quantity_text(language) == text


def test_a_quantity_has_its_unit() -> None:
    assert Line("Hours", 1_500, 1, None, 1, 0, "HUR").quantity_text("de") == "1,5 Stunden"


def test_the_country_is_written_only_when_the_mail_crosses_a_border() -> None:
    assert EGLISE.country_name("de", NORDLICHT) == "Frankreich"
    assert replace(EGLISE, country="DE").country_name("de", NORDLICHT) == ""
    assert replace(EGLISE, country="").country_name("de", NORDLICHT) == ""


@pytest.mark.parametrize("last_line", ["France", "FRANKREICH"])
def test_the_country_is_not_written_twice(last_line: str) -> None:
    party = replace(EGLISE, address=(*EGLISE.address, last_line))
    assert party.country_name("de", NORDLICHT) == ""


def test_a_country_that_nobody_knows_is_written_as_it_is() -> None:
    assert Party("X", (), "XQ", "").country_name("en", NORDLICHT) == "XQ"


def test_taxes_are_summed_by_rate_and_lines_without_a_stated_tax_are_in_none() -> None:
    lines = (Line("a", 1, 1, 700, 100, 7), Line("b", 1, 1, 1900, 50, 10), Line("c", 1, 1, 700, 1, 0))
    found = facts.taxes_of((*lines, Line("d", 1, 1, None, 5, 0)))
    assert [(tax.tax_rate_basis_points, tax.net_minor, tax.tax_minor) for tax in found] == [
        (1900, 50, 10),
        (700, 101, 7),
    ]
