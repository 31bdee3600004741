"""undim takes the dimness out of photographs and video.

    >>> import undim
    >>> undim.enhance("night.jpg").name  # a new file beside it
    'night.undim.jpg'
    >>> array = undim.images.decode("night.jpg").pixels
    >>> undim.enhance(array, strength=0.8).dtype  # the type that goes in comes out
    dtype('uint8')
    >>> enhancer = undim.Enhancer()  # keep one for many pictures; threads may share it
    >>> enhancer(array).shape == array.shape
    True

Names are resolved on first use, so that `import undim` itself loads neither NumPy nor ONNX Runtime.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undim.enhancer import Enhancer as Enhancer
    from undim.enhancer import enhance as enhance
    from undim.pixels.curve import apply_curves as apply_curves

__version__ = "0.1.0"

# Since 1.29 ONNX Runtime reports every session to its maker, with an identifier that it leaves on
# the disk, unless this is set before its import. What undim is used on is nobody's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# public name -> module, and what of it; None is the module itself
_HOMES = {
    "enhance": ("enhancer", "enhance"),
    "Enhancer": ("enhancer", "Enhancer"),
    "apply_curves": ("pixels.curve", "apply_curves"),
    "errors": ("errors", None),
    "evaluation": ("evaluation", None),
    "folders": ("folders", None),
    "images": ("images", None),
    "metrics": ("measure.metrics", None),
    "video": ("video", None),
}

__all__ = ["Enhancer", "__version__", "apply_curves", "enhance"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'undim' has no attribute {name!r}")
    home, attribute = _HOMES[name]
    module = import_module(f"undim.{home}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
