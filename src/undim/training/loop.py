"""The training loop: one recipe, one folder of pictures in; one run folder out.

RUN/recipe.toml            the recipe as it ran, defaults included
RUN/environment.json       versions, commit, machine, data fingerprint
RUN/log.csv                epoch, split, loss, one column per weighted term, seconds
RUN/tensorboard/           the same numbers as events
RUN/checkpoint.safetensors everything needed to resume, rewritten whole after every epoch
RUN/model.safetensors      the trained net, and RUN/model.onnx for `undim enhance --model`

Under `torchrun` each process works on its share of every batch, and gradients are averaged over
pictures, so that the losses are those of a single process.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm

from undim.errors import ConfigError, DataError, TrainingError
from undim.training.checkpoints import load_checkpoint, save_checkpoint, save_model
from undim.training.config import Recipe, parse_slice, recipe_from, to_toml
from undim.training.curve import enhance
from undim.training.data.pictures import Batch, ImageCache, batches, find_pictures
from undim.training.export import export_onnx, model_metadata
from undim.training.losses import loss_terms
from undim.training.nets import MODELS, count_parameters, initialise
from undim.training.processes import Processes, keep_freed_memory, use_bfloat16
from undim.training.record import Record

Objective = Callable[[Tensor], Tensor]
Indices = npt.NDArray[np.intp]


def train(
    recipe: Recipe, data: str | Path, run: str | Path, *, resume: bool = False, device: str = "auto"
) -> Path | None:
    """Train the recipe's model on the pictures below `data`.

    A run folder that holds anything is only touched with `resume`, and then must hold the same
    recipe and data; only the number of epochs may be another. `device` is "auto" (CUDA where there
    is one), "cpu" or "cuda". Returns the path of the trained model's ONNX file; of several
    processes only the first writes and returns it.
    """
    keep_freed_memory()
    with Processes(device) as processes:
        run = Path(run)
        if processes.first and not resume and run.exists() and any(run.iterdir()):
            raise TrainingError(f"{run} is not empty; resume it with --resume or choose another -o")
        files = find_pictures(data, recipe.folder)
        training, validation = _split(recipe, len(files))
        cache = ImageCache.open(files, size=recipe.image_size)

        torch.manual_seed(recipe.seed)
        model = MODELS[recipe.model](iterations=recipe.iterations, width=recipe.width)
        initialise(model, recipe.initialisation)
        model = model.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.Adam(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        checkpoint = run / "checkpoint.safetensors"
        begin = 0
        if resume and checkpoint.exists():
            begin = _restore(checkpoint, model, optimizer, recipe, cache.fingerprint)

        terms_of = objective(model, recipe, processes.device)
        steps = math.ceil(len(training) / recipe.batch)
        sources = {
            "processes": processes.size,
            "device": str(processes.device),
            "data_fingerprint": cache.fingerprint,
            "pictures": len(cache.names),
        }
        if processes.first:
            numbers = "bfloat16" if use_bfloat16(recipe.precision, processes.device) else "float32"
            print(
                f"{recipe.name}: {recipe.model}, {count_parameters(model):,} parameters; "
                f"{len(training)} pictures to "
                f"train on, {len(validation)} to validate on; {processes.device}, {numbers}",
                file=sys.stderr,
            )
        with (
            Record(
                run, recipe, list(recipe.losses), sources, begin=begin, enabled=processes.first
            ) as record,
            _progress(steps * recipe.epochs, steps * begin, shown=processes.first) as bar,
        ):
            for epoch in range(begin, recipe.epochs):
                torch.manual_seed(
                    recipe.seed + epoch
                )  # a resumed run draws what an unbroken one would
                model.train()
                start, total, count = time.monotonic(), torch.zeros(len(recipe.losses)), 0
                for batch in batches(
                    cache, training, recipe, epoch=epoch, rank=processes.rank, world=processes.size
                ):
                    terms, pictures, norm = update(
                        batch, terms_of, model, optimizer, recipe, processes
                    )
                    if not (terms.isfinite().all() and norm.isfinite()):
                        raise TrainingError(
                            _not_finite(recipe, terms, f"step {bar.n} (epoch {epoch + 1})", batch)
                        )
                    total, count = total + terms * pictures, count + pictures
                    bar.update()
                record.write(epoch + 1, "train", total / count, time.monotonic() - start)
                bar.set_postfix({"loss": f"{float(total.sum()) / count:.4g}"}, refresh=False)
                if len(validation):
                    model.eval()
                    start = time.monotonic()
                    terms = _validate(cache, validation, recipe, terms_of, processes)
                    record.write(epoch + 1, "val", terms, time.monotonic() - start)
                if processes.first:
                    state = {
                        "epoch": str(epoch + 1),
                        "recipe": to_toml(recipe),
                        "fingerprint": cache.fingerprint,
                    }
                    save_checkpoint(checkpoint, model, optimizer, state)
        if not processes.first:
            return None
        facts = {
            "model": recipe.model,
            "iterations": str(recipe.iterations),
            "width": str(recipe.width),
        }
        metadata = model_metadata(recipe, model, **facts, maps_size=str(recipe.image_size))
        save_model(model, run / "model.safetensors", metadata)
        export_onnx(model.cpu(), run / "model.onnx", metadata)
        return run / "model.onnx"


def objective(model: nn.Module, recipe: Recipe, device: torch.device) -> Objective:
    """The function low (B, 3, H, W) -> the recipe's weighted loss terms, in the recipe's order.

    Convolutions run in bfloat16 where the recipe and the processor allow; curve and losses stay in
    float32.
    """
    if use_bfloat16(recipe.precision, device):
        cast: Any = torch.autocast(device.type, dtype=torch.bfloat16)
    else:
        cast = nullcontext()

    def terms(low: Tensor) -> Tensor:
        with cast:
            curve_maps = model(low)
        # plane by plane: a step of the curve reads 3 maps of 24, which lie far apart in
        # channels-last memory
        curve_maps = curve_maps.to(torch.float32, memory_format=torch.contiguous_format)
        low = low.contiguous()
        tensors = {
            "low": low,
            "curve_maps": curve_maps,
            "enhanced": enhance(low, curve_maps, recipe.iterations),
        }
        return torch.stack(list(loss_terms(recipe.losses, tensors).values()))

    return terms


def _split(recipe: Recipe, pictures: int) -> tuple[Indices, Indices]:
    """The numbers of the pictures to train on and of those to validate on."""
    everything = np.arange(pictures)
    training = everything[parse_slice("train", recipe.train)]
    validation = everything[parse_slice("validation", recipe.validation)]
    if not len(training):
        raise DataError(f"train = {recipe.train!r} chooses none of the {pictures} pictures")
    if len(both := np.intersect1d(training, validation)):
        raise ConfigError(
            f"train = {recipe.train!r} and validation = {recipe.validation!r} share {len(both)} "
            f"of the {pictures} pictures, the first is {both[0]}; choose slices that do not meet"
        )
    return training, validation


def _restore(
    checkpoint: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    fingerprint: str,
) -> int:
    """Fill model and optimiser from a checkpoint of this recipe and data; the epochs done."""
    state = load_checkpoint(checkpoint, model, optimizer)
    before = recipe_from(tomllib.loads(state["recipe"]))
    words = {
        "description": recipe.description,
        "expected": recipe.expected,
    }  # change nothing in a run
    if dataclasses.replace(before, epochs=recipe.epochs, **words) != recipe:  # type: ignore[arg-type]
        raise TrainingError(
            f"{checkpoint} was made by another recipe; only epochs may differ. Start a new run"
        )
    if state["fingerprint"] != fingerprint:
        raise TrainingError(f"{checkpoint} was made with other pictures; start a new run")
    done = int(state["epoch"])
    if done > recipe.epochs:
        raise TrainingError(
            f"{checkpoint} has {done} epochs behind it, more than epochs = {recipe.epochs}"
        )
    return done


def _progress(total: int, initial: int, *, shown: bool) -> tqdm[NoReturn]:
    """A bar on a terminal; elsewhere a line now and then, so that a log file stays readable."""
    if sys.stderr.isatty():
        return tqdm(total=total, initial=initial, unit="step", disable=not shown)
    line = (
        "{percentage:.0f}%, step {n_fmt} of {total_fmt}, {elapsed} passed, {remaining} "
        "left{postfix}\n"
    )
    return tqdm(
        total=total,
        initial=initial,
        mininterval=30,
        maxinterval=60,
        bar_format=line,
        disable=not shown,
    )


def update(
    batch: Batch,
    terms_of: Objective,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    processes: Processes,
) -> tuple[Tensor, int, Tensor]:
    """One update: mean terms, number of pictures and norm of the gradient, of all processes."""
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    terms = torch.zeros(len(recipe.losses))
    if batch.names:  # the last batch of an epoch may leave a process without a picture
        values = terms_of(processes.tensor(batch))
        torch.autograd.backward(values.sum())
        terms = values.detach().cpu()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    terms, pictures = processes.average(terms, len(batch.names), gradients)
    norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip or math.inf)
    optimizer.step()
    return terms, pictures, norm


@torch.no_grad()
def _validate(
    cache: ImageCache, indices: Indices, recipe: Recipe, terms_of: Objective, processes: Processes
) -> Tensor:
    total, count = torch.zeros(len(recipe.losses)), 0
    for batch in batches(cache, indices, recipe, rank=processes.rank, world=processes.size):
        if batch.names:
            total += terms_of(processes.tensor(batch)).cpu() * len(batch.names)
            count += len(batch.names)
    return processes.average(total / max(count, 1), count, [])[0]


def _not_finite(recipe: Recipe, terms: Tensor, step: str, batch: Batch) -> str:
    bad = [name for name, value in zip(recipe.losses, terms, strict=True) if not value.isfinite()]
    what = (
        f"the loss is not finite ({', '.join(bad)})"
        if bad
        else "the loss is finite, but its gradient is not"
    )
    return (
        f"{what} at {step}; pictures: {', '.join(batch.names)}. Look at these pictures, lower "
        "learning_rate, set "
        "gradient_clip, or choose a form of the loss whose gradient is finite on grey pictures "
        "(color_constancy_paper); the checkpoint holds the last whole epoch"
    )
