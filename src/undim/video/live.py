"""Live sources: a camera, an address or a file, always at its newest frame."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Generic, TypeVar

from undim.errors import InputError
from undim.video.pyav import VideoFrame, av

T = TypeVar("T")
MILLISECOND = Fraction(1, 1000)
PATIENCE = 10  # seconds that an address may be silent
CAMERAS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


class Newest(Generic[T]):
    """The newest of the items that come, for a consumer of any speed: iterate, or ask with `get`.

    A thread takes the items as fast as they come into one slot; what was not fetched in time is
    overwritten, so that neither memory nor delay grows. An exception comes out once the slot is
    empty.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self.overwritten = 0
        self.ended = False  # and there is nothing left to get
        self._slot: list[T] = []
        self._error: BaseException | None = None
        self._change = threading.Condition()
        self._closed = self._exhausted = False
        threading.Thread(target=self._fill, args=(items,), daemon=True).start()

    def _fill(self, items: Iterable[T]) -> None:
        error = None
        try:
            for item in items:
                with self._change:
                    self.overwritten += len(self._slot)
                    self._slot = [item]
                    self._change.notify()
                    if self._closed:
                        break
        except BaseException as caught:  # whatever it is, it belongs to the consumer
            error = caught
        with self._change:
            self._error, self._exhausted = error, True
            self._change.notify()

    def get(self, timeout: float | None = None) -> T | None:
        """The newest item that was not given before; None after `timeout` seconds or at the end."""
        with self._change:
            self._change.wait_for(lambda: self._slot or self._exhausted, timeout)
            if self._slot:
                return self._slot.pop()
            self.ended = self._exhausted
            if self._error:
                raise self._error
            return None

    def __iter__(self) -> Iterator[T]:
        while not (self.ended or self._closed):
            item = self.get(timeout=0.5)  # without a timeout Windows would not let Ctrl-C through
            if item is not None:
                yield item

    def close(self) -> None:
        """Stop taking items."""
        self._closed = True


def frames_of(source: str) -> Iterator[VideoFrame]:
    """The frames of a live source as they come, stamped with their arrival in milliseconds from the
    first.

    source  a camera (a number, /dev/video0, or its name on Windows), an address (rtsp://, http://
            ...) or a file, which plays at its own speed
    Raises InputError where it cannot be opened.
    """
    container = _open(source)
    if not container.streams.video:
        raise InputError(f"{source} has no video")
    paced = Path(source).is_file()
    began = first = None
    with container:
        for frame in container.decode(container.streams.video[0]):
            now = time.monotonic()
            if began is None:
                began, first = now, frame.time
            if paced and frame.time is not None and first is not None:
                time.sleep(max(0.0, began + frame.time - first - now))
            frame.pts, frame.time_base = round((time.monotonic() - began) * 1000), MILLISECOND
            yield frame


def _open(source: str) -> av.container.InputContainer:
    camera = re.fullmatch(r"\d+|/dev/video\d+|video=.+", source)
    address = re.match(r"\w{2,}://", source)
    try:
        if camera:
            return av.open(_camera_name(source), format=CAMERAS.get(sys.platform, "v4l2"))
        if address:
            options = {"fflags": "nobuffer", "flags": "low_delay"}
            if source.startswith("rtsp"):
                options["rtsp_transport"] = "tcp"  # whole pictures rather than early ones
            return av.open(source, options=options, timeout=PATIENCE)
        return av.open(source)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{source} cannot be opened ({reason}); expected a camera such as 0 or /dev/video0, "
            "an address such as rtsp://host/path, or a file"
        ) from error


def _camera_name(source: str) -> str:
    return f"/dev/video{source}" if source.isdigit() and sys.platform == "linux" else source
