"""What staff type finds what they mean, by looks that an index answers on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text

from portal.accounts import service as accounts
from portal.accounts.models import Customer, CustomerWord
from portal.core import clock, db
from portal.documents.models import PaymentDocument
from portal.support import search
from portal.support.search import Found
from tests import factories
from tests.support.conftest import Desk, saved_card


def find(typed: str) -> Found:
    with db.reading() as session:
        return search.search(session, typed)


def kinds(found: Found) -> dict[str, list[str]]:
    """What was found, without the kinds of which nothing was."""
    named = {
        "customers": [row.name for row in found.customers],
        "payments": [row.id for row in found.payments],
        "invoices": [row.number for row in found.invoices],
        "receipts": [row.number for row in found.documents],
        "refunds": [row.id for row in found.refunds],
    }
    return {kind: names for kind, names in named.items() if names}


SPREE = {"customers": ["Spree Bikes GmbH"]}


@pytest.mark.parametrize(
    "typed",
    [
        "spree", "SPREE BI", "bikes", "gmbh spree", "  Spree   Bikes GmbH ", "brandt", "ada bra", "spree-bikes.test",
        "ada@spree-bikes.test", "ADA@spree", "zoe@",
    ],
)  # fmt: skip
def test_a_customer_is_found_by_beginnings_of_names_and_addresses(desk: Desk, typed: str) -> None:
    with db.transaction() as session:
        factories.user(session, session.get_one(Customer, desk.customer.id), email="zoe@spree-bikes.test")
    assert kinds(find(typed)) == SPREE


@pytest.mark.parametrize(
    "typed", ["", "   ", "ikes", "elbe bikes", "%", "_", "'", "\x00", "pi_nothing", "@", "ada@other.test"]
)
def test_what_fits_nobody_finds_nothing(desk: Desk, typed: str) -> None:
    assert kinds(find(typed.replace("\x00", ""))) == {}


def test_names_are_found_without_their_accents_and_in_their_new_form(desk: Desk) -> None:
    with db.transaction() as session:
        factories.customer(session, name="Église & Fils SARL", email="contact@eglise.test")
        factories.customer(session, name="Bäckerei Süß", email="post@suess.test")
    assert [row.name for row in find("eglise").customers] == ["Église & Fils SARL"]
    assert [row.name for row in find("FILS").customers] == ["Église & Fils SARL"]
    assert [row.name for row in find("süss").customers] == ["Bäckerei Süß"]
    accounts.change_billing_details(desk.customer.id, name="Havel Ltd", address="", country="", tax_id="")
    assert kinds(find("gmbh")) == {}
    assert [row.name for row in find("havel").customers] == ["Havel Ltd"]


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Möbel Jürgens", "moebel"),
        ("Möbel Jürgens", "MÖBEL JUERG"),
        ("Mo\u0308bel Ju\u0308rgens", "möbel"),  # kept as some systems write it, two signs for an ö
        ("Möbel Jürgens", "mo\u0308bel ju\u0308rgens"),
        ("Moebel Juergens", "Möbel"),
        ("Łódź Østergård", "lodz oster"),
        ("ΔΕΛΤΑ", "δελτα"),
        ("ДЕЛЬТА", "дельта"),
        ("ＡＢＣ株式会社", "abc株式"),  # full-width
    ],
)
def test_case_accents_and_forms_make_no_difference(desk: Desk, stored: str, typed: str) -> None:
    with db.transaction() as session:
        customer = factories.customer(session, name=stored, email="post@other.test")
        factories.invoice(session, customer, reference=f"{stored} 7", external_reference=f"x {stored}")
    assert [row.name for row in find(typed).customers] == [stored]
    assert find(typed).invoices and find(f"x {typed}").invoices


def test_what_was_copied_from_a_document_is_found(desk: Desk) -> None:
    assert [row.number for row in find(" INV–2026‑000042\u00a0").invoices] == ["INV-2026-000042"]
    assert kinds(find("119,00\u00a0€")) == kinds(find("119,00 €"))


def test_signing_in_writes_no_words_anew(desk: Desk) -> None:
    with db.transaction() as session:
        session.execute(text("DELETE FROM customer_words"))
        person = session.merge(desk.user)
        person.last_sign_in_at = clock.now()
    with db.reading() as session:
        assert session.scalars(select(CustomerWord)).all() == []


def test_ids_of_ours_and_of_stripe_find_what_they_name(desk: Desk) -> None:
    payment = desk.payment.id
    with db.transaction() as session:
        session.get_one(Customer, desk.customer.id).stripe_customer_id = "cus_Spree1"
        card = saved_card(session, desk.customer, stripe_payment_method_id="pm_Kept12", is_default=False)
    for typed in (payment, "pi_3Spree", "ch_3Spree", "pm_1Spree"):
        assert kinds(find(typed)) == {"payments": [payment]}, typed
    for typed in (desk.customer.id, "cus_Spree1", card.stripe_payment_method_id):
        assert kinds(find(typed)) == SPREE, typed
    for typed in (desk.refund_id, "re_3Spree"):
        assert kinds(find(typed)) == {"refunds": [desk.refund_id]}, typed
    assert kinds(find(desk.open_id)) == {"invoices": ["INV-2026-000042"]}
    assert list(kinds(find(desk.receipt_id))) == ["receipts"]


def test_numbers_are_found_by_their_beginning_or_their_end(desk: Desk) -> None:
    with db.reading() as session:
        number = session.get_one(PaymentDocument, desk.receipt_id).number
    assert kinds(find("inv-2026-0000"))["invoices"] == ["INV-2026-000042", "INV-2026-000041"]
    assert kinds(find("INV-2026-000042")) == {"invoices": ["INV-2026-000042"]}
    assert kinds(find(number.lower())) == {"receipts": [number]}
    assert kinds(find(str(int(number[-6:]))))["receipts"] == [number]
    assert kinds(find("po 77")) == {"invoices": ["INV-2026-000042"]}


def test_four_digits_are_a_cards_last_and_the_newest_payment_comes_first(desk: Desk) -> None:
    with db.transaction() as session:
        long_ago = clock.now() - timedelta(days=40)
        older = factories.payment(session, desk.stranger, card_last4="0005", created_at=long_ago)
        newer = factories.payment(session, desk.stranger, card_last4="0005")
    found = find("0005")
    assert [row.id for row in found.payments] == [newer.id, older.id]
    assert [row.name for row in found.customers] == ["Spree Bikes GmbH"]
    assert found.names[desk.stranger.id] == "Elbe Boats AG"


@pytest.mark.parametrize("typed", ["119", "119.00", "119,00 €", "€119", "119.0 eur", "EUR 119,00", "119."])
def test_an_amount_is_understood_however_it_is_written(desk: Desk, typed: str) -> None:
    found = kinds(find(typed))
    assert found["payments"] == [desk.payment.id]
    assert found["invoices"] == ["INV-2026-000042", "INV-2026-000041"]


def test_an_amount_means_what_its_currency_makes_of_it(desk: Desk) -> None:
    with db.transaction() as session:
        yen = factories.payment(session, desk.stranger, amount_minor=1_250, currency="jpy")
        euro = factories.payment(session, desk.stranger, amount_minor=1_250_00)
        dinar = factories.payment(session, desk.stranger, amount_minor=1_250, currency="kwd")
    assert set(kinds(find("1.250"))["payments"]) == {yen.id, euro.id, dinar.id}
    assert kinds(find("1250 jpy"))["payments"] == [yen.id]
    assert set(kinds(find("1.250,00"))["payments"]) == {yen.id, euro.id}
    assert kinds(find("119 $")) == kinds(find("119 xyz")) == {}


def test_of_much_only_a_little_is_shown(desk: Desk) -> None:
    with db.transaction() as session:
        for number in range(search.MOST_SHOWN + 3):
            boats = factories.customer(session, name=f"Boats {number}", email=f"post{number}@boats.test")
            factories.payment(session, boats, card_last4="1117")
    assert len(find("boats").customers) == len(find("1117").payments) == search.MOST_SHOWN


def test_the_only_result_is_a_page(desk: Desk) -> None:
    assert find("elbe").only == ("customer", desk.stranger.id)
    assert find("INV-2026-000042").only == ("invoice", desk.open_id)
    assert find(desk.receipt_id).only == ("payment", desk.payment.id)
    assert find("re_3Spree").only == ("refund", desk.refund_id)
    assert find("119").only is None and find("nobody").only is None


# What the databases make of it

EVERY_FORM = (
    "spree", "ada brandt gmbh", "ada@spree", "pi_3Spree", "ch_3Spree", "pm_1Spree", "re_3Spree", "cus_Spree1", "4242",
    "119,00", "119 eur", "INV-2026", "R-2026-0000", "17", "PO 77",
)  # fmt: skip
BIG = {
    "customers",
    "customer_words",
    "payments",
    "invoices",
    "receipts",
    "refunds",
    "payment_methods",
    "former_stripe_customers",
}


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The selects of this block with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            seen.append((statement, parameters))

    event.listen(db.engine(), "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine(), "before_cursor_execute", note)


@pytest.mark.parametrize("typed", EVERY_FORM)
def test_every_look_is_answered_by_an_index(desk: Desk, typed: str) -> None:
    with statements() as seen:
        find(typed)
    assert seen
    sqlite = db.engine().dialect.name == "sqlite"
    with db.engine().connect() as connection:
        if not sqlite:
            # A handful of rows is read faster than an index; what matters is whether there is one that can be used.
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in list(seen):
            explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
            rows = connection.exec_driver_sql(explain + statement, parameters).all()
            plan = "\n".join(str(row[-1]) for row in rows)
            whole = [
                table
                for table in BIG
                if f"SCAN {table} " in f"{plan} ".replace("\n", " ") or f"Seq Scan on {table} " in plan
            ]
            assert whole == [], f"{statement}\n{plan}"
            if sqlite and "ORDER BY" in statement:
                assert "TEMP B-TREE FOR ORDER BY" not in plan, f"{statement}\n{plan}"


def test_a_search_asks_a_bounded_number_of_questions(desk: Desk) -> None:
    for typed in EVERY_FORM:
        with statements() as seen:
            find(typed)
        assert len(seen) <= 24, (typed, len(seen))
