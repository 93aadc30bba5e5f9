"""Workers: they run the jobs of portal.outbox, several at a time, and show while a job runs that they are alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

import structlog

from portal import db, outbox
from portal.outbox import Claimed

log = structlog.get_logger(__name__)

# How often an idle worker looks, in seconds: one read of a small partial index. NOTIFY would make every commit that
# enqueues queue up behind a lock of PostgreSQL's own.
POLL_SECONDS: Final = 0.25
# How often a worker asks whether a periodic job's time has come, in seconds.
LOOK_SECONDS: Final = 10
# A lease bears two heartbeats that did not arrive. Seconds.
HEARTBEAT_SECONDS: Final = 10
# No job takes so long: one that does hangs, and its lease is left to run out. Seconds.
LONGEST_RUN_SECONDS: Final = 3600


def work(
    owner: str,
    stop: threading.Event,
    threads: int = 4,
    context: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Run jobs until `stop` is set, then finish those begun. Any number of workers may run beside each other.

    No two of them may have the same `owner`. Each job runs within `context()`: the application context that sending mail needs.
    """
    next_look = 0.0
    free = threading.Semaphore(threads)
    running: dict[str, float] = {}  # since when, by the monotonic clock

    def run_and_free(job: Claimed) -> None:
        try:
            with context():
                outbox.run(job, owner)
        except Exception:
            log.exception("job_outcome_unrecorded", job_id=job.id)  # its lease runs out and it is taken again
        finally:
            running.pop(job.id, None)
            free.release()

    with _heartbeat(owner, running), ThreadPoolExecutor(threads, thread_name_prefix="job") as pool:
        while not stop.is_set():
            if not free.acquire(timeout=POLL_SECONDS):
                continue
            if stop.is_set():  # while all threads were busy: what has not begun is left to others
                break
            jobs: list[Claimed] = []
            try:
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + LOOK_SECONDS
                    _look_around()
                jobs = outbox.claim(owner, 1)
            except db.UNREACHABLE as error:
                log.error("database_unreachable", exc_info=error)
            if jobs:
                running[jobs[0].id] = time.monotonic()
                pool.submit(run_and_free, jobs[0])
            else:
                free.release()
                stop.wait(POLL_SECONDS)


def _look_around() -> None:
    """What a worker sees to now and then, whichever others do, too."""
    with db.transaction() as session:
        outbox.enqueue_periodic(session)


@contextmanager
def _heartbeat(owner: str, running: dict[str, float]) -> Iterator[None]:
    """Renew the leases of what is running, from a thread of its own, until the block ends.

    Whoever cannot renew goes on: then the job may run twice, which its handler bears.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            renewed = [one for one, since in running.copy().items() if time.monotonic() - since < LONGEST_RUN_SECONDS]
            if not renewed:
                continue
            try:
                outbox.renew(owner, renewed)
            except Exception:
                log.exception("leases_not_renewed", jobs=len(renewed))

    beating = threading.Thread(target=beat, name="heartbeat", daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
