"""Every failure the portal tells a person or an app about.

A PortalError carries a code for programs, an HTTP status and a message that is safe to show to a
customer: no identifiers of other people, no internals. Its cause stays in `__cause__` and in the log.
"""

from collections.abc import Mapping


def N_(message: str) -> str:
    """Mark an English text for the catalogues; it is translated where it is shown."""
    return message


class PortalError(Exception):
    """The root of the tree.

    `message` is an English template in the catalogues; `facts` fill its `%(name)s` places after translation. The fact `existing_id` is
    told to programs besides: of a refusal because something is there already.
    """

    code = "error"
    status = 500
    message = N_("Something went wrong on our side. Please try again in a moment.")

    def __init__(self, message: str | None = None, /, *, code: str | None = None, **facts: object) -> None:
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code
        self.facts: Mapping[str, object] = facts
        super().__init__(self.text())

    def text(self) -> str:
        """The English message with its facts filled in."""
        return self.message % self.facts if self.facts else self.message


class NotFound(PortalError):
    """There is no such thing, or it is someone else's: the two are never told apart."""

    code = "not_found"
    status = 404
    message = N_("We could not find that page. It may have moved, or it belongs to another account.")


class OtherRole(NotFound):
    """It is there, for staff with another role: told like what is not there, and recorded like what is forbidden."""


class Forbidden(PortalError):
    code = "forbidden"
    status = 403
    message = N_("Your account is not allowed to do this.")


class SignInRequired(PortalError):
    code = "sign_in_required"
    status = 401
    message = N_("Please sign in first.")


class ProofOutdated(PortalError):
    """Something weighty is asked for, and it is a while since the one who is signed in has proved who they are."""

    code = "proof_outdated"
    status = 401
    message = N_("Please confirm your password to continue.")


class Invalid(PortalError):
    """What was sent cannot be used; `field` names the form field or API key that it is about, if one."""

    code = "invalid"
    status = 422
    message = N_("Please check what you entered.")

    def __init__(
        self, message: str | None = None, /, *, field: str | None = None, code: str | None = None, **facts: object
    ) -> None:
        self.field = field
        super().__init__(message, code=code, **facts)


class Conflict(PortalError):
    """The thing is in a state that does not allow this (a paid invoice cannot be paid)."""

    code = "conflict"
    status = 409
    message = N_("This is no longer possible, because something has changed in the meantime. Please reload the page.")


class RateLimited(PortalError):
    """Too many attempts. `retry_after` is in seconds."""

    code = "rate_limited"
    status = 429
    message = N_("Too many attempts. Please wait a moment and try again.")

    def __init__(self, message: str | None = None, /, *, retry_after: int = 60, **facts: object) -> None:
        self.retry_after = retry_after
        super().__init__(message, code=None, **facts)


class Declined(PortalError):
    """The bank said no. `decline_code` is Stripe's; the message says what to do next."""

    code = "card_declined"
    status = 402
    message = N_("Your card was declined. Please use another card or ask your bank.")

    def __init__(
        self,
        message: str | None = None,
        /,
        *,
        decline_code: str | None = None,
        code: str | None = None,
        **facts: object,
    ) -> None:
        self.decline_code = decline_code
        super().__init__(message, code=code, **facts)


class NotYet(PortalError):
    """It is being made and will be there in a moment: nothing is wrong. `retry_after` is in seconds."""

    code = "not_yet"
    status = 503
    message = N_("This is being created. Please try again in a moment.")
    retry_after = 2


class Unavailable(PortalError):
    """A service that we need (Stripe, the mail server, the database) does not answer now."""

    code = "unavailable"
    status = 503
    message = N_("Our payment provider is not responding. Please try again in a minute.")
    retry_after = 30
