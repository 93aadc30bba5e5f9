"""The code on a document, by which whoever holds it can ask whether it was issued (portal.verification).

Twenty characters of Crockford's base 32 are 100 random bits: nobody guesses one. They are printed in groups of four, and read
with or without hyphens of any kind, in either case and width, and with the letters that people mistake for a digit: O is 0, I and L are 1.

Source: Douglas Crockford, "Base 32".
"""

from __future__ import annotations

import secrets
from typing import Final

from portal.core import texts

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 20
GROUP: Final = 4

_MISTAKEN: Final = str.maketrans("OIL", "011")


def new() -> str:
    """A code that nobody can foresee, without its hyphens, as it is stored."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def grouped(code: str) -> str:
    """As it is printed: "7K3M-9QXA-0B1C-2D4E-5F6G"."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def read(typed: str) -> str | None:
    """The code as it is stored, from what a person typed or a scanner read; None when that cannot be one."""
    marks = texts.code(typed)
    if len(marks) != LENGTH or not marks.isascii():
        return None
    code = marks.upper().translate(_MISTAKEN)
    return code if all(mark in ALPHABET for mark in code) else None
