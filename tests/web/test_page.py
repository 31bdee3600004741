"""The page of `undim serve` in a real Chromium."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import undim
from helpers.browsing import (
    Browser,
    add,
    choose_model,
    downloaded,
    give,
    open_page,
    pixels,
    ready,
    settled,
    slide,
    text,
    until,
)
from helpers.serving import dark, picture, running


@pytest.fixture(scope="module")
def served(enhancers: dict[str, undim.Enhancer]) -> Iterator[str]:
    with running(enhancers) as address:
        yield address


def test_drop_slide_download_gives_the_bytes_of_the_python_path(
    browser: Browser, served: str, folder: Path, enhancers: dict[str, undim.Enhancer]
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a night"
    jpeg = picture("JPEG", exif=exif.tobytes())
    open_page(browser, served)
    add(browser, "night.jpeg", jpeg)
    slide(browser, "strength", 0.7)
    slide(browser, "denoise", 0.5)
    content = downloaded(browser, folder, "download", "night.undim.jpg")
    assert content == enhancers["free"](jpeg, strength=0.7, denoise=0.5)
    assert Image.open(io.BytesIO(content)).getexif()[0x010E] == "a night"


def test_the_preview_shows_what_the_download_gives(
    browser: Browser, served: str, folder: Path, enhancers: dict[str, undim.Enhancer]
) -> None:
    image = dark(48, 64)
    open_page(browser, served)
    on_canvas = "return !!document.getElementById('canvas').getContext(arguments[0])"
    assert browser.execute_script(on_canvas, "webgl2")
    for model in enhancers:
        add(browser, f"{model}.png", picture("PNG", image))
        choose_model(browser, model)
        slide(browser, "strength", 0.8)
        settled(browser)
        shown, expected = preview(browser, image.shape[:2]), enhancers[model](image, strength=0.8)
        np.testing.assert_allclose(shown, expected, atol=1)
        content = downloaded(browser, folder, "download", f"{model}.undim.png")
        np.testing.assert_array_equal(pixels(content), expected)


def test_the_preview_of_a_very_dark_picture_is_as_fine(
    browser: Browser, served: str, enhancers: dict[str, undim.Enhancer]
) -> None:
    """Filtered samples go to the screen with 10 bits, and a curve lifts the darkest most of all."""
    image = dark(48, 64) // 3
    open_page(browser, served)
    add(browser, "night.png", picture("PNG", image))
    choose_model(browser, "levels")
    slide(browser, "denoise", 0.5)
    settled(browser)
    expected = enhancers["levels"](image, denoise=0.5)
    assert expected.mean() > 5 * image.mean()
    np.testing.assert_allclose(preview(browser, image.shape[:2]), expected, atol=1)


def preview(browser: Browser, shape: tuple[int, int]) -> np.ndarray:
    """The samples that the canvas shows at one pixel for one pixel with the border at its left end."""
    script = """
        const [height, width, done] = arguments, canvas = document.getElementById("canvas");
        document.getElementById("divider").dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
        canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "1" }));
        requestAnimationFrame(() => {  // after the page's own, in the same frame
          const context = new OffscreenCanvas(width, height).getContext("2d");
          context.drawImage(canvas, -Math.round((canvas.width - width) / 2), -Math.round((canvas.height - height) / 2));
          done(Array.from(context.getImageData(0, 0, width, height).data));
        });
    """
    samples = np.array(browser.execute_async_script(script, *shape), np.uint8).reshape(*shape, 4)
    assert (samples[..., 3] == 255).all()
    return samples[..., :3]


def test_many_pictures_come_as_one_zip(
    browser: Browser, served: str, folder: Path, enhancers: dict[str, undim.Enhancer]
) -> None:
    first, second, third = (picture("JPEG", dark(seed=seed)) for seed in range(3))
    open_page(browser, served)
    give(browser, "drop", ("a.jpg", first), ("b.jpg", second))
    ready(browser, "a.jpg")
    slide(browser, "strength", 0.5)  # of the first one only; the next begins with it
    give(browser, "paste", ("a.jpg", third))
    ready(browser, "a.jpg")
    content = downloaded(browser, folder, "download-all", "undim.zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.undim.jpg", "b.undim.jpg", "a.undim-2.jpg"]
        enhance = enhancers["free"]
        expected = [enhance(first, strength=0.5), enhance(second), enhance(third, strength=0.5)]
        assert [archive.read(name) for name in archive.namelist()] == expected


def test_settings_can_be_used_for_all_pictures_and_pictures_removed(
    browser: Browser, served: str
) -> None:
    open_page(browser, served)
    give(browser, "drop", ("a.png", picture("PNG")), ("b.png", picture("PNG")))
    ready(browser, "a.png")
    slide(browser, "strength", 0.3)
    browser.find_element(By.ID, "same").click()
    browser.find_element(By.CSS_SELECTOR, "#strip [title='b.png']").click()
    ready(browser, "b.png")
    assert browser.find_element(By.ID, "strength").get_attribute("value") == "0.3"
    for name in ("b.png", "a.png"):
        browser.find_element(By.CSS_SELECTOR, f"[aria-label='Remove {name}']").click()
    assert browser.find_element(By.ID, "welcome").is_displayed()


def test_a_picture_the_browser_cannot_show_comes_through_the_server(
    browser: Browser, served: str, folder: Path, enhancers: dict[str, undim.Enhancer]
) -> None:
    tiff = picture("TIFF")
    open_page(browser, served)
    add(browser, "night.tiff", tiff)
    assert downloaded(browser, folder, "download", "night.undim.tif") == enhancers["free"](tiff)


def test_what_is_no_picture_is_said_in_plain_words(browser: Browser, served: str) -> None:
    open_page(browser, served)
    add(browser, "night.png", picture("PNG"))
    give(browser, "drop", ("letter.txt", b"dear reader"))
    until(lambda: "no picture that undim can read" in text(browser, "trouble"), "the words")
    assert browser.find_element(By.ID, "trouble").get_attribute("role") == "alert"
    assert text(browser, "name") == "letter.txt"
    stage = pixels(browser.find_element(By.ID, "stage").screenshot_as_png)
    left = stage[stage.shape[0] // 2, stage.shape[1] // 8 : stage.shape[1] // 4, :3]
    assert np.ptp(left, axis=0).max() == 0, "the picture before it is still in sight"
    browser.find_element(By.CSS_SELECTOR, "#trouble button").click()
    assert not browser.find_element(By.ID, "trouble").is_displayed()


def test_the_strength_slider_asks_nobody_and_nothing_comes_from_another_host(
    browser: Browser, served: str
) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    open_page(browser, served)
    add(browser, "night.png", picture("PNG"))
    requested = urls(browser)
    assert all(url.startswith((served, "blob:")) for url in requested), requested
    for value in (0.2, 0.9, 1.4):
        slide(browser, "strength", value)
    settled(browser)
    assert urls(browser) == []
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert complaints == []


def urls(browser: Browser) -> list[str]:
    """What the page asked the network for since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [
        m["params"]["request"]["url"]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
    ]


