"""Slowing down those who guess passwords and codes, without locking out those who know theirs.

An attempt is written down before the password is looked at and struck out when it was right, so that attempts sent side by
side are counted like others. Three counts over a quarter of an hour:
- one e-mail from one network: what a person with a forgotten password or a simple script meets;
- one network, whatever the e-mail: someone who tries one password on many accounts. An office shares a network,
  so it is larger;
- one e-mail from all networks: many machines guessing at one account. Its owner still gets in from a network where
  they have signed in before.

Codes of the second factor are counted apart from passwords, so that a right password, or a new one by mail, forgives no wrong
code; so are the codes of mails that sign in. Of codes fewer are enough for one account: whoever gets that far has its password or asked
for the mail, and a million codes are soon tried.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from portal.core import clock, db
from portal.core.db import new_id
from portal.core.errors import RateLimited
from portal.core.networks import network_of
from portal.identity.models import Proof, SignInAttempt, SignInSession, User

log = structlog.get_logger(__name__)

WINDOW: Final = timedelta(minutes=15)
MOST_OF_ACCOUNT_FROM_NETWORK: Final = 10
MOST_FROM_NETWORK: Final = 50
MOST_OF_ACCOUNT: Final = 100
MOST_CODES_OF_ACCOUNT: Final = 20


def begin(email: str, ip: str, proof: Proof = Proof.PASSWORD) -> str:
    """Write down that a password (or a code) for `email` is about to be checked, and return the try's id.

    Raises RateLimited, with the seconds until the next try, when there were too many wrong ones.
    """
    network = network_of(ip)
    of_account = (SignInAttempt.email == email) & (SignInAttempt.proof == proof)
    from_network = SignInAttempt.network == network
    with db.transaction() as session:
        _refuse_beyond(session, MOST_OF_ACCOUNT_FROM_NETWORK, of_account & from_network)
        _refuse_beyond(session, MOST_FROM_NETWORK, from_network)
        if not _is_known(session, email, network):
            _refuse_beyond(session, MOST_OF_ACCOUNT if proof == Proof.PASSWORD else MOST_CODES_OF_ACCOUNT, of_account)
        attempt = SignInAttempt(id=new_id("try"), at=clock.now(), email=email, network=network, proof=proof)
        session.add(attempt)
        return attempt.id


def forgive(session: Session, attempt_id: str) -> None:
    """The password was right, or the code: such attempts of this e-mail from this network count no more. In the caller's transaction."""
    attempt = session.get(SignInAttempt, attempt_id)
    if attempt is None:  # a right one beside this has forgiven it already
        return
    alike = delete(SignInAttempt).where(SignInAttempt.proof == attempt.proof, SignInAttempt.email == attempt.email)
    session.execute(alike.where(SignInAttempt.network == attempt.network))


def forget(session: Session, email: str) -> None:
    """The owner of the mailbox chose a new password: no wrong one of this e-mail counts any more. In the caller's transaction."""
    session.execute(delete(SignInAttempt).where(SignInAttempt.email == email, SignInAttempt.proof == Proof.PASSWORD))


def _refuse_beyond(session: Session, most: int, which: ColumnElement[bool]) -> None:
    now = clock.now()
    newest_first = (
        select(SignInAttempt.at).where(which, SignInAttempt.at > now - WINDOW).order_by(SignInAttempt.at.desc())
    )
    blocking: datetime | None = session.execute(newest_first.offset(most - 1).limit(1)).scalar_one_or_none()
    if blocking is not None:
        wait = math.ceil((blocking + WINDOW - now).total_seconds())
        log.warning("sign_in_throttled", limit=most, retry_after=wait)
        raise RateLimited(retry_after=max(1, wait))


def _is_known(session: Session, email: str, network: str) -> bool:
    """Whether this account was signed in to from this network before."""
    addresses = select(SignInSession.ip).join(User).where(User.email == email).distinct()
    return any(network_of(ip) == network for ip in session.execute(addresses).scalars())
