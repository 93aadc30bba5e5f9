"""A mailbox at the other end of a real SMTP connection."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections import deque
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.waiting import eventually

# A test that forks while the mailbox's thread writes a line would leave that line's lock closed in the child, for ever.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class Mailbox:
    """Takes every mail on a port of 127.0.0.1 and keeps it in order; can be told to refuse."""

    def __init__(self, *, takes_unicode: bool = True, context: ssl.SSLContext | None = None) -> None:
        """`takes_unicode` is what the server says of addresses with any letters (SMTPUTF8); with a `context` it offers STARTTLS."""
        self._takes_unicode = takes_unicode
        self._context = context
        self.messages: list[EmailMessage] = []
        self.connections: list[SMTP] = []
        self._refusals: deque[str] = deque()
        self._refused: str | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp", daemon=True)
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self._server = listening.result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def wait_for(self, count: int, *, to: str | None = None, within: float = 10.0) -> list[EmailMessage]:
        """The mails (to one address), oldest first, once there are `count` of them. Raises AssertionError when they do not come."""

        def found() -> list[EmailMessage]:
            return [message for message in self.messages if to in (None, message["To"])]

        eventually(lambda: len(found()) >= count, within=within, what=f"{count} mails")
        return found()

    def refuse_next(self, *answers: str, to: str | None = None) -> None:
        """Answer the next mails (to one address) with these lines, such as "451 4.3.0 come again"; after them mails are taken
        again.
        """
        self._refusals.extend(answers)
        self._refused = to

    def hang_up(self) -> None:
        """End all connections, as servers do after some time."""

        async def end() -> None:
            for connection in self.connections:
                if connection.transport is not None:
                    connection.transport.close()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)

    def take_again(self) -> None:
        """Forget the refusals that were to come."""
        self._refusals.clear()

    @property
    def refusals_left(self) -> int:
        return len(self._refusals)

    def clear(self) -> None:
        self.messages.clear()
        self._refusals.clear()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        if self._refusals and self._refused in (None, *envelope.rcpt_tos):
            return self._refusals.popleft()
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    async def _listen(self) -> asyncio.Server:
        def serve() -> SMTP:
            connection = SMTP(
                self, hostname="mailbox.test", enable_SMTPUTF8=self._takes_unicode, tls_context=self._context
            )
            self.connections.append(connection)
            return connection

        return await self._loop.create_server(serve, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        for connection in self.connections:
            if isinstance(connection.transport, asyncio.Transport):
                connection.transport.abort()  # TLS would wait for a client who says goodbye
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # in the next turn of the loop the sockets are closed


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """What the mail says, as plain text or as "html"."""
    part = message.get_body((kind,))
    assert part is not None, f"the mail has no part {kind}"
    return str(part.get_content())


def attachment(message: EmailMessage, content_type: str = "application/pdf") -> Any:
    """The content of the only attachment of that type."""
    found = [part for part in message.iter_attachments() if part.get_content_type() == content_type]
    assert len(found) == 1, [part.get_content_type() for part in message.iter_attachments()]
    return found[0].get_content()
