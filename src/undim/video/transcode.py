"""A dark video file to a bright one, as a stream: decode, enhance and encode overlap, memory stays
flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from undim.enhancer import Denoise, Enhancer
from undim.errors import InputError, OutputError
from undim.video.ahead import ahead, stoppable
from undim.video.encoders import Encoding
from undim.video.frames import Brightener
from undim.video.output import Output, container_named, temporary_beside
from undim.video.pyav import Packet, Stream, VideoFrame, av
from undim.video.sequence import FrameEnhancer
from undim.video.source import Source

DEPTH = 4  # frames that wait between two stages; at 1080p each takes up to 12 MB


@dataclass
class Report:
    """What became of a video."""

    path: Path
    frames: int = 0
    damage: list[str] = field(
        default_factory=list
    )  # what could not be read; not empty means: not all is there
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

    The new file appears under its name when it is whole. On Ctrl-C what was done so far becomes a
    playable file named `NAME.partial.EXT`, and KeyboardInterrupt is raised again with its name. A
    damaged input gives all that can be decoded; the report says what is missing.

    strength, denoise, smooth  see `FrameEnhancer`
    start, end                 in seconds; only this part, moved to the beginning
    progress                   is called with how many frames are written and, where known, expected
    Raises InputError, OutputError.
    """
    source, target = Path(source), Path(target)
    if target.exists() and (target.samefile(source) or not overwrite):
        raise OutputError(f"{target} exists already; choose another name or allow overwriting")
    format = container_named(target)
    reader = Source(source, start=start, end=end)
    frames = FrameEnhancer(
        enhancer or Enhancer(), strength=strength, denoise=denoise, smooth=smooth
    )
    report = Report(target)
    temporary = temporary_beside(target)

    def tell() -> None:
        if progress:
            progress(report.frames, reader.expected_frames())

    try:
        interrupted = stoppable(
            lambda: _write(
                temporary, format, reader, Brightener(frames), encoding or Encoding(), report
            ),
            reader.stop.set,
            tell,
        )
        if interrupted:
            report.path = target.with_name(f"{target.stem}.partial{target.suffix}")
        temporary.replace(report.path)
    except (av.FFmpegError, OSError) as error:
        raise OutputError(f"{target} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    if interrupted:
        raise KeyboardInterrupt(f"interrupted: {report.frames} frames are in {report.path}")
    report.damage = reader.damage
    tell()
    return report


def _write(
    temporary: Path,
    format: str,
    reader: Source,
    brightener: Brightener,
    encoding: Encoding,
    report: Report,
) -> None:
    """Decode, enhance and encode, each in a thread of its own; this one encodes."""
    with closing(ahead(reader, DEPTH)) as decoded:
        head = []
        for item in decoded:
            head.append(item)
            if isinstance(item, VideoFrame):
                break
        else:
            raise InputError(
                f"{reader.path}: no frame could be decoded; "
                f"{'; '.join(reader.damage) or 'it holds none'}"
            )
        output = Output(temporary, format, reader, item, encoding)
        report.notes = output.notes
        with (
            closing(output),
            closing(ahead(_enhanced(chain(head, decoded), brightener, output), DEPTH)) as bright,
        ):
            for item in bright:
                output.write(item)
                report.frames += isinstance(item, VideoFrame)


def _enhanced(
    items: Iterable[VideoFrame | Packet[Stream]], brightener: Brightener, output: Output
) -> Iterator[VideoFrame | Packet[Stream]]:
    for item in items:
        if isinstance(item, VideoFrame):
            yield brightener(item, size=output.size, format=output.pixel_format)
        else:
            yield item
