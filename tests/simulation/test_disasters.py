"""Disasters under load: pages say plainly what they cannot do, nothing acknowledged is lost, and all is settled within a minute."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from sqlalchemy import func, select

from portal.core import db
from portal.core.db import new_id
from portal.core.postgresql import ANSWER_SECONDS
from portal.documents.models import PaymentDocument
from portal.gateway.http_client import MOST_AT_STRIPE
from portal.identity.models import User
from portal.jobs.models import JobRow
from portal.payment_methods.models import PaymentMethod
from portal.payments.models import Payment
from portal.stripe_events.models import EventStatus, StripeEvent
from tests import factories, postgres
from tests.live import Clock, LivePortal, SandboxServer
from tests.postgres import PostgresServer
from tests.run import migrate
from tests.simulation.processes import children_of
from tests.smtp import Mailbox
from tests.waiting import eventually

pytestmark = pytest.mark.settings(
    PORTAL_API_LIMITS="all:9000/minute,changes:9000/minute,sign_in:900/minute,refused:9000/minute"
)

SETTLES_WITHIN = 60
# Two cores carry the portal, the sandbox and the test.
PAUSE_SECONDS = 0.1
# Shoppers pay the same sum again and again, and want to: else each would be asked to wait for the one before.
DEPOSIT: dict[str, Any] = {"amount": 5_00, "currency": "eur", "description": "Deposit", "allow_duplicate": True}


@dataclass
class Checkout:
    """An app that pays again and again, and a reader who looks at pages meanwhile; what they were told is written down."""

    portal: LivePortal
    user: User
    token: str = ""
    card: str = "pm_card_visa"
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[int] = field(default_factory=Counter)

    def keep_a_card(self) -> None:
        """The first payment's: another card each time would look like someone who tries stolen ones."""
        assert self.pay(save_payment_method=True) == 201
        self.card = str(eventually(self._kept_card, within=60, what="the card"))

    def _kept_card(self) -> str | None:
        with db.reading() as session:
            return session.scalar(select(PaymentMethod.stripe_payment_method_id))

    def pay(self, **more: Any) -> int:
        """One order, with a key of its own; returns the status that was answered."""
        if not self.token:
            self._sign_in()
        answer = self._ask(
            "POST",
            "/api/payments/process",
            json=DEPOSIT | {"payment_method_id": self.card} | more,
            headers={"Authorization": f"Bearer {self.token}", "Idempotency-Key": new_id("key")},
        )
        if answer.status_code == 401:
            self.token = ""
        if answer.ok:
            self.acknowledged.add(answer.json()["id"])
        return answer.status_code

    def some_pay(self) -> None:
        for _ in range(3):
            assert self.pay() == 201

    def seconds_of_a_page(self) -> float:
        begun = time.monotonic()
        assert self.look().ok
        return time.monotonic() - begun

    def look_whether_ready(self) -> int:
        return self.look("/readyz").status_code

    def look(self, path: str = "/sign-in") -> requests.Response:
        return self._ask("GET", path)

    def _sign_in(self) -> None:
        words = {"grant_type": "password", "email": self.user.email, "password": factories.PASSWORD}
        answer = self._ask("POST", "/api/auth/token", json=words)
        self.token = answer.json()["access_token"] if answer.ok else ""

    def _ask(self, method: str, path: str, **how: Any) -> requests.Response:
        answer = requests.request(method, f"{self.portal.url}{path}", timeout=60, **how)
        self.answers[answer.status_code] += 1
        assert answer.status_code in {200, 201, 202, 401, 503}, (path, answer.status_code, answer.text[:500])
        assert "Traceback" not in answer.text
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert "Please try again in a minute" in answer.text, answer.text[:500]
        return answer

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Pays and looks in threads of their own until the block ends."""
        ended, went_wrong = threading.Event(), []

        def go_on(act: Callable[[], object]) -> None:
            try:
                while not ended.wait(PAUSE_SECONDS):
                    act()
            except Exception as error:  # noqa: BLE001  # told where the block ends
                went_wrong.append(error)

        threads = [threading.Thread(target=go_on, args=(act,)) for act in (self.pay, self.pay, self.look)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join(90)
        assert went_wrong == []

    def some_are_taken(self, more: int = 3) -> None:
        """Return when so many more orders were taken."""
        before = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) >= before + more, within=60, what=f"{more} payments")

    def is_refused(self) -> None:
        """Return when somebody was told that it does not work now."""
        before = self.answers[503]
        eventually(lambda: self.answers[503] > before, within=60, what="a refusal")

    def settle(self) -> None:
        """What Stripe has charged is paid here, with one receipt each, mailed; nobody waits, and nothing that was told is lost."""

        def is_settled() -> int:
            try:
                with db.reading() as session:
                    paid = session.execute(
                        select(Payment.id, Payment.stripe_intent_id, PaymentDocument.mailed_at)
                        .outerjoin(PaymentDocument, PaymentDocument.payment_id == Payment.id)
                        .where(Payment.status == "succeeded")
                    ).all()
                    known = set(session.scalars(select(Payment.id)))
                    waiting = session.scalars(select(JobRow.name).where(JobRow.waits_for.is_not(None))).all()
                    dead = session.scalars(select(JobRow.last_error).where(JobRow.status == "dead")).all()
                    open_events = session.scalar(select(func.count()).where(StripeEvent.status == EventStatus.RECEIVED))
            except db.UNREACHABLE as error:
                raise AssertionError(str(error)) from error
            assert dead == []
            assert self.acknowledged <= known
            assert [row.id for row in paid if row.mailed_at is None] == []
            assert (list(waiting), open_events) == ([], 0)
            charged = sorted(
                intent.id
                for intent in self.portal.sandbox.client.v1.payment_intents.list({"limit": 100}).auto_paging_iter()
                if intent.status == "succeeded"
            )
            assert sorted(str(row.stripe_intent_id) for row in paid) == charged
            return len(charged)

        began = time.monotonic()
        charged = eventually(is_settled, within=SETTLES_WITHIN, what="the books")
        print(f"settled after {time.monotonic() - began:.1f} s: {charged} payments, {dict(self.answers)}")  # noqa: T201
        mailed = {message["Message-ID"] for message in self.portal.smtp.messages if message.is_multipart()}
        assert len(mailed) >= charged


def till_of(portal: LivePortal) -> Checkout:
    with db.transaction() as session:
        user = factories.user(session, factories.customer(session))
    checkout = Checkout(portal, user)
    checkout.keep_a_card()
    return checkout


@pytest.fixture
def checkout(live_portal: LivePortal) -> Checkout:
    return till_of(live_portal)


def shift(**by: float) -> None:
    """Let so much time pass for jobs, where it is negative: their times move instead of the clock's, and webhooks stay fresh."""
    moved = timedelta(**by)
    columns = (JobRow.run_at, JobRow.lease_until, JobRow.finished_at, JobRow.waits_since)
    with db.transaction() as session:
        for job in session.scalars(select(JobRow)):
            for column in columns:
                if (moment := getattr(job, column.key)) is not None:
                    setattr(job, column.key, moment + moved)


