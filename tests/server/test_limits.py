"""Each limit of the server and its own answer; clients that dawdle, leave or come in crowds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from helpers.serving import dark, picture, problem, resident, running
from helpers.standin import write_model
from undim.enhancer import Enhancer
from undim.server import Limits
from undim.server.limits import Workers
from undim.server.problems import Problem


class Slow:
    """An enhancer that holds every picture until it is let go, and counts the ones it began."""

    def __init__(self, model: Path) -> None:
        self._enhancer = Enhancer(model)
        self.info, self.device = self._enhancer.info, "cpu"
        self.free = threading.Event()
        self.began = 0

    def __call__(self, image: np.ndarray, **settings: Any) -> np.ndarray:
        self.began += 1
        assert self.free.wait(30)
        return self._enhancer(image, **settings)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    slow = Slow(write_model(tmp_path / "m.onnx"))
    yield slow
    slow.free.set()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited 20 s for {what}"
        time.sleep(0.01)


def gauge(address: str, name: str) -> int:
    return int(
        httpx.get(f"{address}/metrics").text.rsplit(f"undim_{name} ", 1)[1].partition("\n")[0]
    )


def places_taken(address: str) -> int:
    return gauge(address, "places_taken")


def connect(address: str) -> socket.socket:
    return socket.create_connection(
        (urlsplit(address).hostname, urlsplit(address).port), timeout=20
    )


def head(body: bytes) -> bytes:
    return b"POST /enhance HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)


def test_a_full_queue_answers_503_at_once_and_the_rest_is_served(slow: Slow) -> None:
    limits = Limits(concurrency=2, queue=3)
    with running({"slow": slow}, limits=limits) as address, ThreadPoolExecutor(8) as clients:
        waiting = [
            clients.submit(httpx.post, f"{address}/enhance", content=picture(), timeout=40)
            for _ in range(5)
        ]
        until(lambda: places_taken(address) == 5, "five places to be taken")
        for path in ("/enhance", "/curves"):
            response = httpx.post(f"{address}{path}", content=picture(), timeout=5)
            problem(response, "queue-full")
            assert int(response.headers["retry-after"]) >= 1
        problem(httpx.get(f"{address}/readyz"), "queue-full")
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert slow.began == 2
        slow.free.set()
        assert [future.result().status_code for future in waiting] == [200] * 5
        assert places_taken(address) == 0
        assert httpx.get(f"{address}/readyz").status_code == 200


def test_a_client_that_leaves_frees_its_place(slow: Slow) -> None:
    body = picture()
    with running({"slow": slow}, limits=Limits(concurrency=1, queue=2)) as address:
        clients = [connect(address) for _ in range(3)]
        for client in clients[:2]:
            client.sendall(head(body) + body)
        clients[2].sendall(head(body) + body[:10])  # still uploads
        until(lambda: places_taken(address) == 2, "two places to be taken")
        until(
            lambda: gauge(address, "upload_bytes") == 2 * len(body) + 10,
            "all that was sent to be counted",
        )
        until(lambda: slow.began == 1, "the first to begin")
        for client in clients:
            client.close()
        until(lambda: places_taken(address) == 0, "the places to be freed")
        until(lambda: gauge(address, "upload_bytes") == 0, "the memory to be freed")
        slow.free.set()
        assert httpx.post(f"{address}/enhance", content=body).status_code == 200
        assert slow.began == 2, "the one that waited was still worked on"


def test_slow_uploads_take_no_place(enhancer: Enhancer) -> None:
    body = picture()
    with running({"m": enhancer}, limits=Limits(concurrency=1, queue=0)) as address:
        dawdlers = [connect(address) for _ in range(9)]
        for client in dawdlers:
            client.sendall(head(body) + body[:-1])
        until(
            lambda: gauge(address, "upload_bytes") == 9 * (len(body) - 1),
            "nine uploads to stop before their end",
        )
        assert places_taken(address) == 0
        assert httpx.post(f"{address}/enhance", content=body).status_code == 200
        for client in dawdlers:  # one after the other, for there is one place
            client.sendall(body[-1:])
            assert client.recv(12) == b"HTTP/1.1 200"
            client.close()
            until(lambda: places_taken(address) == 0, "the place to be freed")
        assert gauge(address, "upload_bytes") == 0


def test_all_uploads_together_have_a_bound(enhancer: Enhancer) -> None:
    body = picture()
    with running(
        {"m": enhancer}, limits=Limits(concurrency=1, queue=1, body_bytes=len(body))
    ) as address:
        dawdlers = [connect(address) for _ in range(2)]
        for client in dawdlers:
            client.sendall(head(body) + body[:-1])
        until(
            lambda: gauge(address, "upload_bytes") == 2 * (len(body) - 1),
            "two uploads to fill the memory",
        )
        assert "fill the memory" in problem(
            httpx.post(f"{address}/enhance", content=body), "queue-full"
        )
        dawdlers[0].close()
        until(lambda: gauge(address, "upload_bytes") == len(body) - 1, "the memory to be freed")
        assert httpx.post(f"{address}/enhance", content=body).status_code == 200
        dawdlers[1].close()


def test_work_that_takes_too_long_is_given_up(slow: Slow) -> None:
    with running(
        {"slow": slow}, limits=Limits(concurrency=1, queue=4, work_seconds=0.2)
    ) as address:
        problem(httpx.post(f"{address}/enhance", content=picture()), "work-timeout")
        assert places_taken(address) == 0


def test_the_thread_that_worked_last_works_next(tmp_path: Path) -> None:
    threads = []

    class Watched(Slow):
        def __call__(self, image: np.ndarray, **settings: Any) -> np.ndarray:
            threads.append(threading.get_ident())
            return super().__call__(image, **settings)

    watched = Watched(write_model(tmp_path / "m.onnx"))
    with (
        running({"m": watched}, limits=Limits(concurrency=3)) as address,
        ThreadPoolExecutor(3) as clients,
    ):
        crowd = [
            clients.submit(httpx.post, f"{address}/enhance", content=picture(), timeout=40)
            for _ in range(3)
        ]
        until(lambda: watched.began == 3, "all threads to work")
        watched.free.set()
        assert [future.result().status_code for future in crowd] == [200] * 3
        for _ in range(4):
            assert httpx.post(f"{address}/enhance", content=picture()).status_code == 200
    assert len(set(threads[:3])) == 3
    assert len(set(threads[3:])) == 1


def test_who_waits_longest_is_next() -> None:
    order: list[bytes] = []

    async def scenario() -> None:
        workers, begin = Workers(Limits(concurrency=1)), threading.Event()
        calls = [asyncio.create_task(workers._call(lambda _: begin.wait(20), b""))]
        await asyncio.sleep(0.1)  # the thread works
        calls += [
            asyncio.create_task(workers._call(order.append, name)) for name in (b"first", b"second")
        ]
        await asyncio.sleep(0.1)
        begin.set()
        await calls[0]
        calls.append(asyncio.create_task(workers._call(order.append, b"newcomer")))
        await asyncio.gather(*calls)
        workers.close()

    asyncio.run(scenario())
    assert order == [b"first", b"second", b"newcomer"]


def test_a_call_that_fails_after_it_was_given_up_frees_its_thread_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Request:
        async def receive(self) -> dict[str, str]:
            return await asyncio.get_running_loop().create_future()  # the client stays

    def fail(upload: bytes) -> None:
        time.sleep(0.2)
        raise ValueError

    async def scenario() -> None:
        workers, request = Workers(Limits(concurrency=1, work_seconds=0.05)), cast("Any", Request())
        for _ in range(2):
            with pytest.raises(Problem, match="no result within"):
                await workers.run(request, fail, b"")
            await asyncio.sleep(0.3)
        workers.close()
        with pytest.raises(RuntimeError):  # no thread starts any more
            await workers.run(request, fail, b"")
        with pytest.raises(RuntimeError):  # nor is the place lost for which none started
            await workers.run(request, fail, b"")

    asyncio.run(scenario())
    gc.collect()
    assert not caplog.records


def test_uploads_that_were_given_up_leave_the_memory(slow: Slow) -> None:
    with running(
        {"slow": slow}, limits=Limits(concurrency=1, queue=9, work_seconds=0.05)
    ) as address:
        problem(
            httpx.post(f"{address}/enhance", content=picture()), "work-timeout"
        )  # it keeps the only thread
        body, before = b"x" * (20 << 20), resident()
        for _ in range(15):
            problem(httpx.post(f"{address}/enhance", content=body, timeout=60), "work-timeout")
        assert resident() - before < 8 * len(body)


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> Enhancer:
    return Enhancer(write_model(tmp_path_factory.mktemp("model") / "m.onnx"))


@pytest.fixture(scope="module")
def strict(enhancer: Enhancer) -> Iterator[str]:
    """A server with narrow limits."""
    limits = Limits(
        body_bytes=200_000, pixels=10_000, upload_seconds=1.0, header_seconds=0.5, connections=12
    )
    with running({"m": enhancer}, limits=limits) as address:
        yield address


def test_too_many_bytes(strict: str) -> None:
    body = b"x" * 200_001
    problem(httpx.post(f"{strict}/enhance", content=body), "body-too-large")
    problem(
        httpx.post(f"{strict}/enhance", content=iter([body])), "body-too-large"
    )  # chunked: no length
    problem(httpx.post(f"{strict}/enhance", files={"file": body}), "body-too-large")
    problem(httpx.post(f"{strict}/enhance", content=b"x" * 200_000), "not-a-picture")


def test_too_many_pixels(strict: str) -> None:
    assert (
        httpx.post(f"{strict}/enhance", content=picture("PNG", dark(100, 100))).status_code == 200
    )
    problem(
        httpx.post(f"{strict}/enhance", content=picture("PNG", dark(100, 101))), "too-many-pixels"
    )


def test_a_slow_upload(strict: str) -> None:
    with connect(strict) as client:
        client.sendall(
            b"POST /enhance HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nslow"
        )
        answer = client.makefile("rb").read()  # until the server closes
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"/docs#upload-timeout" in answer


def is_dropped(client: socket.socket, more: bytes) -> bool:
    """Whether the server ends the connection while bytes still come, one by one."""
    begin = time.monotonic()
    try:
        while time.monotonic() < begin + 15:
            client.sendall(more[:1])
            more = more[1:] or b"x"
            time.sleep(0.1)
    except OSError:
        return True
    return False


@pytest.mark.parametrize(
    "dawdle",
    [b"", b"POST /enhance HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "],
    ids=["says nothing", "half a request line", "half a header"],
)
def test_slow_headers_lose_the_connection(strict: str, dawdle: bytes) -> None:
    with connect(strict) as client:
        assert is_dropped(client, dawdle)


def test_the_rest_of_a_refused_upload_is_not_awaited_for_ever(strict: str) -> None:
    with connect(strict) as client:
        client.sendall(
            b"POST /enhance HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n"
        )
        assert client.recv(12) == b"HTTP/1.1 413"
        assert is_dropped(client, b"x")


def test_slow_clients_do_not_stop_the_others(strict: str) -> None:
    dawdlers = [connect(strict) for _ in range(8)]
    try:
        for client in dawdlers:
            client.sendall(b"POST /enhance HTTP/1.1\r\n")
        assert httpx.post(f"{strict}/enhance", content=picture()).status_code == 200
    finally:
        for client in dawdlers:
            client.close()


def test_too_many_connections(strict: str) -> None:
    clients = [connect(strict) for _ in range(40)]
    try:
        answers = []
        for client in clients:
            try:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answers.append(client.recv(12))
            except OSError:
                answers.append(b"")
        assert set(answers) <= {b"HTTP/1.1 200", b"HTTP/1.1 503", b""}
        assert answers.count(b"HTTP/1.1 200") == 12
    finally:
        for client in clients:
            client.close()


def test_a_reader_that_does_not_read_is_dropped(enhancer: Enhancer) -> None:
    body = picture("BMP", dark(1500, 1500))
    with running({"m": enhancer}, limits=Limits(header_seconds=0.5)) as address:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((urlsplit(address).hostname, urlsplit(address).port))
        client.settimeout(20)
        client.sendall(head(body) + body)
        time.sleep(4)
        received = 0
        with client, contextlib.suppress(ConnectionError):
            while chunk := client.recv(1 << 20):
                received += len(chunk)
        assert received < len(body)


PICTURES = """
import resource, sys
import undim.server
if sys.argv[1] == "keep":
    undim.server.keep_freed_memory()
def picture():
    blocks = [bytearray(b"x") * (6 << 20) for _ in range(3)]
for _ in range(3):
    picture()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    picture()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_the_next_picture_gets_the_memory_of_the_last_one() -> None:
    def pages_cleared(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PICTURES, how], check=True, capture_output=True, text=True
        )
        return int(done.stdout)

    assert pages_cleared("return") > 5000 > 50 > pages_cleared("keep")
