"""The file that a video is written to: one stream encoded anew, all others copied, everything else
as it was.
"""

from __future__ import annotations

import io
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from undim.errors import OutputError
from undim.images.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from undim.video.encoders import Encoding, encoder_for, encoder_options, pixel_format
from undim.video.frames import tag_colours
from undim.video.pyav import Packet, Stream, ThreadType, VideoFrame, VideoStream, av
from undim.video.source import Source, is_cover

WRITE_SHAPE = (
    "libx264",
    "libx265",
    "mpeg4",
)  # encoders whose own stream holds the shape of the pixels
FRAME_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION: packets get the durations of their frames

# Written anew by the muxer or no longer true of a stream that was encoded anew.
STALE = (
    *("encoder", "ENCODER", "major_brand", "minor_version", "compatible_brands"),
    *("DURATION", "BPS", "NUMBER_OF_", "_STATISTICS_"),
)
# What the MP4 and MOV muxers write without being asked to write every key they are given.
MOV_KEYS = frozenset(
    (
        *(
            "title",
            "artist",
            "album_artist",
            "album",
            "composer",
            "comment",
            "copyright",
            "creation_time",
            "date",
        ),
        *(
            "description",
            "genre",
            "grouping",
            "location",
            "lyrics",
            "network",
            "show",
            "synopsis",
            "track",
        ),
    )
)


class Output:
    """A video file being written: `write` takes the bright frames and the packets of all other
    streams.

    path      of the new file, under whatever temporary name
    format    FFmpeg's name of the container (see `container_named`)
    source    what the other streams, the metadata and the timestamps come from
    first     the first frame, whose size, rotation and colour tags the new stream gets
    """

    def __init__(
        self,
        path: Path,
        format: str,
        source: Source,
        first: VideoFrame,
        encoding: Encoding,
    ) -> None:
        self.notes: list[str] = []  # what differs from the input beyond the brightness, in words
        self._shift = source.shift
        tags = _fresh(source.container.metadata)
        own_keys = format in ("mp4", "mov") and not MOV_KEYS.issuperset(tags)
        options = {"movflags": "use_metadata_tags"} if own_keys else {}
        self._container = av.open(str(path), "w", format=format, container_options=options)
        self._container.metadata.update(tags)
        self._container.set_chapters(_chapters(source))
        self._streams: dict[int, Stream] = {}
        for stream in source.container.streams:
            if stream is source.video:
                self._video = self._add_encoder(source.video, first, encoding)
            elif not _carried_elsewhere(stream, source.container):
                self._add_copy(stream)
        self._last = -(1 << 62)
        self._container.start_encoding()

    @property
    def pixel_format(self) -> str:
        return str(self._video.pix_fmt)

    @property
    def size(self) -> tuple[int, int]:
        return self._video.width, self._video.height

    def write(self, item: VideoFrame | Packet[Stream]) -> None:
        if isinstance(item, VideoFrame):
            self._place(item)
            # An encoder must not see time stand still; a broken source's frames keep their order
            # instead.
            self._last = max(item.pts or 0, self._last + 1)
            item.pts = self._last
            self._container.mux(self._video.encode(item))
        elif item.stream.index in self._streams:
            if not is_cover(item.stream):
                self._place(item)
            item.stream = self._streams[item.stream.index]
            self._container.mux(item)

    def close(self) -> None:
        """Write what the encoder still holds, and the index: from here on the file is whole."""
        self._container.mux(self._video.encode(None))
        self._container.close()

    def _place(self, item: VideoFrame | Packet[Stream]) -> None:
        """Move an item's timestamps by the shift, in its own unit of time."""
        if self._shift:
            assert item.time_base
            ticks = round(self._shift / item.time_base)
            item.pts = None if item.pts is None else item.pts - ticks
            item.dts = None if item.dts is None else item.dts - ticks

    def _add_encoder(
        self, video: VideoStream, first: VideoFrame, encoding: Encoding
    ) -> VideoStream:
        encoder = encoder_for(
            self._container.format.name, video.codec_context.codec.canonical_name, encoding
        )
        stream = self._container.add_stream(
            encoder, rate=video.average_rate or video.guessed_rate or 25
        )
        assert isinstance(stream, VideoStream)
        assert video.time_base is not None
        stream.metadata.update(_fresh(video.metadata))
        stream.disposition = video.disposition
        context = stream.codec_context
        context.options = encoder_options(encoder, encoding)
        context.width, context.height = first.width, first.height
        context.pix_fmt = pixel_format(
            first.format, encoder, width=first.width, height=first.height
        )
        if context.pix_fmt != first.format.name.replace("yuvj", "yuv"):
            self.notes.append(
                f"the picture is {context.pix_fmt}, which {encoder} can do; "
                f"it was {first.format.name}"
            )
        context.time_base = stream.time_base = video.time_base
        shape = video.sample_aspect_ratio
        if shape:
            context.sample_aspect_ratio = shape
            if shape != 1 and encoder not in WRITE_SHAPE:
                self.notes.append(
                    f"pixels of shape {shape} become square; "
                    f"{encoder} cannot say it, h264 and hevc can"
                )
        tag_colours(context, first)
        context.flags |= FRAME_DURATION
        context.thread_type = ThreadType.AUTO  # PyAV's default is slices, which cost x264 quality
        if self._container.format.name == "avi":
            context.max_b_frames = (
                0  # AVI has no presentation timestamps: frames must stay in their order
            )
        if encoder == "libx265" and self._container.format.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players want this one of the two tags
        matrix: Any = first.side_data.get("DISPLAYMATRIX")
        if matrix:
            stream.set_display_matrix(np.frombuffer(bytes(matrix), np.int32).tolist())
        return stream

    def _add_copy(self, stream: Stream) -> None:
        what = f"stream {stream.index} ({stream.type} {stream.name or 'of unknown kind'})"
        if not _holds(self._container.format.name, stream):
            if stream.type in ("audio", "subtitle", "video") and not is_cover(stream):
                raise OutputError(
                    f"{what} cannot be stored in a file of format {self._container.format.name}; "
                    "give the output the input's extension, or .mkv, which holds almost everything"
                )
            self.notes.append(
                f"{what} is left out; files of format {self._container.format.name} cannot hold it"
            )
            return
        copy = self._container.add_stream_from_template(stream, opaque=True)
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        self._streams[stream.index] = copy


