"""An evaluation as one HTML page that needs nothing beside itself.

No network, no script or font from elsewhere.

Let it watch an evaluation, then ask for the page:

    >>> from undim.evaluation.baselines import BASELINES
    >>> from undim.evaluation.scores import evaluate
    >>> from undim.measure.pairs import find_items
    >>> report = HtmlReport()
    >>> items = find_items("lol-v1/eval15")
    >>> evaluation = evaluate(items, BASELINES, observers=[report.watch])
    >>> report.html(evaluation, title="eval15", facts={})[:15]
    '<!doctype html>'
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from undim.evaluation.figures import colours, scores_figure, tones_figure
from undim.evaluation.scores import RGB, Evaluation, Measurement
from undim.measure.metrics import METRICS

SHOWN = 24  # pictures with thumbnails on the page
_SIDE = 300  # long side of a thumbnail in pixels


Facts = Mapping[str, str | Mapping[str, str]]


class HtmlReport:
    """Thumbnails and tone curves, gathered while an evaluation runs."""

    def __init__(self) -> None:
        self._thumbnails: list[dict[str, str]] = []
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._counts = np.zeros(256)

    def watch(self, measurement: Measurement) -> None:
        """An observer for `evaluate`."""
        levels = measurement.input.ravel()
        self._counts += np.bincount(levels, minlength=256)
        for method, output in measurement.outputs.items():
            sums = self._sums.setdefault(method, np.zeros(256))
            sums += np.bincount(levels, weights=output.ravel(), minlength=256)
        shown = {"input": measurement.input, **measurement.outputs}
        if measurement.reference is not None:
            shown["reference"] = measurement.reference
        self._thumbnails.append({name: _thumbnail(picture) for name, picture in shown.items()})

    def html(
        self, evaluation: Evaluation, *, title: str, facts: Facts, against: str | None = None
    ) -> str:
        """The page. `facts` are printed at its foot: versions, machine, models."""
        metric = evaluation.metrics[0]
        with np.errstate(invalid="ignore"):
            tones = {method: sums / self._counts for method, sums in self._sums.items()}
        seen = np.cumsum(self._counts) / self._counts.sum()
        template = Template(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))
        return template.substitute(
            title=escape(title),
            subtitle=_subtitle(evaluation),
            summary=_summary(evaluation, against),
            note=_note(evaluation, against),
            metric=escape(METRICS[metric].title),
            scores=scores_figure(evaluation, metric),
            tones=tones_figure(tones, max(8, int(np.searchsorted(seen, 0.999)))),
            gallery=self._gallery(evaluation),
            facts="".join(
                f"<dt>{escape(k)}</dt><dd>{escape(_words(v))}</dd>" for k, v in facts.items()
            ),
            data=_data(evaluation),
        )

    def _gallery(self, evaluation: Evaluation) -> str:
        """All pictures, or `SHOWN` of them, from the last method's worst score to its best."""
        method, metric = evaluation.methods[-1], evaluation.metrics[0]
        order, note = np.arange(len(evaluation.images)), ""
        if len(order) > SHOWN:
            ranked = np.argsort(evaluation.column(method, metric), kind="stable")
            order = ranked[np.linspace(0, len(ranked) - 1, SHOWN).astype(int)]
            ends = f"from the lowest to the highest {METRICS[metric].heading} of {escape(method)}"
            note = f"<p>{SHOWN} of {len(ranked)}, {ends}.</p>"
        return note + "".join(self._card(evaluation, i) for i in order.tolist())

    def _card(self, evaluation: Evaluation, index: int) -> str:
        metrics = evaluation.metrics[:2]
        scores = {
            method: " · ".join(map(_number, values[: len(metrics)], metrics))
            for method, values in zip(
                evaluation.methods, evaluation.values[index].tolist(), strict=True
            )
        }
        figures = [
            f'<figure data-method="{escape(name)}"><img loading="lazy" alt="" src="{data}">'
            f"<figcaption><b>{escape(name)}</b> "
            f"<span>{scores.get(name, '')}</span></figcaption></figure>"
            for name, data in self._thumbnails[index].items()
        ]
        heading = f"<h3>{escape(evaluation.images[index])}</h3>"
        return f'<section class="card">{heading}<div>{"".join(figures)}</div></section>'


