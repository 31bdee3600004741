"""`undim export-page` and `undim serve` on the command line."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from helpers.serving import picture
from helpers.standin import write_model
from undim.cli import main
from undim.web.site import WEB


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "m.onnx")


@pytest.fixture(scope="module")
def site(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "site"
    result = CliRunner().invoke(main, ["export-page", str(folder), "--model", str(model)])
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(folder)
    return folder


def test_the_site_keeps_every_file_of_its_own_offline(site: Path) -> None:
    listed = json.loads(re.search(r"FILES = (\[.*\]);", (site / "sw.js").read_text())[1])
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert set(listed) == files - {"sw.js"} | {"./"}


def test_the_site_carries_the_model_as_it_is(site: Path, model: Path) -> None:
    (described,) = json.loads((site / "models.json").read_text())
    assert (described["name"], described["iterations"], described["maps_size"]) == ("m", 8, 64)
    assert (site / described["path"]).read_bytes() == model.read_bytes()


def test_the_sites_version_follows_its_content(site: Path, tmp_path: Path) -> None:
    def version(folder: Path) -> str:
        return (folder / "sw.js").read_text().splitlines()[0]

    for name, depth in (("same", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        model = write_model(tmp_path / name / "m.onnx", depth=depth)
        CliRunner().invoke(
            main, ["export-page", str(tmp_path / f"{name}-site"), "--model", str(model)]
        )
    assert version(tmp_path / "same-site") == version(site) != version(tmp_path / "other-site")


def test_a_folder_with_something_in_it_is_left_alone(model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = CliRunner().invoke(main, ["export-page", str(tmp_path), "--model", str(model)])
    assert result.exit_code == 1
    assert "new or empty folder" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("verb", [["serve"], ["export-page", "site"]])
def test_two_models_of_one_name_are_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namesake = write_model(tmp_path / "m.onnx", depth=2)
    result = CliRunner().invoke(main, [*verb, "--model", str(model), "--model", str(namesake)])
    assert result.exit_code == 2
    assert "two models share a name" in result.output
    assert list(tmp_path.iterdir()) == [namesake]


def test_onnxruntime_is_the_one_its_readme_names(site: Path) -> None:
    vendor = site / "device" / "vendor"
    named = re.findall(
        r"^\| (onnxruntime\.\w+)\b.*\| (\w{64}) \|$",
        (WEB / "device/vendor/README.md").read_text(),
        re.M,
    )
    assert len(named) == 2
    for name, digest in named:
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest
    assert "MIT License" in (vendor / "LICENSE-onnxruntime").read_text()


def test_a_port_that_is_taken_is_named(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", str(port), "--model", str(model)])
    assert result.exit_code == 1
    assert f"undim: cannot listen at 127.0.0.1:{port}" in result.output


def test_serve_stops_cleanly_and_keeps_to_loopback(model: Path) -> None:
    command = [sys.executable, "-m", "undim", "serve", "--port", "0", "--model", str(model)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert address, line
            response = httpx.post(f"{address[0]}/enhance", content=picture())
            assert response.status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert (
            process.wait(timeout=20) == -signal.SIGTERM
        )  # after a clean end uvicorn passes the signal on
