"""EXIF and XMP edited in place, so that maker notes keep their offsets and nothing is lost.

An EXIF block is a TIFF structure: a header with the byte order, then directories (IFDs) of 12-byte
entries (tag, type, count, value or offset). Sources: TIFF 6.0, section 2; Exif 2.32, section 4.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

ORIENTATION, EXIF_IFD, GPS_IFD = 0x0112, 0x8769, 0x8825
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_SHORT, _LONG = 3, 4
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)([1-8])")
_XMP_GPS = re.compile(
    rb"\s*exif:GPS\w+\s*=\s*(?:\"[^\"]*\"|'[^']*')|<exif:GPS(\w+)\b[^>]*(?:/>|>.*?</exif:GPS\1\s*>)",
    re.S,
)


class Entry(NamedTuple):
    """One 12-byte entry of a directory."""

    position: int
    tag: int
    type: int
    length: int
    """How many values."""


class Tiff:
    """A TIFF structure that is read; a broken one raises `struct.error`."""

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]), "")
        if not self.order:
            raise struct.error("no TIFF header")
        self.ifd0 = self.read("I", 4)

    def read(self, kind: str, position: int) -> int:
        value: int = struct.unpack_from(f"{self.order}{kind}", self.data, position)[0]
        return value

    def entries(self, ifd: int) -> Iterator[Entry]:
        for position in range(ifd + 2, ifd + 2 + 12 * self.read("H", ifd), 12):
            yield Entry(
                position,
                self.read("H", position),
                self.read("H", position + 2),
                self.read("I", position + 4),
            )

    def find(self, ifd: int, tag: int) -> Entry | None:
        return next((entry for entry in self.entries(ifd) if entry.tag == tag), None)

    def numbers(self, ifd: int, tag: int) -> list[int]:
        """The values of an entry of SHORTs or LONGs; none where there is no such entry."""
        entry = self.find(ifd, tag)
        if entry is None or entry.type not in (_SHORT, _LONG):
            return []
        size = TYPE_SIZES[entry.type]
        start = entry.position + 8
        if size * entry.length > 4:
            start = self.read("I", start)
        kind = "H" if entry.type == _SHORT else "I"
        return [self.read(kind, start + size * index) for index in range(entry.length)]

    def number(self, ifd: int, tag: int) -> int | None:
        return next(iter(self.numbers(ifd, tag)), None)


class _Editor(Tiff):
    """A copy of a TIFF structure that is changed in place."""

    def __init__(self, data: bytes) -> None:
        self.copy = bytearray(data)
        super().__init__(self.copy)

    def write(self, kind: str, position: int, value: int) -> None:
        struct.pack_into(f"{self.order}{kind}", self.copy, position, value)

    def set_number(self, ifd: int, tag: int, value: int) -> None:
        """Change the value of an entry of one SHORT or LONG, where there is one."""
        entry = self.find(ifd, tag)
        if entry is not None and entry.length == 1 and entry.type in (_SHORT, _LONG):
            self.write("H" if entry.type == _SHORT else "I", entry.position + 8, value)

    def remove(self, ifd: int, tag: int) -> None:
        """Take an entry out of its directory; what follows and the link to the next IFD move up."""
        entry = self.find(ifd, tag)
        if entry is not None:
            count = self.read("H", ifd)
            end = ifd + 2 + 12 * count + 4
            self.copy[entry.position : end] = self.copy[entry.position + 12 : end] + bytes(12)
            self.write("H", ifd, count - 1)

    def wipe(self, start: int, length: int) -> None:
        end = min(start + length, len(self.copy))
        self.copy[start:end] = bytes(max(0, end - start))

    def wipe_ifd(self, ifd: int) -> None:
        """Overwrite a directory and its values with zeros; nothing may point there any more."""
        entries = list(self.entries(ifd))
        for entry in entries:
            length = TYPE_SIZES.get(entry.type, 1) * entry.length
            if length > 4:
                self.wipe(self.read("I", entry.position + 8), length)
        self.wipe(ifd, 2 + 12 * len(entries) + 4)

    def remove_thumbnail(self) -> None:
        """Unlink IFD1 and wipe it: it would still show the dark picture."""
        link = self.ifd0 + 2 + 12 * self.read("H", self.ifd0)
        ifd1 = self.read("I", link)
        if ifd1:
            start, length = (
                self.number(ifd1, _THUMBNAIL_OFFSET),
                self.number(ifd1, _THUMBNAIL_LENGTH),
            )
            self.wipe_ifd(ifd1)
            self.write("I", link, 0)
            if start and length:
                self.wipe(start, length)
                if start + length == len(self.copy):
                    del self.copy[start:]


def orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """1 to 8 as in Exif: what EXIF says, else what XMP says, else 1 (upright)."""
    try:
        tiff = Tiff(exif or b"")
        found = tiff.number(tiff.ifd0, ORIENTATION)
    except struct.error:
        found = None
    if found is None and (match := _XMP_ORIENTATION.search(xmp or b"")):
        found = int(match[2])
    return found if found is not None and 1 <= found <= 8 else 1


def upright(exif: bytes, width: int, height: int) -> bytes | None:
    """The block of a picture turned upright, width x height: orientation 1, no thumbnail.

    None where the block is too broken to be read: it would only carry its damage along.
    """
    try:
        tiff = _Editor(exif)
        tiff.set_number(tiff.ifd0, ORIENTATION, 1)
        if (ifd := tiff.number(tiff.ifd0, EXIF_IFD)) is not None:
            tiff.set_number(ifd, _PIXEL_X, width)
            tiff.set_number(ifd, _PIXEL_Y, height)
        tiff.remove_thumbnail()
    except struct.error:
        return None
    return bytes(tiff.copy)


def upright_xmp(xmp: bytes) -> bytes:
    """The packet with its orientation, if it names one, set to 1."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def without_tag(exif: bytes, tag: int) -> bytes | None:
    """The block without one entry of IFD0; a GPS directory is wiped with its entry.

    None where the block is too broken for that.
    """
    try:
        tiff = _Editor(exif)
        if tag == GPS_IFD and (gps := tiff.number(tiff.ifd0, GPS_IFD)) is not None:
            tiff.wipe_ifd(gps)
        tiff.remove(tiff.ifd0, tag)
    except struct.error:
        return None
    return bytes(tiff.copy)


def xmp_without_gps(xmp: bytes) -> bytes | None:
    """The packet without its exif:GPS properties; None where some cannot be taken out."""
    stripped = _XMP_GPS.sub(b"", xmp)
    return None if b"GPS" in stripped.replace(b"\0", b"") else stripped
