"""The memory of an output folder: a line of JSON for each output, written before it is named.

A line counts only if the output is there, of the size and time (or else the content) that the line
tells: a run that is cut off between the two leaves a line that is not believed, and the photograph
is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from ..images.atomic import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

NAME = ".undim-manifest.jsonl"

_Record = dict[str, Any]


class Manifest:
    """The manifest of one output folder; threads may share it, two processes should not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._lines: dict[str, list[_Record]] = {}
        try:
            text = (folder / NAME).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        for line in text.splitlines():
            try:
                record = json.loads(line)
                self._lines.setdefault(record["output"], []).append(record)
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut off

    def add(self, target: Path, mark: str, data: bytes, stat: os.stat_result) -> None:
        """Note that `target` is about to be `data`, made from what has this mark."""
        record: _Record = {
            "output": self._name(target),
            "input": mark,
            "size": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        # The newline comes first: a line that was cut off cannot spoil this one.
        with self._lock:
            self._lines.setdefault(record["output"], []).append(record)
            with (self._folder / NAME).open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps(record))

    def is_own(self, target: Path) -> bool:
        """Whether the file there is one that undim wrote and nobody has changed since."""
        return self._record(target) is not None

    def is_finished(self, target: Path, mark: str) -> bool:
        """Whether the file there is what undim made from this very input with these settings."""
        record = self._record(target)
        return record is not None and record["input"] == mark

    def _record(self, target: Path) -> _Record | None:
        """The newest line that tells the truth about the file there."""
        try:
            stat = target.stat()
        except OSError:
            return None
        digest = None
        for record in reversed(self._lines.get(self._name(target), [])):
            if record.get("size") != stat.st_size:
                continue
            if record.get("mtime_ns") == stat.st_mtime_ns:
                return record
            digest = digest or hashlib.sha256(target.read_bytes()).hexdigest()
            if record.get("sha256") == digest:
                return record
        return None

    def _name(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()


def mark_of(source: Path, settings: str) -> str:
    """What an output must match to be up to date: its input's path, size and time, the settings."""
    stat = source.stat()
    return hashlib.sha256(
        json.dumps([str(source.absolute()), stat.st_size, stat.st_mtime_ns, settings]).encode()
    ).hexdigest()


def sweep(folder: Path) -> int:
    """Remove what a killed run left behind: hidden temporary files. Returns how many."""
    leftovers = list(folder.rglob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)
