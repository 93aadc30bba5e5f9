"""What people and their systems write as free text: how it is tidied before it is kept, and what is refused.

Everything that is kept goes through `one_line` or `several_lines`, whether it came by a form, the API, a file or a command. Text is kept
in Unicode's composed form (NFC), so that equal texts are equal; other spaces become plain ones. Marks and joiners stay, for names need
them. What cannot be seen and breaks a line, a file or a page is refused, and so are card numbers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from sqlalchemy.engine.default import DefaultExecutionContext

from portal.core import card_numbers
from portal.core.errors import N_, Invalid

# They embed or isolate a part of a line in another direction, and would reach beyond the text's end where it is not closed.
_EMBEDDINGS: Final = frozenset("\u202a\u202b\u202c\u2066\u2067\u2068\u2069")
# They show what follows in the other order than it is written: "\u202efdp.exe".
_OVERRIDES: Final = frozenset("\u202d\u202e")
_BYTE_ORDER_MARK: Final = "\ufeff"
# Letters that nobody sees. Source: Unicode, Default_Ignorable_Code_Point, and the empty braille pattern.
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_LINE_BREAKS: Final = frozenset("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_UNSEEN: Final = frozenset({"Zs", "Zl", "Zp", "Cf"})
_REFUSED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})

TOO_LONG: Final = N_("This text is too long: at most %(longest)s characters.")
EMPTY: Final = N_("Please fill this in.")


class CardNumber(Invalid):
    """A card number where free text is kept. The text is not in the message, nor in what is logged."""

    code = "card_number"
    message = N_(
        "This looks like a card number, so nothing was saved. Please remove it, or write only its last four digits."
    )


def tidied(text: str) -> str:
    """The text as it is kept in one line, without spaces around it; "" when nothing is to be seen in it. What it holds is not checked."""
    kept = (one for one in text.strip(_BYTE_ORDER_MARK) if one not in _EMBEDDINGS)
    spaced = "".join(" " if unicodedata.category(one) == "Zs" else one for one in kept)
    plain = unicodedata.normalize("NFC", spaced).strip(" \t\r\n")
    return "" if is_blank(plain) else plain


def tidied_lines(text: str) -> str:
    """Likewise, with plain line feeds, and spaces in place of tabs."""
    return tidied(re.sub(r"\r\n?", "\n", text).replace("\t", " "))


def one_line(text: str, *, field: str, longest: int, required: bool = False) -> str:
    """The text `tidied`. Raises what `check` does."""
    text = tidied(text)
    check(text, field=field, longest=longest, required=required)
    return text


def several_lines(text: str, *, field: str, longest: int, required: bool = False) -> str:
    """The text with `tidied_lines`. Raises what `check` does."""
    text = tidied_lines(text)
    check(text, field=field, longest=longest, required=required, allowed="\n")
    return text


def check(text: str, *, field: str, longest: int, required: bool = False, allowed: str = "") -> None:
    """Raises Invalid for `field`: for an empty text that is required, one of more than `longest` characters, or with characters that
    cannot stand in a text, but for the `allowed` line breaks and tabs; and CardNumber.
    """
    if required and is_blank(text):
        raise Invalid(EMPTY, field=field)
    if len(text) > longest:
        raise Invalid(TOO_LONG, field=field, longest=longest)
    for character in text:
        if character not in allowed and (unicodedata.category(character) in _REFUSED or character in _OVERRIDES):
            raise _refusal(character, field)
    refuse_card_number(text, field=field)


def refuse_card_number(text: str, *, field: str) -> None:
    """Raises CardNumber. For what is no text of people's, but kept all the same: a key, a name of metadata, a file's name."""
    if card_numbers.holds_one(text):
        raise CardNumber(field=field)


def is_blank(text: str) -> bool:
    """Whether it holds nothing but spaces and what is not seen."""
    return all(one in _BLANK_LETTERS or unicodedata.category(one) in _UNSEEN for one in text)


def fold(text: str) -> str:
    """The text as it is searched, and as it is kept to be found: without case, accents and marks ("Église" is "eglise"), with
    "ae", "oe" and "ue" as one writes them for umlauts ("moebel", "Möbel" and "mobel" are one).
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join(_BASE_LETTERS.get(one, one) for one in decomposed if unicodedata.category(one) not in {"Mn", "Cf"})
    return _UMLAUT.sub(r"\1", plain)


# Letters with a stroke or of two, which Unicode does not take apart.
_BASE_LETTERS: Final = {
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "ħ": "h",
    "ı": "i",
    "þ": "th",
    "æ": "ae",
    "œ": "oe",
}
_UMLAUT: Final = re.compile(r"([aou])e+")


def typed(text: str) -> str:
    """A number, an id or a date as it was meant, however it was copied: digits and letters of other widths and scripts become ASCII, dashes
    hyphens, each row of spaces one space, and what is not seen is left out.
    """
    plain = "".join(_as_typed(one) for one in unicodedata.normalize("NFKC", text))
    return " ".join(plain.split())


def _as_typed(character: str) -> str:
    match unicodedata.category(character):
        case "Nd":
            return str(unicodedata.decimal(character))
        case "Pd":
            return "-"
        case "Zs" | "Zl" | "Zp":
            return " "
        case "Cf" | "Mn":
            return ""
    return "-" if character == "−" else character


def code(text: str) -> str:
    """A code likewise, without its spaces and hyphens. Letters keep their case."""
    return re.sub(r"[ -]", "", typed(text))


def folded(column: str, longest: int | None = None) -> Callable[[DefaultExecutionContext], str]:
    """What a column that is searched holds of another one of its row, which never changes: its text, folded. For `default=`."""

    def value(context: DefaultExecutionContext) -> str:
        parameters: dict[str, str | None] = context.get_current_parameters()  # type: ignore[no-untyped-call]
        return fold(parameters.get(column) or "")[:longest]

    return value


def _refusal(character: str, field: str) -> Invalid:
    code_point = f"U+{ord(character):04X}"
    if character in _LINE_BREAKS:
        return Invalid(N_("Line breaks are not allowed here. Please write the text in one line."), field=field)
    if character in _OVERRIDES:
        return Invalid(
            N_("This text has a sign in it that turns the direction of writing (%(sign)s). Please remove it."),
            field=field,
            sign=code_point,
        )
    return Invalid(
        N_("This text has a control character in it (%(sign)s). Please remove it."), field=field, sign=code_point
    )
