"""How a run begins, goes on after a kill, and is told: at the terminal, in the worker, and to a script."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY
from sqlalchemy import select

from portal import gateway, ledger, stripe_sync
from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.money import Money
from portal.gateway import listing
from portal.jobs import outbox
from portal.jobs.models import JobRow, JobStatus
from portal.ledger import LedgerAccount
from portal.payments import intents
from portal.payments.statuses import PaymentStatus
from portal.reconciliation import job_handlers, movements, queries, run, service
from portal.reconciliation.models import Reconciliation, RunKind
from portal.reconciliation.service import Progress
from portal.stripe_events.models import StripeEvent
from tests import factories
from tests.reconciliation.conftest import Account, found, tamper

DAY = timedelta(days=1)


class Killed(BaseException):
    """The process is gone."""


def runs() -> list[Reconciliation]:
    with db.reading() as session:
        return list(session.execute(select(Reconciliation).order_by(Reconciliation.id)).scalars())


def test_a_run_goes_on_where_it_was_killed(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 1)
    monkeypatch.setattr(run, "BATCH", 1)
    payments = [account.charged(20_00 + number) for number in range(4)]
    account.settle()

    def kill(progress: Progress) -> None:
        if progress.name == "intents" and runs()[0].counts.get("intents") == 2:
            raise Killed

    begun = service.begin(RunKind.COMMAND, to_now=True)
    with pytest.raises(Killed):
        service.execute(begun, kill)
    assert (runs()[0].step, runs()[0].finished_at) == (1, None)

    assert service.begin(RunKind.COMMAND) == begun  # the next command takes it up
    report = service.execute(begun)

    assert report.counts["intents"] == 4
    assert report.open_discrepancies == 0
    assert [account.payment(payment.id).status for payment in payments] == [PaymentStatus.SUCCEEDED] * 4
    assert runs()[0].finished_at is not None
    assert service.begin(RunKind.COMMAND) != begun


@pytest.mark.parametrize("at", range(1, len(service.STEPS)), ids=lambda at: service.STEPS[at].name)
@pytest.mark.database("sqlite")
def test_a_run_that_was_killed_between_two_steps_leaves_none_out(account: Account, at: int) -> None:
    names = [step.name for step in service.STEPS]

    def kill(progress: Progress) -> None:
        if progress.name == names[at]:
            raise Killed

    begun = service.begin(RunKind.COMMAND, to_now=True)
    with pytest.raises(Killed):
        service.execute(begun, kill)

    walked: dict[str, None] = {}
    service.execute(begun, lambda progress: walked.setdefault(progress.name))
    assert list(walked) == names[at:]


def test_what_only_a_full_run_looks_at_is_closed_by_a_full_run_alone(account: Account) -> None:
    """A payment that waits for its customer, from before the span: any other run does not ask Stripe for it."""
    long_ago = clock.now() - 100 * DAY
    with db.transaction() as session:
        customer = session.get_one(Customer, account.customer_id)
        waits: dict[str, Any] = {
            "status": "requires_payment_method",
            "stripe_charge_id": None,
            "succeeded_at": None,
        }
        payment = factories.payment(session, customer, stripe_intent_id="pi_gone", created_at=long_ago, **waits)
    account.reconcile(RunKind.NIGHTLY)
    assert found() == [("payment_missing", payment.id)]
    tamper("payments", payment.id, "status = 'canceled'")
    account.reconcile(since=clock.now() - DAY)
    assert found() == [("payment_missing", payment.id)]
    account.reconcile(RunKind.NIGHTLY)
    assert found() == []


def test_the_worker_runs_from_where_its_last_run_ended(account: Account) -> None:
    account.charged()
    account.settle()
    job_handlers.frequent()
    job_handlers.frequent()  # the first has not been walked yet: one is enough
    assert len(runs()) == 1
    with db.reading() as session:
        assert queries.watermark(session) is None
    outbox.run_due()
    (first,) = runs()
    assert first.kind == RunKind.FREQUENT
    assert first.finished_at is not None
    with db.reading() as session:
        assert service.span(session, RunKind.FREQUENT)[0] == first.until - service.OVERLAP
        since, until = service.span(session, RunKind.NIGHTLY)
    assert until - since == service.NIGHTLY_SPAN
    assert clock.now() - until >= timedelta(minutes=1, seconds=59)


def test_a_command_does_not_move_the_worker_s_watermark(account: Account) -> None:
    account.reconcile()
    with db.reading() as session:
        assert queries.watermark(session) is None


def test_a_run_whose_job_has_died_is_begun_anew(account: Account) -> None:
    job_handlers.frequent()
    with db.transaction() as session:
        job = session.execute(select(JobRow).where(JobRow.name == "reconciliation.walk")).scalar_one()
        job.status = JobStatus.DEAD
    job_handlers.frequent()
    assert len(runs()) == 2


def test_events_that_did_not_arrive_are_taken_in(account: Account, app: Flask) -> None:
    """The endpoint answers to nobody: Stripe counts its events as undelivered."""
    account.sandbox.control("endpoints", url="http://127.0.0.1:9/nobody", secret="whsec_nobody")
    account.charged()
    report = account.reconcile()
    assert report.counts["events taken in"] >= 1
    with db.reading() as session:
        types = set(session.execute(select(StripeEvent.type)).scalars())
    assert "payment_intent.succeeded" in types
    outbox.run_due()
    assert found() == []


def test_what_was_settled_in_another_currency_is_exchanged_in_the_books(account: Account) -> None:
    """Twenty euros, which Stripe settles as 21.70 dollars, less a fee of 0.92."""
    payment = account.charged(20_00)
    account.settle()
    intent = gateway.current().retrieve_intent(str(payment.stripe_intent_id))
    assert intent.charge is not None and intent.charge.balance_transaction is not None
    movement = replace(intent.charge.balance_transaction, amount=Money(21_70, "usd"), fee=Money(92, "usd"))
    intent = replace(intent, charge=replace(intent.charge, balance_transaction=movement))
    assert stripe_sync.settle(intents.KIND, payment.id, intent, None, seen_version=payment.version)
    with db.reading() as session:
        held = ledger.balance(session, LedgerAccount.STRIPE)
        (told,) = movements.accounts_of(session, [movement])
    assert held == {"eur": 0, "usd": 20_78}
    assert told.booked_at == account.payment(payment.id).succeeded_at
    assert {one.kind for one in told.expected} == {"charge", "charge_exchange", "fee"}


# At the terminal


def test_the_command_says_that_all_is_well(account: Account, app: Flask) -> None:
    account.charged()
    account.settle()
    told = app.test_cli_runner().invoke(args=["reconcile", "--to-now"])
    assert told.exit_code == 0, told.output
    assert "Open discrepancies: 0. The books equal Stripe's." in told.output
    assert "intents: 1" in told.output


def test_the_command_names_what_differs_and_what_to_do(account: Account, app: Flask) -> None:
    payment = account.paid(20_00)
    tamper("payments", payment.id, "amount_minor = amount_minor + 1")
    told = app.test_cli_runner().invoke(args=["reconcile", "--to-now"])
    assert told.exit_code == 1
    assert f"Payment {payment.id}: 20.01 EUR here, 20.00 EUR at Stripe, difference 0.01 EUR" in told.output
    assert "restore the row from a backup" in told.output


def test_the_command_tells_a_script(account: Account, app: Flask) -> None:
    account.foreign_charge(7_00)
    since = (clock.now() - DAY).strftime("%Y-%m-%d")
    told = app.test_cli_runner().invoke(args=["reconcile", "--to-now", "--dry-run", "--json", "--since", since])
    assert told.exit_code == 1
    report = json.loads(told.stdout)
    assert (report["dry_run"], report["open_discrepancies"], report["discrepancies"][0]["code"]) == (
        True,
        1,
        "orphan_charge",
    )
    assert report["since"].startswith(since)
    assert runs() == []


def test_the_command_is_plain_when_stripe_does_not_answer(account: Account, app: Flask) -> None:
    account.sandbox.control("faults", fault="error_before", path="/v1/*", times=50)
    told = app.test_cli_runner().invoke(args=["reconcile", "--to-now"])
    assert told.exit_code == 1
    assert "run it again, and it goes on where it was" in told.output
    assert "Traceback" not in told.output
    account.sandbox.control("faults/clear")
    assert app.test_cli_runner().invoke(args=["reconcile"]).exit_code == 0
    assert len(runs()) == 1


def test_what_is_open_and_when_the_last_run_ended_is_measured(account: Account, app: Flask) -> None:
    account.foreign_charge(7_00)
    account.settle()
    before = measured("portal_reconciliations_total", outcome="done")
    report = account.reconcile()
    job_handlers.walk(runs()[0].id)
    assert measured("portal_reconciliations_total", outcome="done") == before + 1
    assert measured("portal_open_discrepancies") == report.open_discrepancies == 1
    ended = runs()[0].finished_at
    assert ended is not None
    assert measured("portal_last_reconciliation_timestamp_seconds") == ended.timestamp()


def measured(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.mark.database("sqlite")
def test_how_far_a_run_has_come_is_told(account: Account) -> None:
    account.charged()
    account.settle()
    told: list[Progress] = []
    service.execute(service.begin(RunKind.NIGHTLY, to_now=True), told.append)
    names = [step.name for step in service.STEPS]
    assert all(one.done == names.index(one.name) and 0 <= one.part <= 1 for one in told)
    assert list(dict.fromkeys(one.name for one in told)) == names
    assert {one.part for one in told if one.name in {"open refunds", "documents", "checks", "totals"}} == {0}, (
        "without days"
    )
    first, second = [one.part for one in told if one.name == "intents"]
    assert first == 0 < second < 0.01, "the newest are the first"
