"""The training loop: one recipe, one folder of pictures in; one run folder out.

RUN/recipe.toml            the recipe as it ran, defaults included
RUN/environment.json       versions, machine, data fingerprint
RUN/log.csv                epoch, split, loss, one column per weighted term, seconds
RUN/tensorboard/           the same numbers as events
RUN/checkpoint.safetensors everything needed to resume, rewritten whole after every epoch
RUN/model.safetensors      the trained net, and RUN/model.onnx for `undim enhance --model`

Under `torchrun` each process works on its share of every batch, and gradients are averaged over pictures, so that
the losses are those of a single process.
"""

from __future__ import annotations

import csv
import ctypes
import json
import math
import os
import platform
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

import undim
from undim.errors import ConfigError, DataError, DeviceError, TrainingError
from undim.training.checkpoints import load_checkpoint, save_checkpoint, save_model
from undim.training.config import Recipe, parse_slice
from undim.training.datasets import Batch, ImageCache, batches, list_images
from undim.training.export import export_onnx, model_metadata
from undim.training.losses import loss_terms
from undim.training.models import MODELS, enhance, initialise

Objective = Callable[[Tensor], Tensor]


def train(
    recipe: Recipe, data: str | Path, run: str | Path, *, resume: bool = False, device: str = "auto"
) -> Path:
    """Train the recipe's model on the pictures below `data`; returns the path of the trained model's ONNX file.

    A run folder that exists is only touched with `resume`, and then must hold the same recipe and data.
    """
    keep_freed_memory()
    with _Workers(device) as workers:
        run = Path(run)
        if run.exists() and any(run.iterdir()) and not resume:
            raise TrainingError(f"{run} is not empty; resume it with --resume or choose another -o")
        files = list_images(Path(data) / recipe.folder)
        indices = np.arange(len(files))
        training = indices[parse_slice("train", recipe.train)]
        validation = indices[parse_slice("validation", recipe.validation)]
        if not len(training):
            raise DataError(f"train = {recipe.train!r} chooses none of the {len(files)} pictures in {data}")
        if overlap := set(training) & set(validation):
            raise ConfigError(
                f"{len(overlap)} pictures are in both train and validation, first {min(overlap)}"
            )
        cache = ImageCache.open(files, size=recipe.image_size)

        torch.manual_seed(recipe.seed)
        model = MODELS[recipe.model](iterations=recipe.iterations, width=recipe.width)
        initialise(model, recipe.initialisation)
        model = model.to(workers.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.Adam(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        identity = {"recipe": recipe.to_toml(), "fingerprint": cache.fingerprint}
        first = 0
        checkpoint = run / "checkpoint.safetensors"
        if resume and checkpoint.exists():
            found = load_checkpoint(checkpoint, model, optimizer)
            if differing := [key for key, value in identity.items() if found.get(key) != value]:
                raise TrainingError(
                    f"{checkpoint} was made with another {' and '.join(differing)}; start a new run"
                )
            first = int(found["epoch"])

        terms_of = objective(model, recipe, workers.device)
        with _Log(run, recipe, cache, first, enabled=workers.rank == 0) as log:
            steps = math.ceil(len(training) / recipe.batch)
            bar = tqdm(
                total=steps * recipe.epochs,
                initial=steps * first,
                unit="step",
                disable=workers.rank > 0 or None,
            )
            for epoch in range(first, recipe.epochs):
                start, total, count = time.monotonic(), torch.zeros(len(recipe.losses)), 0
                for batch in batches(
                    cache, training, recipe, epoch=epoch, rank=workers.rank, world=workers.size
                ):
                    terms, pictures = _step(batch, terms_of, model, optimizer, recipe, workers)
                    if not terms.isfinite().all():
                        raise TrainingError(_not_finite(recipe, terms, bar.n, batch))
                    total, count = total + terms * pictures, count + pictures
                    bar.update()
                log.write(epoch + 1, "train", total / count, time.monotonic() - start)
                if len(validation):
                    start = time.monotonic()
                    terms = _validate(cache, validation, recipe, terms_of, workers)
                    log.write(epoch + 1, "val", terms, time.monotonic() - start)
                if workers.rank == 0:
                    save_checkpoint(checkpoint, model, optimizer, identity | {"epoch": str(epoch + 1)})
            bar.close()
        if workers.rank == 0:
            metadata = model_metadata(recipe, model)
            save_model(model, run / "model.safetensors", metadata)
            export_onnx(model.cpu(), run / "model.onnx", metadata)
        return run / "model.onnx"


def objective(model: nn.Module, recipe: Recipe, device: torch.device) -> Objective:
    """The function low (B, 3, H, W) -> the recipe's weighted loss terms, in the recipe's order.

    Convolutions run in bfloat16 where the recipe and the processor allow; curve and losses stay in float32.
    """
    if use_bfloat16(recipe.precision, device):
        cast: Any = torch.autocast(device.type, dtype=torch.bfloat16)
    else:
        cast = nullcontext()

    def terms(low: Tensor) -> Tensor:
        with cast:
            curve_maps = model(low)
        curve_maps = curve_maps.float()
        tensors = {
            "low": low,
            "curve_maps": curve_maps,
            "enhanced": enhance(low, curve_maps, recipe.iterations),
        }
        return torch.stack(list(loss_terms(recipe.losses, tensors).values()))

    return terms


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory rather than hand it back to the system.

    Each step frees and takes again the same large activations; getting them from the system costs a page fault
    for every 4 KiB, nearly half of the time of a step at batch 16.  Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_trim_threshold, m_mmap_max = -1, -4  # from malloc.h
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether convolutions run in bfloat16: when told, or by `auto` where the hardware multiplies in it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _step(
    batch: Batch,
    objective: Objective,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    workers: _Workers,
) -> tuple[Tensor, int]:
    """One update; returns the batch's mean terms and its number of pictures, over all processes."""
    optimizer.zero_grad(set_to_none=False)
    terms = torch.zeros(len(recipe.losses))
    if batch.names:  # the last batch of an epoch may leave a process without a picture
        values = objective(workers.tensor(batch))
        values.sum().backward()
        terms = values.detach().cpu()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    terms, pictures = workers.average(terms, len(batch.names), gradients)
    if recipe.gradient_clip:
        nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
    if terms.isfinite().all():
        optimizer.step()
    return terms, pictures


@torch.no_grad()
def _validate(
    cache: ImageCache, indices: Any, recipe: Recipe, objective: Objective, workers: _Workers
) -> Tensor:
    total, count = torch.zeros(len(recipe.losses)), 0
    for batch in batches(cache, indices, recipe, rank=workers.rank, world=workers.size):
        if batch.names:
            total += objective(workers.tensor(batch)).cpu() * len(batch.names)
            count += len(batch.names)
    return workers.average(total / max(count, 1), count, [])[0]


def _not_finite(recipe: Recipe, terms: Tensor, step: int, batch: Batch) -> str:
    bad = [name for name, value in zip(recipe.losses, terms, strict=True) if not value.isfinite()]
    return (
        f"the loss is not finite at step {step}: {', '.join(bad)}; pictures: {', '.join(batch.names)}. "
        "Look at these pictures, lower learning_rate, set gradient_clip, or choose a form of the loss whose "
        "gradient is finite on grey pictures (color_constancy_paper); the last whole epoch is in the checkpoint"
    )


class _Workers:
    """The processes that train together (one, unless started by torchrun) and this one's device."""

    def __init__(self, device: str) -> None:
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if name not in ("cpu", "cuda"):
            raise DeviceError(f"device {device!r}: expected auto, cpu or cuda")
        if name == "cuda" and not torch.cuda.is_available():
            raise DeviceError("device cuda was asked for, but PyTorch sees no CUDA device; use --device cpu")
        self.device = torch.device(name, int(os.environ.get("LOCAL_RANK", 0)) if name == "cuda" else None)

    def __enter__(self) -> _Workers:
        if self.size > 1:
            dist.init_process_group("gloo" if self.device.type == "cpu" else "nccl")
        return self

    def __exit__(self, *_: object) -> None:
        if self.size > 1:
            dist.destroy_process_group()

    def tensor(self, batch: Batch) -> Tensor:
        # NHWC memory seen as NCHW is what torch calls channels-last
        return torch.from_numpy(batch.low).permute(0, 3, 1, 2).to(self.device)

    def average(self, terms: Tensor, pictures: int, gradients: list[Tensor]) -> tuple[Tensor, int]:
        """Mean over all processes' pictures, of the terms (returned) and of the gradients (in place)."""
        if self.size == 1:
            return terms, pictures
        parts = [terms.to(self.device), torch.ones(1, device=self.device), *(g.flatten() for g in gradients)]
        sums = torch.cat(parts) * pictures
        dist.all_reduce(sums)
        count = len(terms)
        means = sums / sums[count]
        offset = count + 1
        for gradient in gradients:
            gradient.copy_(means[offset : offset + gradient.numel()].view_as(gradient))
            offset += gradient.numel()
        return means[:count].cpu(), int(sums[count])


@dataclass
class _Log:
    """The run folder's record: CSV and TensorBoard, cut back to the checkpoint's epoch when a run resumes."""

    run: Path
    recipe: Recipe
    cache: ImageCache
    epoch: int
    enabled: bool

    def __enter__(self) -> _Log:
        if not self.enabled:
            return self
        from torch.utils.tensorboard import SummaryWriter

        self.run.mkdir(parents=True, exist_ok=True)
        (self.run / "recipe.toml").write_text(self.recipe.to_toml(), encoding="utf-8")
        (self.run / "environment.json").write_text(json.dumps(self._environment(), indent=2) + "\n")
        path = self.run / "log.csv"
        kept = []
        if path.exists():
            with path.open(newline="") as file:
                kept = [row for row in list(csv.reader(file))[1:] if int(row[0]) <= self.epoch]
        self.file = path.open("w", newline="")
        self.csv = csv.writer(self.file)
        self.csv.writerows([["epoch", "split", "loss", *self.recipe.losses, "seconds"], *kept])
        self.board = SummaryWriter(str(self.run / "tensorboard"), purge_step=self.epoch + 1)  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            self.file.close()
            self.board.close()  # type: ignore[no-untyped-call]

    def write(self, epoch: int, split: str, terms: Tensor, seconds: float) -> None:
        if not self.enabled:
            return
        loss = float(terms.sum())
        self.csv.writerow(
            [epoch, split, f"{loss:.7g}", *(f"{t:.7g}" for t in terms.tolist()), f"{seconds:.2f}"]
        )
        self.file.flush()
        for name, value in {
            "loss": loss,
            **dict(zip(self.recipe.losses, terms.tolist(), strict=True)),
        }.items():
            self.board.add_scalar(f"{name}/{split}", value, epoch)  # type: ignore[no-untyped-call]

    def _environment(self) -> dict[str, object]:
        return {
            "undim": undim.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
            "data_fingerprint": self.cache.fingerprint,
            "pictures": len(self.cache.names),
        }
