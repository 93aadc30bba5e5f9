"""What an app may order, what its items come to, and where they are read: on the pages, on the receipt, and in its mail."""

from __future__ import annotations

import html
import io
from typing import Any

import pypdf
import pytest
from flask import Flask

from portal.accounts.models import Customer
from portal.core import config, db
from portal.core.errors import Invalid
from portal.core.money import Money
from portal.documents import email, facts, freezing
from portal.documents import service as receipts
from portal.documents.models import Receipt
from portal.payments import order_rules, service
from portal.payments.models import Payment
from portal.payments.order_rules import Item, Order, whole
from tests import factories
from tests.documents.conftest import Pay, pay
from tests.payments.conftest import Checkout
from tests.smtp import Mailbox, attachment, text_of

__all__ = ["pay"]

ITEMS = (Item("Wallbox <11 kW>", 1_000, 45_00), Item("Cable, by the metre", 2_500, 2_00), Item("Delivery", 1_000, 0))


def order(**values: Any) -> Order:
    facts: dict[str, Any] = {"amount": Money(50_00, "eur"), "description": "Wallbox", "items": ITEMS} | values
    return Order(customer_id="cus_1", client_key="an-apps-order", **facts)


def refused(wanted: Order) -> tuple[str | None, str]:
    with pytest.raises(Invalid) as error:
        order_rules.check(wanted)
    return error.value.field, error.value.code


def test_items_make_up_the_amount() -> None:
    order_rules.check(order())
    assert [item.amount_minor for item in ITEMS] == [45_00, 5_00, 0]
    assert Item("Half a cent is rounded up", 500, 1).amount_minor == 1
    assert refused(order(amount=Money(50_01, "eur"))) == ("items", "invalid")
    order_rules.check(order(items=()))


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (Item("", 1_000, 50_00), "description"),
        (Item("x" * 301, 1_000, 50_00), "description"),
        (Item("two\nlines", 1_000, 50_00), "description"),
        (Item("Wallbox", 0, 50_00), "quantity"),
        (Item("Wallbox", -1_000, -50_00), "quantity"),
        (Item("Wallbox", 10**10, 50_00), "quantity"),
        (Item("Wallbox", 1_000, -1), "unit_amount"),
        (Item("Wallbox", 1_000, 10**12), "unit_amount"),
    ],
)
def test_an_item_that_makes_no_sense_is_named(item: Item, field: str) -> None:
    assert refused(order(items=(*ITEMS, item))) == (f"items-3-{field}", "invalid")


def test_an_order_has_fifty_items_at_most() -> None:
    cent = Item("A cent", 1_000, 1)
    order_rules.check(order(items=(cent,) * 50, amount=Money(50, "eur")))
    assert refused(order(items=(cent,) * 51, amount=Money(51, "eur"))) == ("items", "invalid")


@pytest.mark.parametrize("description", ["", "  ", "x" * 201, "two\nlines", "nothing\0"])
def test_an_amount_says_what_it_is_for(description: str) -> None:
    assert refused(order(description=description)) == ("description", "invalid")


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({f"name{number}": "" for number in range(21)}, "invalid"),
        ({"": "x"}, "bad_name"),
        ({"a b": "x"}, "bad_name"),
        ({"naïve": "x"}, "bad_name"),
        ({"x" * 41: "x"}, "bad_name"),
        ({"name\n": "x"}, "bad_name"),
        *(({name: "x"}, "name_taken") for name in ("payment_id", "customer_id", "invoice_id", "setup_id", "refund_id")),
        ({"name": "x" * 501}, "invalid"),
        ({"name": "nothing\0"}, "invalid"),
        ({"name": "\ud800"}, "invalid"),
    ],
)
def test_entries_that_stripe_or_the_portal_would_stumble_over_are_refused(metadata: dict[str, str], code: str) -> None:
    assert refused(order(metadata=metadata)) == ("metadata", code)
    assert refused(Order("cus_1", "an-apps-order", whole("inv_1"), metadata=metadata)) == ("metadata", code)


