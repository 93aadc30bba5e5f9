"""Customers (who is billed), the words that find them, and the invitations of their people that are counted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    delete,
    event,
    inspect,
    null,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from portal.content.uploads import UploadedFile
from portal.core import spelling, texts
from portal.core.db import Base, UTCDateTime, one_of, sorted_text
from portal.core.enums import EnumText
from portal.identity.models import User

LONGEST_WORD: Final = 80
_DEACTIVATED: Final = text("deactivated_at IS NOT NULL")


class OptionalMail(StrEnum):
    """What a customer may do without; documents, announced and failed payments, and all about security are sent in any case."""

    CARD_EXPIRY = "card_expiry"
    REFUND_PROGRESS = "refund_progress"


class RecipientMail(StrEnum):
    """What a further recipient of a customer's documents may get. The billed address gets all of it in any case."""

    INVOICES = "invoices"
    PAYMENT_CONFIRMATIONS = "payment_confirmations"
    CREDIT_NOTES = "credit_notes"
    REMINDERS = "reminders"


class Customer(Base):
    """A billing account: a person or a company with an address, as it stands on receipts."""

    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254))
    address: Mapped[str] = mapped_column(Text, default="")  # lines parted by a line break
    # Both once more by themselves, for programs: lines do not tell which is which.
    postal_code: Mapped[str] = mapped_column(String(20), default="")
    city: Mapped[str] = mapped_column(String(100), default="")
    country: Mapped[str] = mapped_column(String(2), default="")
    tax_id: Mapped[str] = mapped_column(String(40), default="")
    # What its invoices are sent on by, such as the Leitweg-ID of a German authority.
    buyer_reference: Mapped[str] = mapped_column(String(120), default="")
    # Where a network such as Peppol finds it, scheme and id: "0204:991-…". Who has one gets e-invoices that way as well.
    electronic_address: Mapped[str] = mapped_column(String(100), default="")
    language: Mapped[str] = mapped_column(String(8), default="en")
    # Some of OptionalMail, parted by spaces.
    unwanted_mails: Mapped[str] = mapped_column(String(200), default="")
    # Nobody is reminded of this customer's invoices by plan.
    reminders_off: Mapped[bool] = mapped_column(Boolean, default=False)
    # What the company's own systems call it; no two customers have the same.
    external_id: Mapped[str | None] = mapped_column(String(120), unique=True)
    stripe_customer_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    # The key of the request that made it, so that a second one with the key makes no second customer.
    client_key: Mapped[str | None] = mapped_column(String(80), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Rises with every change of the details: who has read an older one changes nothing.
    version: Mapped[int] = mapped_column(Integer, default=1)
    deactivated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Who it was is not known any more (portal.privacy.erasing): it stays deactivated.
    erased_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        Index("ix_customers_email", "email"),
        Index("ix_customers_created", "created_at", "id"),
        Index("ix_customers_deactivated", "created_at", "id", sqlite_where=_DEACTIVATED, postgresql_where=_DEACTIVATED),
    )

    @property
    def address_lines(self) -> list[str]:
        return [line.strip() for line in self.address.splitlines() if line.strip()]

    def wants(self, mail: OptionalMail) -> bool:
        return mail not in self.unwanted_mails.split()


class DocumentRecipient(Base):
    """A further address that gets documents of a customer, in its own language. None go there before `confirmed_at`.

    Whom staff add is trusted; an address that the customer adds is confirmed by the link in a mail, unless one of its people has proved it
    by signing in. The link opens until `expires_at`, once.
    """

    __tablename__ = "document_recipients"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    email: Mapped[str] = mapped_column(String(254))
    language: Mapped[str] = mapped_column(String(8))
    # Some of RecipientMail, parted by spaces.
    mails: Mapped[str] = mapped_column(String(200))
    # Whether the data of an invoice or a credit note comes as a file of its own besides, as programs of accounting take it.
    with_xml: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (UniqueConstraint("customer_id", "email"),)

    @property
    def gets(self) -> list[RecipientMail]:
        wanted = self.mails.split()
        return [mail for mail in RecipientMail if mail in wanted]


class CustomerWord(Base):
    """A word by which staff find a customer: of its name and e-mail address, and of its people's. See words_of.

    Kept by whatever writes a customer or a user through the ORM, in the same transaction.
    """

    __tablename__ = "customer_words"

    word: Mapped[str] = mapped_column(sorted_text(LONGEST_WORD), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), primary_key=True)

    __table_args__ = (Index("ix_customer_words_customer", "customer_id", "word"),)


