"""Invoices that are not paid yet are credited: what is due, the books, the credit note, and who must agree."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import db
from portal.core.errors import Conflict, Forbidden, Invalid, PortalError
from portal.core.money import Money
from portal.documents import facts
from portal.documents import service as _documents  # noqa: F401  # it issues the credit note
from portal.documents.models import CreditNote
from portal.invoices import crediting, queries, service
from portal.invoices.credit_lines import Wanted
from portal.invoices.models import Invoice, InvoiceCredit
from portal.ledger import LedgerAccount
from portal.payments import service as _payments  # noqa: F401  # its guard speaks against an invoice that is being paid
from portal.webhook_endpoints.models import WebhookEvent
from tests import factories
from tests.concurrency import run_concurrently
from tests.crashing import dies
from tests.invoices.conftest import Issue, line, overdue
from tests.invoices.test_receivables import RECEIVABLES, REVENUE, TAX, books, give_back, owed, pay
from tests.invoices.test_service import events_of, stored, void

KEY = "credit-form-of-tests"


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def credit(invoice: Invoice, *lines: Wanted, **values: Any) -> InvoiceCredit:
    facts: dict[str, Any] = {"reason": "Two panels came back", "lines": lines or None}
    return crediting.credit(invoice.id, values.pop("by", None), **(facts | values))


def notes_of(invoice: Invoice) -> list[CreditNote]:
    with db.reading() as session:
        of_it = select(CreditNote).join(InvoiceCredit, InvoiceCredit.id == CreditNote.credit_id)
        return list(session.scalars(of_it.where(InvoiceCredit.invoice_id == invoice.id).order_by(CreditNote.number)))


def said(note: CreditNote) -> facts.CorrectionFacts:
    found = facts.from_json(note.facts)
    assert isinstance(found, facts.CorrectionFacts)
    return found


def pay_by_card(invoice: Invoice, amount: int) -> str:
    with db.transaction() as session:
        session.get_one(Customer, invoice.customer_id).stripe_customer_id = "cus_of_credits"
    return pay(invoice, amount)


def test_a_quantity_of_a_line_lowers_what_is_due_and_gets_its_credit_note(issue: Issue) -> None:
    made = issue(line("Panel", quantity=5_000, price=20_00), line("Book", price=10_00, rate=700))
    done = credit(made, Wanted(1, quantity_thousandths=2_000))
    assert (done.status, done.amount) == ("credited", eur(47_60))
    now = stored(made)
    assert (now.status, now.amount_due, now.amount_credited) == ("open", eur(129_70 - 47_60), eur(47_60))
    assert books(made.id) == {
        (RECEIVABLES, None): 82_10, (REVENUE, 1900): -60_00, (TAX, 1900): -11_40, (REVENUE, 700): -10_00, (TAX, 700): -70,
    }  # fmt: skip
    (note,) = notes_of(made)
    told = said(note)
    assert (told.corrects_number, told.total_minor, told.tax_minor, told.left_minor) == (
        made.number,
        47_60,
        7_60,
        82_10,
    )
    assert [(one.description, one.quantity_thousandths, one.net_minor) for one in told.lines] == [
        ("Panel", 2_000, 40_00)
    ]
    assert told.reason == "Two panels came back"
    assert note.number.startswith("CN-") and note.payment_id is None and note.refund_id is None
    assert events_of(made) == ["invoice.issued", "invoice.credited"]


def test_all_that_is_due_closes_the_invoice_and_nobody_can_pay_it(issue: Issue) -> None:
    made = issue(**overdue())
    credit(made)
    now = stored(made)
    assert (now.status, now.shown_status, now.amount_due, now.paid_at) == ("credited", "credited", eur(0), None)
    assert not now.is_overdue and books(made.id) == {}
    with db.reading() as session:
        assert queries.standings(session, [now])[made.id].status == "credited"
        assert queries.owed(session, made.customer_id).nothing
    with pytest.raises(Conflict) as refused, db.transaction() as session:
        service.lock_payable(session, made.id, made.customer_id)
    assert refused.value.code == "invoice_credited"
    with pytest.raises(Conflict):
        factories.record_outside(made.id)
    with pytest.raises(Conflict):
        void(made)
    with pytest.raises(Conflict):
        credit(made)


def test_parts_and_the_rest_take_back_all_tax_to_the_cent(issue: Issue) -> None:
    made = issue(line("Thing", quantity=3_000, price=33, rate=1900))  # 0.99 and 0.19
    for _ in range(2):
        credit(made, Wanted(1, quantity_thousandths=1_000))
    credit(made)
    assert stored(made).status == "credited" and books(made.id) == {}
    assert sum(said(note).tax_minor for note in notes_of(made)) == 19


def test_what_is_paid_is_not_credited(issue: Issue) -> None:
    made = issue()
    factories.record_outside(made.id, amount=eur(100_00))
    with pytest.raises(Conflict) as refused:
        credit(made, Wanted(1, net_minor=20_00))
    assert refused.value.code == "more_than_due"
    assert credit(made).amount == eur(19_00)
    now = stored(made)
    assert (now.status, now.amount_paid, now.amount_credited) == ("paid", eur(100_00), eur(19_00)) and now.paid_at
    assert owed(made) == 0
    with pytest.raises(Conflict) as refused:
        credit(made)
    assert refused.value.code == "already_paid"


def test_a_refund_after_a_credit_takes_back_what_is_left_of_each_rate(issue: Issue) -> None:
    made = issue(line("Panel", price=100_00), line("Book", price=100_00, rate=700))
    credit(made, Wanted(2, net_minor=100_00))
    payment_id = pay_by_card(made, 119_00)
    assert stored(made).status == "paid"
    give_back(payment_id, 119_00)
    found = books(made.id)
    assert not {account for account, _ in found} & {REVENUE, TAX, RECEIVABLES, LedgerAccount.REFUNDS}


def test_the_customers_systems_are_told(issue: Issue) -> None:
    made = issue()
    with db.transaction() as session:
        factories.endpoint(session, session.get_one(Customer, made.customer_id), events=["invoice.credited"])
    credit(made, Wanted(1, net_minor=10_00))
    with db.reading() as session:
        (told,) = session.scalars(select(WebhookEvent).where(WebhookEvent.type == "invoice.credited"))
    data = json.loads(told.body)["data"]
    assert (data["invoice_number"], data["status"], data["amount"], data["amount_due"]) == (
        made.number,
        "open",
        11_90,
        107_10,
    )


@pytest.mark.parametrize(
    "wanted",
    [
        (),
        (Wanted(3, net_minor=1),),
        (Wanted(1, net_minor=1), Wanted(1, net_minor=1)),
        (Wanted(1),),
        (Wanted(1, quantity_thousandths=1, net_minor=1),),
        (Wanted(1, quantity_thousandths=1_001),),
        (Wanted(1, net_minor=100_01),),
        (Wanted(1, net_minor=0),),
    ],
)
@pytest.mark.database("sqlite")
def test_lines_that_cannot_be_credited_are_refused(issue: Issue, wanted: tuple[Wanted, ...]) -> None:
    made = issue()
    with pytest.raises(Invalid):
        crediting.credit(made.id, None, reason="Wrong", lines=wanted)
    assert stored(made).amount_credited == eur(0) and notes_of(made) == []


@pytest.mark.database("sqlite")
def test_what_was_credited_of_a_line_is_not_credited_again(issue: Issue) -> None:
    made = issue(line("Panel", quantity=3_000, price=10_00), line("Book", price=50_00))
    credit(made, Wanted(1, quantity_thousandths=2_000))
    with pytest.raises(Invalid):
        credit(made, Wanted(1, quantity_thousandths=2_000))
    with pytest.raises(Invalid):
        credit(made, Wanted(1, net_minor=10_01))
    credit(made, Wanted(1, quantity_thousandths=1_000))
    assert stored(made).amount_due == eur(59_50)


def test_who_dies_while_crediting_has_credited_nothing(issue: Issue) -> None:
    made = issue()

    def act() -> InvoiceCredit:
        return credit(made, Wanted(1, net_minor=20_00), client_key=KEY)

    dies("invoice credited", act)
    assert stored(made).amount_credited == eur(0) and notes_of(made) == [] and owed(made) == 119_00
    assert act().id == act().id
    assert owed(made) == 95_20 and len(notes_of(made)) == 1


# Who


def test_from_the_threshold_on_a_second_person_agrees(issue: Issue) -> None:
    made, anna, bert = issue(line("Oven", price=1000_00)), factories.reviewer(), factories.reviewer()
    asked = credit(made, Wanted(1, net_minor=900_00), by=anna, client_key=KEY)
    assert asked.status == "proposed" and stored(made).amount_due == eur(1190_00) and notes_of(made) == []
    assert credit(made, by=anna, client_key=KEY).id == asked.id
    with pytest.raises(Conflict):
        credit(made, Wanted(1, net_minor=1), by=bert)
    with pytest.raises(Forbidden):
        crediting.approve(asked.id, anna)
    crediting.approve(asked.id, bert)
    assert crediting.approve(asked.id, bert).status == "credited"
    assert stored(made).amount_due == eur(119_00) and len(notes_of(made)) == 1
    with pytest.raises(crediting.DecidedAlready):
        crediting.reject(asked.id, anna, "too late")
    # What was credited before counts: no second one below the threshold either.
    assert credit(made, Wanted(1, net_minor=1_00), by=anna).status == "proposed"


def test_a_proposal_that_is_paid_meanwhile_is_not_booked(issue: Issue) -> None:
    made, anna, bert = issue(line("Oven", price=1000_00)), factories.reviewer(), factories.reviewer()
    asked = credit(made, by=anna)
    pay_by_card(made, 1190_00)
    with pytest.raises(Conflict):
        crediting.approve(asked.id, bert)
    crediting.reject(asked.id, bert, "It was paid")
    assert stored(made).status == "paid" and notes_of(made) == []


@pytest.mark.database("sqlite")
def test_who_may_not_close_invoices_credits_none(issue: Issue) -> None:
    made, support = issue(), factories.reviewer("support")
    with pytest.raises(Forbidden):
        credit(made, by=support)


# At once


def test_two_credits_at_once_never_take_back_more_than_is_due(issue: Issue) -> None:
    made = issue()
    results = run_concurrently(*[lambda: credit(made, Wanted(1, net_minor=60_00))] * 2)
    assert sum(isinstance(one, InvoiceCredit) for one in results) == 1, results
    assert stored(made).amount_due == eur(119_00 - 71_40) and len(notes_of(made)) == 1


def test_a_credit_and_the_start_of_a_payment_never_happen_side_by_side(issue: Issue) -> None:
    made = issue()
    locked, go_on = threading.Event(), threading.Event()

    def start() -> int:
        with db.transaction() as session:
            due = service.lock_payable(session, made.id, made.customer_id).amount_due.minor
            locked.set()
            go_on.wait(10)
            factories.payment(
                session, session.get_one(Customer, made.customer_id), session.get_one(Invoice, made.id), status="created",
                amount_minor=due, succeeded_at=None, stripe_charge_id=None, stripe_intent_id=None,
            )  # fmt: skip
            return due

    def lower() -> InvoiceCredit:
        locked.wait(10)
        go_on.set()
        return credit(made, Wanted(1, net_minor=10_00))

    found = run_concurrently(start, lower)
    assert [one for one in found if isinstance(one, int)] == [119_00]
    assert [isinstance(one, PortalError) for one in found if not isinstance(one, int)] == [True], found
    assert stored(made).amount_due == eur(119_00)
