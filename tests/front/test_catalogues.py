"""Every text for people is there in German, holds the same places for facts, and is compiled as it is written."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
TRANSLATIONS = ROOT / "portal" / "translations"
GERMAN = TRANSLATIONS / "de" / "LC_MESSAGES" / "messages.po"
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "lazy_gettext": None,
    "N_": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
PLACE = re.compile(r"%\((\w+)\)[sd]")

Text = str | tuple[str, ...]


@dataclass(frozen=True, order=True)
class Key:
    """What is looked up: the English text (the singular one), and where it stands if that decides its translation."""

    text: str
    context: str = ""


def texts(catalogue: Catalog) -> dict[Key, tuple[Text, Text]]:
    """English and German, with their plurals."""
    return {
        Key(singular(_frozen(message.id)), _context(message)): (_frozen(message.id), _frozen(message.string))
        for message in catalogue
        if message.id and not message.fuzzy
    }


def _context(message: Message) -> str:
    """Babel reads it as bytes from a compiled catalogue."""
    context: str | bytes = message.context or ""
    return context.decode() if isinstance(context, bytes) else context


def _frozen(text: Any) -> Text:
    return text if isinstance(text, str) else tuple(text)


def singular(text: Text) -> str:
    return text if isinstance(text, str) else text[0]


@cache
def german() -> dict[Key, tuple[Text, Text]]:
    with GERMAN.open("rb") as file:
        return texts(read_po(file, locale="de"))


@cache
def spoken() -> set[Key]:
    """Every text that the code and the templates hand to gettext."""
    parse: Callable[[io.StringIO], tuple[Any, Any]] = parse_mapping_cfg  # babel brings no type for it
    methods, options = parse(io.StringIO((TRANSLATIONS / "babel.cfg").read_text("utf-8")))
    return {
        Key(singular(message), context or "")
        for folder in ("portal", "templates")
        for _file, _line, message, _comments, context in extract_from_dir(
            str(ROOT / folder),
            method_map=[(pattern.removeprefix(f"{folder}/"), method) for pattern, method in methods],
            options_map={pattern.removeprefix(f"{folder}/"): value for pattern, value in options.items()},
            keywords=KEYWORDS,
        )
    }


def test_everything_is_there_in_german() -> None:
    known = {key for key, (_english, translated) in german().items() if singular(translated)}
    assert sorted(spoken() - known) == [], "run `make texts`, translate what is empty, and run it again"


def test_the_catalogue_holds_nothing_that_nobody_says() -> None:
    assert sorted(german().keys() - spoken()) == [], "run `make texts`"


def test_translations_have_the_same_places() -> None:
    for text, translated in german().values():
        for version in translated if isinstance(translated, tuple) else (translated,):
            assert set(PLACE.findall(version)) == set(PLACE.findall(singular(text))), text


def test_the_catalogue_is_compiled() -> None:
    with GERMAN.with_suffix(".mo").open("rb") as file:
        compiled = texts(read_mo(file))
    assert {key: translated for key, (_english, translated) in compiled.items()} == {
        key: translated for key, (_english, translated) in german().items()
    }, "run `make texts`"
