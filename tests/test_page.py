"""The page in a real Chromium: with the server behind it, and as a static site with the network off."""

from __future__ import annotations

import functools
import io
import json
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import undim
from serving import dark, picture, running
from standin import METADATA, write_model
from undim.page import export_page

pytest.importorskip("selenium", reason="selenium drives the browser")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("Chromium and its driver are absent", allow_module_level=True)

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader
--window-size=1280,860 --force-device-scale-factor=1""".split()

Browser = webdriver.Chrome


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One model with a map per step and channel and one whose three maps all steps share."""
    folder = tmp_path_factory.mktemp("models")
    free = write_model(folder / "free.onnx", depth=2, metadata=METADATA | {"maps_size": "48"})
    return [free, write_model(folder / "shared.onnx", channels=3)]


@pytest.fixture(scope="module")
def enhancers(models: list[Path]) -> dict[str, undim.Enhancer]:
    return {model.stem: undim.Enhancer(model) for model in models}


@pytest.fixture(scope="module")
def served(enhancers: dict[str, undim.Enhancer]) -> Iterator[str]:
    with running(enhancers) as address:
        yield address


@pytest.fixture
def static(models: list[Path], tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The exported site's address, and a function that takes its host from the network."""
    site = export_page(tmp_path / "site", models)

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


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.03)
    return result


def text(browser: Browser, id: str) -> str:
    return str(browser.execute_script("return document.getElementById(arguments[0]).textContent", id))


def open_page(browser: Browser, address: str) -> None:
    browser.get(address)
    until(lambda: browser.execute_script("return document.body.dataset.ready !== undefined"), "the page")


def drop(browser: Browser, *files: tuple[str, str, bytes]) -> None:
    """Files, as (name, media type, bytes), let go over the page as a mouse would."""
    script = """
        const transfer = new DataTransfer();
        for (const [name, type, bytes] of arguments[0]) transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
        document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    """
    browser.execute_script(script, [(name, type, list(content)) for name, type, content in files])


def add(browser: Browser, name: str, content: bytes) -> None:
    drop(browser, (name, f"image/{Path(name).suffix[1:]}", content))
    until(lambda: text(browser, "status") == f"{name} is ready", f"{name}: {text(browser, 'trouble')}")


def slide(browser: Browser, id: str, value: float) -> None:
    browser.execute_script(
        "const input = document.getElementById(arguments[0]); input.value = arguments[1];"
        "input.dispatchEvent(new Event('input', { bubbles: true }))",
        id,
        str(value),
    )


def downloaded(browser: Browser, downloads: Path, button: str, name: str) -> bytes:
    (downloads / name).unlink(missing_ok=True)
    browser.find_element(By.ID, button).click()
    until((downloads / name).exists, f"the download of {name}: {text(browser, 'trouble')}")
    return (downloads / name).read_bytes()


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


def test_drop_slide_download_gives_the_bytes_of_the_python_path(
    browser: Browser, served: str, downloads: Path, enhancers: dict[str, undim.Enhancer]
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a night"
    jpeg = picture("JPEG", exif=exif.tobytes())
    open_page(browser, served)
    add(browser, "night.jpeg", jpeg)
    slide(browser, "strength", 0.7)
    slide(browser, "denoise", 0.5)
    content = downloaded(browser, downloads, "download", "night.undim.jpg")
    assert content == enhancers["free"](jpeg, strength=0.7, denoise=0.5)
    assert Image.open(io.BytesIO(content)).getexif()[0x010E] == "a night"


def test_the_preview_shows_what_the_download_gives(
    browser: Browser, served: str, enhancers: dict[str, undim.Enhancer]
) -> None:
    image = dark(48, 64)
    open_page(browser, served)
    for model in enhancers:
        add(browser, f"{model}.png", picture("PNG", image))
        browser.execute_script(
            "const s = document.getElementById('model'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))",
            model,
        )
        slide(browser, "strength", 0.8)
        time.sleep(0.6)
        shown = preview(browser, image.shape[:2])
        np.testing.assert_allclose(shown, enhancers[model](image, strength=0.8), atol=1)


def preview(browser: Browser, shape: tuple[int, int]) -> np.ndarray:
    """The samples that the canvas shows at one pixel for one pixel with the border at its left end."""
    script = """
        const done = arguments[arguments.length - 1], canvas = document.getElementById("canvas");
        document.getElementById("divider").dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "1" }));
        requestAnimationFrame(() => {  // after the page's own, in the same frame
          const { width, height } = canvas, context = new OffscreenCanvas(width, height).getContext("2d");
          context.drawImage(canvas, 0, 0);
          done([width, height, Array.from(context.getImageData(0, 0, width, height).data)]);
        });
    """
    width, height, samples = browser.execute_async_script(script)
    canvas = np.array(samples, np.uint8).reshape(height, width, 4)
    rows, columns = (np.flatnonzero(canvas[..., 3].any(axis=axis)) for axis in (1, 0))
    shown = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, :3]
    assert shown.shape[:2] == shape
    return shown


@pytest.mark.parametrize("model", ["free", "shared"])
def test_the_static_page_equals_the_python_path_without_a_network(
    browser: Browser, static: tuple[str, Callable[[], None]], downloads: Path,
    enhancers: dict[str, undim.Enhancer], model: str,
) -> None:  # fmt: skip
    address, stop = static
    open_page(browser, address)
    browser.execute_async_script("navigator.serviceWorker.ready.then(arguments[0])")
    stop()
    open_page(browser, address)
    image = dark(101, 77)
    add(browser, "night.png", picture("PNG", image))
    browser.execute_script(
        "const s = document.getElementById('model'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))",
        model,
    )
    for strength, denoise in ((1, None), (1.5, None), (0.6, 0.5)):
        slide(browser, "strength", strength)
        if denoise is not None:
            slide(browser, "denoise", denoise)
        content = downloaded(browser, downloads, "download", "night.undim.png")
        expected = enhancers[model](image, strength=strength, denoise=denoise or "auto")
        difference = np.abs(pixels(content) - expected)
        assert difference.max() <= 1, f"{(difference > 1).sum()} samples, up to {difference.max()} levels"
