"""The one inference path: what goes in comes out brighter and of its own kind."""

from __future__ import annotations

import io
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import undim
from helpers.standin import METADATA, write_model
from undim import enhancer as module
from undim.enhancer import Denoise, Enhancer
from undim.errors import InputError, OutputError
from undim.model import tiles
from undim.pixels.boxes import thumbnail
from undim.pixels.samples import MAXIMUM

DTYPES = [np.uint8, np.uint16, np.float32]


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> Enhancer:
    return Enhancer(write_model(tmp_path_factory.mktemp("model") / "m.onnx"))


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "levels.onnx", levels=6)


def dark(height: int = 90, width: int = 130, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).beta(1.5, 8, (height, width, 3))
    return (image * MAXIMUM[np.dtype(dtype)]).astype(dtype)


def jpeg(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("maps", [None, 16, "full"])
def test_an_array_comes_back_brighter_and_of_its_dtype(
    tmp_path: Path, dtype: type, maps: object
) -> None:
    image = dark(dtype=dtype)
    bright = Enhancer(write_model(tmp_path / "m.onnx"), maps=maps)(image)
    assert bright.dtype == image.dtype
    assert bright.shape == image.shape
    assert (bright >= image).all()
    assert bright.mean() > 1.5 * image.mean()


@pytest.mark.parametrize("dtype", DTYPES)
def test_strength_0_is_the_input_bit_for_bit(enhancer: Enhancer, dtype: type) -> None:
    image = dark(dtype=dtype)
    same = enhancer(image, strength=0, denoise=1)
    np.testing.assert_array_equal(same, image)
    assert same is not image


@pytest.mark.parametrize("dtype", DTYPES)
def test_strength_is_monotone_and_clips_no_highlight(enhancer: Enhancer, dtype: type) -> None:
    image = dark(dtype=dtype)
    image[:10] = MAXIMUM[image.dtype] * 254 / 255
    results = [enhancer(image, strength=s, denoise="off") for s in (0, 0.25, 0.5, 1, 1.5)]
    for weaker, stronger in itertools.pairwise(results):
        assert (stronger >= weaker).all()
        assert stronger.mean() > weaker.mean()
    assert (results[-1] < MAXIMUM[image.dtype]).all()


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 400), (400, 1), (7, 3), (64, 64), (65, 200)]
)
def test_every_size_works(enhancer: Enhancer, height: int, width: int) -> None:
    assert enhancer(dark(height, width)).shape == (height, width, 3)


def test_strides_do_not_matter(enhancer: Enhancer) -> None:
    image = dark()
    for view in (image[::-1, ::2], image.transpose(1, 0, 2), np.asfortranarray(image)):
        np.testing.assert_array_equal(enhancer(view), enhancer(np.ascontiguousarray(view)))


def test_the_input_is_not_changed(enhancer: Enhancer) -> None:
    image = dark()
    image.flags.writeable = False
    enhancer(image)
    enhancer(image, denoise=0.5)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.zeros((4, 4, 3), np.float64), "float64"),
        (np.full((4, 4, 3), np.nan, np.float32), "nan"),
        (np.full((4, 4, 3), 200, np.float32), "200"),
    ],
)
def test_arrays_that_are_no_image_are_refused(
    enhancer: Enhancer, image: np.ndarray, words: str
) -> None:
    for use in (enhancer, enhancer.curve_maps):
        with pytest.raises(InputError, match=words):
            use(image)


def test_auto_filters_the_noise_of_a_dark_picture(enhancer: Enhancer) -> None:
    noisy = np.random.default_rng(0).normal(0.1, 0.01, (128, 128, 3)).astype(np.float32)
    assert enhancer(noisy).std() < 0.5 * enhancer(noisy, denoise="off").std()


