"""Crash points: named places between the phases of what the portal does, where a test lets a process die, wait or be overtaken.

In production nothing happens at a point. A test names the point and not the function that it stands in, so code can be renamed and
moved without it. Each name stands at one place, and says what has just happened there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

# What a process that dies at a point leaves behind. "Open" means that the transaction is open: it leaves nothing of it.
POINTS: Final[dict[str, str]] = {
    # jobs and the audit trail
    "job to enqueue": "Open. A job is about to be written, in the transaction of what it follows from.",
    # rows that mirror an object of Stripe's (portal.stripe_sync)
    "attempt claimed": "What is to be sent is frozen in the row, with its key. Nothing was sent.",
    "object created": "Stripe has made the object. The row does not know its id.",
    "object stored": "The row knows the object’s id. What Stripe says of it is not applied.",
    "object fetched": "What Stripe says of an object was fetched. Nothing of it is applied.",
    "details fetched": "What else is asked of Stripe was fetched, and kept where it has rows of its own. The row is as before.",
    "change applied": "Open. The row and all that follows from its change are written.",
    "search ended": "Stripe’s list shows no such object. The next attempt is not begun.",
    "object canceled": "Stripe has canceled the object. The row does not know.",
    # payments
    "order checked": "An app’s order is in order. Nothing of it is written.",
    "payment recorded": "Open. A payment’s row is written, with its step, its audit event and its job.",
    "confirmation recorded": "Open. What will be charged is written, with its key and its job.",
    "order recorded": "Open. An app’s order is written, with what it begins.",
    "order placed": "An app’s order stands. Stripe was asked nothing for it.",
    "confirmation prepared": "The intent is made. The confirmation was not sent.",
    "confirmation answered": "Stripe has charged the card. Nothing of it is stored.",
    "confirmation refused": "The bank has declined the card. Nothing of it is stored.",
    "confirmation settled": "What became of the charge is stored. The confirmation still counts as unanswered.",
    "confirmation marked": "Open. The confirmation counts as answered. Customers’ systems were not told.",
    "debit booked": "Open. What Stripe has entered of a direct debit is posted. The payment’s status is as before.",
    "debit returned": "Open. An invoice is due again, for its bank has taken a direct debit back. Nobody was told.",
    "charge posted": "Open. The charge is posted. The invoice is still unpaid.",
    "invoice paid": "Open. The invoice is marked as paid. The payment’s history does not show it.",
    "payment changed": "Open. The payment has its new status, step and audit event. Customers’ systems were not told.",
    # reminders
    "reminder recorded": "Open. A reminder of an invoice is written, with its job.",
    "reminder checked": "The invoice still needs its reminder. Nothing was sent.",
    "reminder mailed": "The mail server has taken a reminder. That is not written down.",
    "reminder marked": "Open. A reminder counts as mailed, and the jobs for further recipients are left.",
    "cancel asked": "That a payment is to be canceled is in the audit trail. Stripe was not asked.",
    "way cleared": "No payment stands in the way of closing an invoice. It is still open.",
    "outside payment recorded": "Open. What staff recorded of a payment elsewhere is written and booked, with its audit event.",
    "invoice credited": "Open. A credit of an invoice is booked, with its audit event and its credit note.",
    "invoice written off": "Open. A write-off is booked, and the invoice is closed.",
    # payment methods
    "setup recorded": "Open. The row of a payment method’s setup is written, with its audit event and its job.",
    "payment method fetched": "What Stripe says of a card was fetched. Nothing of it is kept.",
    "card saved": "Open. A card is kept, with its audit event and its place as the default.",
    "setup confirmed": "The bank has taken the card of an app’s setup. Nothing of it is stored.",
    "setup finished": "An app’s setup has come to its end. The app has no answer.",
    # documents and mails
    "number taken": "Open. The next number of a series is taken. No document has it.",
    "document issued": "Open. A document is written, with its number, its frozen facts and its jobs.",
    "document rendered": "The PDF is made. It is not stored.",
    "document stored": "Open. The PDF is stored, with its audit event and the job of its mail.",
    "mail taken": "The mail server has taken a mail. The list of sent mails does not show it.",
    "document mailed": "The mail server has taken a document’s mail, and the list shows it. The document is not marked as mailed.",
    "document marked": "Open. The document is marked as mailed.",
    "credit note revoked": "Open. A credit note is marked as revoked. Nobody was told.",
    "pack part made": "A part of a ZIP of documents is made. It is not stored.",
    "table erased": "What a customer has in one table is erased. In the next one it is not.",
    # events of Stripe's
    "event verified": "A webhook is really Stripe’s. Nothing of it is written.",
    "event acknowledged": "An event is stored for good. Stripe has no answer.",
    "event applied": "What an event hints at was fetched and applied. The event still counts as received.",
    # refunds
    "refund begun": "An approved refund is being executed. Stripe was asked nothing.",
    "refund checked": "Stripe says that the money can go back. Nothing is frozen, and nothing was sent.",
    "refund posted": "Open. The movements of a refund are posted. Its state is as before.",
    "refund moved": "Open. A refund has its new state, step and audit event. Nobody was told.",
    "refund undone": "Open. An approval is taken back, and the job that would have sent the refund is gone.",
    "foreign refund recorded": "A refund that was made at Stripe’s dashboard has its row. What Stripe says of it is not applied.",
    # disputes
    "dispute opened": "Open. A dispute’s row is written, with its step and its audit event. Staff were not told.",
    "dispute changed": "Open. A dispute has its new facts. Its money is not booked.",
    "dispute posted": "Open. A movement of a dispute’s money is posted.",
    "evidence gathered": "Open. The first draft of a dispute’s evidence is written.",
    "evidence begun": "Approved evidence is being sent. Stripe was asked nothing.",
    "evidence to give": "Stripe says that the bank still waits. Nothing was sent.",
    "evidence given": "Stripe has sent the evidence to the bank. Nothing of it is stored.",
    # automatic payment
    "attempt begun": "An attempt of an automatic payment is written, with its card and key. No payment was made for it.",
    "attempt charged": "The payment of an attempt is as far as it goes now. What came of the try is not written.",
    "collection ended": "Open. A collection has come to its end.",
}

_acts: dict[str, Callable[[], object]] = {}


def point(name: str) -> None:
    """Say that the process has come to this point. Does nothing, unless a test has asked for something."""
    if _acts and name in _acts:
        _acts[name]()


@contextmanager
def at(name: str, act: Callable[[], object]) -> Iterator[None]:
    """For tests: do `act` whenever any thread of this process comes to this point. Raises KeyError for a name that is no point's."""
    if name not in POINTS:
        raise KeyError(name)
    before = _acts.get(name)
    _acts[name] = act
    try:
        yield
    finally:
        _acts.pop(name)
        if before is not None:
            _acts[name] = before
