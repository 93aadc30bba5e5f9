"""A ZIP that becomes one without ever being in memory as a whole: what is written leaves in parts, of about a megabyte each.

The same content makes the same bytes: nothing in it tells when it was made.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

PART_BYTES: Final = 1_000_000
# The earliest that a ZIP can tell: its files have no time of their own.
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")

# Called with each part, and with how many files are done by then. May raise: nothing more is packed then.
Keep = Callable[[bytes, int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in the archive; `size` in bytes."""

    name: str
    sha256: str
    size: int


class _Sink(io.RawIOBase):
    """A file that is only written to: what comes in leaves in parts."""

    def __init__(self, keep: Callable[[bytes], None]) -> None:
        self._keep = keep
        self._waiting = bytearray()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        length = len(data)
        self._waiting += data
        self.size += length
        while len(self._waiting) >= PART_BYTES:
            part = bytes(self._waiting[:PART_BYTES])
            del self._waiting[:PART_BYTES]
            self._keep(part)
        return length

    def end(self) -> None:
        if self._waiting:
            self._keep(bytes(self._waiting))
            self._waiting.clear()


class Archive:
    """A ZIP being written, and what is in it."""

    def __init__(self, keep: Keep) -> None:
        self.entries: list[Entry] = []
        self._sink = _Sink(lambda part: keep(part, len(self.entries)))
        self.zip = zipfile.ZipFile(self._sink, "w", allowZip64=True)

    @property
    def size(self) -> int:
        return self._sink.size

    def add(self, name: str, content: Iterable[bytes], *, compress: bool = True) -> Entry:
        """Write a file, and note its name and hash."""
        info = zipfile.ZipInfo(name, _NO_TIME)
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        info.external_attr = 0o644 << 16
        info.create_system = 3  # whatever the machine
        digest, size = hashlib.sha256(), 0
        with self.zip.open(info, "w", force_zip64=True) as file:
            for chunk in content:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        entry = Entry(name, digest.hexdigest(), size)
        self.entries.append(entry)
        return entry

    def end(self) -> None:
        """Hand over the last part, after the ZIP was closed."""
        self._sink.end()


@contextmanager
def writing(keep: Keep) -> Iterator[Archive]:
    """An archive to put files into; afterwards its last part has been handed over."""
    archive = Archive(keep)
    with archive.zip:
        yield archive
    archive.end()


def safe_name(text: str) -> str:
    """A text as a file of any system may be called."""
    return _UNSAFE.sub("_", text)
