"""A camera that speaks RTSP (RFC 2326) to one viewer; ffmpeg makes the packets.

RTP is interleaved in its connection.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ANSWERS = {
    "OPTIONS": "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
    "PLAY": "Session: 1\r\n",
}


@contextmanager
def rtsp_camera(folder: Path) -> Iterator[str]:
    """Its address; it sends a moving picture of 128 x 96, 25 frames a second, H.264."""
    packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    packets.bind(("127.0.0.1", 0))
    packets.settimeout(5)
    description = folder / "camera.sdp"
    ffmpeg = [
        "ffmpeg",
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=128x96:r=25",
        "-c:v",
        "libx264",
    ]
    ffmpeg += [
        "-tune",
        "zerolatency",
        "-g",
        "10",
        "-bsf:v",
        "dump_extra",
        "-f",
        "rtp",
        "-sdp_file",
        str(description),
    ]
    ffmpeg += [f"rtp://127.0.0.1:{packets.getsockname()[1]}?pkt_size=1200"]
    with (
        packets,
        socket.create_server(("127.0.0.1", 0)) as listener,
        subprocess.Popen(ffmpeg) as camera,
    ):
        threading.Thread(target=_serve, args=(listener, packets, description), daemon=True).start()
        yield f"rtsp://127.0.0.1:{listener.getsockname()[1]}/street"
        camera.kill()


def _serve(listener: socket.socket, packets: socket.socket, description: Path) -> None:
    viewer, _ = listener.accept()
    requests = viewer.makefile("r", newline="\r\n")
    method = ""
    while method != "PLAY":
        lines = [line.strip() for line in iter(requests.readline, "\r\n")]
        method = lines[0].split()[0]
        number = next(line for line in lines if line.lower().startswith("cseq"))
        body = _session(description) if method == "DESCRIBE" else ""
        more = (
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            if body
            else ANSWERS[method]
        )
        viewer.sendall(f"RTSP/1.0 200 OK\r\n{number}\r\n{more}\r\n{body}".encode())
    try:
        while True:
            packet = packets.recv(1 << 16)
            viewer.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
    except OSError:
        viewer.close()  # the viewer or the camera has gone


def _session(description: Path) -> str:
    while not (description.exists() and "fmtp" in description.read_text()):
        time.sleep(0.02)
    lines = description.read_text().splitlines()
    return "\r\n".join(
        [*(line for line in lines if not line.startswith("SDP:")), "a=control:track", ""]
    )
