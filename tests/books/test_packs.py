"""Month-end packs: all of a month and nothing else, the same bytes for the same books, whole or not offered, and verifiable."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tracemalloc
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import func, select

from portal.books import service, verifying
from portal.books.models import Pack, PackPart
from portal.content import archives
from portal.core import db
from portal.core.audit import AuditEvent
from portal.core.errors import Invalid, NotFound
from portal.jobs import outbox
from portal.jobs.models import JobRow
from tests import factories
from tests.books.conftest import AFTERWARDS, NOON, OCTOBER, As, issue, issue_credit_note, made, save, text_of
from tests.crashing import dies, overtaken

PACKS = "/support/books/packs"


def pack_of(pack_id: str) -> Pack:
    with db.reading() as session:
        return session.get_one(Pack, pack_id)


def test_a_pack_holds_all_of_its_month_and_nothing_else(user: str, november: None) -> None:
    number = issue()
    issue(NOON - timedelta(days=15))  # in September
    issue(NOON + timedelta(days=17))  # in November
    with zipfile.ZipFile(io.BytesIO(made(user))) as pack:
        assert pack.testzip() is None
        assert set(pack.namelist()) == {
            f"receipts/{number}.pdf", "postings.csv", "documents.csv", "balance-transactions.csv", "totals.csv", "summary.txt",
            "README.txt", "public-key.pem", "manifest.json", "manifest.sig",
        }  # fmt: skip
        assert pack.read(f"receipts/{number}.pdf") == b"%PDF-1.7 of a receipt"
        postings = list(csv.DictReader(io.StringIO(pack.read("postings.csv").decode("utf-8-sig"))))
        totals = list(csv.DictReader(io.StringIO(pack.read("totals.csv").decode("utf-8-sig"))))
        manifest = json.loads(pack.read("manifest.json"))
        assert "Balance after            97.50   97.50           -" in pack.read("summary.txt").decode()
        assert "NOT IN THIS PACK" not in pack.read("README.txt").decode()
    # They are of one moment, so either may come first.
    assert {(row["kind"], row["amount"]) for row in postings} == {("fee", "2.50"), ("charge", "100.00")}
    assert len(postings) == 2
    assert {row["figure"]: row["our_books"] for row in totals}["fees"] == "-2.50"
    assert manifest["figures"][0]["figures"]["closing"] == {"ours": 97_50, "stripe": 97_50, "difference": 0}
    assert (manifest["month"], manifest["missing"], len(manifest["files"])) == ("2026-10", [], 8)


def test_a_credit_note_lies_in_its_own_folder(user: str, november: None) -> None:
    number = issue_credit_note(NOON, b"%PDF-1.7 n")
    with zipfile.ZipFile(io.BytesIO(made(user))) as pack:
        assert pack.read(f"credit-notes/{number}.pdf") == b"%PDF-1.7 n"


def test_the_same_books_make_the_same_bytes(user: str, november: None) -> None:
    issue()
    first = made(user)
    with time_machine.travel(AFTERWARDS + timedelta(days=300)):
        assert made(user) == first


def test_a_second_press_makes_no_second_pack(user: str, november: None) -> None:
    first = service.request(OCTOBER, user)
    assert service.request(OCTOBER, user) == first
    assert service.request(date(2026, 9, 1), user) != first
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(JobRow).where(JobRow.name == "books.make_pack")) == 2
        actions = session.scalars(select(AuditEvent.action)).all()
    assert actions.count("pack.requested") == 2
    service.make(first)
    assert service.request(OCTOBER, user) != first


def test_a_month_that_is_not_over_is_not_packed(user: str) -> None:
    with time_machine.travel(datetime(2026, 10, 31, 23, 59, tzinfo=UTC)), pytest.raises(Invalid):
        service.request(OCTOBER, user)


@pytest.mark.settings(PORTAL_TIMEZONE="America/Los_Angeles")
def test_a_month_is_over_and_begins_at_the_companys_midnight(user: str) -> None:
    over = datetime(2026, 11, 1, 7, tzinfo=UTC)
    inside, before = issue(over - timedelta(minutes=1)), issue(datetime(2026, 10, 1, 6, 59, tzinfo=UTC))
    with time_machine.travel(over - timedelta(minutes=1)), pytest.raises(Invalid):
        service.request(OCTOBER, user)
    with time_machine.travel(over), zipfile.ZipFile(io.BytesIO(made(user))) as pack:
        assert f"receipts/{inside}.pdf" in pack.namelist()
        assert f"receipts/{before}.pdf" not in pack.namelist()
        assert json.loads(pack.read("manifest.json"))["timezone"] == "America/Los_Angeles"
        assert "America/Los_Angeles" in pack.read("README.txt").decode()


# Killed, and run twice


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_a_pack_that_was_half_made_is_not_offered_and_is_made_anew(
    user: str, november: None, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr(archives, "PART_BYTES", 1_000)
    number = issue(pdf=bytes(range(256)) * 20)
    pack_id = service.request(OCTOBER, user)
    dies("pack part made", lambda: service.make(pack_id), time=parts + 1)
    with pytest.raises(NotFound):
        service.download(pack_id)
    assert pack_of(pack_id).status == "making"
    service.make(pack_id)
    pack, content = service.download(pack_id)
    whole = b"".join(content)
    assert len(whole) == pack.size
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert (
            hashlib.sha256(opened.read(f"receipts/{number}.pdf")).hexdigest()
            == hashlib.sha256(bytes(range(256)) * 20).hexdigest()
        )
    with db.reading() as session:
        kept = session.scalar(select(func.sum(func.length(PackPart.content))).where(PackPart.pack_id == pack_id))
    assert kept == pack.size


def test_two_workers_at_one_pack_make_one(user: str, november: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease of the first has run out while it was still at work."""
    monkeypatch.setattr(archives, "PART_BYTES", 500)
    issue()
    pack_id = service.request(OCTOBER, user)
    with overtaken("pack part made", by=lambda: service.make(pack_id), time=3):  # by the second, from beginning to end
        service.make(pack_id)
    assert zipfile.ZipFile(io.BytesIO(b"".join(service.download(pack_id)[1]))).testzip() is None
    with db.reading() as session:
        made_events = session.scalars(select(AuditEvent.action).where(AuditEvent.action == "pack.made")).all()
    assert len(made_events) == 1


