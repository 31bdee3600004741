"""Which photographs there are, and what their outputs are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, OutputError
from ..images import EXTENSIONS, RAW_EXTENSIONS, format_named, output_suffix

SUFFIX = ".undim"
"""`night.jpg` becomes `night.undim.jpg` where no output folder was named."""


@dataclass(frozen=True, slots=True)
class Task:
    """One photograph and the file that it becomes."""

    source: Path
    target: Path


def plan(
    inputs: Sequence[Path],
    output: Path | None = None,
    *,
    recursive: bool = False,
    format: str | None = None,
) -> list[Task]:
    """The photographs in the inputs (files and folders) with their outputs.

    output  the folder for the outputs, in which the tree below each input folder is mirrored; for a
            single input file it may be the name of the new file; None: beside each photograph as
            `night.undim.jpg`. What exists as a folder or has no suffix is a folder, everything else
            is the name of a file
    format  the suffix of the outputs; default: that of the photograph, `tif` for camera raw files

    In a folder, files count by their suffix; hidden files, the output folder and earlier `.undim`
    outputs do not. Photographs whose outputs would have one name (`a.jpg` and `a.nef` as `jpg`)
    keep their whole name: `a.jpg` stays, `a.nef` becomes `a.nef.jpg`. Raises InputError or
    OutputError, before anything is written, where an input is absent, the output's name is that of
    a format which undim does not write, two outputs would still be one file, or an output would be
    one of the inputs.
    """
    if format is not None:
        format_named(format)
    one_file = output is not None and _is_file_name(output)
    if output is not None and one_file and len(inputs) == 1 and inputs[0].is_file():
        tasks = [Task(inputs[0], output)]
    else:
        if one_file:
            raise InputError(
                f"got the file name {output} for a folder or several photographs, expected a folder"
            )
        found = list(_found(inputs, output, recursive))
        short = Counter(_key(_target(path, folder, format)) for path, folder in found)
        tasks = [
            Task(
                path,
                _target(path, folder, format, whole=short[_key(_target(path, folder, format))] > 1),
            )
            for path, folder in found
        ]
    _check(tasks)
    return tasks


def _is_file_name(output: Path) -> bool:
    if not output.suffix or output.is_dir():
        return False
    if output.suffix.lower() not in EXTENSIONS:
        raise InputError(
            f"got the output {output}, but undim writes no {output.suffix}; expected a name that "
            "ends in "
            f"{', '.join(EXTENSIONS)}, or a folder: one that exists, or a name without a suffix"
        )
    return True


def _found(
    inputs: Iterable[Path], output: Path | None, recursive: bool
) -> Iterator[tuple[Path, Path | None]]:
    """Each photograph with the folder that its output goes to, None for its own."""
    seen = set()
    for root in inputs:
        if root.is_dir():
            files = _walk(root, output, recursive)
        elif root.is_file():
            files = iter([root])
        else:
            raise InputError(
                f"{root}: no such file or folder; expected photographs or folders of them"
            )
        for path in files:
            if (real := os.path.realpath(path)) not in seen:
                seen.add(real)
                below = path.parent.relative_to(root) if root.is_dir() else Path()
                yield path, None if output is None else output / below


def _walk(root: Path, output: Path | None, recursive: bool) -> Iterator[Path]:
    excluded = None if output is None else os.path.realpath(output)
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if recursive
            and not name.startswith(".")
            and os.path.realpath(Path(folder, name)) != excluded
        )
        for name in sorted(files):
            path = Path(folder, name)
            known = path.suffix.lower() in (*EXTENSIONS, *RAW_EXTENSIONS)
            if known and not name.startswith(".") and not path.stem.endswith(SUFFIX):
                yield path


def _target(source: Path, folder: Path | None, format: str | None, *, whole: bool = False) -> Path:
    """The output of a photograph; `whole` keeps the old suffix in the name where it changes."""
    suffix = output_suffix(source, format)
    stem = source.name if whole and suffix != source.suffix else source.stem
    return (
        source.parent / f"{stem}{SUFFIX}{suffix}" if folder is None else folder / f"{stem}{suffix}"
    )


def _key(path: Path) -> str:
    return os.path.normcase(path.absolute())


def _check(tasks: Sequence[Task]) -> None:
    owners: dict[str, Path] = {}
    sources = {os.path.realpath(task.source) for task in tasks}
    for task in tasks:
        first = owners.setdefault(_key(task.target), task.source)
        if first is not task.source:
            raise InputError(
                f"{first} and {task.source} would both become {task.target}; "
                "enhance them into different folders, or name a folder above both with --recursive"
            )
        if os.path.realpath(task.target) in sources:
            raise OutputError(
                f"{task.target} is one of the inputs and would be overwritten; choose another "
                "output folder"
            )
