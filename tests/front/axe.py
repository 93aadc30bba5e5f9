"""axe, which looks at a page as people do who read by ear, by keyboard or with little contrast."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# axe sets styles of its own while it looks, which the policy would stop. That our pages keep to the policy is told by
# the tests that open them without it.
FOR_AXE = {"bypass_csp": True}
# Only what is wrong leaves the browser: all that axe found would be a megabyte a page.
_OPTIONS = {"preload": False, "resultTypes": ["violations"]}
# Most of axe's time goes into rows that differ in their words alone, and into the head and foot of page after page. The form of an
# element is all that can be read of it but for words and addresses. They are taken out while axe looks: to exclude them would cost more.
# Landmarks stay, which concern the whole page.
_RUN = """async ([options, seen]) => {
    const words = new Set(["id", "for", "name", "value", "href", "action", "src", "title", "aria-label", "aria-labelledby",
        "aria-describedby", "aria-controls", "datetime", "hx-get", "hx-post", "hx-target"]);
    const told = ({name, value}) => words.has(name) || name.startsWith("data-") ? name + (value === "") : `${name}=${value}`;
    const form = (node) => node.nodeType === Node.ELEMENT_NODE
        ? `<${[node.tagName, ...[...node.attributes].map(told)].join(" ")}>${[...node.childNodes].map(form).join("")}</>`
        : node.nodeType === Node.TEXT_NODE && node.data.trim() !== "" ? "words" : "";
    const known = [];
    for (const list of document.querySelectorAll("tbody, ul, ol")) {
        const forms = new Set();
        for (const child of list.children) {
            const found = form(child) + getComputedStyle(child).backgroundColor;
            if (forms.has(found)) known.push(child);
            forms.add(found);
        }
    }
    const landmarks = "header, nav, main, aside, footer, section, [role]";
    const inside = (part) => part.matches(landmarks) || part.querySelector(landmarks) ? [...part.children].flatMap(inside) : [part];
    const shown = [];
    for (const part of document.querySelectorAll("body > header, body > footer")) {
        const all = form(part) + part.textContent;
        if (seen.includes(all)) known.push(...inside(part));
        shown.push(all);
    }
    const taken = [];
    for (const node of known.filter((node) => node.isConnected)) {
        taken.push([document.createComment(""), node]);
        node.replaceWith(taken.at(-1)[0]);
    }
    const found = await axe.run(options);
    taken.reverse().forEach(([place, node]) => place.replaceWith(node));
    return [found.violations.map((rule) => `${rule.id} (${rule.nodes.length}): ${rule.nodes[0].html}`), shown];
}"""


class Axe:
    """axe on page after page of a browser that keeps its size, theme and language."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def violations(self, page: Page) -> list[str]:
        """What axe finds, one line a rule with the first element it is about.

        Of the rows of a list that have the same form one is looked at, and the head and foot of a page unless a page before had the same.
        """
        page.evaluate(AXE_SCRIPT)
        found, shown = page.evaluate(_RUN, [_OPTIONS, self._seen])
        self._seen += [part for part in shown if part not in self._seen]
        return list(found)


def violations(page: Page) -> list[str]:
    """What axe finds on this page alone."""
    return Axe().violations(page)
