"""The secret key of the settings, and those that are accepted beside it while it is being changed.

Everything new is made under the secret key. What was made under an accepted one still counts: so an old key stays accepted until nothing
depends on it any more, and the next one is accepted before the first process makes anything under it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.core import config

# Hexadecimal digits by which a key is told from others; they tell nothing of it.
NAME_LENGTH: Final = 8


def newest() -> str:
    """The key of everything new."""
    return config.current().secret_key.get_secret_value()


def every() -> tuple[str, ...]:
    """All keys that count, the one of everything new first, each once."""
    settings = config.current()
    accepted = (key.get_secret_value() for key in settings.accepted_secret_keys)
    return tuple(dict.fromkeys((settings.secret_key.get_secret_value(), *accepted)))


def oldest_first() -> list[str]:
    """All keys that count as itsdangerous takes them: the last one signs."""
    return list(reversed(every()))


def name(key: str) -> str:
    """What a key is called where something is kept under it, and towards operators."""
    return derived(key, b"portal: name of the key").hex()[:NAME_LENGTH]


@lru_cache(maxsize=64)
def derived(key: str, purpose: bytes, size: int = 32) -> bytes:
    """`size` random bytes for one purpose alone: two purposes have nothing in common, and none tells anything of the key.

    Source: RFC 5869 (HKDF), "info".
    """
    return HKDF(SHA256(), size, salt=None, info=purpose).derive(key.encode())
