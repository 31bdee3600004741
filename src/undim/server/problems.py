"""Every refusal of the server: one status and one JSON body (RFC 9457) for each cause.

{"type": "/docs#queue-full", "title": "The queue is full", "status": 503, "detail": "..."}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

KINDS: dict[str, tuple[int, str]] = {
    "invalid-request": (400, "The request cannot be read"),
    "unauthorized": (401, "A token is needed"),
    "cross-site": (403, "The request came from another site"),
    "not-found": (404, "Nothing is here"),
    "method-not-allowed": (405, "The method does not fit the address"),
    "upload-timeout": (408, "The upload took too long"),
    "body-too-large": (413, "The upload has too many bytes"),
    "not-a-picture": (415, "The upload is no picture that can be read"),
    "wrong-host": (421, "The server does not go by this name"),
    "too-many-pixels": (422, "The picture has too many pixels"),
    "internal": (500, "Something went wrong in the server"),
    "queue-full": (503, "The queue is full"),
    "work-timeout": (504, "The work took too long"),
}


class Problem(Exception):  # noqa: N818 (RFC 9457 calls it so)
    """A request that is refused: `Problem("queue-full", "18 places are taken; try again in a
    second")`.
    """

    def __init__(self, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.headers = headers

    @property
    def status(self) -> int:
        return KINDS[self.kind][0]

    def response(self) -> JSONResponse:
        status, title = KINDS[self.kind]
        body = {"type": f"/docs#{self.kind}", "title": title, "status": status, "detail": str(self)}
        return JSONResponse(body, status, self.headers, media_type="application/problem+json")


SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [f"/docs#{kind}" for kind in KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an OpenAPI operation that can refuse for these reasons."""
    content = {"application/problem+json": {"schema": SCHEMA}}
    return {KINDS[kind][0]: {"description": KINDS[kind][1], "content": content} for kind in kinds}
