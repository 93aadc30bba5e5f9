"""What a request may say: every parameter is declared once, read once, and refused in Stripe's words.

A declaration is one of the small readers below. Each turns the strings of a form into a Python value or raises the error Stripe gives.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from portal.sandbox.errors import empty_parameter, invalid, missing_parameter, unknown_parameter, unsupported_parameter

METADATA_KEYS = 50
METADATA_KEY_CHARACTERS = 40
METADATA_VALUE_CHARACTERS = 500
TEXT_CHARACTERS = 5000

_INTEGER = re.compile(r"-?\d+", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_SAFE_INTEGER = 2**53


class Reader(Protocol):
    """Reads one parameter. `name` is how Stripe writes its place, such as `shipping[address][city]`."""

    def read(self, raw: object, name: str) -> Any: ...


@dataclass(frozen=True)
class Text:
    """A string. An empty one unsets the field (reads as None) unless `clearable` is off."""

    limit: int = TEXT_CHARACTERS
    clearable: bool = True

    def read(self, raw: object, name: str) -> str | None:
        if not isinstance(raw, str):
            raise invalid(f"Invalid string: {_shown(raw)}", name)
        if raw == "":
            if self.clearable:
                return None
            raise empty_parameter(name)
        if len(raw) > self.limit:
            raise invalid(f"Invalid string: {raw[:5]}...{raw[-5:]}; must be at most {self.limit} characters", name)
        return raw


@dataclass(frozen=True)
class UploadedFile:
    """A file of a form, as it arrived."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Upload:
    """A file. Of its content the size, the digest and the beginning are read, the last two as hexadecimal text."""

    def read(self, raw: object, name: str) -> dict[str, Any]:
        if not isinstance(raw, UploadedFile):
            raise invalid("Invalid file: must be uploaded as multipart/form-data", name)
        return {
            "name": raw.name,
            "size": len(raw.content),
            "digest": hashlib.sha256(raw.content).hexdigest(),
            "begins": raw.content[:8].hex(),
        }


@dataclass(frozen=True)
class Reference:
    """The id of another object."""

    def read(self, raw: object, name: str) -> str:
        value = Text(clearable=False).read(raw, name)
        if value is None:
            raise empty_parameter(name)
        return value


@dataclass(frozen=True)
class Email:
    def read(self, raw: object, name: str) -> str | None:
        value = Text(512).read(raw, name)
        if value is not None and not _EMAIL.fullmatch(value):
            raise invalid(f"Invalid email address: {value}", name, "email_invalid")
        return value


@dataclass(frozen=True)
class Url:
    clearable: bool = True

    def read(self, raw: object, name: str) -> str | None:
        value = Text(clearable=self.clearable).read(raw, name)
        if value is not None and not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s]", value):
            raise invalid("Not a valid URL", name, "url_invalid")
        return value


@dataclass(frozen=True)
class Integer:
    least: int | None = None
    most: int | None = None
    clearable: bool = False
    too_small: str | None = None
    """What is said of less than the least, where Stripe has words of its own for it."""

    def read(self, raw: object, name: str) -> int | None:
        if raw == "":
            if self.clearable:
                return None
            raise empty_parameter(name)
        if not isinstance(raw, str) or not _INTEGER.fullmatch(raw) or abs(int(raw[:32])) > _SAFE_INTEGER:
            raise invalid(f"Invalid integer: {_shown(raw)}", name, "parameter_invalid_integer")
        value = int(raw)
        if self.least is not None and value < self.least:
            message = self.too_small or f"This value must be greater than or equal to {self.least}."
            raise invalid(message, name, "parameter_invalid_integer")
        if self.most is not None and value > self.most:
            raise invalid(f"This value must be less than or equal to {self.most}.", name, "parameter_invalid_integer")
        return value


@dataclass(frozen=True)
class Gone:
    """A parameter of earlier versions of the API, refused with a code of its own."""

    code: str
    message: str

    def read(self, raw: object, name: str) -> None:
        del raw
        raise invalid(self.message, name, self.code)


@dataclass(frozen=True)
class Boolean:
    def read(self, raw: object, name: str) -> bool:
        if raw == "true":
            return True
        if raw == "false":
            return False
        if raw == "":
            raise empty_parameter(name)
        raise invalid(f"Invalid boolean: {_shown(raw)}", name)


@dataclass(frozen=True)
class Choice:
    values: tuple[str, ...]
    clearable: bool = False

    def read(self, raw: object, name: str) -> str | None:
        if raw == "" and self.clearable:
            return None
        if raw == "":
            raise empty_parameter(name)
        if raw not in self.values:
            raise invalid(f"Invalid {name}: must be {_one_of(self.values)}", name)
        return str(raw)


@dataclass(frozen=True)
class Either:
    """A value that one of two readers takes; the second speaks when both refuse."""

    first: Reader
    second: Reader

    def read(self, raw: object, name: str) -> Any:
        fits_first = (
            isinstance(raw, dict) if isinstance(self.first, Hash) else isinstance(raw, str) and raw in {"true", "false"}
        )
        return (self.first if fits_first else self.second).read(raw, name)


@dataclass(frozen=True)
class ListOf:
    item: Reader
    most: int = 500
    clearable: bool = False

    def read(self, raw: object, name: str) -> list[Any] | None:
        if raw == "" and self.clearable:
            return None
        if isinstance(raw, dict):
            raise _not_sequential(raw, name)
        if not isinstance(raw, list):
            raise invalid("Invalid array", name)
        if len(raw) > self.most:
            raise invalid(f"Array has too many elements: at most {self.most} are allowed", name)
        return [self.item.read(item, f"{name}[{place}]") for place, item in enumerate(raw)]


