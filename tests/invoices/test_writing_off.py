"""What is due and will not come is written off by two people, and taken back when it comes after all."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.books.datev_accounts import Chart
from portal.core import config, db
from portal.core.errors import Conflict, Forbidden, Invalid
from portal.core.money import Money
from portal.invoices import crediting, queries, service, writing_off
from portal.invoices.models import Invoice
from portal.invoices.waiting import write_offs_for_second_person
from portal.invoices.write_offs import WriteOff
from portal.ledger import LedgerAccount
from portal.web.waiting import Staff
from tests import factories
from tests.concurrency import run_concurrently
from tests.crashing import dies
from tests.invoices.conftest import Issue, overdue
from tests.invoices.test_commands import flask
from tests.invoices.test_credit_pages import approver, send
from tests.invoices.test_pages import text
from tests.invoices.test_receivables import RECEIVABLES, books, owed
from tests.invoices.test_service import events_of, stored, void

BAD_DEBTS = LedgerAccount.BAD_DEBTS


def written_off(invoice: Invoice) -> WriteOff:
    row = writing_off.propose(invoice.id, factories.reviewer(), reason="Insolvent")
    return writing_off.approve(row.id, factories.reviewer())


def test_it_always_takes_two_and_nothing_is_asked_for_any_more(issue: Issue) -> None:
    made, anna, bert = issue(**overdue()), factories.reviewer(), factories.reviewer()
    factories.record_outside(made.id, amount=Money(19_00, "eur"))
    row = writing_off.propose(made.id, anna, reason="Insolvent", client_key="a-form-of-tests")
    assert writing_off.propose(made.id, anna, reason="Insolvent", client_key="a-form-of-tests").id == row.id
    assert (row.status, row.amount) == ("proposed", Money(100_00, "eur"))
    assert stored(made).status == "open" and owed(made) == 100_00
    with db.reading() as session:
        (mine,) = write_offs_for_second_person(session, Staff(anna.id, anna.role))
        (others,) = write_offs_for_second_person(session, Staff(bert.id, bert.role))
    assert (mine.number, others.number) == (0, 1)
    with pytest.raises(Conflict):
        writing_off.propose(made.id, bert, reason="Twice")
    with pytest.raises(Forbidden):
        writing_off.approve(row.id, anna)
    with pytest.raises(Forbidden):
        writing_off.propose(made.id, factories.reviewer("support"), reason="Not mine to say")
    for _ in range(2):
        assert writing_off.approve(row.id, bert).status == "booked"
    now = stored(made)
    assert (now.status, now.amount_due.minor, now.amount_paid.minor) == ("written_off", 0, 19_00)
    found = books(made.id)
    assert (found.get((RECEIVABLES, None)), found[BAD_DEBTS, None]) == (None, 100_00)
    assert events_of(made)[-2:] == ["invoice.write_off_proposed", "invoice.written_off"]
    with db.reading() as session:
        assert queries.owed(session, made.customer_id).nothing


def test_what_is_written_off_is_neither_paid_nor_recorded_credited_or_voided(issue: Issue) -> None:
    made = issue()
    written_off(made)
    with pytest.raises(Conflict) as refused, db.transaction() as session:
        service.lock_payable(session, made.id, made.customer_id)
    assert refused.value.code == "written_off"
    for act in (
        lambda: factories.record_outside(made.id),
        lambda: crediting.credit(made.id, None, reason="Too late"),
        lambda: void(made),
        lambda: writing_off.propose(made.id, None, reason="Again"),
    ):
        with pytest.raises(Conflict):
            act()
    assert stored(made).status == "written_off"


def test_it_is_taken_back_when_the_money_comes_after_all(issue: Issue) -> None:
    made = issue()
    row = written_off(made)
    for _ in range(2):
        assert writing_off.reverse(row.id, factories.reviewer(), "It has come").status == "reversed"
    assert stored(made).status == "open" and owed(made) == 119_00 and (BAD_DEBTS, None) not in books(made.id)
    factories.record_outside(made.id)
    assert stored(made).status == "paid" and owed(made) == 0


def test_who_dies_while_approving_has_written_off_nothing(issue: Issue) -> None:
    made, by = issue(), factories.reviewer()
    row = writing_off.propose(made.id, None, reason="Insolvent")
    dies("invoice written off", lambda: writing_off.approve(row.id, by))
    assert stored(made).status == "open" and owed(made) == 119_00
    assert writing_off.approve(row.id, by).status == "booked" and owed(made) == 0


def test_a_rejected_one_changes_nothing(issue: Issue) -> None:
    made = issue()
    row = writing_off.propose(made.id, None, reason="Insolvent")
    with pytest.raises(Invalid):
        writing_off.reject(row.id, factories.reviewer(), " ")
    writing_off.reject(row.id, factories.reviewer(), "They have promised it")
    with pytest.raises(writing_off.DecidedAlready):
        writing_off.approve(row.id, factories.reviewer())
    with pytest.raises(writing_off.DecidedAlready):
        writing_off.reverse(row.id, factories.reviewer(), "Why not")
    assert stored(made).status == "open" and owed(made) == 119_00


def test_another_amount_than_was_proposed_is_not_written_off(issue: Issue) -> None:
    made = issue()
    row = writing_off.propose(made.id, factories.reviewer(), reason="Insolvent")
    factories.record_outside(made.id, amount=Money(19_00, "eur"))
    with pytest.raises(Conflict):
        writing_off.approve(row.id, factories.reviewer())
    assert stored(made).status == "open" and owed(made) == 100_00


def test_approved_by_two_at_once_it_is_booked_once(issue: Issue) -> None:
    made = issue()
    row = writing_off.propose(made.id, None, reason="Insolvent")
    clerks = [factories.reviewer() for _ in range(2)]
    found = run_concurrently(*[lambda by=by: writing_off.approve(row.id, by) for by in clerks])
    assert sum(isinstance(one, WriteOff) for one in found) == 1, found
    assert books(made.id)[BAD_DEBTS, None] == 119_00


@pytest.mark.database("sqlite")
def test_the_desk_and_the_command_line_propose_and_a_colleague_approves(app: Flask, issue: Issue) -> None:
    made, other = issue(), issue()
    first, second = approver(app), approver(app)
    address = f"/support/invoices/{made.id}"
    assert send(first, f"{address}/write-off", **{"write-off-reason": ""}).status_code == 422
    assert send(first, f"{address}/write-off", **{"write-off-reason": "Insolvent"}).status_code == 303
    assert "a colleague must approve it" in text(first, address)
    assert made.number in text(second, "/support/invoices/write-offs-for-approval")
    with db.reading() as session:
        (row,) = writing_off.of_invoice(session, made.id)
    send(second, f"/support/invoices/write-offs/{row.id}/approval")
    shown = text(second, address)
    assert "Reverse this write-off" in shown and "This invoice is written off" in shown
    done = flask(app, "invoice", "write-off", other.number, "--reason", "Insolvent")
    assert (done.exit_code, done.output) == (0, f"{other.number}: 119.00 EUR proposed\n")


@pytest.mark.database("sqlite")
def test_datev_knows_the_account(settings: config.Settings) -> None:
    assert Chart(settings).account(BAD_DEBTS).rstrip("0") in {"24", "693"}
