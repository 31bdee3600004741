"""EXIF, XMP, IPTC and resolution: what a file says about its photograph, it says again."""

from __future__ import annotations

import dataclasses
import io
import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from helpers.metadata import MAKER_NOTE, SRGB, XMP, exif_block, tags
from undim import images
from undim.images import exif, tiff

PIXELS = np.tile(np.linspace(0, 255, 30, dtype=np.uint8)[None, :, None], (20, 1, 3))
CARRIERS = ["jpeg", "png", "webp", "tiff", "avif"]
UPRIGHT = [format for format in CARRIERS if format != "avif"]


def file_with(metadata: images.Metadata, format: str) -> bytes:
    return images.encode(dataclasses.replace(images.from_array(PIXELS), metadata=metadata), format)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format", UPRIGHT)
def test_exif_survives_is_turned_once_and_loses_its_thumbnail(format: str, order: str) -> None:
    picture = images.decode(file_with(images.Metadata(exif=exif_block(order)), format))
    assert picture.pixels.shape == (30, 20, 3)
    for _ in range(2):  # a second trip turns nothing
        block = picture.metadata.exif
        assert block is not None
        found = tags(block)
        assert found[0x010F] == "Camera"
        assert found[0x0112] == 1
        assert found[0x8769][0x829A] == 1 / 50
        assert found[0x8769][0x927C] == MAKER_NOTE
        assert (found[0x8769][0xA002], found[0x8769][0xA003]) == (20, 30)
        assert found[0x8825][2] == (52, 31, 12)
        assert found[1] == {}
        assert b"THUMB" not in block
        picture = images.decode(images.encode(picture))
        assert picture.pixels.shape == (30, 20, 3)


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_maker_notes_keep_their_place(format: str) -> None:
    block = exif_block("<")
    kept = images.decode(file_with(images.Metadata(exif=block), format)).metadata.exif
    assert kept is not None
    assert kept.index(MAKER_NOTE) == block.index(MAKER_NOTE)


def test_avif_carries_exif_too() -> None:
    upright = exif.upright(exif_block("<"), 30, 20)
    kept = images.decode(file_with(images.Metadata(exif=upright), "avif")).metadata.exif
    assert kept is not None
    assert tags(kept)[0x010F] == "Camera"
    assert MAKER_NOTE in kept


@pytest.mark.parametrize("format", CARRIERS)
def test_xmp_survives_with_its_orientation_reset(format: str) -> None:
    kept = images.decode(file_with(images.Metadata(xmp=XMP), format)).metadata.xmp
    assert kept == XMP.replace(b'Orientation="6"', b'Orientation="1"')


@pytest.mark.parametrize("format", CARRIERS)
def test_strip_gps_takes_the_place_and_leaves_the_rest(format: str) -> None:
    upright = exif.upright(exif_block(">"), 30, 20)
    picture = dataclasses.replace(
        images.from_array(PIXELS), metadata=images.Metadata(exif=upright, xmp=exif.upright_xmp(XMP))
    )
    data = images.encode(picture, format, strip_gps=True)
    assert b"GPS" not in data
    assert struct.pack(">6I", 52, 1, 31, 1, 12, 1) not in data
    assert struct.pack("<6I", 52, 1, 31, 1, 12, 1) not in data
    stripped = images.decode(data).metadata
    assert stripped.exif is not None
    assert tags(stripped.exif)[0x8825] == {}
    assert tags(stripped.exif)[0x010F] == "Camera"
    assert stripped.xmp is not None
    assert b'xmp:Rating="4"' in stripped.xmp


def test_xmp_whose_gps_cannot_be_taken_out_goes_as_a_whole() -> None:
    assert exif.xmp_without_gps(XMP.decode().encode("utf-16")) is None


@pytest.mark.parametrize("format", ["jpeg", "png", "tiff", "bmp"])
def test_resolution_survives(format: str) -> None:
    dpi = images.decode(file_with(images.Metadata(dpi=(300, 240)), format)).metadata.dpi
    assert dpi == pytest.approx((300, 240), abs=0.02)


