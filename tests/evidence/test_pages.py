"""The page of a dispute's evidence: what stands on it for whom, and that nothing typed is lost."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import db
from portal.evidence import queries, service
from portal.evidence.statuses import EvidenceStatus
from tests import factories
from tests.evidence.conftest import Answer

STATEMENT = "uncategorized_text"
Open = Callable[[str], FlaskClient]


@pytest.fixture
def signed_in(app: Flask) -> Open:
    """A browser of somebody with this role."""

    def browser_of(role: str) -> FlaskClient:
        with db.transaction() as session:
            person = factories.staff(session, role)
        browser = app.test_client()
        factories.sign_in(browser, person)
        return browser

    return browser_of


def shown(browser: FlaskClient, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def send(browser: FlaskClient, address: str, form: dict[str, str]) -> tuple[int, str]:
    """The status and the page of a form that was sent."""
    answer = browser.post(address, data=form | {"csrf_token": factories.csrf_token(browser)})
    return answer.status_code, html.unescape(answer.get_data(as_text=True))


def address_of(answer: Answer) -> str:
    return f"/support/disputes/{answer.dispute_id}/evidence"


def typed(answer: Answer, **changes: str) -> dict[str, str]:
    row = answer.row
    return {**row.texts, "document": row.documents.get("receipt", ""), "version": str(row.version), **changes}


def test_one_writes_and_proposes_and_another_sends(answer: Answer, signed_in: Open) -> None:
    address, support, approver = address_of(answer), signed_in("support"), signed_in("approver")
    assert "119.00 EUR for invoice" in shown(support, address)
    changes = {STATEMENT: "They were signed in.", "propose": "1"}
    assert send(support, address, typed(answer, **changes))[0] == 303
    page = shown(support, address)
    assert "Send to the bank: Only for these roles" in page and f'action="{address}/approval"' not in page
    assert f'action="{address}/approval"' in shown(approver, address)
    send(approver, f"{address}/approval", {"version": str(answer.row.version)})
    assert answer.row.status == EvidenceStatus.SENDING
    answer.send()
    page = shown(support, address)
    assert "Sent to the bank" in page and "They were signed in." in page and "<textarea" not in page


def test_what_was_typed_stays_when_somebody_was_quicker(answer: Answer, signed_in: Open) -> None:
    address, support = address_of(answer), signed_in("support")
    before = typed(answer, **{STATEMENT: "Mine, of an hour’s work."})
    answer.save({STATEMENT: "Theirs."})
    status, text = send(support, address, before)
    assert status == 422
    assert "Mine, of an hour’s work." in text and "Somebody else has changed the evidence" in text
    assert answer.row.texts[STATEMENT] == "Theirs."


def test_what_was_typed_stays_when_the_bank_has_stopped_waiting(answer: Answer, signed_in: Open) -> None:
    before = typed(answer, **{STATEMENT: "Mine, of an hour’s work."})
    answer.case.decide("lost").heard()
    status, text = send(signed_in("support"), address_of(answer), before)
    assert status == 422
    assert "Mine, of an hour’s work." in text and "The bank does not wait for evidence any more" in text


def test_a_refusal_stands_at_its_field(answer: Answer, signed_in: Open) -> None:
    changes = {STATEMENT: "", "propose": "1"}
    status, text = send(signed_in("support"), address_of(answer), typed(answer, **changes))
    assert status == 422
    assert f'id="{STATEMENT}-error"' in text


def test_what_stripe_refused_is_told(answer: Answer, signed_in: Open) -> None:
    with db.transaction() as session:
        row = queries.of_dispute(session, answer.dispute_id, lock=True)
        row.status, row.refusal = EvidenceStatus.REFUSED, "The receipt has too many pages"
    page = shown(signed_in("support"), address_of(answer))
    assert "Stripe did not take this evidence" in page and "The receipt has too many pages" in page


def test_who_only_reads_is_offered_nothing(answer: Answer, signed_in: Open) -> None:
    page = shown(signed_in("finance"), address_of(answer))
    assert "119.00 EUR for invoice" in page
    assert "<textarea" not in page and "Take back" not in page


def test_the_disputes_page_leads_to_its_evidence(answer: Answer, signed_in: Open) -> None:
    page = shown(signed_in("support"), f"/support/disputes/{answer.dispute_id}")
    assert f'href="{address_of(answer)}"' in page


def test_a_dispute_without_a_draft_can_have_one_gathered(answer: Answer, signed_in: Open) -> None:
    with db.transaction() as session:
        session.delete(queries.of_dispute(session, answer.dispute_id, lock=True))
    support, address = signed_in("support"), address_of(answer)
    assert "Gather the evidence" in shown(support, address)
    assert send(support, f"{address}/gathering", {})[0] == 303
    service.gather(answer.dispute_id)
    assert answer.row.status == EvidenceStatus.DRAFT
