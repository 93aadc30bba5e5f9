"""E-invoices reach whoever sends them on by a network: a folder, or an endpoint; and it shows where they did not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask
from lxml import etree
from pydantic import SecretStr
from sqlalchemy import select

from portal.accounts import service as accounts
from portal.accounts.models import Customer
from portal.core import config, db
from portal.core.errors import Invalid
from portal.edelivery import queries, service
from portal.edelivery.folder import Folder
from portal.edelivery.models import Handover, HandoverStatus
from portal.edelivery.port import NotTaken, Package, Refused
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.jobs import outbox
from portal.jobs.outbox import Reschedule
from tests import factories

ADDRESS: Final = "0204:991-33333TEST-33"
KEY: Final = b"0123456789abcdef0123456789abcdef"
SECRET: Final = "whsec_" + base64.b64encode(KEY).decode()


class AccessPoint:
    """Takes what is posted, and answers all of it with one status."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.status = 202
        us = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                us.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                said = b"unknown participant" if us.status == 422 else b"queued"
                self.send_response(us.status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_args: object) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/invoices"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def point() -> Iterator[AccessPoint]:
    server = AccessPoint()
    yield server
    server.close()


def use(**changes: Any) -> None:
    config.use(config.current().model_copy(update=changes))


@pytest.fixture
def over_http(settings: config.Settings, point: AccessPoint) -> AccessPoint:
    use(edelivery_url=point.url, edelivery_secret=SecretStr(SECRET), private_endpoints=True)
    return point


@pytest.fixture
def authority(settings: config.Settings) -> Customer:
    with db.transaction() as session:
        return factories.customer(session, electronic_address=ADDRESS, postal_code="10997", city="Berlin")


def issue(customer: Customer, **more: Any) -> str:
    """Returns the invoice's id."""
    return invoices.issue(InvoiceDraft(customer.id, "eur", (LineDraft("Power", 1_000, 10_00, 1900),), **more)).id


def handover(invoice_id: str) -> Handover | None:
    with db.reading() as session:
        return queries.of_invoice(session, invoice_id)


def attempt(invoice_id: str) -> float | None:
    """One try of the job as it stands; returns the seconds until the next one."""
    found = handover(invoice_id)
    assert found is not None
    try:
        service.hand_over(found.document_id, found.round)
    except Reschedule as later:
        return later.seconds
    return None


def state(invoice_id: str) -> tuple[HandoverStatus, str]:
    found = handover(invoice_id)
    assert found is not None
    return found.status, found.answer


def test_an_e_invoice_is_posted_once_signed_and_with_its_address(over_http: AccessPoint, authority: Customer) -> None:
    invoice_id = issue(authority)
    assert [attempt(invoice_id), attempt(invoice_id)] == [None, None]
    assert state(invoice_id) == (HandoverStatus.HANDED_OVER, "202 queued")
    ((headers, body),) = over_http.taken
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = "v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()
    assert headers["webhook-signature"] == signature
    assert (headers["recipient-address"], headers["content-type"]) == (ADDRESS, "application/xml")
    found = handover(invoice_id)
    assert found is not None
    assert (headers["idempotency-key"], found.sha256) == (found.document_id, hashlib.sha256(body).hexdigest())
    ends = [one for one in etree.fromstring(body).iter("{*}EndpointID") if one.get("schemeID") == "0204"]
    assert [one.text for one in ends] == ["991-33333TEST-33"]


@pytest.mark.database("sqlite")
def test_a_refusal_ends_it_and_is_shown_and_staff_send_it_again(
    over_http: AccessPoint, authority: Customer, app: Flask
) -> None:
    use(edelivery_url=over_http.url, edelivery_secret=SecretStr(SECRET), private_endpoints=True)
    over_http.status = 422
    invoice_id = issue(authority)
    assert attempt(invoice_id) is None
    assert state(invoice_id) == (HandoverStatus.REFUSED, "422 unknown participant")
    with db.transaction() as session:
        admin = factories.staff(session, "admin")
    browser = app.test_client()
    factories.sign_in(browser, admin)
    assert "unknown participant" in browser.get("/support/network").get_data(as_text=True)
    assert "unknown participant" in browser.get(f"/support/invoices/{invoice_id}").get_data(as_text=True)
    found = handover(invoice_id)
    assert found is not None
    browser.post(f"/support/network/{found.document_id}", data={"csrf_token": factories.csrf_token(browser)})
    over_http.status = 200
    service.hand_over(found.document_id, found.round)  # the job of before
    assert state(invoice_id)[0] == HandoverStatus.PENDING
    assert attempt(invoice_id) is None
    assert state(invoice_id)[0] == HandoverStatus.HANDED_OVER
    assert len({headers["idempotency-key"] for headers, _body in over_http.taken}) == 1


