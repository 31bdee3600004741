"""The record of a run: recipe, environment, and the losses as CSV and as TensorBoard events."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from undim.images import write_atomically
from undim.provenance import provenance
from undim.training.config import Recipe
from undim.training.datasets import ImageCache
from undim.training.workers import Workers


class Record:
    """Writes the run folder's log; a run that resumes after `epoch` has later rows cut off first.

    Only the first of several processes writes.
    """

    def __init__(self, run: Path, recipe: Recipe, cache: ImageCache, workers: Workers, epoch: int) -> None:
        self.losses = list(recipe.losses)
        self.enabled = workers.first
        if not self.enabled:
            return
        environment = {
            **provenance(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "processes": workers.size,
            "device": str(workers.device),
            "data_fingerprint": cache.fingerprint,
            "pictures": len(cache.names),
        }
        _write(run / "recipe.toml", recipe.to_toml())
        _write(run / "environment.json", json.dumps(environment, indent=2) + "\n")
        rows = [["epoch", "split", "loss", *self.losses, "seconds"]]
        path = run / "log.csv"
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows += [row for row in list(csv.reader(file))[1:] if int(row[0]) <= epoch]
        _write(path, _csv(rows))
        self.file = path.open("a", newline="", encoding="utf-8")
        self.board = SummaryWriter(str(run / "tensorboard"), purge_step=epoch + 1)

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            self.file.close()
            self.board.close()

    def write(self, epoch: int, split: str, terms: Tensor, seconds: float) -> None:
        """One row: the weighted terms, their sum, and the time they took."""
        if not self.enabled:
            return
        values = [float(terms.sum()), *terms.tolist()]
        self.file.write(_csv([[str(epoch), split, *(f"{v:.7g}" for v in values), f"{seconds:.2f}"]]))
        self.file.flush()
        for name, value in zip(["loss", *self.losses], values, strict=True):
            self.board.add_scalar(f"{name}/{split}", value, epoch)


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    write_atomically(path, text.encode(), overwrite=True)
