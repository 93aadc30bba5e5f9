"""Many requests at once, all or none; handing one over; and asking its customer."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import db
from portal.core.errors import Invalid, NotFound
from portal.core.four_eyes import Reviewer
from portal.refunds import email, queries, queue, service
from portal.refunds.service import AlreadyDecided, NotTogether
from portal.refunds.statuses import RefundStatus
from portal.web import saved
from tests import factories
from tests.payments.conftest import audited, everything, jobs
from tests.refunds.conftest import Counter
from tests.refunds.test_pages import browser_of, see, send
from tests.smtp import Mailbox

FOUR_EYES = pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")


def places(reviewer: Reviewer) -> dict[str, int]:
    with db.reading() as session:
        return {place.value: number for place, number in queue.counts(session, reviewer).places.items() if number}


def statuses(counter: Counter, refund_ids: list[str]) -> set[str]:
    return {counter.refund(one).status for one in refund_ids}


@FOUR_EYES
def test_many_are_approved_together(counter: Counter) -> None:
    wishes = [counter.ask(10_00) for _ in range(3)]
    service.approve_all(wishes, counter.support, note="As promised", undo_seconds=10)
    assert statuses(counter, wishes) == {RefundStatus.APPROVED}
    assert len(jobs("refunds.execute")) == 3 and places(counter.support) == {}
    service.undo(wishes[1], counter.support)
    assert places(counter.support) == {"mine": 1}


@FOUR_EYES
def test_where_one_of_many_cannot_be_approved_none_is_and_each_obstacle_is_named(counter: Counter) -> None:
    fine, claimed, held = (counter.ask(10_00) for _ in range(3))
    unexplained = counter.ask(5_00, reason="other", words="Just so")
    service.claim(claimed, counter.approver)
    counter.touch(held, review_reason="too little is left")
    gone = counter.ask(5_00)
    service.reject(gone, counter.support, rejection="No")
    before = everything()
    with pytest.raises(NotTogether) as refusal:
        service.approve_all([fine, claimed, held, unexplained, gone, "rfd_nowhere"], counter.support, note="")
    assert refusal.value.refusals.keys() == {claimed, held, unexplained, gone, "rfd_nowhere"}
    assert isinstance(refusal.value.refusals[gone], AlreadyDecided)
    assert everything() == before


@FOUR_EYES
def test_what_two_people_must_approve_is_not_approved_among_many(counter: Counter) -> None:
    wishes = [counter.ask(60_00), counter.ask(50_00)]  # together more than one person gives back of a payment
    before = everything()
    with pytest.raises(NotTogether) as refusal:
        service.approve_all(wishes, counter.support, note="")
    assert {error.code for error in refusal.value.refusals.values()} == {"refund_needs_two"}
    assert everything() == before


def test_many_are_rejected_with_one_reason(counter: Counter) -> None:
    wishes = [counter.ask(10_00) for _ in range(2)]
    with pytest.raises(Invalid):
        service.reject_all(wishes, counter.support, rejection=" ")
    too_many = [f"rfd_{number}" for number in range(service.MOST_AT_ONCE + 1)]
    for none_or_too_many in ([], too_many):
        with pytest.raises(Invalid):
            service.reject_all(none_or_too_many, counter.support, rejection="Too late")
    with pytest.raises(NotTogether):  # so many are looked at, and are not there
        service.reject_all(too_many[1:], counter.support, rejection="Too late")
    service.reject_all(wishes, counter.support, rejection="Too late")
    assert {counter.refund(one).rejection for one in wishes} == {"Too late"}
    assert counter.sums == (0, 0, 119_00)


def test_what_is_assigned_is_on_the_list_of_one_and_taken_for_the_others(counter: Counter) -> None:
    refund_id = counter.ask(19_00)
    service.assign_all([refund_id], counter.support, counter.approver.id)
    assert (places(counter.approver), places(counter.support)) == ({"mine": 1}, {"taken": 1})
    with pytest.raises(Invalid):
        service.assign_all([refund_id], counter.support, counter.user_id)
    service.assign_all([refund_id], counter.support, "")
    assert places(counter.support) == {"mine": 1}
    assert audited("refund.assigned") == 2


def test_the_customer_is_asked_and_answers_and_it_waits_for_a_decision_again(
    counter: Counter, app: Flask, smtp: Mailbox
) -> None:
    refund_id = counter.ask(19_00)
    service.ask_customer(refund_id, counter.support, "Which meter is it?")
    assert places(counter.support) == {"customer": 1}
    (job,) = jobs("refunds.mail_question")
    with app.app_context():
        email.send_question(job["message_id"])
    (mail,) = smtp.messages
    assert "Which meter is it?" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    with pytest.raises(NotFound):
        service.answer(refund_id, "cus_other", None, "The old one")
    service.answer(refund_id, counter.customer_id, counter.user_id, "The old one")
    assert places(counter.support) == {"mine": 1}
    before = everything()
    with pytest.raises(AlreadyDecided):
        service.answer(refund_id, counter.customer_id, counter.user_id, "The old one")
    assert everything() == before
    with db.reading() as session:
        told = [(one.words, one.from_customer) for one in queries.messages_of(session, refund_id)]
    assert told == [("Which meter is it?", False), ("The old one", True)]
    with app.app_context():
        email.send_question(job["message_id"])
    assert len(smtp.messages) == 1  # an answered question is not asked again


def test_a_decision_need_not_wait_for_the_answer(counter: Counter) -> None:
    refund_id = counter.ask(19_00)
    service.ask_customer(refund_id, counter.support, "Which meter is it?")
    assert service.approve(refund_id, counter.support) == RefundStatus.APPROVED
    with pytest.raises(AlreadyDecided):
        service.answer(refund_id, counter.customer_id, counter.user_id, "The old one")
    with pytest.raises(AlreadyDecided):
        service.ask_customer(refund_id, counter.support, "And now?")


# Pages


@pytest.fixture
def tom(app: Flask, counter: Counter) -> FlaskClient:
    return browser_of(app, counter.support.id)


@pytest.mark.database("sqlite")
def test_the_next_request_opens_by_itself_and_what_was_typed_survives_a_refusal(
    app: Flask, tom: FlaskClient, counter: Counter
) -> None:
    first, second = counter.ask(19_00), counter.ask(20_00)
    address = f"/support/refunds/{first}"
    refused = send(tom, f"{address}/rejection", rejection=" ", note="Seen the parcel")
    assert "Please tell the customer why" in refused and "Seen the parcel" in refused
    token = {"csrf_token": factories.csrf_token(tom)}
    goes = tom.post(f"{address}/approval?sort=largest", data=token).headers["Location"]
    assert goes == f"{address}/next?last={first}&sort=largest"
    went = tom.get(goes).headers["Location"]
    assert went == f"/support/refunds/{second}?sort=largest&last={first}"
    assert "Approved. The money is being refunded." in see(tom, went)
    assert tom.get(f"/support/refunds/{second}/next").headers["Location"] == "/support/refunds"
    service.claim(second, counter.approver)
    refused = send(tom, f"/support/refunds/{second}/rejection", rejection="It came on Monday")
    assert "is reviewing this refund" in refused and "It came on Monday" in refused
    assert "No refund is waiting for you" in see(tom, "/support/refunds")
    assert "Spree Bikes GmbH" in see(tom, "/support/refunds?place=taken")


@pytest.mark.database("sqlite")
@pytest.mark.settings(PORTAL_REFUND_UNDO_SECONDS="10")
def test_an_approval_is_undone_on_the_page_that_came_next(tom: FlaskClient, counter: Counter) -> None:
    refund_id = counter.ask(19_00)
    page = send(tom, f"/support/refunds/{refund_id}/approval")
    assert "Nothing is sent yet" in page and f"/support/refunds/{refund_id}/undo" in page
    assert "Nothing is sent yet" in see(tom, f"/support/refunds/{refund_id}")
    assert "Nothing is sent yet" in see(tom, f"/support/refunds/{refund_id}/decision")
    assert "Nothing was sent" in send(tom, f"/support/refunds/{refund_id}/undo")
    assert "can no longer be undone" in send(tom, f"/support/refunds/{refund_id}/undo")
    assert counter.refund(refund_id).status == RefundStatus.REQUESTED


@pytest.mark.database("sqlite")
def test_many_are_decided_on_the_page_and_what_stands_in_the_way_is_told_row_by_row(
    tom: FlaskClient, counter: Counter
) -> None:
    wishes = [counter.ask(10_00) for _ in range(2)]
    counter.touch(wishes[0], waiting_since=None, reason="other")
    token = factories.csrf_token(tom)

    def decide(**form: object) -> str:
        sent = {"refund": wishes, "csrf_token": token, **form}
        return tom.post("/support/refunds/decisions", data=sent, follow_redirects=True).get_data(as_text=True)

    page = decide(act="approve")
    assert "Nothing was changed" in page and page.count("Please add a note") == 1 and page.count(" checked") == 2
    assert "2 refunds approved" in decide(act="approve", note="As promised")
    assert statuses(counter, wishes) == {RefundStatus.APPROVED}


@pytest.mark.settings(
    PORTAL_REFUND_FOUR_EYES="eur:500", PORTAL_REFUND_DAY_OF_STAFF="eur:40", PORTAL_REFUND_DAY_OF_CUSTOMER="eur:70"
)
def test_the_queue_tells_who_needs_two_as_the_decision_finds_it(counter: Counter) -> None:
    service.approve(counter.ask(25_00), counter.support)
    small, large = counter.ask(10_00), counter.ask(20_00)
    proposed = counter.propose(counter.support, 16_00)

    def found(reviewer: Reviewer | None) -> set[str]:
        with db.reading() as session:
            rows = [
                row for row in (queries.by_id(session, one) for one in (small, large, proposed)) if not row.decided_at
            ]
            by_one = {row.id for row in rows if service.why_two(session, row, reviewer)}
            assert service.needs_two_among(session, rows, reviewer.id if reviewer else None) == by_one
            return by_one

    assert found(counter.support) == {large, proposed}  # 25 + 20, and 25 + 16, of one who has given back 25 alone
    assert found(counter.approver) == found(None) == {proposed}
    service.approve(small, counter.approver)
    service.approve(counter.ask(16_00), counter.admin)
    assert found(counter.approver) == {large, proposed}  # 25 + 10 + 16 + 20 of one customer


@pytest.mark.database("sqlite")
@pytest.mark.settings(PORTAL_REFUND_UNDO_SECONDS="10")
def test_what_was_approved_together_is_undone_by_one_press(tom: FlaskClient, counter: Counter) -> None:
    wishes = [counter.ask(10_00) for _ in range(2)]
    sent = {"refund": wishes, "csrf_token": factories.csrf_token(tom), "act": "approve"}
    answer = tom.post("/support/refunds/decisions", data=sent)
    page = see(tom, answer.location)
    assert "Nothing is sent yet" in page and "2 refunds" in page and "Undo all" in page
    assert statuses(counter, wishes) == {RefundStatus.APPROVED}
    assert "Nothing is sent yet" in see(tom, "/support/refunds/decisions?" + urlsplit(answer.location).query)
    undone = tom.post("/support/refunds/decisions/undo", data=sent, follow_redirects=True).get_data(as_text=True)
    assert "Approval of 2 refunds undone." in undone
    assert statuses(counter, wishes) == {RefundStatus.REQUESTED}
    late = tom.post("/support/refunds/decisions/undo", data=sent, follow_redirects=True).get_data(as_text=True)
    assert "2 approvals can no longer be undone." in late
    assert "Undo all" not in see(tom, answer.location)  # nothing of it stands


def test_of_what_was_approved_together_only_the_reviewers_own_is_undone(counter: Counter) -> None:
    wishes = [counter.ask(10_00) for _ in range(3)]
    service.approve_all(wishes[:2], counter.support, note="", undo_seconds=10)
    service.approve(wishes[2], counter.approver, undo_seconds=10)
    assert service.undo_all(wishes, counter.support) == 2
    assert [counter.refund(one).status for one in wishes] == ["requested", "requested", "approved"]


@pytest.mark.database("sqlite")
def test_the_queue_shows_what_decides_and_comes_as_a_file_and_under_a_name(tom: FlaskClient, counter: Counter) -> None:
    counter.ask(59_50, words="It never came, not even after the third call.")
    page = see(tom, "/support/refunds?reason=product_not_received")
    for words in ("50 % of the payment", "It never came", "1 request", "€59.50"):
        assert words in page
    assert "No refund is waiting for you" in see(tom, "/support/refunds?reason=goodwill")
    assert "It never came" in see(tom, "/support/refunds.csv")
    answer = send(tom, "/support/lists/refund_queue/views?reason=goodwill", name="Goodwill only")
    assert "View saved" in answer and "Goodwill only" in see(tom, "/support/refunds")
    with db.reading() as session:
        (view,) = saved.views_of(session, counter.support.id, "refund_queue")
    assert "View removed" in send(tom, f"/support/lists/refund_queue/views/{view.id}/removal")
    assert "Goodwill only" not in see(tom, "/support/refunds")


@pytest.mark.database("sqlite")
def test_the_question_is_answered_on_the_customers_page(app: Flask, tom: FlaskClient, counter: Counter) -> None:
    refund_id = counter.ask(19_00)
    ada = browser_of(app, counter.user_id)
    assert "Please write a question" in send(tom, f"/support/refunds/{refund_id}/question", question="")
    assert "asked by e-mail" in send(tom, f"/support/refunds/{refund_id}/question", question="Which meter is it?")
    assert "Which meter is it?" in see(ada, f"/refunds/{refund_id}")
    assert "Please write an answer" in send(ada, f"/refunds/{refund_id}/answer", answer="")
    assert "We go on with your request" in send(ada, f"/refunds/{refund_id}/answer", answer="The old one")
    assert "The old one" in see(tom, f"/support/refunds/{refund_id}")
