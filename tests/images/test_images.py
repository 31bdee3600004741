"""The edge to files: what comes back is what went in, in every format, depth and kind."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from undim import images
from undim.errors import InputError, OutputError
from undim.images.colour import white
from undim.images.decode import _turned
from undim.images.encode import join

H, W = 24, 37
LOSSLESS = ["png", "tiff"]
FORMATS = ["jpeg", "png", "webp", "tiff", "avif", "bmp"]


def ramp(channels: int, dtype: type = np.uint8, shape: tuple[int, int] = (H, W)) -> np.ndarray:
    """A smooth 16-bit picture that uses the low bytes and whose dark end looks like 8 bits."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    planes = np.stack([(x + k * y) / (1 + k) for k in range(channels)], axis=-1)
    unit = planes / planes.max() if planes.max() > 0 else planes
    return (unit * white(np.dtype(dtype))).astype(dtype)


def stored(picture: images.Picture) -> np.ndarray:
    return join(picture.pixels, picture.alpha, picture.grey)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("format", LOSSLESS)
def test_lossless_formats_give_back_every_sample(format: str, dtype: type, channels: int) -> None:
    samples = ramp(channels, dtype)
    back = stored(images.decode(images.encode(images.from_array(samples), format)))
    if format == "png" and dtype is np.float32:  # PNG holds at most 16 bits
        assert back.dtype == np.uint16
        assert np.abs(back / 65535 - samples).max() <= 0.51 / 65535
    else:
        assert back.dtype == samples.dtype
        np.testing.assert_array_equal(back, samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_lossy_formats_come_near(format: str, dtype: type) -> None:
    samples = ramp(3, dtype)
    back = images.decode(images.encode(images.from_array(samples), format, 95)).pixels
    assert back.dtype == np.uint8
    assert np.abs(back / 255 - samples / white(samples.dtype)).mean() < 0.01


@pytest.mark.parametrize(
    ("format", "kept"), [("jpeg", 1), ("bmp", 1), ("png", 2), ("tiff", 2), ("avif", 4)]
)
def test_grey_and_alpha_are_kept_as_far_as_the_format_holds_them(format: str, kept: int) -> None:
    assert stored(images.decode(images.encode(images.from_array(ramp(2)), format))).shape[2] == kept


def test_convention_depth_comes_from_the_file_never_from_the_values() -> None:
    dark = np.full((5, 5, 3), 200, np.uint16)
    assert images.decode(images.encode(images.from_array(dark), "png")).pixels.dtype == np.uint16


def test_a_16_bit_png_of_our_own_is_read_alike_by_other_software() -> None:
    tifffile = pytest.importorskip("tifffile")
    samples = ramp(3, np.uint16)
    np.testing.assert_array_equal(
        tifffile.imread(io.BytesIO(images.encode(images.from_array(samples), "tiff"))), samples
    )
    png = images.encode(images.from_array(samples), "png")
    with Image.open(io.BytesIO(png)) as image:  # Pillow keeps the high bytes
        np.testing.assert_array_equal(np.asarray(image), samples >> 8)


@pytest.mark.parametrize(
    "settings", [{"quality": 35, "subsampling": 2}, {"quality": 97, "subsampling": 0}]
)
def test_a_jpeg_keeps_its_tables_and_subsampling_unless_told(settings: dict[str, int]) -> None:
    file = io.BytesIO()
    Image.fromarray(ramp(3)).save(file, "JPEG", **settings)
    picture = images.decode(file.getvalue())
    kept = images.decode(images.encode(picture))
    assert kept.jpeg == picture.jpeg
    assert kept.jpeg is not None
    assert kept.jpeg.subsampling == settings["subsampling"]
    told = images.decode(images.encode(picture, quality=60))
    assert told.jpeg is not None
    assert told.jpeg.tables != kept.jpeg.tables


def test_webp_stays_lossless_if_it_was() -> None:
    file = io.BytesIO()
    Image.fromarray(ramp(3)).save(file, "WEBP", lossless=True)
    picture = images.decode(file.getvalue())
    np.testing.assert_array_equal(images.decode(images.encode(picture)).pixels, ramp(3))
    assert len(images.encode(picture, quality=30)) != len(images.encode(picture))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_upright_agrees_with_pillow(orientation: int) -> None:
    from PIL import ImageOps

    samples = ramp(3)
    image = Image.fromarray(samples)
    image.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(
        _turned(samples, orientation), np.asarray(ImageOps.exif_transpose(image))
    )


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 9), st.integers(1, 9))
        | st.tuples(*[st.integers(1, 9)] * 2, st.integers(1, 4)),
    )
)
def test_an_array_comes_back_in_its_own_shape_and_dtype(array: np.ndarray) -> None:
    back = images.to_array(images.from_array(array), array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16", "F"])
def test_a_pillow_image_comes_back_in_its_own_mode(mode: str) -> None:
    samples = {"I;16": ramp(1, np.uint16), "F": ramp(1, np.float32)}.get(mode, ramp(len(mode)))
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    image.info["comment"] = "kept"
    back = images.to_pil(images.from_pil(image), image)
    assert (back.mode, back.info) == (image.mode, image.info) == (mode, {"comment": "kept"})
    np.testing.assert_array_equal(np.asarray(back), np.asarray(image))


@pytest.mark.parametrize(("transparent", "mode"), [(False, "RGB"), (True, "RGBA")])
def test_a_palette_becomes_colours_and_keeps_its_transparency(transparent: bool, mode: str) -> None:
    image = Image.fromarray(ramp(3)).quantize(8)
    file = io.BytesIO()
    image.save(file, "PNG", **({"transparency": 3} if transparent else {}))
    expected = np.asarray(Image.open(file).convert(mode))
    np.testing.assert_array_equal(stored(images.decode(file.getvalue())), expected)
    assert transparent == (len(np.unique(expected[..., -1])) == 2 and mode == "RGBA")


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_colour_key_becomes_alpha(mode: str) -> None:
    image = Image.fromarray(ramp(3)).convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG", transparency=image.getpixel((5, 5)))
    alpha = images.decode(file.getvalue()).alpha
    assert alpha is not None
    assert alpha[5, 5] == 0
    assert alpha.max() == 255


def test_premultiplied_tiff_is_made_straight() -> None:
    tifffile = pytest.importorskip("tifffile")
    colour, alpha = np.full((4, 4, 3), 60_000, np.uint16), np.full((4, 4, 1), 32_768, np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(
        file, np.dstack([colour // 2, alpha]), photometric="rgb", extrasamples=["assocalpha"]
    )
    picture = images.decode(file.getvalue())
    assert np.abs(picture.pixels.astype(int) - 60_000).max() <= 2
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, alpha[..., 0])


@pytest.mark.parametrize("format", FORMATS)
def test_one_pixel(format: str) -> None:
    back = images.decode(images.encode(images.from_array(np.full((1, 1, 3), 90, np.uint8)), format))
    assert back.pixels.shape == (1, 1, 3)
    assert np.abs(back.pixels.astype(int) - 90).max() <= 2


def test_sources_path_bytes_and_file_agree(tmp_path: Path) -> None:
    data = images.encode(images.from_array(ramp(3)), "png")
    path = tmp_path / ("ночь 夜 🌙 " + "x" * 220 + ".png")  # 255 bytes is the longest name
    path.write_bytes(data)
    with path.open("rb") as file:
        sources = [path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), file]
        for source in sources:
            np.testing.assert_array_equal(images.decode(source).pixels, ramp(3))


BAD_ARRAYS = [
    np.zeros((4, 4, 3), np.float64),
    np.zeros((4, 4, 3), np.int16),
    np.zeros((4, 4, 3), bool),
    np.zeros((4, 4, 5), np.uint8),
    np.zeros((4,), np.uint8),
    np.zeros((0, 4, 3), np.uint8),
    np.full((4, 4, 3), np.nan, np.float32),
    np.full((4, 4, 3), 255, np.float32),
    np.full((4, 4, 3), -0.1, np.float32),
]


@pytest.mark.parametrize("array", BAD_ARRAYS, ids=lambda array: f"{array.dtype}-{array.shape}")
def test_arrays_that_are_no_pictures_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"got .*expected"):
        images.from_array(array)


def test_nan_in_a_float_tiff_is_refused() -> None:
    samples = ramp(3, np.float32)
    picture = dataclasses.replace(images.from_array(samples), pixels=np.full_like(samples, np.nan))
    with pytest.raises(InputError, match="finite"):
        images.decode(images.encode(picture, "tiff"))


def animation(format: str) -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(ramp(3) // k) for k in (1, 2, 3)]
    frames[0].save(file, format, save_all=True, append_images=frames[1:])
    return file.getvalue()


JPEG = images.encode(images.from_array(ramp(3)), "jpeg")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not a picture"),
        (animation("GIF"), "GIF"),
        (animation("PNG"), "3 frames"),
        (animation("WEBP"), "3 frames"),
        (animation("TIFF"), "3 frames"),
        (animation("AVIF"), "3 frames"),
        (JPEG[:20], "damaged"),
    ],
)
def test_files_that_are_no_whole_still_picture_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        images.decode(data, name="holiday.jpg")
    assert str(caught.value).startswith("holiday.jpg: ")
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format", FORMATS)
def test_files_that_are_cut_off_are_refused(format: str, dtype: type) -> None:
    noise = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (64, 64, 3), dtype)
    data = images.encode(images.from_array(noise), format)
    for part in (0.3, 0.6, 0.9):
        with pytest.raises(InputError, match="expected"):
            images.decode(data[: int(part * len(data))])


