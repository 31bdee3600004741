"""The edge: photograph files to RGB arrays and back, with everything that belongs to the photograph."""

from .atomic import write_atomically
from .decode import decode
from .encode import EXTENSIONS, encode, format_named
from .picture import MAX_PIXELS, JpegCoding, Picture

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "JpegCoding",
    "Picture",
    "decode",
    "encode",
    "format_named",
    "write_atomically",
]
