"""Stages of a pipeline that overlap, each in a thread of its own, and a way to stop them between
two frames.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], depth: int) -> Generator[T]:
    """The same items in the same order, computed in a thread up to `depth` ahead of whoever takes
    them.

    An exception comes out where its item would have; `close` ends the thread at its next item.
    NumPy, ONNX Runtime, the native kernel and FFmpeg release the interpreter lock, so that stages
    overlap.
    """
    waiting: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[T] | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item,)):
                    return
            put(None)
        except BaseException as error:  # whatever it is, it belongs to the consumer
            put(error)
        finally:
            if isinstance(items, Generator):
                items.close()

    def take() -> tuple[T] | BaseException | None:
        while True:
            try:
                return waiting.get(
                    timeout=0.5
                )  # without a timeout Windows would not let Ctrl-C through
            except queue.Empty:
                continue

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while (entry := take()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        stopped.set()
        thread.join()


def stoppable(
    work: Callable[[], object],
    stop: Callable[[], object],
    tick: Callable[[], object] = lambda: None,
) -> bool:
    """Do the work, and call `tick` five times a second; on Ctrl-C call `stop`, and wait for the
    work to end.

    The work is in another thread, so that Ctrl-C never tears a frame or loses a packet. Returns
    whether there was a Ctrl-C; an exception of the work comes out of here.
    """
    interrupted = False
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(work)
        try:
            while not wait([job], timeout=0.2).done:
                tick()
        except KeyboardInterrupt:
            interrupted = True
            stop()
        job.result()
    return interrupted
