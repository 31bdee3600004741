"""Hostile bytes: a picture comes out, or an InputError, or the name of an absent extra."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.metadata import SRGB, XMP, exif_block
from undim import images
from undim.errors import InputError, MissingExtraError


def _seeds() -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    metadata = images.Metadata(exif_block("<"), XMP, SRGB, (300, 300))
    picture = dataclasses.replace(images.from_array(pixels), metadata=metadata)
    deep = dataclasses.replace(images.from_array(pixels.astype(np.uint16) * 257), metadata=metadata)
    seeds = {
        format: images.encode(picture, format)
        for format in ("jpeg", "png", "webp", "tiff", "avif", "bmp")
    }
    seeds |= {"png16": images.encode(deep, "png"), "tiff16": images.encode(deep, "tiff")}
    palette, cmyk = io.BytesIO(), io.BytesIO()
    Image.fromarray(pixels).quantize(5).save(palette, "PNG", transparency=1)
    Image.frombytes("CMYK", (11, 9), np.dstack([pixels, pixels[..., :1]]).tobytes()).save(
        cmyk, "JPEG"
    )
    return seeds | {"palette": palette.getvalue(), "cmyk": cmyk.getvalue()}


SEEDS = _seeds()


def decode_or_refuse(data: bytes) -> None:
    try:
        picture = images.decode(data, max_pixels=100_000)
    except (InputError, MissingExtraError):
        return
    assert picture.pixels.ndim == 3
    assert picture.pixels.shape[2] == 3
    assert 0 < picture.pixels.shape[0] * picture.pixels.shape[1] <= 100_000
    assert picture.alpha is None or picture.alpha.shape == picture.pixels.shape[:2]


@pytest.mark.parametrize("name", SEEDS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_files_give_a_picture_or_an_input_error(name: str, data: st.DataObject) -> None:
    mutated = bytearray(SEEDS[name])
    for _ in range(data.draw(st.integers(0, 6))):
        # Headers are where parsers go wrong: they are hit as often as all the rest.
        last = data.draw(st.sampled_from([min(200, len(mutated)), len(mutated)])) - 1
        mutated[data.draw(st.integers(0, last))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, len(mutated)))
        mutated[cut : cut + data.draw(st.integers(0, len(mutated)))] = data.draw(
            st.binary(max_size=20)
        )
    decode_or_refuse(bytes(mutated))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_give_a_picture_or_an_input_error(data: bytes) -> None:
    decode_or_refuse(data)


@pytest.mark.parametrize("name", SEEDS)
def test_every_truncation_is_refused_or_whole(name: str) -> None:
    seed = SEEDS[name]
    for length in {0, 1, 2, 3, 8, 16, *range(0, len(seed), max(1, len(seed) // 97))}:
        decode_or_refuse(seed[:length])
