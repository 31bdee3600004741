"""`undim models`, `bench` and `doctor`: what is here, how fast it is, and whether it works."""

from __future__ import annotations

import json

import click


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per model instead of a table."
)
def models(as_json: bool) -> None:
    """List the models in this installation, with what they learned from and how they measure.

    PSNR and SSIM are means over LOL v1's eval15; `undim evaluate` gives them.

    \b
    Example:
      undim models
    """
    from undim.model.pretrained import DEFAULT, MODELS

    for name, model in MODELS.items():
        if as_json:
            record = {
                "name": name,
                "file": str(model.path),
                "parameters": model.parameters,
                "training_data": model.training_data,
                "recipe": model.recipe,
                "licence": model.licence,
                "eval15_psnr": model.psnr,
                "eval15_ssim": model.ssim,
            }
            click.echo(json.dumps(record))
            continue
        score = (
            "not measured" if model.psnr is None else f"{model.psnr:.2f} dB, SSIM {model.ssim:.3f}"
        )
        click.echo(f"{name}{' (default)' if name == DEFAULT else ''}")
        click.echo(f"  parameters     {model.parameters:,}")
        click.echo(f"  training data  {model.training_data}")
        click.echo(f"  recipe         {model.recipe}")
        click.echo(f"  licence        {model.licence}")
        click.echo(f"  eval15         {score}")


@click.command()
@click.option("--megapixels", type=click.FloatRange(0.01, 1000), default=12.0, show_default=True)
@click.option(
    "--memory",
    metavar="MEGAPIXELS",
    type=click.FloatRange(0.01, 1000),
    help="Measure peak memory too.",
)
@click.option(
    "--model", metavar="NAME|FILE", default="undim", show_default=True, help="See `undim models`."
)
@click.option("--threads", type=click.IntRange(1), help="Default: the cores this process may use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def bench(
    megapixels: float, memory: float | None, model: str, threads: int | None, as_json: bool
) -> None:
    """Measure speed and memory on this machine.

    An array is enhanced as a whole and stage by stage. A JPEG is enhanced by a process of its own;
    beside it stand Pillow decoding and encoding that file, and a process that does only that. Best
    of several rounds in turn.

    \b
    Examples:
      undim bench
      undim bench --megapixels 24 --memory 100
    """
    import tempfile
    from pathlib import Path

    from undim import benchmark
    from undim.enhancer import Enhancer
    from undim.measure.provenance import provenance

    enhancer = Enhancer(model, threads=threads)
    results: dict[str, object] = {
        "machine": provenance()["machine"],
        "device": enhancer.device,
        "threads": threads or "all",
        "model": enhancer.info.name,
        "megapixels": megapixels,
    }
    for stage, value in benchmark.stages(enhancer, megapixels).items():
        results[f"array, {stage} ms"] = round(1000 * value, 1)
    with tempfile.TemporaryDirectory() as folder:
        photo = benchmark.write_photo(Path(folder) / "photo.jpg", megapixels)
        seconds = benchmark.process_and_pillow(photo)
        results["file, pillow ms"] = round(1000 * seconds["pillow"])
        results["file, pillow process ms"] = round(1000 * seconds["pillow_process"])
        results["file, undim until written ms"] = round(1000 * seconds["undim_written"])
        results["file, undim process ms"] = round(1000 * seconds["undim_process"])
        results["file, ratio until written to pillow"] = round(
            seconds["undim_written"] / seconds["pillow"], 2
        )
        results["file, ratio of processes"] = round(
            seconds["undim_process"] / seconds["pillow_process"], 2
        )
        if memory:
            photo = benchmark.write_photo(Path(folder) / "large.jpg", memory)
            results[f"peak memory at {memory:g} megapixels MB"] = round(
                benchmark.peak_memory(photo) / 1e6
            )
    if as_json:
        click.echo(json.dumps(results))
        return
    for name, result in results.items():
        click.echo(f"{name:<36} {result}")


@click.command()
def doctor() -> None:
    """Check this installation: versions, the native kernel, devices, weights, optional parts.

    Exit code 1 if something that undim ships is broken; an optional part that is absent is no
    fault.

    \b
    Example:
      undim doctor
    """
    from undim.doctor import examine

    findings = examine()
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        click.echo(f"{'ok ' if finding.fine else 'BAD'}  {finding.what:<{width}}  {finding.found}")
    if not all(finding.fine for finding in findings):
        raise SystemExit(1)