# Services that are away


@pytest.mark.database("sqlite", "postgresql")
def test_stripe_is_away_for_an_hour(checkout: Checkout) -> None:
    with checkout.under_load():
        checkout.some_are_taken()
        checkout.portal.sandbox.control("faults", fault="reset_before", path="/v1/*", times=1000)
        checkout.some_are_taken()  # the orders are taken, and the answer says that the money is still to come
        eventually(lambda: waits_for("stripe"), within=60, what="jobs that wait")
        shift(hours=-1)
        assert checkout.look().ok
        checkout.portal.sandbox.control("faults/clear")
        checkout.some_are_taken()
    checkout.settle()


@pytest.mark.database("sqlite", "postgresql")
def test_stripe_hangs_and_only_those_who_pay_wait(checkout: Checkout) -> None:
    """More pay at once than the web process has threads for them; everyone else is answered as if nothing were the matter."""
    checkout.some_pay()
    usual = max(checkout.seconds_of_a_page() for _ in range(5))
    checkout.portal.sandbox.control("faults", fault="hang_before", path="/v1/*", times=1000, seconds=30)
    payers = [threading.Thread(target=checkout.pay) for _ in range(MOST_AT_STRIPE)]
    for payer in payers:
        payer.start()
    slowest = 0.0
    while any(payer.is_alive() for payer in payers):
        slowest = max(slowest, checkout.seconds_of_a_page())
    assert slowest < usual + 2.0  # seconds: two cores begin all those payments meanwhile; it was 23 without a bound
    assert set(checkout.answers) <= {200, 201, 202}  # they are told that the money is still to come
    begun = time.monotonic()
    assert checkout.pay() in {201, 202}
    assert time.monotonic() - begun < 5  # Stripe is left alone: nobody waits for its ten seconds
    checkout.portal.sandbox.control("faults/clear")
    checkout.settle()


