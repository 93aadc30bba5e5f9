"""Times carry their zone, which is the reader's: chosen, else as the browser says, else the company's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from portal.content.language import datetime_text
from portal.core import config, db, time_zones
from portal.core.errors import Invalid
from portal.identity import service
from portal.identity.models import User
from portal.jobs import outbox
from tests import factories
from tests.factories import PASSWORD, csrf_token, sign_in
from tests.smtp import Mailbox, text_of

pytestmark = pytest.mark.settings(PORTAL_TIMEZONE="Europe/Berlin")

NOON = datetime(2028, 2, 29, 12, tzinfo=UTC)
EMAIL = "ada@spree-bikes.test"


@pytest.fixture
def noon(settings: object) -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def user(noon: None) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session), email=EMAIL)


def last_used(client: FlaskClient) -> str:
    """The one time on the account page: when this session was used last."""
    found = re.search(r"last used ([^<]*)<", client.get("/account").get_data(as_text=True))
    assert found is not None
    return found[1].replace("\N{NARROW NO-BREAK SPACE}", " ")


def save(client: FlaskClient, zone: str) -> int:
    form = {"profile-name": "Ada", "profile-language": "en", "profile-time_zone": zone}
    return client.post("/account/profile", data={**form, "csrf_token": csrf_token(client)}).status_code


@pytest.mark.database("sqlite")
def test_what_was_chosen_comes_before_what_the_browser_says_and_that_before_the_company(
    client: FlaskClient, user: User
) -> None:
    sign_in(client, user)
    assert last_used(client) == "Feb 29, 2028, 1:00 PM UTC+1"
    client.set_cookie(time_zones.COOKIE, "Pacific/Kiritimati")
    assert last_used(client) == "Mar 1, 2028, 2:00 AM UTC+14"
    assert save(client, "America/Los_Angeles") == 303
    assert last_used(client) == "Feb 29, 2028, 4:00 AM PST"
    assert save(client, "") == 303
    assert last_used(client) == "Mar 1, 2028, 2:00 AM UTC+14"
    assert save(client, "Europe/Atlantis") == 422


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    "said", ["", "Europe/Atlantis", "../../etc/passwd", "x" * 4000, "é", "Europe/Berlin\x00", "localtime "]
)
def test_nonsense_in_the_cookie_is_the_companys_zone(client: FlaskClient, user: User, said: str) -> None:
    client.set_cookie(time_zones.COOKIE, said)
    sign_in(client, user)
    assert last_used(client) == "Feb 29, 2028, 1:00 PM UTC+1"
    with db.reading() as session:
        assert session.get_one(User, user.id).guessed_time_zone == ""


def test_mails_to_someone_tell_times_in_the_zone_that_is_known_of_them(app: Flask, smtp: Mailbox, user: User) -> None:
    browser = app.test_client()
    browser.set_cookie(time_zones.COOKIE, "Asia/Kolkata")
    sign_in(browser, user)
    current = PASSWORD
    for zone, words, new in (
        ("", "5:30 PM UTC+5:30", "nine slow ferries at dusk"),
        ("America/Los_Angeles", "4:00 AM PST", "ten pale herons at noon"),
    ):
        service.change_profile(user.id, name="Ada", language="en", time_zone=zone)
        service.change_password(user.id, current, new, ip="203.0.113.7", user_agent="")
        current = new
        with app.app_context():
            outbox.run_due()
        (mail,) = smtp.messages
        for kind in ("plain", "html"):
            assert words in text_of(mail, kind).replace("\N{NARROW NO-BREAK SPACE}", " ")
        smtp.messages.clear()
    service.ask_reset(EMAIL)
    with app.app_context():
        outbox.run_due()
        outbox.run_due()
    (link,) = smtp.messages
    for kind in ("plain", "html"):
        assert "until Feb 29, 2028, 4:30 AM PST" in text_of(link, kind).replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_only_a_zone_is_chosen(user: User) -> None:
    with pytest.raises(Invalid) as refused:
        service.change_profile(user.id, name="Ada", language="en", time_zone="Europe/Atlantis")
    assert refused.value.field == "time_zone"


@pytest.mark.database("sqlite")
def test_who_reads_elsewhere_is_told_whose_days_the_filter_means(client: FlaskClient, user: User) -> None:
    sign_in(client, user)
    words = "From and To are days in the time zone Europe/Berlin."
    assert words not in client.get("/payments").get_data(as_text=True)
    client.set_cookie(time_zones.COOKIE, "Asia/Kolkata")
    assert words in client.get("/payments").get_data(as_text=True)


@pytest.mark.parametrize(
    ("zone", "moment", "english", "german"),
    [
        (
            "Europe/Berlin",
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            "Oct 25, 2026, 2:30 AM UTC+2",
            "25.10.2026, 02:30 MESZ",
        ),
        (
            "Europe/Berlin",
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
            "Oct 25, 2026, 2:30 AM UTC+1",
            "25.10.2026, 02:30 MEZ",
        ),
        (
            "America/New_York",
            datetime(2026, 7, 1, 12, tzinfo=UTC),
            "Jul 1, 2026, 8:00 AM EDT",
            "01.07.2026, 08:00 UTC−4",
        ),
        ("Asia/Kathmandu", NOON, "Feb 29, 2028, 5:45 PM UTC+5:45", "29.02.2028, 17:45 UTC+5:45"),
        ("Etc/GMT+12", NOON, "Feb 29, 2028, 12:00 AM UTC−12", "29.02.2028, 00:00 UTC−12"),
        ("UTC", NOON, "Feb 29, 2028, 12:00 PM UTC", "29.02.2028, 12:00 UTC"),
    ],
)
def test_a_time_says_whose_clock_it_is_by(zone: str, moment: datetime, english: str, german: str) -> None:
    """So that the hour which comes twice in autumn is two."""
    found = (datetime_text(moment, locale, time_zones.first_known(zone)) for locale in ("en", "de"))
    assert tuple(one.replace("\N{NARROW NO-BREAK SPACE}", " ") for one in found) == (english, german)


@pytest.mark.parametrize(("locale", "shown"), [("es", "29 feb 2028, 12:00 UTC"), ("fr", "29 févr. 2028, 12:00 UTC")])
def test_utc_is_called_so_in_every_language(locale: str, shown: str) -> None:
    """French has a name of its own for it, which few know."""
    assert datetime_text(NOON, locale, time_zones.first_known("UTC")) == shown


@given(zone=st.sampled_from(time_zones.offered()), moment=st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_each_zone_that_is_offered_can_be_written_in_each_language(zone: str, moment: datetime) -> None:
    for locale in config.current().languages:
        assert re.search(
            r"(\d|[AP]M) (UTC([+−]\d{1,2}(:\d\d)?)?|[A-Z]{2,5})$",
            datetime_text(moment, locale, time_zones.first_known(zone)),
        )