def _subtitle(evaluation: Evaluation) -> str:
    paired = any(METRICS[name].needs_reference for name in evaluation.metrics)
    kind = "with references" if paired else "without references"
    return (
        f"{_count(len(evaluation.images), 'picture')} {kind}, "
        f"{_count(len(evaluation.methods), 'method')}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _summary(evaluation: Evaluation, against: str | None) -> str:
    first = evaluation.metrics[0]
    means = {
        metric: {method: evaluation.estimate(method, metric).mean for method in evaluation.methods}
        for metric in evaluation.metrics
    }
    best = {metric: _best(metric, list(column.values())) for metric, column in means.items()}
    head = "<th>method</th>" + "".join(
        f'<th title="{escape(METRICS[name].title)}">{METRICS[name].heading}</th>'
        for name in evaluation.metrics
    )
    if against is not None:
        head += f"<th>{METRICS[first].heading} over {escape(against)}, 95 %</th>"
    rows = []
    for method, colour in colours(evaluation.methods).items():
        cells = [f'<td><i style="background:{colour}"></i>{escape(method)}</td>']
        for metric, column in means.items():
            mean, shown = column[method], evaluation.shown(method, metric)
            if metric == first:
                error = evaluation.estimate(method, metric).error
                shown += (
                    f" <small>± {_number(error, metric)}</small>" if math.isfinite(error) else ""
                )
            mark = ' class="best"' if mean == best[metric] else ""
            cells.append(f'<td data-value="{mean}"{mark}>{shown}</td>')
        if against is not None:
            gain = evaluation.gain(method, against, first)
            interval = f"<small>[{gain.low:+.2f}, {gain.high:+.2f}]</small>"
            shown = (
                f"{gain.mean:+.2f} {interval}"
                if method != against and math.isfinite(gain.mean)
                else ""
            )
            cells.append(f'<td data-value="{gain.mean}">{shown}</td>')
        rows.append(f'<tr data-method="{escape(method)}">{"".join(cells)}</tr>')
    return f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"


def _best(metric: str, means: list[float]) -> float | None:
    """The mean to bring out; none where doing nothing wins, as in clipping and colour shift."""
    return max(means) if METRICS[metric].better == "higher" else None


def _note(evaluation: Evaluation, against: str | None) -> str:
    text = "Means over the pictures; ± is the standard error of the first column."
    for metric in (METRICS[name] for name in evaluation.metrics):
        end = f" ({metric.better} is better)" if metric.better else ""
        text += f" {metric.heading}: {metric.title}{end}."
    if against is not None:
        text += (
            f" The last column is the paired difference from {against} with its bootstrap interval."
        )
    if "gt_mean_psnr" in evaluation.metrics:
        text += " GT-mean looks at the answer."
    if "psnr_uint8_wrapped" in evaluation.metrics:
        text += " Wrapped says about 28 dB of anything."
    return escape(text)


def _data(evaluation: Evaluation) -> str:
    record = {
        "images": evaluation.images,
        "methods": evaluation.methods,
        "metrics": [
            [METRICS[m].heading, METRICS[m].digits, METRICS[m].better] for m in evaluation.metrics
        ],
        "values": [
            [[round(v, 5) if math.isfinite(v) else None for v in row] for row in scores]
            for scores in evaluation.values.tolist()
        ],
    }
    # A file may be called "</script>".
    return json.dumps(record, separators=(",", ":")).replace("<", "\\u003c")


def _words(fact: str | Mapping[str, str]) -> str:
    return (
        fact
        if isinstance(fact, str)
        else " · ".join(f"{key} {value}" for key, value in fact.items())
    )


def _number(value: float, metric: str) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "–"
    return f"{value:.{METRICS[metric].digits}f}"


def _thumbnail(picture: RGB) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=82)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
