"""LOL v1 from its public mirrors or from a local zip file, checked before it gets its name.

LOL (Wei et al., "Deep Retinex Decomposition for Low-Light Enhancement", BMVC 2018) is 500 pairs of
photographs,
600 x 400, dark and normal. No licence is stated for them. undim keeps no copy; it fetches:

    DEST/our485/{low,high}/*.png   485 pairs to learn from
    DEST/eval15/{low,high}/*.png   15 pairs to measure on
"""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from undim.errors import DataError
from undim.measure.pairs import natural_order

PAIRS = {"our485": 485, "eval15": 15}
SIZE = (600, 400)
EVAL15_SHA256 = "725832a902ac38a755e8372b5d88fb885cf1b69fc1324d512c11caf74810cd3a"
"""Of the pixels of eval15's pictures (RGB, 8 bit): low/ in numeric order, then high/."""

_LARGEST_PNG = 3 * SIZE[0] * SIZE[1] * 2  # bytes; a picture of noise stays below
_CHUNK = 1 << 20
_SECONDS = 30  # without a byte, until a mirror is given up


@dataclass(frozen=True)
class Archive:
    """A file on the web: its size and checksum, and the addresses that serve these very bytes."""

    size: int
    sha256: str
    mirrors: tuple[str, ...]


# Both repositories state this size and checksum in their Git LFS pointers (the authors' own link is
# a Google Drive page, which no program can rely on; what it serves may be given as --zip).
LOL = Archive(
    size=347_171_015,
    sha256="419fddc48958cd0f5599939ee0248852a37ceb8bb738c9b9525e95b25a89de9a",
    mirrors=(
        "https://huggingface.co/datasets/geekyrakshit/LoL-Dataset/resolve/main/lol_dataset.zip",
        "https://huggingface.co/keras-io/low-light-image-enhancement/resolve/main/lol_dataset.zip",
    ),
)


def fetch_lol(
    dest: str | Path, *, archive: str | Path | None = None, source: Archive = LOL
) -> Path:
    """Put LOL v1 into `dest`, a new or empty folder, whole and verified or not at all.

    Returns `dest`.

    archive  a zip file that was fetched by other means; without it `source` is downloaded to
             DEST.zip.part, where a later call goes on if the transfer breaks

    Raises DataError where nothing can be fetched, and for an archive that is not LOL v1 or is
    unsafe to unpack.
    """
    dest = Path(dest)
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise DataError(f"{dest} exists and is no empty folder; choose another --dest")
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.parent / f"{dest.name}.zip.part"
    if archive is None:
        download(source, part)
    with tempfile.TemporaryDirectory(dir=dest.parent, prefix=f".{dest.name}.") as temporary:
        folder = Path(temporary) / dest.name
        _unpack(Path(archive) if archive is not None else part, folder)
        _verify(folder)
        if dest.exists():
            dest.rmdir()
        folder.rename(dest)
    if archive is None:
        part.unlink()
    return dest


def download(source: Archive, part: Path) -> None:
    """Fetch the archive from the first mirror that delivers, going on where `part` ends."""
    failures = []
    for url in source.mirrors:
        try:
            with _progress(source.size, _size(part)) as bar:
                while (have := _size(part)) < source.size:
                    try:
                        _transfer(url, part, source.size, bar)
                    except (OSError, http.client.HTTPException):
                        if _size(part) <= have:  # a break after some progress is worth another try
                            raise
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            failures.append(f"{url} ({reason or type(error).__name__})")
            continue
        if _sha256(part) == source.sha256:
            return
        part.unlink()
        failures.append(f"{url} (its content has a wrong checksum and was thrown away)")
    raise DataError(
        f"LOL v1 could not be fetched from {'; '.join(failures)}. Check the connection and "
        f"try again{', the download goes on where it stopped' if part.exists() else ''}; "
        "or get the archive by other means and give it as --zip"
    )


