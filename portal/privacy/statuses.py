"""What has become of the wish that a customer be erased."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ErasureStatus(StrEnum):
    """requested → approved | rejected | withdrawn, approved → done. What is approved is done by a job, and cannot be called back."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    DONE = "done"


# Not at its end: a customer has one of these at most.
OPEN: Final = (ErasureStatus.REQUESTED, ErasureStatus.APPROVED)
