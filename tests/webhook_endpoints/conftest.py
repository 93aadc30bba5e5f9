"""A customer whose system listens, an authority that its certificate is of, and the names that the resolver knows."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import config, db
from portal.jobs.outbox import Reschedule
from portal.webhook_endpoints import queries, sending, service
from portal.webhook_endpoints.models import Delivery, EventType, WebhookEndpoint
from tests import factories
from tests.webhook_endpoints.receiver import HOST, Authority, Receiver


@dataclass
class Names:
    """What the resolver answers: for each name the numbers of the first question, then of the second, the last ones for ever."""

    known: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, host: str) -> list[str]:
        self.asked.append(host)
        answers = self.known[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@dataclass
class Listener:
    """A customer with one endpoint that wants everything."""

    customer_id: str
    owner_email: str
    endpoint_id: str
    secret: str

    def emit(self, event_type: str = "invoice.paid", **facts: Any) -> str:
        """Returns the id of the delivery."""
        with db.transaction() as session:
            service.emit(session, self.customer_id, event_type, facts or {"invoice_id": "inv_1"})
        return deliveries()[-1].id

    @property
    def endpoint(self) -> WebhookEndpoint:
        with db.reading() as session:
            return session.get_one(WebhookEndpoint, self.endpoint_id)


def deliveries() -> list[Delivery]:
    """All of them with their events and endpoints, oldest first."""
    with db.reading() as session:
        ids = session.scalars(select(Delivery.id).order_by(Delivery.created_at, Delivery.id)).all()
        return [queries.delivery(session, one) for one in ids]


def delivery(delivery_id: str) -> Delivery:
    with db.reading() as session:
        return queries.delivery(session, delivery_id)


def attempt(delivery_id: str) -> float | None:
    """One try, as the worker makes it; returns the seconds until the next one."""
    try:
        sending.deliver(delivery_id, delivery(delivery_id).replays)
    except Reschedule as later:
        return later.seconds
    return None


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("unknown"))


@pytest.fixture(autouse=True)
def _trust(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    """The settings of these tests, unless a test says otherwise: our authority is trusted, and this machine may be reached."""
    monkeypatch.setenv("PORTAL_ENDPOINT_CA_FILE", str(authority.file))
    monkeypatch.setenv("PORTAL_PRIVATE_ENDPOINTS", "true")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found, real = Names({HOST: [["127.0.0.1"]]}), socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *arguments: Any, **more: Any) -> list[Any]:
        if host not in found.known:
            return real(host, port, *arguments, **more)
        return [
            (socket.AF_INET6 if ":" in number else socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port))
            for number in found.answer(host)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return found


Listen = Callable[..., Receiver]


@pytest.fixture
def listen(authority: Authority) -> Iterator[Listen]:
    """Start a receiver; without anything said, a trusted one at HOST."""
    started: list[Receiver] = []

    def listen(by: Authority | None = authority, certified: tuple[str, ...] = (HOST,), **values: Any) -> Receiver:
        started.append(Receiver(by.server_context(*certified) if by else None, **values))
        return started[-1]

    yield listen
    for one in started:
        one.close()


@pytest.fixture
def receiver(listen: Listen, names: Names) -> Receiver:
    return listen()


@pytest.fixture
def listener(settings: config.Settings, receiver: Receiver) -> Listener:
    with db.transaction() as session:
        customer = factories.customer(session)
        owner = factories.user(session, customer)
    endpoint, secret = service.add_endpoint(customer.id, receiver.url, list(EventType), "the books", owner.id)
    return Listener(customer.id, owner.email, endpoint.id, secret)
