"""A rate of tax that does not exist on the day of supply is refused, wherever an invoice comes from."""

from __future__ import annotations

import io
from datetime import date

import pytest
import time_machine

from portal.accounts.models import Customer
from portal.core import config, db
from portal.core.errors import Invalid
from portal.invoices import importing, price_list
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from tests import factories

TABLE = "DE 19,7 ..2026-12-31; DE 21,7 2027-01-01..; FR 20"
pytestmark = [pytest.mark.database("sqlite"), pytest.mark.settings(PORTAL_TAX_RATES=TABLE)]


@pytest.fixture
def customer(settings: config.Settings) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


@time_machine.travel("2027-01-15T10:00:00Z", tick=True)
def test_the_day_of_supply_decides_and_not_that_of_the_invoice(customer: Customer) -> None:
    old, new = LineDraft("Power", 1_000, 10_00, 1900), LineDraft("Power", 1_000, 10_00, 2100)
    december = date(2026, 12, 1), date(2026, 12, 31)
    assert invoices.issue(
        InvoiceDraft(customer.id, "eur", (old,), supplied_from=december[0], supplied_to=december[1])
    ).number
    over_the_year = InvoiceDraft(customer.id, "eur", (new,), supplied_from=december[0], supplied_to=date(2027, 1, 10))
    assert invoices.issue(over_the_year).number
    with pytest.raises(Invalid) as refused:
        invoices.issue(InvoiceDraft(customer.id, "eur", (new, old)))
    assert (refused.value.field, refused.value.facts["known"]) == ("lines-1-tax_rate", "21, 20, 7, 0")


def test_the_rate_of_another_country_is_for_its_customers_alone(customer: Customer) -> None:
    lines = (LineDraft("Power", 1_000, 10_00, 2000),)
    with pytest.raises(Invalid) as refused:
        invoices.issue(InvoiceDraft(customer.id, "eur", lines))
    assert (refused.value.field, refused.value.facts["known"]) == ("lines-0-tax_rate", "19, 7, 0")
    with db.transaction() as session:
        abroad = factories.customer(session, country="FR", tax_id="")
    assert invoices.issue(InvoiceDraft(abroad.id, "eur", lines)).number


def test_a_file_is_told_each_wrong_rate_at_its_line(customer: Customer) -> None:
    head = "customer,invoice,currency,description,quantity,unit_price,tax_rate\n"
    rows = [f"{customer.email},{n},eur,Power,1,10,{rate}\n" for n, rate in ((1, 19), (2, 18), (3, 20))]
    report = importing.import_csv(io.BytesIO((head + "".join(rows)).encode()), dry_run=True)
    assert {(problem.line, problem.column) for problem in report.problems} >= {(3, "tax_rate")}
    report = importing.import_csv(io.BytesIO((head + rows[0] + rows[2]).encode()), dry_run=True)
    assert [(problem.line, problem.column) for problem in report.problems] == [(3, "tax_rate")]


def test_an_item_of_the_price_list_has_a_rate_of_today(customer: Customer) -> None:
    with pytest.raises(Invalid) as refused:
        price_list.create(price_list.ItemDraft("Power", "", "C62", 10_00, "eur", 1800, "services"))
    assert "tax_rate" in str([getattr(one, "field", "") for one in getattr(refused.value, "problems", [refused.value])])
