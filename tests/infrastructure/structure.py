"""How large the portal is to whoever reads it: `make structure` prints it, and test_imports.py holds the limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from deploy.dev.processes import ROOT
from tests.infrastructure import architecture
from tests.infrastructure.architecture import Module

MOST_ROOMS: Final = 35
MOST_FLOORS: Final = 12
MOST_OF_SUPPORT: Final = 15
LOOSE: Final = frozenset({"app", "cli", "stripe_sync"})
LONG_FILE: Final = 400


def loose_modules(modules: Mapping[str, Module]) -> set[str]:
    """Modules that stand right below portal and in no package."""
    packages = {name.split(".")[1] for name in modules if name.count(".") > 1}
    return {module.part for module in modules.values() if module.part} - packages


def main() -> None:
    modules = architecture.read()
    rooms = architecture.rooms(modules)
    print(f"rooms below portal/     {len(rooms):4} of at most {MOST_ROOMS}")
    print(f"loose modules           {len(loose_modules(modules)):4}  {', '.join(sorted(loose_modules(modules)))}")
    print(f"floors of imports       {len(architecture.FLOORS):4} of at most {MOST_FLOORS}")
    print(f"imports between rooms   {sum(len(others) for others in rooms.values()):4}")
    print(f"circles of modules      {len(architecture.circles(modules)):4}")
    print(f"circles of rooms        {len(architecture.circles_of_rooms(modules)):4}")
    print(f"rooms that support uses {len(rooms['support']):4} of at most {MOST_OF_SUPPORT}")
    long = {file: len(file.read_text().splitlines()) for file in (ROOT / "portal").rglob("*.py")}
    for file, lines in sorted(long.items(), key=lambda one: -one[1]):
        if lines > LONG_FILE:
            print(f"{lines:5} lines  {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
