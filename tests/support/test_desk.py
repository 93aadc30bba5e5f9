"""What staff read of a customer and a payment, and what they write: notes, a receipt sent again, files of invoices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.content import language, mail, sheets, uploads
from portal.core import audit, clock, company_days, config, db, keyset
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.documents import email
from portal.documents import service as receipts
from portal.documents.models import PaymentDocument
from portal.identity.models import SignInSession
from portal.invoices import files
from portal.invoices.models import Invoice, InvoiceFile
from portal.jobs import outbox
from portal.mandates.models import Collection, Mandate
from portal.refunds import email as refund_email
from portal.support import labels, queries, service
from portal.support.models import CustomerNote
from tests import factories
from tests.smtp import Mailbox
from tests.support.conftest import Desk, refund

CSV = "customer;invoice;currency;description;quantity;unit_price;tax_rate\nada@spree-bikes.test;A-1;eur;Bread;1;100,00;19\n"


def section(desk: Desk, name: str, cursor: str | None = None) -> Any:
    with db.reading() as session:
        return queries.section(session, desk.customer.id, name, cursor)[1]


def staff() -> str:
    with db.transaction() as session:
        return factories.staff(session, "admin").id


def actions(desk: Desk) -> list[str]:
    with db.reading() as session:
        events = select(audit.AuditEvent.action).where(audit.AuditEvent.customer_id == desk.customer.id)
        return list(session.scalars(events.order_by(audit.AuditEvent.number)))


# A customer


def test_the_head_sums_up_what_is_owed_paid_and_asked_back_by_currency(desk: Desk) -> None:
    with db.transaction() as session:
        factories.payment(session, desk.customer, amount_minor=500, currency="jpy")
        factories.payment(session, desk.customer, status="canceled", succeeded_at=None)
        factories.payment(session, desk.stranger)
        refund(session, desk.payment, status="rejected")
        refund(session, desk.payment, status="succeeded", amount_minor=9_00)
    with db.reading() as session:
        file = queries.customer_file(session, desk.customer.id)
    assert [one.total for one in file.owed.sums] == [Money(119_00, "eur")]
    assert file.paid.amounts == [Money(119_00, "eur"), Money(500, "jpy")]
    assert file.asked_back.amounts == [Money(20_00, "eur")]
    assert file.given_back.amounts == [Money(9_00, "eur")]
    assert file.paid.complete


def test_a_sum_has_an_end_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_SUMMED", 3)
    with db.transaction() as session:
        for hours in range(1, 5):
            factories.payment(session, desk.customer, created_at=clock.now() + timedelta(hours=hours))
    with db.reading() as session:
        paid = queries.customer_file(session, desk.customer.id).paid
    assert paid.amounts == [Money(150_00, "eur")]
    assert not paid.complete


def test_each_part_holds_what_is_the_customers_and_nobody_elses(desk: Desk) -> None:
    with db.transaction() as session:
        theirs = factories.payment(session, desk.stranger, factories.invoice(session, desk.stranger))
        refund(session, theirs)
        factories.user(session, desk.stranger)
    assert [row.id for row in section(desk, "invoices").rows] == [desk.open_id]
    assert [shown.row.id for shown in section(desk, "payments").rows] == [desk.payment.id]
    assert [row.id for row in section(desk, "refunds").rows] == [desk.refund_id]
    assert [row.last4 for row in section(desk, "methods")] == ["0005"]
    assert [row.user.id for row in section(desk, "people")] == [desk.user.id]
    with pytest.raises(NotFound), db.reading() as session:
        queries.section(session, desk.customer.id, "secrets", None)


def test_people_are_shown_with_the_browsers_they_are_signed_in_with_now(desk: Desk) -> None:
    now = clock.now()
    rows = ((now, None), (now, now), (now - timedelta(hours=2), None), (now, None))
    with db.transaction() as session:
        for number, (seen, ended) in enumerate(rows):
            session.add(
                SignInSession(
                    token_hash=str(number), user_id=desk.user.id, created_at=seen, last_seen_at=seen, ended_at=ended
                )
            )
    assert [(person.user.name, person.sessions) for person in section(desk, "people")] == [("Ada Brandt", 2)]


def test_automatic_payment_is_on_off_or_was_never_given(desk: Desk) -> None:
    assert section(desk, "automatic-payment").mandate is None
    now = clock.now()
    with db.transaction() as session:
        for ended in (now - timedelta(days=9), None):
            mandate = Mandate(
                id=db.new_id("mnd"), customer_id=desk.customer.id, given_by=desk.user.id, given_at=now, ip="", language="en",
                terms="I agree", ended_at=ended,
            )  # fmt: skip
            session.add(mandate)
        session.flush()
        session.add(
            Collection(
                id=db.new_id("col"), mandate_id=mandate.id, customer_id=desk.customer.id, invoice_id=desk.open_id,
                charge_on=company_days.today(), next_attempt_at=now, created_at=now, updated_at=now,
            )
        )  # fmt: skip
    found = section(desk, "automatic-payment")
    assert found.is_on
    assert [one.invoice.number for one in found.collections] == ["INV-2026-000042"]
    with db.transaction() as session:
        session.get_one(Mandate, found.mandate.id).ended_at = now
    ended = section(desk, "automatic-payment")
    assert (ended.is_on, ended.mandate.id) == (False, found.mandate.id)


def test_the_timeline_tells_everything_page_by_page(desk: Desk) -> None:
    with audit.acting(audit.Actor("customer", desk.user.id)), db.transaction() as session:
        for number in range(keyset.PAGE_SIZE):
            audit.record(session, "session.started", f"usr_{number}", customer_id=desk.customer.id)
        audit.record(session, "session.started", "usr_x", customer_id=desk.stranger.id)
    first = section(desk, "timeline")
    assert [row.words for row in first.rows] == ["Signed in"] * keyset.PAGE_SIZE
    assert {(row.who, row.is_person) for row in first.rows} == {("Ada Brandt", True)}
    second = section(desk, "timeline", first.older)
    assert [(row.words, row.facts["number"][:2], row.who) for row in second.rows] == [
        ("Payment confirmation %(number)s issued", "PC", "Automatically")
    ]
    assert second.older is None and not second.is_first
    for cursor in ("x", "-1", "1" * 40, "²"):
        with pytest.raises(NotFound):
            section(desk, "timeline", cursor)


def test_an_event_without_words_is_told_by_its_name() -> None:
    assert labels.sentence("dispute.opened_anew", {"number": 1}) == ("%(action)s", {"action": "dispute: opened anew"})
    assert labels.sentence("invoice.issued", {})[0] == "%(action)s"
    assert labels.sentence("payment.status", {"after": "succeeded"})[0] == "Payment succeeded"


def test_amounts_and_days_in_the_timeline_are_written_as_the_reader_writes_them() -> None:
    text, facts = labels.sentence("dispute.money", {"amount": "-1234.50 EUR", "fee": "0 JPY"})
    german = {name: language.shown(fact, "de") for name, fact in facts.items()}
    assert text % german == "Dispute amount moved: -1.234,50\u00a0€, fee 0\u00a0¥"
    _text, facts = labels.sentence("payment_method.expiry_reminder", {"last_day": "2026-12-31"})
    assert language.shown(facts["last_day"], "de") == "31.12.2026"
    assert labels.sentence("customer.detail_refused", {"detail": "2026-13-45"})[1] == {"detail": "2026-13-45"}


# Notes


def test_a_note_is_kept_with_its_author_and_is_not_in_the_audit_trail_itself(desk: Desk) -> None:
    author = staff()
    service.add_note(desk.customer.id, author, "  Called about the meter.\r\nCalls again.  ")
    (note,) = section(desk, "notes").rows
    assert (note.words, note.author.name) == ("Called about the meter.\nCalls again.", "Tom Staff")
    assert actions(desk)[-1] == "customer.noted"
    for text in ("", "   ", "x" * 2001):
        with pytest.raises(Invalid):
            service.add_note(desk.customer.id, author, text)
    with pytest.raises(NotFound):
        service.add_note("cus_nobody", author, "Hello")
    with db.reading() as session:
        assert len(session.scalars(select(CustomerNote)).all()) == 1


# Mails


def test_mails_are_listed_and_a_receipt_is_sent_again_to_the_present_address(
    desk: Desk, app: Flask, smtp: Mailbox
) -> None:
    with pytest.raises(Conflict):
        receipts.send_again(desk.receipt_id)
    receipts.render(desk.receipt_id)
    with app.app_context():
        email.send(desk.receipt_id)
        email.send(desk.receipt_id)
        with db.transaction() as session:
            session.merge(desk.customer).email = "new@spree-bikes.test"
        receipts.send_again(desk.receipt_id)
        outbox.run_due()
        outbox.run_due()
    first, again = smtp.wait_for(2)
    assert (first["To"], again["To"]) == ("ada@spree-bikes.test", "new@spree-bikes.test")
    assert first["Message-ID"] != again["Message-ID"]
    listed = section(desk, "mails").rows
    assert [(one.sent.recipient, one.sent.times, one.document_id) for one in listed] == [
        ("new@spree-bikes.test", 1, desk.receipt_id),
        ("ada@spree-bikes.test", 1, desk.receipt_id),
    ]
    assert actions(desk).count("payment_confirmation.sent_again") == 1
    with db.reading() as session:
        mailed_at = session.get_one(PaymentDocument, desk.receipt_id).mailed_at
    assert mailed_at is not None and mailed_at < listed[0].sent.sent_at, "the first time stays"


def test_a_mail_about_a_refund_is_listed_on_the_page_of_its_customer_and_the_one_to_staff_is_not(
    desk: Desk, app: Flask, smtp: Mailbox
) -> None:
    with app.app_context():
        refund_email.send(desk.refund_id, "requested", "requested")
        refund_email.send(desk.refund_id, "failed", "pending")
    assert {mail["To"] for mail in smtp.wait_for(3)} == {"ada@spree-bikes.test", config.current().company.support_email}
    listed = section(desk, "mails").rows
    assert [(one.sent.recipient, one.document_id) for one in listed] == [("ada@spree-bikes.test", None)] * 2
    assert listed[-1].sent.subject == "Your refund request for €20.00 has arrived"


def test_the_same_mail_again_is_one_line_and_a_refused_one_is_none(desk: Desk, app: Flask, smtp: Mailbox) -> None:
    receipts.render(desk.receipt_id)
    with app.app_context():
        smtp.refuse_next("451 4.3.0 come again")
        with pytest.raises(OSError, match="come again"):
            email.send_again(desk.receipt_id, "snd_1")
        assert section(desk, "mails").rows == []
        email.send_again(desk.receipt_id, "snd_1")
        email.send_again(desk.receipt_id, "snd_1")
    (listed,) = section(desk, "mails").rows
    assert listed.sent.times == 2
    with db.reading() as session:
        (row,) = session.scalars(select(mail.SentMail))
    assert {column.key for column in mail.SentMail.__table__.c} == {
        "key", "recipient", "subject", "template", "customer_id", "sent_at", "times",
    }, "what a mail says is kept nowhere"  # fmt: skip
    assert (row.key, row.template) == (
        f"payment_confirmation:snd_1:{desk.receipt_id}",
        "documents/mails/payment_confirmation",
    )


# Files of invoices


def test_a_file_shows_what_it_would_issue_and_is_forgotten_once_it_has(desk: Desk) -> None:
    me = staff()
    file_id = files.UPLOADS.keep(me, "november.csv", CSV.encode(), "")
    file, report = files.look_into(file_id, me)
    assert (file.filename, [str(one.total) for one in report.new]) == ("november.csv", ["119.00 EUR"])
    with db.reading() as session:
        assert session.scalar(select(Invoice).where(Invoice.external_reference == "A-1")) is None
    assert [one.external_reference for one in files.import_file(file_id, me).issued] == ["A-1"]
    with pytest.raises(NotFound):
        files.import_file(file_id, me)
    again = files.UPLOADS.keep(me, "november.csv", CSV.encode(), "")
    assert files.import_file(again, me).issued == ()


def test_a_file_is_its_uploaders_alone(desk: Desk) -> None:
    file_id = files.UPLOADS.keep(staff(), "november.csv", CSV.encode(), "")
    someone_else = staff()
    for look in (files.look_into, files.import_file):
        with pytest.raises(NotFound):
            look(file_id, someone_else)


def test_a_file_with_a_mistake_issues_nothing_and_stays(desk: Desk) -> None:
    me = staff()
    wrong = CSV + "ada@spree-bikes.test;A-2;eur;Bread;none;100,00;19\n"
    file_id = files.UPLOADS.keep(me, "november.csv", wrong.encode(), "")
    assert [problem.line for problem in files.import_file(file_id, me).problems] == [3]
    assert [problem.line for problem in files.look_into(file_id, me)[1].problems] == [3]
    for content in (b"", b"x" * (sheets.MOST_BYTES + 1)):
        with pytest.raises(Invalid):
            files.UPLOADS.keep(me, "x.csv", content, "")


def test_files_that_nobody_comes_back_to_are_forgotten(desk: Desk) -> None:
    me = staff()
    old, fresh = (files.UPLOADS.keep(me, "november.csv", CSV.encode(), "") for _ in range(2))
    with db.transaction() as session:
        session.get_one(InvoiceFile, old).uploaded_at = clock.now() - uploads.KEEP_FILES - timedelta(hours=1)
    files.UPLOADS.forget_old()
    with db.reading() as session:
        assert session.scalars(select(InvoiceFile.id)).all() == [fresh]
