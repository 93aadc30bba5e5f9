"""Customers from a CSV file: all of them or nobody, every mistake at its row, and nobody twice."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.accounts import customer_files, importing
from portal.accounts.importing import CustomerReport
from portal.accounts.models import Customer, CustomerFile
from portal.content import uploads
from portal.core import clock, db
from portal.core.errors import NotFound
from portal.identity.models import User
from tests import factories

pytestmark = pytest.mark.database("sqlite")
SAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "customers.csv"
HEADER = "name,email,external_id,country,tax_id"


def sample() -> io.BytesIO:
    return io.BytesIO(SAMPLE.read_bytes())


def imported(*rows: str, header: str = HEADER, dry_run: bool = False, is_invited: bool = False) -> CustomerReport:
    content = "\r\n".join((header, *rows)).encode()
    return importing.import_csv(io.BytesIO(content), dry_run=dry_run, is_invited=is_invited)


def count(of: type[Customer | User] = Customer) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(of)) or 0


def places(report: CustomerReport) -> list[tuple[int, str]]:
    return [(problem.line, problem.column) for problem in report.problems]


def test_the_sample_in_the_documentation_is_imported_dry_for_good_and_again(settings: object) -> None:
    dry = importing.import_csv(sample(), dry_run=True)
    assert (dry.rows, len(dry.new), dry.made, dry.problems, count()) == (2, 2, [], [], 0)
    done = importing.import_csv(sample())
    first = done.made[0]
    assert (first.external_id, first.name, first.address_lines, first.language, first.country) == (
        "C-4711", "Oberbaum Workshop GmbH", ["Oberbaumstraße 5", "10997 Berlin"], "de", "DE",
    )  # fmt: skip
    assert (count(), count(User)) == (2, 0)
    again = importing.import_csv(sample())
    assert (again.new, len(again.already), again.problems, count()) == ([], 2, [], 2)


def test_who_is_here_is_known_by_id_or_address_and_nobody_twice(settings: object) -> None:
    imported("Ada,ada@x.test,C-1,,", "Bob,bob@x.test,,,")
    assert [one.name for one in imported("Other,new@x.test,C-1,,", "B,BOB@x.test,,,").already] == ["Ada", "Bob"]
    wrong = imported("Ada,ada@x.test,C-9,,", "New,new@x.test,C-2,,", "Newer,new@x.test,,,", "Third,third@x.test,C-2,,")
    assert {(2, "external_id"), (4, "email"), (5, "external_id")} <= set(places(wrong))
    assert count() == 2


def test_a_mistake_in_one_row_is_told_there_and_adds_nobody(settings: object) -> None:
    report = imported("Ada,ada@x.test,,DE,", ",ada2@x.test,,,", "Bob,nobody,,,", "Cee,cee@x.test,,DE,DE1", "short")
    assert places(report) == [(3, "name"), (4, "email"), (5, "tax_id"), (6, "")]
    assert (report.made, count()) == ([], 0)
    assert places(imported("a,b", header="name,colour")) == [(1, ""), (1, "")]


def test_with_an_invitation_each_has_an_owner_and_a_taken_address_is_told(settings: object) -> None:
    done = imported("Spree Bikes,ada@x.test,Ada", header="name,email,contact", is_invited=True)
    assert (len(done.made), count(User)) == (1, 1)
    with db.reading() as session:
        assert session.scalars(select(User.name)).one() == "Ada"
    with db.transaction() as session:
        session.get_one(Customer, done.made[0].id).email = "elsewhere@x.test"
    refused = imported("New,new@x.test", "Other,ada@x.test", header="name,email", is_invited=True)
    assert (places(refused), count(), count(User)) == ([(3, "email")], 1, 1)


@pytest.fixture
def me(settings: object) -> User:
    with db.transaction() as session:
        return factories.staff(session)


def test_at_the_desk_one_sees_first_whom_a_file_would_add(client: FlaskClient, me: User) -> None:
    factories.sign_in(client, me)
    token = factories.csrf_token(client)

    def upload(content: str) -> str:
        data = {"csrf_token": token, "file": (io.BytesIO(content.encode()), "all.csv")}
        return client.post("/support/customers/import", data=data).headers.get("Location", "")

    wrong = client.get(upload(f"{HEADER}\nAda,nobody,,,\n")).text
    assert "1 error" in wrong and "email" in wrong
    place = upload(f"{HEADER}\nAda Bikes,ada@x.test,C-1,,\n")
    assert "Ada Bikes" in client.get(place).text and count() == 0
    assert client.post(place, data={"csrf_token": token}).status_code == 303
    assert count() == 1
    assert client.get(place).status_code == 404
    assert upload("") == ""


def test_files_are_their_uploaders_and_are_forgotten(me: User) -> None:
    file_id = customer_files.UPLOADS.keep(me.id, "all.csv", f"{HEADER}\nAda,ada@x.test,,,".encode())
    with pytest.raises(NotFound):
        customer_files.look_into(file_id, "usr_other")
    with db.transaction() as session:
        session.get_one(CustomerFile, file_id).uploaded_at = clock.now() - uploads.KEEP_FILES - timedelta(hours=1)
    customer_files.UPLOADS.forget_old()
    with pytest.raises(NotFound):
        customer_files.look_into(file_id, me.id)


def test_the_command_adds_them_and_tells_mistakes_by_line(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text(f"{HEADER}\nAda,ada@x.test,,,\n")
    done = app.test_cli_runner().invoke(args=["customer", "import", str(path)])
    assert done.exit_code == 0 and "customers added: 1" in done.output
    path.write_text(f"{HEADER}\nBob,nobody,,,\n")
    refused = app.test_cli_runner().invoke(args=["customer", "import", str(path)])
    assert refused.exit_code == 1 and "line 2, email" in refused.output and "nobody was added" in refused.output
