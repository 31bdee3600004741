"""PNG chunks: metadata put into a fresh PNG file.

Source: PNG specification, third edition, 11.3.
"""

from __future__ import annotations

import zlib

from .picture import Metadata

_HEADER = 33  # signature and IHDR


def with_metadata(file: bytes, metadata: Metadata) -> bytes:
    """The file with iCCP, pHYs, eXIf and XMP (iTXt) chunks; libvips's own resolution goes."""
    chunks = b""
    if metadata.icc_profile:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc_profile))
    if metadata.dpi:
        per_metre = b"".join(round(value / 0.0254).to_bytes(4, "big") for value in metadata.dpi)
        chunks += _chunk(b"pHYs", per_metre + b"\1")
    if metadata.exif:
        chunks += _chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        chunks += _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)
    pixels = _HEADER
    while file[pixels + 4 : pixels + 8] != b"IDAT":
        pixels += 12 + int.from_bytes(file[pixels : pixels + 4], "big")
    return b"".join((file[:_HEADER], chunks, memoryview(file)[pixels:]))


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
