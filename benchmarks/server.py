"""The server under load, on loopback: throughput, overload and memory.

Throughput is against the same work in-process.

    python benchmarks/server.py [--rounds 9] [--seconds 2] [--requests 10000]

Needs `wrk`. Server and in-process figures are taken in turn, so that the ratio holds on a busy
machine where the figures themselves do not; the ratio and the processor time of a picture are
medians over the rounds. The in-process figure is `enhancer(bytes)` in as many threads as the server
has workers for so many clients, and like the server it keeps freed memory for the next picture.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from undim.enhancer import Enhancer
from undim.pixels.kernel import thread_count
from undim.server import keep_freed_memory

SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
local threads, seen = {{}}, {{}}
statuses = ""
function setup(thread) table.insert(threads, thread) end
function response(status)
  seen[status] = (seen[status] or 0) + 1
  statuses = ""
  for code, times in pairs(seen) do statuses = statuses .. '"' .. code .. '": ' .. times .. ", " end
end
function done(summary, latency)
  local parts = {{}}
  for _, thread in ipairs(threads) do table.insert(parts, thread:get("statuses")) end
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.timeout
  local seconds, p50, p99 = summary.duration / 1e6, latency:percentile(50), latency:percentile(99)
  local form = 'RESULT {{"statuses": {{%s"0": 0}}, "seconds": %f, ' ..
    '"p50": %f, "p99": %f, "errors": %d}}'
  io.write(string.format(form, table.concat(parts), seconds, p50 / 1e3, p99 / 1e3, errors))
end
"""


def photograph(height: int, width: int) -> bytes:
    """A dark JPEG with edges, ramps and noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    light = np.stack([0.3 * x, 0.25 * y, 0.1 + 0.05 * np.sign(np.sin(30 * x + 20 * y))], axis=-1)
    file = io.BytesIO()
    image = np.clip((light + rng.normal(0, 0.01, light.shape)) * 255, 0, 255).astype(np.uint8)
    Image.fromarray(image).save(file, "JPEG", quality=92)
    return file.getvalue()


@contextmanager
def serving(port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "undim", "serve", "--port", str(port)])
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").close()
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def load(
    port: int, body: bytes, *, clients: int, seconds: float
) -> dict[str, float | dict[str, int]]:
    with tempfile.TemporaryDirectory() as folder:
        picture, script = Path(folder, "body"), Path(folder, "post.lua")
        picture.write_bytes(body)
        script.write_text(SCRIPT.format(body=picture))
        command = [
            "wrk",
            "-t1",
            f"-c{clients}",
            f"-d{seconds:g}s",
            "--timeout",
            "60s",
            "-s",
            str(script),
        ]
        out = subprocess.run(
            [*command, f"http://127.0.0.1:{port}/enhance"],
            check=True,
            capture_output=True,
            text=True,
        )
    result: dict[str, float | dict[str, int]] = json.loads(re.search(r"RESULT (.*)", out.stdout)[1])
    return result


def in_process(
    enhancer: Enhancer, body: bytes, *, threads: int, seconds: float
) -> tuple[float, float]:
    """Pictures per second, and processor seconds per picture."""

    def work(until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            enhancer(body)
            count += 1
        return count

    begin, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        count = sum(pool.map(work, repeat(begin + seconds, threads)))
    return count / (time.perf_counter() - begin), (time.process_time() - spent) / count


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--port", type=int, default=8765)
    options = parser.parse_args()
    keep_freed_memory()
    enhancer, workers = Enhancer(), thread_count(None)
    body = photograph(1200, 1667)
    print(
        f"2-MP JPEG of {len(body) / 1e6:.2f} MB, {workers} cores, load {os.getloadavg()[0]:.1f} "
        "at the beginning"
    )
    with serving(options.port) as process:
        load(options.port, body, clients=workers, seconds=1)
        in_process(enhancer, body, threads=workers, seconds=1)
        print(
            "clients  server/s  in-process/s  ratio  CPU ms  in-process  p50 ms  p99 ms  statuses"
        )
        for clients in (1, 4, 16):
            rows = []
            for _ in range(options.rounds):
                spent = processor_seconds(process)
                served = load(options.port, body, clients=clients, seconds=options.seconds)
                count = served["statuses"]["200"]
                spent = (processor_seconds(process) - spent) / count
                own = in_process(
                    enhancer, body, threads=min(clients, workers), seconds=options.seconds
                )
                rows.append((count / served["seconds"], own[0], spent, own[1], served))
            ratio = statistics.median(row[0] / row[1] for row in rows)
            cost, own_cost = (1e3 * statistics.median(row[i] for row in rows) for i in (2, 3))
            rate, own_rate, *_, served = max(rows, key=lambda row: row[0])
            seen = Counter(
                status for row in rows for status in Counter(row[4]["statuses"]).elements()
            )
            print(
                f"{clients:7}  {rate:8.1f}  {own_rate:12.1f}  {ratio:5.2f}  {cost:6.1f}  "
                f"{own_cost:10.1f}  {served['p50']:6.0f}  {served['p99']:6.0f}  {dict(seen)}"
            )

        over = load(options.port, body, clients=64, seconds=options.seconds)
        print(
            f"64 clients on {workers + 16} places: {over['statuses']}, socket errors "
            f"{over['errors']}"
        )

        small, done, memory = photograph(120, 160), 0, []
        while done < options.requests:
            done += load(options.port, small, clients=8, seconds=options.seconds)["statuses"]["200"]
            memory.append(f"{done}: {resident_mb(process):.0f}")
        print(f"memory in MB after so many small pictures: {', '.join(memory)}")


if __name__ == "__main__":
    main()
