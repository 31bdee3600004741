"""Broken and hostile input: the server answers every body with a picture or a problem, and stays
well.
"""

from __future__ import annotations

import functools
import io
import json
import random
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from helpers.serving import picture, resident, running
from helpers.standin import write_model
from undim.enhancer import Enhancer
from undim.server import Limits

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF")
REFUSALS = {400, 413, 415, 422}
MAX_PIXELS = 1_000_000


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> Enhancer:
    return Enhancer(write_model(tmp_path_factory.mktemp("model") / "m.onnx"))


@pytest.fixture(scope="module")
def address(enhancer: Enhancer) -> Iterator[str]:
    with running({"m": enhancer}, limits=Limits(pixels=MAX_PIXELS, body_bytes=4 << 20)) as address:
        yield address


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *extra: bytes, pixels: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + data + png_chunk(b"IEND", b"")


@functools.cache
def bombs() -> list[bytes]:
    """Small bodies that ask for much memory: by the size they claim, or by what they unpack to."""
    zeros, row = zlib.compress(bytes(60 << 20)), bytes(9 * 28)
    jpeg, webp, bmp = (bytearray(picture(format)) for format in ("JPEG", "WEBP", "BMP"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    webp[26:30] = struct.pack("<HH", 16_383, 16_383)
    bmp[18:26] = struct.pack("<ii", 40_000, 40_000)
    return [
        *(png(side, side) for side in (2_000, 65_000, 2**31 - 1)),
        png(900, 900, pixels=bytes(60 << 20)),
        png(9, 9, png_chunk(b"zTXt", b"Comment\0\0" + zeros), pixels=row),
        png(9, 9, png_chunk(b"iCCP", b"icc\0\0" + zeros), pixels=row),
        png(9, 9, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros), pixels=row),
        *(bytes(content) for content in (jpeg, webp, bmp)),
        zipped(bytes(20 << 20)),
    ]


def bomb(rng: random.Random) -> bytes:
    return rng.choice(bombs())


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", content)
    return file.getvalue()


def damaged(rng: random.Random) -> bytes:
    content = bytearray(picture(rng.choice(FORMATS)))
    for _ in range(rng.randint(1, 20)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def truncated(rng: random.Random) -> bytes:
    content = picture(rng.choice(FORMATS))
    return content[: rng.randrange(len(content))]


def polyglot(rng: random.Random) -> bytes:
    """Two formats in one body, and heads of one format on the rest of another."""
    first, second = (picture(rng.choice(FORMATS)) for _ in range(2))
    script = b"<html><script>alert(1)</script>"
    return rng.choice([
        first + zipped(second),
        first + script,
        script + first,
        first[: rng.randrange(2, 64)] + second[rng.randrange(2, 64) :],
        b"%PDF-1.7\n" + first,
        png(80, 60, png_chunk(b"tEXt", b"Comment\0" + script), pixels=bytes(60 * 241)),
        b"GIF89a" + first,
    ])  # fmt: skip


def noise(rng: random.Random) -> bytes:
    magic = rng.choice(
        [
            b"",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\0\0\0\0WEBP",
            b"BM",
            b"\0\0\0 ftypavif",
            b"II*\0",
        ]
    )
    return magic + rng.randbytes(rng.randrange(3000))


def malformed_form(rng: random.Random) -> bytes:
    part = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../a.jpg"\r\n\r\n'
        + picture()
        + b"\r\n"
    )
    whole = part * rng.choice([0, 1, 2, 50]) + b"--x--\r\n"
    return rng.choice(
        [
            whole,
            whole[: rng.randrange(len(whole))],
            b"--x" * 2000,
            b"--x\r\n" + b"A: b\r\n" * 3000,
            damaged(rng),
        ]
    )


KINDS = {
    kind.__name__: kind for kind in (truncated, damaged, bomb, polyglot, noise, malformed_form)
}
LABELS = (
    "image/jpeg",
    "image/png",
    "image/svg+xml",
    "application/json",
    "text/html",
    "",
    "multipart/form-data; boundary=x",
)


def fuzzed(count: int, seed: int) -> Iterator[tuple[str, str, bytes]]:
    """(kind, content type, body): the type is right or wrong by chance."""
    rng = random.Random(seed)
    for index in range(count):
        kind = list(KINDS)[index % len(KINDS)]
        label = LABELS[-1] if kind == "malformed_form" else rng.choice(LABELS)
        yield kind, label, KINDS[kind](rng)


def test_a_thousand_broken_bodies(address: str) -> None:
    counts: Counter[tuple[str, int]] = Counter()
    with httpx.Client(base_url=address, timeout=30) as client:
        for index, (kind, label, body) in enumerate(fuzzed(1000, seed=6)):
            path = ("/enhance?format=png", "/curves", "/enhance")[index % 3]
            response = client.post(path, content=body, headers={"content-type": label})
            counts[kind, response.status_code] += 1
            if response.status_code != 200:
                assert response.status_code in REFUSALS, (kind, label, response.text)
                assert response.json()["status"] == response.status_code
            if index == 200:
                before = resident()
        assert resident() - before < 200 << 20, "memory grows with broken bodies"
        assert client.post("/enhance", content=picture()).status_code == 200
        assert "\nundim_places_taken 0\n" in client.get("/metrics").text
    assert {kind for kind, status in counts if status != 200} == set(KINDS)
    print(
        json.dumps({f"{kind} {status}": count for (kind, status), count in sorted(counts.items())})
    )


def test_the_answers_are_those_of_the_openapi_description(enhancer: Enhancer) -> None:
    with running({"m": enhancer}, token="t") as address:
        headers = {"Authorization": "Bearer t"}
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) == 6
        for operation in operations:

            @given(case=operation.as_strategy())
            @settings(
                max_examples=60,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            )
            def conforms(case: schemathesis.Case) -> None:
                # No schema can say which bytes are a picture, so refused ones break no promise.
                case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

            conforms()
