"""What the pages of a file show, held against those of the document that was issued: its amounts, its days and its accounts.

Only what stands in the file itself is named, and what its code tells anyone. So whoever has the code alone learns nothing by trying files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from stdnum import iban

# Of a kind, and of one value: more is no help to whoever compares.
MOST_NAMED: Final = 12
# The share of the issued document's words that a copy of it has at least, however it was saved.
LEAST_SHARED: Final = 0.6

_WORD: Final = re.compile(r"[^\W\d_]{3,}")
# As documents write them in each language, and as people write them otherwise: 01.12.2026, 12/1/26, 2026-12-01, 1. Dez. 2026, Dec 1, 2026.
_DAY: Final = re.compile(
    r"(?<![\w.,])(?:\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})|\d{4}-\d{2}-\d{2}"
    r"|\d{1,2}\.?\s(?:de\s)?[^\W\d_]{3,10}\.?\s(?:de\s)?\d{4}|[^\W\d_]{3,10}\.?\s\d{1,2},\s\d{4})(?!\w)"
)
_ACCOUNT: Final = re.compile(r"\b[A-Z]{2}[0-9]{2}(?:\s?[A-Z0-9]){11,30}", re.IGNORECASE)
_SHORTEST_ACCOUNT: Final = 15
# With decimals, or with thousands; a whole number only beside a currency.
_AMOUNT: Final = re.compile(
    "(?<![\\w.,])[-\u2212]?(?:\\d+(?:[.,'\u2019\u00a0\u202f]\\d{3})*[.,]\\d{2,3}"
    "|(?<=[€$£¥])\\d+|\\d+(?=[\\s\u00a0\u202f]?[€$£¥]))(?![\\w]|[.,]\\d)"
)
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")


@dataclass(frozen=True, slots=True)
class Shown:
    """What pages show, each value as it is written there."""

    amounts: frozenset[str]
    days: frozenset[str]
    accounts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Compared:
    """`is_read` is whether there is text to compare, `is_copy` whether it is that of the document. The values are those that stand in
    the file and not in what was issued; `lacking` what was issued and does not stand in the file, of what the code tells.
    """

    is_read: bool
    is_copy: bool = False
    amounts: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        return bool(self.amounts or self.days or self.accounts or self.lacking)


def compare(file: str | None, issued: str, told: Iterable[str]) -> Compared:
    """The text of a file and that of the issued document; `told` is what the code tells, as the document writes it."""
    if file is None or not file.strip():
        return Compared(is_read=False)
    words = set(_WORD.findall(issued.casefold()))
    if len(words & set(_WORD.findall(file.casefold()))) < LEAST_SHARED * len(words):
        return Compared(is_read=True)
    in_file, as_issued = shown(file), shown(issued)
    plain = _plain(file)
    return Compared(
        True,
        True,
        _more(in_file.amounts, as_issued.amounts),
        _more(in_file.days, as_issued.days),
        _more(in_file.accounts, as_issued.accounts),
        tuple(text for text in told if _plain(text) not in plain and _plain(text) in _plain(issued)),
    )


def shown(text: str) -> Shown:
    """The amounts, days and accounts in a text. An account is one whose check digits are right, without spaces."""
    text = _SPACES.sub(" ", text)
    accounts = set()
    for match in _ACCOUNT.finditer(text):
        if found := _account(match[0]):
            accounts.add(found)
            spelled = r"\s?".join(found)
            text = re.sub(spelled, " ", text, flags=re.IGNORECASE)
    days = set(_DAY.findall(text))
    amounts = {found.replace("\N{MINUS SIGN}", "-") for found in _AMOUNT.findall(_DAY.sub(" ", text))}
    return Shown(frozenset(amounts), frozenset(days), frozenset(accounts))


def _account(text: str) -> str:
    """The longest beginning that is an IBAN; what follows it may belong to the next word. "" for none."""
    packed = "".join(text.split()).upper()
    for length in range(len(packed), _SHORTEST_ACCOUNT - 1, -1):
        if iban.is_valid(packed[:length]):
            return packed[:length]
    return ""


def _more(found: frozenset[str], issued: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(found - issued)[:MOST_NAMED])


def _plain(text: str) -> str:
    """Without spaces, which programs put elsewhere when they save a file."""
    return "".join(text.split())
