"""What staff type finds what they mean, by looks that an index answers on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import joinedload, selectinload

from portal.accounts import service as accounts
from portal.accounts.models import Customer, CustomerWord, WordTrigram
from portal.core import clock, db
from portal.core.errors import NotFound
from portal.documents import service as receipts
from portal.documents.models import PaymentDocument
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice
from portal.payments.models import Payment
from portal.reconciliation.models import StripePayout
from portal.support import recent, search
from portal.support.search import Found
from portal.support.search_places import Kind
from tests import factories
from tests.support.conftest import Desk, refund, saved_card


def payout(payout_id: str, amount_minor: int) -> StripePayout:
    now = clock.now()
    return StripePayout(
        id=payout_id,
        status="paid",
        automatic=True,
        amount_minor=amount_minor,
        currency="eur",
        created_at=now,
        arrives_at=now,
    )


def find(typed: str) -> Found:
    with db.reading() as session:
        return search.search(session, typed)


def kinds(found: Found) -> dict[str, list[str]]:
    """What was found, without the kinds of which nothing was."""
    named = {"customers": "name", "invoices": "number", "documents": "number"}
    return {str(kind): [getattr(row, named.get(kind, "id")) for row in rows] for kind, rows in found.rows.items()}


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
    "typed", ["", "   ", "kes", "elbe bikes", "%", "_", "'", "\x00", "pi_nothing", "@", "ada@other.test"]
)
def test_what_fits_nobody_finds_nothing(desk: Desk, typed: str) -> None:
    assert kinds(find(typed.replace("\x00", ""))) == {}


def test_names_are_found_without_their_accents_and_in_their_new_form(desk: Desk) -> None:
    with db.transaction() as session:
        factories.customer(session, name="Église & Fils SARL", email="contact@eglise.test")
        factories.customer(session, name="Bäckerei Süß", email="post@suess.test")
    assert [row.name for row in find("eglise").rows[Kind.CUSTOMERS]] == ["Église & Fils SARL"]
    assert [row.name for row in find("FILS").rows[Kind.CUSTOMERS]] == ["Église & Fils SARL"]
    assert [row.name for row in find("süss").rows[Kind.CUSTOMERS]] == ["Bäckerei Süß"]
    accounts.change_billing_details(desk.customer.id, name="Havel Ltd", address="", country="", tax_id="")
    assert kinds(find("gmbh")) == {}
    assert [row.name for row in find("havel").rows[Kind.CUSTOMERS]] == ["Havel Ltd"]


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
    assert [row.name for row in find(typed).rows[Kind.CUSTOMERS]] == [stored]
    assert find(typed).rows[Kind.INVOICES] and find(f"x {typed}").rows[Kind.INVOICES]


def test_what_was_copied_from_a_document_is_found(desk: Desk) -> None:
    assert [row.number for row in find(" INV–2026‑000042\u00a0").rows[Kind.INVOICES]] == ["INV-2026-000042"]
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
    assert list(kinds(find(desk.receipt_id))) == ["documents"]


def test_numbers_are_found_by_their_beginning_or_their_end(desk: Desk) -> None:
    with db.reading() as session:
        number = session.get_one(PaymentDocument, desk.receipt_id).number
    assert kinds(find("inv-2026-0000"))["invoices"] == ["INV-2026-000042", "INV-2026-000041"]
    assert kinds(find("INV-2026-000042")) == {"invoices": ["INV-2026-000042"]}
    assert kinds(find(number.lower())) == {"documents": [number]}
    assert kinds(find(str(int(number[-6:]))))["documents"] == [number]
    assert kinds(find("po 77")) == {"invoices": ["INV-2026-000042"]}


def test_four_digits_are_a_cards_last_and_the_newest_payment_comes_first(desk: Desk) -> None:
    with db.transaction() as session:
        long_ago = clock.now() - timedelta(days=40)
        older = factories.payment(session, desk.stranger, card_last4="0005", created_at=long_ago)
        newer = factories.payment(session, desk.stranger, card_last4="0005")
    found = find("0005")
    assert [row.id for row in found.rows[Kind.PAYMENTS]] == [newer.id, older.id]
    assert [row.name for row in found.rows[Kind.CUSTOMERS]] == ["Spree Bikes GmbH"]
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


def test_an_amount_finds_what_was_given_back_taken_by_a_bank_and_paid_out(desk: Desk) -> None:
    with db.transaction() as session:
        dispute = factories.dispute(session, desk.payment, amount_minor=48_00)
        session.add(payout("po_Week48", 48_00))
        given_back = refund(session, desk.payment, asked_minor=48_00, amount_minor=48_00)
    assert kinds(find("48,00")) == {
        "refunds": [given_back.id],
        "disputes": [dispute.id],
        "payouts": ["po_Week48"],
    }
    assert kinds(find("20.00 €")) == {"refunds": [desk.refund_id]}


def test_documents_are_found_by_their_amount_and_an_invoice_once(desk: Desk) -> None:
    with db.transaction() as session:
        invoice = session.get_one(
            Invoice, desk.open_id, options=[selectinload(Invoice.lines), joinedload(Invoice.customer)]
        )
        draft = InvoiceDraft(invoice.customer_id, "eur", (LineDraft("Green electricity", 1_000, 100_00, 1900),))
        receipts.issue_invoice(session, invoice, draft)
        number = session.get_one(PaymentDocument, desk.receipt_id).number
    for typed in ("119,00", "119 €"):
        assert kinds(find(typed))["documents"] == [number], "the invoice stands among the invoices"
        assert everything(Kind.DOCUMENTS, typed) == [[desk.receipt_id]]
    assert "documents" not in kinds(find("119 $"))


def test_stripes_ids_of_disputes_and_payouts_are_found(desk: Desk) -> None:
    with db.transaction() as session:
        dispute = factories.dispute(session, desk.payment, stripe_dispute_id="dp_3Spree")
        session.add(payout("po_Week48", 1_00))
    assert kinds(find("dp_3Spree")) == {"disputes": [dispute.id]}
    assert kinds(find("po_Week48")) == {"payouts": ["po_Week48"]}
    assert find("po_Week48").only is None


def test_payments_of_no_invoice_are_found_by_what_they_are_for(desk: Desk) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, desk.stranger, description="Anzahlung Bootssteg", amount_minor=7_77)
    assert kinds(find("anzahlung boots")) == {"payments": [payment.id]}


def test_payouts_are_for_those_who_see_the_books() -> None:
    assert Kind.PAYOUTS not in search.kinds_for("support")
    assert search.kinds_for("finance") == search.kinds_for("admin") == list(Kind)


# What was meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sprere", {"customers": ["Spree Bikes GmbH"]}),
        ("Spree Bkies", {"customers": ["Spree Bikes GmbH"]}),
        ("ada brndt", {"customers": ["Spree Bikes GmbH"]}),
        ("ikes", {"customers": ["Spree Bikes GmbH"]}),
        ("office@elbe-boots.test", {"customers": ["Elbe Boats AG"]}),
        ("sternschanse", {"customers": ["Bäckerei Sternschanze"]}),
        ("stornschanse", {"customers": ["Bäckerei Sternschanze"]}),
        ("backrei", {"customers": ["Bäckerei Sternschanze"]}),
        ("ivn-2026-000042", {"invoices": ["INV-2026-000042"]}),
        ("inv 2026 42", {"invoices": ["INV-2026-000042"]}),
        ("INV-2026-000024", {"invoices": ["INV-2026-000042"]}),
        ("bestelung 17", {"invoices": ["INV-2026-000050"]}),
    ],
)
def test_a_slip_of_the_pen_finds_what_was_meant(desk: Desk, typed: str, meant: dict[str, list[str]]) -> None:
    with db.transaction() as session:
        other = factories.customer(session, name="Bäckerei Sternschanze", email="post@backen.test")
        factories.invoice(session, other, number="INV-2026-000050", reference="Bestellung 17")
    found = find(typed)
    assert found.meant and kinds(found) == meant
    assert found.only is None, "what is only like it is not opened"


def test_what_is_there_is_not_corrected(desk: Desk) -> None:
    assert find("bike").meant == "" and find("INV-2026-000042").meant == ""


def test_a_word_that_no_customer_has_any_more_is_not_suggested(desk: Desk) -> None:
    accounts.change_billing_details(desk.customer.id, name="Havel Ltd", address="", country="", tax_id="")
    with db.reading() as session:
        spelled = set(session.scalars(select(WordTrigram.word)))
    assert "havel" in spelled and "gmbh" not in spelled
    assert "boats" in spelled, "of others nothing is lost"
    assert kinds(find("gmbhh")) == {}


# All of a kind


def everything(kind: Kind, typed: str) -> list[list[str]]:
    """The ids on each page, from the first to the last; each leads back to the one before."""
    pages: list[list[str]] = []
    cursor = None
    while True:
        with db.reading() as session:
            found = search.all_of_kind(session, kind, typed, cursor)
            ids = [row.id for row in found.rows.get(kind, [])]
            if pages and found.newer:
                back = search.all_of_kind(session, kind, typed, found.newer)
                assert [row.id for row in back.rows[kind]] == pages[-1]
        pages.append(ids)
        cursor = found.older
        if cursor is None:
            return pages


def joined(pages: list[list[str]]) -> list[str]:
    return [one for page in pages for one in page]


def test_all_of_a_kind_are_paged_and_each_is_there_once(desk: Desk) -> None:
    with db.transaction() as session:
        boats = []
        for number in range(45):
            customer = factories.customer(session, name=f"Boats Boatsman {number}", email=f"post{number}@boats.test")
            boats.append(customer.id)
            factories.payment(session, customer, card_last4="1234", amount_minor=12_34, description=f"Rate {number:03}")
        older = [factories.payment(session, desk.stranger, amount_minor=1234_00).id for _ in range(3)]
    pages = everything(Kind.CUSTOMERS, "boats")
    assert sorted(joined(pages)) == sorted([*boats, desk.stranger.id]) and [len(page) for page in pages] == [20, 20, 6]
    assert sorted(joined(everything(Kind.CUSTOMERS, "boats boatsman"))) == sorted(boats)
    with db.reading() as session:
        paid = set(session.scalars(select(Payment.id).where(Payment.card_last4 == "1234")))
    # Four digits are a card's and an amount's: one place after the other.
    found = joined(everything(Kind.PAYMENTS, "1234"))
    assert sorted(found) == sorted([*paid, *older]) and set(found[-3:]) == set(older)
    assert len(joined(everything(Kind.PAYMENTS, "rate"))) == 45


def test_of_what_there_is_more_the_search_says_so(desk: Desk) -> None:
    with db.transaction() as session:
        for number in range(search.MOST_SHOWN + 1):
            factories.customer(session, name=f"Boats {number}", email=f"post{number}@boats.test")
    assert find("boats").more == {Kind.CUSTOMERS}
    assert find("119").more == set()


@pytest.mark.parametrize(
    "cursor", ["", "x", "äö", "WyJhZnRlciIsIDk5LCAiYSIsICJiIl0", "WyJhZnRlciIsIDAsIDEsICJiIl0", "bnVsbA"]
)
def test_a_page_that_nobody_gave_out_is_not_there(desk: Desk, cursor: str) -> None:
    with db.reading() as session:
        if not cursor:
            search.all_of_kind(session, Kind.CUSTOMERS, "spree", cursor)
            return
        with pytest.raises(NotFound):
            search.all_of_kind(session, Kind.CUSTOMERS, "spree", cursor)


# What was opened last


def test_what_someone_opened_last_comes_first_and_only_the_newest_stay(desk: Desk) -> None:
    with db.transaction() as session:
        me, other = factories.staff(session, "support"), factories.staff(session, "approver")
        many = [factories.customer(session, name=f"C {n}", email=f"c{n}@many.test").id for n in range(recent.MOST + 2)]
    for subject in (desk.payment.id, *many, desk.refund_id, "pay_gone"):
        recent.note_opened(me.id, subject)
    with db.reading() as session:
        mine = recent.subjects(session, me.id)
        assert recent.subjects(session, other.id) == []
        found = search.of_subjects(session, mine)
    assert mine[:2] == ["pay_gone", desk.refund_id] and len(mine) == recent.MOST and desk.payment.id not in mine
    assert [row.id for _kind, row in found.in_order] == mine[1:], "what is gone is left out"
    assert found.names[desk.customer.id] == "Spree Bikes GmbH"


def test_of_much_only_a_little_is_shown(desk: Desk) -> None:
    with db.transaction() as session:
        for number in range(search.MOST_SHOWN + 3):
            boats = factories.customer(session, name=f"Boats {number}", email=f"post{number}@boats.test")
            factories.payment(session, boats, card_last4="1117")
    assert len(find("boats").rows[Kind.CUSTOMERS]) == len(find("1117").rows[Kind.PAYMENTS]) == search.MOST_SHOWN


def test_the_only_result_is_a_page(desk: Desk) -> None:
    assert find("elbe").only == ("customer", desk.stranger.id)
    assert find("INV-2026-000042").only == ("invoice", desk.open_id)
    assert find(desk.receipt_id).only == ("payment", desk.payment.id)
    assert find("re_3Spree").only == ("refund", desk.refund_id)
    assert find("119").only is None and find("nobody").only is None


# What the databases make of it

EVERY_FORM = (
    "spree", "ada brandt gmbh", "ada@spree", "pi_3Spree", "ch_3Spree", "pm_1Spree", "re_3Spree", "cus_Spree1", "4242",
    "119,00", "119 eur", "INV-2026", "R-2026-0000", "17", "PO 77", "dp_3Spree", "po_Week48", "txn_3Spree", "spre bkies",
    "ivn 2026 42",
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
    "disputes",
    "documents",
    "stripe_payouts",
    "stripe_transactions",
    "word_trigrams",
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
            # What was counted out before may be sorted: some candidates, and the words that are compared.
            if sqlite and "ORDER BY" in statement and "CO-ROUTINE" not in plan:
                assert "TEMP B-TREE FOR ORDER BY" not in plan, f"{statement}\n{plan}"


def test_a_search_asks_a_bounded_number_of_questions(desk: Desk) -> None:
    for typed in EVERY_FORM:
        with statements() as seen:
            find(typed)
        assert len(seen) <= 40, (typed, len(seen))
