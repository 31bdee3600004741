"""The edge: photograph files to RGB arrays and back, with all that belongs to the photograph."""

from .atomic import write_atomically
from .decode import decode
from .edge import from_array, from_pil, output_beside, to_array, to_pil
from .encode import EXTENSIONS, RAW_EXTENSIONS, encode, format_named, output_suffix
from .picture import MAX_PIXELS, JpegCoding, Metadata, Picture

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "RAW_EXTENSIONS",
    "JpegCoding",
    "Metadata",
    "Picture",
    "decode",
    "encode",
    "format_named",
    "from_array",
    "from_pil",
    "output_beside",
    "output_suffix",
    "to_array",
    "to_pil",
    "write_atomically",
]
