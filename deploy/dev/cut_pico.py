"""Cuts Pico down to what the portal's templates use: `python -m deploy.dev.cut_pico path/to/pico.min.css`.

Writes static/vendor/pico-VERSION.cut.css. The original is `css/pico.min.css` of the npm package @picocss/pico. A test says when the
templates use an element that the file was not cut for; then it is cut anew.

Kept is each selector whose elements, classes and attributes may stand on a page of the portal; then each custom property that a kept
rule, a property that is kept, or a sheet under static/css reads.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import tinycss2

ROOT: Final = Path(__file__).parents[2]
CSS: Final = ROOT / "static" / "css"
VENDOR: Final = ROOT / "static" / "vendor"

_ELEMENT: Final = re.compile(r"<([a-z][a-z0-9]*)\b")
_MARK: Final = "Cut for the elements: "
# Pico's classes, roles and attributes that the pages use; of its attributes for switches, tooltips and groups, none.
_CLASSES: Final[frozenset[str]] = frozenset()
_ATTRIBUTES: Final = frozenset(
    {
        "type",
        "disabled",
        "hidden",
        "href",
        "open",
        "multiple",
        "size",
        "tabindex",
        "aria-busy",
        "aria-controls",
        "data-theme",
    }
    | {
        "aria-current",
        "aria-disabled",
        "aria-hidden",
        "aria-invalid",
        "readonly",
        "role",
        "value",
        "controls",
        "aria-label",
    }
)
_VALUES: Final = {
    "role": frozenset({"button", "img"}),
    "data-theme": frozenset({"dark", "light"}),
    "aria-label": frozenset(),  # Pico's breadcrumbs; ours are told in the reader's language
    "type": frozenset(
        {
            "button",
            "submit",
            "checkbox",
            "radio",
            "date",
            "email",
            "file",
            "hidden",
            "number",
            "password",
            "search",
            "tel",
        }
        | {"text", "time", "url"}
    ),
}
# Vendors' pseudo-elements of what is not used: ranges, colours, old Firefox and Edge.
_PSEUDO: Final = re.compile(
    r"::-(moz-(?!placeholder|progress)|ms-|webkit-(slider|color|datetime|file-upload-button))|:host"
)


def elements() -> set[str]:
    """The elements that stand in a template or are made by a script of the portal."""
    files = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "static" / "js").glob("*.js")]
    found = {name for file in files for name in _ELEMENT.findall(file.read_text())}
    return found | {"input", "select", "textarea"}  # fields are written by WTForms


def cut_for(css: str) -> set[str]:
    """The elements that a file written by this module names at its top."""
    line = next(line for line in css.splitlines() if _MARK in line)
    return set(line.partition(_MARK)[2].strip(" .*/").split(" "))


def cut(css: str, known: set[str]) -> str:
    """Pico without the rules that no page needs."""
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    kept = "".join(_rule(rule, known) for rule in rules if not _is_charset(rule))
    used_by_us = "".join(file.read_text() for file in CSS.glob("*.css"))
    return _without_unread(kept, used_by_us)


def _is_charset(rule: Any) -> bool:
    return bool(rule.type == "at-rule" and rule.lower_at_keyword == "charset")


def _rule(rule: Any, known: set[str]) -> str:
    if rule.type == "qualified-rule":
        selectors = [text for text in _selectors(tinycss2.serialize(rule.prelude)) if _may_match(text, known)]
        return f"{','.join(selectors)}{{{tinycss2.serialize(rule.content)}}}" if selectors else ""
    if rule.type != "at-rule":
        return ""
    prelude = tinycss2.serialize(rule.prelude)
    if rule.lower_at_keyword != "media":
        return f"@{rule.at_keyword}{prelude}{{{tinycss2.serialize(rule.content)}}}"
    inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
    body = "".join(_rule(each, known) for each in inner)
    return f"@media{prelude}{{{body}}}" if body else ""


def _selectors(prelude: str) -> Iterator[str]:
    """The selectors of a list, parted at the commas that stand in no brackets."""
    depth, start = 0, 0
    for at, mark in enumerate(prelude):
        depth += (mark in "([") - (mark in ")]")
        if mark == "," and depth == 0:
            yield prelude[start:at].strip()
            start = at + 1
    yield prelude[start:].strip()


def _may_match(selector: str, known: set[str]) -> bool:
    if _PSEUDO.search(selector):
        return False
    bare = _without_functions(selector, known)
    if bare is None:
        return False
    names = re.findall(r"(?:^|[\s>+~(])([a-z][a-z0-9]*)", re.sub(r"\[[^\]]*\]|::?[\w-]+", "", bare))
    classes = re.findall(r"\.([\w-]+)", bare)
    attributes = re.findall(r"\[([\w-]+)(?:[~^|*$]?=\"?([^\"\]]*)\"?)?\]", bare)
    return (
        set(names) <= known
        and set(classes) <= _CLASSES
        and all(name in _ATTRIBUTES and _value_is_used(name, value) for name, value in attributes)
    )


def _value_is_used(name: str, value: str) -> bool:
    return not value or name not in _VALUES or value in _VALUES[name]


def _without_functions(selector: str, known: set[str]) -> str | None:
    """The selector without :not(…) and the like, or None when nothing of an :is(…), :where(…) or :has(…) can be on a page."""
    while found := re.search(r":(not|is|where|has|nth-\w+(?:-\w+)*)\(", selector):
        end, depth = found.end(), 1
        while depth:
            depth += (selector[end] == "(") - (selector[end] == ")")
            end += 1
        inside = selector[found.end() : end - 1]
        must_match = found[1] in {"is", "where", "has"}
        if must_match and not any(_may_match(each, known) for each in _selectors(inside)):
            return None
        selector = selector[: found.start()] + selector[end:]
    return selector


_NAME: Final = re.compile(r"(--pico-[\w-]+):")
_VALUE: Final = r""":(?:[^;{}"']|"[^"]*"|'[^']*')*;?"""


def _without_unread(css: str, others: str) -> str:
    """The sheet without custom properties and animations that nothing reads."""
    while True:
        read = set(re.findall(r"var\((--pico-[\w-]+)", css + others))
        declared = set(_NAME.findall(css))
        shorter = css
        for name in declared - read:
            shorter = re.sub(rf"{name}{_VALUE}", "", shorter)
        shorter = re.sub(r"[^{}]*\{\}", "", shorter)
        for name in re.findall(r"@keyframes ([\w-]+)", shorter):
            if not re.search(rf"animation[^;}}]*\b{name}\b", shorter):
                shorter = re.sub(rf"@keyframes {name}\{{(?:[^{{}}]*\{{[^{{}}]*\}})*\}}", "", shorter)
        if shorter == css:
            return css
        css = shorter


def main(original: Path) -> None:
    css = original.read_text()
    version = re.search(r"Pico CSS \S+ v([\d.]+)", css)
    if version is None:
        raise SystemExit(f"{original} is not Pico: its first lines name no version.")
    known = elements()
    licence = f"/*! Pico CSS v{version[1]} (https://picocss.com), Copyright 2019-2025, licensed under MIT. Cut by deploy/dev/cut_pico.py.\n"
    target = VENDOR / f"pico-{version[1]}.cut.css"
    target.write_text(f"{licence}   {_MARK}{' '.join(sorted(known))}. */\n{cut(css, known)}\n")
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size} of {original.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
