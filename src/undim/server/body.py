"""From the body of a request to the bytes of one picture, in memory only: uploads never touch the
disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from undim.server.limits import Limits
from undim.server.problems import Problem


async def read_picture(request: Request, limits: Limits, grow: Callable[[int], None]) -> bytes:
    """The picture that a request carries, as its raw body or as the one file of a multipart form.

    `grow` is told the size of each piece that arrives, and may refuse it.
    """
    body = await _read(request, limits, grow)
    kind, options = parse_options_header(request.headers.get("content-type"))
    picture = (
        _one_file(body, options.get(b"boundary", b"")) if kind == b"multipart/form-data" else body
    )
    if not picture:
        raise Problem(
            "invalid-request",
            "the picture is empty; send its bytes as the body or as a form's one file",
        )
    return picture


async def _read(request: Request, limits: Limits, grow: Callable[[int], None]) -> bytes:
    too_large = Problem(
        "body-too-large", f"the upload is larger than the {limits.body_bytes} bytes allowed here"
    )
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limits.body_bytes:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for chunk in request.stream():
                chunks.append(chunk)
                size += len(chunk)
                if size > limits.body_bytes:
                    raise too_large
                grow(len(chunk))
    except TimeoutError:
        detail = f"the upload did not end within {limits.upload_seconds:g} s"
        raise Problem("upload-timeout", detail, {"Connection": "close"}) from None
    return b"".join(chunks)


def _one_file(body: bytes, boundary: bytes) -> bytes:
    """The content of the single part of a multipart form (RFC 7578); its name and headers do not
    matter.
    """
    parts: list[list[bytes]] = []
    ended = False

    def begin() -> None:
        if parts:  # now and not at the end: a million parts would keep the server from all else
            raise Problem(
                "invalid-request",
                "the form has more than one part; expected one file, as in -F file=@a.jpg",
            )
        parts.append([])

    def end() -> None:
        nonlocal ended
        ended = True

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_part_data": lambda data, start, stop: parts[-1].append(data[start:stop]),
                "on_end": end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Problem("invalid-request", f"the multipart form cannot be read: {error}") from error
    if not (parts and ended):
        raise Problem(
            "invalid-request", "the form holds no whole file; expected one, as in -F file=@a.jpg"
        )
    return b"".join(parts[0])
