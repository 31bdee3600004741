"""Photographs side by side: one thread for each in work, so that decoding and encoding overlap.

Pillow, libvips and the kernel let other threads run; as many photographs are in memory as there are
jobs.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from ..errors import InputError, OutputError, UndimError
from ..images import EXTENSIONS, MAX_PIXELS, decode, encode, write_atomically
from ..pixels.kernel import thread_count
from .manifest import Manifest, mark_of, sweep
from .plan import Task, plan

Enhance = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""(H, W, 3) uint8, uint16 or float32 to the same shape and dtype; called by several threads at
once.
"""

Status = Literal["done", "skipped", "failed", "planned"]


@dataclass(frozen=True, slots=True)
class Options:
    """How outputs are written.

    settings   whatever else decides what an output looks like (model, strength ...): `resume` does
               again what was made with other settings
    overwrite  replace outputs that exist; inputs are never replaced
    resume     leave alone outputs that are finished and up to date, replace undim's own others
    """

    format: str | None = None
    quality: int | None = None
    strip_gps: bool = False
    max_pixels: int = MAX_PIXELS
    settings: dict[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    resume: bool = False

    def signature(self) -> str:
        return json.dumps(
            [self.format, self.quality, self.strip_gps, self.settings], sort_keys=True
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photograph."""

    source: str
    target: str
    status: Status
    error: str | None = None


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of all of them; `interrupted` by Ctrl-C, the rest was not begun."""

    outcomes: list[Outcome]
    interrupted: bool = False

    def of(self, status: Status) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def failed(self) -> list[Outcome]:
        return self.of("failed")

    def to_json(self) -> str:
        counts = {
            status: len(self.of(status)) for status in ("done", "skipped", "failed", "planned")
        }
        files = [asdict(outcome) for outcome in self.outcomes]
        return json.dumps(counts | {"interrupted": self.interrupted, "files": files})


Progress = Callable[[Outcome, int], None]
"""Called in the caller's thread with each outcome and the number of photographs in all."""


def run(
    inputs: Sequence[Path],
    output: Path | None,
    enhance: Enhance,
    options: Options | None = None,
    *,
    recursive: bool = False,
    jobs: int | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> BatchReport:
    """Enhance the photographs in `inputs`; `plan` tells what the outputs are called.

    A photograph that fails is reported and does not stop the others. Every output appears whole or
    not at all. Outputs that exist raise OutputError, before anything is written, unless `options`
    say what to do. Ctrl-C lets the photographs in work finish and begins no others. `jobs` defaults
    to one more than the cores that may be used.
    """
    options = options or Options()
    tasks = plan(inputs, output, recursive=recursive, format=options.format)
    work = _Work(enhance, options, _manifest(output, tasks, options))
    if not (options.overwrite or options.resume):
        existing = [str(task.target) for task in tasks if task.target.exists()]
        if existing:
            raise OutputError(
                f"{len(existing)} outputs exist already, such as {existing[0]}; "
                "resume to keep them, overwrite to replace them, or choose another folder"
            )
    if dry_run:
        return BatchReport(
            [_outcome(task, "skipped" if work.is_finished(task) else "planned") for task in tasks]
        )
    if options.resume and output is not None:
        sweep(output)
    outcomes: list[Outcome] = []
    interrupted = _side_by_side(work, tasks, jobs, _teller(outcomes, progress, len(tasks)))
    return BatchReport(outcomes, interrupted)


def watch(
    inputs: Sequence[Path],
    output: Path,
    enhance: Enhance,
    options: Options | None = None,
    *,
    recursive: bool = False,
    jobs: int | None = None,
    interval: float = 1.0,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> BatchReport:
    """Enhance what is in the inputs and what comes, until `stop` or Ctrl-C; resumes as `run` does.

    A file is taken when its size and time have stayed the same for `interval` seconds, so that a
    file that is still being copied waits; one that failed is tried again when it changes.
    """
    options = replace(options or Options(), resume=True)
    stop = stop or threading.Event()
    outcomes: list[Outcome] = []
    seen: dict[Path, tuple[int, int]] = {}
    taken: dict[
        Task, tuple[int, int]
    ] = {}  # by task: a namesake that comes later gives a photograph another target
    sweep(output)
    work = _Work(enhance, options, Manifest(output))
    try:
        while not stop.is_set():
            tasks = plan(inputs, output, recursive=recursive, format=options.format)
            states = {task.source: _state(task.source) for task in tasks}
            ready = [
                task
                for task in tasks
                if taken.get(task) != states[task.source] == seen.get(task.source)
            ]
            seen, taken = states, taken | {task: states[task.source] for task in ready}
            if _side_by_side(work, ready, jobs, _teller(outcomes, progress, len(ready))):
                break
            stop.wait(interval)
    except KeyboardInterrupt:
        pass
    return BatchReport(outcomes, interrupted=not stop.is_set())


class _Work:
    """What is done to one photograph; threads share it."""

    def __init__(self, enhance: Enhance, options: Options, manifest: Manifest | None) -> None:
        self._enhance = enhance
        self._options = options
        self._manifest = manifest
        self._signature = options.signature()

    def is_finished(self, task: Task) -> bool:
        return (
            self._options.resume
            and self._manifest is not None
            and self._manifest.is_finished(task.target, mark_of(task.source, self._signature))
        )

    def __call__(self, task: Task) -> Outcome:
        try:
            if self.is_finished(task):
                return _outcome(task, "skipped")
            self._do(task)
        except UndimError as error:
            return _outcome(task, "failed", str(error))
        except Exception as error:
            # Whatever one photograph does to the enhancer or the disk, the others are still to be
            # done.
            return _outcome(task, "failed", f"{task.source}: {type(error).__name__}: {error}")
        return _outcome(task, "done")

    def _do(self, task: Task) -> None:
        options, manifest = self._options, self._manifest
        mark = mark_of(task.source, self._signature)
        overwrite = options.overwrite or (
            options.resume and manifest is not None and manifest.is_own(task.target)
        )
        picture = decode(task.source, max_pixels=options.max_pixels)
        picture = picture.with_pixels(self._enhance(picture.pixels))
        data = encode(
            picture, options.format or _format(task), options.quality, strip_gps=options.strip_gps
        )
        del picture

        def note(stat: os.stat_result) -> None:
            if manifest is not None:
                manifest.add(task.target, mark, data, stat)

        write_atomically(task.target, data, overwrite=overwrite, announce=note)


def _format(task: Task) -> str | None:
    """The format that the output's name asks for; None where it is the photograph's own."""
    suffix = task.target.suffix.lower()
    return suffix if EXTENSIONS.get(suffix) != EXTENSIONS.get(task.source.suffix.lower()) else None


def _side_by_side(
    work: _Work, tasks: Sequence[Task], jobs: int | None, tell: Callable[[Outcome], None]
) -> bool:
    """Do the tasks on `jobs` threads, tell of each in the caller's; whether Ctrl-C cut in."""
    # One more than there are cores: now and then one of them waits until the disk has its file.
    jobs = thread_count(jobs) + (jobs is None)
    running: set[Future[Outcome]] = set()

    def collect(until: int) -> None:
        while len(running) > until:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                running.discard(future)
                tell(future.result())

    with ThreadPoolExecutor(jobs, "undim") as pool:
        try:
            for task in tasks:
                collect(
                    2 * jobs - 1
                )  # a short queue: no thread waits, and Ctrl-C leaves little to cancel
                running.add(pool.submit(work, task))
            collect(0)
        except KeyboardInterrupt:
            running -= {future for future in running if future.cancel()}
            collect(0)
            return True
    return False


def _teller(
    outcomes: list[Outcome], progress: Progress | None, total: int
) -> Callable[[Outcome], None]:
    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome, total)

    return tell


def _manifest(output: Path | None, tasks: Sequence[Task], options: Options) -> Manifest | None:
    if output is not None and all(task.target != output for task in tasks):
        return Manifest(output)
    if options.resume:
        raise InputError(
            "got resume without an output folder, expected one: its manifest tells what is finished"
        )
    return None


def _outcome(task: Task, status: Status, error: str | None = None) -> Outcome:
    return Outcome(str(task.source), str(task.target), status, error)


def _state(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:  # gone between listing and looking
        return (-1, -1)
    return stat.st_size, stat.st_mtime_ns
