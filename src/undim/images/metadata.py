"""EXIF and XMP edited in place, so that maker notes keep their offsets and nothing is lost in a rewrite.

An EXIF block is a TIFF structure: a header with the byte order, then directories (IFDs) of 12-byte entries
(tag, type, count, value or offset). Sources: TIFF 6.0, section 2; Exif 2.32, section 4.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

ORIENTATION, EXIF_IFD, GPS_IFD = 0x0112, 0x8769, 0x8825
PIXEL_X, PIXEL_Y = 0xA002, 0xA003
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_SHORT, _LONG = 3, 4
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)([1-8])")
_XMP_GPS = re.compile(
    rb"\s*exif:GPS\w+\s*=\s*(\"[^\"]*\"|'[^']*')|<exif:GPS(\w+)\b[^>]*(/>|>.*?</exif:GPS\2\s*>)", re.S
)


@dataclass(frozen=True, slots=True)
class _Entry:
    position: int
    tag: int
    type: int
    count: int


class _Tiff:
    """A TIFF structure that is being edited; a broken one raises `struct.error`."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
        if self.order is None:
            raise struct.error("no TIFF header")

    def read(self, kind: str, position: int) -> int:
        value: int = struct.unpack_from(f"{self.order}{kind}", self.data, position)[0]
        return value

    def write(self, kind: str, position: int, value: int) -> None:
        struct.pack_into(f"{self.order}{kind}", self.data, position, value)

    def entries(self, ifd: int) -> Iterator[_Entry]:
        for index in range(self.read("H", ifd)):
            position = ifd + 2 + 12 * index
            yield _Entry(
                position, self.read("H", position), self.read("H", position + 2), self.read("I", position + 4)
            )

    def find(self, ifd: int, tag: int) -> _Entry | None:
        return next((entry for entry in self.entries(ifd) if entry.tag == tag), None)

    def number(self, ifd: int, tag: int) -> int | None:
        """The value of an entry that holds one SHORT or LONG."""
        entry = self.find(ifd, tag)
        if entry is None or entry.count != 1 or entry.type not in (_SHORT, _LONG):
            return None
        return self.read("H" if entry.type == _SHORT else "I", entry.position + 8)

    def set_number(self, ifd: int, tag: int, value: int) -> None:
        entry = self.find(ifd, tag)
        if entry is not None and entry.count == 1 and entry.type in (_SHORT, _LONG):
            self.write("H" if entry.type == _SHORT else "I", entry.position + 8, value)

    def remove(self, ifd: int, tag: int) -> None:
        """Take an entry out of its directory; the following ones and the link to the next IFD move up."""
        entry = self.find(ifd, tag)
        if entry is not None:
            count = self.read("H", ifd)
            end = ifd + 2 + 12 * count + 4
            self.data[entry.position : end] = self.data[entry.position + 12 : end] + bytes(12)
            self.write("H", ifd, count - 1)

    def wipe(self, start: int, length: int) -> None:
        end = min(start + length, len(self.data))
        self.data[start:end] = bytes(max(0, end - start))

    def wipe_ifd(self, ifd: int) -> None:
        """Overwrite a directory and its values with zeros: nothing points there any more."""
        for entry in self.entries(ifd):
            length = _TYPE_SIZES.get(entry.type, 1) * entry.count
            if length > 4:
                self.wipe(self.read("I", entry.position + 8), length)
        self.wipe(ifd, 2 + 12 * self.read("H", ifd) + 4)

    def remove_thumbnail(self) -> None:
        """Unlink IFD1 and wipe it: it would still show the dark picture (and the place it was taken)."""
        link = self.read("I", 4) + 2 + 12 * self.read("H", self.read("I", 4))
        ifd1 = self.read("I", link)
        if ifd1:
            self.write("I", link, 0)
            start, length = self.number(ifd1, _THUMBNAIL_OFFSET), self.number(ifd1, _THUMBNAIL_LENGTH)
            if start and length:
                self.wipe(start, length)
                if start + length == len(self.data):
                    del self.data[start:]
            self.wipe_ifd(ifd1)


def exif_orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """1 to 8 as in Exif: what EXIF says, else what XMP says, else 1 (upright)."""
    try:
        tiff = _Tiff(exif or b"")
        found = tiff.number(tiff.read("I", 4), ORIENTATION)
    except struct.error:
        found = None
    if found is None and (match := _XMP_ORIENTATION.search(xmp or b"")):
        found = int(match[2])
    return found if found is not None and 1 <= found <= 8 else 1


def upright_exif(exif: bytes, width: int, height: int) -> bytes | None:
    """The block of a picture that was turned upright to width x height: orientation 1, no thumbnail.

    None where the block is too broken to be read: it would only carry its damage along.
    """
    try:
        tiff = _Tiff(exif)
        ifd0 = tiff.read("I", 4)
        tiff.set_number(ifd0, ORIENTATION, 1)
        if (ifd := tiff.number(ifd0, EXIF_IFD)) is not None:
            tiff.set_number(ifd, PIXEL_X, width)
            tiff.set_number(ifd, PIXEL_Y, height)
        tiff.remove_thumbnail()
    except struct.error:
        return None
    return bytes(tiff.data)


def upright_xmp(xmp: bytes) -> bytes:
    """The packet with its orientation, if it names one, set to 1."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def without_tag(exif: bytes, tag: int) -> bytes:
    """The block without one entry of IFD0; a GPS directory is wiped with the entry that points to it."""
    tiff = _Tiff(exif)
    ifd0 = tiff.read("I", 4)
    if tag == GPS_IFD and (gps := tiff.number(ifd0, GPS_IFD)) is not None:
        tiff.wipe_ifd(gps)
    tiff.remove(ifd0, tag)
    return bytes(tiff.data)


def xmp_without_gps(xmp: bytes) -> bytes | None:
    """The packet without its exif:GPS properties; None where some remain that this cannot take out."""
    stripped = _XMP_GPS.sub(b"", xmp)
    return None if b"GPS" in stripped.replace(b"\0", b"") else stripped
