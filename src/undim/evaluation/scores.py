"""Methods x pictures -> scores: a row per image and method, their means, and how far to trust them.

A method is any function from an RGB uint8 array to another: an `Enhancer`, or one of `BASELINES`.
What is measured is its uint8 output, because that is what ships.

    >>> from undim.evaluation.baselines import BASELINES
    >>> from undim.measure.pairs import find_items
    >>> evaluation = evaluate(find_items("lol-v1/eval15"), BASELINES)
    >>> print(evaluation.table(against="null_model"))
    method ...
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from undim.errors import InputError
from undim.images import decode
from undim.measure.metrics import METRICS
from undim.measure.pairs import Item

RGB = NDArray[np.uint8]
Method = Callable[[RGB], RGB]


@dataclass(frozen=True)
class Measurement:
    """One picture under all methods."""

    item: Item
    input: RGB
    reference: RGB | None
    outputs: Mapping[str, RGB]
    scores: Mapping[str, Mapping[str, float]]  # method -> metric -> value


@dataclass(frozen=True)
class Estimate:
    """A mean over images and its standard error, s / sqrt(n).

    NaN where a value is infinite or n is 1.
    """

    mean: float
    error: float


@dataclass(frozen=True)
class Gain:
    """A mean difference between two methods on the same images, and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """All scores: `values[i, j, k]` is metric k of method j on image i."""

    images: Sequence[str]
    methods: Sequence[str]
    metrics: Sequence[str]
    values: NDArray[np.float64]

    def column(self, method: str, metric: str) -> NDArray[np.float64]:
        """The scores of one method in one metric, in the order of `images`."""
        return self.values[:, self._index(method, self.methods), self._index(metric, self.metrics)]

    def estimate(self, method: str, metric: str) -> Estimate:
        values = self.column(method, metric)
        if len(values) < 2 or not np.isfinite(values).all():
            return Estimate(float(values.mean()), math.nan)
        return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))

    def gain(self, method: str, against: str, metric: str) -> Gain:
        """How much `method` scores above `against` on the same images; NaN if one is infinite."""
        first, second = self.column(method, metric), self.column(against, metric)
        if not np.isfinite([first, second]).all():
            return Gain(math.nan, math.nan, math.nan)
        low, high = paired_bootstrap(first - second)
        return Gain(float((first - second).mean()), low, high)

    def shown(self, method: str, metric: str) -> str:
        """The mean as text; where a picture's score is infinite, the least: "≥ 31.20"."""
        values, digits = self.column(method, metric), METRICS[metric].digits
        if np.isfinite(values.mean()):
            return f"{values.mean():.{digits}f}"
        return "∞" if np.isinf(values).all() else f"≥ {values.min():.{digits}f}"

    def csv(self) -> str:
        """One row per image and method: image, method, then every metric."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["image", "method", *self.metrics])
        for image, scores in zip(self.images, self.values, strict=True):
            for method, row in zip(self.methods, scores, strict=True):
                writer.writerow([image, method, *(f"{value:.6g}" for value in row)])
        return text.getvalue()

    def record(self, against: str | None = None) -> dict[str, Any]:
        """Summary and rows for JSON, which knows no infinity: what is not finite is None."""
        return {
            "metrics": {name: METRICS[name].title for name in self.metrics},
            "against": against,
            "summary": {
                method: {metric: self._summary(method, metric, against) for metric in self.metrics}
                for method in self.methods
            },
            "images": [
                {"image": image, "method": method}
                | dict(zip(self.metrics, map(_finite, row), strict=True))
                for image, scores in zip(self.images, self.values.tolist(), strict=True)
                for method, row in zip(self.methods, scores, strict=True)
            ],
        }

    def table(self, against: str | None = None) -> str:
        """The means as text, with the first metric's standard error and its gain over `against`."""
        first = self.metrics[0]
        rows = [["method", *(METRICS[metric].heading for metric in self.metrics)]]
        for method in self.methods:
            means = [self.shown(method, metric) for metric in self.metrics]
            error = self.estimate(method, first).error
            means[0] += f" ± {error:.{METRICS[first].digits}f}" if math.isfinite(error) else ""
            rows.append([method, *means])
        if against is not None:
            rows[0].append(f"{METRICS[first].heading} over {against}")
            for row in rows[1:]:
                gain = self.gain(row[0], against, first)
                known = row[0] != against and math.isfinite(gain.mean)
                row.append(f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]" if known else "")
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                [
                    row[0].ljust(widths[0]),
                    *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
                ]
            )
            for row in rows
        )

    def legend(self) -> str:
        """What each column says, and which end of it is good; a line each."""
        metrics = [METRICS[name] for name in self.metrics]
        width = max(len(metric.heading) for metric in metrics)
        return "\n".join(
            f"{metric.heading.ljust(width)}  {metric.title}"
            + (f"; {metric.better} is better" if metric.better else "")
            for metric in metrics
        )

    def _summary(self, method: str, metric: str, against: str | None) -> dict[str, Any]:
        estimate = self.estimate(method, metric)
        summary: dict[str, Any] = {
            "mean": _finite(estimate.mean),
            "standard_error": _finite(estimate.error),
        }
        if against is not None:
            gain = self.gain(method, against, metric)
            summary["gain"] = {
                "mean": _finite(gain.mean),
                "interval": [_finite(gain.low), _finite(gain.high)],
            }
        return summary

    @staticmethod
    def _index(name: str, names: Sequence[str]) -> int:
        if name not in names:
            raise InputError(f"no {name!r} in this evaluation, which has: {', '.join(names)}")
        return names.index(name)


