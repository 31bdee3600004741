"""The record of a run: recipe, environment, and the losses as CSV and as TensorBoard events."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from undim.images import write_atomically
from undim.measure.provenance import provenance
from undim.training.config import to_toml

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Record:
    """Writes the run folder's log; a run that resumes after epoch `begin` loses later rows.

    Of several processes only one is `enabled` to write.
    """

    def __init__(
        self,
        run: Path,
        recipe: DataclassInstance,
        terms: Sequence[str],
        sources: Mapping[str, object],
        *,
        begin: int = 0,
        enabled: bool = True,
    ) -> None:
        """Begin the record.

        terms: the names of the weighted losses; sources: what environment.json says of data and
        device.
        """
        self.terms = list(terms)
        self.enabled = enabled
        if not enabled:
            return
        environment = {
            **provenance(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            **sources,
        }
        _write(run / "recipe.toml", to_toml(recipe))
        _write(run / "environment.json", json.dumps(environment, indent=2) + "\n")
        rows = [["epoch", "split", "loss", *self.terms, "seconds"]]
        path = run / "log.csv"
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows += [row for row in list(csv.reader(file))[1:] if int(row[0]) <= begin]
        _write(path, _csv(rows))
        self.file = path.open("a", newline="", encoding="utf-8")
        self.board = SummaryWriter(str(run / "tensorboard"), purge_step=begin + 1)

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
        self.file.write(
            _csv([[str(epoch), split, *(f"{v:.7g}" for v in values), f"{seconds:.2f}"]])
        )
        self.file.flush()
        for name, value in zip(["loss", *self.terms], values, strict=True):
            self.board.add_scalar(f"{name}/{split}", value, epoch)


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    write_atomically(path, text.encode(), overwrite=True)
