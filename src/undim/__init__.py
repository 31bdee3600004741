"""undim takes the dimness out of photographs and video.

    import undim
    undim.enhance("night.jpg")                      # -> Path of night.undim.jpg
    bright = undim.enhance(array, strength=0.8)     # the type that goes in comes out
    enhancer = undim.Enhancer(); enhancer(frame)    # keep one for many pictures; threads may share it

Names are resolved on first use, so that `import undim` itself loads neither NumPy nor ONNX Runtime.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undim.curves import apply_curves as apply_curves
    from undim.enhancer import Enhancer as Enhancer
    from undim.enhancer import enhance as enhance

__version__ = "0.1.0"

# Since 1.29 ONNX Runtime reports every session to its maker, with an identifier that it leaves on the disk, unless this
# is set before its import. What undim is used on is nobody's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {"enhance": "enhancer", "Enhancer": "enhancer", "apply_curves": "curves"}
_MODULES = (
    "baselines",
    "curves",
    "denoise",
    "errors",
    "evaluation",
    "folders",
    "images",
    "metrics",
    "pretrained",
    "video",
)

__all__ = ["Enhancer", "__version__", "apply_curves", "enhance"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"undim.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"undim.{name}")
    else:
        raise AttributeError(f"module 'undim' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
