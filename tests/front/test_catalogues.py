"""Every text for people is there in each language, holds the same places for facts, and is compiled as it is written."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from portal.core import languages

ROOT = Path(__file__).resolve().parents[2]
TRANSLATED = languages.shipped()[1:]
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
    """English and its translation, with their plurals."""
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


def _file(language: str) -> Path:
    return languages.CATALOGUES / language / "LC_MESSAGES" / "messages.po"


@cache
def translated(language: str) -> dict[Key, tuple[Text, Text]]:
    with _file(language).open("rb") as file:
        return texts(read_po(file, locale=language))


def versions(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


@cache
def spoken() -> set[Key]:
    """Every text that the code and the templates hand to gettext."""
    parse: Callable[[io.StringIO], tuple[Any, Any]] = parse_mapping_cfg  # babel brings no type for it
    methods, options = parse(io.StringIO((languages.CATALOGUES / "babel.cfg").read_text("utf-8")))
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


def test_each_folder_of_translations_is_a_language_of_the_portal() -> None:
    """One whose catalogue is not compiled would be in nobody's choice, and in no test here."""
    assert {folder.name for folder in languages.CATALOGUES.iterdir() if folder.is_dir()} == set(TRANSLATED)
    assert {"de", "es", "fr"} <= set(TRANSLATED)


@pytest.mark.parametrize("language", TRANSLATED)
def test_everything_is_there(language: str) -> None:
    known = {key for key, (_english, translation) in translated(language).items() if all(versions(translation))}
    assert sorted(spoken() - known) == [], "run `make texts`, translate what is empty, and run it again"


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalogue_holds_nothing_that_nobody_says(language: str) -> None:
    assert sorted(translated(language).keys() - spoken()) == [], "run `make texts`"


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_have_the_same_places(language: str) -> None:
    for text, translation in translated(language).values():
        places = dict.fromkeys(PLACE.findall(singular(text)), 1)
        for version in versions(translation):
            assert set(PLACE.findall(version)) == places.keys(), text
            assert version % places, text  # templates fill each text in: a percent sign that is one is written twice


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalogue_is_compiled(language: str) -> None:
    with _file(language).with_suffix(".mo").open("rb") as file:
        compiled = texts(read_mo(file))
    assert {key: translation for key, (_english, translation) in compiled.items()} == {
        key: translation for key, (_english, translation) in translated(language).items()
    }, "run `make texts`"
