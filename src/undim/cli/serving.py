"""`undim serve` and `undim export-page`: the page, with a server behind it or with none."""

from __future__ import annotations

import socket
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import click

from undim.errors import InputError, MissingExtraError


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option(
    "--model",
    "names",
    metavar="NAME|FILE",
    multiple=True,
    help="Offer only this model; may be given often.",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--token", envvar="UNDIM_TOKEN", help="Ask for this bearer token; better set UNDIM_TOKEN."
)
@click.option(
    "--allow-host", "hosts", metavar="NAME", multiple=True, help="A name this server goes by."
)
@click.option(
    "--max-megabytes", type=click.FloatRange(min=0, min_open=True), default=64, show_default=True
)
@click.option(
    "--max-megapixels", type=click.FloatRange(min=0, min_open=True), default=64, show_default=True
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), help="Pictures at once; default: the cores."
)
@click.option(
    "--queue", type=click.IntRange(min=0), default=16, show_default=True, help="Who may wait."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60, show_default=True
)
def serve(
    host: str,
    port: int,
    names: tuple[str, ...],
    device: str,
    token: str | None,
    hosts: tuple[str, ...],
    max_megabytes: float,
    max_megapixels: float,
    concurrency: int | None,
    queue: int,
    timeout: float,
) -> None:
    """Open a page in the browser and a REST API for programs, on this machine only.

    \b
    Examples:
      undim serve
      UNDIM_TOKEN=... undim serve --host 0.0.0.0 --allow-host photos.example.org
    """
    if (
        find_spec("fastapi") is None
        or find_spec("uvicorn") is None
        or find_spec("python_multipart") is None
    ):
        raise MissingExtraError("serve", "to serve")
    from undim.enhancer import Enhancer
    from undim.model.pretrained import MODELS
    from undim.server import Limits, create_app, keep_freed_memory, server

    keep_freed_memory()
    enhancers = {
        name: Enhancer(model, device=device)
        for name, model in _offered(names or tuple(MODELS)).items()
    }
    limits = Limits(
        body_bytes=int(max_megabytes * 1e6),
        pixels=int(max_megapixels * 1e6),
        queue=queue,
        upload_seconds=timeout,
        work_seconds=timeout,
    )
    if concurrency is not None:
        limits = replace(limits, concurrency=concurrency)
    used = ", ".join(sorted({enhancer.device for enhancer in enhancers.values()}))
    app = create_app(enhancers, limits=limits, token=token or None, hosts=hosts)
    shown, family = (f"[{host}]", socket.AF_INET6) if ":" in host else (host, socket.AF_INET)
    try:  # from here on a client is heard, so that the line below is true
        door = socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"cannot listen at {shown}:{port} ({error}); choose another --host or --port"
        ) from error
    port = door.getsockname()[1]
    click.echo(
        f"undim is at http://{shown}:{port}/ on {used} with {', '.join(enhancers)}", err=True
    )
    server(app, limits, host=host, port=port).run([door])


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--model", "names", metavar="NAME|FILE", multiple=True, help="Default: what ships for any use."
)
def export_page(folder: Path, names: tuple[str, ...]) -> None:
    """Write the page as a static site: no server, and pictures never leave the visitor's device.

    DIR must be new or empty. Any static web host can serve it (a file:// address cannot).

    \b
    Examples:
      undim export-page site
      python -m http.server --directory site
    """
    from undim.model.pretrained import DEFAULT, MODELS
    from undim.web.site import export_page

    free = tuple(name for name in MODELS if MODELS[name].licence == MODELS[DEFAULT].licence)
    click.echo(export_page(folder, _offered(names or free)))


def _offered(models: tuple[str, ...]) -> dict[str, str]:
    """The models by the names that users choose from, files by theirs without `.onnx`."""
    offered = {Path(model).stem: model for model in models}
    if len(offered) < len(models):
        raise click.BadParameter(
            "two models share a name; rename one of the files", param_hint="'--model'"
        )
    return offered
