"""Colour profiles: enhanced in sRGB's tones, stored in their own, exact there and back."""

from __future__ import annotations

import dataclasses
import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from undim import images
from undim.images import colour, vips

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gamma_tag(gamma: float) -> bytes:
    return b"para" + bytes(8) + struct.pack(">i", round(gamma * 65536))


def with_tone(tag: bytes) -> bytes:
    """sRGB's primaries with another tone curve."""
    profile = bytearray(SRGB)
    for index in range(struct.unpack_from(">I", profile, 128)[0]):
        at = 132 + 12 * index
        if profile[at : at + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            struct.pack_into(">II", profile, at + 4, len(profile), len(tag))
    return _sized(profile + tag)


def grey_profile(gamma: float) -> bytes:
    """A grey profile with nothing but a white point and a tone curve."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    tone = gamma_tag(gamma)
    header = bytearray(SRGB[:128])
    header[16:20] = b"GRAY"
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 16)
    return _sized(header + table + white + tone)


def _sized(profile: bytearray) -> bytes:
    struct.pack_into(">I", profile, 0, len(profile))
    return bytes(profile)


def every_level(dtype: type) -> np.ndarray:
    levels = np.arange(256 if dtype is np.uint8 else 65536, dtype=dtype)
    return np.repeat(levels.reshape(-1, 256, 1), 3, axis=2)


def tagged(samples: np.ndarray, profile: bytes, format: str = "png") -> images.Picture:
    picture = dataclasses.replace(
        images.from_array(samples), metadata=images.Metadata(icc_profile=profile)
    )
    return images.decode(images.encode(picture, format))


def by_lcms(samples: np.ndarray, profile: bytes) -> np.ndarray:
    """sRGB values according to LittleCMS, an independent reference."""
    own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(Image.fromarray(samples), own, srgb, outputMode="RGB")
    return np.asarray(image)


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.19921875, 2.4])
def test_8_bit_pictures_are_worked_on_in_srgb_tones_and_come_back_exactly(gamma: float) -> None:
    samples, profile = every_level(np.uint8), with_tone(gamma_tag(gamma))
    picture = tagged(samples, profile)
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels / 257 - by_lcms(samples, profile)).max() < 0.6
    again = images.decode(images.encode(picture))
    assert again.metadata.icc_profile == profile
    with Image.open(io.BytesIO(images.encode(picture))) as file:
        np.testing.assert_array_equal(np.asarray(file), samples)


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_16_bit_pictures_come_back_within_half_an_8_bit_level(gamma: float) -> None:
    samples = every_level(np.uint16)
    picture = tagged(samples, with_tone(gamma_tag(gamma)), "tiff")
    assert picture.tone is not None
    assert np.abs(picture.tone.to_file(picture.pixels).astype(int) - samples).max() <= 128


def test_brightening_brightens_as_much_as_in_srgb() -> None:
    """A linear picture, brightened by a curve, shows the same light as its sRGB twin."""
    linear = with_tone(gamma_tag(1.0))
    samples = np.repeat(np.linspace(100, 60_000, 64).astype(np.uint16).reshape(8, 8, 1), 3, axis=2)
    picture = tagged(samples, linear, "tiff")
    brightened = picture.with_pixels((np.sqrt(picture.pixels / 65535) * 65535).astype(np.uint16))
    shown = images.decode(images.encode(brightened)).pixels
    expected = np.sqrt(picture.pixels / 65535)
    assert np.abs(shown / 65535 - expected).max() < 2e-4


def test_a_table_is_read_as_the_curve_it_samples() -> None:
    x = np.linspace(0, 1, 1024)
    table = (
        b"curv"
        + bytes(4)
        + struct.pack(">I1024H", 1024, *np.rint(x**1.8 * 65535).astype(int).tolist())
    )
    of_table = colour.tone_of(with_tone(table), np.dtype(np.uint8))
    of_gamma = colour.tone_of(with_tone(gamma_tag(1.8)), np.dtype(np.uint8))
    assert of_table is not None
    assert of_gamma is not None
    assert np.abs(of_table.curves[0] - of_gamma.curves[0]).max() < 1e-3


def test_srgb_and_its_variants_are_left_alone() -> None:
    samples = every_level(np.uint8)
    picture = tagged(samples, SRGB)
    assert picture.tone is None
    assert picture.metadata.icc_profile == SRGB
    np.testing.assert_array_equal(picture.pixels, samples)


def test_a_grey_profile_holds_for_grey_and_is_dropped_where_the_format_has_none() -> None:
    grey = every_level(np.uint8)[..., :1]
    profile = grey_profile(2.2)
    picture = tagged(grey, profile)
    assert picture.grey
    expected = by_lcms(grey[..., 0], profile)
    assert (
        np.abs(picture.pixels / 257 - expected).max() < 1.2
    )  # LittleCMS takes grey through 8-bit Lab
    assert images.decode(images.encode(picture)).metadata.icc_profile == profile
    webp = images.decode(images.encode(dataclasses.replace(picture, lossless=True), "webp"))
    assert webp.metadata.icc_profile is None
    assert np.abs(webp.pixels.astype(int) - expected).max() <= 1


def test_bmp_has_no_profile_and_becomes_srgb() -> None:
    samples, profile = every_level(np.uint8), with_tone(gamma_tag(1.8))
    picture = tagged(samples, profile)
    bmp = images.decode(images.encode(picture, "bmp"))
    assert np.abs(bmp.pixels.astype(int) - by_lcms(samples, profile)).max() <= 1


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
@pytest.mark.parametrize("with_profile", [True, False])
def test_cmyk_becomes_srgb(format: str, with_profile: bool) -> None:
    profile = vips._vips().Image.profile_load("cmyk") if with_profile else None
    inks = np.zeros((16, 64, 4), np.uint8)
    inks[:, 16:32, 0], inks[:, 32:48, 3], inks[:, 48:] = (
        255,
        255,
        (0, 255, 255, 0),
    )  # paper, cyan, black, red
    file = io.BytesIO()
    options = {"quality": 100} if format == "JPEG" else {}
    Image.frombytes("CMYK", (64, 16), inks.tobytes()).save(
        file, format, icc_profile=profile, **options
    )
    picture = images.decode(file.getvalue())
    paper, cyan, black, red = (picture.pixels[8, x].astype(int) for x in (8, 24, 40, 56))
    assert paper.min() > 245
    assert cyan[0] < 60 < 140 < cyan[2]
    assert black.max() < 70
    assert red[0] > 200 > 90 > red[2]
    assert colour.profile_space(picture.metadata.icc_profile) == "RGB"
    assert colour.tone_of(picture.metadata.icc_profile or b"", np.dtype(np.uint8)) is None
    assert images.decode(images.encode(picture)).pixels.shape == (16, 64, 3)


def test_an_rgb_profile_without_tone_curves_is_converted_to_srgb() -> None:
    without = SRGB.replace(b"rTRC", b"xxxx")
    picture = tagged(every_level(np.uint8), without)
    np.testing.assert_array_equal(picture.pixels, every_level(np.uint8))
    assert picture.metadata.icc_profile != without


@pytest.mark.parametrize("profile", [b"junk", SRGB[:200], SRGB[:131], b"\0" * 500])
def test_a_broken_profile_spoils_no_picture(profile: bytes) -> None:
    np.testing.assert_array_equal(
        tagged(every_level(np.uint8), profile).pixels, every_level(np.uint8)
    )


def test_a_pillow_image_keeps_its_profile_and_its_depth() -> None:
    image = Image.fromarray(every_level(np.uint8))
    image.info["icc_profile"] = with_tone(gamma_tag(1.8))
    picture = images.from_pil(image)
    assert picture.tone is not None
    back = images.to_pil(picture, image)
    assert back.info == image.info
    np.testing.assert_array_equal(np.asarray(back), np.asarray(image))
