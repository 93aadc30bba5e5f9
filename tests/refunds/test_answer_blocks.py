"""Answer blocks of one's own: written and retired by admins, filled in for a refund in the language of its customer."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts.models import Customer
from portal.core import db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Invalid, NotFound
from portal.refunds import answer_blocks, queries
from portal.refunds.answer_blocks import Block
from portal.refunds.models import AnswerBlock, Decision
from tests import factories
from tests.concurrency import run_concurrently
from tests.payments.conftest import audited, everything
from tests.refunds.conftest import Counter
from tests.refunds.test_pages import browser_of, see

TEXTS = {
    "en": "Dear {customer}, we cannot refund {amount} of “{payment}”, paid on {paid_on}. {company}",
    "de": "Guten Tag {customer}, {amount} können wir nicht erstatten.",
}


@pytest.fixture
def admin(settings: object) -> str:
    with db.transaction() as session:
        return factories.staff(session, "admin").id


def create(
    admin: str, written: Mapping[str, str] = TEXTS, *, title: str = "Out of time", decision: str = "rejection"
) -> str:
    return answer_blocks.create(admin, decision, title, written, client_key=db.new_id("key"))


def kept(block_id: str) -> AnswerBlock:
    with db.reading() as session:
        return answer_blocks.by_id(session, block_id)


def offered(refund_id: str, decision: Decision = Decision.REJECTION) -> list[Block]:
    """Those of admins, without the portal's own."""
    with db.reading() as session:
        found = answer_blocks.offered(session, decision, queries.by_id(session, refund_id), "en")
    return found[len(answer_blocks.BUILT_IN[decision]) :]


def speaks(counter: Counter, language: str) -> None:
    with db.transaction() as session:
        session.get_one(Customer, counter.customer_id).language = language


def test_a_block_is_filled_in_for_its_refund_in_the_customers_language(counter: Counter, admin: str) -> None:
    create(admin)
    create(admin, {"en": "Which one?"}, title="Which", decision="question")
    refund_id = counter.ask(20_00)
    (block,) = offered(refund_id)
    name, description = "Spree Bikes GmbH", counter.payment.description
    assert block.text.startswith(f"Dear {name}, we cannot refund €20.00 of “{description}”, paid on ")
    assert "{" not in block.text and not block.falls_back
    assert [one.title for one in offered(refund_id, Decision.QUESTION)] == ["Which"]
    speaks(counter, "de")
    (block,) = offered(refund_id)
    assert block.text.replace("\xa0", " ") == f"Guten Tag {name}, 20,00 € können wir nicht erstatten."
    assert (block.language, block.falls_back) == ("de", False)


def test_a_block_without_the_customers_language_falls_back_and_says_so(counter: Counter, admin: str) -> None:
    create(admin, {"en": "Sorry."})
    speaks(counter, "de")
    (block,) = offered(counter.ask(20_00))
    assert block == Block("Out of time", "Sorry.", "en", falls_back=True)


def test_what_is_filled_in_is_no_placeholder_itself(counter: Counter, admin: str) -> None:
    with db.transaction() as session:
        session.get_one(Customer, counter.customer_id).name = "{amount} Ltd"
    create(admin, {"en": "Dear {customer}"})
    assert offered(counter.ask(20_00))[0].text == "Dear {amount} Ltd"


@pytest.mark.parametrize(
    ("title", "decision", "written", "field"),
    [
        (" ", "rejection", TEXTS, "title"),
        ("T" * 81, "rejection", TEXTS, "title"),
        ("Title", "approval", TEXTS, "decision"),
        ("Title", "rejection", {}, "text_en"),
        ("Title", "rejection", {"it": "No"}, "text_en"),
        ("Title", "rejection", {"en": "Dear {name}"}, "text_en"),
        ("Title", "rejection", {"en": "Dear {customer}", "de": "Guten Tag {kunde}"}, "text_de"),
        ("Title", "rejection", {"en": "Dear {customer"}, "text_en"),
        ("Title", "rejection", {"en": "Dear {{customer}}"}, "text_en"),
        ("Title", "rejection", {"en": "Dear {}"}, "text_en"),
        ("Title", "rejection", {"en": "T" * 1_501}, "text_en"),
        ("Title", "rejection", {"en": "Your card 4242 4242 4242 4242"}, "text_en"),
    ],
)
def test_a_block_that_cannot_be_filled_in_is_refused(
    admin: str, title: str, decision: str, written: Mapping[str, str], field: str
) -> None:
    before = everything()
    with pytest.raises(Invalid) as refusal:
        create(admin, written, title=title, decision=decision)
    assert refusal.value.field == field
    assert everything() == before


