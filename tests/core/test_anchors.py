"""Anchors: a chain that was made anew fits together, but not with what was written down outside of the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from portal.content import anchors
from portal.content.anchors import Anchor, BadAnchor
from portal.core import audit, clock, config, db
from portal.core.audit import AuditEvent, AuditHead
from portal.jobs import outbox
from portal.jobs.models import JobRow
from tests.smtp import Mailbox, text_of

pytestmark = pytest.mark.owner

EVENTS = 4


def record(subject: str) -> None:
    with db.transaction() as session:
        audit.record(session, "payment.started", subject)


def tampered(tamper: Callable[[Session], object]) -> None:
    """Do this to the chain for good, as someone with all rights in the database can."""
    with db.transaction() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))
        else:
            for name in ("no_update", "no_delete", "no_replace"):
                session.execute(text(f"DROP TRIGGER IF EXISTS audit_events_{name}"))
        tamper(session)


def rewritten(number: int) -> Callable[[Session], None]:
    """The event says something else, and everything after it, the head as well, is made anew so that it fits."""
    table = AuditEvent.__table__

    def tamper(session: Session) -> None:
        rows = session.execute(select(*table.columns).order_by(table.c.number)).mappings().all()
        session.execute(delete(AuditEvent))
        previous = audit.GENESIS
        for row in rows:
            content = {key: row[key] for key in row if key != "hash"} | {"previous_hash": previous}
            if row["number"] == number:
                content["subject"] = "pay_forged"
            previous = audit.digest_of(content)
            session.execute(insert(AuditEvent).values(**content, hash=previous))
        session.execute(update(AuditHead).values(hash=previous))

    return tamper


def cut(number: int) -> Callable[[Session], None]:
    """All from this event on is gone, and the head fits what is left."""
    table = AuditEvent.__table__

    def tamper(session: Session) -> None:
        session.execute(delete(AuditEvent).where(table.c.number >= number))
        last = session.execute(select(table.c.hash).where(table.c.number == number - 1)).scalar_one()
        session.execute(update(AuditHead).values(number=number - 1, hash=last))

    return tamper


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the anchors are appended; ask for it before `app`."""
    path = tmp_path / "anchors.jsonl"
    monkeypatch.setenv("PORTAL_AUDIT_ANCHOR_FILE", str(path))
    return path


@pytest.fixture
def trail(file: Path, app: Flask) -> Flask:
    """An application whose trail has EVENTS events, and the anchor of the last of them in the file."""
    for number in range(EVENTS):
        record(f"pay_{number}")
    with db.transaction() as session:
        anchor = anchors.take(session)
    anchors.append(anchor, file)
    return app


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["audit", *words])


def complaint(app: Flask, *words: str) -> str:
    result = run(app, "verify", *words)
    assert result.exit_code == 1
    return str(result.stderr)


def head() -> tuple[int, str]:
    with db.reading() as session:
        row = session.get_one(AuditHead, audit.HEAD_ID)
        return row.number, row.hash


# The command


def test_a_trail_that_fits_its_anchors_is_told_with_its_length_and_its_head(trail: Flask) -> None:
    result = run(trail, "verify")
    number, digest = head()
    assert (result.exit_code, number) == (0, EVENTS + 1)
    assert result.stdout == f"Events: {number}, anchors: 1, head: {digest}\n"
    assert result.stderr == ""


