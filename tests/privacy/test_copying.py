"""The copy of all data: complete, with nobody else's; asked for by owners, by staff who may, and by the operator."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from portal.core import clock, db
from portal.core.errors import NotFound
from portal.documents import service as documents
from portal.documents.models import Document
from portal.privacy import copying, rows, service
from portal.privacy.inventory import BY_TABLE, TABLES
from tests import factories
from tests.crashing import dies
from tests.privacy.filled import fill, mark

pytestmark = pytest.mark.database("sqlite")


def packed(file_id: str, customer_id: str) -> zipfile.ZipFile:
    service.make(file_id)
    row, content = service.download(file_id, customer_id)
    whole = b"".join(content)
    assert len(whole) == row.size
    return zipfile.ZipFile(io.BytesIO(whole))


def everything_in(archive: zipfile.ZipFile) -> str:
    return "\n".join(archive.read(name).decode() for name in archive.namelist())


def test_every_row_of_every_table_is_in_it_and_nobody_elses(database: str) -> None:
    with db.transaction() as session:
        mine, strangers = fill(session, "mine"), fill(session, "stranger")
    archive = packed(service.request(mine["customers"]["id"], mine["users"]["id"]), mine["customers"]["id"])
    told = everything_in(archive)
    assert "~stranger" not in told
    index = json.loads(archive.read(copying.INDEX))
    listed = {one["file"]: one for one in index["files"]}
    for held in TABLES:
        texts = {
            column: mark("mine", held.table, column)
            for column, value in mine.get(held.table, {}).items()
            if isinstance(value, str | dict) and "~" in str(value) and held.table in str(value)
        }
        if not held.is_exported:
            assert not any(texts[column] in told for column in held.personal if column in texts), held.table
            continue
        told_rows = json.loads(archive.read(f"data/{held.table}.json"))
        assert len(told_rows) == listed[f"data/{held.table}.json"]["rows"] >= 1
        key = [column.name for column in rows.key_of(rows.table_of(held))]
        for column, text in texts.items():
            if column not in key:
                assert (text in told) == (column not in held.secret), (held.table, column)
    assert {one["what"] for one in index["not_included"]} == {held.table for held in TABLES if held.withheld}
    assert strangers["customers"]["id"] not in told


def test_documents_are_in_it_as_they_were_issued_and_staff_are_nobody(client: FlaskClient, app: Flask) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        owner = factories.user(session, customer)
        colleague = factories.staff(session, "approver")
        payment = factories.payment(session, customer)
        refund = factories.refund(session, payment, decided_by=colleague.id, explanation="It was damaged")
    receipt_id = documents.issue(payment.id)
    documents.render(receipt_id)
    file_id = service.request(customer.id, owner.id)
    assert service.request(customer.id, colleague.id) == file_id, "one at a time, for whoever asks"
    dies("pack part made", lambda: service.make(file_id))
    archive = packed(file_id, customer.id)
    with db.reading() as session:
        receipt = session.get_one(Document, receipt_id)
        assert archive.read(f"receipts/{receipt.number}.pdf") == receipt.pdf
    refunds: list[dict[str, Any]] = json.loads(archive.read("data/refunds.json"))
    assert [(row["id"], row["decided_by"], row["explanation"]) for row in refunds] == [
        (refund.id, copying.STAFF, "It was damaged")
    ]
    (user,) = json.loads(archive.read("data/users.json"))
    assert user["id"] == owner.id and "password_hash" not in user
    trail = json.loads(archive.read("data/audit_events.json"))
    assert "personal_data.requested" in {event["action"] for event in trail}

    with pytest.raises(NotFound):
        service.download(file_id, factories_stranger())
    with time_machine.travel(clock.now() + service.KEEP_FOR + timedelta(minutes=1)):
        service.sweep()
    with pytest.raises(NotFound):
        service.download(file_id, customer.id)


def factories_stranger() -> str:
    with db.transaction() as session:
        return factories.customer(session, name="Elbe Boats AG").id


def test_owners_and_staff_who_may_get_it_on_their_pages(app: Flask, client: FlaskClient) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        owner, colleague = factories.user(session, customer), factories.staff(session, "approver")
    desk = FlaskClient(app, app.response_class)
    factories.sign_in(client, owner)
    factories.sign_in(desk, colleague)
    for browser, place in ((client, "/account/privacy"), (desk, f"/support/customers/{customer.id}/privacy")):
        assert "Copy of all data" in browser.get(place).text
        form = {"csrf_token": factories.csrf_token(browser)}
        made = browser.post(f"{place}/files", data=form)
        address = made.headers["Location"]
        assert "Being created" in browser.get(address).text
        service.make(address.rpartition("/")[2])
        assert "Ready" in browser.get(address).text
        file = browser.get(f"{address}/zip")
        assert zipfile.ZipFile(io.BytesIO(file.data)).testzip() is None
        assert file.headers["Cache-Control"] == "private, no-store"


def test_the_operator_writes_it_into_a_file_that_nobody_else_reads(app: Flask, database: str, tmp_path: Path) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
    into = tmp_path / "personal-data.zip"
    into.write_bytes(b"")
    done = app.test_cli_runner().invoke(args=["customer", "export", customer.id, "--to", str(into), "--json"])
    assert json.loads(done.output)["documents_missing"] == 0
    assert into.stat().st_mode & 0o777 == 0o600
    assert "data/customers.json" in zipfile.ZipFile(into).namelist()
    unknown = app.test_cli_runner().invoke(args=["customer", "export", "cus_nobody", "--to", str(into)])
    assert unknown.exit_code == 1 and "Traceback" not in unknown.output
    assert BY_TABLE["customers"].is_exported
