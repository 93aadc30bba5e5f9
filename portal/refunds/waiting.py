"""What of refunds waits for someone of staff."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.core.errors import N_
from portal.core.four_eyes import Reviewer
from portal.core.permissions import Permission
from portal.refunds import queries, queue
from portal.refunds.models import Refund
from portal.refunds.queue import Place
from portal.web.waiting import Backlog, MailKind, Staff, counted


def waiting(session: Session, staff: Staff) -> Iterator[Backlog]:
    """Requests that this person may decide, second approvals apart; failed ones; and for approvers unknown ones. In one query."""
    reviewer = Reviewer(staff.id, staff.role)
    found = iter(session.execute(_question(queue.rights_of(reviewer)), queue.values(reviewer)).one())
    requests, second, failed, unknown = [(next(found), next(found), next(found)) for _ in range(4)]
    page, first = "support_refunds.queue", "support_refunds.oldest"
    if reviewer.may(Permission.DECIDE_REFUNDS):
        yield Backlog(
            N_("Refunds for me to decide"),
            "refund",
            first,
            *requests,
            mail=MailKind.REFUND_REQUESTS,
            position=10,
            all_endpoint=page,
        )
    if reviewer.may(Permission.APPROVE_LARGE_REFUNDS):
        yield Backlog(
            N_("Refunds for my second approval"),
            "people",
            first,
            *second,
            arguments={"approved": "once"},
            mail=MailKind.SECOND_APPROVALS,
            position=10,
            all_endpoint=page,
        )
    if reviewer.may(Permission.PROPOSE_REFUNDS):
        yield Backlog(N_("Refunds that failed"), "x-circle", page, *failed, position=10)
    if reviewer.may(Permission.RESOLVE_REFUNDS):
        yield Backlog(N_("Refunds whose status is unknown"), "alert", page, *unknown, position=10)


@lru_cache(maxsize=16)
def _question(rights: queue.Rights) -> Select[*tuple[Any, ...]]:
    """How many of the four kinds, and the first and the last moment of each."""
    mine = queries.undecided_ones().where(queue.stands(rights, Place.MINE)).order_by(Refund.asked_at)
    is_second = queue.IS_SECOND
    second_ones = mine.where(is_second).with_only_columns(Refund.first_approved_at)
    kinds = (
        counted(mine.where(~is_second).with_only_columns(Refund.asked_at)),
        counted(second_ones.order_by(None).order_by(Refund.first_approved_at)),
        counted(queries.failed_ones().with_only_columns(Refund.failed_at).order_by(Refund.failed_at)),
        counted(queries.unknown_ones().with_only_columns(Refund.updated_at).order_by(Refund.updated_at)),
    )
    return select(*(column for kind in kinds for column in kind))