def test_auto_leaves_a_picture_alone_that_has_no_noise_or_is_hardly_brightened(
    enhancer: Enhancer,
) -> None:
    ramp = np.linspace(0.02, 0.3, 128, dtype=np.float32)[:, None, None] * np.ones(
        (1, 128, 3), np.float32
    )
    np.testing.assert_array_equal(enhancer(ramp), enhancer(ramp, denoise="off"))
    noisy = np.random.default_rng(0).normal(0.5, 0.003, (128, 128, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        enhancer(noisy, strength=1e-3), enhancer(noisy, strength=1e-3, denoise="off")
    )


def test_auto_filters_the_noise_of_shadows_that_are_lifted_beside_a_bright_sky(
    levels: Path,
) -> None:
    enhancer = Enhancer(levels)
    scene = np.random.default_rng(0).normal(0.03, 0.006, (128, 128, 3)).astype(np.float32)
    scene[:112] += 0.85
    scene = scene.clip(0, 1)
    shadows = [enhancer(scene, denoise=denoise)[114:] for denoise in ("auto", "off")]
    assert shadows[0].mean() > 2 * scene[114:].mean()
    grain = [np.diff(picture, axis=1).std() for picture in shadows]
    assert grain[0] < 0.5 * grain[1]


def test_a_filter_too_weak_to_matter_is_none(enhancer: Enhancer) -> None:
    image = dark()
    np.testing.assert_array_equal(enhancer(image, denoise=1e-45), enhancer(image, denoise="off"))
    np.testing.assert_array_equal(
        enhancer(image, denoise=np.float32(0.5)), enhancer(image, denoise=0.5)
    )
    assert (enhancer(image, denoise=0.1) != enhancer(image, denoise="off")).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"strength": -0.1},
        {"strength": 2},
        {"denoise": 1.1},
        {"denoise": "much"},
        {"denoise": "much", "strength": 0},
    ],
)
def test_arguments_out_of_range_are_refused(enhancer: Enhancer, wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected"):
        enhancer(dark(), **wrong)


@pytest.mark.parametrize("wrong", [None, 3, io.BytesIO(b""), bytearray(b""), [1]])
def test_other_types_are_refused(enhancer: Enhancer, wrong: object) -> None:
    with pytest.raises(InputError, match="expected an array, a PIL image, bytes or a path"):
        enhancer(wrong)  # type: ignore[call-overload]


def test_only_a_path_has_an_output_file(enhancer: Enhancer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="with a path only"):
        enhancer(dark(), output=tmp_path / "new.png")  # type: ignore[call-overload]


def test_a_wrong_maps_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="maps=0"):
        Enhancer(write_model(tmp_path / "m.onnx"), maps=0)


def test_bytes_give_bytes_of_the_same_format(enhancer: Enhancer) -> None:
    image = dark()
    bright = enhancer(jpeg(image))
    opened = Image.open(io.BytesIO(bright))
    assert opened.format == "JPEG"
    assert np.asarray(opened).mean() > 1.5 * image.mean()


@pytest.mark.parametrize(("mode", "out"), [("P", "RGB"), ("1", "L"), ("CMYK", "RGB")])
def test_a_pil_image_that_cannot_hold_the_result(enhancer: Enhancer, mode: str, out: str) -> None:
    assert enhancer(Image.fromarray(dark()).convert(mode)).mode == out


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
def test_a_pil_image_keeps_its_mode(enhancer: Enhancer, mode: str) -> None:
    image = (
        Image.fromarray(dark(dtype=np.uint16)[..., 0])
        if mode == "I;16"
        else Image.fromarray(dark()).convert(mode)
    )
    image.info["icc_profile"] = b"profile"
    bright = enhancer(image)
    assert (bright.mode, bright.size) == (mode, image.size)
    assert bright.info["icc_profile"] == b"profile"
    assert np.asarray(bright).mean() > np.asarray(image).mean()


def test_a_path_gives_the_path_of_a_new_file(enhancer: Enhancer, tmp_path: Path) -> None:
    photo = tmp_path / "night.of.stars.jpg"
    photo.write_bytes(jpeg(dark()))
    before = photo.read_bytes()
    result = enhancer(str(photo))
    assert result == tmp_path / "night.of.stars.undim.jpg"
    assert photo.read_bytes() == before
    assert enhancer(photo) == result  # an earlier result is replaced
    assert result.read_bytes() == enhancer(before)
    png = enhancer(photo, output=tmp_path / "bright.png")
    assert png.read_bytes().startswith(b"\x89PNG")


def test_the_input_is_never_overwritten(enhancer: Enhancer, tmp_path: Path) -> None:
    photo = tmp_path / "night.jpg"
    photo.write_bytes(jpeg(dark()))
    with pytest.raises(OutputError, match="which is the input"):
        enhancer(photo, output=tmp_path / "." / "night.jpg")


