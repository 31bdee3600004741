"""Live frames into a file, stamped with the time of their arrival."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from undim.errors import OutputError
from undim.video.encoders import Encoding, encoder_for, encoder_options, pixel_format
from undim.video.frames import Brightener, tag_colours
from undim.video.live import MILLISECOND
from undim.video.output import container_named, temporary_beside
from undim.video.pyav import ThreadType, VideoFrame, VideoStream, av


def record(path: Path, frames: Iterable[VideoFrame], brightener: Brightener) -> int:
    """Brighten and encode frames until they end, then give the file its name; how many frames there
    were.

    Only the picture is recorded. Raises OutputError.
    """
    format = container_named(path)
    encoder = encoder_for(format, "h264", Encoding())
    temporary = temporary_beside(path)
    incoming, count, last = iter(frames), 0, -1
    try:
        first = next(incoming, None)
        if first is None:
            return 0
        with av.open(str(temporary), "w", format=format) as container:
            stream = container.add_stream(encoder, rate=30)
            assert isinstance(stream, VideoStream)
            context = stream.codec_context
            context.width, context.height = size = first.width, first.height
            context.pix_fmt = layout = pixel_format(
                first.format, encoder, width=first.width, height=first.height
            )
            context.time_base = stream.time_base = MILLISECOND
            context.options = encoder_options(
                encoder, Encoding(preset="veryfast" if encoder == "libx264" else None)
            )
            context.thread_type = ThreadType.AUTO
            tag_colours(context, first)
            for frame in chain([first], incoming):
                bright = brightener(frame, size=size, format=layout)
                bright.pts = last = max(frame.pts or 0, last + 1)
                container.mux(stream.encode(bright))
                count += 1
            container.mux(stream.encode(None))
        temporary.replace(path)
    except (av.FFmpegError, OSError) as error:
        raise OutputError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count
