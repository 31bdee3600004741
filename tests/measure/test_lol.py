"""Fetching LOL from a server that breaks off, lies, or serves an archive with bad intentions."""

from __future__ import annotations

import hashlib
import io
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from undim.cli import main
from undim.errors import DataError
from undim.measure import lol
from undim.measure.lol import Archive, fetch_lol

NAMES = {"our485": ["2.png", "10.png", "30.png"], "eval15": ["1.png", "22.png"]}


def png(level: int, size: tuple[int, int] = (600, 400), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, level if mode == "L" else (level, level, 7)).save(file, "PNG")
    return file.getvalue()


def members() -> dict[str, bytes]:
    found = {}
    for split, names in NAMES.items():
        for kind, level in (("low", 10), ("high", 120)):
            for i, name in enumerate(names):
                found[f"lol_dataset/{split}/{kind}/{name}"] = png(level + i)
    return found


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def pixels_sha256() -> str:
    levels = [base + i for base in (10, 120) for i in range(len(NAMES["eval15"]))]
    pixels = [
        np.broadcast_to(np.array([level, level, 7], np.uint8), (400, 600, 3)) for level in levels
    ]
    return hashlib.sha256(np.stack(pixels).tobytes()).hexdigest()


@pytest.fixture(autouse=True)
def a_smaller_lol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lol, "PAIRS", {split: len(names) for split, names in NAMES.items()})
    monkeypatch.setattr(lol, "EVAL15_SHA256", pixels_sha256())
    monkeypatch.setattr(lol, "_CHUNK", 1000)


Answer = Callable[[BaseHTTPRequestHandler, int], None]


