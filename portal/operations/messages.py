"""What a failure of a job means, as a sentence for staff: by the name of what was raised, with which the queue's text of it begins."""

from __future__ import annotations

import re
from typing import Final

from portal.core.errors import N_

_STRIPE_SILENT: Final = N_("Stripe did not answer, or answered with a failure of its own.")
_DATABASE_SILENT: Final = N_("The database did not answer, or is full or read-only.")
_NOT_REACHED: Final = N_("A server was not reached.")

_BY_NAME: Final = {
    "SMTPAuthenticationError": N_("The mail server refuses the user name or the password."),
    "SMTPRecipientsRefused": N_("The mail server does not accept e-mails to this address."),
    "SMTPSenderRefused": N_("The mail server does not accept e-mails from our address."),
    "NotReachable": N_("The mail server takes only addresses in plain letters."),
    "RefusedParameter": N_("Stripe refuses something that was sent."),
    "Misconfigured": N_("Stripe refuses our key, or something that the account may not do."),
    "IdempotencyMisuse": N_("Stripe knows this key with other content; a person must look at it."),
    "MissingAtStripe": N_("Stripe does not know what this is about."),
    "RateLimited": N_("Stripe asks us to call less often."),
    "Unavailable": _STRIPE_SILENT,
    "Busy": _STRIPE_SILENT,
    "KeyInUse": _STRIPE_SILENT,
    "KeptFailure": _STRIPE_SILENT,
    "OperationalError": _DATABASE_SILENT,
    "InterfaceError": _DATABASE_SILENT,
    "InternalError": _DATABASE_SILENT,
    "PermissionError": N_("A file may not be written or read."),
    "ConnectionRefusedError": _NOT_REACHED,
    "ConnectionResetError": _NOT_REACHED,
    "TimeoutError": _NOT_REACHED,
    "gaierror": _NOT_REACHED,
}
_BY_TEXT: Final = {
    "no space left": N_("A disk is full."),
    "nothing here handles": N_("This worker is of a release that does not know this kind of job."),
    "the worker died": N_("The worker ended while it ran this, each time."),
}
_SMTP: Final = N_("The mail server did not accept the e-mail.")
OTHER: Final = N_("It failed for a reason of its own; the text below says which.")


def of_failure(error: str) -> str:
    """The sentence, in English, as it stands in the catalogues; "" when nothing failed."""
    if not error:
        return ""
    if by_text := next((sentence for words, sentence in _BY_TEXT.items() if words in error.lower()), ""):
        return by_text
    name = name_of(error)
    return _BY_NAME.get(name, _SMTP if name.startswith("SMTP") else OTHER)


def name_of(error: str) -> str:
    """What was raised: "OperationalError" of "sqlalchemy.exc.OperationalError: …"."""
    found = re.match(r"[\w.]+", error)
    return found[0].rpartition(".")[2] if found else ""
