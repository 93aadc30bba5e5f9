"""Customers (who is billed), users (who signs in), their sessions, one-time tokens sent by mail, and what is counted."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, UTCDateTime, one_of

CUSTOMER: Final = "customer"
STAFF_ROLES: Final = ("support", "approver", "admin")
ROLES: Final = (CUSTOMER, *STAFF_ROLES)
# What someone is within their customer; policy.py says what each may do.
OWNER: Final = "owner"
PAYER: Final = "payer"
VIEWER: Final = "viewer"
CUSTOMER_ROLES: Final = (OWNER, PAYER, VIEWER)
TOKEN_PURPOSES: Final = ("invitation", "password_reset", "confirm_email")


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
    stripe_customer_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    __table_args__ = (Index("ix_customers_email", "email"), Index("ix_customers_created", "created_at", "id"))

    @property
    def address_lines(self) -> list[str]:
        return [line.strip() for line in self.address.splitlines() if line.strip()]


class User(Base):
    """One who signs in: with a customer for customers' people, without one for staff. E-mails are kept in lower case."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("customers.id"))
    customer_role: Mapped[str | None] = mapped_column(String(10))
    password_hash: Mapped[str | None] = mapped_column(String(200))  # none until an invitation is taken up
    language: Mapped[str] = mapped_column(String(8), default="en")
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    customer: Mapped[Customer | None] = relationship(lazy="raise")

    __table_args__ = (
        one_of("role", ROLES),
        one_of("customer_role", CUSTOMER_ROLES),
        CheckConstraint("(role = 'customer') = (customer_id IS NOT NULL)", name="customer_of_customers_only"),
        CheckConstraint("(role = 'customer') = (customer_role IS NOT NULL)", name="customer_role_of_customers_only"),
        Index("ix_users_customer", "customer_id"),
    )


class SignInSession(Base):
    """A signed-in browser. The cookie holds a random token; the row holds its SHA-256, so a dump opens nothing."""

    __tablename__ = "sign_in_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ip: Mapped[str] = mapped_column(String(45), default="")
    user_agent: Mapped[str] = mapped_column(String(200), default="")

    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (Index("ix_sign_in_sessions_user", "user_id", "ended_at"),)


class AccountToken(Base):
    """A one-time link sent by mail. The token is derived from `id` and the secret key; its SHA-256 is what is looked up."""

    __tablename__ = "account_tokens"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    purpose: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (one_of("purpose", TOKEN_PURPOSES), Index("ix_account_tokens_user", "user_id", "purpose"))


class InvitationTry(Base):
    """An invitation that an owner sent, or wanted to send to an address that is taken: counted for a day by customer."""

    __tablename__ = "invitation_tries"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))

    __table_args__ = (Index("ix_invitation_tries_customer", "customer_id", "at"),)


class SignInAttempt(Base):
    """A wrong password, or one whose check has begun: counted by e-mail and by network, so that guessing is slowed on both.

    `network` is an IPv4 address, or the /64 of an IPv6 one: that much of it belongs to one subscriber.
    """

    __tablename__ = "sign_in_attempts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    email: Mapped[str] = mapped_column(String(254))
    network: Mapped[str] = mapped_column(String(45))

    __table_args__ = (
        Index("ix_sign_in_attempts_email", "email", "at"),
        Index("ix_sign_in_attempts_network", "network", "at"),
        Index("ix_sign_in_attempts_at", "at"),
    )