def test_samples_that_no_picture_has_are_refused() -> None:
    tifffile = pytest.importorskip("tifffile")
    for samples in (
        np.zeros((4, 4), np.uint32),
        np.zeros((4, 4), np.int8),
        np.zeros((4, 4, 7), np.uint8),
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, samples, photometric="minisblack", planarconfig="contig")
        with pytest.raises(InputError, match="expected grey, RGB or CMYK"):
            images.decode(file.getvalue())


def test_absent_files_folders_and_foreign_types_are_refused(tmp_path: Path) -> None:
    for source in (tmp_path / "absent.jpg", tmp_path, "a\0b.jpg", io.StringIO("text"), 3):
        with pytest.raises(InputError, match="expected"):
            images.decode(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("format", FORMATS)
def test_bombs_are_refused_at_a_limit_that_can_be_raised(format: str) -> None:
    data = images.encode(images.from_array(ramp(3)), format)
    with pytest.raises(
        InputError, match=f"{H * W:,} pixels, expected at most {H * W - 1:,}; raise max_pixels"
    ):
        images.decode(data, max_pixels=H * W - 1)
    assert images.decode(data, max_pixels=H * W).pixels.shape == (H, W, 3)


@pytest.mark.parametrize("format", FORMATS)
def test_pillows_own_limit_does_not_matter(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = images.encode(images.from_array(np.zeros((600, 800, 3), np.uint8)), format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200_000)  # as if 480 000 were 200 million
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    assert images.decode(data).pixels.shape == (600, 800, 3)


@pytest.mark.parametrize(
    ("format", "quality"), [("xyz", None), ("gif", None), ("jpeg", 0), ("jpeg", 101)]
)
def test_unknown_formats_and_qualities_are_refused(format: str, quality: int | None) -> None:
    with pytest.raises(InputError, match=r"got .*expected"):
        images.encode(images.from_array(ramp(3)), format, quality)


def test_a_picture_too_wide_for_a_format_is_an_error_of_ours() -> None:
    with pytest.raises(OutputError, match="70000 x 1 pixels cannot be written as WEBP"):
        images.encode(images.from_array(np.zeros((1, 70_000, 3), np.uint8)), "webp")


def test_pixels_of_another_shape_or_dtype_are_refused() -> None:
    picture = images.from_array(ramp(3))
    for pixels in (ramp(3, shape=(5, 5)), ramp(3, np.uint16)):
        with pytest.raises(InputError, match=r"got pixels .*expected"):
            picture.with_pixels(pixels)


def test_decoding_is_thread_safe_and_leaves_pillow_alone() -> None:
    limit = Image.MAX_IMAGE_PIXELS
    files = [images.encode(images.from_array(ramp(3)), format) for format in LOSSLESS] * 4
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for data in files:
                np.testing.assert_array_equal(images.decode(data).pixels, ramp(3))
        except BaseException as error:  # a thread cannot fail a test by itself
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert limit == Image.MAX_IMAGE_PIXELS


def test_writing_makes_folders_and_never_replaces_unasked(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.png"
    assert images.write_atomically(path, b"first") == path
    with pytest.raises(OutputError, match="exists already"):
        images.write_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    images.write_atomically(path, b"second", overwrite=True)
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        images.write_atomically(tmp_path / "file" / "below.png", b"data")
    with pytest.raises(OutputError, match="cannot be written"):
        images.write_atomically(tmp_path / ("x" * 300), b"data")


def test_of_two_writers_of_one_name_one_wins(tmp_path: Path) -> None:
    path, wins = tmp_path / "file", []

    def write(data: bytes) -> None:
        try:
            images.write_atomically(path, data)
            wins.append(data)
        except OutputError:
            pass

    threads = [threading.Thread(target=write, args=(bytes([k]) * 1000,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == [path.read_bytes()]


def test_importing_the_edge_loads_no_vips_and_no_codecs_that_are_not_needed() -> None:
    code = (
        "import sys, undim.images; print(*{'pyvips', 'pillow_heif', 'rawpy', 'onnxruntime'} & "
        "set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
