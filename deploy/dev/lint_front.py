"""Lints JavaScript with eslint and CSS with stylelint, as `make lint` does after Python.

    .venv/bin/python -m deploy.dev.lint_front --install    brings the pinned linters, for which node and npm are needed

Without node, or before they are installed, it says what it skipped and succeeds: whoever changes no script needs none of it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys

from deploy.dev.processes import ROOT

HOME = ROOT / "deploy" / "dev" / "front_lint"
TOOLS = HOME / "node_modules" / ".bin"
LINTERS = {
    "eslint": ("eslint.config.mjs", ("static/js/*.js", "portal/sandbox/static/*.js", "tests/**/*.mjs")),
    "stylelint": ("stylelint.config.mjs", ("static/css/*.css", "portal/sandbox/static/*.css")),
}


def lint() -> int:
    """The worst exit status of the linters; 0 for those that are not there, which are named."""
    worst = 0
    for name, (rules, patterns) in LINTERS.items():
        tool = TOOLS / name
        if shutil.which("node") is None or not tool.exists():
            why = "there is no node" if shutil.which("node") is None else "`make install-lint` brings it"
            print(f"Skipped {name}: {why}.")
            continue
        files = [str(file) for pattern in patterns for file in sorted(ROOT.glob(pattern))]
        done = subprocess.run([tool, "--config", HOME / rules, *files], cwd=ROOT, check=False)
        worst = max(worst, done.returncode)
    return worst


def install() -> int:
    """npm's exit status; the lock names each package with its hash."""
    npm = shutil.which("npm")
    if npm is None:
        print("Cannot install the linters: there is no npm.", file=sys.stderr)
        return 1
    words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    return subprocess.run(words, cwd=HOME, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="Lint JavaScript and CSS.")
    parser.add_argument("--install", action="store_true", help="bring the pinned linters instead")
    return install() if parser.parse_args().install else lint()


if __name__ == "__main__":
    sys.exit(main())