class Server:
    """Serves `content` at every path; `breaks`: after how many bytes each transfer is cut off."""

    def __init__(self) -> None:
        self.content = b""
        self.breaks: list[int] = []
        self.ranges = True
        self.requests: list[tuple[str, int]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
                outer.requests.append((self.path, start))
                if self.path == "/absent":
                    self.send_error(404)
                    return
                start = start if outer.ranges else 0
                body = outer.content[start:]
                self.send_response(206 if outer.ranges else 200)
                self.send_header("Content-Length", str(len(body)))
                if outer.ranges:
                    self.send_header(
                        "Content-Range",
                        f"bytes {start}-{len(outer.content) - 1}/{len(outer.content)}",
                    )
                self.end_headers()
                self.wfile.write(body[: outer.breaks.pop(0)] if outer.breaks else body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def source(self, *paths: str, sha256: str | None = None) -> Archive:
        digest = sha256 or hashlib.sha256(self.content).hexdigest()
        return Archive(
            len(self.content), digest, tuple(self.address + p for p in paths or ("/lol.zip",))
        )


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.content = zipped(members())
    yield server
    server.http.shutdown()
    server.http.server_close()


def assert_complete(dest: Path) -> None:
    files = {p.relative_to(dest).as_posix(): p.read_bytes() for p in dest.rglob("*") if p.is_file()}
    assert files == {
        name.removeprefix("lol_dataset/"): content for name, content in members().items()
    }
    assert [p.name for p in dest.parent.iterdir()] == [dest.name], (
        "something was left beside the folder"
    )


def test_lol_is_fetched(server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert fetch_lol(tmp_path / "lol", source=server.source()) == tmp_path / "lol"
    assert_complete(tmp_path / "lol")
    assert server.requests == [("/lol.zip", 0)]
    assert "100%" in capfd.readouterr().err


def test_an_empty_folder_may_be_there_and_no_other(server: Server, tmp_path: Path) -> None:
    dest = tmp_path / "a" / "lol"
    dest.mkdir(parents=True)
    fetch_lol(dest, source=server.source())
    assert_complete(dest)
    with pytest.raises(DataError, match="is no empty folder; choose another --dest"):
        fetch_lol(dest, source=server.source())
    assert len(server.requests) == 1


def test_a_broken_transfer_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks = [1500, 700]
    fetch_lol(tmp_path / "lol", source=server.source())
    assert_complete(tmp_path / "lol")
    assert [start for _, start in server.requests] == [0, 1500, 2200]


def test_a_later_call_goes_on_too(server: Server, tmp_path: Path) -> None:
    server.breaks = [1500, 0]
    with pytest.raises(DataError, match=r"ended after 1500 bytes.*goes on where it stopped.*--zip"):
        fetch_lol(tmp_path / "lol", source=server.source())
    assert [p.name for p in tmp_path.iterdir()] == ["lol.zip.part"]
    server.requests.clear()
    fetch_lol(tmp_path / "lol", source=server.source())
    assert_complete(tmp_path / "lol")
    assert server.requests == [("/lol.zip", 1500)]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "lol.zip.part").write_bytes(server.content[:1500])
    fetch_lol(tmp_path / "lol", source=server.source())
    assert_complete(tmp_path / "lol")


def test_the_next_mirror_takes_over(server: Server, tmp_path: Path) -> None:
    fetch_lol(tmp_path / "lol", source=server.source("/absent", "/lol.zip"))
    assert_complete(tmp_path / "lol")
    assert [path for path, _ in server.requests] == ["/absent", "/lol.zip"]


def test_a_wrong_checksum_is_refused_and_not_resumed(server: Server, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"wrong checksum and was thrown away.*lol\.zip.*wrong checksum"
    ):
        fetch_lol(tmp_path / "lol", source=server.source("/lol.zip", "/lol.zip", sha256="0" * 64))
    assert list(tmp_path.iterdir()) == []


def test_a_transfer_that_does_not_end_is_refused(server: Server, tmp_path: Path) -> None:
    source = server.source()
    server.content += b"x" * 100_000
    with pytest.raises(DataError, match="wrong checksum"):
        fetch_lol(tmp_path / "lol", source=source)
    assert list(tmp_path.iterdir()) == []


def test_offline_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    source = Archive(10, "0" * 64, (f"http://127.0.0.1:{port}/lol.zip",))
    with pytest.raises(
        DataError, match=r"could not be fetched from .*refused.*Check the connection.*--zip"
    ):
        fetch_lol(tmp_path / "lol", source=source)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(fetch_lol, "__kwdefaults__", {"archive": None, "source": source})
    result = CliRunner().invoke(main, ["data", "lol", "--dest", str(tmp_path / "lol")])
    assert result.exit_code == 1
    assert "undim: LOL v1 could not be fetched" in result.stderr
    assert "Traceback" not in result.output


def test_a_local_zip_needs_no_network(tmp_path: Path) -> None:
    archive = tmp_path / "in" / "LOLdataset.zip"
    archive.parent.mkdir()
    flat = {name.removeprefix("lol_dataset/"): content for name, content in members().items()}
    extras = {
        "__MACOSX/our485/low/._2.png": b"x",
        "our485/low/Thumbs.db": b"x",
        "readme.txt": b"hello",
    }
    archive.write_bytes(zipped(flat | extras))
    dest = tmp_path / "out" / "lol"
    result = CliRunner().invoke(main, ["data", "lol", "--dest", str(dest), "--zip", str(archive)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{dest}\n"
    assert_complete(dest)
    assert archive.exists()


LOW2 = "lol_dataset/our485/low/2.png"


def symlink(name: str, target: str) -> bytes:
    file = io.BytesIO(zipped(members()))
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(info, target)
    return file.getvalue()


def twice() -> bytes:
    return zipped(members() | {"other/our485/low/2.png": png(3)})


def encrypted() -> bytes:
    data = bytearray(zipped(members()))
    for at in (m.start() for m in re.finditer(b"PK\x01\x02", bytes(data))):
        data[at + 8] |= 1
    for at in (m.start() for m in re.finditer(b"PK\x03\x04", bytes(data))):
        data[at + 6] |= 1
    return bytes(data)


def flipped() -> bytes:
    data = bytearray(zipped(members()))
    data[data.index(b"PK\x01\x02") - 200] ^= 0xFF
    return bytes(data)


def without(*names: str) -> bytes:
    return zipped({name: content for name, content in members().items() if name not in names})


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (
            zipped(members() | {"../../evil.png": b"x"}),
            "is unsafe: its member '../../evil.png' leads out",
        ),
        (zipped(members() | {"our485/low/../../../9.png": png(1)}), "is unsafe"),
        (zipped(members() | {"/etc/our485/low/9.png": png(1)}), "is unsafe"),
        (zipped(members() | {"..\\..\\evil.png": b"x"}), "is unsafe"),
        (zipped(members() | {"C:/our485/low/9.png": png(1)}), "is unsafe"),
        (symlink("lol_dataset/our485/low/9.png", "/etc/passwd"), "is unsafe"),
        (symlink("lol_dataset/link", "../.."), "is unsafe"),
        (zipped(members() | {LOW2: b"\0" * 50_000_000}), "is unsafe: .* unpacks to 50000000 bytes"),
        (twice(), "holds .*2.png twice"),
        (encrypted(), "cannot be unpacked .*encrypted"),
        (flipped(), "cannot be unpacked|damaged"),
        (b"", "cannot be unpacked"),
        (b"<html>quota exceeded</html>", "cannot be unpacked"),
        (zipped(members())[:-100], "cannot be unpacked"),
        (zipped({}), "our485 holds 0 dark and 0 normal pictures, expected 3 pairs"),
        (
            without(LOW2, LOW2.replace("low", "high")),
            "our485 holds 2 dark and 2 normal pictures, expected 3 pairs",
        ),
        (without(LOW2), "our485 holds 2 dark and 3 normal pictures"),
        (zipped({n: c for n, c in members().items() if "our485" in n}), "eval15 holds 0 dark"),
        (zipped(members() | {LOW2: b"not a picture"}), "our485/low/2.png is damaged"),
        (
            zipped(members() | {LOW2: png(1, size=(400, 600))}),
            r"our485/low/2.png is \(400, 600\) RGB, expected",
        ),
        (
            zipped(members() | {LOW2: png(1, mode="L")}),
            r"our485/low/2.png is \(600, 400\) L, expected",
        ),
        (zipped(members() | {"lol_dataset/eval15/low/1.png": png(11)}), "not those of LOL v1"),
    ],
)
def test_an_archive_that_is_hostile_damaged_or_another(
    archive: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.zip"
    path.write_bytes(archive)
    with pytest.raises(DataError, match=words) as caught:
        fetch_lol(tmp_path / "out" / "lol", archive=path)
    assert "out/.lol" not in str(caught.value) or "twice" in words, (
        "the message names a folder that is gone"
    )
    assert list((tmp_path / "out").iterdir()) == []
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out"}


def test_an_absent_zip(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"absent\.zip does not exist; expected the zip file of LOL v1"
    ):
        fetch_lol(tmp_path / "lol", archive=tmp_path / "absent.zip")


def test_the_committed_checksum_is_that_of_the_real_pictures(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(lol, "PAIRS", {"eval15": 15})
    lol._verify(shared / "data" / "lol-v1")


def test_the_mirrors_are_https_and_the_checksum_is_one() -> None:
    assert all(url.startswith("https://") for url in lol.LOL.mirrors)
    assert re.fullmatch("[0-9a-f]{64}", lol.LOL.sha256)
