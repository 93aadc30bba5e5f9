"""How templates become Python here: Jinja's own way, with less work for each macro, each import and each value of a page.

A page of twenty rows calls four hundred macros and writes eight hundred values, so what each of them costs is most of what a page costs.
"""

from __future__ import annotations

from io import StringIO
from typing import Any, Final

from jinja2 import Template, nodes
from jinja2.compiler import CodeGenerator, Frame, MacroRef
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, Macro
from jinja2.utils import missing
from markupsafe import Markup, escape

# Macros in these files depend on nothing but what they are given and the language, so what they gave for texts and numbers is kept.
PURE: Final = frozenset({"components/icons.html", "components/bank_cards.html", "components/status.html"})
# Of each macro, in each language: more are forgotten together.
MOST_KEPT: Final = 500


def escaped(value: Any) -> str:
    """What stands for a value in HTML. Most are HTML already, and go as they are."""
    return value if type(value) is Markup else escape(value)


class QuickMacro(Macro):
    """A macro that is called by templates alone, with plain arguments in most cases."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        takes_more = self.catch_kwargs or self.catch_varargs or self.caller
        self._is_plain = self._default_autoescape and not takes_more

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        """Raises TypeError for arguments that the macro does not take."""
        if kwargs or not self._is_plain or len(args) > self._argument_count:
            return super().__call__(*args, **kwargs)
        rest = (missing,) * (self._argument_count - len(args))
        return Markup(self._func(*args, *rest))  # noqa: S704  # the templates have escaped it


class PureMacro(QuickMacro):
    """One whose results are kept where all of its arguments are texts, numbers or None."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._kept: dict[Any, str] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        if kwargs or not all(isinstance(one, str | int | None) for one in args):
            return super().__call__(*args, **kwargs)
        key = (*args, *map(type, args))  # a text that is HTML already is another than one that is to be escaped
        found = self._kept.get(key)
        if found is None:
            found = super().__call__(*args)
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = found
        return found


class QuickTemplate(Template):
    """All templates of an environment have the same globals, so a file that is imported is one module for all that import it."""

    def _get_default_module(self, _context: Context | None = None) -> TemplateModule:
        return super()._get_default_module()


class QuickGenerator(CodeGenerator):
    """Writes calls of macros as calls, where Jinja looks anew each time at what it is that is called."""

    _macros: frozenset[str] = frozenset()

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802  # Jinja's names
        imported = {
            name if isinstance(name, str) else name[1]
            for found in node.find_all(nodes.FromImport)
            for name in found.names
        }
        self._macros = frozenset(imported | {found.name for found in node.find_all(nodes.Macro)} | {"caller"})
        self.writeline(f"from {__name__} import PureMacro, QuickMacro, escaped")
        super().visit_Template(node, frame)

    def macro_def(self, macro_ref: MacroRef, frame: Frame) -> None:  # noqa: ARG002
        kind = "PureMacro" if self.name in PURE else "QuickMacro"
        names = "".join(f"{argument.name!r}, " for argument in macro_ref.node.args)
        self.write(
            f"{kind}(environment, macro, {getattr(macro_ref.node, 'name', None)!r}, ({names}), {macro_ref.accesses_kwargs!r}, "
            f"{macro_ref.accesses_varargs!r}, {macro_ref.accesses_caller!r}, context.eval_ctx.autoescape)"
        )

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:  # noqa: N802
        if not (isinstance(node.node, nodes.Name) and node.node.name in self._macros):
            return super().visit_Call(node, frame, forward_caller=forward_caller)
        self.visit(node.node, frame)
        outside, self.stream = self.stream, StringIO()
        self.signature(node, frame, {"caller": "caller"} if forward_caller else None)
        arguments, self.stream = self.stream.getvalue(), outside
        self.write(f"({arguments.removeprefix(', ')})")
        return None

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("escaped(")