def container_named(path: Path) -> str:
    """FFmpeg's name of the container format that a file's extension stands for."""
    try:
        with av.open(str(path), "w") as probe:  # nothing is written before a header is
            return probe.format.name
    except ValueError as error:
        raise OutputError(
            f"{path} has no extension of a video file; use for example .mp4, .mov, .mkv or .webm"
        ) from error


def temporary_beside(path: Path) -> Path:
    """A hidden name in the folder of a file that is being written."""
    return path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"


def _holds(format: str, stream: Stream) -> bool:
    """Whether a container can hold a stream: a header for it alone is written to memory."""
    try:
        with av.open(io.BytesIO(), "w", format=format) as probe:
            probe.add_stream_from_template(stream, opaque=True)
            probe.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True


def _carried_elsewhere(stream: Stream, source: av.container.InputContainer) -> bool:
    """Chapter and timecode tracks of MP4 and MOV: the muxer makes them from the chapters and the
    metadata.
    """
    chapters = stream.name == "bin_data" and bool(source.chapters())
    return stream.type == "data" and (chapters or "timecode" in stream.metadata)


def _fresh(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items() if not key.startswith(STALE)}


def _chapters(source: Source) -> list[av.container.core.Chapter]:
    """The chapters of the part that is read, in its time."""
    part = []
    for chapter in source.container.chapters():
        unit = chapter["time_base"]
        assert unit is not None
        shift = round(source.shift / unit)
        chapter["start"], chapter["end"] = max(0, chapter["start"] - shift), chapter["end"] - shift
        if chapter["end"] > 0 and chapter["start"] * unit < source.length:
            part.append(chapter)
    return part
