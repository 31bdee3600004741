"""JPEG marker segments: how a file was compressed, and metadata that Pillow cannot write.

A segment holds at most 64 KB. Longer EXIF is spread over several segments, as ExifTool does it;
longer XMP goes into extended XMP segments, to which a short main packet points (XMP specification,
part 3, 1.1.3.1).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from PIL import JpegImagePlugin

from .picture import JpegCoding

_EXIF, _EXTENDED_XMP, _IPTC = (
    b"Exif\0\0",
    b"http://ns.adobe.com/xmp/extension/\0",
    b"Photoshop 3.0\0",
)
_APP1, _COMMENT = 0xE1, 0xFE
_LONGEST = 65_000
_POINTER = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" '
    'xmpNote:HasExtendedXMP="{}"/></rdf:RDF></x:xmpmeta>'
)


def coding_of(image: JpegImagePlugin.JpegImageFile) -> JpegCoding | None:
    """How an RGB or grey JPEG was compressed, with its comments, IPTC and extended XMP.

    None for CMYK: the successor is RGB, with other tables and other sampling.
    """
    if image.mode == "CMYK":
        return None
    segments = b"".join(
        _segment(_COMMENT if name == "COM" else 0xE0 + int(name.removeprefix("APP")), content)
        for name, content in image.applist
        if name == "COM" or content.startswith((_IPTC, _EXTENDED_XMP))
    )
    subsampling = JpegImagePlugin.get_sampling(image) if image.mode == "RGB" else -1
    return JpegCoding(dict(image.quantization), subsampling, segments)


def exif_segments(exif: bytes) -> tuple[bytes, bytes]:
    """EXIF as the content of the first segment, and whole segments for what does not fit."""
    first, *others = _chunks(exif)
    return _EXIF + first, b"".join(_segment(_APP1, _EXIF + chunk) for chunk in others)


def xmp_segments(xmp: bytes) -> tuple[bytes, bytes]:
    """XMP as the main packet, and whole segments of extended XMP if it is too long."""
    if len(xmp) <= _LONGEST:
        return xmp, b""
    guid = hashlib.md5(xmp, usedforsecurity=False).hexdigest().upper()
    head = _EXTENDED_XMP + guid.encode()
    offset, extension = 0, b""
    for chunk in _chunks(xmp):
        extension += _segment(_APP1, head + struct.pack(">II", len(xmp), offset) + chunk)
        offset += len(chunk)
    return _POINTER.format(guid).encode(), extension


def _chunks(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _LONGEST] for start in range(0, len(data), _LONGEST))


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
