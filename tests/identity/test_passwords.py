"""Which passwords are taken, and how they are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator

import argon2
import pytest

from portal.core import config
from portal.core.errors import Invalid
from portal.identity import passwords


@pytest.fixture(autouse=True)
def _as_for_customers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hashed as it is everywhere but in tests."""
    monkeypatch.setenv("PORTAL_DATABASE_URL", "sqlite://")
    monkeypatch.setenv("PORTAL_ENVIRONMENT", "development")
    config.forget()
    yield
    config.forget()


PERSONAL = ("mara@lindqvist.test", "Mara Lindqvist", "Nordlicht Energie GmbH")


@pytest.mark.parametrize(
    "password",
    [
        "seven pale trams at dawn",
        "kV9#mQ2!xL7p",
        "Tr0ub4dor&3-Zug",
        "ein Kamel trinkt Tee",
        "пароль из четырёх слов",
        "mara likes 7 pale trams",
        "w" + "ünschelrute 94 Möwen" * 6,
    ],
)
def test_long_passwords_of_any_characters_are_taken(password: str) -> None:
    passwords.check(password, personal=PERSONAL)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("elf-zeichen", passwords.TOO_SHORT),
        ("x9!" * 43, passwords.TOO_LONG),
        ("password1234", passwords.COMMON),
        ("P@ssw0rd2026!!", passwords.COMMON),
        ("password-password", passwords.COMMON),
        ("Correct Horse Battery Staple", passwords.COMMON),
        ("!!!sunshine2026", passwords.COMMON),
        ("abcdefghijklm", passwords.PATTERN),
        ("qwertzuiopas", passwords.PATTERN),
        ("987654321098", passwords.PATTERN),
        ("aaaaaaaaaaaab", passwords.PATTERN),
        ("k7#k7#k7#k7#k7#", passwords.PATTERN),
        ("mara@lindqvist.test", passwords.PERSONAL),
        ("MaraLindqvist1", passwords.PERSONAL),
        ("nordlicht 2026", passwords.PERSONAL),
        ("sojdlg123aljg", passwords.COMMON),  # of a leak
        ("Letmein12345!", passwords.COMMON),
        ("iloveyou12345!x", passwords.EASY),
        ("dragonmonkey12", passwords.EASY),
        ("Michael19850312", passwords.COMMON),
        ("Welcome2Company!", passwords.EASY),
    ],
)
def test_guessable_passwords_are_refused_with_the_reason(password: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.check(password, personal=PERSONAL, field="new")
    assert refused.value.message == reason
    assert refused.value.field == "new"


def test_every_character_counts() -> None:
    """Nothing is cut off, as bcrypt would after 72 bytes."""
    long = "a tram, " * 15
    kept = passwords.hashed(long + "1")
    assert passwords.matches(kept, long + "1")
    assert not passwords.matches(kept, long + "2")


def test_the_same_letters_from_another_keyboard_are_the_same_password() -> None:
    assert passwords.matches(passwords.hashed("Zwölf Boxkämpfer"), "Zwo\u0308lf Boxka\u0308mpfer")


def test_hashes_are_argon2id_of_64_mib() -> None:
    parameters = argon2.extract_parameters(passwords.hashed("seven pale trams"))
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (64 * 1024, 3, 4)
    assert (parameters.salt_len, parameters.hash_len) == (16, 32)


def test_only_tests_hash_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_ENVIRONMENT", "test")
    config.forget()
    quick = passwords.hashed("seven pale trams")
    monkeypatch.setenv("PORTAL_ENVIRONMENT", "development")
    config.forget()
    assert passwords.is_outdated(quick), "it is renewed wherever else it should turn up"


def test_a_hash_of_weaker_parameters_is_outdated() -> None:
    weaker = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("seven pale trams")
    assert passwords.is_outdated(weaker)
    assert not passwords.is_outdated(passwords.hashed("seven pale trams"))


def test_an_unknown_person_takes_as_long_as_a_wrong_password() -> None:
    kept = passwords.hashed("seven pale trams")
    passwords.matches(None, "warm up")

    def fastest(hashed: str | None) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            assert not passwords.matches(hashed, "something else")
            times.append(time.perf_counter() - start)
        return min(times)

    known, unknown = fastest(kept), fastest(None)
    assert unknown > known / 3, (known, unknown)


def test_what_is_no_hash_matches_nothing() -> None:
    assert not passwords.matches("", "")
    assert not passwords.matches("plain text", "plain text")
