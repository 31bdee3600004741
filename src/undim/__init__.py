"""undim takes the dimness out of photographs and video."""

__version__ = "0.1.0"
