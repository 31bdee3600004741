"""Where a number comes from: versions, machine, commit, and a fingerprint of the pictures."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from undim import __version__


def provenance() -> dict[str, str]:
    """What a reader needs to repeat a measurement, in words."""
    return {
        "undim": __version__,
        "commit": commit() or "not run from a checkout",
        "python": platform.python_version(),
        **libraries(),
        "machine": f"{platform.platform()}, {_processor()}, {os.cpu_count()} cores",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def libraries() -> dict[str, str]:
    """The versions of what every enhancement goes through."""
    # ONNX Runtime is asked itself: it comes as onnxruntime or, for CUDA, as onnxruntime-gpu.
    import onnxruntime  # type: ignore[import-untyped]

    return {
        **{name: metadata.version(name) for name in ("numpy", "pillow")},
        "onnxruntime": onnxruntime.__version__,
    }


def fingerprint(paths: Iterable[Path]) -> str:
    """SHA-256 over the names and contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def commit() -> str | None:
    """The commit of the checkout that this code runs from; None if installed.

    It is marked where files differ from it.
    """
    folder = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    # An environment inside someone else's repository is no checkout of undim: there, this file is
    # untracked.
    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    dirty = (
        " with changes"
        if git("status", "--porcelain", "--untracked-files=no", "--", str(folder))
        else ""
    )
    return f"{git('rev-parse', 'HEAD')}{dirty}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
