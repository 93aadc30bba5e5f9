"""A VAT ID is asked about when it is new, the proof is kept once, and an invoice without tax looks at what is known."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DBAPIError

from portal.accounts import jobs
from portal.accounts import service as accounts
from portal.accounts.models import Customer
from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import Invalid, NotFound
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.jobs.models import JobRow
from portal.operations import dependencies
from portal.vat import queries, service
from portal.vat.models import VatCheck, VatCheckResult
from portal.vat.queries import VatIdStanding
from tests import factories
from tests.vat.conftest import FRENCH, NUMBER, UNAVAILABLE, ViesServer, check

ADVICE = (LineDraft("Advice", 1_000, 100_00, 1900), LineDraft("Advice abroad", 1_000, 100_00, 0))


def checks() -> list[VatCheck]:
    with db.reading() as session:
        return list(session.scalars(select(VatCheck).order_by(VatCheck.asked_at, VatCheck.id)))


def standing(customer: Customer) -> VatIdStanding | None:
    with db.reading() as session:
        return queries.standing(session, session.get_one(Customer, customer.id))


def queued() -> list[dict[str, object]]:
    with db.reading() as session:
        rows = select(JobRow.args).where(JobRow.name == jobs.check_vat_id.name, JobRow.status == "queued")
        return [dict(args) for args in session.scalars(rows)]


def test_the_proof_is_kept_once_and_never_changed(asking: ViesServer, boulangerie: Customer) -> None:
    assert [check(boulangerie), check(boulangerie)] == [None, None]
    (kept,) = checks()
    assert (kept.result, kept.consultation_number, kept.requester) == (VatCheckResult.VALID, NUMBER, "DE123456789")
    assert '"valid": true' in kept.answer
    assert len(asking.asked) == 1
    known = standing(boulangerie)
    assert known is not None
    assert (known.is_valid, known.is_stale) == (True, False)
    with db.reading() as session:
        assert session.scalar(select(func.count()).where(AuditEvent.action == "vat_id.confirmed")) == 1
    for change in (update(VatCheck).values(result="invalid"), delete(VatCheck)):
        with pytest.raises(DBAPIError, match="never changed or deleted"), db.transaction() as session:
            session.execute(change)


@pytest.mark.database("sqlite")
def test_what_nobody_answers_is_asked_again_with_growing_waits_and_later_given_up(
    asking: ViesServer, boulangerie: Customer
) -> None:
    asking.answer = UNAVAILABLE
    waits = [check(boulangerie) for _ in range(service.MOST_TRIES)]
    assert waits[-1] is None
    firm = [wait for wait in waits if wait is not None]
    assert firm[0] < 100 < firm[1] < 1_000
    assert 20_000 < firm[-1] < 40_000
    known = standing(boulangerie)
    assert known is not None and known.tried is not None
    assert (known.result, known.tried.reason) == (VatCheckResult.NOT_CHECKED, "MS_UNAVAILABLE")
    asking.answer = {"valid": False}
    assert check(boulangerie) is None
    known = standing(boulangerie)
    assert known is not None
    assert (known.is_invalid, known.tried) == (True, None)


@pytest.mark.database("sqlite")
def test_an_outage_after_an_answer_takes_nothing_from_it(asking: ViesServer, boulangerie: Customer) -> None:
    check(boulangerie)
    asking.answer = UNAVAILABLE
    with time_machine.travel(clock.now() + timedelta(days=31), tick=True):
        assert check(boulangerie) is not None
        known = standing(boulangerie)
    assert known is not None and known.tried is not None
    assert (known.is_valid, known.is_stale) == (True, True)


@pytest.mark.database("sqlite")
def test_a_new_vat_id_is_asked_about_and_an_old_one_no_more(asking: ViesServer, boulangerie: Customer) -> None:
    accounts.change_billing_details(
        boulangerie.id, name="Boulangerie", address="", country="AT", tax_id="ATU 1358 5627"
    )
    assert queued() == [{"customer_id": boulangerie.id, "tax_id": "ATU13585627"}]
    assert check(boulangerie, FRENCH) is None
    assert (asking.asked, checks()) == ([], [])
    accounts.change_billing_details(boulangerie.id, name="Boulangerie", address="", country="CH", tax_id="")
    assert standing(boulangerie) is None
    with pytest.raises(NotFound):
        service.recheck(boulangerie.id)


@pytest.mark.database("sqlite")
def test_without_an_address_nobody_is_asked(settings: config.Settings, boulangerie: Customer) -> None:
    accounts.change_billing_details(boulangerie.id, name="B", address="", country="AT", tax_id="ATU13585627")
    assert check(boulangerie, "ATU13585627") is None
    assert (queued(), checks()) == ([], [])
    with pytest.raises(service.ChecksOff):
        service.recheck(boulangerie.id)


@pytest.mark.database("sqlite")
def test_an_invoice_without_tax_is_refused_on_an_id_known_to_be_wrong(
    asking: ViesServer, boulangerie: Customer
) -> None:
    asking.answer = {"valid": False}
    check(boulangerie)
    with pytest.raises(Invalid) as refused:
        invoices.issue(InvoiceDraft(boulangerie.id, "eur", ADVICE))
    assert refused.value.field == "lines-1-tax_rate"
    assert invoices.issue(InvoiceDraft(boulangerie.id, "eur", ADVICE[:1])).number


@pytest.mark.database("sqlite")
def test_an_invoice_on_an_id_nobody_knows_of_is_issued_and_has_it_asked_about(
    asking: ViesServer, boulangerie: Customer
) -> None:
    invoice = invoices.issue(InvoiceDraft(boulangerie.id, "eur", ADVICE))
    assert len(queued()) == 1
    check(boulangerie)
    second = invoices.issue(InvoiceDraft(boulangerie.id, "eur", ADVICE))
    with db.reading() as session:
        issued = select(AuditEvent).where(AuditEvent.action == "invoice.issued")
        told = {event.subject: event.facts for event in session.scalars(issued)}
    assert told[invoice.id]["vat_check"] == "not_checked"
    assert told[second.id]["vat_check"] == checks()[0].id


@pytest.mark.database("sqlite")
def test_operations_tell_that_vies_does_not_answer(asking: ViesServer, boulangerie: Customer) -> None:
    asking.close()
    assert check(boulangerie) is not None
    with db.reading() as session:
        silent = {one.name: one.standing for one in dependencies.all_of_them(session, worker_is_behind=False)}
    assert silent["VIES (VAT IDs)"] == "silent"


@pytest.mark.database("sqlite")
def test_the_desk_shows_the_proof_and_warns_where_there_is_none(
    asking: ViesServer, boulangerie: Customer, app: Flask
) -> None:
    config.use(config.current().model_copy(update={"vies_url": asking.url}))  # the application has brought its own
    with db.transaction() as session:
        admin = factories.staff(session, "admin")
    browser = app.test_client()
    factories.sign_in(browser, admin)
    page = f"/support/customers/{boulangerie.id}/vat-id"
    assert "not checked yet" in browser.get(page).get_data(as_text=True)
    form = {
        "customer": boulangerie.id, "currency": "eur", "key": "k" * 32, "lines-0-description": "Advice", "lines-0-quantity": "1",
        "lines-0-unit_price": "100", "lines-0-tax_rate": "0", "lines-0-unit": "C62", "lines-0-supplies": "services",
        "csrf_token": factories.csrf_token(browser),
    }  # fmt: skip
    shown = browser.post("/support/invoices/new", data=form | {"preview": "1"}).get_data(as_text=True)
    assert "It is not known whether tax may be left out" in shown
    assert len(queued()) == 1
    check(boulangerie)
    assert f"consultation number {NUMBER}" in browser.get(page).get_data(as_text=True)
    shown = browser.post("/support/invoices/new", data=form | {"preview": "1"}).get_data(as_text=True)
    assert f"consultation number {NUMBER}" in shown
    assert "It is not known" not in shown
