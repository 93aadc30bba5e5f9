"""What goes into the production image: as much as runs there, and neither the sandbox nor what is for developers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from deploy.dev.processes import ROOT
from tests.infrastructure.test_repository import files


def _copied() -> list[str]:
    """What the Dockerfile copies from the repository, as it is written there."""
    lines = (line.split() for line in (ROOT / "Dockerfile").read_text().splitlines())
    return [name for words in lines if words[:1] == ["COPY"] and "--from" not in words[1] for name in words[1:-1]]


def _reaches_the_builder(path: PurePosixPath, rules: list[str]) -> bool:
    """Of several rules of .dockerignore that fit, the last one counts. A rule fits a folder with all that is in it."""
    reaches = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(part.match(pattern) for part in (path, *path.parents)):
            reaches = rule.startswith("!")
    return reaches


def _image() -> list[Path]:
    rules = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and not line.startswith("#")]
    copied = [PurePosixPath(name.removesuffix("/").removeprefix("./")) for name in _copied()]
    found = []
    for file in files():
        path = PurePosixPath(file.relative_to(ROOT))
        if any(one in (path, *path.parents) for one in copied):
            if _reaches_the_builder(path, rules):
                found.append(file)
            else:
                assert path not in copied, f"{path} is copied, and .dockerignore keeps it from the builder"
    return found


IMAGE = _image()


def test_the_sandbox_stays_out() -> None:
    names = {str(file.relative_to(ROOT)) for file in IMAGE}
    assert {"wsgi.py", "portal/app.py", "deploy/gunicorn.conf.py", "deploy/web_worker.py"} <= names
    assert not {
        name for name in names if name.startswith(("portal/sandbox/", "deploy/dev/", "tests/", "docs/", "bench/"))
    }


@pytest.mark.parametrize(
    ("command", "answer", "status"),
    [
        (("-c", "import wsgi, deploy.web_worker; print('started')"), "started", 0),
        (("-m", "flask", "--app", "wsgi", "sandbox"), "The sandbox is for development", 1),
    ],
)
def test_the_portal_starts_from_what_is_in_the_image(
    tmp_path: Path, command: tuple[str, ...], answer: str, status: int
) -> None:
    for file in IMAGE:
        there = tmp_path / file.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, there)
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=os.environ | {"PORTAL_DATABASE_URL": f"sqlite:///{tmp_path / 'portal.db'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer in ran.stdout + ran.stderr
    assert ran.returncode == status