def test_resolution_in_dots_per_centimetre_is_understood() -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "TIFF", resolution_unit=3, x_resolution=100, y_resolution=50)
    assert images.decode(file.getvalue()).metadata.dpi == pytest.approx((254, 127))


def test_iptc_comments_and_extended_xmp_of_a_jpeg_are_carried_along() -> None:
    iptc = (
        b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", 8) + b"\x1c\x02\x78\0\x03Sea"
    )
    extended = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8) + b"more"
    segments = b"".join(
        bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
        for marker, content in ((0xED, iptc), (0xE1, extended))
    )
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", extra=segments, comment=b"by the sea")
    again = images.encode(images.decode(file.getvalue()))
    assert iptc in again
    assert extended in again
    assert Image.open(io.BytesIO(again)).info["comment"] == b"by the sea"


def test_a_bigtiff_keeps_its_profile_and_its_orientation() -> None:
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    tags = [(274, 3, 1, 6, True), (34675, 7, len(SRGB), SRGB, True), (700, 1, len(XMP), XMP, True)]
    tifffile.imwrite(file, PIXELS, photometric="rgb", bigtiff=True, extratags=tags)
    picture = images.decode(file.getvalue())
    assert picture.pixels.shape == (30, 20, 3)
    assert picture.metadata.icc_profile == SRGB
    assert picture.metadata.xmp == exif.upright_xmp(XMP)


def test_a_second_picture_in_a_jpeg_is_left_behind() -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(
        file, "MPO", save_all=True, append_images=[Image.fromarray(255 - PIXELS)]
    )
    picture = images.decode(file.getvalue())
    assert np.abs(picture.pixels.astype(int) - PIXELS).mean() < 3
    assert b"MPF\0" not in images.encode(picture)


def test_tiff_metadata_are_read_by_pillow_and_from_pillow() -> None:
    block = exif.upright(exif_block(">"), 30, 20)
    with Image.open(
        io.BytesIO(file_with(images.Metadata(exif=block, dpi=(300, 300)), "tiff"))
    ) as image:
        read = image.getexif()
        assert read[0x010F] == "Camera"
        assert read.get_ifd(0x8769)[0x927C] == MAKER_NOTE
        assert image.info["dpi"] == (300, 300)
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "TIFF", exif=b"Exif\0\0" + exif_block("<"))
    kept = images.decode(file.getvalue()).metadata.exif
    assert kept is not None
    assert tags(kept)[0x8769][0x9003] == "2024:12:24 18:00:00"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_block_too_long_for_one_segment_still_reaches_the_jpeg(order: str) -> None:
    upright = exif.upright(exif_block(order, 1), 30, 20)
    assert upright is not None
    long = upright + bytes(80_000) + b"end"
    assert images.decode(file_with(images.Metadata(exif=long), "jpeg")).metadata.exif == long


def test_a_packet_too_long_for_one_segment_becomes_extended_xmp() -> None:
    long = XMP.replace(b'xmp:Rating="4"', b'xmp:Label="' + b"long " * 30_000 + b'"')
    data = file_with(images.Metadata(xmp=long), "jpeg")
    head = b"http://ns.adobe.com/xmp/extension/\0"
    pieces = [
        piece[40 : int.from_bytes(before[-2:], "big") - 37]
        for before, piece in itertools.pairwise(data.split(head))
    ]
    assert b"".join(pieces) == long
    again = images.encode(images.decode(data))
    assert again.count(head) == data.count(head) == len(pieces) > 1


@given(st.data())
def test_damaged_exif_is_dropped_or_edited_but_never_an_error(data: st.DataObject) -> None:
    block = bytearray(exif_block(data.draw(st.sampled_from("<>"))))
    for _ in range(data.draw(st.integers(1, 8))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(block[: data.draw(st.integers(0, len(block)))])
    assert 1 <= exif.orientation(damaged, None) <= 8
    for result in (exif.upright(damaged, 3, 2), exif.without_tag(damaged, exif.GPS_IFD)):
        assert result is None or len(result) <= len(damaged)
    assert isinstance(tiff.metadata_of(damaged), images.Metadata)
    assert tiff.is_raw(damaged) in (True, False)
