"""What one request may cost, and how many may be served at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from undim.pixels.kernel import thread_count
from undim.server.problems import Problem

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Each bound has its own answer (see `undim.server.problems`). They bound the memory of the
    server: `(concurrency + queue) * body_bytes` for uploads, for work about `concurrency * pixels`
    times 14 bytes (28 where WebP is written, 48 for AVIF) and 0.4 GB for each call with
    `denoise=learned`, and for answers that are read slowly `connections` times their size.
    """

    body_bytes: int = 64_000_000
    pixels: int = 64_000_000
    concurrency: int = field(default_factory=lambda: thread_count(None))
    queue: int = 16
    connections: int = 256
    header_seconds: float = 10.0
    upload_seconds: float = 60.0
    work_seconds: float = 60.0


class Workers:
    """A few threads and a short queue before them; who finds it full is turned away at once.

    A request holds one of `concurrency + queue` places from the end of its upload until its answer,
    so that waiting requests cannot pile up and slow uploads keep nobody out. All uploads together
    may hold as many bytes as the largest ones in every place.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.places = limits.concurrency + limits.queue
        self.taken = 0
        self.uploaded = 0
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix="undim") for _ in range(limits.concurrency)
        ]
        for thread in self._threads:
            thread.submit(int)  # starts it, so that no request finds that no thread can be started
        # The thread that worked last is taken first: its share of the memory is warm. One executor
        # of several threads would take them in turn, which costs a client by itself a sixth of the
        # throughput.
        self._idle = list(self._threads)
        self._turn = asyncio.Semaphore(limits.concurrency)  # who waits longest is next

    @contextmanager
    def place(self) -> Iterator[None]:
        self._refuse_if_full()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    @contextmanager
    def upload(self) -> Iterator[Callable[[int], None]]:
        """A function that is told of each piece of an upload, which counts as held until the block
        ends.
        """
        self._refuse_if_full()  # before anything is read; the place itself is taken after that
        size = 0

        def grow(count: int) -> None:
            nonlocal size
            if self.uploaded + count > self.places * self.limits.body_bytes:
                raise _full("other uploads fill the memory")
            size += count
            self.uploaded += count

        try:
            yield grow
        finally:
            self.uploaded -= size

    def _refuse_if_full(self) -> None:
        if self.taken >= self.places:
            raise _full(f"all {self.places} places are taken")

    async def run(self, request: Request, function: Callable[[bytes], T], upload: bytes) -> T:
        """`function(upload)` from a worker thread, if the client of `request` stays to hear it.

        Where the client leaves or the time is up, a call that has not begun is taken back; one that
        runs already cannot be stopped and keeps its thread, but no longer its place.
        """
        work = asyncio.create_task(self._call(function, upload))
        gone = asyncio.create_task(_disconnection(request))
        try:
            either: set[asyncio.Future[Any]] = {work, gone}
            await asyncio.wait(
                either, timeout=self.limits.work_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if work.done():
                return work.result()
            if gone.done():
                raise ClientDisconnect
            raise Problem(
                "work-timeout",
                f"no result within {self.limits.work_seconds:g} s; send a smaller picture",
            )
        finally:
            gone.cancel()
            work.cancel()

    async def _call(self, function: Callable[[bytes], T], upload: bytes) -> T:
        await self._turn.acquire()
        thread = self._idle.pop()

        def give_back() -> None:
            self._idle.append(thread)
            self._turn.release()

        try:
            result = asyncio.get_running_loop().run_in_executor(thread, function, upload)
        except RuntimeError:  # the server is closing
            give_back()
            raise

        def done(result: asyncio.Future[T]) -> None:
            give_back()
            if not result.cancelled():
                result.exception()  # is seen here, should nobody wait for it any more

        result.add_done_callback(done)
        await asyncio.wait(
            [result]
        )  # which never cancels it: a thread that works is not idle, whoever left
        return result.result()

    def close(self) -> None:
        for thread in self._threads:
            thread.shutdown(wait=False)


def _full(cause: str) -> Problem:
    return Problem("queue-full", f"{cause}; try again in a second", {"Retry-After": "1"})


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
