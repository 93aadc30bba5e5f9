"""Rules that others wrote as Schematron (ISO/IEC 19757-3, query binding xslt2), held against a file by Saxon.

A schema becomes one XSLT stylesheet: each pattern is a mode, each rule a template, each assertion a choice. Of the rules of a pattern the
first that fits a node is the one that counts, so earlier ones have the higher priority.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from lxml import etree

_SCH: Final = "{http://purl.oclc.org/dsdl/schematron}"
_XSL: Final = "http://www.w3.org/1999/XSL/Transform"
_XS: Final = "http://www.w3.org/2001/XMLSchema"


def stylesheet(schema: Path) -> bytes:
    """The XSLT that writes `<broken><rule id= flag=>text</rule>…</broken>` for a file: a rule for each assertion that does not hold."""
    root = etree.parse(str(schema)).getroot()
    spaces: dict[str, str] = {one.get("prefix", ""): one.get("uri", "") for one in root.iterfind(f"{_SCH}ns")}
    spaces |= {prefix: uri for prefix, uri in root.nsmap.items() if prefix} | {"xsl": _XSL, "xs": _XS}
    sheet = etree.Element(f"{{{_XSL}}}stylesheet", nsmap=spaces)
    sheet.set("version", "3.0")
    for function in root.iterfind(f"{{{_XSL}}}function"):
        sheet.append(deepcopy(function))
    for include in root.iterfind(f"{_SCH}include"):
        _pattern(sheet, etree.parse(str(schema.parent / include.get("href", ""))).getroot())
    patterns = [_pattern(sheet, one) for one in root.iterfind(f"{_SCH}pattern")]
    start = _xsl(sheet, "template", match="/")
    broken = etree.SubElement(start, "broken")
    for mode in patterns:
        _xsl(broken, "apply-templates", mode=mode, select=".")
    return etree.tostring(sheet)


def rules(schema: Path) -> Callable[[bytes], dict[str, str]]:
    """A function that says which rules of a schema a file breaks: the rule's id, with its flag ("fatal", "warning", "information")."""
    from saxonche import PySaxonProcessor

    processor = PySaxonProcessor(license=False)
    sheet = processor.new_xslt30_processor().compile_stylesheet(stylesheet_text=stylesheet(schema).decode())

    def broken(content: bytes) -> dict[str, str]:
        said = sheet.transform_to_string(xdm_node=processor.parse_xml(xml_text=content.decode()))
        return {one.get("id", ""): one.get("flag", "") for one in etree.fromstring(said.encode()).iterfind("rule")}

    return broken


def _pattern(sheet: Any, pattern: Any) -> str:
    mode: str = pattern.get("id")
    _variables(sheet, pattern)
    found = pattern.findall(f"{_SCH}rule")
    for nth, rule in enumerate(found):
        template = _xsl(sheet, "template", mode=mode, match=rule.get("context"), priority=str(len(found) - nth))
        _variables(template, rule)
        for assertion in rule.iterfind(f"{_SCH}assert"):
            choice = _xsl(template, "choose")
            _xsl(choice, "when", test=assertion.get("test"))
            etree.SubElement(_xsl(choice, "otherwise"), "rule", id=assertion.get("id"), flag=assertion.get("flag"))
        _xsl(template, "apply-templates", mode=mode, select="@*|node()")
    # What no rule fits is passed through, and its text is not written.
    _xsl(sheet, "template", mode=mode, match="@*|node()|/", priority="0")
    _xsl(sheet[-1], "apply-templates", mode=mode, select="@*|node()")
    return mode


def _variables(into: Any, of: Any) -> None:
    for let in of.iterfind(f"{_SCH}let"):
        _xsl(into, "variable", name=let.get("name"), select=let.get("value"))


def _xsl(parent: Any, element: str, /, **attributes: str) -> Any:
    return etree.SubElement(parent, f"{{{_XSL}}}{element}", attributes)
