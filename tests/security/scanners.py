"""Tools that others wrote to find holes, each of a pinned version and in an environment of its own, as `make security` runs them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.dev.processes import ROOT

UV = ROOT / ".boot/bin/uv"
BRINGING_SECONDS = 120
BANDIT = ("bandit==1.8.6", "bandit")
SECRETS = ("detect-secrets==1.5.0", "detect-secrets")
SQLMAP = ("sqlmap==1.9.9", "sqlmap")
WAPITI = ("wapiti3==3.2.3", "wapiti")
NGINX = ROOT / "var/tools/nginx"


def command(tool: tuple[str, str]) -> list[str]:
    """The beginning of its command line. Skips, with a word, where it cannot be brought."""
    package, program = tool
    begin = [str(UV), "tool", "run", "--from", package, program]
    try:
        tried = subprocess.run(
            [*begin, "--version"], capture_output=True, text=True, timeout=BRINGING_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{package} could not be brought: {error}")
    if tried.returncode != 0:
        pytest.skip(f"{package} could not be brought: {tried.stderr.strip()[-200:]}")
    return begin


def run(words: list[str], *, seconds: int, folder: Path = ROOT) -> str:
    """What it says on both ways. One that takes longer is ended: what it said until then counts."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False, cwd=folder)
    except subprocess.TimeoutExpired as late:
        parts = (late.stdout or b"", late.stderr or b"")
        return "".join(part.decode(errors="replace") if isinstance(part, bytes) else part for part in parts)
    return done.stdout + done.stderr


def unpack_nginx() -> str:
    """Debian's nginx, unpacked where tests/infrastructure/test_proxy.py looks for it; a word where it cannot be had."""
    if shutil.which("nginx", path="/usr/sbin:/usr/bin") or (NGINX / "usr/sbin/nginx").is_file():
        return ""
    if not shutil.which("apt-get"):
        return "nginx is not installed, and this is no Debian"
    NGINX.mkdir(parents=True, exist_ok=True)
    bring = ["apt-get", "-qq", "-o", "Acquire::Retries=0", "-o", "APT::Sandbox::User=root", "download", "nginx"]
    subprocess.run(bring, cwd=NGINX, capture_output=True, check=False, timeout=BRINGING_SECONDS)
    for file in NGINX.glob("nginx_*.deb"):
        subprocess.run(["dpkg", "-x", str(file), str(NGINX)], check=True)
    return "" if (NGINX / "usr/sbin/nginx").is_file() else "nginx could not be fetched from Debian"
