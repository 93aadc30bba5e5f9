"""Rules of wording that a machine can check in the texts for people, without false alarms. The words themselves: docs/glossary.md."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.front.test_catalogues import TRANSLATED, Text, translated, versions

PLACE = re.compile(r"%\(\w+\)[sd]")

ENGLISH = {
    "the apostrophe is ’": r"'",
    "American spelling, as the dates are": r"(?i)\b(cancell(ed|ing)|authoris|colour|favour|recognis|cheque)",
    "e-mail": r"(?i)(?<!e-)\bmail(s|ed)?\b(?! server)",
    "don’t need to": r"(?i)\bneed not\b",
    "again": r"\banew\b|\bonce more\b",
    "automatically": r"\bby (itself|themselves)\b",
    "turn on and off": r"(?i)\bswitch(ed|ing)?\b",
    "two-step verification": r"(?i)second factor",
    "audit log": r"(?i)audit trail",
    "held for review": r"\bset aside\b",
    "request": r"\bask(ed)? for (a refund|it)\b",
}
GERMAN = {
    "E-Mail": r"(?<!E-)\bMails?\b",
    "verwenden Sie": r"(?i)\bnehmen Sie\b",
    "optional": r"(?i)freiwillig",
    "Rechnungskorrektur, Zahlungsbestätigung": r"Gutschrift|Quittung",
    "Zwei-Faktor-Anmeldung": r"(?i)zweite[nrs]? Faktor",
    "Schaltfläche": r"\bKnopf",
    "Abweichung": r"Auffälligkeit|Differenz",
    "fehlgeschlagen": r"gescheitert",
    "freigegeben": r"(?i)genehmigt",
    "Access-Token, Refresh-Token": r"Zugriffstoken|Erneuerungstoken",
    "Prüfnummer": r"Sicherheitscode",
    "no straight quotation mark": r"[\"']",
    "a space that does not break before %": r" %%",
}
FRENCH = {
    "vous": r"(?i)\b(tu|ton|ta|tes|toi)\b|\bt’",
    "e-mail": r"(?i)(?<!e-)\bmails?\b|courriel",
    "facultatif": r"(?i)\boptionnel",
    "clé d’accès": r"(?i)passkey",
    "confirmation de paiement, facture acquittée": r"(?i)\b(un|le|du|votre|vos|des|les) reçus?\b",
    "litige": r"(?i)rétrofacturation|chargeback",
    "moyen de paiement": r"(?i)(méthode|mode) de paiement",
    "no straight quotation mark": r"[\"']",
    "« »": r"[“”]",
    "a narrow space that does not break before ! ? » and a lone : ;": r"[^\u202f][!?»]|[^\u202f][:;](?=\s(?!application/json|Bearer)|$)",
    "a narrow space that does not break after «": r"«[^\u202f]",
    "a space that does not break before %": r" %%",
}
SPANISH = {
    "usted": r"(?i)\b(tú|tu|tus|te|vosotros|vuestr[oa]s?)\b",
    "correo electrónico": r"(?i)\be-?mails?\b",
    "llave de acceso": r"(?i)passkey",
    "factura rectificativa, confirmación de pago": r"(?i)nota de (crédito|abono)|recibo de pago",
    "disputa": r"(?i)contracargo|chargeback",
    "método de pago": r"(?i)(medio|forma) de pago",
    "no straight quotation mark": r"[\"']",
    "« »": r"[“”]",
    "¿ ?": r"^[^¿]*\w\?",
    "¡ !": r"^[^¡]*!",
    "a space that does not break before %": r" %%",
}
WORDING = {"de": GERMAN, "fr": FRENCH, "es": SPANISH}


def violations(texts: list[Text], rule: str) -> Iterator[str]:
    for text in texts:
        for version in versions(text):
            if re.search(rule, PLACE.sub("…", version)):
                yield version


@pytest.mark.parametrize("rule", ENGLISH)
def test_english(rule: str) -> None:
    assert list(violations([english for english, _german in translated("de").values()], ENGLISH[rule])) == []


@pytest.mark.parametrize(
    ("language", "rule"), [(language, rule) for language, rules in WORDING.items() for rule in rules]
)
def test_a_translation(language: str, rule: str) -> None:
    translations = [translation for _english, translation in translated(language).values()]
    assert list(violations(translations, WORDING[language][rule])) == []


# How a text names where on the pages something is: “Save card”, under Operations, Jobs.
QUOTED = re.compile(r"“([^”%]+)”")
PLACES = ("Account", "Books", "Invoices", "Operations", "People", "Staff")
UNDER = re.compile(
    rf"\b(?:under|on the page) ({'|'.join(PLACES)})\b(?:, ([A-Z][a-z]+))?|\b({'|'.join(PLACES)}), ([A-Z][a-z]+)"
)


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_a_text_leads_to_is_called_as_the_page_is(language: str) -> None:
    """„unter Betrieb, Hintergrundaufträge“, where the tab is called so."""
    said = {key.text: translation for key, (_english, translation) in translated(language).items() if not key.context}
    looked_at = 0
    for english, translation in translated(language).values():
        if not isinstance(english, str):
            continue
        labels = [label for label in QUOTED.findall(english) if label in said]
        labels += [label for found in UNDER.findall(english) for label in found if label in said]
        for label in labels:
            looked_at += 1
            assert said[label] in translation, (label, said[label], translation)
    assert looked_at >= 10


def test_german_asks_with_sie() -> None:
    """„Bitte wählen Sie …“, never „Bitte wählen“."""
    sentences = [
        sentence
        for _english, translation in translated("de").values()
        for version in versions(translation)
        for sentence in re.split(r"(?<=[.!?:;])\s", version)
        if sentence.startswith("Bitte ")
    ]
    assert [sentence for sentence in sentences if not re.search(r"\bSie\b", sentence)] == []
    assert len(sentences) > 50
