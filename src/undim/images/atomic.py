"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..errors import OutputError

TEMPORARY_PREFIX = ".undim-"
"""Every temporary file is `.undim-<random>.tmp` in the folder of its target, so that a sweep can
find it.
"""
TEMPORARY_SUFFIX = ".tmp"


def write_atomically(
    path: str | os.PathLike[str],
    data: bytes | bytearray | memoryview,
    *,
    overwrite: bool = False,
    announce: Callable[[os.stat_result], None] | None = None,
) -> Path:
    """Write `data` under `path` in one step: at no moment is there a partial file of that name.

    The bytes go to a hidden file in the same folder, are flushed to the disk and only then get
    their name, by a hard link where an existing file must stay (so that two writers cannot both
    win), else by a rename. Missing folders are made. `announce` is called with the size and times
    that the file is about to have, when all that is left to do is to name it. Raises OutputError.
    """
    path = Path(path)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}{TEMPORARY_SUFFIX}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not overwrite and path.exists():
            raise FileExistsError
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                if announce is not None:
                    announce(os.fstat(file.fileno()))
            if overwrite:
                temporary.replace(path)
            else:
                _name_exclusively(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.exists():
            raise OutputError(
                f"{path} exists already; choose another name or allow overwriting"
            ) from error
        raise OutputError(
            f"{path} cannot be written ({error.strerror}); choose a folder that can be written"
        ) from error
    return path


def _name_exclusively(temporary: Path, path: Path) -> None:
    """Give the file its final name, or raise FileExistsError."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        # FAT and some network file systems know no hard links: look, then rename. Another writer
        # may come between the two, but a file that was reserved by touching it would be a partial
        # one.
        if path.exists():
            raise FileExistsError from None
        temporary.replace(path)
