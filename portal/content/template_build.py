"""Compiles all templates in all languages when something is installed: `python -m portal.content.template_build`.

A process that finds one compiled need not spend some milliseconds on it when the first reader comes. The installer and the image call it;
without it each process compiles for itself. It needs none of the portal's settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from jinja2 import pass_context

from portal.content.templates import BUILT, CompiledTemplates, LocaleEnvironment
from portal.core import languages

_KINDS: Final = (".html", ".txt")


def build(folder: Path = BUILT, of: Iterable[str] = languages.shipped()) -> int:
    """Compile what is not compiled yet, in these languages, and remove all else. Returns how many there are."""
    folder.mkdir(exist_ok=True)
    used = set()
    for locale in of:
        environment = LocaleEnvironment(locale)
        # Each user of the environment has its own, which is given the context.
        environment.filters.setdefault("datetime", pass_context(lambda _context, moment: str(moment)))
        environment.bytecode_cache = kept = _Noted(str(folder))
        for name in environment.list_templates(filter_func=lambda name: name.endswith(_KINDS)):
            environment.get_template(name)
        used |= kept.files
    for old in set(folder.iterdir()) - used:
        old.unlink()
    return len(used)


class _Noted(CompiledTemplates):
    """Knows which files it was asked for."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.files: set[Path] = set()

    def _get_cache_filename(self, bucket: object) -> str:
        name = super()._get_cache_filename(bucket)  # type: ignore[arg-type]
        self.files.add(Path(name))
        return name


if __name__ == "__main__":
    build()
