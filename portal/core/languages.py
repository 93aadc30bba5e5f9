"""Which languages there are: English, in which the texts are written, and each with a compiled catalogue in portal/translations."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

CATALOGUES: Final = Path(__file__).parents[1] / "translations"
SOURCE: Final = "en"


@cache
def shipped() -> tuple[str, ...]:
    """Their codes: English, then the others by the alphabet. Read once a process."""
    compiled = sorted(file.parents[1].name for file in CATALOGUES.glob("*/LC_MESSAGES/messages.mo"))
    return (SOURCE, *compiled)
