"""Set this clone up: Debian packages, uv in .boot, the locked requirements in .venv.

    python3 deploy/dev/install.py app    what the portal needs
    python3 deploy/dev/install.py dev    the same and what the tests need

Standard library only, since nothing else is there yet. A second call finds everything in place and takes a moment.
There is one .venv: once the tests' packages are in it, `app` leaves them there.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOT = ROOT / ".boot"
VENV = ROOT / ".venv"
STAMP = VENV / "installed"  # which set was installed, and the digest of its list
REQUIREMENTS = ROOT / "requirements"

OLDEST_PYTHON = (3, 11)
# WeasyPrint's text layout, and fonts for the names of all the world in documents; their own font stands in static/fonts.
FONTS = ("fonts-dejavu-core", "fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")
PACKAGES: dict[str, tuple[str, ...]] = {"app": ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", *FONTS)}
PACKAGES["dev"] = (*PACKAGES["app"], "chromium", "poppler-utils", "libfaketime")
# The tests' browser without windows of its own, which does a page with two thirds of the work. They use chromium where it cannot be had.
LIGHTER_BROWSER = "chromium-headless-shell"
LIGHTER_BROWSER_SECONDS = 300
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class CannotInstall(Exception):
    """Something is missing that only the reader of the message can bring."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Install what the portal or its tests need into this clone.")
    parser.add_argument("set", choices=("app", "dev"))
    wanted: str = parser.parse_args().set
    try:
        if sys.version_info < OLDEST_PYTHON:
            raise CannotInstall(
                f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed; this is {sys.version.split()[0]}"
            )
        (ROOT / "var").mkdir(exist_ok=True)
        with (ROOT / "var" / "install.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # `make run` and `make test` may be started side by side
            install_debian_packages(wanted)
            if wanted == "dev":
                try_lighter_browser(ROOT / "var" / "tried-lighter-browser")
            install_uv()
            install_requirements(wanted)
            build(wanted)
    except CannotInstall as problem:
        print(f"Cannot install: {problem}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failure:
        command = " ".join(map(str, failure.cmd))
        print(f"Cannot install: this failed, its own message stands above: {command}", file=sys.stderr)
        return 1
    return 0


def install_debian_packages(wanted: str) -> None:
    if shutil.which("dpkg-query") is None:
        say(f"This is no Debian: see to it that these are installed by other means: {', '.join(PACKAGES[wanted])}")
        return
    missing = [package for package in PACKAGES[wanted] if not is_installed(package)]
    if importlib.util.find_spec("ensurepip") is None:  # Debian parts it from python3; other builds of Python have it
        missing.append("python3-venv")
    if not missing:
        return
    apt = as_root("apt-get")
    if apt is None:
        raise CannotInstall(
            f"these Debian packages are missing, and only root may install them: {' '.join(missing)}\n"
            f"Run this once, then try again:  sudo apt-get install --no-install-recommends {' '.join(missing)}"
        )
    say(f"Installing Debian packages: {' '.join(missing)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run([*apt, "update", "-qq"], env=environment)
    run(
        [*apt, "install", "-qq", "--yes", "--no-install-recommends", *missing],
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def try_lighter_browser(tried: Path) -> None:
    """Install it if that is easy; whether it was or not, it is not tried again while the file `tried` is there."""
    if shutil.which("dpkg-query") is None or tried.exists() or is_installed(LIGHTER_BROWSER):
        return
    tried.touch()
    apt = as_root("apt-get")
    if apt is None:
        return
    say(f"Installing {LIGHTER_BROWSER}, with which the tests take less time")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", LIGHTER_BROWSER]):
        try:
            subprocess.run(
                [*apt, "-qq", "-o", "Acquire::Retries=0", *words],
                check=True,
                capture_output=True,
                env=environment,
                stdin=subprocess.DEVNULL,
                timeout=LIGHTER_BROWSER_SECONDS,
            )
        except subprocess.SubprocessError:
            say("It cannot be had here: the tests use chromium instead")
            return


def is_installed(package: str) -> bool:
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout == "installed"


def as_root(command: str) -> list[str] | None:
    """How to run this command as root without asking anybody, or None when that cannot be."""
    if os.geteuid() == 0:
        return [command]
    sudo = ["sudo", "--non-interactive"]
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:
        return [*sudo, "--preserve-env=DEBIAN_FRONTEND", command]
    return None


def install_uv() -> None:
    """uv alone, in a virtual environment of its own, so that it can make and mend the other one."""
    wanted = digest(REQUIREMENTS / "boot.txt")
    stamp = BOOT / "installed"
    if runs(BOOT / "bin" / "uv") and stamp.is_file() and stamp.read_text() == wanted:
        return
    say("Installing uv into .boot")
    run([sys.executable, "-m", "venv", "--clear", BOOT])
    pip: list[str | Path] = [BOOT / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run([*pip, "install", "--require-hashes", "--requirement", REQUIREMENTS / "boot.txt"])
    stamp.write_text(wanted)


def install_requirements(wanted: str) -> None:
    installed, _, installed_digest = STAMP.read_text().partition(" ") if STAMP.is_file() else ("", "", "")
    chosen = "dev" if installed == "dev" else wanted
    requirements = REQUIREMENTS / f"{chosen}.txt"
    python_runs = runs(VENV / "bin" / "python")
    if python_runs and (installed, installed_digest) == (chosen, digest(requirements)):
        return
    say(f"Installing requirements/{chosen}.txt into .venv")
    uv, environment = BOOT / "bin" / "uv", uv_environment()
    if not python_runs:
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV], env=environment)
    # Compiled at once: where Python may not write, each process of the portal would spend seconds on compiling them.
    sync: list[str | Path] = [uv, "pip", "sync", "--quiet", "--compile-bytecode", "--python", VENV, "--require-hashes"]
    run([*sync, requirements], env=environment)
    STAMP.write_text(f"{chosen} {digest(requirements)}")


def build(wanted: str) -> None:
    """Files as browsers get them; and templates and code as processes run them, where these do not change every minute."""
    python = VENV / "bin" / "python"
    run([python, "-m", "portal.web.static_build"])
    if wanted == "dev":
        return
    run([python, "-m", "portal.content.template_build"])
    run([python, "-m", "compileall", "-q", "portal", "deploy", "migrations", "wsgi.py"])


def uv_environment() -> dict[str, str]:
    """uv does not read pip's settings: hand on the machine's certificates and its index, unless uv has its own."""
    environment = dict(os.environ) | {"UV_PYTHON_DOWNLOADS": "never"}
    if CERTIFICATES.is_file():
        environment.setdefault("UV_SYSTEM_CERTS", "1")
    if not environment.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}:
        index = os.environ.get("PIP_INDEX_URL") or pip_setting("global.index-url")
        if index:
            environment["UV_DEFAULT_INDEX"] = index
    return environment


def pip_setting(name: str) -> str:
    """What pip's own files say, or an empty text."""
    command = [str(BOOT / "bin" / "python"), "-m", "pip", "config", "get", name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def runs(program: Path) -> bool:
    """Whether this program starts: the Python beneath a virtual environment may have gone since."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def run(command: list[str | Path], **options: object) -> None:
    subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]


def say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
