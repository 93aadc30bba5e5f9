"""Invoices from a CSV file: everything or nothing, and every mistake at its place."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from portal.accounts.models import Customer
from portal.accounts.service import Deactivated
from portal.content import sheets
from portal.core import clock, db
from portal.core.errors import Invalid
from portal.invoices import corrected, importing, queries, service, spreadsheet
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.importing import ImportReport
from portal.invoices.models import Invoice
from portal.invoices.spreadsheet import DecimalMark, Sheet, scaled
from tests.invoices.conftest import add_customer, line

SAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "invoices.csv"
HEADER = "customer,invoice,currency,description,quantity,unit_price,tax_rate"
ROW = "billing@bakery.example,A-1,eur,Bread,2,3.20,7"


def file(*rows: str, header: str = HEADER) -> io.BytesIO:
    return io.BytesIO("\r\n".join((header, *rows)).encode())


def imported(*rows: str, header: str = HEADER, mark: DecimalMark | None = None, dry_run: bool = False) -> ImportReport:
    return importing.import_csv(file(*rows, header=header), decimal_mark=mark, dry_run=dry_run)


def read(*rows: str, header: str = HEADER) -> Sheet:
    return spreadsheet.read(file(*rows, header=header))


def places(report: ImportReport | Sheet) -> list[tuple[int, str]]:
    return [(problem.line, problem.column) for problem in report.problems]


def count() -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(Invoice)) or 0


# With the database


def test_the_sample_in_the_documentation_is_imported(settings: object) -> None:
    customer = add_customer("Demo Bakery", "alex@bakery.example")
    add_customer("Demo Studio", "robin@studio.example")
    with SAMPLE.open("rb") as sample:
        report = importing.import_csv(sample)
    assert (report.rows, report.fresh, report.problems) == (4, 2, ())
    bakery, studio = report.issued
    assert [one.quantity_thousandths for one in bakery.lines] == [28_400, 31_000, 2_000]
    assert (bakery.net_minor, bakery.tax_minor, bakery.total.plain()) == (875_20, 160_53, "1035.73")
    assert (bakery.reference, studio.note, studio.total.plain()) == ("PO 4711", "Thank you for ordering.", "480.00")
    with db.reading() as session:
        assert queries.for_customer(session, bakery.id, customer.id).external_reference == "2026-1001"


def test_the_same_file_again_changes_nothing(customer: Customer) -> None:
    first = imported(ROW)
    again = imported(ROW)
    assert (again.fresh, again.issued, [one.id for one in again.already]) == (0, (), [first.issued[0].id])
    more = imported(ROW, ROW.replace("A-1", "A-2"))
    assert (len(more.issued), len(more.already), count()) == (1, 1, 2)


def test_an_invoice_that_has_changed_in_the_file_is_a_problem(customer: Customer) -> None:
    number = imported(ROW).issued[0].number
    report = imported(ROW.replace("3.20", "3.30"))
    assert places(report) == [(2, "invoice")]
    assert number in report.problems[0].text and "6.85 EUR" in report.problems[0].text


def test_one_wrong_row_and_nothing_is_imported(customer: Customer) -> None:
    report = imported(ROW, ROW.replace("A-1", "A-2").replace(",2,", ",two,"), ROW.replace("A-1", "A-3"))
    assert places(report) == [(3, "quantity")]
    assert (report.rows, report.issued, count()) == (3, (), 0)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(customer: Customer) -> None:
    report = imported(ROW, ROW.replace("A-1", "A-2"), dry_run=True)
    assert (report.fresh, report.issued, report.problems, count()) == (2, (), (), 0)


def test_a_customer_must_be_known_and_only_one(customer: Customer) -> None:
    add_customer("Demo Bakery's shop", "billing@bakery.example")
    report = imported(ROW, ROW.replace("billing", "nobody"))
    assert places(report) == [(2, "customer"), (3, "customer")]
    assert [problem.text for problem in report.problems] == [
        "More than one customer has this e-mail address.",
        "No customer has this e-mail address.",
    ]


def test_an_address_is_found_however_it_is_written(customer: Customer) -> None:
    assert imported(ROW.replace("billing@bakery", "Billing@Bakery")).issued[0].customer_id == customer.id


# Reading alone


def test_semicolons_a_bom_and_decimal_commas() -> None:
    text = f'\ufeff{HEADER.replace(",", ";")}\na@b.example;A-1;JPY;"Tea; green";1,5;1000;10 %\n\n;;;;;;\n'
    sheet = spreadsheet.read(io.BytesIO(text.encode()))
    assert (sheet.rows, sheet.problems) == (1, [])
    draft = sheet.entries[0].draft
    assert (draft.currency, draft.lines[0].description) == ("jpy", "Tea; green")
    one = draft.lines[0]
    assert (one.quantity_thousandths, one.unit_price_minor, one.tax_rate_basis_points) == (1_500, 1_000, 1_000)


def test_rows_of_one_invoice_need_not_stand_together_and_order_of_columns_is_free() -> None:
    header = "tax_rate,unit_price,quantity,description,invoice,customer,currency"
    rows = ["0,10,1,First,A,a@b.example,eur", "0,10,1,Other,B,a@b.example,eur", "0,5,1,Second,A,A@b.example,"]
    entries = read(*rows, header=header).entries
    assert [[one.description for one in entry.draft.lines] for entry in entries] == [["First", "Second"], ["Other"]]


def test_every_mistake_of_a_file_is_listed_at_once() -> None:
    sheet = read(
        ",A-1,eur,Bread,1,1,0",
        "a@b.example,,eur,Bread,1,1,0",
        "a@b.example,A-2,xyz,Bread,-1,1e3,x",
        "a@b.example,A-3,eur,,1,1,0",
        "a@b.example,A-4,eur,Bread,1,1",
        "a@b.example,A-5,eur,Bread,1,0.10,0",
        "a@b.example,A-6,eur,Bread,1,1.234,0",
        "a@b.example,A-7,eur,Bread,1,5,0",
        "a@b.example,A-7,usd,Bread,1,5,101",
        "a@b.example,A-8,eur,Bread,1,5,101",
    )
    assert places(sheet) == [
        (2, "customer"),
        (3, "invoice"),
        (4, "currency"),
        (4, "quantity"),
        (4, "unit_price"),
        (4, "tax_rate"),
        (5, "description"),
        (6, ""),
        (7, ""),
        (8, "unit_price"),
        (10, "currency"),
        (10, "tax_rate"),
        (11, "tax_rate"),
    ]
    assert not sheet.entries
    assert all(problem.text for problem in sheet.problems)


def test_every_mistake_is_told_in_one_round_also_of_the_customer_and_behind_what_cannot_be_read(
    customer: Customer,
) -> None:
    report = imported(
        "nobody@b.example,A-1,eur,Bread,x,1,0",
        'a@b.example,"A-2"x,eur,Bread,1,1,0',
        "nobody@b.example,A-3,eur,Bread,0,1,200,,,",
        "billing@bakery.example,A-4,eur,,1,1,0,much",
    )
    assert places(report) == [
        (2, "quantity"),
        (2, "customer"),
        (3, ""),
        (4, "quantity"),
        (4, "tax_rate"),
        (4, "customer"),
        (5, ""),
    ]
    header = spreadsheet.read(io.BytesIO(b"customer,invoice,colour,colour\na,b,c,d\n"))
    assert [problem.line for problem in header.problems] == [1, 1, 1]


def test_a_line_may_cost_nothing_and_bear_no_tax() -> None:
    (entry,) = read("a@b.example,A-1,eur,Bread,1,5,7", "a@b.example,A-1,eur,A bag,1,0,0").entries
    assert [(line.unit_price_minor, line.tax_rate_basis_points) for line in entry.draft.lines] == [(5_00, 7_00), (0, 0)]


def test_the_days_of_a_supply_are_its_first_and_its_last() -> None:
    header = HEADER + ",supplied_from,supplied_to"
    (entry,) = read("a@b.example,A-1,eur,Bread,1,5,0,2026-10-01,2026-10-31", header=header).entries
    assert (entry.draft.supplied_from, entry.draft.supplied_to) == (date(2026, 10, 1), date(2026, 10, 31))


def test_a_day_is_compared_with_no_day_that_could_not_be_read() -> None:
    header = HEADER + ",issued,due"
    assert places(read("a@b.example,A-1,eur,Bread,1,5,0,yesterday,2020-01-31", header=header)) == [(2, "issued")]
    assert places(read("a@b.example,A-1,eur,Bread,1,5,0,2020-02-01,2020-01-31", header=header)) == [(2, "due")]


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\r\n" + HEADER.replace(",", ";") + ";;;\r\na@b.example;A-1;EUR;Bread, white;1;5;0;;;\r\n"
        "a@b.example;A-1;eur;Rolls;1;5;0;;;\r\n",
        HEADER.replace(",", "\t") + "\t\n a@b.example\tA-1\teur\tBread, white\t1\t5\t0\t\n"
        "a@b.example\u00a0\tA-1\tEUR\tRolls\t1\t5\u00a0\t0\n",
        f'sep=,\n{HEADER.upper()},\nA@b.example,A-1,Eur,"Bread, white",1,5,0\na@b.example,A-1,EUR,Rolls,1,5,0,\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_as_spreadsheets_save_them(content: str, encoding: str) -> None:
    sheet = spreadsheet.read(io.BytesIO(content.encode(encoding)))
    assert sheet.problems == []
    (entry,) = sheet.entries
    assert (entry.email, entry.draft.currency, entry.totals.total_minor) == ("a@b.example", "eur", 10_00)
    assert [line.description for line in entry.draft.lines] == ["Bread, white", "Rolls"]


def test_lines_are_counted_behind_a_line_that_names_the_separator() -> None:
    sheet = spreadsheet.read(io.BytesIO(f"sep=,\n{HEADER}\n{ROW}\n{ROW.replace('3.20', 'x')}\n".encode()))
    assert places(sheet) == [(4, "unit_price")]


def test_a_mistake_after_a_cell_of_several_lines_is_at_its_own_line() -> None:
    header = f"{HEADER},note"
    rows = ('a@b.example,A-1,eur,Bread,1,5,0,"one\ntwo\nthree"', "a@b.example,A-2,eur,Bread,none,5,0,")
    assert places(read(*rows, header=header)) == [(5, "quantity")]


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (b"", 0, "empty"),
        (b" \n\n", 0, "empty"),
        (f"{HEADER}\n".encode(), 0, "no rows"),
        (f"{HEADER}\n{ROW}\n".replace("Bread", "Brötchen").encode("latin-1"), 2, "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", 1, "not UTF-8"),
        (b"customer,invoice\na,b\n", 1, "Columns are missing: currency, description"),
        (f"{HEADER},colour\n{ROW},red\n".encode(), 1, "no such columns: colour"),
        (f"{HEADER},currency\n{ROW},eur\n".encode(), 1, "twice"),
        (f'{HEADER}\n{ROW}\na@b.example,"A-2,eur\n'.encode(), 3, "quotation mark"),
        (f"{HEADER}\n".encode() + f"{ROW}\n".encode() * 501, 502, "more than 500 rows"),
        (b"x" * 1_000_001, 0, "larger than 1 MB"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, line: int, told: str) -> None:
    sheet = spreadsheet.read(io.BytesIO(content))
    assert not sheet.entries
    assert sheet.problems[-1].line == line
    assert told in sheet.problems[-1].text


def test_a_file_of_the_largest_size_is_read_and_each_of_its_rows_counts() -> None:
    largest = HEADER.encode() + b"\n" + b"x" * (1_000_000 - len(HEADER) - 1)
    assert len(sheets.text_of(io.BytesIO(largest))) == 1_000_000
    with pytest.raises(sheets.Unreadable) as caught:
        sheets.text_of(io.BytesIO(b"\n\xff"))
    assert caught.value.problems[0].line == 2
    assert spreadsheet.read(io.BytesIO(f'{HEADER}\n{ROW}\na@b.example,"A-2"x,eur\n{ROW}\n'.encode())).rows == 3


@pytest.mark.parametrize(
    ("text", "decimals", "value"),
    [
        ("12", 2, 12_00),
        ("12.5", 2, 12_50),
        ("12,50", 2, 12_50),
        ("0.125", 3, 125),
        ("1234.500", 3, 1_234_500),
        ("1,2340", 3, 1_234),
    ],
)
def test_numbers_with_point_or_comma(text: str, decimals: int, value: int) -> None:
    assert scaled(text, decimals) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1 000",
        "1.000,00",
        "1,000.00",
        "1e3",
        "１２",
        "NaN",
        ".5",
        "5.",
        "1'000",
        "0x10",
        "9" * 13,
        "=1+1",
    ],
)
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        scaled(text, 2)


def test_what_could_be_thousands_is_refused_unless_the_mark_is_named() -> None:
    for text in ("1.250", "1,250", "999.999"):
        with pytest.raises(Invalid, match="could mean"):
            scaled(text, 3)
    assert scaled("1.250", 3, ".") == 1_250
    assert scaled("1,250", 3, ",") == 1_250
    for text, mark in (("1,250", "."), ("1.5", ",")):
        with pytest.raises(Invalid, match="does not use"):
            scaled(text, 3, mark)  # type: ignore[arg-type]


# The file to correct


def to_correct(*rows: str, header: str = HEADER) -> list[list[str]]:
    """Its rows as a spreadsheet reads them, the header first."""
    given = file(*rows, header=header)
    report = importing.import_csv(given, dry_run=True)
    text = "".join(corrected.lines(given.getvalue(), report.problems, None, lambda error: error.text()))
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def again(rows: list[list[str]]) -> ImportReport:
    into = io.StringIO(newline="")
    csv.writer(into).writerows(rows)
    return importing.import_csv(io.BytesIO(into.getvalue().encode()))


def test_the_file_to_correct_has_the_same_rows_and_says_what_is_wrong(settings: object) -> None:
    add_customer("Demo Bakery", "billing@bakery.example")
    header, right, wrong = to_correct(ROW, ROW.replace("3.20", "cheap").replace("A-1", "A-2"))
    assert header == [*HEADER.split(","), "problem", "corrected"]
    assert right == [*ROW.split(","), "", ""]
    assert wrong[5] == "cheap" and wrong[7].startswith("unit_price: “cheap” is not a number") and wrong[8] == ""
    wrong[5] = "3.20"
    assert again([header, right, wrong]).fresh == 2


@pytest.mark.parametrize(
    ("column", "written", "meant"),
    [
        ("unit_price", '"1.234,50"', "1234.50"),
        ("unit_price", '"1,234.50"', "1234.50"),
        ("unit_price", "1 234.50", "1234.50"),
        ("unit_price", "€3.20", "3.20"),
        ("quantity", "1\u00a0000", "1000"),
        ("issued", "23.11.2025", "2025-11-23"),
        ("issued", "2025/11/23", "2025-11-23"),
        ("currency", "€", "eur"),
    ],
)
def test_what_can_mean_one_thing_only_is_corrected_and_marked(
    settings: object, column: str, written: str, meant: str
) -> None:
    add_customer("Demo Bakery", "billing@bakery.example")
    names = [*HEADER.split(","), "issued"]
    cells = dict(zip(names, [*ROW.split(","), "2025-11-01"], strict=True)) | {column: written}
    header, row = to_correct(",".join(cells.values()), header=",".join(names))
    assert row[header.index(column)] == meant
    assert row[header.index("problem")] == ""
    assert row[header.index("corrected")].startswith(f"{column}: ") and row[header.index("corrected")].endswith(
        f"→ {meant}"
    )
    assert again([header, row]).fresh == 1


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("unit_price", "1.250"),
        ("issued", "11/12/2025"),
        ("issued", "31.02.2025"),
        ("currency", "$"),
        ("quantity", "-1"),
    ],
)
def test_what_could_mean_two_things_is_left_to_a_person(settings: object, column: str, written: str) -> None:
    add_customer("Demo Bakery", "billing@bakery.example")
    names = [*HEADER.split(","), "issued"]
    cells = dict(zip(names, [*ROW.split(","), "2025-11-01"], strict=True)) | {column: written}
    header, row = to_correct(",".join(cells.values()), header=",".join(names))
    assert (row[header.index(column)].lstrip("'"), row[header.index("corrected")]) == (written, "")
    assert row[header.index("problem")].startswith(f"{column}: ")


def test_no_cell_of_it_is_run_by_a_spreadsheet_and_none_has_changed_when_it_comes_back(settings: object) -> None:
    add_customer("Demo Bakery", "billing@bakery.example")
    formula = ROW.replace("Bread", '"=HYPERLINK(""x"")"')
    header, row = to_correct(formula, ROW.replace("eur", "xyz").replace("A-1", "A-2"))[:2]
    assert row[3] == '\'=HYPERLINK("x")'
    (issued,) = again([header, row]).issued
    with db.reading() as session:
        assert queries.for_staff(session, issued.id).lines[0].description == '=HYPERLINK("x")'


def test_a_row_that_cannot_be_taken_apart_stays_as_it_is(settings: object) -> None:
    add_customer("Demo Bakery", "billing@bakery.example")
    rows = to_correct(ROW, "a,b,c", f"{ROW},more,cells", 'x,"y"z,1')
    assert [row[0] for row in rows[2:]] == ["a", f"{ROW},more,cells", 'x,"y"z,1']
    assert all(row[7] for row in rows[2:])


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\n", b"customer,when\nx,y\n"])
def test_of_a_file_without_rows_to_tell_apart_there_is_none(settings: object, content: bytes) -> None:
    with pytest.raises(sheets.Unreadable):
        corrected.lines(content, (), None, lambda error: error.text())


def test_a_deactivated_customer_gets_no_invoice(settings: object) -> None:
    customer = add_customer("Demo Bakery", "billing@bakery.example")
    with db.transaction() as session:
        session.get_one(Customer, customer.id).deactivated_at = clock.now()
    report = imported(ROW)
    assert (places(report), report.fresh, count()) == ([(2, "customer")], 0, 0)
    with pytest.raises(Deactivated):
        service.issue(InvoiceDraft(customer.id, "eur", (line(),)))
    assert count() == 0
