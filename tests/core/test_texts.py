"""What becomes of free text before it is kept, and what is refused."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf import FlaskForm

from portal.accounts import access, colleagues
from portal.accounts import service as accounts
from portal.accounts.models import Customer
from portal.content import sheets
from portal.core import company_days, db, idempotency, logs, texts
from portal.core.errors import Invalid
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.identity import api_clients
from portal.identity import service as identity
from portal.invoices import files, outside
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.payments import service as payments
from portal.payments.order_rules import Item, Order, whole
from portal.payments.order_rules import check as check_order
from portal.reconciliation import service as reconciliation
from portal.refunds import service as refunds
from portal.support import service as support
from portal.web.forms import PortalForm
from portal.webhook_endpoints import service as webhook_endpoints
from tests import factories

CARD = "4242 4242 4242 4242"
REVIEWER = Reviewer("usr_reviewer", "admin")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ada  ", "Ada"),
        ("Le\u00a0Café\u202fSàrl", "Le Café Sàrl"),  # no-break and narrow spaces
        ("株式会社\u3000東京", "株式会社 東京"),
        ("Moe\u0308bel", "Moëbel"),  # decomposed
        ("\ufeffAda", "Ada"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # a non-joiner
        ("क्\u200dष", "क्\u200dष"),  # a joiner
        ("👩\u200d🚀 Ltd", "👩\u200d🚀 Ltd"),
        ("\u200fשלום\u200f", "\u200fשלום\u200f"),  # right-to-left marks
        ("Donau\u00addampf", "Donau\u00addampf"),  # a soft hyphen
        ("\u202a+49 40 123\u202c", "+49 40 123"),  # as telephones copy a number
        ("\u00a0\u200b\u3164 ", ""),
    ],
)
def test_spaces_become_plain_and_marks_stay(typed: str, kept: str) -> None:
    assert texts.one_line(typed, field="name", longest=200) == kept
    assert texts.several_lines(f"{typed}\r\n", field="name", longest=200) == kept


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("Ada\nLovelace", "ine breaks"),
        ("Ada\u2028Lovelace", "ine breaks"),
        ("Ada\u2029Lovelace", "ine breaks"),
        ("Ada\x85Lovelace", "ine breaks"),
        ("Ada\x07", "control character in it (U+0007)"),
        ("Ada\x00", "control character in it (U+0000)"),
        ("Ada\ud800", "control character in it (U+D800)"),
        ("Ada\u202efdp", "turns the direction of writing (U+202E)"),
        ("Ada\u202d", "turns the direction of writing (U+202D)"),
        (CARD, "looks like a card number"),
        ("x" * 201, "at most 200 characters"),
    ],
)
def test_what_is_refused_and_why(typed: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        texts.one_line(typed, field="name", longest=200)
    assert words in refused.value.text() and refused.value.field == "name"
    assert CARD not in refused.value.text()


def test_several_lines_have_line_feeds_and_no_tabs() -> None:
    assert texts.several_lines("a\r\nb\rc\td\n", field="note", longest=10) == "a\nb\nc d"
    with pytest.raises(Invalid):
        texts.several_lines("a\u2028b", field="note", longest=10)


@pytest.mark.parametrize("empty", ["", " ", "\u200b\u00a0", "\u3164"])
def test_what_shows_nothing_is_empty(empty: str) -> None:
    with pytest.raises(Invalid) as refused:
        texts.one_line(empty, field="name", longest=10, required=True)
    assert refused.value.text() == texts.EMPTY


# Wherever free text is kept

Write = Callable[[Customer, str], object]


def _draft(customer: Customer, **values: object) -> InvoiceDraft:
    line = LineDraft(str(values.pop("line", "Power")), 1_000, 100_00, 1900)
    return InvoiceDraft(customer.id, "eur", (line,), **values)  # type: ignore[arg-type]


def _owner(customer: Customer) -> str:
    with db.transaction() as session:
        return factories.user(session, session.merge(customer)).id


def _order(customer: Customer, **values: Any) -> None:
    given = {"customer_id": customer.id, "client_key": "key-12345678", "invoices": whole("inv_1"), **values}
    check_order(Order(**given))


_TRANSFER: dict[str, Any] = {
    "paid_on": company_days.today(),
    "how": "bank_transfer",
    "reference": "",
    "reason": "on the statement",
    "client_key": "key-12345678",
}


WRITERS: dict[str, Write] = {
    "a customer's name": lambda _one, text: accounts.invite_customer(name=text, email="new@shop.test"),
    "a person's name": lambda _one, text: accounts.invite_customer(name="Shop", email="new@shop.test", contact=text),
    "a stranger's name": lambda _one, text: accounts.sign_up("new@shop.test", text, "en"),
    "an e-mail address": lambda _one, text: accounts.sign_up(text.replace(" ", "") + "@shop.test", "Ada", "en"),
    "a colleague's name": lambda one, text: colleagues.invite(
        one.id, by=_owner(one), name=text, email="new@shop.test", role="viewer", language="en"
    ),
    "a name that is changed": lambda one, text: identity.change_profile(_owner(one), name=text, language="en"),
    "a staff member's name": lambda _one, text: access.invite(email="new@shop.test", name=text, role="support"),
    "an API client's name": lambda one, text: api_clients.create(text, ["invoices:read"], _owner(one)),
    "an address": lambda one, text: accounts.change_billing_details(
        one.id, name="Shop", address=f"Street 1\n{text}", country="DE", tax_id=""
    ),
    "a tax id": lambda one, text: accounts.change_billing_details(
        one.id, name="Shop", address="", country="DE", tax_id=text
    ),
    "an invoice's line": lambda one, text: invoices.issue(_draft(one, line=text)),
    "an invoice's reference": lambda one, text: invoices.issue(_draft(one, reference=text)),
    "an invoice's other name": lambda one, text: invoices.issue(_draft(one, external_reference=text)),
    "an invoice's note": lambda one, text: invoices.issue(_draft(one, note=f"Hello\n{text}")),
    "why an invoice is void": lambda _one, text: invoices.void("inv_none", text),
    "a transfer's reference": lambda _one, text: outside.record(
        "inv_none", Reviewer("usr_1", "approver"), **(_TRANSFER | {"reference": text})
    ),
    "why a transfer is recorded": lambda _one, text: outside.record(
        "inv_none", Reviewer("usr_1", "approver"), **(_TRANSFER | {"reason": text})
    ),
    "why a record is rejected": lambda _one, text: outside.reject("out_none", Reviewer("usr_1", "approver"), text),
    "why a record is reversed": lambda _one, text: outside.reverse("out_none", Reviewer("usr_1", "approver"), text),
    "a file of invoices": lambda _one, text: files.UPLOADS.keep("usr_1", "a.csv", f"customer;{text}".encode(), ""),
    "a file that is no UTF-8": lambda _one, text: files.UPLOADS.keep("usr_1", "a.csv", text.encode("utf-16"), ""),
    "a file's name": lambda _one, text: files.UPLOADS.keep("usr_1", f"{text}.csv", b"customer", ""),
    "a note about a customer": lambda one, text: support.add_note(one.id, "usr_1", f"says: {text}"),
    "what a customer pays for": lambda one, text: payments.record_custom_payment(
        one.id, Money(500, "eur"), text, client_key="key-12345678"
    ),
    "metadata": lambda one, text: _order(one, metadata={"ref": text}),
    "a name in metadata": lambda one, text: _order(one, metadata={text.replace(" ", "-"): "x"}),
    "an app's description": lambda one, text: _order(one, invoices=(), amount=Money(500, "eur"), description=text),
    "an app's item": lambda one, text: _order(
        one,
        invoices=(),
        amount=Money(500, "eur"),
        description="Power",
        items=(Item(text, 1_000, 500),),
    ),
    "a key": lambda _one, text: idempotency.check_client_key(text),
    "why a refund": lambda one, text: refunds.ask(
        one.id, None, "pay_none", Money(500, "eur"), "other", text, client_key="key-12345678"
    ),
    "why staff propose a refund": lambda one, text: refunds.propose(
        _owner(one), "pay_none", Money(500, "eur"), "other", text, client_key="key-12345678"
    ),
    "a note on an approval": lambda _one, text: refunds.approve("ref_none", REVIEWER, note=text),
    "why a refund is rejected": lambda _one, text: refunds.reject("ref_none", REVIEWER, rejection=text),
    "a note on a rejection": lambda _one, text: refunds.reject("ref_none", REVIEWER, rejection="No.", note=text),
    "how a refund was paid instead": lambda _one, text: refunds.pay_outside(
        "ref_none", REVIEWER, paid_on=company_days.today(), note=text
    ),
    "why nothing is owed": lambda _one, text: refunds.close("ref_none", REVIEWER, note=text),
    "an endpoint's description": lambda one, text: webhook_endpoints.add_endpoint(
        one.id, "https://shop.example.org/in", ["payment.succeeded"], text, "usr_1"
    ),
    "an endpoint's address": lambda one, text: webhook_endpoints.add_endpoint(
        one.id, f"https://shop.example.org/{text.replace(' ', '')}", ["payment.succeeded"], "", "usr_1"
    ),
    "what was found about the books": lambda _one, text: reconciliation.resolve("fnd_none", "usr_1", text),
}


@pytest.mark.parametrize("place", WRITERS)
@pytest.mark.settings(PORTAL_OPEN_SIGN_UP="true", PORTAL_PAY_ANY_AMOUNT="true")
@pytest.mark.database("sqlite")
def test_a_card_number_is_refused_before_anything_is_written(settings: object, place: str) -> None:
    with db.transaction() as session:
        one = factories.customer(session)
    with pytest.raises(texts.CardNumber):
        WRITERS[place](one, CARD)


@pytest.mark.database("sqlite")
def test_a_form_refuses_a_card_number_at_its_field(client: FlaskClient) -> None:
    typed = {"email": "4242424242424242", "password": "4242424242424242"}
    answer = client.post("/sign-in", data=typed | {"csrf_token": factories.csrf_token(client)})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and "This looks like a card number" in page
    assert 'id="email-error"' in page and 'id="password-error"' not in page  # a password is not kept


def test_every_form_is_one_of_ours() -> None:
    strangers = [form for form in _kinds(FlaskForm) if form.__module__.startswith("portal.") and form is not PortalForm]
    assert len(strangers) > 15
    assert [form.__name__ for form in strangers if not issubclass(form, PortalForm)] == []


def _kinds(kind: type) -> list[type]:
    children: list[type] = kind.__subclasses__()
    return [one for child in children for one in (child, *_kinds(child))]


def test_a_line_of_the_log_holds_no_card_number(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    logging.getLogger("any").warning("GET /%s", "4242424242424242")
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert line["event"] == "GET /••••••••••••••••"


def test_a_file_with_card_numbers_names_their_lines() -> None:
    with pytest.raises(texts.CardNumber) as refused:
        sheets.check_upload(f"a;b\nx;{CARD}\n1;2\n{CARD};y\n".encode())
    assert "2, 4" in refused.value.text()
    sheets.check_upload(io.BytesIO(b"customer;invoice\n4242;4242\n4242;4242\n").read())


@pytest.mark.database("sqlite")
def test_what_comes_along_with_a_request_is_not_kept_either(app: Flask) -> None:
    """The scan behind each test looks for what this leaves in the database."""
    with db.transaction() as session:
        admin = factories.staff(session, "admin")
    browser = app.test_client()
    browser.environ_base |= {"HTTP_USER_AGENT": "App 4242424242424242", "HTTP_X_REQUEST_ID": "4242424242424242"}
    factories.sign_in(browser, admin)
    refused = browser.get("/support/operations/audit.csv?subject=4242424242424242")
    assert refused.status_code == 422 and refused.headers["X-Request-Id"] != "4242424242424242"
