"""What somebody who pays by a link may type."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import EmailField

from portal.web.resuming import ResumableForm


class ReceiptForm(ResumableForm):
    """Sent along with the press that begins the payment."""

    receipt_to = EmailField(
        _("Send me the receipt, too"),
        description=_("The receipt goes to whoever gets the invoices. Enter your e-mail address if you want a copy."),
    )
