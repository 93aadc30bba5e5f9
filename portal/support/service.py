"""What staff write down about a customer."""

from __future__ import annotations

from typing import Final

from portal.accounts import queries as accounts
from portal.core import audit, clock, db, texts
from portal.core.errors import N_, Invalid
from portal.support.models import CustomerNote

LONGEST_NOTE: Final = 2_000


def add_note(customer_id: str, author_id: str, words: str) -> None:
    """Write down something about a customer, who never sees it. Raises NotFound, and Invalid (field "words")."""
    words = texts.several_lines(words, field="words", longest=LONGEST_NOTE)
    if not words:
        raise Invalid(N_("Please enter some text first."), field="words")
    with db.transaction() as session:
        customer = accounts.customer(session, customer_id)
        note = CustomerNote(
            id=db.new_id("nte"), customer_id=customer.id, author_id=author_id, at=clock.now(), words=words
        )
        session.add(note)
        session.flush()
        audit.record(session, "customer.noted", note.id, customer_id=customer.id)
