"""A mail server for measurements, in a process of its own: takes every mail and keeps none. Prints its port."""

from __future__ import annotations

import time

from tests.smtp import Mailbox

if __name__ == "__main__":
    box = Mailbox()
    print(f"port {box.port}", flush=True)
    while True:
        time.sleep(1)
        box.messages.clear()
