"""Customers choose the addresses: whatever they choose, nothing inside is reached, and nobody holds the worker up."""

from __future__ import annotations

import ipaddress
import threading
import time

import pytest

from portal.core import config, db
from portal.core.networks import is_public
from portal.webhook_endpoints import addresses, posting, service
from portal.webhook_endpoints.addresses import Target, Unreachable
from portal.webhook_endpoints.models import EventType
from tests import factories
from tests.webhook_endpoints.conftest import Listen, Listener, Names, attempt, delivery
from tests.webhook_endpoints.receiver import HOST, Authority, Behaviour, Handler, Receiver, answers

pytestmark = pytest.mark.database("sqlite")


def failure_of(listener: Listener) -> str:
    """One try that gets no answer; returns why."""
    delivery_id = listener.emit()
    assert attempt(delivery_id) is not None
    assert delivery(delivery_id).status_code is None
    return delivery(delivery_id).answer


INSIDE = (
    "127.0.0.1 127.255.0.1 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 169.254.169.254 192.0.2.1 198.18.0.1 224.0.0.1 "
    "240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 "
    "64:ff9b::a9fe:a9fe 64:ff9b:1::a00:1 2002:7f00:1:: 2002:a00:1::1 2001::1 2001:db8::1 fc00::1 fd12::1 fe80::1 fec0::1 ff02::1"
).split()
# Of IANA's registries of special addresses: the first and the last of each block that Python 3.11 does not know, and those relays that can
# be reached. The function is asked; nothing is dialled.
SPECIAL = (
    "0.255.255.255 100.127.255.255 192.0.0.0 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.255 192.31.196.0 192.31.196.255 192.52.193.1 "
    "192.88.99.0 192.88.99.1 192.88.99.255 192.175.48.6 198.19.255.255 198.51.100.255 203.0.113.255 239.255.255.255 ::ffff:192.88.99.1 "
    "64:ff9b::c058:6301 64:ff9b:1:: 64:ff9b:1::808:808 64:ff9b:1:ffff:ffff:ffff:ffff:ffff 100:: 100:0:0:1:: 2001:1::1 2001:1ff:ffff:: "
    "2001:3::1 2001:4:112::1 2001:20::1 2001:30::1 2002:808:808::1 2620:4f:8000:: 2620:4f:8000:ffff:ffff:ffff:ffff:ffff 3fff:: "
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff 5f00:: 4000:: 1fff:: fe80::1%eth0 2606:4700::1%eth0"
).split()
OUTSIDE = (
    "93.184.216.34 8.8.8.8 1.0.0.0 191.255.255.255 192.0.1.1 192.88.98.255 192.88.100.0 223.255.255.255 2606:4700:4700::1111 "
    "::ffff:8.8.8.8 64:ff9b::808:808 2001:200::1 2620:4f:7fff::1 2620:4f:8001::1 3ffe:ffff::1 3fff:1000::1 2003::1"
).split()


@pytest.mark.parametrize("number", [*INSIDE, *SPECIAL])
def test_what_lies_inside_is_not_public(number: str) -> None:
    assert not is_public(ipaddress.ip_address(number))


@pytest.mark.parametrize("number", OUTSIDE)
def test_what_lies_outside_is(number: str) -> None:
    assert is_public(ipaddress.ip_address(number))


@pytest.mark.settings(PORTAL_PRIVATE_ENDPOINTS="false")
@pytest.mark.parametrize("numbers", [*([number] for number in INSIDE), ["93.184.216.34", "127.0.0.1"]])
def test_a_name_that_leads_inside_is_not_called(
    listener: Listener, receiver: Receiver, names: Names, numbers: list[str]
) -> None:
    names.known[HOST] = [numbers]
    assert failure_of(listener) == "the host has an address that cannot be reached from the internet"
    assert receiver.received == []


@pytest.mark.settings(PORTAL_PRIVATE_ENDPOINTS="false")
@pytest.mark.parametrize("number", ["93.184.216.34", "2606:4700:4700::1111"])
def test_what_is_called_is_the_number_that_was_looked_at(listener: Listener, names: Names, number: str) -> None:
    names.known[HOST] = [[number], ["127.0.0.1"]]
    # These tests may reach this machine only, and say where a connection was to go; see tests/conftest.py.
    with pytest.raises(Unreachable) as raised:
        posting.post(target_of(listener), {}, b"{}")
    assert f"a test reached for {number}" in str(raised.value.__cause__)
    assert names.asked == [HOST]


def target_of(listener: Listener) -> Target:
    return addresses.parse(listener.endpoint.url)


def test_a_name_that_is_answered_differently_a_moment_later_opens_nothing(
    listener: Listener, receiver: Receiver, names: Names, listen: Listen
) -> None:
    trap = listen(address="127.0.0.2", port=receiver.port)
    names.known[HOST] = [["127.0.0.1"], ["127.0.0.2"]]
    delivery_id = listener.emit()
    assert attempt(delivery_id) is None
    assert (len(receiver.received), trap.received, names.asked) == (1, [], [HOST])


