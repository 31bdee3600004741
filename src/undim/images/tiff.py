"""TIFF tags: a file's directory read out as metadata, and metadata written into another file.

In a TIFF file EXIF is no block of its own: its tags lie among those of the image. `metadata_of`
gathers the ones that describe the photograph, `with_metadata` grafts them onto a file that has
none.
Sources: TIFF 6.0, section 2; XMP specification, part 3; ICC.1:2022, annex B.4.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from .exif import EXIF_IFD, GPS_IFD, TYPE_SIZES, Tiff
from .picture import Metadata

_PHOTOMETRIC, _SUB_IFDS, _XMP, _ICC, _DNG_VERSION = 262, 330, 700, 34675, 50706
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
_INTEROP_IFD = 40965
_CFA = 32803
_DESCRIPTIVE = {
    270,
    271,
    272,
    274,
    305,
    306,
    315,
    316,
    18246,
    18249,
    33432,
    33723,
    EXIF_IFD,
    GPS_IFD,
}
_DESCRIPTIVE |= {_X_RESOLUTION, _Y_RESOLUTION, _UNIT, *range(40091, 40096)}
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 3, 4, 5, 7
_RATIONALS = (_RATIONAL, 10)


class _Value(NamedTuple):
    type: int
    length: int
    """How many values."""
    data: bytes | _Directory
    """Little-endian values, or a directory of its own."""


class _Directory(dict[int, _Value]):
    """Tag to value."""

    def bytes_of(self, tag: int) -> bytes | None:
        value = self.get(tag)
        return value.data if value is not None and isinstance(value.data, bytes) else None


def metadata_of(file: bytes) -> Metadata:
    """EXIF and resolution of a TIFF file.

    Nothing where its first directory is broken, or 64-bit (BigTIFF).
    """
    directory = _directory(file)
    described = _Directory({tag: value for tag, value in directory.items() if tag in _DESCRIPTIVE})
    return Metadata(
        b"II*\0\x08\0\0\0" + _laid_out(described, 8) if described else None,
        dpi=_dpi(directory),
    )


def is_raw(file: bytes) -> bool:
    """Whether this TIFF is a camera's raw file: a DNG, or pixels under a colour filter array."""
    try:
        tiff = Tiff(file)
        directories = [tiff.ifd0, *tiff.numbers(tiff.ifd0, _SUB_IFDS)]
        return tiff.find(tiff.ifd0, _DNG_VERSION) is not None or any(
            tiff.number(ifd, _PHOTOMETRIC) == _CFA for ifd in directories
        )
    except struct.error:
        return False


def with_metadata(file: bytes, metadata: Metadata) -> bytes:
    """A little-endian TIFF file without metadata, with them: a new first directory is appended."""
    directory = _directory(metadata.exif) if metadata.exif else _Directory()
    for tag, value in _directory(file).items():
        if tag not in _DESCRIPTIVE:
            directory[tag] = value
    if metadata.xmp:
        directory[_XMP] = _Value(_BYTE, len(metadata.xmp), metadata.xmp)
    if metadata.icc_profile:
        directory[_ICC] = _Value(_UNDEFINED, len(metadata.icc_profile), metadata.icc_profile)
    if metadata.dpi:
        for tag, dpi in zip((_X_RESOLUTION, _Y_RESOLUTION), metadata.dpi, strict=True):
            directory[tag] = _Value(_RATIONAL, 1, struct.pack("<2I", round(1000 * dpi), 1000))
        directory[_UNIT] = _Value(_SHORT, 1, struct.pack("<H", 2))
    start = len(file) + len(file) % 2
    padding = bytes(start - len(file))
    header = file[:4] + struct.pack("<I", start)
    return b"".join((header, memoryview(file)[8:], padding, _laid_out(directory, start)))


def _dpi(directory: _Directory) -> tuple[float, float] | None:
    scale = {2: 1.0, 3: 2.54}.get(int.from_bytes(directory.bytes_of(_UNIT) or b"\2", "little"))
    try:
        values = (
            struct.unpack("<2I", directory.bytes_of(tag) or b"")
            for tag in (_X_RESOLUTION, _Y_RESOLUTION)
        )
        x, y = (numerator / denominator for numerator, denominator in values)
    except (struct.error, ZeroDivisionError):
        return None
    return (x * scale, y * scale) if scale and x and y else None


def _directory(data: bytes) -> _Directory:
    """The first directory of a TIFF structure with those of EXIF and GPS; empty where broken."""
    try:
        tiff = Tiff(data)
        directory = _gathered(tiff, tiff.ifd0)
        for tag in (EXIF_IFD, GPS_IFD):
            if (below := _child(tiff, directory, tag)) is not None and tag == EXIF_IFD:
                _child(tiff, below, _INTEROP_IFD)
        return directory
    except struct.error:
        return _Directory()


def _child(tiff: Tiff, directory: _Directory, tag: int) -> _Directory | None:
    """The directory that a tag of another one points to; it takes the place of the pointer."""
    pointer = directory.bytes_of(tag)
    if pointer is None:
        return None
    below = _gathered(tiff, int.from_bytes(pointer[:4], "little"))
    directory[tag] = _Value(_LONG, 1, below)
    return below


def _gathered(tiff: Tiff, ifd: int) -> _Directory:
    found = _Directory()
    for entry in tiff.entries(ifd):
        size = TYPE_SIZES.get(entry.type, 0) * entry.length
        start = entry.position + 8 if size <= 4 else tiff.read("I", entry.position + 8)
        raw = bytes(tiff.data[start : start + size])
        if 0 < size == len(raw):
            if tiff.order == ">":
                word = 4 if entry.type in _RATIONALS else TYPE_SIZES[entry.type]
                raw = np.frombuffer(raw, f">u{word}").astype(f"<u{word}").tobytes()
            found[entry.tag] = _Value(entry.type, entry.length, raw)
    return found


def _laid_out(directory: _Directory, start: int) -> bytes:
    """The directory as little-endian bytes that stand at offset `start`, its values behind it."""
    entries, behind = b"", b""
    values_at = start + 2 + 12 * len(directory) + 4
    for tag, (kind, count, data) in sorted(directory.items()):
        if isinstance(data, bytes) and len(data) <= 4:
            field = data.ljust(4, b"\0")
        else:
            field = struct.pack("<I", values_at + len(behind))
            behind += data if isinstance(data, bytes) else _laid_out(data, values_at + len(behind))
            behind += bytes(len(behind) % 2)
        entries += struct.pack("<HHI", tag, kind, count) + field
    return struct.pack("<H", len(directory)) + entries + bytes(4) + behind
