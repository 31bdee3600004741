"""Trainings that take minutes on one processor: no checkpoint, no other device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from tqdm import trange

from undim.errors import TrainingError
from undim.measure.provenance import fingerprint
from undim.training.checkpoints import save_model
from undim.training.config import RecipeHead
from undim.training.export import export_onnx, model_metadata
from undim.training.processes import check_one_processor
from undim.training.record import Record

EPOCH = 100  # steps between two lines of the log

Report = Callable[[int, float, float], None]


class Steps(Protocol):
    """What a recipe says of its optimisation."""

    @property
    def steps(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def seed(self) -> int: ...


def minimise(
    net: nn.Module,
    recipe: Steps,
    loss_of_batch: Callable[[torch.Generator], Tensor],
    report: Report | None = None,
) -> None:
    """AdamW with one cycle of the learning rate; the net is left in evaluation mode.

    `loss_of_batch` draws a batch from the generator and gives the net's loss on it. `report` is
    called after every 100 steps, and after the last, with how often that was, the mean loss and the
    seconds taken.
    """
    torch.manual_seed(recipe.seed)  # of dropout
    generator = torch.Generator().manual_seed(recipe.seed)
    rate, decay = recipe.learning_rate, recipe.weight_decay
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=recipe.steps)
    net.train()
    start, total = time.monotonic(), 0.0
    for step in trange(recipe.steps, unit="step", disable=None):
        loss = loss_of_batch(generator)
        if not loss.isfinite():
            raise TrainingError(
                f"the loss is not finite at step {step}; lower learning_rate = {rate}"
            )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if report and ((step + 1) % EPOCH == 0 or step + 1 == recipe.steps):
            report(step // EPOCH + 1, total / (step % EPOCH + 1), time.monotonic() - start)
            start, total = time.monotonic(), 0.0
    net.eval()


def begin(recipe: RecipeHead, run: Path, *, resume: bool, device: str) -> None:
    """Refuse what a short training cannot do: resume, use another device, write over a run."""
    if resume:
        raise TrainingError(
            f"{recipe.name} trains in minutes and keeps no checkpoint; "
            "start it anew without --resume"
        )
    check_one_processor(recipe.name, device)
    if run.exists() and any(run.iterdir()):
        raise TrainingError(f"{run} is not empty; choose another -o")


def record_and_export(
    net: nn.Module,
    recipe: RecipeHead,
    run: Path,
    files: Sequence[Path],
    fit: Callable[[Report], None],
    **facts: str,
) -> Path:
    """Train by `fit`, its losses recorded; the net as model.safetensors and model.onnx.

    files   what the net learns from, for the record
    facts   what the model file says of its architecture and use
    Returns the path of the ONNX file.
    """
    sources = {"device": "cpu", "data_fingerprint": fingerprint(files), "pictures": len(files)}
    with Record(run, recipe, ["log_error"], sources) as record:
        fit(lambda epoch, loss, s: record.write(epoch, "train", torch.tensor([loss]), s))
    metadata = model_metadata(recipe, net, **facts)
    save_model(net, run / "model.safetensors", metadata)
    export_onnx(net, run / "model.onnx", metadata)
    return run / "model.onnx"
