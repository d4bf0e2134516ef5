"""One thread that writes answers, one after another, and the bounded queue before it."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from loguru import logger

from serve.engine import Engine, Piece, Sampling
from serve.errors import ApiError


@dataclass
class Timing:
    """Seconds since the request was queued, by the monotonic clock."""

    queued: float = 0.0
    began: float = 0.0
    first: float = 0.0
    ended: float = 0.0


class Job:
    """One answer: asked for in an event loop, written in the worker's thread."""

    def __init__(self, ids: Sequence[int], sampling: Sampling) -> None:
        self.ids, self.sampling = ids, sampling
        self.timing = Timing(queued=time.monotonic())
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Piece | Exception] = asyncio.Queue()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Nobody waits for it any more: it ends before its next token, or never begins."""
        self._cancelled.set()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled.is_set()

    def put(self, event: Piece | Exception) -> None:
        """From the worker's thread. A loop that has ended has nobody who waits."""
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:
            self.cancel()

    async def pieces(self, patience: float) -> AsyncIterator[Piece | None]:
        """The answer as it is written; None when nothing came for `patience` seconds. Cancels the job when it is left early."""
        try:
            while True:
                try:
                    event = await asyncio.wait_for(self._events.get(), patience)
                except TimeoutError:
                    yield None
                    continue
                if isinstance(event, Exception):
                    raise event
                yield event
                if event.finish:
                    return
        finally:
            self.cancel()


class Worker:
    """llama.cpp's context holds one conversation at a time, so requests take turns in the order in which they came."""

    def __init__(self, engine: Engine, waiting: int) -> None:
        self._engine, self._limit = engine, waiting
        self._jobs: deque[Job] = deque()
        self._current: Job | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Raises ApiError (429) when too many wait already; those whose clients have left do not count."""
        with self._changed:
            self._jobs = deque(job for job in self._jobs if not job.cancelled())
            if self._closed:
                raise ApiError(503, "shutting_down", "the server is shutting down")
            if len(self._jobs) >= self._limit:
                raise ApiError(429, "queue_full", f"{self._limit} requests wait already: try again later")
            self._jobs.append(job)
            self._changed.notify()

    def waiting(self) -> int:
        """Requests that wait for their turn."""
        with self._changed:
            return sum(not job.cancelled() for job in self._jobs)

    def close(self) -> None:
        """Ends the answer that is being written and all that wait, then the thread."""
        with self._changed:
            self._closed = True
            for job in (*self._jobs, *([self._current] if self._current else [])):
                job.cancel()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._current = None
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                job = self._current = self._jobs.popleft()
            if job.cancelled():
                job.put(Piece("", 0, "cancelled"))
            else:
                self._write(job)

    def _write(self, job: Job) -> None:
        job.timing.began = time.monotonic()
        try:
            for piece in self._engine.generate(job.ids, job.sampling, job.cancelled):
                job.timing.ended = time.monotonic()
                job.timing.first = job.timing.first or job.timing.ended
                job.put(piece)
        except Exception as error:  # one request's fault must not end the thread that all others wait for
            logger.exception("an answer could not be written")
            job.put(error)
