"""The page of `undim export-page` in a real Chromium: without a server, and with the network off."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

import undim
from helpers.browsing import (
    Browser,
    add,
    choose_model,
    downloaded,
    give,
    open_page,
    pixels,
    slide,
    text,
    until,
)
from helpers.serving import dark, picture
from undim.web.site import export_page

Site = tuple[str, Callable[[], None]]
"""The exported site's address, and a function that takes its host from the network."""


@pytest.fixture
def static(enhancers: dict[str, undim.Enhancer], folder: Path, tmp_path: Path) -> Iterator[Site]:
    site = export_page(tmp_path / "site", {name: folder / f"{name}.onnx" for name in enhancers})

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    host = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    thread = threading.Thread(target=host.serve_forever)
    thread.start()

    def stop() -> None:
        host.shutdown()
        host.server_close()
        thread.join()

    yield f"http://127.0.0.1:{host.server_address[1]}", stop
    if thread.is_alive():
        stop()


@pytest.mark.parametrize("model", ["free", "shared", "levels"])
def test_the_static_page_equals_the_python_path_without_a_network(
    browser: Browser, static: Site, folder: Path,
    enhancers: dict[str, undim.Enhancer], model: str,
) -> None:  # fmt: skip
    address, stop = static
    open_page(browser, address)
    browser.execute_async_script("navigator.serviceWorker.ready.then(arguments[0])")
    stop()
    open_page(browser, address)
    image = dark(101, 77)
    add(browser, "night.png", picture("PNG", image))
    choose_model(browser, model)
    for strength, denoise in ((1, None), (1.5, None), (0.6, 0.5)):
        slide(browser, "strength", strength)
        if denoise is not None:
            slide(browser, "denoise", denoise)
        content = downloaded(browser, folder, "download", "night.undim.png")
        expected = enhancers[model](image, strength=strength, denoise=denoise or "auto")
        difference = np.abs(pixels(content) - expected)
        assert difference.max() <= 1, (
            f"{(difference > 1).sum()} samples, up to {difference.max()} levels"
        )


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_static_page_keeps_metadata_and_turns_pictures_upright(
    browser: Browser, static: Site, folder: Path, format: str
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a night"
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    original = picture(
        format, dark(40, 60), exif=exif.tobytes(), icc_profile=profile, dpi=(300, 300)
    )
    suffix = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}[format]
    open_page(browser, static[0])
    add(browser, f"night.{suffix}", original)
    result = Image.open(
        io.BytesIO(downloaded(browser, folder, "download", f"night.undim.{suffix}"))
    )
    assert result.format == format
    turned = format != "WEBP"  # which Chromium does not turn, so that its orientation must stay
    assert result.size == ((40, 60) if turned else (60, 40))
    assert result.getexif()[0x0112] == (1 if turned else 6)
    assert result.getexif()[0x010E] == "a night"
    assert result.info["icc_profile"] == profile
    if format != "WEBP":
        assert result.info["dpi"] == pytest.approx((300, 300), rel=1e-3)
    assert np.asarray(result).mean() > 1.3 * np.asarray(Image.open(io.BytesIO(original))).mean()


@pytest.mark.parametrize(
    ("format", "mode"), [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "L"), ("PNG", "LA")]
)
def test_the_static_page_writes_no_grey_or_cmyk_profile_into_rgb(
    browser: Browser, static: Site, folder: Path, format: str, mode: str
) -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = b"CMYK" if mode == "CMYK" else b"GRAY"
    file = io.BytesIO()
    Image.fromarray(dark(40, 60)).convert(mode).save(file, format, icc_profile=bytes(profile))
    suffix = {"JPEG": "jpg", "PNG": "png"}[format]
    open_page(browser, static[0])
    add(browser, f"night.{suffix}", file.getvalue())
    result = Image.open(
        io.BytesIO(downloaded(browser, folder, "download", f"night.undim.{suffix}"))
    )
    assert result.mode in ("RGB", "RGBA")
    assert "icc_profile" not in result.info


def test_what_the_browser_cannot_open_is_said_in_plain_words(
    browser: Browser, static: Site
) -> None:
    open_page(browser, static[0])
    give(browser, "drop", ("letter.txt", b"dear reader"))
    until(lambda: "cannot open this kind of file" in text(browser, "trouble"), "the words")
