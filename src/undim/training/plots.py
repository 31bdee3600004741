"""Loss curves of a training run, from its `log.csv`: a PNG per loss and an overview.

They need matplotlib.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from undim.errors import DataError, MissingExtraError
from undim.images import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NOT_LOSSES = ("epoch", "split", "seconds")
_SPLITS = {"train": ("training", "#4269d0"), "val": ("validation", "#e8730b")}


@dataclass(frozen=True)
class Log:
    """The losses of a run: `curves[loss][split]` is a list of (epoch, value)."""

    losses: tuple[str, ...]
    curves: dict[str, dict[str, list[tuple[int, float]]]]


def read_log(run: str | Path) -> Log:
    """Read RUN/log.csv.

    Columns are epoch, split ("train" or "val"), loss, one per weighted term, and seconds.
    """
    path = Path(run) / "log.csv"
    if not path.is_file():
        raise DataError(
            f"{path} does not exist; expected the folder of a run that `undim train` has begun"
        )
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        losses = tuple(name for name in reader.fieldnames or () if name not in _NOT_LOSSES)
        curves: dict[str, dict[str, list[tuple[int, float]]]] = {name: {} for name in losses}
        try:
            for row in reader:
                for name in losses:
                    curves[name].setdefault(row["split"], []).append(
                        (int(row["epoch"]), float(row[name]))
                    )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}, line {reader.line_num}: not a row of a training log ({error})"
            ) from error
    if not losses or not curves[losses[0]]:
        raise DataError(f"{path} holds no epoch yet; plot the run after its first")
    return Log(losses, curves)


def plot_losses(run: str | Path, output: str | Path | None = None) -> list[Path]:
    """Write one PNG per loss, training and validation over epochs, and `losses.png` with all.

    The files go to `output`, by default RUN/plots. Needs the extra `train`; raises
    MissingExtraError without.
    """
    log = read_log(run)
    folder = Path(output) if output is not None else Path(run) / "plots"
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("train", "to plot losses") from error
    written = []
    for name in log.losses:
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        _draw(figure.subplots(), name, log.curves[name])
        written.append(_save(figure, folder / f"{name}.png"))
    columns = min(len(log.losses), 2 if len(log.losses) < 5 else 3)
    rows = -(-len(log.losses) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.4 * rows), layout="constrained")
    figure.suptitle(Path(run).resolve().name, fontweight="bold")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, panel in enumerate(axes):
        if i < len(log.losses):
            _draw(panel, log.losses[i], log.curves[log.losses[i]])
        else:
            panel.set_axis_off()
    written.append(_save(figure, folder / "losses.png"))
    return written


def _draw(axes: Axes, name: str, curves: dict[str, list[tuple[int, float]]]) -> None:
    for split, points in curves.items():
        label, colour = _SPLITS.get(split, (split, "#777777"))
        epochs, values = zip(*points, strict=True)
        axes.plot(
            epochs, values, color=colour, label=f"{label}, last {values[-1]:.4g}", linewidth=1.8
        )
        if len(points) == 1:
            axes.plot(epochs, values, "o", color=colour)
    axes.set_title(name.replace("_", " "), loc="left", fontsize=11)
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def _save(figure: Figure, path: Path) -> Path:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return write_atomically(path, file.getvalue(), overwrite=True)
