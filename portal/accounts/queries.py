"""Reading customers and their people. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from portal.accounts.models import Customer, CustomerWord, DocumentRecipient, RecipientMail, WordTrigram, words_of
from portal.core import clock, spelling, texts
from portal.core.db import begins_with
from portal.core.errors import N_, Conflict
from portal.core.permissions import Role
from portal.identity.models import AccountToken, CustomerRole, SecondFactorReset, TokenPurpose, User
from portal.identity.queries import normal_email, one_row

# A reset of a second factor that no second admin has confirmed within this time has to be asked for anew.
RESET_LASTS: Final = timedelta(hours=24)
# Of a misspelled word: so many trigrams of others like its own are looked at, and so many of those words that share most of them compared.
MOST_SHARING: Final = 30_000
MOST_COMPARED: Final = 200


class Erased(Conflict):
    code = "customer_erased"
    message = N_("This customer was erased, and does not come back. Please create a new one.")


def customer(session: Session, customer_id: str, *, lock: bool = False) -> Customer:
    """Raises NotFound. With `lock` no one else changes the row before the caller's transaction ends.

    Rows that refer to the customer can be written meanwhile: who holds a user and writes such a row would else wait for us, and we for
    the user.
    """
    return one_row(session, select(Customer).where(Customer.id == customer_id), lock=lock, key_share=True)


def customer_by_email(session: Session, email: str) -> Customer | None:
    """The customer that is billed at this address, or whose user signs in with it; the oldest when there are several."""
    address = normal_email(email)
    own = select(User.customer_id).where(User.email == address).scalar_subquery()
    query = select(Customer).where((Customer.email == address) | (Customer.id == own))
    return session.execute(query.order_by(Customer.created_at, Customer.id).limit(1)).scalar_one_or_none()


# Customers that have the longest of the words that were typed; among them those with the others are looked for.
MOST_CANDIDATES: Final = 500


def fitting(session: Session, typed: str, most: int) -> list[tuple[str, str]]:
    """The ids and names of customers that someone may mean: of this id, or with a word that begins so for each word that was typed, of its
    name, its address or its people's. By name; `most` at most.
    """
    plain = texts.typed(typed)
    query = select(Customer.id, Customer.name)
    own = session.execute(query.where(Customer.id == plain)).first()
    if own is not None:
        return [(own.id, own.name)]
    words = [texts.fold(plain)] if "@" in plain and " " not in plain else sorted(words_of(plain), key=len, reverse=True)
    if not words:
        return []
    longest, *others = words
    candidates = select(CustomerWord.customer_id).where(begins_with(CustomerWord.word, longest)).distinct()
    for word in others:
        has_it = select(CustomerWord.word).where(
            CustomerWord.customer_id == Customer.id, begins_with(CustomerWord.word, word)
        )
        query = query.where(has_it.correlate(Customer).exists())
    found = session.execute(query.where(Customer.id.in_(candidates.limit(MOST_CANDIDATES))).limit(most))
    return sorted(((row.id, row.name) for row in found), key=lambda one: (one[1].casefold(), one[0]))


def colleague(session: Session, user_id: str, customer_id: str, *, lock: bool = False) -> User:
    """One of this customer's people. Raises NotFound, also for another customer's. `lock` as above."""
    return one_row(session, select(User).where(User.id == user_id, User.customer_id == customer_id), lock=lock)


def users_of(session: Session, customer_id: str) -> Sequence[User]:
    """The people who sign in for this customer, by e-mail."""
    return session.execute(select(User).where(User.customer_id == customer_id).order_by(User.email)).scalars().all()


def owners(session: Session, customer_id: str) -> Sequence[User]:
    """Those owners of the customer who can sign in now, by e-mail."""
    query = select(User).where(User.customer_id == customer_id, User.customer_role == CustomerRole.OWNER)
    able = query.where(User.active, User.password_hash.is_not(None))
    return session.execute(able.order_by(User.email)).scalars().all()


def people_count(session: Session, customer_id: str) -> int:
    """How many may sign in for this customer, the invited among them."""
    query = select(func.count()).where(User.customer_id == customer_id, User.active)
    return session.execute(query).scalar_one()


def staff(session: Session) -> Sequence[User]:
    """Everyone who works here, or did, by e-mail."""
    return session.execute(select(User).where(User.customer_id.is_(None)).order_by(User.email)).scalars().all()


def invited_until(session: Session, customer_id: str) -> dict[str, datetime]:
    """User id → when the last of their open invitations ends, for those of the customer who have one."""
    return _invited_until(session, User.customer_id == customer_id)


def invitations_of_staff(session: Session) -> dict[str, datetime]:
    """Likewise, for those who work here."""
    return _invited_until(session, User.role != Role.CUSTOMER)


def _invited_until(session: Session, whose: ColumnElement[bool]) -> dict[str, datetime]:
    query = (
        select(AccountToken.user_id, func.max(AccountToken.expires_at).label("until"))
        .join(AccountToken.user)
        .where(whose, AccountToken.used_at.is_(None), AccountToken.expires_at > clock.now())
        .where(AccountToken.purpose.in_((TokenPurpose.INVITATION, TokenPurpose.CONFIRM_EMAIL)))
        .group_by(AccountToken.user_id)
    )
    return {row.user_id: row.until for row in session.execute(query)}


def open_resets(session: Session) -> dict[str, SecondFactorReset]:
    """The resets of second factors that wait for a second admin, by user id."""
    query = select(SecondFactorReset).where(SecondFactorReset.asked_at > clock.now() - RESET_LASTS)
    return {row.user_id: row for row in session.scalars(query)}


def staff_unused_since(session: Session, moment: datetime) -> Sequence[User]:
    """Those who work here, have chosen a password, and have neither signed in nor got their access since then; the longest first."""
    last = func.coalesce(User.last_sign_in_at, User.created_at)
    query = (
        select(User)
        .where(User.customer_id.is_(None), User.active)
        .where(User.password_hash.is_not(None) | User.provider_subject.is_not(None))
        .where(
            last < moment, func.coalesce(User.access_restored_at, User.created_at) < moment, User.created_at < moment
        )
    )
    return session.scalars(query.order_by(last, User.id)).all()


def receipt_addresses(session: Session, customer_id: str, payer_id: str | None) -> list[str]:
    """Where the receipt of a payment goes: to the address that is billed, to those that get confirmations besides, and to the user
    who paid, if that is another one who can still sign in for this customer. At least one.
    """
    found = addresses(session, customer_id, RecipientMail.PAYMENT_CONFIRMATIONS)
    payer = session.get(User, payer_id) if payer_id else None
    if payer is not None and payer.active and payer.customer_id == customer_id:
        found += [payer.email] if payer.email not in map(normal_email, found) else []
    return found


def addresses(session: Session, customer_id: str, mail: RecipientMail) -> list[str]:
    """The address that is billed, and the further ones that get this, each once. At least one."""
    billed = customer(session, customer_id).email
    return [billed, *(one.email for one in recipients(session, customer_id, mail))]


def recipients(session: Session, customer_id: str, mail: RecipientMail | None = None) -> list[DocumentRecipient]:
    """The further recipients of a customer, the oldest first: those that get this mail now, confirmed and another address than the
    billed one; without a `mail` all of them.
    """
    query = select(DocumentRecipient).where(DocumentRecipient.customer_id == customer_id)
    found = list(session.scalars(query.order_by(DocumentRecipient.created_at, DocumentRecipient.id)))
    if mail is None:
        return found
    billed = normal_email(customer(session, customer_id).email)
    return [one for one in found if one.confirmed_at is not None and mail in one.gets and one.email != billed]


def recipient(
    session: Session, recipient_id: str, customer_id: str | None = None, *, lock: bool = False
) -> DocumentRecipient:
    """Raises NotFound, also for another customer's."""
    query = select(DocumentRecipient).where(DocumentRecipient.id == recipient_id)
    if customer_id is not None:
        query = query.where(DocumentRecipient.customer_id == customer_id)
    return one_row(session, query, lock=lock)


def similar_words(session: Session, word: str, most: int) -> list[str]:
    """At most so many words of customers and of references that may be meant by a folded word with a slip in it, the closest first.

    The work has an end, however many words there are; see MOST_SHARING. For a word that is too short there are none.
    """
    if not spelling.is_spelled(word):
        return []
    allowed = spelling.slips_in(word)
    alike = WordTrigram.trigram.in_(sorted(spelling.trigrams_like(word)))
    shared = select(WordTrigram.word).where(alike).limit(MOST_SHARING).subquery()
    number = func.count()
    query = select(shared.c.word).group_by(shared.c.word).order_by(number.desc(), shared.c.word).limit(MOST_COMPARED)
    compared = {candidate: spelling.slips(word, candidate) for candidate in session.scalars(query) if candidate != word}
    # The sort is stable: of those with as many slips, the one that shares most comes first.
    return sorted((one for one in compared if compared[one] <= allowed), key=lambda one: compared[one])[:most]