@pytest.mark.database("sqlite")
def test_what_nobody_takes_is_tried_with_growing_waits_and_given_up(
    over_http: AccessPoint, authority: Customer
) -> None:
    over_http.status = 503
    invoice_id = issue(authority)
    waits = [attempt(invoice_id) for _ in range(outbox.MOST_ATTEMPTS)]
    assert waits[-1] is None and all(waits[:-1])
    assert state(invoice_id) == (HandoverStatus.FAILED, "503 queued")
    with db.reading() as session:
        assert len(session.scalars(queries.not_taken()).all()) == 1


@pytest.mark.database("sqlite")
def test_addresses_inside_are_not_posted_to(over_http: AccessPoint, authority: Customer) -> None:
    use(private_endpoints=False, edelivery_url="https://127.0.0.1:1/")
    invoice_id = issue(authority)
    assert attempt(invoice_id) is not None
    assert "cannot be reached from the internet" in state(invoice_id)[1]


def test_a_folder_gets_the_file_whole_with_its_sum(tmp_path: Path, authority: Customer) -> None:
    use(edelivery_folder=tmp_path, edelivery_format="cii")
    invoice_id = issue(authority)
    assert attempt(invoice_id) is None
    found = handover(invoice_id)
    assert found is not None
    file = tmp_path / found.answer
    assert sorted(one.name for one in tmp_path.iterdir()) == [file.name, f"{file.name}.sha256"]
    assert (tmp_path / f"{file.name}.sha256").read_text() == f"{found.sha256}  {file.name}\n"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == found.sha256
    assert b"991-33333TEST-33" in file.read_bytes()


def test_the_same_file_twice_is_no_error_and_another_one_is_refused(tmp_path: Path) -> None:
    folder, package = Folder(tmp_path), Package("doc_1", "../INV-1", ADDRESS, b"<a/>")
    assert folder.hand_over(package) == folder.hand_over(package) == "_INV-1.xml"
    with pytest.raises(Refused):
        folder.hand_over(Package("doc_2", "../INV-1", ADDRESS, b"<b/>"))
    assert (tmp_path / "_INV-1.xml").read_bytes() == b"<a/>"
    with pytest.raises(NotTaken):
        Folder(tmp_path / "nowhere").hand_over(package)


@pytest.mark.database("sqlite")
def test_without_an_address_a_network_or_a_mail_nothing_is_handed_over(tmp_path: Path, authority: Customer) -> None:
    with db.transaction() as session:
        other = factories.customer(session)
    assert handover(issue(authority)) is None
    use(edelivery_folder=tmp_path)
    assert handover(issue(other)) is None
    assert handover(issue(authority, mailed=False)) is None
    with db.reading() as session:
        assert session.scalars(select(Handover)).all() == []


@pytest.mark.database("sqlite")
def test_an_invoice_that_was_voided_before_is_not_handed_over(tmp_path: Path, authority: Customer) -> None:
    use(edelivery_folder=tmp_path)
    invoice_id = issue(authority)
    invoices.void(invoice_id, "Billed twice")
    assert attempt(invoice_id) is None
    assert state(invoice_id)[0] == HandoverStatus.REFUSED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("typed", ["991-1", "12:1", "0204:", "0204:a b", "EM:a@b.example"])
def test_an_address_of_a_network_has_a_scheme_and_an_id(authority: Customer, typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        accounts.change_billing_details(
            authority.id, name="Amt", address="", country="DE", tax_id="", electronic_address=typed
        )
    assert refused.value.field == "electronic_address"
