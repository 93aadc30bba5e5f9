"""Every setting as this process has it, for the admins' page: secrets are told as set or not, and their values never leave here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, SecretStr

from portal.core import config, unsafe_settings
from portal.core.config import Settings

# What each setting does, by section, as docs/reference/settings.md says it: `make reference` writes both from .env.example.
EFFECTS: Final = Path(__file__).with_name("setting_effects.json")


@dataclass(frozen=True, slots=True)
class Setting:
    """`value` is None for a secret, of which only `is_set` is told. `problems` are sentences of the check that every start makes."""

    name: str
    value: str | None
    is_set: bool
    from_environment: bool
    effect: str
    problems: tuple[str, ...]


def by_section() -> list[tuple[str, list[Setting]]]:
    """All settings, in the sections and the order of the reference."""
    settings = config.current()
    problems = list(checked(settings))
    found: dict[str, Setting] = {}
    for name, value, given in _fields(settings):
        secret = _is_secret(name, value)
        found[name] = Setting(
            name=name,
            value=None if secret else written(value),
            is_set=bool(value.get_secret_value() if isinstance(value, SecretStr) else value),
            from_environment=given,
            effect=_effects().get(name, ("", ""))[1],
            problems=tuple(one for one in problems if one.startswith(f"{name} ")),
        )
    sections: dict[str, list[Setting]] = {}
    for name, (section, _effect) in _effects().items():
        if name in found:
            sections.setdefault(section, []).append(found[name])
    return list(sections.items())


def checked(settings: Settings) -> Iterator[str]:
    """What a start in staging or production says of these settings; while developing, what it would say there."""
    yield from unsafe_settings.anywhere(settings)
    yield from unsafe_settings.for_customers(settings)


def written(value: object) -> str:
    """As it would stand in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ",".join(f"{name}:{_plain(one)}" for name, one in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _plain(value: object) -> str:
    return "-".join(str(one) for one in value) if isinstance(value, tuple) else str(value)


def _fields(settings: Settings) -> Iterator[tuple[str, object, bool]]:
    """The name in the environment, the value, and whether it was set there."""
    for name, field in Settings.model_fields.items():
        if name != "company":
            yield field.alias or f"PORTAL_{name.upper()}", getattr(settings, name), name in settings.model_fields_set
    company: BaseModel = settings.company
    for name in type(company).model_fields:
        yield f"PORTAL_COMPANY_{name.upper()}", getattr(company, name), name in company.model_fields_set


def _is_secret(name: str, value: object) -> bool:
    """Also an address that may hold a password."""
    if isinstance(value, tuple):
        return any(isinstance(one, SecretStr) for one in value)
    return isinstance(value, SecretStr) or name in _WITH_PASSWORDS


_WITH_PASSWORDS: Final = frozenset(
    field.alias or f"PORTAL_{name.upper()}"
    for name, field in Settings.model_fields.items()
    if not field.repr or "Secret" in str(field.annotation)
)


@cache
def _effects() -> dict[str, tuple[str, str]]:
    return {name: (section, effect) for name, (section, effect) in json.loads(EFFECTS.read_text()).items()}
