"""`undim video`, `undim live` and `undim stream`: moving pictures."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from undim.cli.parameters import Amount

if TYPE_CHECKING:
    from undim.enhancer import Denoise

_PATH = click.Path(path_type=Path)
_FPS = "Frames per second of the input, for the smoothing over time."
_STRENGTH = "0 is the input, 1 the model."
_DENOISE = "auto averages over time where nothing moves; a number adds the filter for photographs."


def _brightening(command: Any) -> Any:
    """Add the options that the three verbs share."""
    for option in (
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
        ),
        click.option(
            "--model",
            metavar="NAME|FILE",
            default="undim",
            show_default=True,
            help="See `undim models`.",
        ),
        click.option(
            "--no-smoothing", is_flag=True, help="Estimate every frame by itself, which flickers."
        ),
        click.option("--denoise", type=Amount(), default="auto", show_default=True, help=_DENOISE),
        click.option(
            "--strength",
            type=click.FloatRange(0, 1.5),
            default=1.0,
            show_default=True,
            help=_STRENGTH,
        ),
    ):
        command = option(command)
    return command


class FrameSize(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """A size in pixels, such as 1920x1080."""

    name = "WIDTHxHEIGHT"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", value)
        if not match:
            self.fail(f"{value!r} is no size such as 1920x1080", param, ctx)
        return int(match[1]), int(match[2])


@click.command()
@click.argument("source", metavar="IN", type=_PATH)
@click.argument("target", metavar="[OUT]", type=_PATH, required=False)
@_brightening
@click.option(
    "--codec", metavar="C", help="h264, hevc, av1, vp9, prores, ffv1 ...; default: the input's."
)
@click.option(
    "--crf", type=click.FloatRange(0), help="Constant quality; lower is better and larger."
)
@click.option("--preset", metavar="P", help="The encoder's speed, such as veryfast or slow.")
@click.option(
    "--start", metavar="SECONDS", type=click.FloatRange(0), default=0.0, help="Begin here."
)
@click.option(
    "--end", metavar="SECONDS", type=click.FloatRange(0, min_open=True), help="Stop here."
)
@click.option(
    "--sample", metavar="OUT.jpg", type=_PATH, help="A before/after still from the middle."
)
@click.option(
    "--overwrite", is_flag=True, help="Replace an output that exists; the input is never replaced."
)
def video(
    source: Path,
    target: Path | None,
    strength: float,
    denoise: Denoise,
    no_smoothing: bool,
    model: str,
    device: str,
    codec: str | None,
    crf: float | None,
    preset: str | None,
    start: float,
    end: float | None,
    sample: Path | None,
    overwrite: bool,
) -> None:
    """Brighten a video: every frame at its time, sound, subtitles and metadata kept, no flicker.

    Ctrl-C leaves what was done so far in NAME.partial.EXT. A damaged input gives what can be
    decoded and exit code 1. Without OUT only the --sample is made.

    \b
    Examples:
      undim video night.mp4 bright.mp4
      undim video night.mov bright.mp4 --codec hevc --crf 20 --preset slow
      undim video night.mp4 --sample still.jpg --strength 0.7
    """
    from tqdm import tqdm

    from undim import images
    from undim.enhancer import Enhancer
    from undim.video.encoders import Encoding
    from undim.video.stills import before_after
    from undim.video.transcode import enhance_video

    if target is None and sample is None:
        raise click.UsageError("give an output file, or --sample for a still only")
    enhancer = Enhancer(model, device=device)
    if sample:
        still = before_after(
            source, enhancer=enhancer, strength=strength, denoise=denoise, start=start, end=end
        )
        picture = images.encode(images.Picture(still), images.format_named(sample.suffix))
        click.echo(images.write_atomically(sample, picture, overwrite=overwrite))
    if target is None:
        return
    with tqdm(unit=" frames", disable=None) as bar:

        def progress(done: int, expected: int | None) -> None:
            bar.total = expected
            bar.update(done - bar.n)

        try:
            report = enhance_video(
                source,
                target,
                enhancer=enhancer,
                strength=strength,
                denoise=denoise,
                smooth=not no_smoothing,
                encoding=Encoding(codec, crf, preset),
                start=start,
                end=end,
                overwrite=overwrite,
                progress=progress,
            )
        except KeyboardInterrupt as interruption:
            bar.close()
            raise click.ClickException(str(interruption)) from None
    for line in (*report.notes, *report.damage):
        click.echo(f"undim: {source}: {line}", err=True)
    click.echo(report.path)
    if report.damage:
        sys.exit(1)


@click.command()
@click.argument("source", metavar="SOURCE")
@click.option(
    "-o",
    "--output",
    metavar="FILE|-",
    help="Record into a file; `-` writes raw rgb24 frames to stdout.",
)
@_brightening
def live(
    source: str,
    output: str | None,
    strength: float,
    denoise: Denoise,
    no_smoothing: bool,
    model: str,
    device: str,
) -> None:
    """Brighten a camera, an address or a file as it plays, always at its newest frame.

    SOURCE is a camera (0, /dev/video0), an address (rtsp://, http:// ...) or a file. Without -o it
    opens a window; q, Escape or Ctrl-C ends it. Frames that come while one is being brightened are
    skipped, so it never lags.

    \b
    Examples:
      undim live 0
      undim live rtsp://camera.local/stream -o night.mp4
      undim live 0 -o - | ffplay -f rawvideo -pixel_format rgb24 -video_size 640x480 -
    """
    from undim.enhancer import Enhancer
    from undim.video.ahead import stoppable
    from undim.video.frames import Brightener
    from undim.video.live import Newest, frames_of
    from undim.video.record import record
    from undim.video.sequence import FrameEnhancer
    from undim.video.window import Window

    enhancer = Enhancer(model, device=device)
    brightener = Brightener(
        FrameEnhancer(enhancer, strength=strength, denoise=denoise, smooth=not no_smoothing)
    )
    window = Window(f"undim: {source}") if output is None else None
    newest = Newest(frames_of(source))

    def to_stdout() -> None:
        for frame in newest:
            bright = brightener(frame, size=(frame.width, frame.height), format="rgb24")
            sys.stdout.buffer.write(bright.to_ndarray().data)

    if window:
        with contextlib.suppress(KeyboardInterrupt):
            window.show(
                brightener(frame, size=window.size_for(frame.width, frame.height), format="rgb24")
                for frame in newest
            )
        newest.close()
    elif output == "-":
        with contextlib.suppress(BrokenPipeError):  # the reader has seen enough
            stoppable(to_stdout, newest.close)
    else:
        assert output is not None
        path = Path(output)
        stoppable(lambda: record(path, newest, brightener), newest.close)
    click.echo(f"undim: {newest.overwritten} frames were skipped to stay at the newest", err=True)


@click.command()
@click.argument("size", type=FrameSize())
@click.option(
    "--format",
    type=click.Choice(["rgb24", "rgb48le"]),
    default="rgb24",
    show_default=True,
    help="Both ways.",
)
@click.option(
    "--fps", type=click.FloatRange(0, min_open=True), default=30.0, show_default=True, help=_FPS
)
@_brightening
def stream(
    size: tuple[int, int],
    format: str,
    fps: float,
    strength: float,
    denoise: Denoise,
    no_smoothing: bool,
    model: str,
    device: str,
) -> None:
    """Brighten raw RGB frames from stdin to stdout, between two ffmpegs.

    \b
    Example:
      ffmpeg -i night.mp4 -f rawvideo -pix_fmt rgb24 - | undim stream 1920x1080 --fps 25 |
        ffmpeg -f rawvideo -pix_fmt rgb24 -s 1920x1080 -r 25 -i - bright.mp4
    """
    from undim.enhancer import Enhancer
    from undim.video.raw import enhance_raw

    width, height = size
    enhance_raw(
        sys.stdin.buffer,
        sys.stdout.buffer,
        width,
        height,
        format=format,
        fps=fps,
        enhancer=Enhancer(model, device=device),
        strength=strength,
        denoise=denoise,
        smooth=not no_smoothing,
    )


def measure_clip(
    dark: Path,
    reference: Path | None,
    models: Sequence[str],
    *,
    denoise: Denoise,
    csv_file: Path | None,
    json_file: Path | None,
) -> None:
    """What `undim evaluate` does for a clip: the input, and each model with and without smoothing
    over time.
    """
    import json

    from undim.enhancer import Enhancer
    from undim.evaluation.clips import FrameMethod, evaluate_clip
    from undim.images import write_atomically
    from undim.video import FrameEnhancer

    methods: dict[str, FrameMethod] = {"input": lambda frame, _: frame}
    for model in models:
        enhancer = Enhancer(model)
        name = enhancer.info.name if enhancer.info.name not in methods else model
        methods[name] = FrameEnhancer(enhancer, denoise=denoise)
        methods[f"{name}, frame by frame"] = FrameEnhancer(enhancer, denoise="off", smooth=False)
    evaluation = evaluate_clip(dark, reference, methods)
    click.echo(evaluation.table())
    if csv_file:
        write_atomically(csv_file, evaluation.csv().encode(), overwrite=True)
    if json_file:
        write_atomically(
            json_file, json.dumps(evaluation.record(), indent=1).encode(), overwrite=True
        )
