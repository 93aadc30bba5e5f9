"""How alike two words are: the trigrams that they share find the candidates, and the number of slips between them decides.

A trigram is kept with the length of its word and its place there, so that few words have the same one: a slip changes either by little.
Source: PostgreSQL, "pg_trgm", for trigrams with blanks around the word; Damerau's distance in the variant "optimal string alignment".
"""

from __future__ import annotations

from typing import Final

SHORTEST: Final = 4
LONGEST: Final = 30
# From this length on a word may hold two slips, below it one.
TWO_SLIPS_FROM: Final = 8


def is_spelled(word: str) -> bool:
    """Whether a slip in it could be told from another word: it has letters alone, and is neither very short nor very long."""
    return SHORTEST <= len(word) <= LONGEST and word.isalpha()


def slips_in(word: str) -> int:
    """How many slips a word of this length may hold: 1 or 2."""
    return 1 if len(word) < TWO_SLIPS_FROM else 2


def trigrams(word: str) -> set[str]:
    """Each three letters in a row, with a space at either end of the word: "0601bak" is "bak" in the second place of one of six letters."""
    return {_placed(len(word), place, letters) for place, letters in enumerate(_threes(word))}


def trigrams_like(word: str) -> set[str]:
    """The trigrams that words may have which this one is, but for its slips: such a word is longer or shorter by as many letters at most,
    and what stands behind a letter too many stands one place on.
    """
    wanted = set()
    for longer in range(-slips_in(word), slips_in(word) + 1):
        both_ways = (slips_in(word) - abs(longer)) // 2  # a letter too many in one place, and one too few in another
        for moved in range(min(0, longer) - both_ways, max(0, longer) + both_ways + 1):
            wanted |= {
                _placed(len(word) + longer, place + moved, letters) for place, letters in enumerate(_threes(word))
            }
    # Two letters that were exchanged spoil four trigrams, more than most words have left.
    for at in range(len(word) - 1):
        turned = f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"
        wanted |= {_placed(len(word), place, letters) for place, letters in enumerate(_threes(turned))}
    return wanted


def _threes(word: str) -> list[str]:
    padded = f" {word} "
    return [padded[start : start + 3] for start in range(len(word))]


def _placed(length: int, place: int, letters: str) -> str:
    return f"{length:02}{max(place, 0):02}{letters}"


def slips(one: str, other: str) -> int:
    """The letters that were left out, added, mistaken for another or exchanged with their neighbour."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for place, letter in enumerate(one, start=1):
        row = [place]
        for at, wanted in enumerate(other, start=1):
            least = min(last[at] + 1, row[at - 1] + 1, last[at - 1] + (letter != wanted))
            if place > 1 and at > 1 and letter == other[at - 2] and one[place - 2] == wanted:
                least = min(least, before[at - 2] + 1)
            row.append(least)
        before, last = last, row
    return last[-1]
