"""VAT IDs are checked by a job, and what was answered is kept; who issues an invoice asks what is known."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Final

import structlog
from sqlalchemy.orm import Session

from portal.accounts import jobs, tax_ids
from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.core import answers, audit, clock, config, db
from portal.core.breaker import REST_SECONDS
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, NotFound
from portal.jobs.outbox import Reschedule
from portal.vat import port, queries
from portal.vat.models import LONGEST_ANSWER, VatCheck, VatCheckResult
from portal.vat.port import Answer, NotAnswered, Verifier
from portal.vat.vies import Vies

log = structlog.get_logger(__name__)

# A VAT ID whose answer is younger is not asked about again, however often somebody presses the button. Seconds.
FRESH_SECONDS: Final = 600
# Waits between questions that nobody answers, in seconds; the last one repeats. The registers of member states rest for hours at night.
WAITS: Final = (60, 600, 1_800, 3_600, 7_200, 14_400, 28_800)
# About a week of it, and nobody asks any more by itself.
MOST_TRIES: Final = 24


class ChecksOff(Conflict):
    code = "vies_off"
    message = N_("VAT IDs are not checked with VIES here: PORTAL_VIES_URL is empty.")


def verifier() -> Verifier | None:
    """Who is asked; None where the settings name nobody."""
    url = config.current().vies_url
    return _vies(url) if url else None


_vies: Final = lru_cache(maxsize=8)(Vies)


def recheck(customer_id: str) -> None:
    """Have the VAT ID of a customer checked anew, as staff ask for. A second call while that is under way changes nothing.

    Raises NotFound, also where there is no VAT ID that VIES knows, and ChecksOff.
    """
    with db.transaction() as session:
        customer = accounts.customer(session, customer_id)
        if not tax_ids.is_of_the_union(customer.tax_id):
            raise NotFound
        if not config.current().vies_url:
            raise ChecksOff
        jobs.check_vat_id.requeue(session, customer_id=customer.id, tax_id=customer.tax_id)


def keep_fresh(session: Session, customer: Customer) -> None:
    """Leave the job that checks the customer's VAT ID, where nobody knows of it or the answer is old; in the caller's transaction."""
    known = queries.standing(session, customer)
    if known is not None and known.is_stale and config.current().vies_url:
        jobs.check_vat_id.requeue(session, customer_id=customer.id, tax_id=customer.tax_id)


def refresh(customer_id: str) -> None:
    """As keep_fresh, in a transaction of its own. Raises NotFound."""
    with db.reading() as session:
        known = queries.standing(session, accounts.customer(session, customer_id))
    if known is not None and known.is_stale and config.current().vies_url:
        with db.transaction() as session:
            keep_fresh(session, accounts.customer(session, customer_id))


def check(customer_id: str, tax_id: str) -> None:
    """Ask whether this VAT ID of a customer is valid, and keep the proof. A second call within FRESH_SECONDS of an answer asks nobody, nor
    does one after the customer's VAT ID has changed.

    Raises Reschedule when nobody answered, up to MOST_TRIES times in a row; each of these is kept as well.
    """
    asks = verifier()
    if asks is None or not _is_wanted(customer_id, tax_id):
        return
    ours = config.current().company.tax_id
    requester = tax_ids.plain(ours) if tax_ids.is_of_the_union(ours) else ""
    answered: Answer | NotAnswered
    try:
        answered = asks.ask(tax_ids.plain(tax_id), requester)
    except NotAnswered as error:
        if error.reason == port.LEFT_ALONE:  # nobody was asked
            raise Reschedule(REST_SECONDS * random.uniform(1, 3)) from error  # noqa: S311  # no secret
        answered = error
    unheard = isinstance(answered, NotAnswered) and answered.reason in {port.UNREACHABLE, port.TIMED_OUT}
    if unheard:
        answers.failed(answers.VIES)
    tries = _keep(customer_id, tax_id, requester, answered, heard=not unheard)
    if isinstance(answered, NotAnswered):
        log.warning("vat_id_not_checked", customer_id=customer_id, reason=answered.reason, tries=tries)
        if 0 < tries < MOST_TRIES:
            raise Reschedule(WAITS[min(tries, len(WAITS)) - 1] * random.uniform(0.8, 1.2))  # noqa: S311  # no secret


def _is_wanted(customer_id: str, tax_id: str) -> bool:
    with db.reading() as session:
        return accounts.customer(session, customer_id).tax_id == tax_id and not _is_fresh(session, customer_id, tax_id)


def _is_fresh(session: Session, customer_id: str, tax_id: str) -> bool:
    last = queries.latest_answer(session, customer_id, tax_id)
    return last is not None and (clock.now() - last.asked_at).total_seconds() < FRESH_SECONDS


def _keep(customer_id: str, tax_id: str, requester: str, answered: Answer | NotAnswered, *, heard: bool) -> int:
    """Write down what was answered, unless another worker has by now; returns how many questions in a row were not."""
    with db.transaction() as session:
        accounts.customer(session, customer_id, lock=True)
        if _is_fresh(session, customer_id, tax_id):
            return 0
        row = VatCheck(
            id=new_id("vat"),
            customer_id=customer_id,
            tax_id=tax_id,
            result=_result(answered),
            asked_at=clock.now(),
            requester=requester,
            answer=answered.body[:LONGEST_ANSWER],
        )
        if isinstance(answered, NotAnswered):
            row.reason = answered.reason
        else:
            row.consultation_number = answered.consultation_number
            row.trader_name, row.trader_address = answered.trader_name, answered.trader_address
        session.add(row)
        session.flush()
        if heard:
            answers.answered(session, answers.VIES)
        if not isinstance(answered, NotAnswered):
            facts = {"tax_id": tax_id, "consultation_number": row.consultation_number}
            if answered.is_valid:
                audit.record(session, "vat_id.confirmed", row.id, facts, customer_id=customer_id)
            else:
                audit.record(session, "vat_id.refused", row.id, facts, customer_id=customer_id)
            return 0
        last = queries.latest_answer(session, customer_id, tax_id)
        return queries.unanswered_since(session, customer_id, tax_id, last.asked_at if last else None)


def _result(answered: Answer | NotAnswered) -> VatCheckResult:
    if isinstance(answered, NotAnswered):
        return VatCheckResult.NOT_CHECKED
    return VatCheckResult.VALID if answered.is_valid else VatCheckResult.INVALID
