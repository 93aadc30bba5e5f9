"""Jobs of automatic payment; each may run twice."""

from portal.jobs import outbox
from portal.mandates import email, service


@outbox.handles("mandates.sweep", every_seconds=300)
def sweep() -> None:
    service.sweep()


@outbox.handles("mandates.collect")
def collect(collection_id: str) -> None:
    service.collect(collection_id)


@outbox.handles("mandates.mail_switched")
def mail_switched(mandate_id: str, on: int) -> None:
    email.send_switched(mandate_id, on=bool(on))


@outbox.handles("mandates.mail_notice")
def mail_notice(collection_id: str) -> None:
    email.send_notice(collection_id)


@outbox.handles("mandates.mail_failure")
def mail_failure(
    collection_id: str,
    number: int,
    code: str,
    decline_code: str,
    again_at: str | None,
    payment_id: str | None,
    advice_code: str = "",  # jobs of before it was kept have none
) -> None:
    email.send_failure(collection_id, number, code, decline_code, advice_code, again_at, payment_id)


@outbox.handles("mandates.mail_staff")
def mail_staff(collection_id: str) -> None:
    email.send_to_staff(collection_id)
