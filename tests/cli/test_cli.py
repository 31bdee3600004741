"""The command: its verbs, its exit codes, and that no bad input ends in a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from helpers.standin import write_model
from undim.cli import main


def undim(*words: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "night.jpg"
    dark = np.random.default_rng(0).integers(0, 60, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(dark).save(path, quality=95)
    return path


def leaves(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something: (its words, the command)."""
    for verb in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), verb)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, *words, verb)
        else:
            yield (*words, verb), command


LEAVES = [pytest.param(words, command, id=" ".join(words)) for words, command in leaves(main)]


@pytest.mark.parametrize(("words", "command"), LEAVES)
def test_every_verb_explains_itself_with_an_example(
    words: tuple[str, ...], command: click.Command
) -> None:
    result = undim(*words, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"undim {' '.join(words)}" in result.stdout


@pytest.mark.parametrize(("words", "command"), LEAVES)
def test_every_flag_is_explained(words: tuple[str, ...], command: click.Command) -> None:
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or option.show_default, f"{words} {option.opts}"


def test_an_unknown_verb_is_wrong_usage() -> None:
    result = undim("brighten")
    assert result.exit_code == 2
    assert "No such command 'brighten'" in result.stderr


def test_without_the_native_kernel_it_works_and_says_so_in_one_line(photo: Path) -> None:
    code = (
        "import sys; sys.modules['undim.pixels._native'] = None; from undim.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "enhance", photo]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    warning, summary = done.stderr.splitlines()
    assert warning.startswith("undim: undim's native kernel is not available")
    assert summary.startswith("1 done")


def test_enhance_writes_beside_the_photo_and_prints_the_path(photo: Path) -> None:
    result = undim("enhance", photo)
    assert result.exit_code == 0
    bright = photo.with_name("night.undim.jpg")
    assert result.stdout == f"{bright}\n"
    assert np.asarray(Image.open(bright)).mean() > 1.3 * np.asarray(Image.open(photo)).mean()


def test_enhance_to_a_named_file_in_another_format(photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "bright.png"
    assert undim("enhance", photo, "-o", target).exit_code == 0
    with Image.open(target) as image:
        assert image.format == "PNG"


def test_the_input_is_never_overwritten(photo: Path) -> None:
    before = photo.read_bytes()
    result = undim("enhance", photo, "-o", photo, "--overwrite")
    assert result.exit_code == 1
    assert "input" in result.stderr
    assert photo.read_bytes() == before


def test_an_earlier_result_stays_unless_told(photo: Path) -> None:
    assert undim("enhance", photo).exit_code == 0
    again = undim("enhance", photo)
    assert again.exit_code == 1
    assert "exist already" in again.stderr
    assert "overwrite" in again.stderr
    assert undim("enhance", photo, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("enhance",),
        ("enhance", "x.jpg", "--strength", "2"),
        ("enhance", "x.jpg", "--strength", "-0.1"),
        ("enhance", "x.jpg", "--denoise", "much"),
        ("enhance", "x.jpg", "--denoise", "1.5"),
        ("enhance", "x.jpg", "--maps", "0"),
        ("enhance", "x.jpg", "--maps", "huge"),
        ("enhance", "x.jpg", "--device", "gpu"),
        ("enhance", "x.jpg", "--quality", "0"),
        ("enhance", "x.jpg", "--format", "docx"),
        ("enhance", "x.jpg", "--jobs", "0"),
        ("enhance", "x.jpg", "--surprise"),
    ],
)
def test_wrong_usage_is_exit_code_2(words: tuple[str, ...]) -> None:
    result = undim(*words)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_several_photos_and_a_bad_one(photo: Path, tmp_path: Path) -> None:
    """The bad one does not stop the others; it is named, and the exit code says so."""
    (tmp_path / "bad.jpg").write_text("no picture")
    other = tmp_path / "other.jpg"
    other.write_bytes(photo.read_bytes())
    result = undim(
        "enhance", photo, tmp_path / "bad.jpg", other, "-o", tmp_path / "bright", "--jobs", "2"
    )
    assert result.exit_code == 1
    assert sorted(result.stdout.split()) == [
        str(tmp_path / "bright" / name) for name in ("night.jpg", "other.jpg")
    ]
    assert "2 done, 1 failed" in result.stderr
    assert "failed: " in result.stderr
    assert "bad.jpg" in result.stderr


def test_a_folder_with_resume_json_and_dry_run(photo: Path, tmp_path: Path) -> None:
    bright = tmp_path / "bright"
    words = ("enhance", photo.parent, "-r", "-o", bright, "--resume")
    planned = undim(*words, "--dry-run")
    assert planned.exit_code == 0
    assert "night.jpg (planned)" in planned.stdout
    assert not bright.exists()
    first = json.loads(undim(*words, "--json").stdout)
    assert (first["done"], first["skipped"], first["failed"]) == (1, 0, 0)
    second = json.loads(undim(*words, "--json").stdout)
    assert (second["done"], second["skipped"]) == (0, 1)
    weaker = json.loads(undim(*words, "--json", "--strength", "0.5").stdout)
    assert weaker["done"] == 1


def test_pipes(photo: Path) -> None:
    process = [sys.executable, "-m", "undim", "enhance"]
    piped = subprocess.run(
        [*process, "-"], input=photo.read_bytes(), capture_output=True, check=True
    ).stdout
    out = subprocess.run([*process, photo, "-o", "-"], capture_output=True, check=True).stdout
    assert undim("enhance", photo).exit_code == 0
    assert piped == out == photo.with_name("night.undim.jpg").read_bytes()
    broken = subprocess.run([*process, "-"], input=b"", capture_output=True, check=False)
    assert broken.returncode == 1
    assert broken.stdout == b""
    assert b"stdin" in broken.stderr
    assert b"Traceback" not in broken.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text_stops_nothing(photo: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    Path(odd).write_bytes(photo.read_bytes())
    command = [sys.executable, "-m", "undim", "enhance", odd, photo, "-o", tmp_path / "bright"]
    strict = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, env=strict, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert sorted(done.stdout.splitlines()) == sorted(
        map(os.fsencode, (tmp_path / "bright").glob("*.jpg"))
    )


def test_format_and_quality_reach_the_file(photo: Path, tmp_path: Path) -> None:
    small = undim(
        "enhance", photo, "-o", tmp_path / "a", "--format", "webp", "--quality", "5", "--strip-gps"
    )
    large = undim("enhance", photo, "-o", tmp_path / "b", "--format", "webp", "--quality", "95")
    assert Path(small.stdout.strip()).suffix == ".webp"
    assert Path(small.stdout.strip()).stat().st_size < Path(large.stdout.strip()).stat().st_size


def test_pictures_above_the_limit_are_refused(photo: Path) -> None:
    result = undim("enhance", photo, "--max-pixels", "100")
    assert result.exit_code == 1
    assert "at most" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one child")
def test_watch_enhances_what_comes_until_interrupted(photo: Path, tmp_path: Path) -> None:
    inbox, bright = tmp_path / "inbox", tmp_path / "bright"
    inbox.mkdir()
    command = [sys.executable, "-m", "undim", "enhance", inbox, "-o", bright, "--watch"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        (inbox / "late.jpg").write_bytes(photo.read_bytes())
        assert process.stdout.readline() == f"{bright / 'late.jpg'}\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "1 done" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "words",
    [
        ("-", "x.jpg"),
        ("x.jpg", "--resume"),
        ("x", "--watch"),
        ("-", "--dry-run"),
        ("x.jpg", "y.jpg", "-o", "-"),
        ("x.jpg", "-o", "-", "--watch"),
        ("-", "--json"),
    ],
)
def test_flags_that_do_not_go_together(words: tuple[str, ...]) -> None:
    assert undim("enhance", *words).exit_code == 2


def truncated(photo: Path) -> bytes:
    whole = photo.read_bytes()
    return whole[: len(whole) // 2]


def saved(image: Image.Image, path: Path, **how: object) -> bytes:
    image.save(path, **how)
    return path.read_bytes()


def grey(mode: str, size: tuple[int, int] = (30, 20)) -> Image.Image:
    return Image.new("L", size, 40).convert(mode)


def test_bad_files_are_named_and_end_in_no_traceback(photo: Path, tmp_path: Path) -> None:
    frames = [grey("L"), grey("L").point(lambda v: v + 9)]
    bad = {
        "empty.jpg": b"",
        "notes.jpg": b"not a picture at all",
        "half.jpg": truncated(photo),
        "animated.gif": saved(
            frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=40
        ),
        "header.png": saved(grey("RGB"), tmp_path / "b.png")[:40],
    }
    for name, content in bad.items():
        path = tmp_path / name
        path.write_bytes(content)
        result = undim("enhance", path, "-o", tmp_path / "out.png")
        assert result.exit_code == 1, name
        assert name in result.stderr
        assert "expected" in result.stderr or "save" in result.stderr, result.stderr
        assert "Traceback" not in result.output
        assert not (tmp_path / "out.png").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = undim("enhance", tmp_path / "nowhere.jpg")
    assert result.exit_code == 1
    assert "nowhere.jpg" in result.stderr


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA", "RGBA", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (30, 20)])
def test_unusual_pictures_are_enhanced(mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / ("in.jpg" if mode == "CMYK" else "in.png")
    grey(mode, size).save(path)
    result = undim("enhance", path)
    assert result.exit_code == 0, result.stderr
    with Image.open(result.stdout.strip()) as image:
        assert image.size == size


def test_models_that_are_none(photo: Path, tmp_path: Path) -> None:
    foreign = write_model(tmp_path / "foreign.onnx", output="depth")
    (tmp_path / "text.onnx").write_text("no model")
    for model in (foreign, tmp_path / "text.onnx", "nightly"):
        result = undim("enhance", photo, "--model", model)
        assert result.exit_code == 1
        assert "expected" in result.stderr
        assert "Traceback" not in result.output


def test_models_lists_the_shipped_ones() -> None:
    records = [json.loads(line) for line in undim("models", "--json").stdout.splitlines()]
    text = undim("models").stdout
    assert {"undim"} <= {record["name"] for record in records}
    for record in records:
        assert record["name"] in text
        assert record["licence"] in text


def test_doctor_finds_this_installation_whole() -> None:
    result = undim("doctor")
    assert result.exit_code == 0, result.stdout
    assert "BAD" not in result.stdout
    assert "onnxruntime" in result.stdout


def test_doctor_finds_a_damaged_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import undim.model.pretrained

    (tmp_path / "undim.onnx").write_text("damaged")
    monkeypatch.setattr(undim.model.pretrained, "WEIGHTS", tmp_path)
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "BAD" in result.stdout


def test_bench_measures(tmp_path: Path) -> None:
    result = undim(
        "bench", "--megapixels", "0.05", "--model", write_model(tmp_path / "m.onnx"), "--json"
    )
    assert result.exit_code == 0
    measured = json.loads(result.stdout)
    assert measured["array, default ms"] > 0
    assert measured["file, ratio of processes"] > 0


def test_the_installed_process_has_no_traceback_and_the_right_exit_code(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "undim", "enhance", tmp_path / "none.jpg"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "none.jpg" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_photograph_loads_no_more_than_it_needs(photo: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from undim.cli import main
main(["enhance", {str(photo)!r}, "-o", {str(tmp_path / "bright.jpg")!r}], standalone_mode=False)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert {"numpy", "onnxruntime", "PIL.JpegImagePlugin"} <= set(loaded)
    assert not {"numpy.ma", "PIL.PngImagePlugin", "pyvips", "tqdm", "torch"} & set(loaded)
