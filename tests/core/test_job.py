"""Jobs are declared once: what leaves one and what does it agree about its name, its arguments and its key."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import literal, select

from deploy.dev.processes import ROOT
from portal.core import db
from portal.jobs import outbox
from portal.jobs.job import Job, declared, job
from portal.payments import jobs as payment_jobs
from tests.core.jobs import NAME, Work, named


def module_of(thing: Any) -> str:
    return str(inspect.unwrap(thing).__module__)


# All of them


def test_each_job_is_done_by_the_package_whose_name_it_has(app: Flask) -> None:
    for name, one in declared().items():
        assert one.is_handled, f"nothing does {name}"
        package = module_of(one._handler).split(".")[1]
        assert name.startswith(f"{package}."), f"{name} is done by {package}"


def test_each_job_says_what_it_does(app: Flask) -> None:
    assert [name for name, one in declared().items() if not one.doc] == []


def test_jobs_are_declared_and_made_in_one_place_each() -> None:
    """Rows of jobs are made in portal.jobs.job alone, and jobs declared in modules `jobs`; none is left or done by its name as a text."""
    for file in (ROOT / "portal").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in {"job", "Job"}:
                assert file.name in {"jobs.py", "own_jobs.py"} or file.parts[-2:] == ("jobs", "job.py"), file
            first = ast.unparse(node.args[0]) if node.args else ""
            if called == "JobRow" or (called == "insert" and first == "JobRow"):
                assert file.parts[-2:] == ("jobs", "job.py"), file


# Declaring one


def declare(declaration: Callable[..., None], **how: Any) -> Job[...]:
    return Job(NAME, declaration, **({"once_per": (), "every_seconds": None, "in_recovery": False} | how))


def test_a_key_of_what_is_no_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="once per invoice_id, which is no argument"):
        named(once_per=("number", "invoice_id"))


def test_an_argument_that_is_neither_text_nor_number_is_refused() -> None:
    def takes_a_list(ids: list[str]) -> None: ...

    with pytest.raises(TypeError, match="neither a text nor a whole number"):
        declare(takes_a_list)


def test_a_periodic_job_needs_no_argument() -> None:
    def takes_an_id(invoice_id: str) -> None: ...

    with pytest.raises(TypeError, match="know no invoice_id"):
        declare(takes_an_id, every_seconds=60)


def test_a_name_is_declared_once() -> None:
    with pytest.raises(TypeError, match=r"there is a job payments\.follow_up already"):
        job("payments.follow_up")(lambda: None)


def test_a_handler_of_another_signature_is_refused_and_so_is_a_second_one() -> None:
    one = named()

    def forgets(number: int = 0, words: str = "") -> None: ...

    def takes_it(number: int = 0, words: str = "", nothing: str | None = None) -> None: ...

    def needs_more(number: int = 0, words: str = "", nothing: str | None = None, *, more: bool) -> None: ...

    for other in (forgets, needs_more):
        with pytest.raises(TypeError, match="is declared with"):
            one.handler(other)
    one.handler(takes_it)
    with pytest.raises(TypeError, match="has a handler already"):
        one.handler(takes_it)


def test_a_handler_may_take_more_that_is_optional_and_return_something() -> None:
    ran = []

    def takes_more(number: int = 0, words: str = "", nothing: str | None = None, more: int = 7) -> int:
        ran.append((number, more))
        return number

    one = named()
    one.handler(takes_more)
    one.run(number=3)
    assert ran == [(3, 7)]


def test_a_wrong_argument_leaves_nothing(database: str) -> None:
    leave: Any = payment_jobs.follow_up
    with db.transaction() as session:
        with pytest.raises(TypeError):
            leave.enqueue(session, invoice_id="inv_1")
        with pytest.raises(TypeError):
            leave.missing(session, invoice_id=literal("inv_1"))
        with pytest.raises(TypeError, match="has no key"):
            named().key(number=1)
    assert outbox.claim("worker", 1) == []


# Finding one


def test_a_job_is_found_by_what_it_is_left_for_also_in_a_query(database: str, work: Work) -> None:
    one = named(once_per=("words", "number"))
    assert one.key(words="a", number=1) == "tests.work:a:1"
    with db.transaction() as session:
        one.enqueue(session, words="a", number=1)
    with db.reading() as session:
        found = one.find(session, words="a", number=1)
        assert found is not None and found.args == {"words": "a", "number": 1}
        assert one.find(session, words="a", number=2) is None
        missing = [one.missing(session, words=literal("a"), number=literal(number)) for number in (1, 2)]
        assert [session.scalar(select(condition)) for condition in missing] == [False, True]