def test_everything_has_a_name_and_works_from_the_keyboard(browser: Browser, served: str) -> None:
    open_page(browser, served)
    give(browser, "drop", ("a.png", picture("PNG", dark(90, 120))), ("b.png", picture("PNG")))
    ready(browser, "a.png")
    shown = [
        e
        for e in browser.find_elements(By.CSS_SELECTOR, "button, input, select, canvas, [role]")
        if e.is_displayed()
    ]
    assert len(shown) > 12
    assert [
        e.get_attribute("outerHTML")
        for e in shown
        if not e.accessible_name and e.aria_role != "status"
    ] == []

    divider, canvas = browser.find_element(By.ID, "divider"), browser.find_element(By.ID, "canvas")
    divider.send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    until(lambda: divider.get_attribute("aria-valuenow") == "4", "the divider to move")
    fitted = shown_columns(browser)
    canvas.send_keys("1")
    assert shown_columns(browser) == 120
    canvas.send_keys("0")
    assert shown_columns(browser) == fitted
    browser.find_element(By.ID, "strength").send_keys(Keys.ARROW_LEFT)
    assert text(browser, "strength-value") == "99 %"

    before = browser.execute_script("return document.documentElement.dataset.theme")
    browser.find_element(By.ID, "theme").send_keys(Keys.ENTER)
    assert browser.execute_script("return document.documentElement.dataset.theme") != before


