"""The exceptions of undim, all in one tree.

UndimError
├── InputError          a picture, array or argument that cannot be used (also a ValueError)
│   └── TooManyPixelsError  a picture over the limit of pixels
├── OutputError         a result that cannot be written where it was asked for
├── ModelError          a model name or file that is not an undim model
├── DataError           a data set that is absent, incomplete or damaged
├── ConfigError         a recipe with an unknown key or a value out of range
├── TrainingError       a training run that cannot go on (non-finite loss, foreign checkpoint)
├── DeviceError         a device that was asked for and is not there
└── MissingExtraError   an optional dependency that is not installed

Every message says what came, what was expected and what to do.
"""

from __future__ import annotations


class UndimError(Exception):
    """Base of every error that undim raises on purpose; the command line prints it without a
    traceback.
    """


class InputError(UndimError, ValueError):
    """A picture, array or argument that cannot be used."""


class TooManyPixelsError(InputError):
    """A picture with more pixels than the caller allows: a decompression bomb, or a limit set too
    low.
    """


class OutputError(UndimError):
    """A result that cannot be written where it was asked for."""


class ModelError(UndimError):
    """A model name or file that is not an undim model."""


class DataError(UndimError):
    """A data set that is absent, incomplete or damaged."""


class ConfigError(UndimError):
    """A recipe with an unknown key or a value out of range."""


class TrainingError(UndimError):
    """A training run that cannot go on."""


class DeviceError(UndimError):
    """A device that was asked for and is not there."""


class MissingExtraError(UndimError):
    """An optional dependency that is not installed: `MissingExtraError("heic", "to read HEIC
    files")`.
    """

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"undim needs an optional part {purpose}: pip install 'undim[{extra}]'")
        self.extra = extra
