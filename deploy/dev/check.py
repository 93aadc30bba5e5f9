"""The tests of what was changed: `make check` runs them after the linters.

Changed is what differs from the branch `main`, committed or not. Chosen are the changed tests, the tests that import a changed module of
the portal, and the rules that hold for every file. Flows through a browser and simulations are left to `make test`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from deploy.dev.processes import ROOT

ALWAYS = ("tests/infrastructure/test_imports.py", "tests/infrastructure/test_repository.py")
DOCUMENTS = "tests/infrastructure/test_docs.py"
LONG = ("flows", "simulation", "sandbox_browser", "recovery", "contract")
LONG_FILES = ("test_every_page.py", "test_fuzz.py", "test_demo.py", "test_install.py", "test_access.py")
# More files than these take longer than two minutes; then those of the changed packages alone are run.
MOST_FILES = 25


def changed() -> list[Path]:
    """The files that differ from main, relative to the repository; those that are gone are left out."""
    base = _git("merge-base", "HEAD", "main") or ["HEAD"]
    names = {*_git("diff", "--name-only", base[0]), *_git("ls-files", "--others", "--exclude-standard")}
    return sorted(path for path in map(Path, names) if (ROOT / path).exists())


def _git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.split()


def chosen(files: Iterable[Path]) -> list[str]:
    """The files of tests to run for these changed files."""
    files = list(files)
    modules = {
        ".".join(file.with_suffix("").parts) for file in files if file.parts[0] == "portal" and file.suffix == ".py"
    }
    own = {
        str(file) for file in files if file.parts[0] == "tests" and file.name.startswith("test_") and not _is_long(file)
    }
    tests = [file for file in (ROOT / "tests").rglob("test_*.py") if not _is_long(file.relative_to(ROOT))]
    importing = {str(file.relative_to(ROOT)) for file in tests if modules & _imported(file.read_text())}
    if len(importing) > MOST_FILES:
        packages = {module.split(".")[1] for module in modules}
        importing = {file for file in importing if Path(file).parts[1] in packages}
    is_told = any(file.suffix == ".md" or file.name in {".env.example", "config.py", "cli.py"} for file in files)
    return sorted({*ALWAYS, *own, *importing, *([DOCUMENTS] if is_told else [])})


def _is_long(file: Path) -> bool:
    return file.parts[1] in LONG or file.name in LONG_FILES


def _imported(source: str) -> set[str]:
    """The dotted names of the portal's modules that a file imports at its top."""
    found = {
        f"{base}.{name.strip().split(' ')[0]}" for base, names in _FROM.findall(source) for name in names.split(",")
    }
    return found | {base for base, _names in _FROM.findall(source)}


_FROM = re.compile(r"^from (portal[\w.]*) import \(?([^)\n]+(?:\n[^)\n]+)*?)\)?$", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the tests of what was changed since main.")
    parser.add_argument("--workers", default="3", help="how many tests run side by side")
    parser.add_argument("--list", action="store_true", help="only say which files of tests would be run")
    wanted = parser.parse_args()
    files = chosen(changed())
    print(f"Files of tests for what was changed: {len(files)}", *(files if wanted.list else ()), sep="\n", flush=True)
    if wanted.list:
        return 0
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "--numprocesses",
        wanted.workers,
        "--dist",
        "worksteal",
    ]
    return subprocess.run([*command, "--maxfail", "5", *files], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
