"""Fixtures that several test files share."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from helpers.browsing import Browser
    from undim import Enhancer

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets and oracle numbers that lies beside a checkout, never inside it."""
    if not _SHARED.is_dir():
        pytest.skip(f"the shared data folder is absent: {_SHARED}")
    return _SHARED


@pytest.fixture(params=["native", "reference"])
def each_kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The compiled kernel, then its NumPy reference, as everything that is called will use it."""
    from undim.pixels.kernel import kernel

    if request.param == "native":
        pytest.importorskip("undim.pixels._native", reason="the native kernel was not built")
    else:
        monkeypatch.setitem(sys.modules, "undim.pixels._native", None)
    kernel.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        kernel()
    yield
    kernel.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `browser` keeps its downloads and `enhancers` their model files."""
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    """A Chromium for the tests of the page; they are skipped where there is none."""
    from helpers.browsing import chromium

    with chromium(folder) as browser:
        yield browser


@pytest.fixture(scope="module")
def enhancers(folder: Path) -> dict[str, Enhancer]:
    """What the page offers in its tests: model files of their names lie in `folder`."""
    from helpers.browsing import page_models
    from undim import Enhancer

    return {model.stem: Enhancer(model) for model in page_models(folder)}
