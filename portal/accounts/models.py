"""Customers (who is billed), the words that find them, and the invitations of their people that are counted."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    delete,
    event,
    inspect,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import texts
from portal.core.db import Base, UTCDateTime, sorted_text
from portal.identity.models import User

LONGEST_WORD: Final = 80


class OptionalMail(StrEnum):
    """What a customer may do without; documents, announced and failed payments, and all about security are sent in any case."""

    CARD_EXPIRY = "card_expiry"
    REFUND_PROGRESS = "refund_progress"


class Customer(Base):
    """A billing account: a person or a company with an address, as it stands on receipts."""

    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    address: Mapped[str] = mapped_column(Text, default="")  # lines parted by a line break
    country: Mapped[str] = mapped_column(String(2), default="")
    tax_id: Mapped[str] = mapped_column(String(40), default="")
    language: Mapped[str] = mapped_column(String(8), default="en")
    # Some of OptionalMail, parted by spaces.
    unwanted_mails: Mapped[str] = mapped_column(String(200), default="")
    # Further addresses that get a copy of each document, parted by a line break.
    document_emails: Mapped[str] = mapped_column(Text, default="")
    stripe_customer_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Rises with every change of the details: who has read an older one changes nothing.
    version: Mapped[int] = mapped_column(Integer, default=1)
    deactivated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (Index("ix_customers_email", "email"), Index("ix_customers_created", "created_at", "id"))

    @property
    def address_lines(self) -> list[str]:
        return [line.strip() for line in self.address.splitlines() if line.strip()]

    def wants(self, mail: OptionalMail) -> bool:
        return mail not in self.unwanted_mails.split()

    @property
    def copies_to(self) -> list[str]:
        return self.document_emails.splitlines()


class CustomerWord(Base):
    """A word by which staff find a customer: of its name and e-mail address, and of its people's. See words_of.

    Kept by whatever writes a customer or a user through the ORM, in the same transaction.
    """

    __tablename__ = "customer_words"

    word: Mapped[str] = mapped_column(sorted_text(LONGEST_WORD), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), primary_key=True)

    __table_args__ = (Index("ix_customer_words_customer", "customer_id", "word"),)


def words_of(*sentences: str) -> set[str]:
    """The words of these texts as texts.fold writes them ("Église" is "eglise"); an e-mail address also as a whole, and the part after
    its @.
    """
    words: set[str] = set()
    for one in sentences:
        plain = texts.fold(one)
        words.update(re.findall(r"\w+", plain))
        for address in re.findall(r"\S+@\S+", plain):
            words.update((address, address.rpartition("@")[2]))
    return {word[:LONGEST_WORD] for word in words if word}


def keep_words(connection: Connection, customer_id: str) -> None:
    """Bring a customer's words in line with its name and its people, as the connection sees them now."""
    own = select(Customer.name, Customer.email).where(Customer.id == customer_id)
    peoples = select(User.name, User.email).where(User.customer_id == customer_id)
    words = words_of(*(text for row in connection.execute(own.union_all(peoples)) for text in row))
    of_customer = CustomerWord.customer_id == customer_id
    connection.execute(delete(CustomerWord).where(of_customer, CustomerWord.word.not_in(words)))
    upsert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Two who change a customer's people at once may bring the same word.
    connection.execute(
        upsert(CustomerWord).on_conflict_do_nothing(),
        [{"word": word, "customer_id": customer_id} for word in sorted(words)],
    )


@event.listens_for(Customer, "after_insert")
@event.listens_for(Customer, "after_update")
@event.listens_for(User, "after_insert")
@event.listens_for(User, "after_update")
def _named(_mapper: Any, connection: Connection, row: Customer | User) -> None:
    customer_id = row.id if isinstance(row, Customer) else row.customer_id
    state: Any = inspect(row)
    if customer_id is not None and any(state.attrs[name].history.has_changes() for name in ("name", "email")):
        keep_words(connection, customer_id)


class InvitationAttempt(Base):
    """An invitation that an owner sent, or wanted to send to an address that is taken: counted for a day by customer."""

    __tablename__ = "invitation_attempts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))

    __table_args__ = (Index("ix_invitation_attempts_customer", "customer_id", "at"),)
