"""Users (who signs in), their sessions, second factors and one-time links, the apps and API clients, and what is counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core import time_zones
from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.core.permissions import Role


class CustomerRole(StrEnum):
    """What someone is within their customer."""

    OWNER = "owner"
    PAYER = "payer"
    VIEWER = "viewer"


class TokenPurpose(StrEnum):
    """What a one-time link is for."""

    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"  # noqa: S105
    CONFIRM_EMAIL = "confirm_email"
    SIGN_IN = "sign_in"


class Proof(StrEnum):
    """What is tried by someone who wants in."""

    PASSWORD = "password"  # noqa: S105
    CODE = "code"
    LINK = "link"  # the code of a mail with a link to sign in


# How long a session lasts without being used, and at all.
IDLE: Final = {"customer": timedelta(minutes=30), "staff": timedelta(minutes=15)}
LONGEST: Final = {"customer": timedelta(hours=12), "staff": timedelta(hours=8)}
# Likewise for an app that someone signed in with: it lasts as long as its refresh tokens are used.
APP_IDLE: Final = {"customer": timedelta(days=14), "staff": timedelta(hours=8)}
APP_LONGEST: Final = {"customer": timedelta(days=90), "staff": timedelta(hours=12)}


class User(Base):
    """One who signs in: with a customer for customers' people, without one for staff. E-mails are kept in lower case."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(EnumText(Role, 20))
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("customers.id"))
    customer_role: Mapped[CustomerRole | None] = mapped_column(EnumText(CustomerRole, 10))
    password_hash: Mapped[str | None] = mapped_column(String(200))  # none until an invitation is taken up
    language: Mapped[str] = mapped_column(String(8), default="en")
    # What they chose, and what their browser said when they signed in last: a name such as "Europe/Berlin", or "".
    time_zone: Mapped[str] = mapped_column(String(time_zones.LONGEST_NAME), default="")
    guessed_time_zone: Mapped[str] = mapped_column(String(time_zones.LONGEST_NAME), default="")
    # Whether single keys do something in their browser (J and K in lists, "/" for the search); a person may want none of it.
    shortcuts: Mapped[bool] = mapped_column(Boolean, default=True)
    # Of staff who sign in at the company's identity provider: its issuer and its name for them.
    provider_subject: Mapped[str | None] = mapped_column(String(400), unique=True)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    # Their access ended because their customer was deactivated, and comes back with it.
    ended_with_customer: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Of staff: since when they have it again after it had ended, and when they were told that it ends because they do not use it.
    access_restored_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    inactivity_warned_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        one_of("role", Role),
        one_of("customer_role", CustomerRole),
        CheckConstraint("(role = 'customer') = (customer_id IS NOT NULL)", name="customer_of_customers_only"),
        CheckConstraint("(role = 'customer') = (customer_role IS NOT NULL)", name="customer_role_of_customers_only"),
        Index("ix_users_customer", "customer_id"),
    )

    @property
    def zone(self) -> ZoneInfo:
        """Whose clocks this user reads times by: chosen, else guessed, else the company's."""
        return time_zones.first_known(self.time_zone, self.guessed_time_zone)


class SignInSession(Base):
    """A signed-in browser. The cookie holds a random token; the row holds its SHA-256, so a dump opens nothing."""

    __tablename__ = "sign_in_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    proved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # when the password was asked for again, and right
    # Of a member of staff who views a customer's account in this browser, as the customer sees it.
    viewing_id: Mapped[str | None] = mapped_column(ForeignKey("account_viewings.id"))
    # Begun with a passkey whose authenticator knew its owner: that is two factors at once.
    by_passkey: Mapped[bool] = mapped_column(Boolean, default=False)
    by_provider: Mapped[bool] = mapped_column(Boolean, default=False)  # the identity provider has proved who it is
    # Opened by a system of the company's, which vouches for who it is (see PortalSession).
    api_client_id: Mapped[str | None] = mapped_column(ForeignKey("api_clients.id"))
    ip: Mapped[str] = mapped_column(String(45), default="")
    user_agent: Mapped[str] = mapped_column(String(200), default="")

    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        Index("ix_sign_in_sessions_user", "user_id", "ended_at"),
        Index(
            "ix_sign_in_sessions_api_client",
            "api_client_id",
            sqlite_where=text("api_client_id IS NOT NULL"),
            postgresql_where=text("api_client_id IS NOT NULL"),
        ),
    )


class PortalSession(Base):
    """A one-time address by which a system of the company's opens a session for one of a customer's people, at the page `opens` (a path).

    The row holds the SHA-256 of its secret.
    """

    __tablename__ = "portal_sessions"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    api_client_id: Mapped[str] = mapped_column(ForeignKey("api_clients.id"))
    opens: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        Index("ix_portal_sessions_user", "user_id"),
        Index("ix_portal_sessions_expires", "expires_at"),
    )


class AccountViewing(Base):
    """A member of staff viewed, or views, a customer's account as the customer sees it, until `ends_at` or earlier. The customer is shown
    when and why.
    """

    __tablename__ = "account_viewings"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    customer_name: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(300))
    begun_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (Index("ix_account_viewings_customer", "customer_id", "begun_at"),)


_OPEN: Final = text("ended_at IS NULL")


