"""Small macros that are written into the templates which call them come to the same as the calls."""

from __future__ import annotations

import traceback

import pytest
from jinja2 import Undefined, nodes

from portal.content import inlining
from portal.content.templates import LocaleEnvironment
from portal.core import languages
from portal.core.money import Money

pytestmark = pytest.mark.database("sqlite")

IMPORTS = """
{%- from "components/tables.html" import records, record, cell as field -%}
{%- from "components/money.html" import money, total -%}
{%- from "components/page.html" import heading, card, facts -%}
"""
CALLS = {
    "a text": """{{ field("Card", "<b> & Visa") }}""",
    "a text that nobody knows": """{{ field(name, shown) }}{{ field(label=name, content=shown, kind=kind) }}""",
    "nothing": """{{ field("Card") }}|{{ field("Card", none) }}|{{ field("Card", "", "wide") }}""",
    "HTML": """{% set shown %}<i>1</i>{% endset %}{{ field("Card", shown) }}""",
    "a block": """{% call field(name, kind="title") %}<a href="{{ name }}">{{ shown }}</a>{% endcall %}""",
    "its words for its own things": """{% set label, content = "own", "mine" %}
        {% call field(name, kind=kind) %}{{ label }}{{ content }}{% endcall %}{{ label }}{{ content }}""",
    "one in another": """{% call records(["A", ("B", "number")], caption=name) %}{% for row in rows %}
        {% call record() %}{{ field("A", loop.index) }}{% call field("B", kind="number") %}{{ money(row) }}{% endcall %}{% endcall %}
        {% endfor %}{% endcall %}""",
    "what is set inside": """{% set seen = 1 %}{% call card() %}{% set seen = 2 %}{{ seen }}{% endcall %}{{ seen }}""",
    "in an expression": """{{ field("A", money(rows[0]) if rows else "–") }}{{ [field("A", "b")]|length }}""",
    "with and without a block": """{{ heading(name) }}{{ heading(name, lead=shown) }}{% call heading(name) %}x{% endcall %}""",
    "sums": """{{ total(rows[0], name) }}{{ total(rows[1], "Total", note=shown) }}{{ facts([("A", 1), ("B", none)]) }}""",
    "several of a list": """{{ field(*["A", "b"]) }}{{ field(**{"label": "A", "content": "b"}) }}""",
}
FACTS = {
    "name": "R&D “<3”",
    "shown": "<script>",
    "kind": "wide",
    "rows": [Money(1_234_50, "eur"), Money(-7, "jpy")],
}


@pytest.mark.parametrize("language", languages.shipped())
@pytest.mark.parametrize("template", CALLS.values(), ids=CALLS)
def test_what_is_written_out_is_what_the_calls_give(app: object, template: str, language: str) -> None:
    written = LocaleEnvironment(language, undefined=Undefined)
    called = LocaleEnvironment(language, undefined=Undefined, reads_changes=True)
    drawn = [one.overlay(autoescape=True).from_string(IMPORTS + template).render(FACTS) for one in (written, called)]
    assert drawn[0] == drawn[1]
    assert drawn[0].strip()


def test_the_macros_of_a_table_and_of_amounts_are_written_out() -> None:
    environment = LocaleEnvironment("en")
    template = environment.parse(IMPORTS + "".join(CALLS.values()))
    left = inlining.write_out(template, environment._macros_of)
    calls = [call.node.name for call in left.find_all(nodes.Call) if isinstance(call.node, nodes.Name)]
    # In an expression, or with arguments that are not written down.
    assert sorted(calls) == ["field", "field", "field", "money"]


def test_errors_are_told_in_the_line_of_the_call(app: object) -> None:
    environment = LocaleEnvironment("en").overlay(autoescape=True)
    template = environment.from_string(IMPORTS.strip() + "\n\n\n{{ money(7) }}")
    with pytest.raises(Exception) as raised:  # noqa: PT011  # whatever the filter says of what is no amount
        template.render()
    frames = traceback.walk_tb(raised.tb)
    lines = [line for frame, line in frames if frame.f_code.co_filename == "<template>"]
    assert lines == [6]
