"""`undim train`, `undim data` and `undim import`: where models come from."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from undim.errors import MissingExtraError, OutputError

_PATH = click.Path(path_type=Path)
_DATA = "lol-v1"


@click.command()
@click.argument("recipe", metavar="RECIPE", type=_PATH)
@click.option(
    "--data",
    metavar="DIR",
    type=_PATH,
    default=_DATA,
    show_default=True,
    help="The pictures to learn from.",
)
@click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change one key of the recipe; repeatable.",
)
@click.option(
    "-o", "--output", "run", metavar="RUN", type=_PATH, help="The run's folder; else runs/NAME."
)
@click.option("--resume", is_flag=True, help="Go on where a stopped run of this recipe left off.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
def train(
    recipe: Path, data: Path, changes: tuple[str, ...], run: Path | None, resume: bool, device: str
) -> None:
    """Train a model as a recipe says, and export it.

    RUN receives the recipe, versions, losses as CSV, TensorBoard events and plots, a checkpoint
    after every epoch, and the model as model.onnx (for `undim enhance --model`) and
    model.safetensors.

    \b
    Examples:
      undim train recipes/zero-dce-lol.toml --data lol-v1
      undim train recipes/keras-example.toml --set epochs=10 --set batch=8 -o runs/short
      undim train recipes/zero-dce-lol.toml --data photos --set folder=. -o runs/mine
      torchrun --nproc-per-node 2 -m undim train recipes/zero-dce-lol.toml
    """
    _need("to train")
    from undim.training.objectives import train
    from undim.training.plots import plot_losses

    folder, model = train(recipe, changes, data, run, resume=resume, device=device)
    if model is not None:
        plot_losses(folder)
        click.echo(model)


@click.group()
def data() -> None:
    """Fetch data sets."""


@data.command()
@click.option(
    "--dest",
    metavar="DIR",
    type=_PATH,
    default=_DATA,
    show_default=True,
    help="A new or empty folder.",
)
@click.option(
    "--zip",
    "archive",
    metavar="FILE",
    type=_PATH,
    help="Take this archive instead of downloading one.",
)
def lol(dest: Path, archive: Path | None) -> None:
    """Fetch LOL v1: 485 pairs to learn from (our485), 15 to measure on (eval15).

    347 MB are downloaded; an interrupted download is resumed by the same command. No licence is
    stated for these pictures: they serve research, and so do models that learned from them.

    \b
    Examples:
      undim data lol --dest lol-v1
      undim data lol --dest lol-v1 --zip LOLdataset.zip
    """
    from undim.measure.lol import fetch_lol

    click.echo(fetch_lol(dest, archive=archive))


@click.command(name="import")
@click.argument("checkpoint", metavar="CKPT.pth", type=_PATH)
@click.option(
    "-o", "--output", metavar="M.onnx", type=_PATH, required=True, help="The new model file."
)
def import_(checkpoint: Path, output: Path) -> None:
    """Turn the weights that the authors of Zero-DCE and Zero-DCE++ released into an undim model.

    The file is read without running any code in it. The weights stay under their authors' licence
    (CC BY-NC 4.0), and the new file says so.

    \b
    Example:
      undim import Epoch99.pth -o zero-dce-authors.onnx
    """
    _need("to import weights")
    from undim.training.checkpoints import import_released
    from undim.training.export import export_onnx

    if output.exists():
        raise OutputError(f"{output} exists already; choose another name")
    model, metadata = import_released(checkpoint)
    difference = export_onnx(model, output, metadata)
    click.echo(
        f"{metadata['name']}: {metadata['parameters']} parameters, {metadata['licence']}", err=True
    )
    click.echo(f"the file and the net differ by at most {difference:.1g}", err=True)
    click.echo(output)


def _need(purpose: str) -> None:
    if any(
        find_spec(name) is None
        for name in ("torch", "safetensors", "onnx", "onnxscript", "tensorboard")
    ):
        raise MissingExtraError("train", purpose)
