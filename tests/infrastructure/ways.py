"""How much of the portal a reader meets on the way of a payment and of an order: `make ways` prints it.

A piece of work is done once, so that everything is imported, compiled and cached, and then once more under sys.setprofile. What counts is
each function of portal/ that is entered then, in the order of first entry. A property is a function; a lambda or a comprehension is a part
of the function in which it is written.

The functions are counted in two groups. The domain is what a reader follows: the packages of the nouns, the ledger, the gateway,
stripe_sync, and the view that was called. What every request, transaction and job passes whatever it is about is counted apart (PLUMBING).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from deploy.dev.processes import ROOT

PORTAL: Final = ROOT / "portal"
# What every request, transaction and job passes, by the beginning of its path below portal/: settings, the database, the audit trail,
# the queue, texts, pages, who is signed in, and what all operations of the API share.
PLUMBING: Final = (
    *("app.py", "core/", "jobs/", "content/", "web/"),
    *("identity/", "accounts/policy.py"),
    *(
        f"api/{name}.py"
        for name in ("app_requests", "bodies", "callers", "document", "end_users", "once", "operations")
    ),
    *("api/schemas.py", "api/payment_schemas.py", "api/tokens.py", "gateway/http_client.py"),
)


@dataclass(frozen=True, order=True)
class Function:
    """`file` is below portal/; `name` is qualified ("Payment.amount")."""

    file: str
    name: str

    @property
    def is_plumbing(self) -> bool:
        return self.file.startswith(PLUMBING)


class Way:
    """What runs while the block lasts, in this thread: the functions in the order of their first entry.

    `entries` counts for each file how often a reader has to open it anew: once for each call of a function that enters it from another
    file of portal/. What is called back while the file's own function waits, as the parts of a stripe_sync.Kind are, is no new entry.
    """

    def __init__(self) -> None:
        self.functions: dict[Function, None] = {}
        self.entries: dict[str, int] = {}
        # The files of the functions that run now, each with the files that it has entered.
        self._stack: list[tuple[str, set[str]]] = []

    def __enter__(self) -> Way:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        self._stack.clear()

    def _note(self, frame: FrameType, event: str, _argument: Any) -> None:
        path, name = frame.f_code.co_filename, frame.f_code.co_qualname
        if event not in {"call", "return"} or not path.startswith(f"{PORTAL}{os.sep}"):
            return
        if name.endswith(("<lambda>", "comp>", "<genexpr>")):
            return
        if event == "return":
            if self._stack:
                self._stack.pop()
            return
        file = str(Path(path).relative_to(PORTAL))
        entered = self._stack[-1][1] if self._stack else set()
        if file not in entered and all(file != waiting for waiting, _ in self._stack):
            self.entries[file] = self.entries.get(file, 0) + 1
            entered.add(file)
        self._stack.append((file, set()))
        self.functions.setdefault(Function(file, name.replace(".<locals>", "")))

    def counted(self, *, plumbing: bool = False) -> tuple[int, int]:
        """The numbers of files and of functions."""
        taken = [function for function in self.functions if function.is_plumbing == plumbing]
        return len({function.file for function in taken}), len(taken)

    def __str__(self) -> str:
        """The list, a line for each function; a dot marks what is plumbing."""
        lines = [f"{'.' if one.is_plumbing else ' '} {one.file:36} {one.name}" for one in self.functions]
        domain = {one.file for one in self.functions if not one.is_plumbing}
        again = [f"  {self.entries[file]} times: {file}" for file in sorted(domain) if self.entries[file] > 1]
        files, functions = self.counted()
        beside = "{} files, {} functions".format(*self.counted(plumbing=True))
        total = f"{files} files and {functions} functions of the domain (plumbing: {beside})"
        return "\n".join([*lines, "Entered more than once:", *again, total])
