"""Passwords: how they are hashed, and which ones are refused.

Source: NIST SP 800-63B, "Passwords" (length instead of composition, a list of common ones, no truncation, NFKC before
hashing), RFC 9106 (Argon2id), and D. L. Wheeler, "zxcvbn: Low-Budget Password Strength Estimation" (2016).
"""

from __future__ import annotations

import itertools
import re
import threading
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from portal.core import config
from portal.core.errors import N_, Invalid

# RFC 9106's second recommended option, for where 2 GiB a hash are too much: about 0.1 s on one of today's cores.
# Raising one of these renews every hash at its owner's next sign-in.
HASHER: Final = PasswordHasher(
    time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID
)
# Whoever tests signs in thousands of times, with passwords that stand in the tests: there alone it may be quick.
_QUICK: Final = PasswordHasher(time_cost=1, memory_cost=256, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
# Each hash takes 64 MiB while it is made: more than these at once could be used to exhaust the memory.
_AT_ONCE: Final = threading.BoundedSemaphore(4)

SHORTEST: Final = 12
LONGEST: Final = 128

TOO_SHORT: Final = N_("Use at least %(count)s characters. A few words in a row are easy to remember.")
TOO_LONG: Final = N_("Use at most %(count)s characters.")
COMMON: Final = N_("This password is too common. Please choose another one.")
PATTERN: Final = N_(
    "This password repeats itself or follows the keyboard, so it is easy to guess. Please choose another one."
)
PERSONAL: Final = N_(
    "This password is mostly your e-mail address or a name, so it is easy to guess. Please choose another one."
)
EASY: Final = N_(
    "This password is made of common words, names or dates, so it is easy to guess. Please add one or two unrelated words."
)

COMMON_LIST: Final = Path(__file__).with_name("common_passwords.txt")
# A personal word may be part of a password when at least this much of it is something else, in characters.
LEAST_BESIDE_PERSONAL: Final = 8
FEWEST_DIFFERENT: Final = 5
# zxcvbn's best score of 0 to 4: more than 10^10 guesses, which also a stolen hash withstands for long.
STRONG: Final = 4
# So many characters are looked at: the work grows with them, and what comes behind makes a password no weaker.
LOOKED_AT: Final = 72
# Neighbours on these belong to one run of the finger: qwerty, qwertz and azerty rows, the alphabet, the digits.
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiopü+",
    "asdfghjklöä#",
    "yxcvbnm,.-",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
)
_NEIGHBOURS: Final = frozenset(pair for row in _ROWS for pair in itertools.pairwise(row))
_LETTERS_FOR_SIGNS: Final = str.maketrans("013457@$!", "oieastasi")
_TRIMMINGS: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_SEPARATORS: Final = re.compile(r"[\W_]+")


def hashed(password: str) -> str:
    """The Argon2id hash to keep, with its salt and parameters. Takes about a tenth of a second and 64 MiB."""
    with _AT_ONCE:
        return _hasher().hash(_normal(password))


def matches(kept: str | None, password: str) -> bool:
    """Whether this is the password whose hash was kept. Without a hash (nobody has that e-mail) it takes as long and is False."""
    with _AT_ONCE:
        try:
            return _hasher().verify(kept or _nobodys(), _normal(password)) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(kept)


def _hasher() -> PasswordHasher:
    return _QUICK if config.current().environment == "test" else HASHER


def check(password: str, *, personal: Iterable[str], field: str = "password") -> None:
    """Raises Invalid for the form's `field`, saying what to do, when this password is too easily guessed.

    `personal` are the words that belong to this person: their e-mail, their name, the company's name.
    """
    password = _normal(password)
    if len(password) < SHORTEST:
        raise Invalid(TOO_SHORT, field=field, count=SHORTEST)
    if len(password) > LONGEST:
        raise Invalid(TOO_LONG, field=field, count=LONGEST)
    plain = password.casefold()
    if _is_common(plain):
        raise Invalid(COMMON, field=field)
    if _is_pattern(plain):
        raise Invalid(PATTERN, field=field)
    personal = tuple(personal)
    if _is_personal(plain, personal):
        raise Invalid(PERSONAL, field=field)
    if _is_guessable(password, personal):
        raise Invalid(EASY, field=field)


def _normal(password: str) -> str:
    """One form for what different keyboards send for the same characters."""
    return unicodedata.normalize("NFKC", password)


def _nobodys() -> str:
    return _nobodys_by(_hasher())


@cache
def _nobodys_by(hasher: PasswordHasher) -> str:
    return hasher.hash("nobody has this password")


@cache
def _common() -> frozenset[str]:
    lines = COMMON_LIST.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#")) | frozenset(
        FREQUENCY_LISTS["passwords"]
    )


def _is_guessable(password: str, personal: Iterable[str]) -> bool:
    """Whether lists of leaked passwords, words and names, dates and keyboards lead to it quickly, also several of them in a row.

    The lists come with zxcvbn: nobody is asked.
    """
    looked_at = password[:LOOKED_AT]
    found = zxcvbn(looked_at, user_inputs=[word for given in personal for word in _words(given)], max_length=LOOKED_AT)
    return int(found["score"]) < STRONG


def _is_common(plain: str) -> bool:
    """A common password with digits and signs at its ends, or with signs for letters, is no other one."""
    core = _TRIMMINGS.sub("", plain)
    shapes = {plain, core, _SEPARATORS.sub("", plain), _repeated_part(_SEPARATORS.sub("", core))}
    return any(shape in _common() or shape.translate(_LETTERS_FOR_SIGNS) in _common() for shape in shapes)


def _is_pattern(plain: str) -> bool:
    part = _repeated_part(plain)
    if len(set(plain)) < FEWEST_DIFFERENT or (part != plain and len(part) < SHORTEST):
        return True
    pairs = itertools.pairwise(plain)
    runs = 1 + sum((a, b) not in _NEIGHBOURS and (b, a) not in _NEIGHBOURS and a != b for a, b in pairs)
    return runs <= len(plain) // 4


def _repeated_part(text: str) -> str:
    """The shortest text that, said over and over, gives this one: "abc" for "abcabc", and the text itself for others."""
    start = (text + text).find(text, 1)
    return text[:start] if text else text


def _is_personal(plain: str, personal: Iterable[str]) -> bool:
    whole = rest = _SEPARATORS.sub("", plain)
    for word in sorted({word for given in personal for word in _words(given)}, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != whole and len(rest) < LEAST_BESIDE_PERSONAL


def _words(given: str) -> set[str]:
    """The whole of a name or an e-mail address without its signs, and its parts that are long enough to be told apart."""
    given = given.casefold()
    parts = {given, given.partition("@")[0], *_SEPARATORS.split(given)}
    return {joined for part in parts if len(joined := _SEPARATORS.sub("", part)) >= 4}