@pytest.mark.settings(PORTAL_PRIVATE_ENDPOINTS="false")
def test_what_was_registered_while_developing_is_not_called_later(
    settings: config.Settings, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = listen(by=None, host="127.0.0.1")
    with db.transaction() as session:
        customer = factories.customer(session)
    strict = config.current()
    config.use(strict.model_copy(update={"private_endpoints": True}))
    endpoint, _secret = service.add_endpoint(customer.id, plain.url, list(EventType), "", "usr_1")
    listener = Listener(customer.id, "", endpoint.id, "")
    assert attempt(listener.emit()) is None
    assert len(plain.received) == 1
    config.use(strict)
    assert "https" in failure_of(listener)
    assert len(plain.received) == 1


def test_an_unknown_name_is_told(listener: Listener, names: Names) -> None:
    names.known[HOST] = [[]]
    assert failure_of(listener) == "the name of the host is not known"


# Certificates


def test_a_certificate_of_an_unknown_authority_is_refused(
    listener: Listener, receiver: Receiver, other_authority: Authority, listen: Listen
) -> None:
    port = receiver.port
    receiver.close()
    impostor = listen(by=other_authority, port=port)
    assert "the certificate is not good" in failure_of(listener)
    assert impostor.received == []


def test_a_certificate_of_another_name_or_of_the_number_alone_is_refused(
    listener: Listener, receiver: Receiver, listen: Listen
) -> None:
    port = receiver.port
    receiver.close()
    other = listen(certified=("hooks.elbe-boats.test", "127.0.0.1"), port=port)
    assert "the certificate is not good" in failure_of(listener)
    assert other.received == []


@pytest.mark.settings(PORTAL_ENDPOINT_CA_FILE="")
def test_an_authority_of_ones_own_is_trusted_only_where_it_is_set(listener: Listener, receiver: Receiver) -> None:
    assert "the certificate is not good" in failure_of(listener)
    assert receiver.received == []


# Slow and long answers


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits in less time."""
    monkeypatch.setattr(posting, "WITHIN_SECONDS", 0.6)
    monkeypatch.setattr(posting, "CONNECT_SECONDS", 0.3)


def speaks_smtp(handler: Handler) -> None:
    handler.wfile.write(b"220 mail.test ESMTP\r\n")


def hangs(handler: Handler) -> None:
    handler.closing.wait(20)


def drips_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.closing.wait(0.05):
        handler.wfile.write(b"X: y\r\n"[:1])


def drips_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.closing.wait(0.05):
        handler.wfile.write(b"x")


def never_ends(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.closing.is_set():
        handler.wfile.write(b"x" * 65_536)


@pytest.mark.parametrize("behaves", [hangs, drips_headers])
def test_no_answer_within_the_time_is_none(
    hasty: None, listener: Listener, receiver: Receiver, behaves: Behaviour
) -> None:
    receiver.behaves = behaves
    started = time.monotonic()
    assert failure_of(listener) == "no answer within the time"
    assert time.monotonic() - started < 5


def test_an_answer_that_does_not_get_on_is_not_waited_for(hasty: None, listener: Listener, receiver: Receiver) -> None:
    receiver.behaves = drips_body
    assert_delivered_soon(listener)


def test_of_an_endless_answer_little_is_read(listener: Listener, receiver: Receiver) -> None:
    """Within far less than the time for which all of it could be read."""
    receiver.behaves = never_ends
    assert_delivered_soon(listener)


def assert_delivered_soon(listener: Listener) -> None:
    started = time.monotonic()
    delivery_id = listener.emit()
    assert attempt(delivery_id) is None
    assert time.monotonic() - started < 5
    assert delivery(delivery_id).status == "delivered"
    assert set(delivery(delivery_id).answer) <= {"x"}


def test_of_a_long_answer_the_beginning_is_kept(listener: Listener, receiver: Receiver) -> None:
    receiver.behaves = answers(200, "ä".encode() * 3_000_000)
    delivery_id = listener.emit()
    assert attempt(delivery_id) is None
    assert delivery(delivery_id).answer == "ä" * 500


def test_a_packed_answer_is_not_unpacked(listener: Listener, receiver: Receiver) -> None:
    receiver.behaves = answers(500, b"\x1f\x8b" + b"\x00" * 20_000, Content_Encoding="gzip")
    delivery_id = listener.emit()
    assert attempt(delivery_id) is not None
    assert (delivery(delivery_id).status_code, len(delivery(delivery_id).answer) <= 500) == (500, True)


def test_nobody_there_is_told(listener: Listener, receiver: Receiver) -> None:
    receiver.close()
    assert failure_of(listener) == "no answer: Connection refused"


def test_what_is_no_answer_is_told(listener: Listener, receiver: Receiver) -> None:
    receiver.behaves = speaks_smtp
    assert failure_of(listener).startswith("no answer: ")


def test_nothing_is_sent_inside_a_transaction(listener: Listener) -> None:
    target = target_of(listener)
    with db.transaction(), pytest.raises(db.NestedTransaction):
        posting.post(target, {}, b"{}")
    assert threading.active_count() < 50
