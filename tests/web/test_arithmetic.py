"""The page's own arithmetic, function by function, beside Python's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import undim
from helpers.browsing import Browser, open_page
from helpers.serving import dark, running
from undim.pixels.boxes import thumbnail
from undim.pixels.curve import apply_curves
from undim.pixels.noise import noise_added

Run = Callable[..., Any]

SHAPES = [
    (24, 5, 7), (8, 5, 7), (3, 5, 7), (1, 1, 1),
    (1, 6, 5, 7), (1, 12, 1, 1), (1, 2, 9, 2), (1, 1, 3, 4),
]  # fmt: skip


@pytest.fixture(scope="module")
def run(browser: Browser, enhancers: dict[str, undim.Enhancer]) -> Iterator[Run]:
    """Runs a script, which may import the page's modules; `given` are its arguments."""

    def run(script: str, *arguments: object) -> Any:
        code = """
            const given = [...arguments], done = given.pop();
            (async () => { %s })().then(done, (error) => done(String(error)));
        """
        return browser.execute_async_script(code % script, *arguments)

    with running(enhancers) as address:
        open_page(browser, address)
        yield run


@pytest.mark.parametrize("strength", [1.0, 1.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_curve_is_that_of_python(run: Run, shape: tuple[int, ...], strength: float) -> None:
    rng = np.random.default_rng(0)
    maps = rng.uniform(-1, 1, shape).astype(np.float32)
    image = rng.random((17, 23, 3)).astype(np.float32) ** 3
    image[0, :3] = [[0, 0, 0], [1, 1, 1], [0, 0, 1]]
    script = """
        const { curve, curvesOf } = await import("/assets/curves.js");
        const [maps, shape, picture, strength] = given, x = Float32Array.from(picture);
        curve(curvesOf(Float32Array.from(maps), shape, 8, 64), strength, 23, 17)(x, 0);
        return Array.from(x);
    """
    got = run(script, maps.ravel().tolist(), shape, image.ravel().tolist(), strength)
    expected = apply_curves(image, maps, strength=strength)
    np.testing.assert_allclose(np.reshape(got, image.shape), expected, atol=2e-5)


@pytest.mark.parametrize("a", [0.0, 0.02, 0.4])
def test_the_noise_that_a_curve_adds_is_that_of_python(run: Run, a: float) -> None:
    image = (dark(30, 40) / 255).astype(np.float32)
    maps = a * np.linspace(1, 0, 6, dtype=np.float32).reshape(1, 6, 1, 1)
    bright = apply_curves(image, maps)
    script = """
        const { noiseAdded } = await import("/assets/noise.js");
        return noiseAdded(...given.map((samples) => Float32Array.from(samples)));
    """
    got = run(script, image.ravel().tolist(), bright.ravel().tolist())
    assert got == pytest.approx(noise_added(image, bright), rel=1e-5)
    assert (got > 0) == (a > 0)


@pytest.mark.parametrize("model", ["free", "levels"])
@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_the_filter_is_as_strong_as_in_python(
    run: Run, enhancers: dict[str, undim.Enhancer], model: str, strength: float
) -> None:
    enhancer, image = enhancers[model], dark(101, 77)
    maps = enhancer.curve_maps(image)
    script = """
        const { curvesOf } = await import("/assets/curves.js");
        const { filterEps } = await import("/assets/noise.js");
        const [rgb, shape, maps, longSide, strength] = given, [height, width] = [101, 77];
        const data = new Uint8ClampedArray(4 * width * height).fill(255);
        rgb.forEach((sample, i) => (data[4 * Math.floor(i / 3) + (i % 3)] = sample));
        const curves = curvesOf(Float32Array.from(maps), shape, 8, longSide);
        return filterEps({ data, width, height }, curves, strength, "auto");
    """
    flat, size = image.ravel().tolist(), enhancer.long_side
    got = run(script, flat, maps.shape, maps.ravel().tolist(), size, strength)
    small = thumbnail(image, size)
    bright = apply_curves(small, maps, strength=strength)
    expected = enhancer._filter_eps(image, "auto", noise_added(small, bright))
    assert expected > 0
    assert got == pytest.approx(expected, rel=1e-4)
