"""Stub."""

from sqlalchemy.orm import Session


def blocking(_session: Session, _payment_id: str) -> object | None:
    return None