def test_who_was_overtaken_adds_nothing_to_the_attempt_of_another(user: str, november: None) -> None:
    issue()
    pack_id = service.request(OCTOBER, user)

    def begin_only() -> None:
        dies("pack part made", lambda: service.make(pack_id))

    with overtaken("pack part made", by=begin_only):
        service.make(pack_id)
    assert (pack_of(pack_id).status, pack_of(pack_id).attempt) == ("making", 2)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(PackPart)) == 0


# Documents that are not there


def test_a_pack_waits_for_documents_that_are_being_made_and_then_says_what_is_missing(
    user: str, november: None, tmp_path: Path
) -> None:
    number, damaged = issue(pdf=None), issue(NOON + timedelta(hours=1), digest="0" * 64)
    pack_id = service.request(OCTOBER, user)
    with pytest.raises(outbox.Reschedule):
        service.make(pack_id)
    with time_machine.travel(AFTERWARDS + service.WAIT_FOR_DOCUMENTS + timedelta(seconds=1)):
        service.make(pack_id)
        content = b"".join(service.download(pack_id)[1])
    with zipfile.ZipFile(io.BytesIO(content)) as pack:
        readme = pack.read("README.txt").decode()
    assert f"{number}: its PDF was not made yet" in readme
    assert f"{damaged}: its stored PDF is not the one that was made" in readme
    manifest, _key = verifying.verify(save(content, tmp_path), verifying.our_key())
    assert [one["number"] for one in manifest["missing"]] == [number, damaged]
    assert pack_of(pack_id).missing == 2


# Handed out, and removed


@pytest.mark.database("sqlite")
def test_a_pack_is_asked_for_watched_and_taken_home(user: str, november: None, browse: As) -> None:
    issue()
    browser = browse("approver")
    token = {"X-CSRFToken": factories.csrf_token(browser)}
    assert "No packages yet" in text_of(browser, PACKS)
    assert browser.post(PACKS, data={"month": "2026-10"}, headers=token).status_code == 303
    with db.reading() as session:
        pack = session.scalars(select(Pack)).one()
    assert "October 2026 Being created" in text_of(browser, PACKS)
    waiting = browser.get(f"{PACKS}/{pack.id}", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert 'hx-trigger="load delay:2s"' in waiting
    assert browser.get(f"{PACKS}/{pack.id}/file").status_code == 404
    outbox.run_due()
    text = text_of(browser, f"{PACKS}/{pack.id}")
    assert "Ready" in text
    assert 'hx-trigger="load' not in browser.get(f"{PACKS}/{pack.id}").get_data(as_text=True)
    answer = browser.get(f"{PACKS}/{pack.id}/file")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="books-2026-10.zip"'
    assert answer.content_length == len(answer.get_data())
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.number.desc()).limit(1)).one()
    assert (event.action, event.subject, event.facts) == ("pack.downloaded", pack.id, {"month": "2026-10"})


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    ("month", "words"),
    [("2026-11", "This month is not over yet."), ("", "Please choose a month."), ("x", "Please choose a month.")],
)
def test_what_cannot_be_packed_is_refused(user: str, november: None, browse: As, month: str, words: str) -> None:
    browser = browse("approver")
    answer = browser.post(PACKS, data={"month": month}, headers={"X-CSRFToken": factories.csrf_token(browser)})
    assert answer.status_code == 422
    assert words in answer.get_data(as_text=True)


def test_packs_are_removed_after_thirty_days_and_given_up_when_their_job_is_dead(user: str, november: None) -> None:
    ready = service.request(OCTOBER, user)
    service.make(ready)
    stuck = service.request(OCTOBER, user)
    with time_machine.travel(AFTERWARDS + timedelta(days=3)):
        service.sweep()
        assert (pack_of(ready).status, pack_of(stuck).status) == ("ready", "given_up")
        assert service.request(OCTOBER, user) not in {ready, stuck}
    with time_machine.travel(AFTERWARDS + timedelta(days=30, minutes=1)):
        service.sweep()
        with db.reading() as session:
            assert session.scalar(select(func.count()).select_from(Pack).where(Pack.id.in_([ready, stuck]))) == 0
            assert session.scalar(select(func.count()).select_from(PackPart)) == 0


@pytest.mark.database("sqlite")
def test_a_large_pack_is_made_and_handed_out_in_little_memory(user: str, november: None) -> None:
    for number in range(30):
        issue(NOON + timedelta(minutes=number), bytes([number]) * 1_000_000)
    pack_id = service.request(OCTOBER, user)
    tracemalloc.start()
    try:
        service.make(pack_id)
        size = sum(len(part) for part in service.download(pack_id)[1])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 30_000_000
    assert peak < 15_000_000
