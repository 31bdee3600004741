"""A dark video file to a bright one, as a stream: decode, enhance and encode overlap, memory stays flat."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from undim.enhancer import Denoise, Enhancer
from undim.errors import InputError, OutputError
from undim.images.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from undim.video.ahead import ahead
from undim.video.encoders import Encoding
from undim.video.frames import Converter
from undim.video.output import Output, container_named
from undim.video.pyav import Packet, Stream, VideoFrame, av
from undim.video.sequence import FrameEnhancer
from undim.video.source import Source

DEPTH = 4  # frames that wait between two stages; at 1080p each takes up to 12 MB


@dataclass
class Report:
    """What became of a video."""

    path: Path
    frames: int = 0
    damage: list[str] = field(default_factory=list)  # what could not be read; not empty means: not all is there
    notes: list[str] = field(default_factory=list)  # what the new file has not, or has otherwise


def enhance_video(
    source: str | Path,
    target: str | Path,
    *,
    enhancer: Enhancer | None = None,
    strength: float = 1.0,
    denoise: Denoise = "auto",
    smooth: bool = True,
    encoding: Encoding | None = None,
    start: float = 0.0,
    end: float | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> Report:
    """Brighten a video file: every frame at its timestamp, all other streams copied, metadata kept.

    The new file appears under its name when it is whole. On Ctrl-C what was done so far becomes a playable file
    named `NAME.partial.EXT`, and KeyboardInterrupt is raised again with its name. A damaged input gives all that can
    be decoded; the report says what is missing.

    strength, denoise, smooth  see `FrameEnhancer`
    start, end                 in seconds; only this part, moved to the beginning
    progress                   is called with the number of frames written and, where known, expected
    Raises InputError, OutputError.
    """
    source, target = Path(source), Path(target)
    if target.exists() and (target.samefile(source) or not overwrite):
        raise OutputError(f"{target} exists already; choose another name or allow overwriting")
    format = container_named(target)
    reader = Source(source, start=start, end=end)
    brighten = FrameEnhancer(enhancer or Enhancer(), strength=strength, denoise=denoise, smooth=smooth)
    report = Report(target)
    temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        # The work is in threads, so that Ctrl-C reaches only this loop and never tears a frame.
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(_write, temporary, format, reader, brighten, encoding or Encoding(), report)
            try:
                while not wait([job], timeout=0.2).done:
                    if progress:
                        progress(report.frames, reader.expected_frames())
            except KeyboardInterrupt:
                reader.stop.set()
            job.result()
        if reader.stop.is_set():
            report.path = target.with_name(f"{target.stem}.partial{target.suffix}")
        temporary.replace(report.path)
    except (av.FFmpegError, OSError) as error:
        raise OutputError(f"{target} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    if reader.stop.is_set():
        raise KeyboardInterrupt(f"interrupted after {report.frames} frames, which are in {report.path}")
    report.damage = reader.damage
    if progress:
        progress(report.frames, report.frames)
    return report


def _write(
    temporary: Path,
    format: str,
    reader: Source,
    brighten: FrameEnhancer,
    encoding: Encoding,
    report: Report,
) -> None:
    """Decode, enhance and encode, each in a thread of its own; this one encodes."""
    decoded = ahead(reader, DEPTH)
    head = []
    for item in decoded:
        head.append(item)
        if isinstance(item, VideoFrame):
            break
    else:
        raise InputError(f"{reader.path}: no frame could be decoded; {'; '.join(reader.damage) or 'it holds none'}")
    output = Output(temporary, format, reader, item, encoding)
    report.notes.extend(f"{stream} is left out, .{format} cannot hold it" for stream in output.skipped)
    try:
        for item in ahead(_enhanced(chain(head, decoded), brighten, output), DEPTH):
            output.write(item)
            report.frames += isinstance(item, VideoFrame)
    finally:
        output.close()


def _enhanced(
    items: Iterable[VideoFrame | Packet[Stream]], brighten: FrameEnhancer, output: Output
) -> Iterator[VideoFrame | Packet[Stream]]:
    converter = Converter()
    for item in items:
        if not isinstance(item, VideoFrame):
            yield item
            continue
        small = converter.thumbnail(item, brighten.thumbnail_size(item.height, item.width))
        planar, pixels = converter.rgb(item)
        bright = brighten(pixels, item.time, small)
        yield converter.back(bright, planar, item, size=output.size, format=output.pixel_format)
