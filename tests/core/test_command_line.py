"""Commands explain themselves, also before there are settings, and speak to people in tables and to programs in JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from flask import Flask

from deploy.dev.processes import ROOT
from portal.app import commands_alone
from portal.core import db
from tests import factories

pytestmark = pytest.mark.database("sqlite")
# What runs until it is stopped, and what brings a database up, have nothing to tell a program; an export is made for one.
WITHOUT_JSON = {"migrate", "worker", "sandbox", "stripe webhook", "books export"}


def leaves(command: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from leaves(child, *words, name)
        if not command.invoke_without_command:
            return
    yield " ".join(words), command


COMMANDS = [
    (name, command) for name, command in leaves(commands_alone().cli) if name not in {"", "run", "shell", "routes"}
]
EACH = pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _command in COMMANDS])


@EACH
def test_each_command_has_a_sentence_and_an_example_that_it_takes(name: str, command: click.Command) -> None:
    assert command.help and command.help[0].isupper()
    examples = re.findall(rf"^\s*flask {name}\b(.*)$", command.help, re.MULTILINE)
    assert "Example:" in command.help and examples, f"flask {name} shows no example"
    known = {option for part in command.params for option in part.opts}
    for example in examples:
        assert set(re.findall(r"(?<=\s)--[a-z-]+", example)) <= known, example


@EACH
def test_each_option_says_what_it_is(name: str, command: click.Command) -> None:
    for part in command.params:
        assert not isinstance(part, click.Option) or part.help, f"flask {name} {part.opts[0]} has no help"


@EACH
def test_each_command_that_tells_something_tells_it_to_programs_too(name: str, command: click.Command) -> None:
    assert any("--json" in part.opts for part in command.params) == (name not in WITHOUT_JSON)


@pytest.mark.parametrize("words", [["--help"], ["invoice", "create", "--help"], []])
def test_help_needs_no_settings(words: list[str]) -> None:
    done = _flask(*words)
    told = done.stdout + done.stderr
    assert "usage: " in told.lower() and "cannot start" not in told
    assert done.returncode in {0, 2}  # click's status when no command was given


def test_wrong_settings_are_a_sentence_each_with_a_cure() -> None:
    done = _flask("staff", "list")
    assert (done.returncode, done.stdout) == (4, "")
    first, *complaints = done.stderr.splitlines()
    assert first == "The portal cannot start with these settings."
    assert len(complaints) == 5
    assert all("it is not set; docs/reference/settings.md says what it is" in complaint for complaint in complaints)


def _flask(*words: str) -> subprocess.CompletedProcess[str]:
    """A command of a process that has no settings at all."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_", "STRIPE_"))}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_rows_are_a_table_for_people_and_objects_for_programs(app: Flask) -> None:
    with db.transaction() as session:
        factories.staff(session, "admin", email="ida@portal.test", name="Ida")
        factories.staff(session, "support", email="tom@portal.test", name="Tom")
    run = app.test_cli_runner().invoke
    assert run(args=["staff", "list"]).stdout.splitlines() == [
        "email            name  role     status  second_factor",
        "ida@portal.test  Ida   admin    active  no",
        "tom@portal.test  Tom   support  active  no",
    ]
    rows = json.loads(run(args=["staff", "list", "--json"]).stdout)
    assert [(row["email"], row["role"], row["second_factor"]) for row in rows] == [
        ("ida@portal.test", "admin", False),
        ("tom@portal.test", "support", False),
    ]


def test_what_came_of_a_command_is_one_object_for_programs(app: Flask) -> None:
    with db.transaction() as session:
        factories.customer(session)
    words = ["invoice", "create", "--customer", "ada@spree-bikes.test", "--currency", "eur", "--line", "Power;1;100;19"]
    made = json.loads(app.test_cli_runner().invoke(args=[*words, "--json"]).stdout)
    assert (made["status"], made["total"], made["currency"]) == ("open", 119_00, "eur")
    verified = json.loads(app.test_cli_runner().invoke(args=["audit", "verify", "--json"]).stdout)
    assert verified["events"] > 0


@pytest.mark.owner
def test_no_log_lines_stand_between_what_a_command_says(app: Flask, database: str) -> None:
    done = app.test_cli_runner().invoke(args=["migrate"])
    wall = "The database keeps customers apart for portal_web, portal_worker.\n"
    assert (done.exit_code, done.output) == (0, "" if database.startswith("sqlite") else wall)
