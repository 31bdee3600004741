"""HEIC and camera raw files: read where their extra is installed, named where it is not."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.metadata import MAKER_NOTE, SRGB, XMP, exif_block, tags
from undim import folders, images
from undim.errors import InputError, MissingExtraError
from undim.images import exif

SMOOTH = np.repeat(np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64, 1), 3, axis=2)
HEIC_HEADER = b"\0\0\0\x18ftypheic" + bytes(100)
CR3_HEADER = b"\0\0\0\x18ftypcrx " + bytes(100)


def dng(orientation: int = 1) -> bytes:
    """A raw file of a camera with an RGGB sensor: a scene that gets brighter from left to right."""
    tifffile = pytest.importorskip("tifffile")
    scene = np.tile(np.linspace(200, 12_000, 96), (64, 1)).astype(np.uint16)
    unit = (10_000, 10_000)
    tags = [
        (271, 2, None, "Maker", True),
        (272, 2, None, "Sensor", True),
        (274, 3, 1, orientation, True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),
        (50708, 2, None, "Maker Sensor", True),
        (50714, 3, 1, 128, True),
        (50717, 3, 1, 16_383, True),
        (50721, 10, 9, (*unit, 0, 1, 0, 1, 0, 1, *unit, 0, 1, 0, 1, 0, 1, *unit), True),
        (50728, 5, 3, (1, 1) * 3, True),
        (50778, 3, 1, 21, True),
    ]
    file = io.BytesIO()
    tifffile.imwrite(file, scene, photometric=32803, extratags=tags, metadata=None, software=None)
    return file.getvalue()


@pytest.mark.parametrize(("dtype", "depth"), [(np.uint8, 8), (np.uint16, 10)])
def test_heic_goes_there_and_back_in_its_depth(dtype: type, depth: int) -> None:
    pytest.importorskip("pillow_heif")
    samples = SMOOTH if dtype is np.uint16 else (SMOOTH >> 8).astype(np.uint8)
    upright = exif.upright(exif_block("<"), 64, 48)
    metadata = images.Metadata(upright, exif.upright_xmp(XMP), SRGB)
    picture = dataclasses.replace(images.from_array(samples), metadata=metadata)
    back = images.decode(images.encode(picture, "heic", 95))
    assert back.format == "HEIF"
    assert back.pixels.dtype == dtype
    assert np.abs(back.pixels.astype(float) - samples).mean() / samples.max() < 0.01
    assert len(np.unique(back.pixels)) > 2 ** (depth - 1)
    assert back.metadata.icc_profile == SRGB
    assert back.metadata.xmp == exif.upright_xmp(XMP)
    assert back.metadata.exif is not None
    assert MAKER_NOTE in back.metadata.exif


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_heic_keeps_grey_and_alpha(channels: int) -> None:
    pytest.importorskip("pillow_heif")
    samples = np.dstack(
        [(SMOOTH >> 8).astype(np.uint8), 255 - (SMOOTH[..., :1] >> 8).astype(np.uint8)]
    )
    back = images.decode(images.encode(images.from_array(samples[..., -channels:]), "heic"))
    assert (back.grey, back.alpha is not None) == (channels == 1, channels == 4)


def test_a_turned_heic_is_turned_once() -> None:
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    image = heif.from_pillow(Image.fromarray((SMOOTH >> 8).astype(np.uint8)))
    image.save(file, exif=b"Exif\0\0" + exif_block(">", 6))
    picture = images.decode(file.getvalue())
    assert picture.pixels.shape == (64, 48, 3)
    assert picture.pixels[0].mean() < picture.pixels[-1].mean()  # dark was left, and is now on top
    assert picture.metadata.exif is not None
    assert tags(picture.metadata.exif)[0x0112] == 1
    assert images.decode(images.encode(picture)).pixels.shape == (64, 48, 3)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_raw_file_is_developed_to_16_bits_upright_with_its_exif(orientation: int) -> None:
    pytest.importorskip("rawpy")
    picture = images.decode(dng(orientation))
    assert picture.format == "RAW"
    assert picture.pixels.dtype == np.uint16
    height, width = picture.pixels.shape[:2]
    assert (height > width) == (orientation == 6)
    along = (
        picture.pixels.mean(axis=(1, 2)) if orientation == 6 else picture.pixels.mean(axis=(0, 2))
    )
    middle = along[4:-4]
    assert (np.diff(middle) > -200).all()
    assert middle[-1] > 4 * middle[0]
    assert (
        np.ptp(picture.pixels[20:40, 20:40].mean(axis=(0, 1)))
        < 0.2 * picture.pixels[20:40, 20:40].mean()
    )
    assert picture.metadata.exif is not None
    assert tags(picture.metadata.exif)[272] == "Sensor"
    assert tags(picture.metadata.exif)[274] == 1


def test_raw_files_become_tiff_files_of_16_bits(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    (tmp_path / "a.dng").write_bytes(dng())
    report = folders.run([tmp_path], tmp_path / "out", lambda pixels: pixels)
    assert [outcome.status for outcome in report.outcomes] == ["done"]
    out = images.decode(tmp_path / "out" / "a.tif")
    assert (out.format, out.pixels.dtype) == ("TIFF", np.uint16)


@pytest.mark.parametrize("data", [HEIC_HEADER, CR3_HEADER, b"FUJIFILMCCD-RAW 0201" + bytes(200)])
def test_damaged_files_are_refused(data: bytes) -> None:
    pytest.importorskip("pillow_heif")
    pytest.importorskip("rawpy")
    with pytest.raises(InputError, match="damaged"):
        images.decode(data)


@pytest.mark.parametrize("kind", ["heic", "raw"])
def test_bombs_are_refused(kind: str) -> None:
    pytest.importorskip({"heic": "pillow_heif", "raw": "rawpy"}[kind])
    data = dng() if kind == "raw" else images.encode(images.from_array(SMOOTH), "heic")
    with pytest.raises(InputError, match="pixels, expected at most 100"):
        images.decode(data, max_pixels=100)


@pytest.mark.parametrize(
    ("package", "extra", "data"),
    [
        ("pillow_heif", "heic", HEIC_HEADER),
        ("rawpy", "raw", CR3_HEADER),
        ("rawpy", "raw", b"IIU\0" + bytes(200)),
        ("rawpy", "raw", b"II*\0\x10\0\0\0CR\2\0" + bytes(200)),
    ],
)
def test_an_absent_extra_is_named(
    package: str, extra: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'undim\[{extra}\]'"):
        images.decode(data)
    if extra == "heic":
        with pytest.raises(MissingExtraError, match="to write HEIC"):
            images.encode(images.from_array(SMOOTH), "heic")
