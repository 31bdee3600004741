"""`undim evaluate`, `compare` and `plot`: what a model is worth, in numbers and to the eye."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from undim.cli.parameters import Amount, Size

if TYPE_CHECKING:
    from undim.enhancer import Denoise

_PATH = click.Path(path_type=Path)
_MODEL = "A shipped model or an .onnx file; may be given several times."
_MAPS = "Long side of the thumbnail the curves are estimated on."


@click.command()
@click.option(
    "--data",
    metavar="DIR",
    type=_PATH,
    required=True,
    help="low/ and high/, just pictures, or a clip.",
)
@click.option(
    "--reference", metavar="DIR", type=_PATH, help="References of --data, of the same names."
)
@click.option("--model", "models", metavar="NAME|FILE", multiple=True, help=_MODEL)
@click.option(
    "--baseline", "baselines", metavar="NAME", multiple=True, help="Some, or `none`; else all."
)
@click.option("--maps", type=Size(), help=_MAPS)
@click.option("--denoise", type=Amount(), default="auto", show_default=True)
@click.option(
    "--against", metavar="METHOD", help="The row that gains are given over; else null_model."
)
@click.option(
    "--wrapped", is_flag=True, help="Also the PSNR of overflowing uint8 arithmetic, a bug."
)
@click.option("--csv", "csv_file", metavar="FILE", type=_PATH, help="One row per image and method.")
@click.option(
    "--json", "json_file", metavar="FILE", type=_PATH, help="The same, means, versions, models."
)
@click.option(
    "--html", "html_file", metavar="FILE", type=_PATH, help="A page: table, curves, pictures."
)
def evaluate(
    data: Path,
    reference: Path | None,
    models: tuple[str, ...],
    baselines: tuple[str, ...],
    maps: int | Literal["full"] | None,
    denoise: Denoise,
    against: str | None,
    wrapped: bool,
    csv_file: Path | None,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Measure models and trivial baselines on pictures, with or without references.

    Without --model and --baseline it measures the default model and all baselines.

    \b
    Examples:
      undim evaluate --data lol-v1/eval15
      undim evaluate --data lol-v1/eval15 --model undim --model mine.onnx --html report.html
      undim evaluate --data photos --baseline input --csv scores.csv
      undim evaluate --data dark.mp4 --reference bright.mp4
    """
    import json

    from undim.errors import InputError
    from undim.evaluation.baselines import BASELINES
    from undim.evaluation.methods import baseline_methods, model_methods
    from undim.evaluation.report import Facts, HtmlReport
    from undim.evaluation.scores import Method
    from undim.evaluation.scores import evaluate as measure
    from undim.images import write_atomically
    from undim.measure.pairs import find_items
    from undim.measure.provenance import fingerprint, provenance
    from undim.model.pretrained import DEFAULT

    if data.is_file():
        from undim.cli.video import measure_clip

        if baselines or maps or against or wrapped or html_file:
            raise click.UsageError(
                "a clip takes --reference, --model, --denoise, --csv and --json only"
            )
        measure_clip(
            data,
            reference,
            models or [DEFAULT],
            denoise=denoise,
            csv_file=csv_file,
            json_file=json_file,
        )
        return
    named = baseline_methods([] if baselines == ("none",) else baselines or list(BASELINES))
    learned = model_methods(
        models or (() if baselines and named else (DEFAULT,)), maps=maps, denoise=denoise
    )
    methods: dict[str, Method] = {**named, **learned}
    if against is None and "null_model" in methods:
        against = "null_model"
    if against is not None and against not in methods:
        raise InputError(
            f"--against {against} is not measured here; expected one of {', '.join(methods)}"
        )
    items = find_items(data, reference)
    files = [path for item in items for path in (item.input, item.reference) if path is not None]
    facts: Facts = {
        **provenance(),
        "data": {"folder": str(data), "files": str(len(files)), "sha256": fingerprint(files)},
        **{f"model {name}": method.facts() for name, method in learned.items()},
    }
    report = HtmlReport()
    evaluation = measure(
        items, methods, wrapped=wrapped, observers=[report.watch] if html_file else []
    )
    click.echo(evaluation.table(against))
    click.echo("\n" + evaluation.legend(), err=True)
    if csv_file:
        write_atomically(csv_file, evaluation.csv().encode(), overwrite=True)
    if json_file:
        record = json.dumps({"facts": facts, **evaluation.record(against)}, indent=1)
        write_atomically(json_file, record.encode(), overwrite=True)
    if html_file:
        page = report.html(evaluation, title=data.resolve().name, facts=facts, against=against)
        write_atomically(html_file, page.encode(), overwrite=True)


@click.command()
@click.argument("source", metavar="IN", type=_PATH)
@click.option(
    "-o", "--output", metavar="OUT", type=_PATH, required=True, help="A picture, or a folder."
)
@click.option(
    "--reference", metavar="REF", type=_PATH, help="The reference of IN, or a folder of them."
)
@click.option("--model", "models", metavar="NAME|FILE", multiple=True, help=_MODEL)
@click.option("--maps", type=Size(), help=_MAPS)
@click.option("--denoise", type=Amount(), default="auto", show_default=True)
def compare(
    source: Path,
    output: Path,
    reference: Path | None,
    models: tuple[str, ...],
    maps: int | Literal["full"] | None,
    denoise: Denoise,
) -> None:
    """Show original, autocontrast, enhanced and reference side by side.

    \b
    Examples:
      undim compare night.jpg -o sheet.png
      undim compare lol-v1/eval15 -o contact.jpg     one row per pair
      undim compare lol-v1/eval15 -o sheets          a folder with one sheet per pair
    """
    from undim.evaluation.methods import model_methods
    from undim.evaluation.sheets import write_contact_sheet, write_sheets
    from undim.measure.pairs import Item, find_items
    from undim.model.pretrained import DEFAULT

    items = (
        find_items(source, reference) if source.is_dir() else [Item(source.name, source, reference)]
    )
    methods = model_methods(models or (DEFAULT,), maps=maps, denoise=denoise)
    if output.suffix:
        click.echo(write_contact_sheet(items, methods, output))
    else:
        for path in write_sheets(items, methods, output):
            click.echo(path)


@click.command()
@click.argument("run", metavar="RUN", type=_PATH)
@click.option(
    "-o", "--output", metavar="DIR", type=_PATH, help="Where the plots go; else RUN/plots."
)
def plot(run: Path, output: Path | None) -> None:
    """Plot the losses of a training run over its epochs, one PNG per loss and one of all.

    \b
    Example:
      undim plot runs/zero-dce
    """
    from undim.training.plots import plot_losses

    for path in plot_losses(run, output):
        click.echo(path)