def evaluate(
    items: Sequence[Item],
    methods: Mapping[str, Method],
    *,
    wrapped: bool = False,
    observers: Sequence[Callable[[Measurement], None]] = (),
) -> Evaluation:
    """Score every method on every picture.

    Metrics that need a reference are there where all items have one; `psnr_uint8_wrapped` only
    where `wrapped` asks for it. Each observer sees each picture with all outputs as it passes; the
    pictures are not kept. Raises InputError, naming the files, for pictures that are not 8 bit and
    for pairs of unequal size.
    """
    paired = all(item.reference for item in items)
    names = [
        name
        for name, metric in METRICS.items()
        if (wrapped or not metric.on_request) and (paired or not metric.needs_reference)
    ]
    table = []
    for measurement in _measure(items, methods, names):
        table.append([[measurement.scores[method][name] for name in names] for method in methods])
        for observe in observers:
            observe(measurement)
    values = np.array(table, np.float64).reshape(len(items), len(methods), len(names))
    return Evaluation([item.name for item in items], list(methods), names, values)


def paired_bootstrap(
    differences: NDArray[np.float64], *, samples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of a mean difference, by drawing images with replacement `samples` times.

    Pairing is what makes it sharp: images differ by far more (4 to 5 dB on LOL's eval15) than
    methods do. Of
    15 images it is somewhat too narrow, as every bootstrap of so few is. Seeded: same scores, same
    interval.
    """
    random = np.random.default_rng(seed)
    n = len(differences)
    means = np.concatenate(  # in parts, so that a thousand images need no gigabyte
        [differences[random.integers(n, size=(samples // 10, n))].mean(axis=1) for _ in range(10)]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _measure(
    items: Sequence[Item], methods: Mapping[str, Method], metrics: Sequence[str]
) -> Iterator[Measurement]:
    for item in tqdm(items, desc="measuring", unit="image", disable=None):
        image, reference = read_item(item)
        operands: dict[str | None, list[Any]] = {
            "input": [image],
            "reference": [reference],
            None: [],
        }
        outputs, scores = {}, {}
        for method, function in methods.items():
            output = outputs[method] = function(image)
            try:
                scores[method] = {
                    name: METRICS[name].function(
                        output, *operands[METRICS[name].compares_with], data_range=255
                    )
                    for name in metrics
                }
            except InputError as error:
                raise InputError(f"{item.input}, {method}: {error}") from error
        yield Measurement(item, image, reference, outputs, scores)


def read_item(item: Item) -> tuple[RGB, RGB | None]:
    """The picture and its reference, both 8 bit and of one size.

    Else InputError, which names the files.
    """
    image = decode(item.input).pixels
    if image.dtype != np.uint8:
        raise InputError(
            f"{item.input} is {image.dtype}; evaluation measures 8-bit pictures: convert it first"
        )
    if item.reference is None:
        return image, None
    reference = decode(item.reference).pixels
    if (image.dtype, image.shape) != (reference.dtype, reference.shape):
        (height, width), (tall, wide) = image.shape[:2], reference.shape[:2]
        raise InputError(
            f"{item.input} is {width} x {height} {image.dtype} and {item.reference} is {wide} x "
            f"{tall} "
            f"{reference.dtype}; a pair has one size and one type, and nothing is resized silently"
        )
    return image, reference


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