def test_the_module_function_is_the_enhancer(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx")
    image = dark()
    np.testing.assert_array_equal(undim.enhance(image, model=model), Enhancer(model)(image))
    write_model(model, depth=2)
    os.utime(model, ns=(0, 0))  # trained anew at another time
    np.testing.assert_array_equal(undim.enhance(image, model=model), Enhancer(model)(image))


def test_the_module_function_knows_a_relative_path_by_where_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, results = dark(), []
    for depth in (1, 2):
        folder = tmp_path / str(depth)
        folder.mkdir()
        os.utime(write_model(folder / "m.onnx", depth=depth), ns=(0, 0))
        monkeypatch.chdir(folder)
        results.append(undim.enhance(image, model="m.onnx"))
    assert (results[0] != results[1]).any()


def test_convention_a_halo_of_7_px_reproduces_the_untiled_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A net as deep as DCE-Net, in tiles with a halo of 7 px: the maps of the whole.

    6 px are not enough.
    """
    model = write_model(tmp_path / "m.onnx", depth=7, metadata=METADATA | {"model": "DCENet"})
    full = Enhancer(model, maps="full")
    image = dark(70, 101)
    whole, bright, filtered = full.curve_maps(image), full(image), full(image, denoise=1)
    monkeypatch.setattr(tiles, "TILE", 32)
    np.testing.assert_allclose(full.curve_maps(image), whole, atol=1e-6)
    assert np.abs(full(image).astype(int) - bright).max() <= 1
    assert np.abs(full(image, denoise=1).astype(int) - filtered).max() <= 1
    monkeypatch.setitem(module.REACH, "DCENet", 6)
    assert np.abs(full.curve_maps(image) - whole).max() > 1e-5


def test_a_net_that_may_see_the_whole_picture_is_not_tiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Enhancer(write_model(tmp_path / "m.onnx", depth=7), maps="full")
    image = dark(70, 101)
    whole = full.curve_maps(image)
    monkeypatch.setattr(tiles, "TILE", 8)
    np.testing.assert_array_equal(full.curve_maps(image), whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("denoise", ["off", 0.5])
def test_maps_with_levels_lift_the_dark_and_leave_the_bright(
    levels: Path, dtype: type, denoise: Denoise
) -> None:
    unit = dark(dtype=np.float32) / 4
    unit[:, 65:] += 0.7
    image = (unit * MAXIMUM[np.dtype(dtype)]).astype(dtype)
    enhancer = Enhancer(levels)
    maps, bright = enhancer.curve_maps(image), enhancer(image, denoise=denoise)
    assert maps.shape == (1, 6, 11, 16)
    assert (bright.dtype, bright.shape) == (image.dtype, image.shape)
    assert bright[:, :60].mean() > 2 * image[:, :60].mean()
    assert bright[:, 70:].mean() < 1.15 * image[:, 70:].mean()
    if denoise == "off":
        np.testing.assert_array_equal(bright, undim.apply_curves(image, maps))
    np.testing.assert_array_equal(enhancer(image, strength=0), image)


def test_a_net_with_levels_is_shown_the_whole_picture(
    levels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, image = Enhancer(levels, maps="full"), dark(70, 101)
    monkeypatch.setattr(tiles, "TILE", 8)
    maps = full.curve_maps(image)
    assert maps.shape == (1, 6, 18, 26)
    np.testing.assert_array_equal(full(image, denoise="off"), undim.apply_curves(image, maps))


def test_eight_threads_share_one_enhancer(tmp_path: Path) -> None:
    shared = Enhancer(write_model(tmp_path / "m.onnx", depth=3), threads=2)
    images = [dark(60 + seed, 200 - seed, DTYPES[seed % 3], seed) for seed in range(12)]
    alone = [shared(image, denoise=0.5) for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: shared(images[i % 12], denoise=0.5), range(96)))
    for i, bright in enumerate(together):
        np.testing.assert_array_equal(bright, alone[i % 12])


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 64), st.sampled_from(DTYPES))
def test_a_thumbnail_averages_over_boxes(height: int, width: int, size: int, dtype: type) -> None:
    image = dark(height, width, dtype)
    small = thumbnail(image, size)
    unit = image / MAXIMUM[image.dtype]
    assert max(small.shape[:2]) == min(size, max(height, width))
    assert small.dtype == np.float32
    h, w = small.shape[:2]
    rows = [slice(i * height // h, (i + 1) * height // h) for i in range(h)]
    columns = [slice(j * width // w, (j + 1) * width // w) for j in range(w)]
    expected = [[unit[r, c].mean(axis=(0, 1)) for c in columns] for r in rows]
    np.testing.assert_allclose(small, expected, rtol=1e-4, atol=1e-6)


def test_the_default_maps_size_is_the_models(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx", metadata=METADATA | {"maps_size": "32"})
    assert Enhancer(model).curve_maps(dark(100, 200)).shape == (24, 16, 32)
    assert Enhancer(model, maps=50).curve_maps(dark(100, 200)).shape == (24, 25, 50)
