"""The training loop: what a run leaves behind, and how it survives what goes wrong.

A kill, several processes, a loss that explodes.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from undim.cli import main
from undim.errors import ConfigError, DataError, DeviceError, TrainingError
from undim.model.runtime import CurveEstimator
from undim.training import loop
from undim.training.checkpoints import load_model
from undim.training.config import Recipe, load_recipe

RECIPE = """
name = "tiny"
description = "a test"
training_data = "noise"
licence = "CC0-1.0"
width = 8
image_size = 64
crop = 48
flip = true
rotate = true
exposure_jitter = 0.3
train = "0:9"
validation = "9:12"
epochs = 3
batch = 4
learning_rate = 1e-3
weight_decay = 1e-4
gradient_clip = 0.1
[losses]
illumination_smoothness_released = 200
spatial_consistency_released = 1
color_constancy_paper = 5
exposure_released = { weight = 10, target = 0.6, patch = 16 }
"""
TERMS = [
    "illumination_smoothness_released",
    "spatial_consistency_released",
    "color_constancy_paper",
    "exposure_released",
]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDIM_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for i in range(12):
        coarse = random.integers(0, 90, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def recipe(file: Path) -> Recipe:
    return load_recipe(file)


@pytest.fixture
def without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes longer than these runs."""
    monkeypatch.setattr(loop, "export_onnx", lambda model, path, metadata: 0.0)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="") as text:
        return list(csv.DictReader(text))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def undim(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_run_folder_holds_what_was_promised(file: Path, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    output = undim("train", file, "--data", data, "-o", run, "--device", "cpu")
    assert output.splitlines()[-1] == str(run / "model.onnx")
    assert {p.name for p in run.iterdir()} == {
        *("recipe.toml", "environment.json", "log.csv", "tensorboard", "plots"),
        *("checkpoint.safetensors", "model.safetensors", "model.onnx"),
    }
    assert load_recipe(run / "recipe.toml") == load_recipe(file)
    environment = json.loads((run / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert len(environment["data_fingerprint"]) == 64
    assert environment["pictures"] == 12
    assert environment["commit"]
    log = rows(run)
    assert list(log[0]) == ["epoch", "split", "loss", *TERMS, "seconds"]
    assert [(r["epoch"], r["split"]) for r in log] == [
        (str(e), s) for e in (1, 2, 3) for s in ("train", "val")
    ]
    for row in log:
        assert float(row["loss"]) == pytest.approx(sum(float(row[t]) for t in TERMS), rel=1e-5)
    assert {p.stem for p in (run / "plots").glob("*.png")} == {"losses", "loss", *TERMS}
    assert list((run / "tensorboard").glob("events.*"))
    info = CurveEstimator(run / "model.onnx").info
    model, metadata = load_model(run / "model.safetensors")
    assert (info.name, info.maps_size, info.licence) == ("tiny", 64, "CC0-1.0")
    assert info.recipe_sha256 == metadata["recipe_sha256"]
    low = np.random.default_rng(0).random((20, 30, 3), np.float32)
    with torch.no_grad():
        maps = model(torch.from_numpy(low).permute(2, 0, 1)[None])[0].numpy()
    np.testing.assert_allclose(CurveEstimator(run / "model.onnx")(low), maps, atol=1e-5)


def test_training_learns(recipe: Recipe, data: Path, tmp_path: Path, without_export: None) -> None:
    longer = Recipe(**{**vars(recipe), "epochs": 12, "learning_rate": 1e-2})
    loop.train(longer, data, tmp_path / "run", device="cpu")
    for split in ("train", "val"):
        losses = [float(r["loss"]) for r in rows(tmp_path / "run") if r["split"] == split]
        assert losses[-1] < 0.8 * losses[0]


def test_seeds(recipe: Recipe, data: Path, tmp_path: Path, without_export: None) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        loop.train(
            Recipe(**{**vars(recipe), "seed": seed, "epochs": 1}),
            data,
            tmp_path / name,
            device="cpu",
        )
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not any(torch.equal(a[key], c[key]) for key in a if key.endswith("weight"))


KILLED = """
import os, signal, sys
from pathlib import Path
from undim.training import loop
from undim.training.config import load_recipe
steps, update = 0, loop.update
def dying(*arguments):
    global steps
    steps += 1
    if steps == 8:  # in the midst of the third epoch
        os.kill(os.getpid(), signal.SIGKILL)
    return update(*arguments)
loop.update = dying
loop.train(load_recipe(sys.argv[1]), sys.argv[2], sys.argv[3], device="cpu")
"""


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_killed_run_resumes_to_the_same_weights(
    precision: str, file: Path, data: Path, tmp_path: Path, without_export: None
) -> None:
    file.write_text(RECIPE.replace("epochs = 3", f'epochs = 4\nprecision = "{precision}"'))
    recipe = load_recipe(file)
    loop.train(recipe, data, tmp_path / "whole", device="cpu")
    killed = tmp_path / "killed"
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, file, data, killed], env=threads, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert [r["epoch"] for r in rows(killed)] == ["1", "1", "2", "2"]
    assert not (killed / "model.safetensors").exists()
    loop.train(recipe, data, killed, resume=True, device="cpu")
    whole, resumed = weights(tmp_path / "whole"), weights(killed)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    numbers = [
        [{k: v for k, v in r.items() if k != "seconds"} for r in rows(tmp_path / n)]
        for n in ("whole", "killed")
    ]
    assert numbers[0] == numbers[1]


def test_a_run_may_be_made_longer_but_not_shorter_than_it_is(
    recipe: Recipe, data: Path, tmp_path: Path, without_export: None
) -> None:
    shorter = Recipe(
        **{**vars(recipe), "epochs": 2, "description": "in other words", "expected": {"psnr": 1.0}}
    )
    loop.train(recipe, data, tmp_path / "whole", device="cpu")
    loop.train(shorter, data, tmp_path / "run", device="cpu")
    loop.train(recipe, data, tmp_path / "run", resume=True, device="cpu")
    whole, longer = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(torch.equal(whole[key], longer[key]) for key in whole)
    with pytest.raises(TrainingError, match="has 3 epochs behind it, more than epochs = 2"):
        loop.train(shorter, data, tmp_path / "run", resume=True)


def test_rows_after_the_checkpoint_are_cut_off(
    recipe: Recipe, data: Path, tmp_path: Path, without_export: None
) -> None:
    run = tmp_path / "run"
    loop.train(recipe, data, run, device="cpu")
    before = rows(run)
    with (run / "log.csv").open("a") as log:
        log.write(f"4,train,{',1' * len(TERMS)},1\n")
    loop.train(recipe, data, run, resume=True, device="cpu")
    assert rows(run) == before


def test_a_run_is_never_overwritten_nor_resumed_as_another(
    recipe: Recipe, data: Path, tmp_path: Path, without_export: None
) -> None:
    run, single = tmp_path / "run", Recipe(**{**vars(recipe), "epochs": 1})
    loop.train(single, data, run, device="cpu")
    with pytest.raises(
        TrainingError, match="is not empty; resume it with --resume or choose another -o"
    ):
        loop.train(single, data, run)
    with pytest.raises(TrainingError, match="made by another recipe; only epochs may differ"):
        loop.train(Recipe(**{**vars(single), "batch": 3}), data, run, resume=True)
    with pytest.raises(TrainingError, match="belongs to another model"):
        loop.train(Recipe(**{**vars(recipe), "width": 9}), data, run, resume=True)
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for path in list(data.iterdir())[1:]:
        (fewer / path.name).symlink_to(path)
    with pytest.raises(TrainingError, match="made with other pictures; start a new run"):
        loop.train(single, fewer, run, resume=True)
    (run / "checkpoint.safetensors").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="cannot be read as safetensors"):
        loop.train(single, data, run, resume=True)


def test_two_processes_do_what_one_does(file: Path, data: Path, tmp_path: Path) -> None:
    """The last batch of 9 pictures has one, so that the second process has none.

    Rounding differs, by sums' order.
    """
    file.write_text(RECIPE.replace("epochs = 3", 'epochs = 2\nprecision = "float32"'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "export_onnx", lambda model, path, metadata: 0.0)
        loop.train(load_recipe(file), data, tmp_path / "one", device="cpu")
    arguments = ["train", file, "--data", data, "-o", tmp_path / "two", "--device", "cpu"]
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "undim",
    ]
    done = subprocess.run(
        [*launch, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "two" / "model.onnx")]
    for one, two in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        for column in ("loss", *TERMS):
            assert float(two[column]) == pytest.approx(float(one[column]), rel=1e-4)
    first, second = weights(tmp_path / "one"), weights(tmp_path / "two")
    for key in first:
        torch.testing.assert_close(second[key], first[key], rtol=1e-3, atol=2e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="names of threads are read from /proc")
def test_the_processes_threads_end_with_the_training(tmp_path: Path) -> None:
    """Threads of a group that outlives it may meet an interpreter that is taken down, and abort."""
    script = tmp_path / "step.py"
    script.write_text(
        "import contextlib, os, torch\n"
        "from undim.training.processes import Processes\n"
        "def threads():\n"
        "    for task in os.listdir('/proc/self/task'):\n"
        "        with contextlib.suppress(OSError):  # it may have ended since\n"
        "            yield open(f'/proc/self/task/{task}/comm').read()\n"
        "def of_gloo(): return [name for name in threads() if 'gloo' in name]\n"
        "with Processes('cpu') as processes:\n"
        "    model = torch.nn.Linear(2, 2)\n"
        "    optimizer = torch.optim.Adam(model.parameters())\n"
        "    model(torch.ones(1, 2)).sum().backward()\n"
        "    gradients = [parameter.grad for parameter in model.parameters()]\n"
        "    processes.average(torch.zeros(1), 1, gradients)\n"
        "    optimizer.step()\n"
        "    assert of_gloo()\n"
        "assert not of_gloo(), of_gloo()\n"
    )
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
    ]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_loss_that_is_not_finite_ends_the_run(
    recipe: Recipe, data: Path, tmp_path: Path, without_export: None
) -> None:
    wild = Recipe(
        **{
            **vars(recipe),
            "losses": {"exposure_released": {"weight": 1e39}, "ssim": {"weight": 1.0}},
        }
    )
    with pytest.raises(
        TrainingError, match=r"the loss is not finite \(exposure_released\) at step 0 \(epoch 1\)"
    ) as e:
        loop.train(wild, data, tmp_path / "run", device="cpu")
    assert ".png" in str(e.value)
    assert "lower learning_rate" in str(e.value)


def test_convention_a_grey_picture_ends_a_run_with_the_released_colour_loss(
    recipe: Recipe, tmp_path: Path, without_export: None
) -> None:
    """Its gradient there is NaN: found before it reaches the weights, and the picture is named."""
    data = tmp_path / "data"
    data.mkdir()
    Image.new("RGB", (64, 64)).save(data / "black.png")
    alone = {**vars(recipe), "train": ":", "validation": "0:0"}
    released = Recipe(**{**alone, "losses": {"color_constancy_released": {"weight": 5.0}}})
    with pytest.raises(
        TrainingError, match=r"its gradient is not at step 0 .*black\.png.*color_constancy_paper"
    ):
        loop.train(released, data, tmp_path / "released", device="cpu")
    paper = Recipe(**{**alone, "losses": {"color_constancy_paper": {"weight": 5.0}}})
    loop.train(paper, data, tmp_path / "paper", device="cpu")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"train": "50:"}, DataError, "train = '50:' chooses none of the 12 pictures"),
        ({"validation": "5:"}, ConfigError, "share 4 of the 12 pictures, the first is 5"),
        ({"folder": "low"}, DataError, "holds no folder low/"),
    ],
)
def test_splits_that_cannot_be(
    changes: dict[str, str],
    error: type[Exception],
    words: str,
    recipe: Recipe,
    data: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=words):
        loop.train(Recipe(**{**vars(recipe), **changes}), data, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_device_that_is_not_there(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="expected auto, cpu or cuda"):
        loop.train(recipe, data, tmp_path / "run", device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="PyTorch sees no CUDA device"):
            loop.train(recipe, data, tmp_path / "run", device="cuda")


def test_progress_without_a_terminal_is_lines(
    recipe: Recipe,
    data: Path,
    tmp_path: Path,
    without_export: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    loop.train(recipe, data, tmp_path / "run", device="cpu")
    lines = capfd.readouterr().err.replace("\r", "").strip().splitlines()
    assert lines[0].startswith(
        "tiny: DCENet, 7,776 parameters; 9 pictures to train on, 3 to validate on; cpu, "
    )
    assert 2 <= len(lines) <= 4
    assert "100%, step 9 of 9" in lines[-1]
    assert "loss=" in lines[-1]
