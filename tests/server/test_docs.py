"""The commands and the Python code of docs/server.md run as they stand, against a server on another
port.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from helpers.serving import picture, running
from undim.enhancer import Enhancer

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
WRITTEN = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    Path("night.jpg").write_bytes(picture())
    with running({"undim": Enhancer()}) as address:
        yield address


def test_the_python_code_runs(address: str) -> None:
    (code,) = blocks("python")
    exec(compile(code.replace(WRITTEN, address), str(PAGE), "exec"), {})


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is absent")
def test_the_curl_commands_run(address: str) -> None:
    (commands,) = (block for block in blocks("sh") if "curl" in block)
    assert commands.count("curl ") == 3
    done = subprocess.run(
        ["sh", "-e", "-c", commands.replace(WRITTEN, address)], check=True, capture_output=True
    )
    assert b'"name":"undim"' in done.stdout
    for name, format in (("bright.jpg", "JPEG"), ("bright.png", "PNG")):
        with Image.open(name) as image:
            assert image.format == format