def shown_columns(browser: Browser) -> int:
    script = """
        const done = arguments[0], canvas = document.getElementById("canvas");
        document.getElementById("divider").dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
        requestAnimationFrame(() => {
          const { width, height } = canvas, context = new OffscreenCanvas(width, height).getContext("2d");
          context.drawImage(canvas, 0, 0);
          const row = context.getImageData(0, height / 2, width, 1).data;
          done(row.filter((value, i) => i % 4 === 3 && value > 0).length);
        });
    """
    return int(browser.execute_async_script(script))


@pytest.mark.parametrize("model", ["free", "levels"])
def test_without_webgl_a_plain_canvas_shows_the_same(
    browser: Browser, served: str, enhancers: dict[str, undim.Enhancer], model: str
) -> None:
    without = """
        const original = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
          return kind === "webgl2" ? null : original.call(this, kind, ...more);
        };
    """
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": without})
    try:
        image = dark(48, 64)
        open_page(browser, served)
        add(browser, "night.png", picture("PNG", image))
        choose_model(browser, model)
        slide(browser, "strength", 0.8)
        slide(browser, "denoise", 0.5)
        expected = enhancers[model](image, strength=0.8, denoise=0.5)
        settled(browser)
        until(
            lambda: np.abs(preview(browser, image.shape[:2]) - expected.astype(int)).max() <= 1,
            "the canvas",
        )
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_two_fingers_zoom_and_one_moves(browser: Browser, served: str) -> None:
    open_page(browser, served)
    add(browser, "night.png", picture("PNG", dark(90, 30)))
    box = browser.execute_script(
        "const b = document.getElementById('stage').getBoundingClientRect(); return [b.x, b.y]"
    )

    def touch(kind: str, *points: tuple[int, int]) -> None:
        fingers = [{"x": box[0] + x, "y": box[1] + y, "id": n} for n, (x, y) in enumerate(points)]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    before = shown_columns(browser)
    touch("touchStart", (400, 300))
    touch("touchStart", (400, 300), (440, 300))
    touch("touchMove", (380, 300), (460, 300))
    touch("touchEnd")
    assert before * 1.5 < shown_columns(browser) < before * 2.5


def test_a_server_with_a_token_asks_for_it_once(
    browser: Browser, enhancers: dict[str, undim.Enhancer]
) -> None:
    with running(enhancers, token="open sesame") as address:
        browser.get(address)
        until(lambda: browser.find_element(By.ID, "ask-token").is_displayed(), "the dialog")
        browser.find_element(By.ID, "token").send_keys("open sesame", Keys.ENTER)
        until(
            lambda: browser.execute_script("return document.body.dataset.ready !== undefined"),
            "the page",
        )
        add(browser, "night.png", picture("PNG"))
        browser.refresh()
        until(
            lambda: browser.execute_script("return document.body.dataset.ready !== undefined"),
            "the page again",
        )
        assert browser.current_url == f"{address}/"
        browser.execute_script("sessionStorage.clear()")
        browser.get("about:blank")
        browser.get(f"{address}/#token=open%20sesame")
        until(
            lambda: browser.execute_script("return document.body.dataset.ready !== undefined"),
            "the page at once",
        )
        assert browser.current_url == f"{address}/"
        browser.get("about:blank")
