"""docs/glossary.md has the words of the texts, in both languages, and every status of the API with what pages call it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portal.content.templates import LocaleEnvironment
from portal.invoices.statuses import InvoiceStanding
from portal.payments.statuses import PaymentStatus
from portal.refunds.statuses import RefundStatus
from tests.front.test_catalogues import ROOT, translated

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
STATUSES = {"invoice": InvoiceStanding, "payment": PaymentStatus, "refund": RefundStatus}


def table(title: str) -> list[list[str]]:
    part = GLOSSARY.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return rows[2:]


@pytest.mark.parametrize(("english", "german"), [row[:2] for row in table("Terms")])
def test_a_term_is_what_texts_say(english: str, german: str) -> None:
    said = translated("de").values()
    for term, texts in ((english, [text for text, _de in said]), (german, [text for _en, text in said])):
        plain = " ".join(" ".join([text] if isinstance(text, str) else text) for text in texts).casefold()
        # German bends words: "Automatische Zahlung", "der automatischen Zahlung".
        bent = r"\w*\s".join(map(re.escape, term.casefold().split()))
        assert re.search(rf"(?<!\w){bent}", plain), term


def test_every_status_of_the_api_is_in_the_glossary_and_no_other() -> None:
    listed = [(noun, code.strip("`")) for noun, code, *_words in table("Statuses")]
    assert sorted(listed) == sorted((noun, code) for noun, kind in STATUSES.items() for code in kind)


@pytest.mark.parametrize("language", ["en", "de"])
def test_pages_call_each_status_as_the_glossary_does(language: str) -> None:
    pages: Any = LocaleEnvironment(language).get_template("components/status.html").module
    for noun, code, english, german, _meaning in table("Statuses"):
        shown = pages.status_text(noun, code.strip("`"))
        assert str(shown).strip() == {"en": english, "de": german}[language], (noun, code)
