"""`undim enhance`: photographs, one or many."""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from undim.cli.parameters import Amount, Size

if TYPE_CHECKING:
    from tqdm import tqdm

    from undim.enhancer import Denoise, Enhancer
    from undim.folders import BatchReport, Enhance, Options, Outcome
    from undim.pixels.samples import Image

PIPE = Path("-")


_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True, type=_PATH)
@click.option(
    "-o", "--output", metavar="OUT", type=_PATH, help="The new file, or the folder for new files."
)
@click.option(
    "--model", metavar="NAME|FILE", default="undim", show_default=True, help="See `undim models`."
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 1.5),
    default=1.0,
    show_default=True,
    help="0 is the input, 1 the model.",
)
@click.option(
    "--denoise", type=Amount(), default="auto", show_default=True, help="Filter noise first."
)
@click.option(
    "--maps", type=Size(), help="Long side of the thumbnail that the curves are estimated on."
)
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    help="Folders with all that is below them; the tree is mirrored.",
)
@click.option(
    "--resume", is_flag=True, help="Skip what is finished and unchanged; needs a folder as OUT."
)
@click.option(
    "--overwrite", is_flag=True, help="Replace outputs that exist; inputs are never replaced."
)
@click.option("--dry-run", is_flag=True, help="Only say what would become what.")
@click.option(
    "--watch", is_flag=True, help="Stay, and enhance what comes into the folders, until Ctrl-C."
)
@click.option(
    "--format", metavar="F", help="jpg, png, tif, webp, avif ...; default: that of the input."
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="Default: that of the input where it can be kept.",
)
@click.option("--strip-gps", is_flag=True, help="Leave the place of the shot out of the new files.")
@click.option(
    "--max-pixels",
    metavar="N",
    type=click.IntRange(1),
    help="Refuse larger ones; default: 250 million.",
)
@click.option(
    "--jobs", metavar="N", type=click.IntRange(1), help="Pictures at a time; default: cores + 1."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object for all instead of a path per line."
)
def enhance(
    inputs: tuple[Path, ...],
    output: Path | None,
    model: str,
    strength: float,
    denoise: Denoise,
    maps: int | Literal["full"] | None,
    recursive: bool,
    resume: bool,
    overwrite: bool,
    dry_run: bool,
    watch: bool,
    format: str | None,
    quality: int | None,
    strip_gps: bool,
    max_pixels: int | None,
    jobs: int | None,
    device: str,
    as_json: bool,
) -> None:
    """Brighten photographs: files, whole folders, or `-` for a pipe.

    The paths of the new files go to stdout, everything else to stderr. EXIF, XMP, ICC profile,
    alpha and depth are kept. A photograph that fails does not stop the others; it is named in the
    end, and the exit code is 1.

    \b
    Examples:
      undim enhance night.jpg                              writes night.undim.jpg
      undim enhance night.jpg -o bright.png --strength 0.8
      undim enhance photos -r -o bright --resume           mirrors the tree below photos
      undim enhance - < night.jpg > bright.jpg
    """
    # Pillow then reuses the memory of one decoded picture for the next instead of asking the system
    # again.
    os.environ.setdefault("PILLOW_BLOCKS_MAX", "8")
    # NumPy's linear algebra, of which hardly any is needed, would start threads that spin while
    # others want the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    import hashlib
    from concurrent.futures import ThreadPoolExecutor

    from undim import folders, images
    from undim.errors import InputError
    from undim.model.pretrained import model_path

    if (resume or watch) and output is None:
        raise click.UsageError(
            f"{'--watch' if watch else '--resume'} needs a folder for the outputs: -o FOLDER"
        )
    if PIPE in (*inputs, output) and (len(inputs) > 1 or resume or watch or dry_run or as_json):
        raise click.UsageError(
            "`-` is for one picture, without --resume, --watch, --dry-run and --json"
        )
    if format is not None:
        try:
            images.format_named(format)
        except InputError as error:
            raise click.BadParameter(str(error), param_hint="'--format'") from error
    begun = time.perf_counter()
    sha = hashlib.sha256(model_path(model).read_bytes()).hexdigest()
    options = folders.Options(
        format=format,
        quality=quality,
        strip_gps=strip_gps,
        max_pixels=max_pixels or images.MAX_PIXELS,
        settings={"model": sha, "strength": strength, "denoise": denoise, "maps": maps},
        overwrite=overwrite,
        resume=resume,
    )

    # ONNX Runtime and the model are loaded while the first photograph is decoded.
    loading = ThreadPoolExecutor(1).submit(_load, model, device, maps)
    if len(inputs) > 1 or inputs[0].is_dir():
        loading.result()  # a wrong model is better found before the first of many photographs

    def brighten(pixels: Image) -> Image:
        return loading.result()(pixels, strength=strength, denoise=denoise)

    if PIPE in inputs or output == PIPE:
        _through_pipe(inputs[0], output, brighten, options)
        return
    with _Teller(quiet=as_json, endless=watch) as teller:
        if watch:
            assert output is not None
            report = folders.watch(
                inputs, output, brighten, options, recursive=recursive, jobs=jobs, progress=teller
            )
        else:
            report = folders.run(
                inputs,
                output,
                brighten,
                options,
                recursive=recursive,
                jobs=jobs,
                dry_run=dry_run,
                progress=teller,
            )
    if as_json:
        click.echo(report.to_json())
    elif dry_run:
        for outcome in report.outcomes:
            click.echo(f"{outcome.source} -> {outcome.target} ({outcome.status})")
    enhancer, seconds = loading.result(), time.perf_counter() - begun
    click.echo(
        f"{_counts(report)} in {seconds:.1f} s, {enhancer.info.name} on {enhancer.device}", err=True
    )
    for outcome in report.failed:
        click.echo(f"failed: {outcome.error}", err=True)
    if report.failed or (report.interrupted and not watch):
        raise SystemExit(1)