def _transfer(url: str, part: Path, total: int, bar: tqdm[NoReturn]) -> None:
    """One request for what is missing; raises OSError or HTTPException where it ends early."""
    have = _size(part)
    request = urllib.request.Request(
        url, headers={"Range": f"bytes={have}-", "User-Agent": "undim"}
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:
        partial = response.status == http.client.PARTIAL_CONTENT
        if partial and not str(response.headers["Content-Range"]).startswith(f"bytes {have}-"):
            raise ConnectionError(
                f"got bytes {response.headers['Content-Range']}, expected those from {have}"
            )
        with part.open("ab" if partial else "wb") as file:
            bar.update(file.tell() - bar.n)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > total:  # whatever comes, it is not the archive
                    break
    if _size(part) != total:
        raise ConnectionError(f"the transfer ended after {_size(part)} bytes, expected {total}")


def _progress(total: int, done: int) -> tqdm[NoReturn]:
    return tqdm(
        total=total,
        initial=done,
        desc="LOL v1",
        unit="B",
        unit_scale=True,
        mininterval=0.1 if sys.stderr.isatty() else 10,
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    """Write the pictures of LOL, and nothing else, from an archive that may be hostile."""
    try:
        with zipfile.ZipFile(archive) as file:
            for member, split, kind, name in _pictures(archive, file):
                path = folder / split / kind / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as picture, file.open(member) as content:
                    shutil.copyfileobj(content, picture)
    except FileNotFoundError as error:
        raise DataError(f"{archive} does not exist; expected the zip file of LOL v1") from error
    except FileExistsError as error:
        raise DataError(
            f"{archive} holds {error.filename} twice; it is not LOL v1's archive"
        ) from error
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise DataError(
            f"{archive} cannot be unpacked ({error}); expected the zip file of LOL v1"
        ) from error


def _pictures(
    archive: Path, file: zipfile.ZipFile
) -> Iterator[tuple[zipfile.ZipInfo, str, str, str]]:
    """LOL's members with split, kind and name; DataError for any member that is unsafe."""
    for member in file.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        link = member.external_attr >> 16 & 0o170000 == 0o120000
        if link or path.is_absolute() or ".." in path.parts or ":" in member.filename:
            raise DataError(
                f"{archive} is unsafe: its member {member.filename!r} leads out of the folder"
            )
        if found := re.search(r"(?:^|/)(our485|eval15)/(low|high)/(\d+\.png)$", str(path)):
            if member.file_size > _LARGEST_PNG:
                raise DataError(
                    f"{archive} is unsafe: {member.filename} unpacks to {member.file_size} bytes"
                )
            yield member, found[1], found[2], found[3]


def _verify(folder: Path) -> None:
    """Raise DataError unless the folder holds LOL v1: pairs, sizes, and the pixels of eval15."""
    digest = hashlib.sha256()
    for split, count in PAIRS.items():
        low, high = (
            sorted((folder / split / kind).glob("*"), key=natural_order) for kind in ("low", "high")
        )
        if len(low) != count or [p.name for p in low] != [p.name for p in high]:
            raise DataError(
                f"{split} holds {len(low)} dark and {len(high)} normal pictures, expected "
                f"{count} pairs of equal names; this is not LOL v1"
            )
        for path in (*low, *high):
            name = path.relative_to(folder).as_posix()
            try:
                with Image.open(path) as image:
                    if (image.format, image.mode, image.size) != ("PNG", "RGB", SIZE):
                        raise DataError(
                            f"{name} is {image.size} {image.mode}, expected {SIZE} RGB; this is "
                            "not LOL v1"
                        )
                    if split == "eval15":
                        digest.update(image.tobytes())
            except (UnidentifiedImageError, OSError) as error:
                raise DataError(f"{name} is damaged; get the archive again") from error
    if digest.hexdigest() != EVAL15_SHA256:
        raise DataError(
            "the pictures of eval15 are not those of LOL v1: their pixels have another checksum"
        )
