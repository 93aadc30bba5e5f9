"""Numbers that documents and pages tell are those of the code: each sentence here is made from it, and stands where it is said to."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import stripe

from deploy import web_worker
from deploy.dev.processes import ROOT
from portal import stripe_sync
from portal.accounts import colleagues
from portal.api import app_requests, tokens
from portal.books import forms as book_forms
from portal.books import service as books
from portal.content import sheets, uploads
from portal.core.audit import VIEWED_AGAIN_AFTER
from portal.core.config import Settings
from portal.core.unsafe_settings import WEBHOOK_SECRET_LENGTH
from portal.documents.service import MISSED_SINCE
from portal.gateway.webhook_signature import TOLERANCE_SECONDS
from portal.identity import app_grants, codes, passwords, throttle
from portal.identity import job_handlers as identity
from portal.identity import tokens as links
from portal.identity.models import TokenPurpose
from portal.invoices import drafts
from portal.jobs import job, outbox, workers
from portal.mandates import policy as mandates
from portal.operations import queries as operations
from portal.reconciliation import jobs as reconciliation_jobs
from portal.reconciliation import service as reconciliation
from portal.refunds import executing
from portal.refunds import policy as refund_policy
from portal.web.guards import PROOF_LASTS
from portal.webhook_endpoints import posting, sending, signing
from portal.webhook_endpoints import service as webhook_endpoints
from tests.front.test_catalogues import TRANSLATED, translated, versions

WORDS = {
    1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 12: "twelve",
    15: "fifteen", 20: "twenty", 30: "thirty",
}  # fmt: skip


def word(number: float) -> str:
    assert number == int(number)
    return WORDS[int(number)]


def seconds(span: timedelta) -> str:
    return word(span.total_seconds())


def minutes(span: timedelta) -> str:
    return word(span / timedelta(minutes=1))


def hours(span: timedelta) -> int:
    assert span % timedelta(hours=1) == timedelta(0)
    return span // timedelta(hours=1)


def days(span: timedelta) -> str:
    return word(span / timedelta(days=1))


def once_a(span: timedelta) -> str:
    """ "an hour", of a span of one hour."""
    return {timedelta(hours=1): "an hour", timedelta(days=1): "a day", timedelta(days=7): "a week"}[span]


def _limits() -> dict[str, str]:
    """The limits of the API where nothing else is set, as docs/api.md writes them: "10 an hour, 30 a day"."""
    fields = Settings.model_fields
    limits: dict[str, str] = fields["api_limits"].default | fields["card_limits"].default
    units = {"minute": "a minute", "hour": "an hour", "day": "a day"}
    written = {}
    for name, windows in limits.items():
        parts = (window.partition("/") for window in windows.split(";"))
        written[name] = ", ".join(f"{count} {units[unit]}" for count, _, unit in parts)
    return written


LIMITS = _limits()
TRIES = f"tried {word(outbox.MOST_ATTEMPTS)} times within about {word(outbox.HOURS_OF_ATTEMPTS)} hours"
FAILS = days(sending.FAILS_AT_MOST)
SENTENCES = {
    "docs/how-to/deploy.md": [
        f"Headers have {word(web_worker.HEADER_SECONDS)} seconds, a body {word(web_worker.BODY_SECONDS)} more",
        f"given up after {word(web_worker.SEND_SECONDS)} seconds",
        f"Webhooks have {word(web_worker.WEBHOOK_THREADS)} threads of their own, `/healthz` has {word(web_worker.HEALTH_THREADS)}",
        f"max_size {web_worker.MOST_BODY_BYTES // 1000}KB",
    ],
    "docs/how-to/monitor.md": [
        f"it waits, for up to {once_a(outbox.GIVE_UP_AFTER)}",
        f"wait tries every {word(workers.HOUSEKEEPING_SECONDS)} seconds",
        f"more than {word(TOLERANCE_SECONDS / 60)} minutes off",
        f"wrong by more than {minutes(operations.CLOCK_SKEW)} minutes",
        f"its jobs are another's after {outbox.LEASE_SECONDS} seconds",
        f"jobs that died within {word(outbox.ALERT_SPAN_SECONDS / 60)} minutes",
        TRIES,
        f"started again by the worker {once_a(job.REQUEUE_AFTER)} later",
        f"done jobs after {outbox.KEEP_DONE_DAYS} days",
        f"receipts and credit notes of the last {days(MISSED_SINCE)} days",
        f"the last hours often and {reconciliation.NIGHTLY_SPAN.days} days each night",
    ],
    "docs/how-to/reconcile.md": [
        f"every {word((reconciliation_jobs.frequent.every_seconds or 0) / 60)} minutes from where its last run ended",
        f"once a day the last {reconciliation.NIGHTLY_SPAN.days} days",
    ],
    "docs/how-to/decide-refunds.md": [
        f"after {seconds(executing.FIRST_WAIT)} seconds and with waits that double",
        f"({once_a(timedelta(seconds=Settings.model_fields['refund_search_seconds'].default))}, if it is not set)",
        f"up to {word(stripe_sync.MOST_ATTEMPTS)} keys in all",
        f"Stripe has failed under {word(stripe_sync.MOST_ATTEMPTS)} keys",
    ],
    "docs/how-to/close-a-month.md": [
        f"are removed after {books.KEEP_FOR.days} days",
        f"are waited for, {minutes(books.WAIT_FOR_DOCUMENTS)} minutes at most",
    ],
    "docs/how-to/help-people-sign-in.md": [
        f"An owner may send {word(colleagues.MOST_INVITATIONS_A_DAY)} invitations a day",
        f"proves who someone is for {minutes(PROOF_LASTS)} minutes",
        f"once {once_a(VIEWED_AGAIN_AFTER)} for each person and thing",
        f"{word(codes.RECOVERY_CODES)} recovery codes",
        f"{word(throttle.MOST_OF_ACCOUNT_FROM_NETWORK).capitalize()} wrong codes in a quarter of an hour",
        f"and {word(throttle.MOST_CODES_OF_ACCOUNT)} from all together",
    ],
    "docs/how-to/connect-stripe.md": [
        f"version `{stripe.api_version}`",
        f"any {WEBHOOK_SECRET_LENGTH} or more random characters",
    ],
    "docs/how-to/mail.md": [f"mails wait, up to {once_a(outbox.GIVE_UP_AFTER)}"],
    "docs/how-to/run-the-api.md": [
        f"may register up to {word(webhook_endpoints.MOST_ENDPOINTS)} addresses",
        TRIES,
        f"accepted nothing for {FAILS} days, or answers {sending.GONE_STATUS}",
        f"Events are forgotten after {sending.KEEP.days} days",
    ],
    "docs/api.md": [
        f"An access token is good for {minutes(tokens.LIFETIME)} minutes",
        f'"expires_in": {tokens.LIFETIME.seconds}',
        f"nothing within {word(posting.WITHIN_SECONDS)} seconds, is tried again for about {word(outbox.HOURS_OF_ATTEMPTS)} hours",
        f"takes nothing for {FAILS} days",
        f"for {once_a(signing.OLD_SECRET_LASTS)} both sign",
        f"Keys are kept for {days(app_requests.KEEP)} days",
        f"an `exp` of {hours(tokens.OUTSIDE_LONGEST_LIFETIME)} hours from now at most",
        f"when the person signed in, {minutes(PROOF_LASTS)} minutes ago at most",
        f"a sign-in of {minutes(PROOF_LASTS)} minutes ago at most",
        *(f"{text} |" for name, text in LIMITS.items() if name != "refused"),
        f"by address, too: {LIMITS['refused']}",
    ],
    "docs/architecture.md": [
        f"at least {word(mandates.NOTICE / timedelta(days=1))} days ahead",
        "tried again {}, {} and {} days after the first try".format(*mandates.RETRY_AFTER_DAYS),
        f"for {word(posting.WITHIN_SECONDS)} seconds in all",
    ],
    "docs/invoices.md": [
        f"at most {sheets.MOST_ROWS} rows and {sheets.MOST_BYTES // 1_000_000} MB",
        f"day; {drafts.USUAL_DAYS_TO_PAY} days after `issued` when empty",
        f"at most {drafts.LONGEST_DESCRIPTION} characters",
    ],
    "docs/explanation/data-and-retention.md": [
        f"events to customers' systems | {sending.KEEP.days} days |",
        f"jobs that are done | {outbox.KEEP_DONE_DAYS} days |",
        f"files of invoices that were uploaded | {uploads.KEEP_FILES.days} days |",
        f"month-end packs | {books.KEEP_FOR.days} days |",
        f"sessions with address and browser | {identity.KEEP_SESSIONS.days} days after they ended |",
        f"sign-ins of apps, with address and name | {app_grants.KEEP_UNUSED.days} days after they ended |",
        f"wrong passwords and codes, with the network they came from | {throttle.WINDOW // timedelta(minutes=1)} minutes,",
        f"links of mails: invitations, new passwords | {identity.KEEP_LINKS.days} days after they ended |",
    ],
}

# What pages and mails say, in English; the German has the same numbers.
TEXTS = [
    f"at least {hours(mandates.NOTICE) // 24} days before",
    f"on the due date and notify you {hours(mandates.NOTICE) // 24} days before",
    "is retried {}, {} and {} days after the first attempt".format(*mandates.RETRY_AFTER_DAYS),
    f"{passwords.SHORTEST} characters or more",
    f"A package stays here for {books.KEEP_FOR.days} days",
    f"For {FAILS} days your system has accepted none of our webhooks",
    f"nothing was delivered for {FAILS} days",
    f"In {drafts.USUAL_DAYS_TO_PAY} days if left empty",
    f"refunds of the last {hours(refund_policy.DAY)} hours",
    f"the {word(codes.DIGITS)} digits that it shows",
    f"shows new ones every {codes.STEP_SECONDS} seconds",
    f"The link works for {links.LIFETIMES[TokenPurpose.PASSWORD_RESET] // timedelta(minutes=1)} minutes",
    f"The link works for {hours(links.LIFETIMES[TokenPurpose.CONFIRM_EMAIL])} hours",
    f"The link works for {days(links.LIFETIMES[TokenPurpose.INVITATION])} days",
    f"once a day those of the last {reconciliation.NIGHTLY_SPAN.days} days",
    f"Kept for {sending.KEEP.days} days",
]


@pytest.mark.parametrize(("name", "sentence"), [(name, one) for name, them in SENTENCES.items() for one in them])
def test_a_number_is_the_one_of_the_code(name: str, sentence: str) -> None:
    text = re.sub(r"\s+", " ", (ROOT / name).read_text())
    assert sentence in text, f"{name} does not say: {sentence}"


@pytest.mark.parametrize("sentence", TEXTS)
def test_a_number_that_people_read_is_the_one_of_the_code(sentence: str) -> None:
    for language in TRANSLATED:
        found = [said for said in translated(language).values() if sentence in versions(said[0])[0]]
        assert found, f"nobody says: {sentence}"
        for english, translation in found:
            assert set(re.findall(r"\d+", str(english))) == set(re.findall(r"\d+", str(translation))), translation


def test_the_books_take_days_up_to_a_year() -> None:
    assert book_forms.MOST_DAYS == 366
    assert "any days up to a year" in (ROOT / "docs/how-to/close-a-month.md").read_text()
