"""The web application: a REST API and the page, the same `Enhancer` behind both.

The API's answers are the bytes that `undim enhance` writes. Pictures stay in memory, are never
logged, and no address in a request is ever fetched.
"""

import io
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from undim import __version__
from undim.enhancer import Enhancer
from undim.errors import InputError, MissingExtraError, OutputError, TooManyPixelsError, UndimError
from undim.images import decode, encode
from undim.images.decode import sniff
from undim.server.body import read_picture
from undim.server.limits import Limits, Workers
from undim.server.problems import KINDS, Problem, documented
from undim.server.settings import ModelChoice, Settings, for_models
from undim.server.shield import BearerToken, Shield
from undim.server.telemetry import MEDIA_TYPE, Telemetry

WEB = Path(__file__).parent.parent / "web"

PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
WORKING = documented(
    "invalid-request",
    "cross-site",
    "upload-timeout",
    "body-too-large",
    "not-a-picture",
    "wrong-host",
    "too-many-pixels",
    "queue-full",
    "work-timeout",
)
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
    "HEIF": "image/heic",
}


def create_app(
    enhancers: Mapping[str, Enhancer],
    *,
    limits: Limits | None = None,
    token: str | None = None,
    hosts: Collection[str] = (),
) -> FastAPI:
    """The application that serves these models, the first one by default.

    token  where set, the API (not the page and the health checks) asks for `Authorization: Bearer
           TOKEN`
    hosts  names this server is reached by, besides localhost and any IP address; "*" is every name
    """
    limits = limits or Limits()
    workers = Workers(limits)
    telemetry = Telemetry()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        workers.close()

    app = FastAPI(
        title="undim",
        version=__version__,
        description="Brightens dark photographs.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Shield, hosts=hosts, telemetry=telemetry)
    _answer_with_problems(app, limits)
    guard = [] if token is None else [Depends(BearerToken(token))]
    guarded = documented("wrong-host", *(() if token is None else ("unauthorized",)))

    async def work(request: Request, function: Callable[[bytes], Response]) -> Response:
        with workers.upload() as grow:
            picture = await read_picture(request, limits, grow)
            with workers.place():
                return await workers.run(request, function, picture)

    async def enhance(request: Request, settings: Settings) -> Response:
        def enhanced(data: bytes) -> Response:
            picture = decode(data, max_pixels=limits.pixels, name="the upload")
            enhancer = enhancers[settings.model]
            pixels = enhancer(picture.pixels, strength=settings.strength, denoise=settings.denoise)
            content = encode(picture.with_pixels(pixels), settings.format, settings.quality)
            return Response(content, media_type=MEDIA_TYPES[sniff(content)])

        return await work(request, enhanced)

    async def curves(request: Request, settings: ModelChoice) -> Response:
        def estimated(data: bytes) -> Response:
            enhancer, file = enhancers[settings.model], io.BytesIO()
            maps = enhancer.curve_maps(
                decode(data, max_pixels=limits.pixels, name="the upload").pixels
            )
            np.save(file, maps, allow_pickle=False)
            headers = {"Undim-Iterations": str(enhancer.info.iterations)}
            return Response(file.getvalue(), headers=headers, media_type="application/x-npy")

        return await work(request, estimated)

    # FastAPI reads a handler's parameters from its annotations; here the models on offer are part
    # of them.
    enhance.__annotations__["settings"] = Annotated[for_models(Settings, enhancers), Query()]
    curves.__annotations__["settings"] = Annotated[for_models(ModelChoice, enhancers), Query()]
    binary = {"schema": {"type": "string", "format": "binary"}}
    app.post(
        "/enhance",
        summary="The picture, enhanced, with its metadata",
        openapi_extra=PICTURE_BODY,
        response_class=Response,
        responses=guarded
        | WORKING
        | {200: {"content": dict.fromkeys(MEDIA_TYPES.values(), binary)}},
        dependencies=guard,
    )(enhance)
    app.post(
        "/curves",
        summary="The picture's curve maps as a NumPy file, float32 (C, h, w) or (1, Z, h, w)",
        openapi_extra=PICTURE_BODY,
        response_class=Response,
        responses=guarded | WORKING | {200: {"content": {"application/x-npy": binary}}},
        dependencies=guard,
    )(curves)

    @app.get(
        "/models",
        summary="The models on offer, the default one first",
        responses=guarded,
        dependencies=guard,
    )
    async def models() -> list[dict[str, Any]]:
        return [{"name": name, **_described(enhancer)} for name, enhancer in enhancers.items()]

    @app.get("/healthz", summary="The process lives", responses=documented("wrong-host"))
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get(
        "/readyz",
        summary="There is a free place for a picture",
        responses=documented("wrong-host", "queue-full"),
    )
    async def readyz() -> dict[str, str]:
        with workers.place():
            return {"status": "ready"}

    @app.get(
        "/metrics",
        summary="Counters for Prometheus",
        response_class=Response,
        responses=guarded | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        dependencies=guard,
    )
    async def metrics() -> Response:
        return Response(
            telemetry.exposition(workers.taken, workers.uploaded), media_type=MEDIA_TYPE
        )

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(WEB / "server" / "docs.html")

    for part in ("assets", "server"):
        app.mount(f"/{part}", StaticFiles(directory=WEB / part))
    app.openapi()["x-problems"] = [  # for the page at /docs; FastAPI keeps the description it made
        {"kind": kind, "status": status, "title": title} for kind, (status, title) in KINDS.items()
    ]
    return app


def _described(enhancer: Enhancer) -> dict[str, Any]:
    info = enhancer.info
    return {
        "version": info.version,
        "iterations": info.iterations,
        "maps_size": enhancer.long_side,
        "parameters": info.parameters,
        "licence": info.licence,
        "training_data": info.training_data,
        "device": enhancer.device,
    }


def _answer_with_problems(app: FastAPI, limits: Limits) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(TooManyPixelsError)
    async def too_many_pixels(_: Request, __: TooManyPixelsError) -> Response:
        detail = f"the picture has more than the {limits.pixels} pixels allowed here"
        return Problem("too-many-pixels", detail).response()

    @app.exception_handler(InputError)
    @app.exception_handler(MissingExtraError)
    async def not_a_picture(_: Request, error: UndimError) -> Response:
        return Problem("not-a-picture", str(error)).response()

    @app.exception_handler(OutputError)
    async def not_writable(_: Request, error: OutputError) -> Response:
        return Problem("invalid-request", str(error)).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        reasons = (f"{reason['loc'][1]}: {reason['msg']}" for reason in error.errors())
        return Problem("invalid-request", "; ".join(reasons)).response()

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        kind = "method-not-allowed" if error.status_code == 405 else "not-found"
        return Problem(
            kind, f"{request.method} {request.url.path}; /docs lists what there is", error.headers
        ).response()

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=499)  # nobody hears it; it is counted
