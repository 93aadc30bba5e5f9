"""A customer pays several invoices at once: in Chromium, against the web server, the worker, the sandbox and SMTP."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from playwright.sync_api import expect

from portal.core import db
from portal.invoices.models import Invoice
from tests.flows.conftest import PATIENCE_MS, VISA, Shopper


def numbers(invoice_ids: Iterable[str]) -> list[str]:
    with db.reading() as session:
        return [session.get_one(Invoice, one).number for one in invoice_ids]


def statuses(invoice_ids: Iterable[str]) -> list[str]:
    with db.reading() as session:
        return [session.get_one(Invoice, one).status for one in invoice_ids]


@pytest.mark.database("sqlite", "postgresql")
def test_those_that_are_ticked_are_paid_with_one_charge_and_one_receipt(shopper: Shopper) -> None:
    second, third = shopper.owe(), shopper.owe()
    page = shopper.sign_in().page
    expect(page.get_by_role("link", name="Pay all €357.00")).to_be_visible()
    page.goto(f"{shopper.portal.url}/invoices")
    chosen = [shopper.invoice_id, third]
    for number in numbers(chosen):
        page.get_by_role("checkbox", name=f"Select invoice {number}").check()
    page.get_by_role("button", name="Pay selected: €238.00").click()
    expect(page.get_by_role("heading", name="Pay 2 invoices")).to_be_visible(timeout=PATIENCE_MS)
    shopper.pay_with(VISA)
    shopper.sees_success()
    assert shopper.charged == [238_00]
    assert statuses([shopper.invoice_id, second, third]) == ["paid", "open", "paid"]
    receipt = shopper.receipt_text()
    assert all(number in receipt for number in numbers(chosen)) and numbers([second])[0] not in receipt


@pytest.mark.database("sqlite")
def test_two_tabs_with_overlapping_selections_pay_each_invoice_once(shopper: Shopper) -> None:
    second, third = shopper.owe(), shopper.owe()
    first_tab = shopper.sign_in().page
    second_tab = first_tab.context.new_page()
    address = f"{shopper.portal.url}/payments/together"
    first_tab.goto(f"{address}?invoice={shopper.invoice_id}&invoice={second}")
    second_tab.goto(f"{address}?invoice={second}&invoice={third}")
    shopper.type_card(VISA, first_tab)
    shopper.type_card(VISA, second_tab)
    second_tab.locator("#pay-button").click()
    shopper.sees_success(second_tab)
    first_tab.locator("#pay-button").click()
    expect(first_tab.get_by_text("is already paid").first).to_be_visible(timeout=PATIENCE_MS)
    assert shopper.charged == [238_00]
    assert statuses([shopper.invoice_id, second, third]) == ["open", "paid", "paid"]


@pytest.mark.database("sqlite")
def test_what_cannot_be_paid_at_once_is_told_where_it_is_chosen(shopper: Shopper) -> None:
    shopper.owe()
    page = shopper.sign_in().page
    page.get_by_role("button", name="Pay selected invoices").click()
    expect(page.get_by_text("Please choose at least one invoice.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("checkbox").first.check()
    page.get_by_role("checkbox").nth(1).check()
    page.get_by_role("button", name="Pay selected: €238.00").click()
    expect(page.get_by_role("heading", name="Pay 2 invoices")).to_be_visible(timeout=PATIENCE_MS)
