"""Score every finished recipe on its own test set and write the table of docs/results.md.

    python scripts/results.py ../shared/data/lol-v1

Runs lie in results/<recipe>/ as `undim train` left them. The test set is the recipe's: eval15, or a
slice of the training pairs in numeric order. Curve maps are estimated at full size, as the
published code does.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

from undim.evaluation.methods import baseline_methods, model_methods
from undim.evaluation.scores import evaluate
from undim.measure.pairs import Item, find_items
from undim.training.config import Recipe, load_recipe

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- made by scripts/results.py -->\n", "<!-- end -->"


def test_items(recipe: Recipe, lol: Path) -> list[Item]:
    """The pairs on which a recipe's numbers are measured."""
    if recipe.test == "eval15":
        return find_items(lol / "eval15")
    found = re.fullmatch(r"our485\[(\d+):(\d+)\]", recipe.test)
    if found is None:
        raise SystemExit(
            f"{recipe.name}: test = {recipe.test!r}, expected 'eval15' or 'our485[a:b]'"
        )
    return find_items(lol / "our485-256")[int(found[1]) : int(found[2])]


def row(run: Path, lol: Path) -> str:
    """One line of the table."""
    recipe = load_recipe(run / "recipe.toml")
    methods = baseline_methods(["input"]) | model_methods(
        [str(run / "model.onnx")], maps="full", denoise="off"
    )
    evaluation = evaluate(test_items(recipe, lol), methods, wrapped=True)
    score = {
        (method, metric): evaluation.estimate(method, metric).mean
        for method in methods
        for metric in ("psnr", "ssim", "psnr_uint8_wrapped")
    }
    with (run / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    last = {r["split"]: r for r in rows}
    losses = " / ".join(
        f"{float(last[split]['loss']):.3f}" for split in ("train", "val") if split in last
    )
    hours = sum(float(r["seconds"]) for r in rows) / 3600
    reported = recipe.expected.get("reported_psnr")
    name = recipe.name
    return (
        f"| `{name}` | {recipe.test} | {'none' if reported is None else f'{reported:.2f}'} "
        f"| {score[name, 'psnr']:.2f} | {score[name, 'ssim']:.3f} | {score['input', 'psnr']:.2f} "
        f"| {score[name, 'psnr_uint8_wrapped']:.2f} | {score['input', 'psnr_uint8_wrapped']:.2f} "
        f"| {losses} | {last['train']['epoch']} | {hours:.1f} h |"
    )


def main() -> None:
    (lol,) = map(Path, sys.argv[1:])
    runs = sorted(path.parent for path in (ROOT / "results").glob("*/model.onnx"))
    lines = [
        "| recipe | test set | reported | PSNR | SSIM | input PSNR | wrapped | input wrapped "
        "| final loss, train / validation | epochs | training |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(row(run, lol) for run in runs),
    ]
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1], "utf-8")


if __name__ == "__main__":
    main()
