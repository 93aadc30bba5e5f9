"""The desk's pages of reconciliation: what was found, what to do about it, and how a person resolves it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core import clock, db
from portal.core.audit import AuditEvent
from portal.reconciliation.models import Discrepancy, Reconciliation
from tests import factories
from tests.books.conftest import NOON, As, compared, moved, text_of

pytestmark = pytest.mark.database("sqlite")

BOOKS = "/support/books"
RUNS = f"{BOOKS}/reconciliations"


def note(code: str, facts: dict[str, Any], **values: Any) -> str:
    with db.transaction() as session:
        discrepancy = Discrepancy(
            **{
                "id": db.new_id("dsc"), "code": code, "subject": db.new_id("sub"), "fingerprint": "", "facts": facts,
                "found_at": clock.now(), "seen_at": clock.now(), **values,
            }
        )  # fmt: skip
        session.add(discrepancy)
        return discrepancy.id


ORPHAN = {"charge": "ch_1", "amount_minor": 7_00, "currency": "eur"}


def post(browser: Any, discrepancy_id: str, words: str) -> Any:
    token = {"X-CSRFToken": factories.csrf_token(browser)}
    return browser.post(f"{BOOKS}/discrepancies/{discrepancy_id}/resolution", data={"note": words}, headers=token)


def test_open_discrepancies_stand_with_what_to_do_and_closed_ones_do_not(app: Flask, browse: As) -> None:
    note("orphan_charge", ORPHAN)
    note("receipt_missing", {"payment": "pay_9"}, status="gone")
    text = text_of(browse("approver"), RUNS)
    assert "1 open discrepancy " in text
    assert "Stripe charged €7.00 (ch_1) that no payment here knows of" in text
    assert "Open it in Stripe’s dashboard." in text
    assert "pay_9" not in text


def test_without_discrepancies_it_says_so(app: Flask, browse: As) -> None:
    text = text_of(browse("approver"), RUNS)
    assert "Everything at Stripe is explained by our books." in text
    assert "No reconciliation yet" in text


def test_more_discrepancies_than_are_shown_are_counted(app: Flask, browse: As, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.reconciliation.staff_views.MOST_SHOWN", 2)
    for _ in range(3):
        note("orphan_charge", ORPHAN)
    text = text_of(browse("approver"), RUNS)
    assert "3 open discrepancies" in text
    assert "The oldest 2 of them are shown." in text


def test_runs_tell_their_span_counts_and_seconds(app: Flask, browse: As) -> None:
    with db.transaction() as session:
        for number in range(22):
            session.add(
                Reconciliation(
                    id=f"rec_{number:03d}", kind="nightly", since=NOON, until=NOON, started_at=NOON, open_discrepancies=number,
                    finished_at=NOON.replace(second=42) if number else None, counts={"intents": 1204, "posted": 0},
                )
            )  # fmt: skip
    browser = browse("approver")
    page = browser.get(RUNS).get_data(as_text=True)
    assert "intents: 1204" in page
    assert "posted" not in page
    assert ">42<" in page
    older = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    assert "Not finished" in text_of(browser, older)


def test_a_discrepancy_leads_to_its_payment_and_a_second_payment_to_its_refund(app: Flask, browse: As) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, factories.customer(session)).id
    facts = {"payment": payment, "first": "pay_1", "amount_minor": 20_00, "currency": "eur"}
    twice = note("charged_twice", facts, payment_id=payment)
    missing = note("receipt_missing", {"payment": payment}, payment_id=payment)
    browser = browse("approver")
    page = browser.get(f"{BOOKS}/discrepancies/{twice}").get_data(as_text=True)
    assert f'href="/support/payments/{payment}/refund"' in page
    assert f'href="/support/payments/{payment}"' in page
    assert f'href="/support/payments/{payment}/refund"' not in browser.get(f"{BOOKS}/discrepancies/{missing}").get_data(
        as_text=True
    )
    assert browser.get(f"/support/payments/{payment}/refund").status_code == 200


def test_an_explanation_closes_a_discrepancy_and_is_written_down(app: Flask, browse: As) -> None:
    with db.transaction() as session:
        moved(session, "charge", 7_00, 30, source_id="ch_1", booked_at=None, subject="")
        compared(session)
    found = note("orphan_charge", ORPHAN, subject="ch_1")
    browser = browse("approver")
    assert "Our books and Stripe differ" in text_of(browser, f"{BOOKS}?month=2026-10")
    assert post(browser, found, " It is of the <b>shop</b>. ").status_code == 303
    text = text_of(browser, f"{BOOKS}/discrepancies/{found}")
    assert "It is of the <b>shop</b>." in text
    assert "Resolved manually" in text
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "discrepancy.resolved")).one()
    assert (event.actor_kind, event.facts["note"]) == ("staff", "It is of the <b>shop</b>.")
    figures = text_of(browser, f"{BOOKS}?month=2026-10")
    assert "The books are equal" in figures
    assert "Other 7.00 7.00" in figures
    again = post(browser, found, "Once more.")
    assert again.status_code == 303
    assert "This discrepancy is no longer open." in text_of(browser, again.location)


@pytest.mark.parametrize("words", ["", "   ", "x" * 2_001])
def test_an_explanation_has_words(app: Flask, browse: As, words: str) -> None:
    found = note("orphan_charge", ORPHAN)
    assert post(browse("approver"), found, words).status_code == 422
    with db.reading() as session:
        assert session.get_one(Discrepancy, found).status == "open"


def test_the_state_of_the_machine_counts_open_discrepancies(app: Flask, browse: As) -> None:
    note("orphan_charge", ORPHAN)
    text = text_of(browse("approver"), "/support/operations")
    assert "Discrepancies between our books and Stripe 1 Needs review" in text
    assert RUNS in browse("approver").get("/support/operations").get_data(as_text=True)
    assert RUNS not in browse("support").get("/support/operations").get_data(as_text=True)
