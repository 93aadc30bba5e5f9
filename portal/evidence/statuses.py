"""Where the evidence for a dispute stands.

draft → proposed → sending → sent            one person proposes, another one sends
     ↖ taken back      ↘ refused → draft     Stripe refuses it; it can be edited and proposed again while the bank waits
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class EvidenceStatus(StrEnum):
    DRAFT = "draft"
    PROPOSED = "proposed"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"


# It may be changed, and proposed again. What is proposed may be changed as well, and is a draft then.
EDITABLE: Final = frozenset({EvidenceStatus.DRAFT, EvidenceStatus.PROPOSED, EvidenceStatus.REFUSED})
