"""Signing in by a link that is sent by mail, or by the code beside it, in place of the password.

Both count in the browser alone that asked: it keeps a secret, in its signed session, whose SHA-256 stands in the link's row. So a link that
is forwarded, or opened by a program on its way, signs nobody in; who reads the mail on a phone types its code where they asked. A second
factor is asked for as after a password.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Final, TypedDict

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.core import audit, clock, config, db, secret_keys, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid
from portal.core.permissions import Role
from portal.identity import codes, email_addresses, jobs, queries, service, sessions, signing_in, throttle, tokens
from portal.identity.models import AccountToken, Proof, TokenPurpose, User

# Tried against a link of 15 minutes, 20 times at most (see throttle): one in five millions.
CODE_DIGITS: Final = 8


class OtherBrowser(Conflict):
    """The link is good, and another browser has asked for it; it stays unused."""


class WrongLinkCode(Invalid):
    """The code is wrong, was used already or is too old, or nobody has that address: never told which."""

    code = "wrong_link_code"
    message = N_(
        "This code is incorrect, or it has expired. Please enter the one in the latest e-mail, or request a new link."
    )


class Asked(TypedDict):
    """What a browser keeps, in its signed session alone, after it has asked for a link; `secret` proves that it was this one."""

    link_id: str
    secret: str
    email: str


@dataclass(frozen=True, slots=True)
class _Proved:
    user: User
    token: str | None  # of the session; None where a code of the second factor is owed first


def are_on() -> bool:
    return config.current().sign_in_links


def ask(email: str) -> Asked:
    """Somebody wants to sign in with this address. A job sends the link, if there is anyone who may sign in so.

    The answer and the time it takes are the same for every address.
    """
    email = queries.normal_email(email)[: email_addresses.LONGEST]
    asked: Asked = {"link_id": new_id("lnk"), "secret": secrets.token_urlsafe(32), "email": email}
    with db.transaction() as session:
        known = queries.user_by_email(session, email)
        subject, customer_id = (known.id, known.customer_id) if known else ("unknown", None)
        audit.record(session, "sign_in_link.asked", subject, customer_id=customer_id)
        browser_hash = tokens.digest(asked["secret"])
        jobs.begin_sign_in_link.enqueue(session, email=email, link_id=asked["link_id"], browser_hash=browser_hash)
    return asked


def asked_by(kept: object) -> Asked | None:
    """What a browser's session holds, if it is what `ask` gave it."""
    match kept:
        case {"link_id": str(link_id), "secret": str(secret), "email": str(email)}:
            return {"link_id": link_id, "secret": secret, "email": email}
        case _:
            return None


def begin(email: str, link_id: str, browser_hash: str) -> None:
    """Send the link to the user of this address, if they may sign in by one; a second call with `link_id` sends no other."""
    with db.transaction() as session:
        user = queries.user_by_email(session, email)
        if user is not None and _may(user):
            service.send_link(session, user, TokenPurpose.SIGN_IN, link_id, browser_hash)


def _may(user: User) -> bool:
    """Whoever has a password here may do without it; staff of a company with an identity provider sign in there."""
    elsewhere = user.role != Role.CUSTOMER and bool(config.current().staff_oidc_issuer)
    return are_on() and user.active and user.password_hash is not None and not elsewhere


def code_text(link_id: str) -> str:
    """The code beside the link, as the mail shows it: "1234 5678"."""
    code = _code(secret_keys.newest(), link_id)
    return f"{code[:4]} {code[4:]}"


def _code(key: str, link_id: str) -> str:
    """Derived, as the link is, so that a copy of the database gives no codes."""
    drawn = hmac.digest(key.encode(), b"sign-in code:" + link_id.encode(), "sha256")
    return f"{int.from_bytes(drawn) % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def open_link(token: str, asked: Asked | None, *, ip: str, user_agent: str) -> str:
    """Sign in by the link; returns the session's token.

    Raises tokens.LinkExpired, also for a second call, OtherBrowser, and signing_in.CodeNeeded, which uses the link up as well.
    """
    if not are_on():
        raise tokens.LinkExpired
    with db.transaction() as session:
        found = tokens.read(session, token, TokenPurpose.SIGN_IN)
        user = queries.user(session, found.user_id, lock=True)
        row = tokens.read(session, token, TokenPurpose.SIGN_IN, lock=True)
        if not _may(user):
            raise tokens.LinkExpired
        if asked is None or not _is_of(row, asked):
            raise OtherBrowser
        proved = _use(session, user, ip, user_agent)
    return _token_of(proved)


def enter_code(asked: Asked, typed: str, *, ip: str, user_agent: str) -> str:
    """Sign in by the code of the mail, in the browser that asked; returns the session's token.

    Raises WrongLinkCode, also for a code that was used, RateLimited, and signing_in.CodeNeeded.
    """
    attempt = throttle.begin(asked["email"], ip, Proof.LINK)
    with db.transaction() as session:
        found = session.get(AccountToken, asked["link_id"])
        user = queries.user(session, found.user_id, lock=True) if found else None
        row = session.get(AccountToken, asked["link_id"], populate_existing=True, with_for_update=True)
        right = _is_code(asked["link_id"], typed)
        if row and user and right and _is_of(row, asked) and tokens.opens(row, user) and _may(user):
            throttle.forgive(session, attempt)
            proved = _use(session, user, ip, user_agent)
        else:
            proved = None
            subject, customer_id = (user.id, user.customer_id) if user else ("unknown", None)
            audit.record(session, "sign_in_link.refused", subject, customer_id=customer_id)
    if proved is None:
        raise WrongLinkCode(field="code")
    return _token_of(proved)


def _is_of(row: AccountToken, asked: Asked) -> bool:
    is_link = row.purpose == TokenPurpose.SIGN_IN and row.id == asked["link_id"]
    return is_link and hmac.compare_digest(row.browser_hash or "", tokens.digest(asked["secret"]))


def _is_code(link_id: str, typed: str) -> bool:
    code = texts.code(typed).encode("utf-8", "surrogatepass")
    return any(hmac.compare_digest(_code(key, link_id).encode(), code) for key in secret_keys.every())


def _use(session: Session, user: User, ip: str, user_agent: str) -> _Proved:
    """None of this user's links to sign in opens anything any more; other links of theirs stay. In the caller's transaction."""
    links = update(AccountToken).where(AccountToken.user_id == user.id, AccountToken.purpose == TokenPurpose.SIGN_IN)
    session.execute(links.where(AccountToken.used_at.is_(None)).values(used_at=clock.now()))
    if codes.is_asked_for(session, user.id):
        return _Proved(user, None)
    return _Proved(user, sessions.start(session, user, ip=ip, user_agent=user_agent, by_link=True))


def _token_of(proved: _Proved) -> str:
    if proved.token is None:
        raise signing_in.CodeNeeded({**signing_in.ticket_of(proved.user), "by_link": True})
    return proved.token