def test_the_mail_server_is_away_for_a_day(checkout: Checkout, smtp: Mailbox) -> None:
    smtp.refuse_next(*["451 4.3.0 come again"] * 10_000)
    with checkout.under_load():
        checkout.some_are_taken()
    eventually(lambda: waits_for("mail"), within=60, what="mails that wait")
    shift(hours=-23)
    smtp.take_again()
    checkout.settle()
    assert checkout.answers[503] == 0


def waits_for(service: str) -> bool:
    with db.reading() as session:
        return session.scalars(select(JobRow.id).where(JobRow.waits_for == service)).first() is not None


# Clocks


@pytest.mark.timeout(300)
@pytest.mark.database("sqlite")
@pytest.mark.parametrize("hours", [1, -1])
def test_the_machines_clock_is_wrong_and_is_set_right(
    database: str, sandbox: SandboxServer, smtp: Mailbox, tmp_path: Path, request: pytest.FixtureRequest, hours: int
) -> None:
    """Stripe's clock is right, so its webhooks look too old or come from the future: all of them are refused meanwhile."""
    clock = Clock(tmp_path)
    settings = request.node.get_closest_marker("settings").kwargs
    portal = LivePortal(tmp_path, database, sandbox, smtp, clock, settings)
    try:
        checkout = till_of(portal.start())
        with checkout.under_load():
            clock.move(hours=hours)
            checkout.some_are_taken()
            before = events()
            checkout.some_are_taken()
            assert events() == before
            clock.move(hours=-hours)
            checkout.some_are_taken()
            eventually(lambda: events() > before, within=SETTLES_WITHIN, what="webhooks that are taken again")
        checkout.settle()
    finally:
        portal.stop()
        clock.clean_up()


def events() -> int:
    """How many webhooks were taken; reconciliation may fetch others from Stripe meanwhile."""
    with db.reading() as session:
        return session.scalars(select(func.count(StripeEvent.id)).where(StripeEvent.delivered)).one()


# Full disks: the kernel lets no file grow, which a database is told as it is told of a full disk


def limit_files(processes: Iterable[int], size: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError):  # it has ended meanwhile, perhaps of this very disaster
            resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def family(*processes: int) -> Iterator[int]:
    """These and all that they have started."""
    for process in processes:
        yield process
        yield from family(*children_of(process))


def test_the_disk_is_full(checkout: Checkout) -> None:
    ours = [process.pid for process in checkout.portal._processes.values()]
    with checkout.under_load():
        checkout.some_are_taken()
        limit_files(family(*ours), 0)
        checkout.is_refused()
        assert checkout.look().status_code in {200, 503}
        limit_files(family(*ours), resource.RLIM_INFINITY)
        checkout.some_are_taken()
    checkout.settle()


# A database that others use


def test_another_process_holds_the_database(checkout: Checkout, database: str) -> None:
    """A back-up that takes its time: writers wait, and what they were asked is done."""
    with checkout.under_load():
        checkout.some_are_taken()
        with sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None) as holder:
            holder.execute("BEGIN IMMEDIATE")
            assert checkout.look().ok
            time.sleep(2)  # the disaster itself, which has a length
            holder.execute("ROLLBACK")
        holder.close()
        checkout.some_are_taken()
    checkout.settle()
    assert checkout.answers[503] == 0


