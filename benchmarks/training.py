"""Images per second of the training loop against a plain PyTorch loop.

Run: python benchmarks/training.py [--threads 1]

Each variant lives in a process of its own (what glibc does with freed memory is a property of the
process) and trains the same net from the same weights on the same pictures by the recipe
zero-dce-lol. They take their steps in turn, and the best step of each counts, by the clock and by
the processor's own count (all threads together), which other processes on the machine disturb less.

plain       eager, float32, channels first, glibc as it is: the loop that one would write down
undim       the loop of `undim train`: channels last, bfloat16 where the processor has it, freed
            memory kept
compiled    the same, with the objective compiled by torch.compile
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from undim.measure.provenance import provenance
from undim.training.config import Recipe, load_recipe
from undim.training.curve import enhance
from undim.training.data.pictures import ImageCache, batches
from undim.training.loop import objective, update
from undim.training.losses import loss_terms
from undim.training.nets import MODELS, initialise
from undim.training.processes import Processes, keep_freed_memory

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "zero-dce-lol.toml"
TOLERANCE = 0.01  # of the loss after the last step: what rounding to bfloat16 may change

Step = Callable[[], float]


def pictures(recipe: Recipe, count: int) -> ImageCache:
    """Smooth dark noise."""
    coarse = np.random.default_rng(0).integers(
        0, 80, (count, recipe.image_size // 16, recipe.image_size // 16, 3)
    )
    pixels = coarse.repeat(16, axis=1).repeat(16, axis=2).astype(np.uint8)
    return ImageCache(pixels, tuple(str(i) for i in range(count)), "")


def model_of(recipe: Recipe) -> torch.nn.Module:
    torch.manual_seed(recipe.seed)
    model = MODELS[recipe.model](iterations=recipe.iterations, width=recipe.width)
    initialise(model, recipe.initialisation)
    return model


def adam(model: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.Adam(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )


def plain(recipe: Recipe, cache: ImageCache) -> Step:
    model = model_of(recipe)
    optimizer = adam(model, recipe)
    batch = next(batches(cache, np.arange(recipe.batch), recipe, epoch=0))
    low = torch.from_numpy(batch.low).permute(0, 3, 1, 2).contiguous()

    def step() -> float:
        optimizer.zero_grad()
        maps = model(low)
        tensors = {
            "low": low,
            "curve_maps": maps,
            "enhanced": enhance(low, maps, recipe.iterations),
        }
        loss = torch.stack(list(loss_terms(recipe.losses, tensors).values())).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
        optimizer.step()
        return float(loss.detach())

    return step


def undim(recipe: Recipe, cache: ImageCache, *, compiled: bool = False) -> Step:
    """What `train` does in a step, reading and augmenting the pictures included."""
    keep_freed_memory()
    processes = Processes("cpu")
    model = model_of(recipe).to(memory_format=torch.channels_last)
    optimizer = adam(model, recipe)
    terms_of = objective(model, recipe, processes.device)
    if compiled:
        terms_of = torch.compile(terms_of)

    def step() -> float:
        batch = next(batches(cache, np.arange(recipe.batch), recipe, epoch=0))
        terms, _, _ = update(batch, terms_of, model, optimizer, recipe, processes)
        return float(terms.sum())

    return step


VARIANTS = {"plain": plain, "undim": undim, "compiled": lambda *given: undim(*given, compiled=True)}


def serve(variant: str, recipe: Recipe, threads: int, pipe: Connection) -> None:
    """Take a step whenever one is asked for, and answer with its seconds and its loss."""
    torch.set_num_threads(threads)
    step = VARIANTS[variant](recipe, pictures(recipe, recipe.batch))
    while pipe.recv():
        start, before = time.perf_counter(), time.process_time()
        loss = step()
        pipe.send((time.perf_counter() - start, time.process_time() - before, loss))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument(
        "variants", nargs="*", metavar="VARIANT", help=f"of {', '.join(VARIANTS)}; all unless told"
    )
    given = parser.parse_args()
    recipe = replace(load_recipe(RECIPE), batch=given.batch, image_size=given.size)
    names = given.variants or list(VARIANTS)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    spawn = multiprocessing.get_context("spawn")
    pipes = {}
    for name in names:
        pipes[name], theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(name, recipe, given.threads, theirs), daemon=True).start()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    processor: dict[str, list[float]] = {name: [] for name in names}
    losses: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(given.rounds + 2):
        for name, pipe in pipes.items():
            pipe.send(True)
            elapsed, used, loss = pipe.recv()
            losses[name].append(loss)
            if turn >= 2:  # the first steps take memory from the system, and compile
                seconds[name].append(elapsed)
                processor[name].append(used)
    for pipe in pipes.values():
        pipe.send(False)
    print(f"{provenance()['machine']}; torch {torch.__version__}, {given.threads} threads")
    print(
        f"{recipe.model}, batch {recipe.batch} at {recipe.image_size}, best of {given.rounds} "
        "steps in turn\n"
    )
    print("variant    images/s   ratio   processor s/step   ratio   first loss   last loss")
    first = names[0]
    for name in names:
        rate, used = recipe.batch / min(seconds[name]), min(processor[name])
        ratios = min(seconds[first]) / min(seconds[name]), min(processor[first]) / used
        print(
            f"{name:9} {rate:9.2f} {ratios[0]:7.2f} {used:18.2f} {ratios[1]:7.2f} "
            f"{losses[name][0]:12.6f} {losses[name][-1]:11.6f}"
        )
        change = abs(losses[name][-1] / losses[first][-1] - 1)
        if change > TOLERANCE:
            raise SystemExit(
                f"the losses of {name} and {first} differ by {change:.2%}; at most "
                f"{TOLERANCE:.0%} may"
            )


if __name__ == "__main__":
    main()