class AppGrant(Base):
    """An app that a user has signed in with: what it may do (`scopes`, parted by spaces), and whether it still may.

    Its access tokens name it, so that they open nothing any more once it has ended.
    """

    __tablename__ = "app_grants"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    scopes: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_why: Mapped[str] = mapped_column(String(40), default="")
    ip: Mapped[str] = mapped_column(String(45), default="")
    user_agent: Mapped[str] = mapped_column(String(200), default="")

    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        Index("ix_app_grants_user", "user_id", "created_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_app_grants_last_used", "last_used_at"),
    )


class RefreshToken(Base):
    """One link of a grant's chain of refresh tokens, each good once. The row holds the token's SHA-256."""

    __tablename__ = "refresh_tokens"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("app_grants.id"))
    issued_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    grant: Mapped[AppGrant] = relationship(lazy="raise")

    __table_args__ = (Index("ix_refresh_tokens_grant", "grant_id"),)


class ApiClient(Base):
    """Another system of the company's that calls the JSON API. The secret is shown once; the row holds its SHA-256.

    `names_end_users`: what it says of the address from which an end user calls through it is believed.
    """

    __tablename__ = "api_clients"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    secret_hash: Mapped[str] = mapped_column(String(64))
    # The secret before this one opens as well until then; who has seen it.
    old_secret_hash: Mapped[str | None] = mapped_column(String(64))
    old_secret_by: Mapped[str | None] = mapped_column(String(40))
    old_secret_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    scopes: Mapped[str] = mapped_column(Text)
    names_end_users: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (Index("ix_api_clients_created", "created_at", "id"),)


class AccountToken(Base):
    """A one-time link sent by mail. The token is derived from `id` and the secret key; its SHA-256 is what is looked up."""

    __tablename__ = "account_tokens"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    purpose: Mapped[TokenPurpose] = mapped_column(EnumText(TokenPurpose, 20))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Of a link to sign in: the SHA-256 of what the browser keeps that asked for it, and that alone it signs in.
    browser_hash: Mapped[str | None] = mapped_column(String(64))

    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (one_of("purpose", TokenPurpose), Index("ix_account_tokens_user", "user_id", "purpose"))


class EmailChange(Base):
    """Another address that a user is to sign in with, and has to be proved by a link sent there. The old one gets a link that stops it,
    or takes it back.

    Both tokens are derived from `id` as those of AccountToken are. It is open while `ended_at` is none and `expires_at` to come.
    """

    __tablename__ = "email_changes"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    old_email: Mapped[str] = mapped_column(String(254))
    new_email: Mapped[str] = mapped_column(String(254))
    asked_by: Mapped[str] = mapped_column(ForeignKey("users.id"))  # the user themselves, or one of the staff
    confirm_hash: Mapped[str] = mapped_column(String(64), unique=True)
    stop_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # stopped, taken back, or replaced by another one

    __table_args__ = (Index("ix_email_changes_user", "user_id", "created_at"),)


class SecondFactor(Base):
    """The app that shows a user's codes. Its secret is encrypted, see codes.py; it counts once the first code was typed.

    An empty secret is none: the app was lost, and no other one is being set up yet.
    """

    __tablename__ = "second_factors"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(String(255))
    # Of the secret key that it is encrypted under; empty for those that were encrypted before keys had names.
    key_name: Mapped[str] = mapped_column(String(8), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    enabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Since when it has to be set up anew: until then a recovery code is asked for in its place.
    lost_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Of the last code that was used, in 30 seconds since 1970: none before it is good any more.
    last_step: Mapped[int | None] = mapped_column(BigInteger)


class SecondFactorReset(Base):
    """One admin has asked to reset the second factor of a member of staff, and a second one has not confirmed it yet."""

    __tablename__ = "second_factor_resets"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    asked_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Passkey(Base):
    """A key on a device of a user's, by which they sign in without a password. Only its public half is here.

    `id` is what the authenticator calls it, in base64url; `sign_count` the last one it told, 0 for those that do not count.
    """

    __tablename__ = "passkeys"

    id: Mapped[str] = mapped_column(String(1400), primary_key=True)  # 1,023 bytes at most (WebAuthn)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(80))
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    is_synced: Mapped[bool] = mapped_column(Boolean)  # kept by a password manager, and so on several devices
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (Index("ix_passkeys_user", "user_id", "created_at"),)


class PasskeyChallenge(Base):
    """Random bytes that an authenticator has to sign, kept as their SHA-256 until they are answered, once.

    `user_id` is whose passkey is being made or asked for again; none for signing in, where nobody is known yet.
    """

    __tablename__ = "passkey_challenges"

    challenge_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)

    __table_args__ = (Index("ix_passkey_challenges_expires", "expires_at"),)


class RecoveryCode(Base):
    """In place of a code, for who has no phone at hand: good once, kept as a keyed hash."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    # Of the secret key that it is hashed under, as of a second factor.
    key_name: Mapped[str] = mapped_column(String(8), default="")
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class SignInAttempt(Base):
    """A wrong password or code, or one whose check has begun: counted by e-mail and by network, so that guessing is slowed on
    both.

    `proof` is what was tried: a password, a code of the second factor, or the code of a mail.
    `network` is an IPv4 address, or the /64 of an IPv6 one: that much of it belongs to one subscriber.
    """

    __tablename__ = "sign_in_attempts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    email: Mapped[str] = mapped_column(String(254))
    network: Mapped[str] = mapped_column(String(45))
    proof: Mapped[Proof] = mapped_column(EnumText(Proof, 10))

    __table_args__ = (
        one_of("proof", Proof),
        Index("ix_sign_in_attempts_email", "email", "at"),
        Index("ix_sign_in_attempts_network", "network", "at"),
        Index("ix_sign_in_attempts_at", "at"),
    )