def test_entries_may_be_many_and_long() -> None:
    order_rules.check(order(metadata={f"{number:_>40}": "ü" * 499 + "\n" for number in range(20)}))


def test_an_invoice_brings_its_own_items() -> None:
    assert refused(Order("cus_1", "an-apps-order", whole("inv_1"), items=ITEMS)) == ("items", "invalid")


def test_orders_of_the_same_are_equal_whoever_places_them() -> None:
    one = order(metadata={"a": "1", "b": "2"})
    assert one.fingerprint == order(metadata={"b": "2", "a": "1"}).fingerprint
    others: list[dict[str, Any]] = [
        {"items": ITEMS[::-1]}, {"items": ()}, {"amount": Money(50_00, "usd")}, {"description": "Wallbox "},
        {"method": "pm_1"}, {"save_card": True}, {"invoices": whole("inv_1")}, {},
    ]  # fmt: skip
    assert one.fingerprint not in {
        order(**({"metadata": one.metadata} if other else {}), **other).fingerprint for other in others
    }


# Where they are read


def test_they_are_kept_with_the_payment_and_stand_on_its_receipt(
    app: Flask, smtp: Mailbox, settings: config.Settings, pay: Pay
) -> None:
    payment_id = pay(items=[item.to_json() for item in ITEMS], customer={"language": "de"})
    receipt_id = receipts.issue(payment_id)
    receipts.render(receipt_id)
    with app.app_context():
        email.send(receipt_id)
    with db.reading() as session:
        frozen = facts.receipt_from_json(session.get_one(Receipt, receipt_id).facts)
        assert session.get_one(Payment, payment_id).lines == ITEMS
    assert [(line.description, line.quantity_thousandths, line.net_minor, line.tax_minor) for line in frozen.lines] == [
        ("Wallbox <11 kW>", 1_000, 45_00, 0),
        ("Cable, by the metre", 2_500, 5_00, 0),
        ("Delivery", 1_000, 0, 0),
    ]
    assert (frozen.net_minor, frozen.total_minor, frozen.taxes) == (50_00, 50_00, ())
    [message] = smtp.messages
    printed = pypdf.PdfReader(io.BytesIO(attachment(message))).pages[0].extract_text()
    for said in (printed, *(html.unescape(text_of(message, kind)) for kind in ("plain", "html"))):
        for words in ("Wallbox <11 kW>", "Cable, by the metre", "2,5", "5,00\N{NO-BREAK SPACE}€"):
            assert words in said.replace("\n", " ") or words in said.replace("\n", "")


def test_items_that_were_tampered_with_make_no_receipt(pay: Pay) -> None:
    with pytest.raises(freezing.NotAddingUp):
        receipts.issue(pay(items=[item.to_json() for item in ITEMS[:1]]))


@pytest.mark.database("sqlite")
def test_its_customer_and_staff_read_them(app: Flask, pay: Pay) -> None:
    payment_id, without = pay(items=[item.to_json() for item in ITEMS]), pay()
    receipt_id = receipts.issue(payment_id)
    with db.transaction() as session:
        owner = session.get_one(Customer, session.get_one(Payment, payment_id).customer_id)
        customer, reviewer = factories.user(session, owner), factories.staff(session)
    for person, address in (
        (customer, f"/payments/{payment_id}"),
        (customer, f"/receipts/{receipt_id}"),
        (reviewer, f"/support/payments/{payment_id}"),
    ):
        browser = app.test_client()
        factories.sign_in(browser, person)
        page = browser.get(address).get_data(as_text=True)
        for words in ("Wallbox &lt;11 kW&gt;", "Cable, by the metre", "2.5", "€5.00"):
            assert words in page, address
    assert "What is paid for" not in browser.get(f"/support/payments/{without}").get_data(as_text=True)


def test_an_order_with_items_is_written_down(settings: config.Settings, checkout: Checkout) -> None:
    found = service.process(
        Order(checkout.customer_id, "an-apps-order", amount=Money(50_00, "eur"), description=" Wallbox ", items=ITEMS)
    )
    assert (found.payment.lines, found.payment.description) == (ITEMS, "Wallbox")
    assert found.payment.extra == {}