# PostgreSQL


@contextmanager
def as_admin(url: str) -> Iterator[psycopg.Connection[Any]]:
    owners = url.replace(f"//{postgres.BOUND}@", f"//{postgres.OWNER}@")
    with psycopg.connect(owners.replace(f"@/{name_of(url)}?", "@/postgres?"), autocommit=True) as connection:
        yield connection


def name_of(url: str) -> str:
    return url.rpartition("@/")[2].partition("?")[0]


def end_connections(url: str) -> int:
    """End every connection to this database, and tell how many there were."""
    with as_admin(url) as admin:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        return admin.execute(ended, [name_of(url)]).rowcount


@pytest.mark.database("postgresql")
def test_all_connections_are_ended_again_and_again(checkout: Checkout, database: str) -> None:
    with checkout.under_load():
        for _ in range(3):
            checkout.some_are_taken(2)
            assert end_connections(database) > 0
        checkout.some_are_taken()
    checkout.settle()


@pytest.mark.database("postgresql")
def test_the_database_can_only_be_read(checkout: Checkout, database: str) -> None:
    """As after a failover to a standby, or when its disk is full."""
    with checkout.under_load():
        checkout.some_are_taken()
        with as_admin(database) as admin:
            admin.execute(f"ALTER DATABASE {name_of(database)} SET default_transaction_read_only = on")
            assert end_connections(database) > 0
            checkout.is_refused()
            admin.execute(f"ALTER DATABASE {name_of(database)} RESET default_transaction_read_only")
        end_connections(database)  # those that can only read; the portal may have closed them all itself
        checkout.some_are_taken()
    checkout.settle()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for this test alone, which keeps what was committed."""
    directory = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp") / f"disaster-{os.getpid()}"  # noqa: S108
    directory.mkdir(mode=0o711)
    server = PostgresServer(directory, durable=True)
    try:
        migrate(server.url())
        db.connect(server.url())
        yield server
    finally:
        db.disconnect()
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def till_on_it(
    own_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
    sandbox: SandboxServer,
    smtp: Mailbox,
    request: pytest.FixtureRequest,
) -> Iterator[Checkout]:
    settings = request.node.get_closest_marker("settings").kwargs
    portal = LivePortal(tmp_path_factory.mktemp("disaster"), own_server.url(), sandbox, smtp, None, settings)
    try:
        yield till_of(portal.start())
    finally:
        portal.stop()


def test_postgresql_is_killed_in_the_midst_of_commits(own_server: PostgresServer, till_on_it: Checkout) -> None:
    with till_on_it.under_load():
        for _ in range(2):
            till_on_it.some_are_taken()
            own_server.kill()
            till_on_it.is_refused()
            own_server.start()
        till_on_it.some_are_taken()
    till_on_it.settle()


def test_the_disk_of_postgresql_is_full(own_server: PostgresServer, till_on_it: Checkout) -> None:
    """It gives up when it cannot write its log; somebody makes room and starts it again."""
    with till_on_it.under_load():
        till_on_it.some_are_taken()
        own_server.let_no_file_grow(family(own_server.pid))
        till_on_it.is_refused()
        assert till_on_it.look().status_code in {200, 503}
        own_server.kill()
        own_server.start()
        till_on_it.some_are_taken()
    till_on_it.settle()


def test_postgresql_is_frozen(own_server: PostgresServer, till_on_it: Checkout) -> None:
    """Its connections stay open and say nothing: who asks is told within seconds, in words, that it does not work now."""
    with own_server.frozen():
        for asked in (till_on_it.look_whether_ready, till_on_it.pay, till_on_it.pay):
            begun = time.monotonic()
            assert asked() == 503
            assert time.monotonic() - begun < ANSWER_SECONDS + 4
        assert requests.get(f"{till_on_it.portal.url}/healthz", timeout=1).ok
    till_on_it.some_pay()
    till_on_it.settle()