def test_the_same_form_sent_twice_at_once_makes_one_block(admin: str) -> None:
    made = run_concurrently(
        *[lambda: answer_blocks.create(admin, "rejection", "Once", TEXTS, client_key="one-form-of-mine")] * 2
    )
    assert len(set(made)) == 1 and audited("answer_block.created") == 1


def test_a_change_is_audited_and_two_do_not_overwrite_each_other(admin: str) -> None:
    block_id = create(admin)
    answer_blocks.change(block_id, admin, 1, "rejection", "Out of time", TEXTS)
    assert kept(block_id).version == 1 and audited("answer_block.changed") == 0, "nothing differs"
    answer_blocks.change(block_id, admin, 1, "question", "Too late", {"en": "Sorry."})
    with pytest.raises(Conflict):
        answer_blocks.change(block_id, admin, 1, "rejection", "Mine", TEXTS)
    block = kept(block_id)
    assert (block.title, block.decision, block.texts, block.version) == ("Too late", "question", {"en": "Sorry."}, 2)
    answer_blocks.change(block_id, admin, 2, "question", "Far too late", {"en": "Sorry."})
    with db.reading() as session:
        events = session.query(AuditEvent).filter_by(action="answer_block.changed").order_by(AuditEvent.number)
        told = [event.facts.get("decision") for event in events]
    assert told == [["rejection", "question"], None], "where it stayed it is not told"


def test_a_retired_block_is_offered_to_nobody_until_it_is_brought_back(counter: Counter, admin: str) -> None:
    block_id, refund_id = create(admin), counter.ask(20_00)
    for _ in range(2):
        answer_blocks.retire(block_id)
    assert offered(refund_id) == [] and kept(block_id).retired_at is not None
    for _ in range(2):
        answer_blocks.bring_back(block_id)
    assert [block.title for block in offered(refund_id)] == ["Out of time"]
    assert [audited(f"answer_block.{what}") for what in ("retired", "brought_back")] == [1, 1]
    for act in (answer_blocks.retire, answer_blocks.bring_back):
        with pytest.raises(NotFound):
            act("blk_nowhere")


def test_so_many_blocks_are_in_use_and_no_more(admin: str) -> None:
    ids = [create(admin, title=f"No. {number}") for number in range(answer_blocks.MOST_IN_USE)]
    with pytest.raises(Invalid):
        create(admin)
    question = create(admin, decision="question")
    with pytest.raises(Invalid):
        answer_blocks.change(question, admin, 1, "rejection", "One more", TEXTS)
    answer_blocks.retire(ids[0])
    create(admin)
    with pytest.raises(Invalid):
        answer_blocks.bring_back(ids[0])


def post(browser: FlaskClient, address: str, form: Mapping[str, str]) -> tuple[int, str]:
    answer = browser.post(address, data={**form, "csrf_token": factories.csrf_token(browser)})
    return answer.status_code, html.unescape(answer.get_data(as_text=True))


@pytest.mark.database("sqlite")
def test_an_admin_writes_a_block_and_a_colleague_chooses_it(counter: Counter, app: Flask) -> None:
    admin, support = browser_of(app, counter.admin.id), browser_of(app, counter.support.id)
    wrong = {"title": "Out of time", "decision": "rejection", "text_en": "Dear {name}", "key": "a-key-of-its-own"}
    status, page = post(admin, "/support/answer-blocks/new", wrong)
    assert status == 422 and "There is no placeholder {name}." in page
    assert "Dear {name}" in page, "what was typed stays"
    assert post(admin, "/support/answer-blocks/new", {**wrong, "text_en": TEXTS["en"]})[0] == 303
    (address,) = re.findall(r'href="(/support/answer-blocks/blk_\w+)"', see(admin, "/support/answer-blocks"))
    assert "Dear Example Ltd, we cannot refund €48.00" in see(admin, address), "a preview"
    speaks(counter, "de")
    refund_id = counter.ask(20_00)
    page = see(support, f"/support/refunds/{refund_id}")
    assert "Out of time (English)" in page
    assert "There is no text in German: this one is in English. Please translate it." in page
    assert "This is how the customer reads it, in German." in page, "those of the portal"
    changed = {**wrong, "text_en": "Sorry.", "text_de": "Leider zu spät.", "version": "1"}
    assert post(admin, address, changed)[0] == 303
    status, page = post(admin, address, {**changed, "text_en": "Mine."})
    assert status == 409 and "Mine." in page and "Somebody else has changed this block" in page
    page = see(support, f"/support/refunds/{refund_id}")
    assert "Leider zu spät." in page and "(English)" not in page
    post(admin, f"{address}/retirement", {})
    assert "Out of time" not in see(support, f"/support/refunds/{refund_id}")
    post(admin, f"{address}/return", {})
    assert "Out of time" in see(support, f"/support/refunds/{refund_id}")
