"""The desk's pages through HTTP: who may do what, forms with their mistakes, and parts that htmx asks for."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from portal.accounts.models import Customer
from portal.core import audit, clock, company_days, db
from portal.invoices.models import Invoice, OutsidePayment
from portal.payments.models import Payment, PaymentStep
from portal.support import queries
from portal.support.models import CustomerNote
from tests import factories
from tests.counting import counted_queries
from tests.support.conftest import As, Desk
from tests.support.test_desk import CSV

pytestmark = pytest.mark.database("sqlite")


def text(client: FlaskClient, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def post(client: FlaskClient, address: str, **data: object) -> TestResponse:
    form = {"csrf_token": factories.csrf_token(client), **data}
    return client.post(address, data=form, content_type="multipart/form-data")


def invoice_of(desk: Desk) -> Invoice:
    with db.reading() as session:
        return session.get_one(Invoice, desk.open_id)


# The frame


def test_staff_land_on_their_search_and_find_only_what_is_there(desk: Desk, browse: As) -> None:
    client = browse("support")
    assert client.get("/sign-in").location == "/support"
    html = text(client, "/support")
    nav = html[html.index('class="site-nav"') : html.index("</nav>")]
    assert re.findall(r'href="([^"]+)"', nav)[:1] == ["/support"]
    assert "/support/payments" in nav and 'href="/payment-methods"' not in html
    assert 'class="brand" href="/support"' in html


def test_whose_data_staff_have_seen_is_written_down_once(desk: Desk, browse: As) -> None:
    with db.transaction() as session:
        dispute_id = factories.dispute(session, desk.payment).id
    seen = {
        f"/support/customers/{desk.customer.id}": (desk.customer.id, "customer"),
        f"/support/payments/{desk.payment.id}": (desk.payment.id, "payment"),
        f"/support/invoices/{desk.open_id}": (desk.open_id, "invoice"),
        f"/support/disputes/{dispute_id}": (dispute_id, "dispute"),
        f"/support/refunds/{desk.refund_id}": (desk.refund_id, "refund"),
    }
    again = {
        f"/support/customers/{desk.customer.id}/payments": (desk.customer.id, "customer"),
        f"/support/disputes/of-customer/{desk.customer.id}": (desk.customer.id, "customer"),
        f"/support/payments/{desk.payment.id}/refund": (desk.payment.id, "payment"),
    }
    for addresses in ([*seen, *again, *seen], again):  # what is the first look at a thing differs
        client = browse("support")
        with db.reading() as session:
            before = session.get_one(audit.AuditHead, audit.HEAD_ID).number
            me = session.scalars(select(audit.AuditEvent.actor_id).order_by(audit.AuditEvent.number.desc())).first()
        for address in addresses:
            text(client, address)
        assert client.get("/support/customers/cus_nobody").status_code == 404
        with db.reading() as session:
            events = session.scalars(select(audit.AuditEvent).where(audit.AuditEvent.number > before)).all()
        assert {(one.action, one.actor_kind, one.actor_id, one.customer_id) for one in events} == {
            ("staff.viewed", "staff", me, desk.customer.id)
        }
        looks = [(one.subject, one.facts["what"]) for one in events]
        assert looks == list(dict.fromkeys((seen | again)[address] for address in addresses))


# The search


def test_results_come_as_a_part_and_enter_opens_the_only_one(desk: Desk, browse: As) -> None:
    client = browse("support")
    part = text(client, "/support?q=spree", **{"HX-Request": "true"})
    assert part.lstrip().startswith('<div id="results"') and "Spree Bikes GmbH" in part
    assert "Spree Bikes GmbH" in text(client, "/support?q=spree")
    assert client.get("/support?q=spree&open=1").location == f"/support/customers/{desk.customer.id}"
    assert client.get(f"/support?q={desk.open_id}&open=1").location == f"/support/invoices/{desk.open_id}"
    assert client.get("/support?q=re_3Spree&open=1").location == f"/support/refunds/{desk.refund_id}"
    assert f'href="/support/refunds/{desk.refund_id}"' in text(client, "/support?q=re_3Spree")
    assert "2 results" in text(client, "/support?q=INV-2026-00004&open=1")
    assert "No results" in text(client, "/support?q=<script>")


# A customer


def test_a_customers_country_and_language_stand_in_words(desk: Desk, browse: As) -> None:
    with db.transaction() as session:
        customer = factories.customer(session, country="CH", language="fr").id
    page = text(browse("support"), f"/support/customers/{customer}")
    assert "<dd>Switzerland</dd>" in page and "<dd>Français</dd>" in page
    assert 'href="/support">Home</a>' in page


def test_a_step_that_the_bank_refused_is_called_as_its_payment_is(desk: Desk, browse: As) -> None:
    with db.transaction() as session:
        refused: dict[str, Any] = {
            "status": "requires_payment_method",
            "failure_code": "card_declined",
            "succeeded_at": None,
        }
        payment = factories.payment(session, desk.customer, **refused)
        session.add(PaymentStep.of(payment))
    steps = text(browse("support"), f"/support/payments/{payment.id}").partition(">Steps<")[2]
    assert "Declined" in steps and "Incomplete" not in steps


def test_every_part_of_a_customers_page_stands_alone_and_swaps_in(desk: Desk, browse: As) -> None:
    client = browse("support")
    page = text(client, f"/support/customers/{desk.customer.id}")
    for name in queries.SECTIONS:
        address = f"/support/customers/{desk.customer.id}/{name}"
        assert f'id="section-{name}" hx-get="{address}"' in page
        assert text(client, address, **{"HX-Request": "true"}).lstrip().startswith(f'<div id="section-{name}"')
        text(client, address)
    assert client.get(f"/support/customers/{desk.customer.id}/secrets").status_code == 404
    disputes = f"/support/disputes/of-customer/{desk.customer.id}"
    part = f'<div id="disputes-of-{desk.customer.id}"'
    assert f'{part} hx-get="{disputes}"' in page
    assert text(client, disputes, **{"HX-Request": "true"}).lstrip().startswith(part)


def test_lists_cost_the_same_however_long_they_are(desk: Desk, browse: As) -> None:
    client = browse("support")
    addresses = [f"/support/customers/{desk.customer.id}/{name}" for name in queries.SECTIONS]
    addresses += ["/support?q=spree", "/support?q=119", "/support/invoices"]
    text(client, addresses[0])  # that staff have looked is written down once

    def cost() -> list[int]:
        costs = []
        for address in addresses:
            with counted_queries() as statements:
                text(client, address)
            costs.append(len(statements))
        return costs

    before = cost()
    with db.transaction() as session:
        for number in range(5):
            other = factories.customer(session, name=f"Spree {number}")
            factories.payment(session, other, factories.invoice(session, other))
            factories.user(session, desk.customer)
            factories.payment(session, desk.customer, factories.invoice(session, desk.customer, status="paid"))
            factories.invoice(session, desk.customer)
    assert all(now <= then for now, then in zip(cost(), before, strict=True)), (
        "what is found sooner is looked for in fewer places"
    )


def test_a_note_is_added_with_and_without_htmx_and_a_wrong_one_keeps_its_words(desk: Desk, browse: As) -> None:
    client = browse("support")
    address = f"/support/customers/{desk.customer.id}/notes"
    answer = post(client, address, words="Called <b>today</b>")
    assert (answer.status_code, answer.location) == (303, address)
    assert "Called &lt;b&gt;today&lt;/b&gt;" in text(client, address)
    assert post(client, address, words="  ").status_code == 422
    assert "x" * 2001 in post(client, address, words="x" * 2001).get_data(as_text=True)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(CustomerNote)) == 1


def test_customers_never_see_notes(desk: Desk, browse: As, client: FlaskClient) -> None:
    post(browse("support"), f"/support/customers/{desk.customer.id}/notes", words="Difficult person")
    factories.sign_in(client, desk.user)
    for address in ("/", "/account", "/invoices", f"/invoices/{desk.open_id}", f"/payments/{desk.payment.id}"):
        assert "Difficult person" not in client.get(address).get_data(as_text=True)
    assert client.get(f"/support/customers/{desk.customer.id}/notes").status_code == 404


def test_a_payments_page_tells_its_postings_receipt_refunds_and_troubles(desk: Desk, browse: As) -> None:
    client = browse("support")
    with db.transaction() as session:
        dispute_id = factories.dispute(session, desk.payment).id
        factories.fraud_warning(session, desk.payment)
        waiting = factories.payment(session, desk.customer, status="requires_action", succeeded_at=None).id
    html = text(client, f"/support/payments/{desk.payment.id}")
    for shown in ("pi_3Spree", "ch_3Spree", "INV-2026-000041", "Spree Bikes GmbH", "€20.00", "PC-", "warned of fraud"):
        assert shown in html, shown
    for address in (
        f"refunds/{desk.refund_id}",
        f"disputes/{dispute_id}",
        f"customers/{desk.customer.id}",
    ):
        assert f'href="/support/{address}"' in html, address
    assert f"payments/{desk.payment.id}/refund" not in html  # it is disputed
    assert f"payments/{waiting}/refund" not in text(client, f"/support/payments/{waiting}")


def test_each_part_of_a_payments_page_is_of_a_payment_that_is_there(desk: Desk, browse: As) -> None:
    client = browse("support")
    whole = (
        "payments/",
        "refunds/of-payment/",
        "disputes/of-payment/",
        "disputes/warnings-of-payment/",
        "documents/of-payment/",
    )
    for address in whole:
        assert client.get(f"/support/{address}pay_nothing").status_code == 404, address
        text(client, f"/support/{address}{desk.payment.id}")


def test_a_refund_leads_to_its_customer_and_its_payment(desk: Desk, browse: As) -> None:
    client = browse("support")
    html = text(client, f"/support/refunds/{desk.refund_id}")
    assert f'href="/support/customers/{desk.customer.id}"' in html
    assert f'href="/support/payments/{desk.payment.id}"' in html
    refunds = text(client, f"/support/customers/{desk.customer.id}/refunds")
    assert f'href="/support/refunds/{desk.refund_id}"' in refunds


# Invoices


LINE = {
    "lines-0-description": "Bread",
    "lines-0-quantity": "2.5",
    "lines-0-unit_price": "1,003.20",
    "lines-0-tax_rate": "7",
}


def issued() -> list[Invoice]:
    with db.reading() as session:
        return list(session.scalars(select(Invoice).where(Invoice.client_key.is_not(None))))


def test_an_invoice_is_issued_by_form_once_however_often_it_is_sent(desk: Desk, browse: As) -> None:
    client = browse("support")
    form = {"customer": "ADA@spree-bikes.test", "currency": "eur", "key": "k" * 20, "note": "Thanks", **LINE}
    first, second = (post(client, "/support/invoices/new", **form) for _ in range(2))
    (made,) = issued()
    assert first.location == second.location == f"/support/invoices/{made.id}"
    assert (made.net_minor, made.tax_minor, made.note) == (2_508_00, 175_56, "Thanks")
    assert "is issued" in text(client, first.location)


def test_lines_are_added_and_removed_without_javascript_and_nothing_typed_is_lost(desk: Desk, browse: As) -> None:
    client = browse("support")
    form = {"customer": "ada@spree-bikes.test", "currency": "eur", "key": "k" * 20, **LINE}
    more = post(client, "/support/invoices/new", add_line="1", **form).get_data(as_text=True)
    assert 'name="lines-1-description"' in more and 'value="1,003.20"' in more
    assert re.search(r'name="lines-1-tax_rate"[^>]*value="7"', more)
    second = {name.replace("-0-", "-1-"): value for name, value in LINE.items()} | {"lines-1-description": "Cake"}
    fewer = post(client, "/support/invoices/new", remove_line="0", **form, **second).get_data(as_text=True)
    assert 'name="lines-1-description"' not in fewer
    assert re.search(r'name="lines-0-description"[^>]*value="Cake"', fewer)
    assert issued() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"customer": "nobody@nowhere.test"}, "customer"),
        ({"customer": "cus_nobody"}, "customer"),
        ({"lines-0-quantity": "many"}, "lines-0-quantity"),
        ({"lines-0-quantity": "0"}, "lines-0-quantity"),
        ({"lines-0-unit_price": "1.005"}, "lines-0-unit_price"),
        ({"lines-0-tax_rate": ""}, "lines-0-tax_rate"),
        ({"due_on": "2001-01-01"}, "due_on"),
        ({"due_on": "soon"}, "due_on"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(desk: Desk, browse: As, wrong: dict[str, str], field: str) -> None:
    client = browse("support")
    form = {"customer": "ada@spree-bikes.test", "currency": "eur", "key": "k" * 20, **LINE, **wrong}
    answer = post(client, "/support/invoices/new", **form)
    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in html and f'href="#{field}"' in html
    assert issued() == []


def test_a_total_that_nobody_can_pay_is_told_above_the_form(desk: Desk, browse: As) -> None:
    form = {"customer": "ada@spree-bikes.test", "currency": "eur", "key": "k" * 20, **LINE, "lines-0-unit_price": "0"}
    answer = post(browse("support"), "/support/invoices/new", **form)
    assert answer.status_code == 422 and "cannot be paid by card" in answer.get_data(as_text=True)


def test_support_reads_and_issues_and_decides_nothing(desk: Desk, browse: As) -> None:
    client = browse("support")
    page = text(client, f"/support/invoices/{desk.open_id}")
    assert "/void" not in page and "/outside-payment" not in page
    assert "/support/invoices/import" not in text(client, "/support/invoices")
    for address in (f"/support/invoices/{desk.open_id}/void", f"/support/invoices/{desk.open_id}/outside-payment"):
        assert post(client, address).status_code == 404
    assert client.get("/support/invoices/import").status_code == 404
    assert invoice_of(desk).status == "open"


def test_what_cannot_be_done_is_not_offered_but_said_why(desk: Desk, browse: As) -> None:
    """On the pages of an invoice and of a payment: by the role, by the status, and by what stands in the way."""
    support, approver, finance = browse("support"), browse("approver"), browse("finance")

    def invoice(client: FlaskClient, invoice_id: str) -> str:
        return unescape(text(client, f"/support/invoices/{invoice_id}"))

    def payment(client: FlaskClient) -> str:
        return unescape(text(client, f"/support/payments/{desk.payment.id}"))

    void, propose = (
        f'action="/support/invoices/{desk.open_id}/void"',
        f'href="/support/payments/{desk.payment.id}/refund"',
    )
    assert "Record as paid, Void invoice, Write off: Only for these roles: Approver, Admin." in invoice(
        support, desk.open_id
    )
    assert void in invoice(approver, desk.open_id)
    assert "can no longer be voided" in invoice(approver, desk.paid_id)
    with db.transaction() as session:
        factories.payment(
            session,
            session.get_one(Customer, desk.customer.id),
            session.get_one(Invoice, desk.open_id),
            status="processing",
        )
    page = invoice(approver, desk.open_id)
    assert "is processing a payment of this invoice" in page and void not in page
    assert propose in payment(support)
    page = payment(finance)
    assert "Propose a refund: Only for these roles: Support, Approver, Admin." in page and propose not in page
    with db.transaction() as session:
        paid = session.get_one(Payment, desk.payment.id)
        rest = paid.amount_minor - 20_00
        factories.refund(session, paid, amount_minor=rest, asked_minor=rest)
    page = payment(support)
    assert "Nothing of this payment is left to refund." in page and propose not in page
    with db.transaction() as session:
        factories.dispute(session, session.get_one(Payment, desk.payment.id))
    assert "disputed" in payment(support) and propose not in payment(support)


@pytest.mark.parametrize("role", ["approver", "admin"])
def test_an_invoice_is_voided_with_a_reason(desk: Desk, browse: As, role: str) -> None:
    client = browse(role)
    address = f"/support/invoices/{desk.open_id}/void"
    refused = post(client, address)
    assert refused.status_code == 422 and 'id="void-reason-error"' in refused.get_data(as_text=True)
    assert post(client, address, **{"void-reason": "billed twice"}).status_code == 303
    assert (invoice_of(desk).status, invoice_of(desk).void_reason) == ("void", "billed twice")
    assert "billed twice" in text(client, f"/support/invoices/{desk.open_id}")


def test_an_invoice_is_recorded_as_paid(desk: Desk, browse: As) -> None:
    client = browse("approver")
    address = f"/support/invoices/{desk.open_id}/outside-payment"
    form = {
        "paid-how": "cash",
        "paid-reference": "Cash book 7",
        "paid-reason": "counted",
        "paid-key": "a-form-of-tom",
        "paid-amount_text": "119",
    }
    assert post(client, address, **form).status_code == 422
    tomorrow = company_days.today() + timedelta(days=1)
    refused = post(client, address, **form, **{"paid-paid_on": tomorrow.isoformat()})
    html = refused.get_data(as_text=True)
    assert refused.status_code == 422 and "cannot lie in the future" in html and 'value="Cash book 7"' in html
    post(client, address, **form, **{"paid-paid_on": company_days.today().isoformat()})
    html = text(client, f"/support/invoices/{desk.open_id}")
    assert "Cash book 7" in html and "€119.00 is recorded as paid." in html
    with db.reading() as session:
        assert session.scalars(select(OutsidePayment.how)).all() == ["cash"]


def test_a_large_payment_is_recorded_by_one_and_approved_by_another(desk: Desk, browse: As) -> None:
    with db.transaction() as session:
        row = factories.invoice(session, desk.customer, (("Oven", 1_000, 1000_00, 1900),))
        address = f"/support/invoices/{row.id}"
    form = {
        "how": "cheque",
        "reason": "on the statement",
        "key": "a-form-of-tom",
        "paid_on": company_days.today().isoformat(),
    }
    first, second = browse("approver"), browse("admin")
    post(
        first,
        f"{address}/outside-payment",
        **{f"paid-{name}": value for name, value in form.items()},
        **{"paid-amount_text": "1,190.00"},
    )
    html = text(first, address)
    assert "a colleague must approve it" in html and "/approval" not in html and "/void" not in html
    assert "Recorded payments for my second approval" in text(second, "/support")
    with db.reading() as session:
        record_id = session.scalars(select(OutsidePayment.id)).one()
    assert row.number in text(second, "/support/invoices/second-approvals")
    assert post(first, f"/support/invoices/outside-payments/{record_id}/approval").status_code == 303
    assert invoice_at(row.id).status == "open"
    post(second, f"/support/invoices/outside-payments/{record_id}/approval")
    assert invoice_at(row.id).status == "paid"
    refused = post(first, f"/support/invoices/outside-payments/{record_id}/reversal")
    assert refused.status_code == 422 and "Please give a reason." in refused.get_data(as_text=True)
    post(
        first,
        f"/support/invoices/outside-payments/{record_id}/reversal",
        **{f"reverse-{record_id}-reason": "another customer's"},
    )
    assert "another customer&#39;s" in text(second, address)
    rejection = {f"reject-{record_id}-reason": "it was theirs"}
    assert post(second, f"/support/invoices/outside-payments/{record_id}/rejection", **rejection).status_code == 303
    assert invoice_at(row.id).status == "paid"


def test_a_voided_invoice_is_issued_again_with_the_same_lines(desk: Desk, browse: As) -> None:
    client = browse("admin")
    post(client, f"/support/invoices/{desk.open_id}/void", **{"void-reason": "a mistake"})
    html = text(client, f"/support/invoices/{desk.open_id}")
    assert f"/support/invoices/new?like={desk.open_id}" in html
    form = text(client, f"/support/invoices/new?like={desk.open_id}")
    assert 'value="Green electricity"' in form and 'value="100.00"' in form and 'value="19"' in form


TYPED = {"customer": "ada@spree-bikes.test", "currency": "eur", "key": "k" * 20}


def test_a_customer_is_found_by_name_and_chosen_with_and_without_a_script(desk: Desk, browse: As) -> None:
    client = browse("support")
    options = client.get("/support/invoices/new/customers?customer=spree", headers={"HX-Request": "true"}).get_data(
        as_text=True
    )
    assert f'data-value="{desk.customer.id}"' in options and 'role="option"' in options and "<html" not in options
    found = post(client, "/support/invoices/new", **{**TYPED, "customer": "spree", **LINE}, find="1").get_data(
        as_text=True
    )
    assert f'name="choose" value="{desk.customer.id}"' in found and 'value="Bread"' in found
    chosen = post(client, "/support/invoices/new", **{**TYPED, "customer": "spree", **LINE}, choose=desk.customer.id)
    assert f'value="{desk.customer.id}"' in chosen.get_data(as_text=True)
    with db.transaction() as session:
        session.get_one(Customer, desk.customer.id).deactivated_at = clock.now()
    options = text(client, "/support/invoices/new/customers?customer=spree")
    assert 'aria-disabled="true"' in options and "no invoice can be issued" in options
    refused = post(client, "/support/invoices/new", **TYPED, **LINE)
    assert refused.status_code == 422 and "This customer is deactivated" in refused.get_data(as_text=True)


def test_the_total_is_told_while_lines_are_typed(desk: Desk, browse: As) -> None:
    client = browse("support")
    lines = {"lines-0-quantity": "3", "lines-0-unit_price": "0.33", "lines-0-tax_rate": "19", "lines-1-quantity": "x"}
    html = post(client, "/support/invoices/new/total", **TYPED, **lines).get_data(as_text=True)
    assert "€1.18" in html and "1 line is not complete yet." in html
    assert post(client, "/support/invoices/new/total", **{**TYPED, "currency": "?"}, **lines).status_code == 200


def test_a_preview_issues_nothing_and_keeps_what_was_typed(desk: Desk, browse: As) -> None:
    client = browse("support")
    numbers = len(invoice_numbers())
    form = {**TYPED, **LINE, "note": "Thanks, Ada"}
    html = post(client, "/support/invoices/new", **form, preview="1").get_data(as_text=True)
    assert "Preview" in html and "Nothing is issued yet" in html and "€" in html and "Thanks, Ada" in html
    assert len(invoice_numbers()) == numbers
    for name, value in form.items():
        assert f'name="{name}" value="{value}"' in html
    back = post(client, "/support/invoices/new", **form, change="1")
    assert back.status_code == 200 and "Thanks, Ada" in back.get_data(as_text=True)
    wrong = post(client, "/support/invoices/new", **{**form, "lines-0-unit_price": "?"}, preview="1")
    assert wrong.status_code == 422 and "Thanks, Ada" in wrong.get_data(as_text=True)
    assert post(client, "/support/invoices/new", **form).status_code == 303
    assert len(invoice_numbers()) == numbers + 1


def invoice_numbers() -> list[str]:
    with db.reading() as session:
        return list(session.scalars(select(Invoice.number)))


def invoice_at(invoice_id: str) -> Invoice:
    with db.reading() as session:
        return session.get_one(Invoice, invoice_id)


def test_a_file_is_looked_at_and_then_imported(desk: Desk, browse: As) -> None:
    client = browse("admin")
    assert "1 MB and 500 rows" in text(client, "/support/invoices/import")
    assert post(client, "/support/invoices/import").status_code == 422
    assert (
        post(client, "/support/invoices/import", decimal_mark="", file=(io.BytesIO(b""), "empty.csv")).status_code
        == 422
    )
    looked = post(
        client, "/support/invoices/import", decimal_mark="", file=(io.BytesIO(CSV.encode()), "november.csv")
    ).location
    html = text(client, looked)
    assert "1 invoice would be issued" in html and "€119.00" in html and "november.csv" in html
    assert post(client, looked).location == "/support/invoices"
    assert "1 invoice was issued." in text(client, "/support/invoices")
    assert post(client, looked).status_code == 404
    wrong = post(
        client,
        "/support/invoices/import",
        decimal_mark="",
        file=(io.BytesIO(f"{CSV}x@y.test;B;eur;;1;1;19\n".encode()), "wrong.csv"),
    ).location
    html = text(client, wrong)
    assert "Every line needs a description." in html and "Issue" not in html.split("<main")[1]


def test_an_upload_that_is_refused_leaves_no_file_open(desk: Desk, browse: As) -> None:
    """More than 500 kB is kept in a file without a name while it is read."""

    def nameless() -> list[str]:
        files = (file for file in Path("/proc/self/fd").iterdir() if file.is_symlink())
        return sorted(str(file) for file in files if str(file.readlink()).endswith("(deleted)"))

    support, admin, before = browse("support"), browse("admin"), nameless()
    form = {"decimal_mark": ""}
    refused = [
        post(support, "/support/invoices/import", **form, file=(io.BytesIO(b"x" * 700_000), "large.csv")),
        admin.post("/support/invoices/import", data=form | {"file": (io.BytesIO(b"x" * 700_000), "large.csv")}),
    ]
    assert [answer.status_code for answer in refused] == [404, 400]
    assert nameless() == before
