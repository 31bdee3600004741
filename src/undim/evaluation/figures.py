"""Drawings for the report as inline SVG: sharp at any size, readable on light and on dark.

Text and axes are coloured by the page, every method has a colour of its own. What belongs to a
method carries `data-method`, so that the page can bring it out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from undim.evaluation.scores import Evaluation
from undim.measure.metrics import METRICS

_PALETTE = (
    *("#4269d0", "#e8a30b", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7"),
    *("#a463f2", "#7fa8e8", "#9c6b4e", "#9498a0", "#d5588f", "#1b9aaa"),
)
_WIDTH = 640
_FOOT = 34  # below the drawing: tick labels and the title of the axis


def colours(methods: Sequence[str]) -> dict[str, str]:
    return {method: _PALETTE[i % len(_PALETTE)] for i, method in enumerate(methods)}


def scores_figure(evaluation: Evaluation, metric: str) -> str:
    """One line per method: a dot per image, the mean as a bar, its standard error as a band."""
    row, left, right = 30, 132, _WIDTH - 16
    bottom = row * len(evaluation.methods) + 6
    everything = evaluation.values[:, :, evaluation.metrics.index(metric)]
    finite = everything[np.isfinite(everything)]
    ticks = _ticks(float(finite.min()), float(finite.max())) if finite.size else [0.0, 1.0]
    many = len(evaluation.images) > 60

    def x(value: float) -> float:
        return left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (right - left)

    parts = []
    for tick in ticks:
        parts.append(_tag("line", class_="grid", x1=x(tick), x2=x(tick), y1=6, y2=bottom))
        parts.append(_text(f"{tick:g}", x(tick), bottom + 15, "middle", class_="tick"))
    for j, (method, colour) in enumerate(colours(evaluation.methods).items()):
        y = row * (j + 0.5) + 6
        marks = [_text(method, left - 12, y + 4, "end", class_="name")]
        estimate = evaluation.estimate(method, metric)
        if math.isfinite(estimate.error):
            start, width = (
                x(estimate.mean - estimate.error),
                x(estimate.mean) - x(estimate.mean - estimate.error),
            )
            marks.append(
                _tag("rect", x=start, width=2 * width, y=y - 11, height=22, rx=3, opacity=0.28)
            )
        for i, value in enumerate(everything[:, j]):
            if not math.isfinite(value):
                continue
            # Many dots are spread over the line's height by a golden-ratio sequence, which never
            # clusters.
            shift = (i * 0.618034 % 1 - 0.5) * 20 if many else 0
            note = "" if many else f"<title>{escape(evaluation.images[i])}: {value:.4g}</title>"
            size, opacity = (1.6, 0.3) if many else (3.4, 0.6)
            marks.append(_tag("circle", note, cx=x(value), cy=y + shift, r=size, opacity=opacity))
        if math.isfinite(estimate.mean):
            marks.append(
                _tag("rect", class_="mean", x=x(estimate.mean) - 1.5, width=3, y=y - 11, height=22)
            )
        parts.append(_tag("g", "".join(marks), data_method=method, fill=colour))
    return _svg(parts, bottom + _FOOT, METRICS[metric].title)


def tones_figure(tones: Mapping[str, NDArray[np.float64]], last: int) -> str:
    """What each method makes of an input level, 0 to `last` of 255, on average over all samples.

    `tones` holds 256 mean output levels per method, NaN where no sample had that input level.
    """
    left, right, bottom = 40, _WIDTH - 128, 306
    palette = colours(list(tones))

    def x(level: float) -> float:
        return left + level / last * (right - left)

    def y(level: float) -> float:
        return bottom - level / 255 * 300

    parts = []
    for level in range(0, 256, 51):
        parts.append(_tag("line", class_="grid", x1=left, x2=right, y1=y(level), y2=y(level)))
        parts.append(_text(str(level), left - 6, y(level) + 4, "end", class_="tick"))
    inside = [tick for tick in _ticks(0, last) if tick <= last]
    parts += [_text(f"{tick:g}", x(tick), bottom + 15, "middle", class_="tick") for tick in inside]
    ends = {}
    for method, levels in tones.items():
        points = [(x(i), y(v)) for i, v in enumerate(levels[: last + 1]) if math.isfinite(v)]
        ends[method] = points[-1][1]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(_tag("polyline", data_method=method, stroke=palette[method], points=line))
    label = -math.inf
    for method in sorted(ends, key=lambda name: ends[name]):
        label = max(ends[method], label + 14)  # names that would overlap are moved down
        name = _text(method, right + 8, label + 4, "start", class_="name")
        parts.append(_tag("g", name, data_method=method, fill=palette[method]))
    return _svg(parts, bottom + _FOOT, "mean output level over input level")


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    caption = _text(title, _WIDTH - 16, height - 4, "end", class_="tick")
    return _tag("svg", "".join(parts) + caption, viewBox=f"0 0 {_WIDTH} {height}", role="img")


def _text(words: str, x: float, y: float, anchor: str, *, class_: str) -> str:
    return _tag("text", escape(words), x=x, y=y, text_anchor=anchor, class_=class_)


def _tag(name: str, content: str = "", **attributes: str | float) -> str:
    """An element; a `_` in attribute names stands for `-`, and a trailing one for nothing."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="'
        f'{escape(value) if isinstance(value, str) else f"{value:.4g}"}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>"


def _ticks(low: float, high: float) -> list[float]:
    """About six round numbers that enclose [low, high]."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / 6))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= span / 6)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [k * step for k in range(first, last + 1)]
