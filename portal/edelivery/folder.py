"""A folder from which a program of whoever sends on takes e-invoices: `INV-2026-000001.xml`, and `….xml.sha256` beside it.

The sum is there before the XML, and each file appears whole: whoever finds an .xml may take it at once.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from portal.core import db
from portal.edelivery.port import NotTaken, Package, Refused

_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Folder:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def hand_over(self, package: Package) -> str:
        db.refuse_inside_transaction("writing to a folder")
        name = _NAME.sub("_", package.number).lstrip(".") + ".xml"
        file = self._directory / name
        try:
            if file.exists() and file.read_bytes() != package.xml:
                raise Refused(f"{name} is there already, with other content")
            self._write(file.with_name(f"{name}.sha256"), f"{package.sha256}  {name}\n".encode())
            self._write(file, package.xml)
        except OSError as error:
            raise NotTaken(f"the folder takes nothing: {error.strerror or type(error).__name__}") from error
        return name

    def _write(self, file: Path, content: bytes) -> None:
        """Whole or not at all, and on the disk when it returns."""
        part = file.with_name(f".{file.name}.part")
        with part.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
        folder = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
