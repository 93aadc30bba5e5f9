"""What may have been meant by a text that fits nothing: words with slips in them, and numbers that were written in another way.

Words are found by their trigrams (portal.accounts.queries.similar_words). Numbers are not: they differ in little, so that each shares its
trigrams with all others. Of these the likeliest slips are looked up as they are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import CustomerWord
from portal.accounts.queries import similar_words
from portal.core import company_days, spelling, texts
from portal.core.db import begins_with
from portal.documents.models import Document
from portal.invoices.models import Invoice
from portal.support.search_places import LONGEST_COUNTER, MOST_WORDS, SERIES, YEARS_BACK, is_id

MOST: Final = 4
MOST_OF_WORD: Final = 3
_NUMBER: Final = re.compile(rf"([a-z]{{1,4}})\W{{0,3}}(?:(20\d\d)\W{{1,3}})?(\d{{1,{LONGEST_COUNTER}}})", re.IGNORECASE)


def corrections(session: Session, typed: str) -> list[str]:
    """At most so many texts that may have been meant instead of this one (see texts.typed), the likeliest first."""
    if not typed or is_id(typed):
        return []
    return list(itertools.islice(itertools.chain(_numbers(session, typed), _words(session, typed)), MOST))


# Words


def _words(session: Session, typed: str) -> Iterator[str]:
    words = re.findall(r"\w+", texts.fold(typed))[:MOST_WORDS]
    alternatives = [
        [word] if _is_known(session, word) else similar_words(session, word, MOST_OF_WORD) or [word] for word in words
    ]
    if all(one == [word] for one, word in zip(alternatives, words, strict=True)):
        # Each is the beginning of some word, but they do not go together: one of them is meant otherwise.
        for place, word in enumerate(words if len(words) > 1 else []):
            for other in similar_words(session, word, MOST_OF_WORD):
                yield " ".join([*words[:place], other, *words[place + 1 :]])
        return
    for chosen in itertools.product(*alternatives):
        yield " ".join(chosen)


def _is_known(session: Session, word: str) -> bool:
    """Whether something begins so: then it is a word that nobody has written to its end."""
    if not spelling.is_spelled(word):
        return True
    return session.scalar(select(CustomerWord.word).where(begins_with(CustomerWord.word, word)).limit(1)) is not None


# Numbers


def _numbers(session: Session, typed: str) -> Iterator[str]:
    """Those that there are of the numbers that this may be: "ivn 2026/42" is INV-2026-000042, and so is INV-2026-000024."""
    found = _NUMBER.fullmatch(typed)
    if found is None:
        return
    series = [one for one in SERIES if spelling.slips(found[1].upper(), one) <= (1 if len(one) > 1 else 0)]
    years = [found[2]] if found[2] else [str(company_days.today().year - back) for back in range(YEARS_BACK)]
    counters = _counters(found[3])
    numbers = [f"{one}-{year}-{counter}" for counter in counters for year in years for one in series]
    if not numbers:
        return
    there = set(session.scalars(select(Invoice.number).where(Invoice.number.in_(numbers))))
    there |= set(session.scalars(select(Document.number).where(Document.number.in_(numbers))))
    yield from (number for number in numbers if number in there)


def _counters(digits: str) -> list[str]:
    """The counter with its zeros, as it is and with two neighbours exchanged."""
    whole = digits.zfill(LONGEST_COUNTER)
    turned = [f"{whole[:at]}{whole[at + 1]}{whole[at]}{whole[at + 2 :]}" for at in range(len(whole) - 1)]
    return list(dict.fromkeys([whole, *turned]))
