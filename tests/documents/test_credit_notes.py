"""One credit note a refund, with numbers of their own that leave no gap; what it takes back; and how it is revoked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import audit, clock, company_days, db
from portal.core.errors import Conflict, NotFound
from portal.documents import codes, facts, freezing, service
from portal.documents.facts import CreditNoteFacts
from portal.documents.models import CreditNote, Document, RefundConfirmation
from portal.jobs.models import JobRow
from portal.payments.models import Payment
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests.documents.conftest import GiveBack, Pay, fail
from tests.waiting import eventually

ISSUERS = 20
LINES = (("Green electricity", 1_500, 100_00, 1900), ("Grid fee", 1_000, 10_00, 700))


def notes() -> list[CreditNote]:
    with db.reading() as session:
        return list(session.execute(select(CreditNote).order_by(CreditNote.number)).scalars())


def frozen(note: CreditNote) -> CreditNoteFacts:
    found = facts.from_json(note.facts)
    assert isinstance(found, CreditNoteFacts)
    return found


def numbers() -> list[int]:
    return [int(note.number.rpartition("-")[2]) for note in notes()]


def told() -> list[str]:
    with db.reading() as session:
        assert audit.verify(session) is None
        return list(session.execute(select(audit.AuditEvent.action).order_by(audit.AuditEvent.number)).scalars())


@pytest.fixture
def paid(pay: Pay) -> str:
    """A payment of an invoice of 189.20 euros at two rates, with its confirmation: nets of 150.00 and 10.00, taxes of 28.50 and 0.70."""
    payment_id = pay(*LINES)
    service.issue(payment_id)
    return payment_id


def test_a_credit_note_names_its_invoice_and_takes_all_of_it_back(paid: str, give_back: GiveBack) -> None:
    refund_id = give_back(paid, acquirer_reference_number="74208480330000123456789", expected_by=date(2026, 12, 7))
    service.issue_credit_note(refund_id)
    [note] = notes()
    said = frozen(note)
    assert note.number == said.number == f"CN-{company_days.today().year}-000001"
    assert (note.refund_id, note.payment_id, note.total.minor) == (refund_id, paid, 189_20)
    assert (said.corrects, said.corrects_number) == ("invoice", said.reference.invoice_number)
    assert said.corrects_issued_on == said.reference.invoice_issued_on
    assert [(tax.tax_rate_basis_points, tax.net_minor, tax.tax_minor) for tax in said.taxes] == [
        (1900, 150_00, 28_50),
        (700, 10_00, 70),
    ]
    assert (said.net_minor, said.tax_minor, said.total_minor, said.untaxed_minor) == (160_00, 29_20, 189_20, 0)
    assert (said.reason, said.method.last4, said.reference.payment_id) == ("product_not_received", "4242", paid)
    assert said.acquirer_reference_number == "74208480330000123456789"
    assert "expected_by" not in note.facts
    assert said.buyer.name == "Spree Bikes GmbH"
    assert said.verification is not None
    assert said.verification.code == codes.grouped(note.code)
    assert said.verification.address == f"http://127.0.0.1:8000/verify/{said.verification.code}"


def test_several_refunds_together_take_back_exactly_what_the_invoice_states(paid: str, give_back: GiveBack) -> None:
    for amount in (1, 62_99, 100_00, 26_20):
        service.issue_credit_note(give_back(paid, amount_minor=amount))
    said = [frozen(note) for note in notes()]
    assert [one.total_minor for one in said] == [1, 62_99, 100_00, 26_20]
    assert [sum(parts) for parts in zip(*(_by_rate(one) for one in said), strict=True)] == [150_00, 28_50, 10_00, 70]
    assert _by_rate(said[1]) == [49_94, 9_49, 3_33, 23]


def _by_rate(said: CreditNoteFacts) -> list[int]:
    """Net and tax at 19 %, net and tax at 7 %."""
    found = {tax.tax_rate_basis_points: [tax.net_minor, tax.tax_minor] for tax in said.taxes}
    return [minor for rate in (1900, 700) for minor in found.get(rate, [0, 0])]


def test_a_payment_without_a_stated_tax_takes_none_back(pay: Pay, give_back: GiveBack) -> None:
    payment_id = pay(description="Deposit for a wallbox")
    service.issue(payment_id)
    service.issue_credit_note(give_back(payment_id, amount_minor=20_00))
    [said] = [frozen(note) for note in notes()]
    assert (said.taxes, said.net_minor, said.tax_minor, said.untaxed_minor) == ((), 20_00, 0, 20_00)


def test_it_is_written_for_the_customer_as_they_are_now_in_their_language(paid: str, give_back: GiveBack) -> None:
    with db.transaction() as session:
        customer = session.execute(select(Customer)).scalars().one()
        customer.name, customer.language = "Spree Bikes AG", "de"
    service.issue_credit_note(give_back(paid))
    [said] = [frozen(note) for note in notes()]
    assert (said.buyer.name, said.language) == ("Spree Bikes AG", "de")


def test_a_second_run_finds_the_credit_note_and_changes_nothing(paid: str, give_back: GiveBack) -> None:
    refund_id = give_back(paid)
    first = service.issue_credit_note(refund_id)
    assert service.issue_credit_note(refund_id) == first
    assert numbers() == [1]
    assert told() == ["payment_confirmation.issued", "credit_note.issued"]
    with db.reading() as session:
        renders = select(func.count()).select_from(JobRow).where(JobRow.name == "documents.render")
        assert session.execute(renders).scalar_one() == 2


@pytest.mark.parametrize("same_refund", [True, False], ids=["one refund", "twenty refunds"])
def test_concurrent_issuers_leave_no_gap_no_double_and_no_cent(
    paid: str, give_back: GiveBack, same_refund: bool
) -> None:
    amounts = [189_20] if same_refund else [9_46] * ISSUERS
    refunds = [give_back(paid, amount_minor=amount) for amount in amounts]
    with ThreadPoolExecutor(ISSUERS) as pool:
        issued = set(pool.map(service.issue_credit_note, refunds * (ISSUERS // len(refunds))))
    assert len(issued) == len(refunds)
    assert numbers() == list(range(1, len(refunds) + 1))
    sums = [sum(parts) for parts in zip(*(_by_rate(frozen(note)) for note in notes()), strict=True)]
    assert sums == [150_00, 28_50, 10_00, 70]


def test_without_its_receipt_it_waits_and_uses_up_no_number(pay: Pay, give_back: GiveBack) -> None:
    payment_id = pay(*LINES)
    refund_id = give_back(payment_id)
    with pytest.raises(service.NoReceiptYet):
        service.issue_credit_note(refund_id)
    service.issue(payment_id)
    service.issue_credit_note(refund_id)
    assert numbers() == [1]


@pytest.mark.parametrize("status", ["requested", "executing", "pending", "unknown", "rejected"])
def test_only_money_that_went_back_has_a_credit_note(paid: str, give_back: GiveBack, status: str) -> None:
    with pytest.raises(Conflict):
        service.issue_credit_note(give_back(paid, status=status, succeeded_at=None))
    with pytest.raises(NotFound):
        service.issue_credit_note("ref_unknown")
    assert numbers() == []


def test_more_than_was_paid_is_not_credited_and_uses_up_no_number(paid: str, give_back: GiveBack) -> None:
    first, second = give_back(paid), give_back(paid, amount_minor=1)
    service.issue_credit_note(first)
    with pytest.raises(freezing.NotAddingUp):
        service.issue_credit_note(second)
    fail(first)
    service.revoke_credit_note(first)
    service.issue_credit_note(second)
    assert numbers() == [1, 2]


# What changes no price


def confirmations() -> list[RefundConfirmation]:
    with db.reading() as session:
        return list(session.scalars(select(RefundConfirmation).order_by(RefundConfirmation.number)))


def test_money_that_was_paid_twice_is_confirmed_and_corrects_no_tax(paid: str, give_back: GiveBack) -> None:
    refund_id = give_back(paid, amount_minor=50_00, reason="duplicate")
    service.issue_credit_note(refund_id)
    [document] = confirmations()
    said = facts.from_json(document.facts)
    assert isinstance(said, facts.RefundConfirmationFacts)
    assert document.number == f"RC-{company_days.today().year}-000001"
    assert (said.taxes, said.tax_minor, said.total_minor) == ((), 0, 50_00)
    assert said.confirmation_number == f"PC-{company_days.today().year}-000001"
    service.issue_credit_note(give_back(paid, amount_minor=139_20))
    assert [note.total_minor for note in notes()] == [139_20]


def test_a_payment_that_was_too_much_is_given_back_without_a_credit_note(pay: Pay, give_back: GiveBack) -> None:
    payment_id = pay(*LINES, duplicate="paid_twice")
    service.issue(payment_id)
    service.issue_credit_note(give_back(payment_id))
    assert (len(confirmations()), notes()) == (1, [])


def test_a_receipt_that_is_an_invoice_is_taken_back_by_a_credit_note_also_when_it_was_paid_twice(
    pay: Pay, give_back: GiveBack
) -> None:
    payment_id = pay(description="Deposit")
    service.issue(payment_id)
    service.issue_credit_note(give_back(payment_id, reason="duplicate"))
    [said] = [frozen(note) for note in notes()]
    assert (said.corrects, said.corrects_number) == ("receipt", f"R-{company_days.today().year}-000001")


# Revoking


def test_a_refund_that_fails_after_all_revokes_its_credit_note_once(paid: str, give_back: GiveBack) -> None:
    refund_id = give_back(paid)
    service.issue_credit_note(refund_id)
    with pytest.raises(Conflict):
        service.revoke_credit_note(refund_id)
    fail(refund_id)
    service.revoke_credit_note(refund_id)
    [note] = notes()
    assert note.revoked_at is not None
    service.revoke_credit_note(refund_id)
    assert notes()[0].revoked_at == note.revoked_at
    assert told() == ["payment_confirmation.issued", "credit_note.issued", "credit_note.revoked"]
    with db.reading() as session:
        mails = select(JobRow.args).where(JobRow.name == "documents.mail_revocation")
        assert session.execute(mails).scalars().all() == [{"credit_note_id": note.id}]
    with pytest.raises(NotFound):
        service.revoke_credit_note("ref_unknown")


def test_the_number_of_a_revoked_credit_note_stays_used_and_its_money_can_be_credited_again(
    paid: str, give_back: GiveBack
) -> None:
    failed = give_back(paid)
    service.issue_credit_note(failed)
    fail(failed)
    service.revoke_credit_note(failed)
    service.issue_credit_note(give_back(paid))
    assert numbers() == [1, 2]
    assert [_by_rate(frozen(note)) for note in notes()] == [[150_00, 28_50, 10_00, 70]] * 2


def test_whichever_job_comes_first_a_failed_refund_has_no_credit_note_that_stands(
    paid: str, give_back: GiveBack
) -> None:
    refund_id = give_back(paid)
    fail(refund_id)
    service.revoke_credit_note(refund_id)
    assert service.issue_credit_note(refund_id) is None
    assert notes() == []


def test_issuing_and_revoking_at_once_leave_nothing_that_stands(paid: str, give_back: GiveBack) -> None:
    for _ in range(5):
        refund_id = give_back(paid)
        with ThreadPoolExecutor(2) as pool:
            issuing = pool.submit(service.issue_credit_note, refund_id)
            pool.submit(fail, refund_id).result()
            service.revoke_credit_note(refund_id)
            issuing.result()
        assert [note.number for note in notes() if note.revoked_at is None] == []


@pytest.mark.database("postgresql")  # SQLite lets no second writer begin
def test_a_refund_that_fails_while_its_credit_note_waits_to_be_issued_gets_none(paid: str, give_back: GiveBack) -> None:
    refund_id = give_back(paid)

    def waits_for_a_lock(session: Session) -> bool:
        session.execute(text("SELECT pg_stat_clear_snapshot()"))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(session.execute(text(waiting)).scalar_one())

    with ThreadPoolExecutor(1) as pool:
        with db.transaction() as session:
            session.get(Payment, paid, with_for_update=True)
            issuing = pool.submit(service.issue_credit_note, refund_id)
            eventually(lambda: waits_for_a_lock(session), within=10, what="the issuer")
            session.get_one(Refund, refund_id).status = RefundStatus.FAILED
        assert issuing.result() is None
    assert notes() == []


# What the database itself refuses

CHANGES = {
    "delete": "DELETE FROM documents",
    "number": "UPDATE documents SET number = 'CN-2026-999999'",
    "facts": "UPDATE documents SET facts = '{}'",
    "amount": "UPDATE documents SET total_minor = 1",
    "code": "UPDATE documents SET code = 'AAAABBBBCCCCDDDDEEEE'",
    "pdf": "UPDATE documents SET pdf = NULL",
    "hash": "UPDATE documents SET pdf_sha256 = 'another'",
    "mailed": "UPDATE documents SET mailed_at = NULL",
    "revoked": "UPDATE documents SET revoked_at = NULL WHERE kind = 'credit_note'",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_written_stays(paid: str, give_back: GiveBack, change: str) -> None:
    refund_id = give_back(paid)
    service.issue_credit_note(refund_id)
    fail(refund_id)
    service.revoke_credit_note(refund_id)
    with db.transaction() as session:
        for document in session.execute(select(Document)).scalars():
            document.pdf, document.pdf_sha256, document.mailed_at = b"%PDF-1.7", "hash", clock.now()
    with pytest.raises(DBAPIError, match="never changed or deleted"), db.transaction() as session:
        session.execute(text(CHANGES[change]))


@pytest.mark.owner
@pytest.mark.database("postgresql")
def test_the_table_is_not_emptied(paid: str) -> None:
    with pytest.raises(DBAPIError, match="never changed or deleted"), db.transaction() as session:
        session.execute(text("TRUNCATE documents CASCADE"))


@pytest.mark.database("sqlite")
def test_a_row_is_not_replaced_by_another(paid: str) -> None:
    with db.reading() as session:
        kept = dict(session.execute(select(Document.__table__)).mappings().one())
    replace = insert(Document).prefix_with("OR REPLACE").values(kept | {"number": "R-2026-999999"})
    with pytest.raises(DBAPIError, match="never changed or deleted"), db.transaction() as session:
        session.execute(replace)