TAMPERING = {
    "edited": (
        lambda session: session.execute(text("UPDATE audit_events SET ip = '198.51.100.7' WHERE number = 2")),
        "event 2 was changed",
    ),
    "deleted": (
        lambda session: session.execute(text("DELETE FROM audit_events WHERE number = 2")),
        "event 2 is missing",
    ),
    "cut off": (
        lambda session: session.execute(text("DELETE FROM audit_events WHERE number >= 3")),
        "event 3 was cut off",
    ),
    "cut off with a head that fits": (cut(3), "event 3 was cut off"),
    "rewritten with a head that fits": (rewritten(2), f"event {EVENTS} is not the one that was anchored"),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_the_first_event_that_was_tampered_with_is_named_and_the_status_is_1(trail: Flask, what: str) -> None:
    tamper, sentence = TAMPERING[what]
    tampered(tamper)
    assert sentence in complaint(trail)


def test_without_an_anchor_a_rewritten_trail_with_a_fitting_head_would_pass(trail: Flask, file: Path) -> None:
    """Which is why there are anchors; and one from a mail does as well as the file."""
    number, digest = head()
    tampered(rewritten(2))
    with db.reading() as session:
        assert audit.verify(session) is None
    assert "is not the one that was anchored" in complaint(trail, "--anchor", f"{number}:{digest}")


def unreadable(session: Session) -> None:
    postgresql = session.get_bind().dialect.name == "postgresql"
    value = "at = 'infinity'" if postgresql else "facts = '{not JSON'"
    session.execute(text(f"UPDATE audit_events SET {value} WHERE number = 3"))  # noqa: S608


def test_an_event_that_cannot_even_be_read_is_named(trail: Flask) -> None:
    tampered(unreadable)
    assert "event 3 cannot be read" in complaint(trail)


def test_a_long_trail_is_walked_in_strides_and_told_of(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "STRIDE", 3)
    for number in range(8):
        record(f"pay_{number}")
    passed: list[int] = []
    with db.reading() as session:
        assert audit.verify(session, passed=passed.append) is None
    assert passed == [3, 3]
    tampered(unreadable)
    with db.reading() as session:
        assert audit.verify(session) == "event 3 cannot be read any more"


# The file


def changed(file: Path, change: Callable[[str], str]) -> None:
    file.write_text(change(file.read_text()))


FORGED_FILES: dict[str, tuple[Callable[[str], str], str]] = {
    "another hash": (lambda line: line.replace(json.loads(line)["hash"], "f" * 64), "is not the one that was anchored"),
    "another number": (lambda line: line.replace('"number": 4', '"number": 9'), "event 6 was cut off"),
    "a hash too short": (lambda line: line.replace(json.loads(line)["hash"], "ff"), "line 1"),
    "no JSON": (lambda line: line + "torn {", "line 2"),
    "a contradiction": (lambda line: line + line.replace(json.loads(line)["hash"], "f" * 64), "contradict each other"),
    "emptied": (lambda _: "", "holds no anchor"),
}


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("what", FORGED_FILES)
def test_a_file_of_anchors_that_was_tampered_with_shows(trail: Flask, file: Path, what: str) -> None:
    change, sentence = FORGED_FILES[what]
    changed(file, change)
    assert sentence in complaint(trail)


@pytest.mark.database("sqlite")
def test_a_file_of_anchors_that_is_gone_shows(trail: Flask, file: Path, tmp_path: Path) -> None:
    elsewhere = file.rename(tmp_path / "elsewhere")
    assert "No such file" in complaint(trail)
    assert run(trail, "verify", "--anchor-file", str(elsewhere)).exit_code == 0


def test_what_is_no_anchor_is_refused() -> None:
    for text_ in ("", "1204", "x:ff", "-1:" + "f" * 64, "7:" + "F" * 64):
        with pytest.raises(BadAnchor):
            anchors.from_mails([text_])
    assert anchors.from_mails([f" 7:{'f' * 64}\n"]) == {7: "f" * 64}


def test_the_beginning_of_an_empty_trail_can_be_anchored(database: str, tmp_path: Path) -> None:
    with db.transaction() as session:
        anchor = anchors.take(session)
    anchors.append(anchor, tmp_path / "new")
    with db.reading() as session:
        assert anchors.in_file(tmp_path / "new") == {0: audit.GENESIS}
        assert audit.verify(session, {0: audit.GENESIS}) is None
        assert audit.verify(session, {0: "f" * 64}) is not None


def test_anchors_are_appended_and_none_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    for number in range(3):
        anchors.append(Anchor(number, f"{number}" * 64, clock.now()), file)
    assert anchors.in_file(file) == {number: f"{number}" * 64 for number in range(3)}


# Once a day, and by hand


def test_each_day_the_head_goes_into_the_file_and_into_a_mail(file: Path, app: Flask, smtp: Mailbox) -> None:
    record("pay_1")
    number, digest = head()
    with db.transaction() as session:
        outbox.enqueue_periodic(session)
        outbox.enqueue_periodic(session)
    with app.app_context():
        outbox.run_due()
    assert anchors.in_file(file) == {number: digest}
    (mail,) = [mail for mail in smtp.messages if "audit log" in mail["Subject"]]
    assert mail["To"] == config.current().company.support_email
    command = f"flask audit verify --anchor {number}:{digest}"
    assert command in text_of(mail)
    assert run(app, *command.split()[2:]).exit_code == 0
    with db.reading() as session:
        assert anchors.latest(session) is not None


def test_while_the_mail_server_is_down_the_file_has_its_line_already(file: Path, app: Flask, smtp: Mailbox) -> None:
    smtp.refuse_next("451 later")
    anchors.anchor_now()
    with app.app_context():
        outbox.run_due()
    assert anchors.in_file(file) == {0: audit.GENESIS}
    assert smtp.messages == []
    with db.reading() as session:
        (job,) = session.scalars(select(JobRow).where(JobRow.name == "content.mail_anchor"))
    assert job.status == "queued"


@pytest.mark.database("sqlite")
def test_the_operator_anchors_by_hand(file: Path, app: Flask, smtp: Mailbox) -> None:
    record("pay_1")
    number, digest = head()
    result = run(app, "anchor")
    assert (result.exit_code, result.stdout) == (0, f"{number}:{digest}\n")
    assert anchors.in_file(file) == {number: digest}
    assert len(smtp.messages) == 1
    smtp.refuse_next("451 later")
    failed = run(app, "anchor")
    assert failed.exit_code == 1
    assert "not written down everywhere" in failed.stderr