def _not_sequential(raw: Mapping[str, Any], name: str) -> Exception:
    """Words as recorded in test mode, December 2024."""
    missing = next(str(place) for place in range(len(raw) + 1) if str(place) not in raw)
    return invalid(
        "If passing an array with explicit keys (e.g. foo[0]=a&foo[1]=b) instead of as an array (e.g. foo[]=a&foo[]=b), the keys must be "
        f"numeric and sequential starting from 0. You passed the keys `{', '.join(raw)[:200]}`, we expected to have a key with the value "
        f"`{missing}`.",
        name,
    )


@dataclass(frozen=True)
class Hash:
    """Named parameters. `unsupported` names those that Stripe knows and the sandbox does not carry out."""

    fields: Mapping[str, Reader]
    required: tuple[str, ...] = ()
    unsupported: frozenset[str] = frozenset()
    clearable: bool = False

    def read(self, raw: object, name: str) -> dict[str, Any] | None:
        if raw == "" and self.clearable:
            return None
        if not isinstance(raw, dict):
            raise invalid("Invalid object", name)
        values: dict[str, Any] = {}
        for key, value in raw.items():
            place = f"{name}[{key}]" if name else key
            reader = self.fields.get(key)
            if reader is None:
                raise unsupported_parameter(place) if key in self.unsupported else unknown_parameter(place)
            values[key] = reader.read(value, place)
        for key in self.required:
            if key not in values:
                raise missing_parameter(f"{name}[{key}]" if name else key)
        return values


@dataclass(frozen=True)
class Metadata:
    """Up to 50 keys of 40 characters with values of 500. None means: remove all of it; an empty value removes its key."""

    def read(self, raw: object, name: str) -> dict[str, str] | None:
        if raw == "":
            return None
        if isinstance(raw, list):
            # Keys of metadata may be numbers, and 0, 1, 2 … look like a list on the wire.
            raw = {str(place): value for place, value in enumerate(raw)}
        if not isinstance(raw, dict):
            raise invalid("Invalid object", name)
        if len(raw) > METADATA_KEYS:
            raise invalid(f"Metadata can only have up to {METADATA_KEYS} keys, but you passed in {len(raw)}.", name)
        for key, value in raw.items():
            place = f"{name}[{key}]"
            if len(key) > METADATA_KEY_CHARACTERS:
                raise invalid(
                    f"Metadata keys can have up to {METADATA_KEY_CHARACTERS} characters, but you passed in a key that is {len(key)} "
                    f"characters. Invalid key: {key}",
                    place,
                )
            if not isinstance(value, str):
                raise invalid(
                    f"Metadata values must be strings, but for key: {key}, you passed in a value that is not one.",
                    place,
                )
            if len(value) > METADATA_VALUE_CHARACTERS:
                raise invalid(
                    f"Metadata values can have up to {METADATA_VALUE_CHARACTERS} characters, but you passed in a value "
                    f"that is {len(value)} "
                    f"characters. Invalid value: {value[:20]}...",
                    place,
                )
        return dict(raw)


def merge_metadata(existing: Mapping[str, str] | None, given: Mapping[str, str] | None) -> dict[str, str]:
    """Stripe's rule: given keys are set, empty values remove their key, and an empty whole removes everything."""
    if given is None:
        return {}
    merged = {**(existing or {}), **given}
    return {key: value for key, value in merged.items() if value != ""}


def _one_of(values: tuple[str, ...]) -> str:
    if len(values) < 2:
        return "".join(values)
    return f"one of {', '.join(values[:-1])}, or {values[-1]}"


def _shown(raw: object) -> str:
    return raw[:100] if isinstance(raw, str) else type(raw).__name__


# -- groups of parameters that many resources share --------------------------------------------------------------------------------

EXPAND = ListOf(Text(clearable=False), most=100)
ADDRESS = Hash({name: Text() for name in ("city", "country", "line1", "line2", "postal_code", "state")}, clearable=True)
SHIPPING = Hash(
    {"address": ADDRESS, "name": Text(), "phone": Text(), "carrier": Text(), "tracking_number": Text()},
    required=("address", "name"),
    clearable=True,
)
CUSTOMER_SHIPPING = Hash(
    {"address": ADDRESS, "name": Text(), "phone": Text()}, required=("address", "name"), clearable=True
)
CREATED = Either(Hash({bound: Integer() for bound in ("gt", "gte", "lt", "lte")}), Integer())
LIST_FIELDS: Mapping[str, Reader] = {
    "limit": Integer(1, 100),
    "starting_after": Reference(),
    "ending_before": Reference(),
    "expand": EXPAND,
}

EMPTY_ADDRESS: dict[str, str | None] = {
    "city": None,
    "country": None,
    "line1": None,
    "line2": None,
    "postal_code": None,
    "state": None,
}
EMPTY_SHIPPING: dict[str, Any] = {
    "address": None,
    "carrier": None,
    "name": None,
    "phone": None,
    "tracking_number": None,
}


def whole_address(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if given is None else {**EMPTY_ADDRESS, **given}


def whole_shipping(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return {**EMPTY_SHIPPING, **given, "address": whole_address(given.get("address"))}


def unsupported(words: str) -> frozenset[str]:
    return frozenset(words.split())


@dataclass(frozen=True)
class Parameters:
    """All parameters of one call."""

    fields: Mapping[str, Reader] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    unsupported: frozenset[str] = frozenset()

    def read(self, raw: dict[str, Any]) -> dict[str, Any]:
        hash_reader = Hash({"expand": EXPAND, **self.fields}, self.required, self.unsupported)
        return hash_reader.read(raw, "") or {}
