"""E-mails, as staff list them: those that a mail server took, and those that wait or were refused."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, literal_column

from portal.accounts import queries as accounts
from portal.content.mail import SentMail
from portal.core.errors import N_
from portal.core.listing import Listing, Narrowing, TextForm, row_by_row
from portal.core.permissions import Permission
from portal.jobs.models import FAILED, QUEUED, JobRow, JobStatus
from portal.support.queries import document_of
from portal.web.staff_lists import Choice, Column, StaffList

# A job that sends a mail says so in its name, such as "documents.mail".
_SENDS: Final = "%.mail%"


def _address(typed: str) -> dict[str, object] | None:
    return {"text": typed.lower()} if "@" in typed else None


def _words(typed: str) -> dict[str, object]:
    return {"text": f"%{typed.lower()}%"}


def _is_to(_dialect: str) -> ColumnElement[bool]:
    return SentMail.recipient == bindparam("text")


def _is_about(_dialect: str) -> ColumnElement[bool]:
    return row_by_row(SentMail.subject).ilike(bindparam("text"))  # type: ignore[no-any-return]


SENT: Final[Listing[SentMail]] = Listing(
    row_id=SentMail.key,
    moment=SentMail.sent_at,
    customer=SentMail.customer_id,
    texts=(TextForm(_address, _is_to), TextForm(_words, _is_about, is_few=False)),
)


def _page_of(mail: SentMail) -> tuple[str, dict[str, Any]]:
    if mail.customer_id is not None:
        return "support.customer", {"customer_id": mail.customer_id}
    return "support_mails.index", {"q": mail.recipient}


SENT_LIST: Final = StaffList(
    name="mails",
    title=N_("E-mails"),
    position=80,
    endpoint="support_mails.index",
    csv_endpoint="support_mails.csv",
    permission=Permission.LOOK_UP,
    listing=SENT,
    columns=(
        Column("subject", N_("Subject"), lambda mail, _: mail.subject, place="title"),
        Column("recipient", N_("Recipient"), lambda mail, _: mail.recipient, place="detail"),
        Column("sent", N_("Sent"), lambda mail, _: mail.sent_at, "moment", place="number"),
        Column("times", N_("Times"), lambda mail, _: mail.times, "number", place="state"),
        Column("again", N_("Send again"), lambda mail, _: document_of(mail), "send_again"),
        Column("id", N_("ID"), lambda mail, _: mail.key, "id"),
    ),
    open=_page_of,
    search_label=N_("E-mail address or subject"),
    customers=accounts.fitting,
)


# What no mail server has taken yet


def _waits() -> ColumnElement[bool]:
    return literal_column(str(QUEUED))


def _was_refused() -> ColumnElement[bool]:
    return literal_column(str(FAILED))


def _sends_a_mail() -> ColumnElement[bool]:
    return JobRow.name.like(_SENDS)


UNSENT: Final[Listing[JobRow]] = Listing(
    row_id=JobRow.id,
    moment=JobRow.run_at,  # in whose order the queue has its index
    choices={
        "state": {
            "waiting": Narrowing(within=_waits, besides=_sends_a_mail),
            "refused": Narrowing(within=_was_refused, besides=_sends_a_mail),
        }
    },
)


def _state_of(job: JobRow) -> str:
    if job.status == JobStatus.DEAD:
        return "given_up"
    return "refused" if job.last_error is not None else "waiting"


UNSENT_LIST: Final = StaffList(
    name="unsent_mails",
    title=N_("E-mails not sent"),
    position=90,
    endpoint="support_mails.unsent",
    csv_endpoint="support_mails.unsent_csv",
    permission=Permission.VIEW_OPERATIONS,
    listing=UNSENT,
    columns=(
        Column("job", N_("E-mail"), lambda job, _: job.name, place="title"),
        Column("about", N_("About"), lambda job, _: next((str(one) for one in job.args.values()), ""), place="detail"),
        Column("since", N_("Since"), lambda job, _: job.created_at, "moment"),
        Column("next", N_("Next attempt"), lambda job, _: job.run_at, "moment", place="number"),
        Column("attempts", N_("Attempts"), lambda job, _: job.attempts, "number"),
        Column("state", N_("Status"), lambda job, _: _state_of(job), "mail", place="state"),
        Column("error", N_("What the mail server said"), lambda job, _: job.last_error),
        Column("id", N_("ID"), lambda job, _: job.id, "id"),
    ),
    open=lambda _job: ("operations.jobs", {}),
    search_label="",
    choices=(Choice("state", N_("Status"), "", "mail", standard="refused"),),
)
