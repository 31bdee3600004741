"""A real server on a loopback port for the tests of the API and of the page."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from undim.server import Limits, create_app, server
from undim.server.problems import KINDS


@contextmanager
def running(
    enhancers: dict[str, Any], *, limits: Limits | None = None, **options: Any
) -> Iterator[str]:
    """The address of a server that lives as long as the block."""
    limits = limits or Limits()
    uvicorn = server(create_app(enhancers, limits=limits, **options), limits, port=0)
    thread = threading.Thread(target=uvicorn.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not uvicorn.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{uvicorn.servers[0].sockets[0].getsockname()[1]}"
    finally:
        uvicorn.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not stop"


def resident() -> int:
    """Memory of this process, in which the server runs, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def dark(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    """A dark picture with some structure: smooth ramps, edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    ramps = np.stack([x * 0.3, y * 0.25, (x + y) * 0.12 + 0.05 * (np.sin(20 * x) > 0)], axis=-1)
    ramps[: height // 6, : width // 6] = 1.0
    return np.clip((ramps + rng.normal(0, 0.02, ramps.shape)) * 255, 0, 255).astype(np.uint8)


def picture(format: str = "JPEG", image: np.ndarray | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(dark() if image is None else image).save(file, format, **options)
    return file.getvalue()


def problem(response: httpx.Response, kind: str) -> str:
    """The detail of an answer that must be this problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    assert (body["type"], body["status"]) == (f"/docs#{kind}", response.status_code), body
    assert response.status_code == KINDS[kind][0]
    return str(body["detail"])
