"""Invoices, documents and who one is, over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal.core import company_days, db
from portal.jobs import outbox
from portal.verification import queries as verified
from tests import factories
from tests.api.conftest import App, World

# What is behind is tested on both databases where it stands.
pytestmark = pytest.mark.database("sqlite")

LINES = [
    {
        "description": "Green electricity",
        "quantity": "1.5",
        "unit": "KWH",
        "unit_price": 100_00,
        "tax_rate": "19",
        "supplies": "goods",
    },
    {"description": "Meter", "unit_price": 9_99, "tax_rate": "5.5"},
]


def draft(world: World, **more: Any) -> dict[str, Any]:
    return {"customer_id": world.customer_id, "currency": "eur", "lines": LINES} | more


def test_an_api_client_issues_an_invoice_and_its_customer_sees_it(world: World, owner: App) -> None:
    client = world.api_client("invoices:write", "invoices:read")
    issued = client.post("/api/invoices", draft(world, external_reference="SO-4711"))
    assert issued.status_code == 201
    assert issued.json is not None
    assert (issued.json["status"], issued.json["net"], issued.json["total"]) == ("open", 159_99, 189_04)
    assert [line["quantity"] for line in issued.json["lines"]] == ["1.5", "1"]
    assert [line["tax_rate"] for line in issued.json["lines"]] == ["19", "5.5"]
    kinds = [(line["unit"], line["supplies"]) for line in issued.json["lines"]]
    assert kinds == [("KWH", "goods"), ("C62", "services")]
    assert owner.get(f"/api/invoices/{issued.json['id']}").json == issued.json
    assert issued.json["pay_url"].endswith(f"/payments/invoices/{issued.json['id']}")


def test_the_same_request_issues_one_invoice(world: World) -> None:
    client = world.api_client("invoices:write", "invoices:read")
    first, second = (client.post("/api/invoices", draft(world), key="order-4712") for _time in range(2))
    assert first.json == second.json
    same_name = [client.post("/api/invoices", draft(world, external_reference="SO-1")) for _time in range(2)]
    assert [answer.status_code for answer in same_name] == [201, 409]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"customer_id": "cus_none"}, "customer_id"),
        ({"currency": "xxx"}, "currency"),
        ({"lines": []}, "lines"),
        ({"due_on": "2001-01-01"}, "due_on"),
        ({"issued_on": "2999-01-01"}, "issued_on"),
        ({"due_on": 20_000}, "due_on"),
        ({"lines": [{"description": " ", "unit_price": 1_00}]}, "lines-0-description"),
        ({"lines": [{"description": "A", "unit_price": 1_00, "quantity": "0"}]}, "lines-0-quantity"),
        ({"lines": [{"description": "A", "unit_price": 1_00, "tax_rate": "101"}]}, "lines-0-tax_rate"),
        ({"lines": [{"description": "A", "unit_price": 1}]}, "total"),
        ({"lines": [{"description": "A", "unit_price": 1.5}]}, "lines.0.unit_price"),
        ({"lines": [{"description": "A", "unit_price": 1_00, "unit": "ZZZ"}]}, "lines.0.unit"),
        ({"lines": [{"description": "A", "unit_price": 1_00, "supplies": "both"}]}, "lines.0.supplies"),
    ],
)
def test_a_wrong_invoice_names_its_field(world: World, changed: dict[str, Any], field: str) -> None:
    answer = world.api_client("invoices:write").post("/api/invoices", draft(world) | changed)
    assert answer.status_code == 422
    assert answer.json is not None
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_invoices_are_listed_by_state_and_customer(world: World, owner: App) -> None:
    with db.transaction() as session:
        paid = factories.invoice(session, world.customer, status="paid").id
        other = factories.customer(session, name="Elbe Boats GmbH")
        foreign = factories.invoice(session, other).id
    assert _ids(owner, status="paid") == [paid]
    assert set(_ids(owner)) == {paid, world.invoice_id}
    support = world.of(world.staff("support"))
    assert set(_ids(support)) == {paid, world.invoice_id, foreign}
    assert _ids(support, customer_id=other.id) == [foreign]
    assert owner.get("/api/invoices", customer_id=other.id).status_code == 404
    assert len(_ids(owner, limit=1)) == 1


def _ids(app: App, **query: Any) -> list[str]:
    answer = app.get("/api/invoices", **query)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return [row["id"] for row in answer.json["data"]]


def test_a_receipt_is_found_by_its_payment_and_downloaded(world: World, owner: App) -> None:
    paid = owner.post(
        "/api/payments/process", {"invoice_id": world.invoice_id, "payment_method_id": world.method()}
    ).json
    assert paid is not None
    outbox.run_due()
    receipt_id = owner.get(f"/api/payments/{paid['id']}").json["receipt_id"]  # type: ignore[index]
    receipt = owner.get(f"/api/receipts/{receipt_id}").json
    assert receipt is not None
    assert (receipt["kind"], receipt["total"], receipt["payment_id"]) == ("payment_confirmation", 119_00, paid["id"])
    assert receipt["pdf_ready"]
    pdf = owner.get(f"/api/receipts/download/{receipt_id}")
    assert (pdf.mimetype, pdf.data[:5]) == ("application/pdf", b"%PDF-")
    assert pdf.headers["Content-Disposition"] == f"attachment; filename={receipt['number']}.pdf"
    listed = owner.get("/api/receipts").json
    assert listed is not None and listed["data"] == [receipt]


def test_a_pdf_that_is_being_made_is_asked_for_again(world: World, owner: App) -> None:
    from portal.documents import service as receipts

    with db.transaction() as session:
        payment = factories.payment(session, world.customer).id
    receipt_id = receipts.issue(payment)
    waiting = owner.get(f"/api/receipts/download/{receipt_id}")
    assert waiting.json is not None
    assert (waiting.status_code, waiting.json["code"]) == (503, "pdf_being_made")
    assert waiting.headers["Retry-After"] == "2"


def test_who_one_is(world: World, owner: App) -> None:
    me = owner.get("/api/customers/me").json
    assert me is not None
    assert (me["id"], me["name"]) == (world.customer_id, "Spree Bikes GmbH")
    assert (me["person"]["email"], me["person"]["role"]) == (world.owner.email, "owner")
    assert "payments:write" in me["scopes"]


def test_staff_mail_a_document_again_confirm_a_balance_and_void_an_invoice(world: World) -> None:
    desk = world.of(world.staff("approver"))
    issued = desk.post("/api/invoices", draft(world)).json
    assert issued is not None
    day = (company_days.today() - timedelta(days=1)).isoformat()
    confirmed = desk.post("/api/balance-confirmations", {"customer_id": world.customer_id, "day": day}).json
    assert confirmed is not None
    assert (confirmed["balances"], confirmed["pdf_ready"]) == ({"eur": 0}, False), "it was issued today"
    early = desk.post(f"/api/receipts/{issued['document_id']}/mail")
    assert early.status_code == 409, "its first mail is still to come"
    with world.app.app_context():
        while claimed := outbox.claim("worker", 1, lease_seconds=0):
            outbox.run(claimed[0], "worker")
    again = desk.post(f"/api/receipts/{issued['document_id']}/mail")
    assert (again.status_code, again.json["number"]) == (200, issued["number"])  # type: ignore[index]
    letter = desk.get(f"/api/balance-confirmations/{confirmed['id']}/pdf")
    assert letter.data.startswith(b"%PDF-")
    with db.reading() as session:
        found = verified.by_code(session, confirmed["verification_code"])
    assert found is not None and found.kind == "balance_confirmation"
    today = {"customer_id": world.customer_id, "day": company_days.today().isoformat()}
    refused = desk.post("/api/balance-confirmations", today)
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "day")  # type: ignore[index]
    key = "void-of-tests-1"
    for _ in range(2):
        void = desk.post(f"/api/invoices/{issued['id']}/void", {"reason": "Billed twice."}, key=key)
        assert (void.status_code, void.json["status"]) == (200, "void")  # type: ignore[index]
