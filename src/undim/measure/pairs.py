"""Which pictures are measured: a folder alone, or two folders whose files belong together by name.

Files are paired by stem (`12.png` with `12.jpg`), never by their place in a sorted list: one
missing file would shift every pair after it, and every score would still look like a score.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from undim.errors import DataError
from undim.images import EXTENSIONS

LOW, HIGH = "low", "high"  # LOL's layout


@dataclass(frozen=True)
class Item:
    """One picture to measure: its name, its file, and its reference where there is one."""

    name: str
    input: Path
    reference: Path | None = None


def find_items(data: str | Path, reference: str | Path | None = None) -> list[Item]:
    """The pictures of a data set, in natural order (2 before 10).

    data       a folder with `low/` and `high/` (LOL's layout), or a folder of pictures
    reference  a folder with the references of `data`'s pictures

    Without references the items are unpaired. Raises DataError for a folder without pictures, for
    two pictures of one stem, and for pictures without a partner, which it names.
    """
    data = Path(data)
    if reference is not None:
        return _pair(data, Path(reference))
    present = [name for name in (LOW, HIGH) if (data / name).is_dir()]
    if len(present) == 1:
        raise DataError(f"{data} holds {present[0]}/ alone; a paired set has {LOW}/ and {HIGH}/")
    if present:
        return _pair(data / LOW, data / HIGH)
    return [Item(path.name, path) for path in _pictures(data)]


def _pair(inputs: Path, references: Path) -> list[Item]:
    low, high = _by_stem(inputs), _by_stem(references)
    alone = [str(low[stem]) for stem in low if stem not in high]
    alone += [str(high[stem]) for stem in high if stem not in low]
    if alone:
        raise DataError(
            f"{len(alone)} pictures in {inputs} and {references} have no partner of their name: "
            f"{_some(alone)}; add the partners or take these away"
        )
    return [Item(path.name, path, high[stem]) for stem, path in low.items()]


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _pictures(folder):
        if path.stem in found:
            raise DataError(f"{found[path.stem]} and {path.name} share a name; keep one of them")
        found[path.stem] = path
    return found


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected pictures in it, or {LOW}/ and {HIGH}/")
    files = [
        path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS and path.is_file()
    ]
    if not files:
        sets = sorted(path.parent.name for path in folder.glob(f"*/{LOW}"))
        hint = f"; it holds the sets {_some(sets)}: name one of them" if sets else ""
        raise DataError(f"{folder} holds no pictures ({', '.join(EXTENSIONS)}){hint}")
    return sorted(files, key=natural_order)


def natural_order(path: Path) -> list[tuple[int, str]]:
    """A key that sorts files by name with 2 before 10."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", path.name)]


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
