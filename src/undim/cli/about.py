"""`undim models` and `undim doctor`: what is here, and whether it works."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model instead of a table.")
def models(as_json: bool) -> None:
    """List the models in this installation, with what they learned from and how they measure.

    PSNR and SSIM are means over LOL v1's eval15, at full maps size of the model; `undim evaluate` gives them.

    \b
    Example:
      undim models
    """
    from undim.pretrained import DEFAULT, MODELS

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
        score = "not measured" if model.psnr is None else f"{model.psnr:.2f} dB, SSIM {model.ssim:.3f}"
        click.echo(f"{name}{' (default)' if name == DEFAULT else ''}")
        click.echo(f"  parameters     {model.parameters:,}")
        click.echo(f"  training data  {model.training_data}")
        click.echo(f"  recipe         {model.recipe}")
        click.echo(f"  licence        {model.licence}")
        click.echo(f"  eval15         {score}")


@click.command()
def doctor() -> None:
    """Check this installation: versions, the native kernel, devices, weights, optional parts.

    Exit code 1 if something that undim ships is broken; an optional part that is absent is no fault.

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
