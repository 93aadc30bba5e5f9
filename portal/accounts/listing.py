"""What the customers that staff and the company's own systems look through can be narrowed by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, String, and_, bindparam, or_, select

from portal.accounts.models import Customer, CustomerWord, words_of
from portal.core import listed
from portal.core.listing import Listing, Narrowing, TextForm, exactly

# More words than these nobody types; the longest of them are looked for.
MOST_WORDS: Final = 3
_LAST: Final = "\U0010ffff"


def _is_active() -> ColumnElement[bool]:
    return Customer.deactivated_at.is_(None)


def _is_deactivated() -> ColumnElement[bool]:
    return Customer.deactivated_at.is_not(None)


def _words(number: int, typed: str) -> Mapping[str, object] | None:
    """The parameters of so many words, the longest first."""
    words = sorted(words_of(typed), key=len, reverse=True)[:MOST_WORDS]
    if "@" in typed:
        words = words[:1]  # an address as a whole
    if len(words) != number:
        return None
    found: dict[str, object] = {}
    for place, word in enumerate(words):
        found |= {f"word_{place}": word, f"end_{place}": word + _LAST}
    return found


def _has_words(number: int, _dialect: str) -> ColumnElement[bool]:
    """A word that begins like each of them. Of the longest, the first LOOKED customers that have one."""

    def begins(place: int) -> ColumnElement[bool]:
        return and_(CustomerWord.word >= bindparam(f"word_{place}"), CustomerWord.word < bindparam(f"end_{place}"))

    having = select(CustomerWord.customer_id).where(begins(0)).limit(listed.LOOKED)
    others = (
        select(CustomerWord.word).where(CustomerWord.customer_id == Customer.id, begins(place)).correlate(Customer)
        for place in range(1, number)
    )
    return and_(Customer.id.in_(having), *(one.exists() for one in others))


def _of_words(number: int) -> TextForm:
    reads: Callable[[str], Mapping[str, object] | None] = partial(_words, number)
    return TextForm(reads, partial(_has_words, number))


def _has_id(_dialect: str) -> ColumnElement[bool]:
    named = bindparam("text", type_=String)
    return or_(Customer.id == named, Customer.stripe_customer_id == named)


LISTING: Final[Listing[Customer]] = Listing(
    row_id=Customer.id,
    moment=Customer.created_at,
    choices={
        "state": {
            "active": Narrowing(besides=_is_active),
            "deactivated": Narrowing(within=_is_deactivated),
        }
    },
    texts=(TextForm(exactly, _has_id), *(_of_words(number) for number in range(1, MOST_WORDS + 1))),
)
