"""Live sources: the newest frame, whatever the consumer does, to a window, a file or a pipe."""

from __future__ import annotations

import http.server
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="needs the extra [video]")
import av

from helpers.rtsp_camera import rtsp_camera
from undim.errors import InputError, OutputError
from undim.video.frames import rgb16
from undim.video.live import Newest, frames_of

INTERVAL = 0.02  # seconds between two pictures of the stream


def level(index: int) -> int:
    """The grey of picture number `index`: neighbours differ by more than JPEG's error."""
    return 4 + (index * 3) % 240


class Camera(http.server.BaseHTTPRequestHandler):
    """A camera that sends JPEG pictures for ever, and counts them."""

    sent = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        try:
            while True:
                picture = io.BytesIO()
                Image.new("L", (64, 48), level(Camera.sent)).convert("RGB").save(picture, "JPEG")
                data = picture.getvalue()
                self.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(f"Content-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n")
                Camera.sent += 1
                time.sleep(INTERVAL)
        except OSError:
            pass  # the viewer has gone

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def camera() -> Iterator[str]:
    Camera.sent = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of dark grey."""
    path = tmp_path_factory.mktemp("live") / "clip.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            grey = np.full((48, 64, 3), 40, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(stream.encode(None))
    return path


def test_a_slow_consumer_of_a_stream_never_lags(camera: str) -> None:
    newest = Newest(frames_of(camera))
    lags = []
    for frame in newest:
        grey = rgb16(frame).mean() / 257
        lag = next(back for back in range(90) if abs(level(Camera.sent - 1 - back) - grey) < 1.5)
        lags.append(lag)
        time.sleep(
            8 * INTERVAL
        )  # with a backlog every picture would come 7 later than the one before
        if len(lags) == 12:
            break
    newest.close()
    assert max(lags[-4:]) < 40
    assert newest.overwritten > 30


def test_the_newest_item_is_given_and_every_other_counted() -> None:
    def numbers() -> Iterator[int]:
        for number in range(300):
            yield number
            time.sleep(0.001)

    newest, got = Newest(numbers()), []
    for number in newest:
        got.append(number)
        time.sleep(0.02)
    assert got == sorted(set(got))
    assert got[-1] == 299
    assert len(got) + newest.overwritten == 300
    assert newest.get() is None


def test_a_slot_is_empty_until_something_comes_and_errors_come_out() -> None:
    def failing() -> Iterator[int]:
        time.sleep(0.2)
        yield 1
        raise InputError("the camera fell")

    newest = Newest(failing())
    assert newest.get(timeout=0.01) is None
    assert not newest.ended
    assert newest.get() == 1
    with pytest.raises(InputError, match="fell"):
        newest.get()


def test_what_cannot_be_opened_is_named() -> None:
    for source in ("nothing.mp4", "http://127.0.0.1:9/", "rtsp://127.0.0.1:9/x", "/dev/video99"):
        with pytest.raises(InputError, match="cannot be opened"):
            next(frames_of(source))


def test_a_file_plays_at_its_own_speed_and_frames_are_stamped(clip: Path) -> None:
    begun = time.monotonic()
    stamps = [frame.pts for frame in frames_of(str(clip))]
    assert time.monotonic() - begun > 0.4
    assert len(stamps) == 10
    assert stamps == sorted(stamps)
    assert stamps[-1] >= 440


def undim(
    *arguments: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "undim", "live", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=environment)


def test_live_into_a_file_and_into_a_pipe(clip: Path, tmp_path: Path) -> None:
    recorded = tmp_path / "bright.mp4"
    assert undim(clip, "-o", recorded).returncode == 0
    with av.open(recorded) as container:
        frames = list(container.decode(video=0))
    assert 1 <= len(frames) <= 10
    assert rgb16(frames[0]).mean() / 257 > 45
    assert list(tmp_path.iterdir()) == [recorded]
    piped = undim(clip, "-o", "-")
    assert piped.returncode == 0
    assert len(piped.stdout) % (64 * 48 * 3) == 0
    assert np.frombuffer(piped.stdout, np.uint8).mean() > 45
    assert undim(tmp_path / "nothing.mp4", "-o", "-").returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_ends_a_recording_that_plays(camera: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "undim", "live", camera, "-o", tmp_path / "night.mp4"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while (
        not any(path.stat().st_size for path in tmp_path.glob(".undim-*"))
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert b"skipped" in errors
    with av.open(tmp_path / "night.mp4") as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert stamps
    assert stamps == sorted(set(stamps))


def test_without_a_screen_it_says_what_to_do(clip: Path) -> None:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    run = undim(clip, environment=environment)
    if run.returncode == 0:
        pytest.skip("this system opens windows without a display variable")
    assert run.returncode == 1
    assert b"-o FILE" in run.stderr


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="needs Xvfb for a screen")
def test_a_window_shows_the_frames(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter", reason="this Python has no Tk")
    reading, writing = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(writing)
        with os.fdopen(reading) as number:
            monkeypatch.setenv("DISPLAY", f":{number.readline().strip()}")
        from undim.video.window import Window

        window, seen = Window("test"), set()
        assert window.size_for(64, 48) == (64, 48)
        assert window.size_for(6400, 4800) == (512, 384)
        update = window._root.update

        def watched_update() -> None:
            update()
            if window._photo.width():
                seen.add(window._photo.get(5, 5))

        monkeypatch.setattr(window._root, "update", watched_update)

        def frames() -> Iterator[av.VideoFrame]:
            for value in (50, 200):
                yield av.VideoFrame.from_ndarray(np.full((48, 64, 3), value, np.uint8), "rgb24")
                time.sleep(0.3)

        assert window.show(frames()) == 2
        assert seen == {(50, 50, 50), (200, 200, 200)}
        run = undim(clip)
        assert run.returncode == 0, run.stderr
        monkeypatch.setenv("DISPLAY", ":9999")
        with pytest.raises(OutputError, match="no screen"):
            Window("nowhere")
    finally:
        screen.terminate()
        screen.wait()


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg to make the stream")
def test_a_camera_that_speaks_rtsp_is_watched(tmp_path: Path) -> None:
    with rtsp_camera(tmp_path) as address:
        frames = frames_of(address)
        seen = [next(frames) for _ in range(15)]
        frames.close()  # type: ignore[attr-defined]
    assert {(frame.width, frame.height) for frame in seen} == {(128, 96)}
    times = [frame.pts for frame in seen]
    assert times == sorted(times)
    pictures = [rgb16(frame) for frame in seen]
    assert pictures[0].mean() > 1000
    assert not (pictures[0] == pictures[-1]).all()
