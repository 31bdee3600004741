"""Chromium, and what a user does with the page in it."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.standin import METADATA, write_model

pytest.importorskip("selenium", reason="selenium drives the browser")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("Chromium and its driver are absent", allow_module_level=True)

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--window-size=1280,860", "--force-device-scale-factor=1",
)  # fmt: skip

Browser = webdriver.Chrome


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a fresh profile, whose downloads go to `folder / "downloads"`."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(folder / "downloads")}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    driver.set_script_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.03)
    return result


def text(browser: Browser, id: str) -> str:
    return str(
        browser.execute_script("return document.getElementById(arguments[0]).textContent", id)
    )


def open_page(browser: Browser, address: str) -> None:
    browser.get(address)
    until(
        lambda: browser.execute_script("return document.body.dataset.ready !== undefined"),
        "the page",
    )


def give(browser: Browser, event: str, *files: tuple[str, bytes]) -> None:
    """Files, as (name, bytes), dropped or pasted as a user would."""
    script = """
        const transfer = new DataTransfer(), [event, files] = arguments;
        for (const [name, bytes] of files) {
          transfer.items.add(new File([Uint8Array.from(bytes)], name, { type: `image/${name.split(".").pop()}` }));
        }
        const how = { bubbles: true, cancelable: true };
        document.body.dispatchEvent(event === "paste"
          ? new ClipboardEvent(event, { ...how, clipboardData: transfer })
          : new DragEvent(event, { ...how, dataTransfer: transfer }));
    """
    browser.execute_script(script, event, [(name, list(content)) for name, content in files])


def add(browser: Browser, name: str, content: bytes) -> None:
    give(browser, "drop", (name, content))
    ready(browser, name)


def ready(browser: Browser, name: str) -> None:
    until(lambda: text(browser, "status") == f"{name} is ready", name)


def choose_model(browser: Browser, model: str) -> None:
    Select(browser.find_element(By.ID, "model")).select_by_visible_text(model)


def settled(browser: Browser) -> None:
    """Waits until nothing is asked of the server or the worker any more."""
    time.sleep(0.25)  # the pause the page waits for further changes
    until(
        lambda: browser.execute_script("return document.body.dataset.busy") == "0",
        "the page to rest",
    )


def slide(browser: Browser, id: str, value: float) -> None:
    browser.execute_script(
        "const input = document.getElementById(arguments[0]); input.value = arguments[1];"
        "input.dispatchEvent(new Event('input', { bubbles: true }))",
        id,
        str(value),
    )


def downloaded(browser: Browser, folder: Path, button: str, name: str) -> bytes:
    file = folder / "downloads" / name
    file.unlink(missing_ok=True)
    browser.find_element(By.ID, button).click()
    until(file.exists, f"the download of {name}: {text(browser, 'trouble')}")
    return file.read_bytes()


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


def page_models(folder: Path) -> list[Path]:
    """One model with a map per step and channel, one whose three maps all steps share, and one
    whose maps lift the darkest of their levels of brightness some twenty times.
    """
    free = write_model(folder / "free.onnx", depth=2, metadata=METADATA | {"maps_size": "48"})
    shared = write_model(folder / "shared.onnx", channels=3)
    return [free, shared, write_model(folder / "levels.onnx", levels=12, lift=0.6)]
