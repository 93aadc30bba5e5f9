"""Setting a clone up: what is asked of Debian, and of whom, when something is missing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.dev import install

MISSING_ONE = 'case "$*" in *chromium) exit 1;; *) printf installed;; esac'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put scripts in the place of programs; returns the file into which `apt-get` writes what it is asked."""
    folder, asked = tmp_path / "bin", tmp_path / "asked"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def put(**scripts: str) -> Path:
        for name, script in ({"apt_get": f'echo "$*" >> {asked}'} | scripts).items():
            file = folder / name.replace("_", "-")
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return asked

    return put


def test_nothing_is_asked_when_nothing_is_missing(programs: Callable[..., Path]) -> None:
    asked = programs(dpkg_query="printf installed")
    install.install_debian_packages("dev")
    assert not asked.exists()


def test_root_installs_what_is_missing_and_no_more(
    programs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    asked = programs(dpkg_query=MISSING_ONE)
    install.install_debian_packages("dev")
    assert asked.read_text().splitlines() == ["update -qq", "install -qq --yes --no-install-recommends chromium"]


def test_sudo_is_used_when_it_asks_for_no_password(
    programs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    asked = programs(dpkg_query=MISSING_ONE, sudo='[ "$2" = true ] || { shift 2; exec "$@"; }')
    install.install_debian_packages("dev")
    assert len(asked.read_text().splitlines()) == 2


def test_without_root_the_missing_packages_are_named(
    programs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    asked = programs(dpkg_query=MISSING_ONE, sudo="exit 1")
    with pytest.raises(install.CannotInstall, match=r"sudo apt-get install --no-install-recommends chromium$"):
        install.install_debian_packages("dev")
    assert not asked.exists()


def test_the_lighter_browser_is_tried_once(
    programs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    asked = programs(dpkg_query="exit 1")
    for _ in range(2):
        install.try_lighter_browser(tmp_path / "tried")
    assert [line.split()[3] for line in asked.read_text().splitlines()] == ["update", "install"]
    assert asked.read_text().rstrip().endswith(" chromium-headless-shell")


def test_without_the_lighter_browser_the_rest_is_installed(
    programs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs(dpkg_query="exit 1", apt_get="exit 100")
    install.try_lighter_browser(tmp_path / "tried")
    assert "the tests use chromium instead" in capsys.readouterr().out


@pytest.mark.parametrize("present", ["printf installed", "exit 1"])
def test_the_lighter_browser_is_left_out_where_it_is_there_or_may_not_be_installed(
    programs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, present: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    asked = programs(dpkg_query=present, sudo="exit 1")
    install.try_lighter_browser(tmp_path / "tried")
    assert not asked.exists()


def test_the_portal_alone_needs_no_browser(programs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    programs(dpkg_query=MISSING_ONE, sudo="exit 1")
    install.install_debian_packages("app")


@pytest.mark.parametrize(
    ("set_by", "index"),
    [
        ({}, None),
        ({"PIP_INDEX_URL": "https://mirror.test/simple"}, "https://mirror.test/simple"),
        ({"PIP_INDEX_URL": "https://mirror.test/simple", "UV_DEFAULT_INDEX": "https://uv.test/"}, "https://uv.test/"),
    ],
)
def test_uv_takes_over_the_machines_index(
    set_by: dict[str, str], index: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in set_by.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(install, "pip_setting", lambda _name: "")
    assert install.uv_environment().get("UV_DEFAULT_INDEX") == index


def test_the_image_has_the_same_fonts_for_the_names_of_all_the_world() -> None:
    image = (install.ROOT / "Dockerfile").read_text()
    fonts = set(re.findall(r"\bfonts-[a-z0-9-]+", image))
    assert fonts == set(install.FONTS) >= {"fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji"}
    assert set(install.FONTS) <= set(install.PACKAGES["app"])
