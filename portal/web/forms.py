"""What every form shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField

from portal.core import card_numbers
from portal.core.texts import CardNumber


class PortalForm(FlaskForm):  # type: ignore[misc]  # flask-wtf has no types
    """A form in which no field but a password takes a card number. What is sent by GET is not kept, so it is free."""

    def validate(self, extra_validators: Mapping[str, Sequence[Any]] | None = None) -> bool:
        is_valid = bool(super().validate(extra_validators))
        if not self.is_submitted():
            return is_valid
        for field in self:
            is_kept = isinstance(field, StringField) and not isinstance(field, PasswordField)
            if is_kept and card_numbers.holds_one(field.data or ""):
                field.errors = [*field.errors, gettext(CardNumber.message)]
                is_valid = False
        return is_valid
