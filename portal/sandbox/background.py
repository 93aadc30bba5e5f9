"""The thread behind the API: carries out what is due and sends webhooks."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from portal.sandbox import deliveries
from portal.sandbox.deliveries import LONGEST_WAIT, Delivery
from portal.sandbox.world import Sandbox

log = logging.getLogger(__name__)


class Background:
    """Runs until it is stopped; `start` and `stop` may be called again."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._free = threading.Semaphore(sandbox.settings.webhook_workers)

    def start(self) -> None:
        if self._thread is not None:
            return
        deliveries.take_back_interrupted(self._sandbox)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="sandbox-background", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way and end the thread."""
        if self._thread is None:
            return
        self._stopping.set()
        self._sandbox.wake()
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        with ThreadPoolExecutor(self._sandbox.settings.webhook_workers, "sandbox-webhook") as pool:
            while not self._stopping.is_set():
                try:
                    busy = self._turn(pool)
                except Exception:
                    log.exception("the sandbox's background thread stumbled")
                    busy = False
                if not busy:
                    self._rest()

    def _turn(self, pool: ThreadPoolExecutor) -> bool:
        """One look at the queues; returns whether there was anything to do."""
        busy = self._sandbox.run_due_effects() > 0
        while not self._stopping.is_set() and self._free.acquire(blocking=False):
            delivery = deliveries.claim(self._sandbox)
            if delivery is None:
                self._free.release()
                break
            busy = True
            pool.submit(deliveries.deliver, self._sandbox, delivery).add_done_callback(partial(self._sent, delivery))
        return busy

    def _sent(self, delivery: Delivery, done: Future[None]) -> None:
        problem = done.exception()
        if problem is not None:
            log.error("delivery %s failed inside the sandbox", delivery.seq, exc_info=problem)
        self._free.release()
        self._sandbox.wake()

    def _rest(self) -> None:
        times = (self._sandbox.seconds_to_next_effect(), deliveries.seconds_to_next(self._sandbox))
        wait = min([LONGEST_WAIT, *(seconds for seconds in times if seconds is not None)])
        with self._sandbox.work_waiting:
            if not self._stopping.is_set() and wait > 0:
                self._sandbox.work_waiting.wait(wait)
