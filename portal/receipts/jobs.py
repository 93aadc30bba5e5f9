"""The jobs of receipts: each does one phase, and each may run twice."""

from portal.outbox import handles
from portal.receipts import email, service


@handles(service.ISSUE)
def issue(payment_id: str) -> None:
    """Left by the transaction that settled the payment."""
    service.issue(payment_id)


@handles(service.RENDER)
def render(receipt_id: str) -> None:
    service.render(receipt_id)


@handles(service.MAIL_AGAIN)
def send_again(receipt_id: str, occasion: str) -> None:
    """Left by a member of staff."""
    email.send_again(receipt_id, occasion)


@handles(service.MAIL)
def send(receipt_id: str) -> None:
    email.send(receipt_id)