def _load(model: str, device: str, maps: int | Literal["full"] | None) -> Enhancer:
    # Importing holds the interpreter, decoding does not: the first photograph gets a head start.
    time.sleep(0.01)
    from undim.enhancer import Enhancer

    enhancer = Enhancer(model, device=device, maps=maps)
    # what is loaded by now stays: nobody need look through it for garbage, least of all at the end
    gc.freeze()
    return enhancer


def _counts(report: BatchReport) -> str:
    counts = {status: len(report.of(status)) for status in ("done", "planned", "skipped", "failed")}
    words = [f"{count} {status}" for status, count in counts.items() if count] or [
        "no photographs found"
    ]
    return ", ".join([*words, "interrupted"] if report.interrupted else words)


class _Teller:
    """Prints each new path on stdout as it comes; on a terminal, a bar on stderr."""

    def __init__(self, *, quiet: bool, endless: bool) -> None:
        self._quiet = quiet
        self._endless = endless
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> _Teller:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, outcome: Outcome, total: int) -> None:
        if self._bar is None and total > 1 and not self._endless:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="image", disable=None)
        if outcome.status == "done" and not self._quiet:
            if self._bar is not None:
                self._bar.clear()
            click.echo(outcome.target)
        if self._bar is not None:
            self._bar.update()


def _through_pipe(source: Path, output: Path | None, brighten: Enhance, options: Options) -> None:
    """One picture from stdin or a file to stdout or a file."""
    from undim import images

    if source == PIPE:
        picture = images.decode(sys.stdin.buffer, max_pixels=options.max_pixels, name="stdin")
    else:
        picture = images.decode(source, max_pixels=options.max_pixels)
    picture = picture.with_pixels(brighten(picture.pixels))
    output = None if output == PIPE else output
    format = options.format or (None if output is None else output.suffix)
    data = images.encode(picture, format, options.quality, strip_gps=options.strip_gps)
    if output is None:
        sys.stdout.buffer.write(data)
    else:
        click.echo(images.write_atomically(output, data, overwrite=options.overwrite))