class SpelledIn(StrEnum):
    """Where a word stands that is found with slips in it."""

    CUSTOMERS = "customers"
    REFERENCES = "references"


class WordTrigram(Base):
    """Three letters of a word that staff may have meant, by which it is found when it was typed with slips: see portal.core.spelling.

    A word is here once, however many customers have it; those of customers (CustomerWord) go with the last of them.
    """

    __tablename__ = "word_trigrams"

    trigram: Mapped[str] = mapped_column(sorted_text(7), primary_key=True)
    word: Mapped[str] = mapped_column(sorted_text(spelling.LONGEST), primary_key=True)
    spelled_in: Mapped[SpelledIn] = mapped_column(EnumText(SpelledIn, 12), primary_key=True)

    __table_args__ = (one_of("spelled_in", SpelledIn), {"sqlite_with_rowid": False})


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
    """Bring a customer's words in line with its name, its external ID and its people, as the connection sees them now."""
    own = select(Customer.name, Customer.email, Customer.external_id).where(Customer.id == customer_id)
    peoples = select(User.name, User.email, null()).where(User.customer_id == customer_id)
    found = (text for row in connection.execute(own.union_all(peoples)) for text in row)
    words = words_of(*(text for text in found if text))
    of_customer = CustomerWord.customer_id == customer_id
    before = set(connection.scalars(select(CustomerWord.word).where(of_customer)))
    connection.execute(delete(CustomerWord).where(of_customer, CustomerWord.word.not_in(words)))
    # Two who change a customer's people at once may bring the same word.
    connection.execute(
        _insert_missing(connection, CustomerWord),
        [{"word": word, "customer_id": customer_id} for word in sorted(words)],
    )
    keep_spellings(connection, SpelledIn.CUSTOMERS, words - before)
    if gone := before - words:
        still_there = set(connection.scalars(select(CustomerWord.word).where(CustomerWord.word.in_(gone)).distinct()))
        _drop_spellings(connection, SpelledIn.CUSTOMERS, gone - still_there)


def keep_spellings(connection: Connection, spelled_in: SpelledIn, words: Iterable[str]) -> None:
    """Have these words found with slips of the pen in them, too; those that are too short or no words are left out."""
    rows = [
        {"trigram": trigram, "word": word, "spelled_in": spelled_in}
        for word in sorted(words)
        if spelling.is_spelled(word)
        for trigram in sorted(spelling.trigrams(word))
    ]
    if rows:
        connection.execute(_insert_missing(connection, WordTrigram), rows)


def _drop_spellings(connection: Connection, spelled_in: SpelledIn, words: Iterable[str]) -> None:
    for word in sorted(words):
        connection.execute(
            delete(WordTrigram).where(
                WordTrigram.trigram.in_(spelling.trigrams(word)),
                WordTrigram.word == word,
                WordTrigram.spelled_in == spelled_in,
            )
        )


def _insert_missing(connection: Connection, table: type[Base]) -> Any:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()


@event.listens_for(Customer, "after_insert")
@event.listens_for(Customer, "after_update")
@event.listens_for(User, "after_insert")
@event.listens_for(User, "after_update")
def _named(_mapper: Any, connection: Connection, row: Customer | User) -> None:
    customer_id = row.id if isinstance(row, Customer) else row.customer_id
    state: Any = inspect(row)
    if customer_id is not None and _has_new_words(state):
        keep_words(connection, customer_id)


def _has_new_words(state: Any) -> bool:
    return any(
        state.attrs[name].history.has_changes() for name in ("name", "email", "external_id") if name in state.attrs
    )


class InvitationAttempt(Base):
    """An invitation that an owner sent, or wanted to send to an address that is taken: counted for a day by customer."""

    __tablename__ = "invitation_attempts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))

    __table_args__ = (Index("ix_invitation_attempts_customer", "customer_id", "at"),)


class CustomerFile(UploadedFile, Base):
    """A CSV file of customers that was uploaded, and is imported once its uploader has seen whom it would add."""

    __tablename__ = "customer_files"

    __table_args__ = (Index("ix_customer_files_uploaded", "uploaded_at"),)
