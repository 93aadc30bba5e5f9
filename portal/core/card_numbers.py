"""Finding card numbers in text, where they must never stand.

Card numbers go from the browser straight to Stripe. Whoever types one into a description, a note or a file would bring it here all
the same, and the whole portal, its backups and its mails under the rules for those who store cards (PCI DSS 4.0, requirement 3).

A card number is 13 to 19 digits, together or in groups, that pass the Luhn check and begin as a card network's numbers do, at that
network's length. IBANs, UUIDs, phone numbers with their country's code and EANs that only look so are told apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

SHORTEST: Final = 13
LONGEST: Final = 19
_LONG: Final = frozenset(range(16, 20))
# First and last beginning, of equal length, and the lengths of the network's numbers. Sources: ISO/IEC 7812-1; the networks' lists of
# BIN ranges, among them Discover Network's "IIN ranges" and Mastercard's "2-series BINs".
_RANGES: Final[tuple[tuple[str, str, frozenset[int]], ...]] = (
    ("4", "4", frozenset({13, 16, 19})),  # Visa, Dankort
    ("51", "55", frozenset({16})),  # Mastercard
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),  # American Express
    ("37", "37", frozenset({15})),
    ("300", "305", frozenset({14, 16})),  # Diners Club
    ("309", "309", frozenset({14, 16})),
    ("36", "36", frozenset({14, 16})),
    ("38", "39", frozenset({14, 16})),
    ("3528", "3589", _LONG),  # JCB
    ("6011", "6011", _LONG),  # Discover
    ("644", "659", _LONG),  # Discover, RuPay, Elo
    ("60", "60", frozenset({16})),  # RuPay, Hipercard
    ("62", "62", _LONG),  # UnionPay
    ("81", "82", frozenset({16, 19})),  # UnionPay, RuPay
    ("2200", "2204", _LONG),  # Mir
    ("9792", "9792", frozenset({16})),  # Troy
    ("5018", "5018", frozenset(range(13, 20))),  # Maestro
    ("5020", "5020", frozenset(range(13, 20))),
    ("5038", "5038", frozenset(range(13, 20))),
    ("5060", "5061", frozenset({16, 18, 19})),  # Verve
    ("5612", "5612", frozenset(range(13, 20))),
    ("5893", "5893", frozenset(range(13, 20))),
    ("6304", "6304", frozenset(range(13, 20))),
    ("6390", "6390", frozenset(range(13, 20))),
    ("670", "679", frozenset(range(13, 20))),
    ("636", "639", frozenset({16, 19})),  # InterPayment, Elo
)

# What people put between the groups: up to three spaces, dashes or dots of any kind, a line break among them; or one tight mark of a list.
_APART: Final = r"(?:[ .\-\n]{1,3}|[,/_|])"
_GROUPS: Final = re.compile(rf"[0-9]+(?:{_APART}[0-9]+)*")
# With spaces alone, people group as they like.
_SPACED: Final = re.compile(r"[0-9 \n]+")
_OTHER_GROUPS: Final = ([4, 6, 5], [4, 6, 4])
_GROUP: Final = re.compile(r"[0-9]+")
_DIGIT: Final = re.compile(r"\d")

_UUID: Final = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
# An id may have its kind before it ("cus_"), which is no end of a word.
_HEX: Final = re.compile(r"(?<![0-9a-zA-Z])(?=[0-9]*[a-fA-F])(?:[0-9a-f]{20,}|[0-9A-F]{20,})\b")
_IBAN: Final = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b", re.IGNORECASE)
_PHONE: Final = re.compile(r"(?<![0-9])\+ ?[1-9](?:[ .\-/()]{0,3}[0-9]){6,14}(?![ .\-/()]{0,3}[0-9])")
# IBANs have 15 to 34 characters.
_IBAN_LENGTHS: Final = range(34, 14, -1)


def holds_one(text: str) -> bool:
    """Whether a card number stands in this text, however it is spaced, and in whatever digits it is written."""
    plain = _plain(text)
    return plain is not None and next(_places(plain), None) is not None


def masked(text: str) -> str:
    """The text with a dot in place of each digit of a card number: for logs, which have nobody to refuse it to."""
    plain = _plain(text)
    places = [] if plain is None else list(_places(plain))
    if plain is None or not places:
        return text
    for start, end in places:
        plain = plain[:start] + _DIGIT.sub("•", plain[start:end]) + plain[end:]
    return plain


def _plain(text: str) -> str | None:
    """In ASCII digits, plain spaces and hyphens; None when there are too few digits for a card, as in most texts."""
    plain = unicodedata.normalize("NFKC", text)
    if len(_DIGIT.findall(plain)) < SHORTEST:
        return None
    return "".join(_plain_character(character) for character in plain)


def _plain_character(character: str) -> str:
    """As an ASCII digit, a plain space or a hyphen, where it is one of another kind; "" for what is not seen."""
    if character.isascii():
        return "\n" if character == "\r" else " " if character in "\t\v\f" else character
    match unicodedata.category(character):
        case "Nd":
            return str(unicodedata.decimal(character))
        case "Pd":
            return "-"
        case "Zs" | "Zl" | "Zp":
            return " "
        case "Cf" | "Mn" | "Me":
            return ""
    # The minus sign is no dash to Unicode, and the middle dots are punctuation.
    return {"−": "-", "·": ".", "•": ".", "‧": ".", "・": "."}.get(character, character)


def _without_others(text: str) -> str:
    """With letters in place of the numbers that are certainly something else."""
    for other in (_UUID, _HEX, _PHONE):
        text = other.sub(lambda found: "x" * len(found[0]), text)
    return _IBAN.sub(_without_iban, text)


def _without_iban(found: re.Match[str]) -> str:
    """What follows an IBAN may belong to it or not: the longest beginning whose check digits are right is the IBAN."""
    text = found[0]
    compact, ends = "", []
    for place, character in enumerate(text, start=1):
        if character != " ":
            compact += character.upper()
            ends.append(place)
    for length in _IBAN_LENGTHS:
        if length <= len(compact) and _is_iban(compact[:length]):
            end = ends[length - 1]
            return "x" * end + text[end:]
    return text


def _is_iban(compact: str) -> bool:
    """Source: ISO 13616, check digits by ISO/IEC 7064 MOD 97-10."""
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _places(plain: str) -> Iterator[tuple[int, int]]:
    """Where each card number begins and ends: of each row of groups of digits, those that follow each other."""
    for row in _GROUPS.finditer(_without_others(plain)):
        groups = list(_GROUP.finditer(row[0]))
        for place, first in enumerate(groups):
            number = ""
            for last, group in enumerate(groups[place:], start=place):
                number += group[0]
                if len(number) > LONGEST:
                    break
                if len(number) >= SHORTEST and _is_card(number):
                    between = row[0][first.start() : group.end()]
                    if _SPACED.fullmatch(between) or _is_grouped([len(one[0]) for one in groups[place : last + 1]]):
                        yield row.start() + first.start(), row.start() + group.end()


def _is_grouped(sizes: list[int]) -> bool:
    """Whether people write a card so: in groups of one size, of which the last may be shorter, or as on an American Express or Diners
    Club card. With hyphens or dots, other groups are those of an order number or a date.
    """
    return sizes in _OTHER_GROUPS or (len(set(sizes[:-1])) <= 1 and sizes[-1] <= sizes[0])


def _is_card(number: str) -> bool:
    in_range = any(first <= number[: len(first)] <= last and len(number) in lengths for first, last, lengths in _RANGES)
    return in_range and _passes_luhn(number) and not _is_ean(number)


def _passes_luhn(number: str) -> bool:
    """Source: ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_ean(number: str) -> bool:
    """A product's number (EAN-13), which German ones begin with a 4 as Visa's do. Visa gives out none of 13 digits any more."""
    if len(number) != SHORTEST:
        return False
    return sum(int(digit) * (1 + 2 * (place % 2)) for place, digit in enumerate(number)) % 10 == 0
