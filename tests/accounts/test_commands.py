"""The commands about who signs in: `flask staff`, `flask user` and `flask customer`."""

from __future__ import annotations

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import db
from portal.core.audit import AuditEvent
from portal.identity import signing_in
from portal.identity.models import User
from portal.jobs.models import JobRow
from tests import factories

pytestmark = pytest.mark.database("sqlite")


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=words)


def test_the_first_administrator_gets_in_by_the_link_on_the_terminal(app: Flask) -> None:
    done = run(app, "staff", "create", "tom@portal.test", "--name", "Tom", "--role", "admin")
    assert done.exit_code == 0, done.output
    path = "/" + done.output.strip().rpartition(" ")[2].split("/", 3)[3]
    browser = app.test_client()
    assert browser.get(path, follow_redirects=True).status_code == 200
    with db.reading() as session:
        user = session.execute(select(User)).scalar_one()
        job = session.execute(select(JobRow)).scalar_one()
        actors = set(session.execute(select(AuditEvent.actor_kind)).scalars())
    assert (user.role, user.password_hash) == ("admin", None)
    assert job.name == "accounts.mail_invitation"
    assert actors == {"cli"}


def test_a_customer_is_invited_with_what_stands_on_receipts(app: Flask) -> None:
    words = ("--name", "Spree Bikes", "--address", "Am Ufer 1|10999 Berlin", "--country", "de", "--language", "de")
    done = run(app, "customer", "invite", "ada@spree-bikes.test", *words)
    assert done.exit_code == 0, done.output
    with db.reading() as session:
        customer = session.execute(select(Customer)).scalar_one()
    assert customer.address_lines == ["Am Ufer 1", "10999 Berlin"]
    assert (customer.country, customer.language) == ("DE", "de")


def test_a_mistake_is_a_sentence_and_changes_nothing(app: Flask) -> None:
    done = run(app, "customer", "invite", "no address", "--name", "Spree Bikes")
    assert done.exit_code == 1
    assert done.output.startswith("Error: Please enter an e-mail address")
    assert run(app, "staff", "create", "tom@portal.test", "--name", "Tom", "--role", "customer").exit_code == 2
    with db.reading() as session:
        assert session.execute(select(User)).first() is None
    with pytest.raises(signing_in.WrongCredentials):
        signing_in.sign_in("tom@portal.test", "", ip="", user_agent="")


def test_an_operator_lists_staff_changes_a_role_and_ends_and_restores_access(app: Flask) -> None:
    with db.transaction() as session:
        factories.staff(session, "admin", email="ida@portal.test", name="Ida")
        tom = factories.staff(session, "support", email="tom@portal.test", name="Tom")
    assert (
        run(app, "staff", "role", "tom@portal.test", "approver").output == "tom@portal.test is approver from now on.\n"
    )
    assert run(app, "user", "end-access", "tom@portal.test").output == "tom@portal.test cannot sign in any more.\n"
    assert run(app, "staff", "list").output.splitlines() == [
        "email            name  role      status  second_factor",
        "ida@portal.test  Ida   admin     active  no",
        "tom@portal.test  Tom   approver  ended   no",
    ]
    assert run(app, "user", "restore-access", "tom@portal.test").output == "tom@portal.test can sign in again.\n"
    refused = run(app, "user", "end-access", "ida@portal.test")
    assert (refused.exit_code, refused.output[:30]) == (1, "Error: This is the only admin "[:30])
    assert (
        run(app, "staff", "role", "nobody@portal.test", "admin").output
        == "Error: nobody signs in with nobody@portal.test\n"
    )
    with db.reading() as session:
        done = session.execute(select(AuditEvent.action, AuditEvent.actor_kind).where(AuditEvent.subject == tom.id))
        assert {tuple(row) for row in done} == {
            (action, "cli") for action in ("user.role_changed", "user.access_ended", "user.access_restored")
        }
