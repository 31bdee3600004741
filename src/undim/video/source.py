"""The file that a video is read from: frames of one stream, packets of all others, in the file's
order.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from undim.errors import InputError
from undim.video.pyav import Disposition, Packet, Stream, VideoFrame, VideoStream, av

TAIL = 1  # seconds beyond the end that are still searched for packets of other streams
SLACK = 0.5  # seconds by which containers misstate their length without harm


class Source:
    """A video file being read, once: iterate over it for its decoded frames and the packets of
    other streams.

    start, end  seconds from the beginning of the file; what is shown in [start, end) is given
    shift       seconds from the beginning of the file to that of the part, `length` the part's own
    stop        set it, and the iteration ends with the next packet
    damage      after the iteration: what could not be read, in words
    """

    def __init__(self, path: Path, *, start: float = 0.0, end: float | None = None) -> None:
        if start < 0 or (end is not None and end <= start):
            raise InputError(
                f"got start={start} and end={end}, expected 0 <= start < end, in seconds"
            )
        try:
            self.container = av.open(str(path))
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"{path} cannot be opened as a video: {error.strerror}") from error
        videos = [stream for stream in self.container.streams.video if not is_cover(stream)]
        if not videos:
            raise InputError(f"{path} holds no video; for pictures there is `undim enhance`")
        self.path = path
        self.video: VideoStream = max(videos, key=lambda stream: stream.width * stream.height)
        self.video.thread_type = "AUTO"
        assert self.video.time_base is not None
        self._unit = self.video.time_base
        self.shift = Fraction(start).limit_denominator(1_000_000)
        self.length = math.inf if end is None else end - start
        self.stop = threading.Event()
        self.damage: list[str] = []
        origin = Fraction(self.container.start_time or 0, av.time_base)
        self._start = origin + self.shift if start else -math.inf
        self._end = math.inf if end is None else origin + Fraction(end).limit_denominator(1_000_000)
        self._packets = self._bad_packets = self._bad_frames = 0
        self._reached = 0.0  # seconds
        self._next_pts = 0
        if start:
            assert isinstance(self._start, Fraction)
            self.container.seek(int(self._start * av.time_base))

    def expected_frames(self) -> int | None:
        """About how many frames will come, as far as the file tells."""
        if not self.container.duration or not self.video.average_rate:
            return None
        origin = (self.container.start_time or 0) / av.time_base
        last = min(self.container.duration / av.time_base, float(self._end) - origin)
        return max(1, round((last - float(self.shift)) * float(self.video.average_rate)))

    def __iter__(self) -> Iterator[VideoFrame | Packet[Stream]]:
        try:
            for packet in self.container.demux():
                if self.stop.is_set():
                    return
                self._note(packet)
                seconds = self._seconds(packet)
                if packet.stream_index != self.video.index:
                    if is_cover(packet.stream) or (
                        packet.size and self._start <= seconds < self._end
                    ):
                        yield packet
                elif seconds < self._end:
                    yield from self._decoded(packet)
                elif seconds >= self._end + TAIL:
                    break
        except av.FFmpegError as error:
            self.damage.append(f"reading failed after {self._reached:.1f} s: {error.strerror}")
        yield from self._decoded(None)
        self._tell_damage()

    def _decoded(self, packet: Packet[Any] | None) -> Iterator[VideoFrame]:
        try:
            frames = self.video.decode(packet)
        except av.EOFError:  # the decoder was emptied before
            return
        except av.FFmpegError:
            self._bad_packets += 1
            return
        for frame in frames:
            frame.time_base = self._unit
            if frame.pts is None:
                frame.pts = self._next_pts if frame.dts is None else frame.dts
            if (
                self.video.duration
            ):  # MP4 stores durations in decoding order: that of the last frame may be another's
                left = (self.video.start_time or 0) + self.video.duration - frame.pts
                frame.duration = max(0, min(frame.duration, left))
            self._next_pts = frame.pts + max(1, frame.duration)
            if self._start <= frame.pts * self._unit < self._end:
                self._bad_frames += frame.is_corrupt
                yield frame

    def _seconds(self, packet: Packet[Any]) -> Fraction | float:
        """When a packet is decoded; one without a time is taken for part of the span."""
        stamp = packet.pts if packet.dts is None else packet.dts
        return self._start if stamp is None else stamp * packet.time_base

    def _note(self, packet: Packet[Stream]) -> None:
        """Keep count of how much of the file was there."""
        if packet.size and packet.pts is not None:
            self._reached = max(
                self._reached, float((packet.pts + (packet.duration or 0)) * packet.time_base)
            )
        self._packets += packet.size > 0 and packet.stream_index == self.video.index

    def _tell_damage(self) -> None:
        if self._bad_packets or self._bad_frames:
            self.damage.append(
                f"{self._bad_frames} damaged frames and {self._bad_packets} unreadable packets"
            )
        if self._end == math.inf and self.container.duration:
            length = self.container.duration / av.time_base
            missing = length + (self.container.start_time or 0) / av.time_base - self._reached
            frame = 1 / float(self.video.average_rate or 25)
            counted = self.video.frames and not self.shift and self._packets < self.video.frames
            if missing > SLACK or (counted and missing > 1.5 * frame):
                self.damage.append(
                    f"the file is cut off: it holds {length - missing:.2f} of {length:.2f} seconds"
                )


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a still picture that belongs to the file, such as a cover."""
    return bool(stream.disposition & Disposition.attached_pic)
