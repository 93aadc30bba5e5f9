"""docs/glossary.md has the words of the texts, in all languages, and every status of the API with what pages call it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portal.content.templates import LocaleEnvironment
from portal.core import languages
from portal.invoices.statuses import InvoiceStanding
from portal.payments.statuses import PaymentStatus
from portal.refunds.statuses import RefundStatus
from tests.front.test_catalogues import ROOT, translated, versions

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
STATUSES = {"invoice": InvoiceStanding, "payment": PaymentStatus, "refund": RefundStatus}


def table(title: str) -> list[list[str]]:
    part = GLOSSARY.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return rows[2:]


# The columns of both tables, in this order.
LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish"}


def test_the_glossary_has_every_language() -> None:
    assert set(LANGUAGES) == set(languages.shipped())
    heads = [line for line in GLOSSARY.splitlines() if "| English |" in line]
    assert len(heads) == 2 and all(" | ".join(LANGUAGES.values()) in head for head in heads)


def _texts(language: str) -> list[str]:
    found = translated("de" if language == languages.SOURCE else language).values()
    said = [english if language == languages.SOURCE else translation for english, translation in found]
    return [" ".join(versions(text)) for text in said]


@pytest.mark.parametrize("language", LANGUAGES)
def test_terms_are_what_texts_say(language: str) -> None:
    plain = " ".join(_texts(language)).casefold()
    column = list(LANGUAGES).index(language)
    missing = []
    for row in table("Terms"):
        # Words are bent: "Automatische Zahlung", "der automatischen Zahlung", "des paiements automatiques".
        bent = r"\w*\s".join(map(re.escape, row[column].casefold().split()))
        if not re.search(rf"(?<!\w){bent}", plain):
            missing.append(row[column])
    assert missing == []


def test_every_status_of_the_api_is_in_the_glossary_and_no_other() -> None:
    listed = [(noun, code.strip("`")) for noun, code, *_words in table("Statuses")]
    assert sorted(listed) == sorted((noun, code) for noun, kind in STATUSES.items() for code in kind)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_call_each_status_as_the_glossary_does(language: str) -> None:
    pages: Any = LocaleEnvironment(language).get_template("components/status.html").module
    column = 2 + list(LANGUAGES).index(language)
    for row in table("Statuses"):
        noun, code = row[0], row[1].strip("`")
        assert str(pages.status_text(noun, code)).strip() == row[column], (noun, code)
