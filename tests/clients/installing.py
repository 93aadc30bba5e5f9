"""Other people's packages in a folder of their own, brought once and kept: of npm and of pip, in the versions named here.

The folder is var/clients. Where a runtime is missing or a registry does not answer, the tests that ask are skipped and say why. What
takes long, or is large, is only brought by `make clients`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2] / "var" / "clients"
# Some megabytes; where a registry cannot be reached, npm and pip would wait for minutes.
PATIENCE_SECONDS = 100
# Names what a folder was made for.
MARK = "brought"

NODE_SDK = ("stripe@23.1.0",)
REACT = (
    "@stripe/react-stripe-js@7.0.1",
    "@stripe/stripe-js@10.2.1",
    "esbuild@0.28.2",
    "react@19.3.1",
    "react-dom@19.3.1",
)
PYTHON_SDK = ("stripe[async]==16.1.0", "httpx==0.28.1")
DJ_STRIPE = ("dj-stripe==2.11.0", "Django==5.2.19", "psycopg[binary]==3.3.9", "stripe==15.6.2")


def only_on_request() -> None:
    """Skip what is too expensive for every run of all tests."""
    if os.environ.get("CLIENTS") != "1":
        pytest.skip("`make clients` runs it: it brings packages that take a while")


def npm(name: str, packages: tuple[str, ...]) -> Path:
    """The folder whose node_modules hold these packages and nothing else."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed here")
    folder = HOME / name
    command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0"]
    return _brought(folder, packages, [[*command, "--prefix", str(folder), *packages]])


def brought(name: str, packages: tuple[str, ...]) -> Path | None:
    """The Python of an environment with these packages, where it was brought before; nothing is fetched."""
    folder = HOME / name
    return folder / "bin" / "python" if _is_brought(folder, packages) else None


def pip(name: str, packages: tuple[str, ...]) -> Path:
    """The Python of an environment with these packages."""
    folder = HOME / name
    python = folder / "bin" / "python"

    install = [str(python), "-m", "pip", "install", "--quiet", "--retries=0", "--disable-pip-version-check", *packages]
    _brought(folder, packages, [[sys.executable, "-m", "venv", str(folder)], install])
    return python


def _brought(folder: Path, packages: tuple[str, ...], commands: list[list[str]]) -> Path:
    """The folder, once the commands have succeeded there for these packages. A folder of other packages is made anew."""
    if _is_brought(folder, packages):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in commands:
        try:
            subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
        except subprocess.CalledProcessError as refused:
            reason = (refused.stderr.strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"{packages[0]} could not be brought: {reason}")
        except (subprocess.TimeoutExpired, OSError) as problem:
            pytest.skip(f"{packages[0]} could not be brought: {problem}")
    (folder / MARK).write_text("\n".join(packages))
    return folder


def _is_brought(folder: Path, packages: tuple[str, ...]) -> bool:
    mark = folder / MARK
    return mark.exists() and mark.read_text() == "\n".join(packages)
