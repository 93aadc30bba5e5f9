"""Builds the form in which the files under static/ travel: `python -m portal.web.static_build`.

One style sheet for every page, each file compressed beside itself, all in a folder whose name changes with their content, so that
browsers may keep them for ever. The installer and the image call it. It needs none of the portal's settings.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from whitenoise.compress import Compressor

STATIC: Final = Path(__file__).parents[2] / "static"
BUILT: Final = "built"
# Of every page, in their order; a later one wins. The others are of some pages.
SHEETS: Final = ("tokens", "base", "layout", "forms", "tables", "components")
_PICO: Final = "vendor/pico-2.1.1.cut.css"
_PARTS: Final = frozenset({"css/pico.css", "css/print.css", *(f"css/{name}.css" for name in SHEETS)})
# Builds that are kept: a process that started before an upgrade still names the files of its own.
_KEPT_BUILDS: Final = 3


def folder() -> Path:
    """Where the files as they are now are built to, whether they are or not."""
    content = hashlib.sha256(Path(__file__).read_bytes())
    for name in (_PICO, *_sources()):
        content.update(name.encode() + b"\0" + (STATIC / name).read_bytes())
    return STATIC / BUILT / content.hexdigest()[:12]


def build() -> Path:
    """Build the files as they are now, unless that was done. Returns the folder."""
    target = folder()
    if not target.is_dir():
        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as made:
            _write(Path(made) / "files")
            try:
                (Path(made) / "files").rename(target)
            except OSError:  # another process was faster
                if not target.is_dir():
                    raise
        for old in sorted(target.parent.glob("[0-9a-f]*"), key=lambda folder: folder.stat().st_mtime)[:-_KEPT_BUILDS]:
            shutil.rmtree(old)
    return target


def _sources() -> Iterator[str]:
    """The names of the files that are built, or of which the one sheet is made."""
    yield "favicon.svg"
    for files in ("css/*.css", "js/*.js", "vendor/*.js"):
        yield from sorted(file.relative_to(STATIC).as_posix() for file in STATIC.glob(files))


def _write(target: Path) -> None:
    for name in _sources():
        if name not in _PARTS:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(STATIC / name, target / name)
    (target / "css" / "portal.css").write_text(_one_sheet())
    for sheet in (target / "css").glob("*.css"):
        sheet.write_text(_shortened(sheet.read_text()))
    compressor = Compressor(quiet=True)
    for file in sorted(target.rglob("*.*")):
        if compressor.should_compress(file.name):
            compressor.compress(str(file))


def _one_sheet() -> str:
    """All that a page needs. Pico stands in a layer, as in pico.css, so that any rule of ours wins over it."""
    ours = "\n".join((STATIC / "css" / f"{name}.css").read_text() for name in SHEETS)
    on_paper = (STATIC / "css" / "print.css").read_text()
    whole = f"@layer pico{{{(STATIC / _PICO).read_text()}}}\n{ours}\n@media print{{{on_paper}}}\n"
    return whole.replace('url("../vendor/', 'url("../../../vendor/')


def _shortened(css: str) -> str:
    """Without comments, but for licences, and without space that means nothing; texts in quotes stay as they are."""
    bare = re.sub(r"/\*(?!!).*?\*/", "", css, flags=re.DOTALL)
    parts = re.split(r"""("[^"\n]*"|'[^'\n]*'|/\*.*?\*/)""", bare, flags=re.DOTALL)
    for at in range(0, len(parts), 2):
        spaced = re.sub(r"\s*\n\s*", "\n", parts[at])
        parts[at] = re.sub(r":[ \n]+", ":", re.sub(r"\s*([{};,])\s*", r"\1", spaced))
    return "".join(parts).replace(";}", "}").strip() + "\n"


if __name__ == "__main__":
    build()
