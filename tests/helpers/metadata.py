"""Metadata as cameras write it, laid out by hand."""

from __future__ import annotations

import struct
from typing import Any

from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKER_NOTE = bytes(range(256)) * 3
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4" tiff:Orientation="6" '
    b'exif:GPSLatitude="52,31.2N"><exif:GPSLongitude>13,24E</exif:GPSLongitude></rdf:Description></rdf:RDF>'
    b'</x:xmpmeta><?xpacket end="w"?>'
)


def exif_block(
    order: str, orientation: int = 6, thumbnail: bytes = b"\xff\xd8THUMB\xff\xd9"
) -> bytes:
    """An EXIF block as a camera writes it, laid out by hand in either byte order."""

    def pack(kind: str, *values: int) -> bytes:
        return struct.pack(f"{order}{kind}", *values)

    def ifd(at: int, entries: list[tuple[int, int, int, bytes]], link: int = 0) -> bytes:
        head, tail, values_at = pack("H", len(entries)), b"", at + 6 + 12 * len(entries)
        for tag, kind, count, value in entries:
            if len(value) > 4:
                head += pack("HHII", tag, kind, count, values_at + len(tail))
                tail += value + bytes(len(value) % 2)
            else:
                head += pack("HHI", tag, kind, count) + value.ljust(4, b"\0")
        return head + pack("I", link) + tail

    below = [
        (0x829A, 5, 1, pack("II", 1, 50)),
        (0x9003, 2, 20, b"2024:12:24 18:00:00\0"),
        (0x927C, 7, len(MAKER_NOTE), MAKER_NOTE),
        (0xA002, 4, 1, pack("I", 30)),
        (0xA003, 4, 1, pack("I", 20)),
    ]
    gps = [(1, 2, 2, b"N\0"), (2, 5, 3, pack("6I", 52, 1, 31, 1, 12, 1)), (3, 2, 2, b"E\0")]

    def top(below_at: int, gps_at: int, link: int) -> bytes:
        return ifd(
            8,
            [
                (0x010F, 2, 7, b"Camera\0"),
                (0x0112, 3, 1, pack("H", orientation)),
                (0x8769, 4, 1, pack("I", below_at)),
                (0x8825, 4, 1, pack("I", gps_at)),
            ],
            link,
        )

    below_at = 8 + len(top(0, 0, 0))
    gps_at = below_at + len(ifd(below_at, below))
    link = gps_at + len(ifd(gps_at, gps))
    last = [(0x0201, 4, 1, pack("I", link + 30)), (0x0202, 4, 1, pack("I", len(thumbnail)))]
    header = (b"II" if order == "<" else b"MM") + pack("HI", 42, 8)
    blocks = [
        top(below_at, gps_at, link),
        ifd(below_at, below),
        ifd(gps_at, gps),
        ifd(link, last),
        thumbnail,
    ]
    return header + b"".join(blocks)


def tags(block: bytes) -> dict[int, Any]:
    """An EXIF block read by Pillow: IFD0 with the EXIF and GPS directories in it."""
    read = Image.Exif()
    read.load(b"Exif\0\0" + block)
    return dict(read) | {
        0x8769: read.get_ifd(0x8769),
        0x8825: read.get_ifd(0x8825),
        1: read.get_ifd(1),
    }
