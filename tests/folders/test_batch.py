"""Many photographs: nothing lost or overwritten, one failure alone, runs that can be cut off."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from undim import folders, images
from undim.errors import InputError, OutputError
from undim.folders import Options, Task, plan
from undim.folders.manifest import NAME

PHOTO = images.encode(images.from_array(np.full((6, 8, 3), 40, np.uint8)), "png")
OTHER = images.encode(images.from_array(np.full((6, 8, 3), 50, np.uint8)), "png")


def brighten(pixels: np.ndarray) -> np.ndarray:
    return pixels * pixels.dtype.type(2)


def fill(folder: Path, names: Iterable[str], data: bytes = PHOTO) -> Path:
    for name in names:
        images.write_atomically(folder / name, data)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def targets(tasks: list[Task], folder: Path) -> dict[str, str]:
    return {task.source.name: task.target.relative_to(folder).as_posix() for task in tasks}


def counts(report: folders.BatchReport) -> dict[str, int]:
    return {k: v for k, v in json.loads(report.to_json()).items() if isinstance(v, int) and v}


# --- names
# -----------------------------------------------------------------------------------------------


def test_the_tree_is_mirrored_and_other_files_are_left_alone(tmp_path: Path) -> None:
    source = fill(
        tmp_path / "in",
        ["a.png", "b/c.JPG", "b/d/e.tiff", "notes.txt", ".hidden.png", ".git/f.png"],
    )
    tasks = plan([source], tmp_path / "out", recursive=True)
    assert targets(tasks, tmp_path / "out") == {
        "a.png": "a.png",
        "c.JPG": "b/c.JPG",
        "e.tiff": "b/d/e.tiff",
    }
    assert targets(plan([source], tmp_path / "out"), tmp_path / "out") == {"a.png": "a.png"}


def test_without_an_output_folder_results_lie_beside_and_are_no_inputs_later(
    tmp_path: Path,
) -> None:
    source = fill(tmp_path, ["a.png", "b.undim.png", "c.nef"])
    assert targets(plan([source]), tmp_path) == {"a.png": "a.undim.png", "c.nef": "c.undim.tif"}


def test_an_output_folder_inside_the_input_is_no_input(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png", "out/a.png", "out/b/c.png"])
    assert targets(plan([tmp_path], tmp_path / "out", recursive=True), tmp_path) == {
        "a.png": "out/a.png"
    }


def test_a_single_file_may_name_its_output(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    report = folders.run([tmp_path / "a.png"], tmp_path / "new" / "b.jpg", brighten)
    assert counts(report) == {"done": 1}
    assert images.decode(tmp_path / "new" / "b.jpg").format == "JPEG"
    assert names(tmp_path) == ["a.png", "new/b.jpg"]


def test_several_photographs_do_not_become_one_file(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", ["a.png", "b.png"])
    for inputs in ([source], [source / "a.png", source / "b.png"]):
        with pytest.raises(InputError, match=r"new\.png"):
            plan(inputs, tmp_path / "new.png")
    (tmp_path / "new.png").mkdir()
    assert len(plan([source], tmp_path / "new.png")) == 2


@pytest.mark.parametrize("name", ["y.gif", "y.nef", "photos.2024"])
def test_an_output_of_a_format_that_is_not_written_is_an_error(tmp_path: Path, name: str) -> None:
    source = fill(tmp_path / "in", ["a.png", "b.png"])
    for inputs in ([source], [source / "a.png"], [source / "a.png", source / "b.png"]):
        for run in (folders.run, folders.watch, functools.partial(folders.run, dry_run=True)):
            with pytest.raises(
                InputError, match=rf"{name}, but undim writes no .*\.jpg.*or a folder"
            ):
                run(inputs, tmp_path / name, brighten)
    assert not (tmp_path / name).exists()
    (tmp_path / name).mkdir()
    assert targets(plan([source / "a.png"], tmp_path / name), tmp_path) == {
        "a.png": f"{name}/a.png"
    }


def test_photographs_that_would_get_one_name_keep_their_whole_names(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", ["a.jpg", "a.png", "a.nef", "b.png"])
    assert targets(plan([source], tmp_path, format="jpg"), tmp_path) == {
        "a.jpg": "a.jpg",
        "a.png": "a.png.jpg",
        "a.nef": "a.nef.jpg",
        "b.png": "b.jpg",
    }


def test_two_roots_with_one_name_are_named_before_anything_is_written(tmp_path: Path) -> None:
    one, two = fill(tmp_path / "one", ["a.png"]), fill(tmp_path / "two", ["a.png", "b.png"])
    with pytest.raises(InputError, match=r"one.a\.png and .*two.a\.png would both become"):
        folders.run([one, two], tmp_path / "out", brighten)
    assert not (tmp_path / "out").exists()


def test_a_file_named_twice_is_done_once(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    assert len(plan([tmp_path, tmp_path / "a.png"], tmp_path / "out")) == 1


@pytest.mark.parametrize("linked", [False, True])
def test_inputs_are_never_overwritten_not_even_through_links(tmp_path: Path, linked: bool) -> None:
    source = output = fill(tmp_path / "in", ["a.png"])
    if linked:
        output = tmp_path / "out"
        output.symlink_to(source, target_is_directory=True)
    with pytest.raises(OutputError, match="one of the inputs"):
        folders.run([source], output, brighten, Options(overwrite=True))
    assert (source / "a.png").read_bytes() == PHOTO


def test_an_output_that_is_a_hard_link_to_its_input_is_parted_from_it(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", ["a.png"])
    (tmp_path / "a.png").hardlink_to(source / "a.png")
    assert counts(folders.run([source], tmp_path, brighten, Options(overwrite=True))) == {"done": 1}
    assert (source / "a.png").read_bytes() == PHOTO


def test_an_absent_input_and_an_unknown_format_are_refused_first(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    with pytest.raises(InputError, match="no such file or folder"):
        folders.run([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out", brighten)
    with pytest.raises(InputError, match="expected one of jpg"):
        folders.run([tmp_path], tmp_path / "out", brighten, Options(format="xyz"))
    assert not (tmp_path / "out").exists()


# --- runs
# ------------------------------------------------------------------------------------------------


def test_one_bad_file_is_named_and_stops_nothing(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", [f"{index}.png" for index in range(9)])
    fill(source, ["bad.png"], b"no picture")
    seen: list[str] = []
    report = folders.run(
        [source],
        tmp_path / "out",
        brighten,
        progress=lambda outcome, total: seen.append(f"{outcome.status}/{total}"),
    )
    assert counts(report) == {"done": 9, "failed": 1}
    assert report.failed[0].source == str(source / "bad.png")
    assert "not a picture" in (report.failed[0].error or "")
    assert sorted(seen) == ["done/10"] * 9 + ["failed/10"]
    assert (images.decode(tmp_path / "out" / "3.png").pixels == 80).all()


def test_whatever_the_enhancer_raises_stops_nothing(tmp_path: Path) -> None:
    source = fill(fill(tmp_path / "in", ["a.png", "c.png"]), ["b.png"], OTHER)

    def moody(pixels: np.ndarray) -> np.ndarray:
        if pixels[0, 0, 0] == 50:
            raise MemoryError("too much")
        return pixels

    report = folders.run([source], tmp_path / "out", moody)
    assert counts(report) == {"done": 2, "failed": 1}
    assert "b.png: MemoryError: too much" in (report.failed[0].error or "")


def test_existing_outputs_are_an_error_unless_told(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", ["a.png", "b.png"])
    fill(tmp_path / "out", ["b.png"], b"mine")
    with pytest.raises(OutputError, match=r"1 outputs exist already, such as .*b\.png"):
        folders.run([source], tmp_path / "out", brighten)
    assert names(tmp_path / "out") == ["b.png"]
    assert counts(folders.run([source], tmp_path / "out", brighten, Options(overwrite=True))) == {
        "done": 2
    }
    assert (tmp_path / "out" / "b.png").read_bytes() != b"mine"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", ["a.png", "b/c.png"])
    report = folders.run([source], tmp_path / "out", brighten, recursive=True, dry_run=True)
    assert counts(report) == {"planned": 2}
    assert not (tmp_path / "out").exists()


def test_the_format_is_the_photographs_own_unless_told(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", ["really-a-png.jpg"])
    folders.run([source], tmp_path / "kept", brighten)
    assert images.decode(tmp_path / "kept" / "really-a-png.jpg").format == "PNG"
    folders.run([source], tmp_path / "jpg", brighten, Options(format="jpg"))
    assert images.decode(tmp_path / "jpg" / "really-a-png.jpg").format == "JPEG"
    folders.run([source], tmp_path / "told", brighten, Options(format="webp"))
    assert images.decode(tmp_path / "told" / "really-a-png.webp").format == "WEBP"


# --- resume
# ----------------------------------------------------------------------------------------------


def resumed(source: Path, output: Path, **settings: object) -> dict[str, int]:
    return counts(folders.run([source], output, brighten, Options(resume=True, settings=settings)))


def test_resume_skips_what_is_finished_and_unchanged(tmp_path: Path) -> None:
    source, output = fill(tmp_path / "in", ["a.png", "b.png", "c.png"]), tmp_path / "out"
    assert resumed(source, output) == {"done": 3}
    assert resumed(source, output) == {"skipped": 3}
    assert counts(folders.run([source], output, brighten, Options(resume=True), dry_run=True)) == {
        "skipped": 3
    }
    images.write_atomically(source / "b.png", OTHER, overwrite=True)
    (output / "c.png").unlink()
    assert resumed(source, output) == {"done": 2, "skipped": 1}
    assert (images.decode(output / "b.png").pixels == 100).all()
    assert resumed(source, output, strength=0.5) == {"done": 3}
    assert resumed(source, output, strength=0.5) == {"skipped": 3}


def test_resume_continues_a_run_that_was_begun_without_it(tmp_path: Path) -> None:
    source, output = fill(tmp_path / "in", ["a.png"]), tmp_path / "out"
    folders.run([source], output, brighten)
    assert resumed(source, output) == {"skipped": 1}


def test_resume_never_replaces_what_is_not_its_own(tmp_path: Path) -> None:
    source, output = fill(tmp_path / "in", ["a.png", "b.png"]), tmp_path / "out"
    fill(output, ["a.png"], b"made by somebody else")
    assert resumed(source, output) == {"done": 1, "failed": 1}
    (output / "b.png").write_bytes(b"retouched by hand")
    assert resumed(source, output) == {"failed": 2}
    assert (output / "a.png").read_bytes() == b"made by somebody else"
    assert (output / "b.png").read_bytes() == b"retouched by hand"


def test_outputs_that_were_copied_elsewhere_still_count(tmp_path: Path) -> None:
    source, output = fill(tmp_path / "in", ["a.png"]), tmp_path / "out"
    resumed(source, output)
    os.utime(output / "a.png", (1, 1))
    assert resumed(source, output) == {"skipped": 1}


@pytest.mark.parametrize("tail", ['\n{"output": "a.p', "\n[]\n3\nnull\n{}", "\n\udcff\0"])
def test_a_damaged_manifest_line_costs_only_itself(tmp_path: Path, tail: str) -> None:
    source, output = fill(tmp_path / "in", ["a.png"]), tmp_path / "out"
    resumed(source, output)
    with (output / NAME).open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(tail)
    fill(source, ["b.png"])
    assert resumed(source, output) == {"done": 1, "skipped": 1}
    assert resumed(source, output) == {"skipped": 2}


def test_resume_sweeps_what_a_killed_run_left(tmp_path: Path) -> None:
    source, output = fill(tmp_path / "in", ["a.png"]), tmp_path / "out"
    fill(output, ["below/.undim-0123456789abcdef.tmp", "mine.tmp"])
    assert resumed(source, output) == {"done": 1}
    assert names(output) == [NAME, "a.png", "mine.tmp"]


def test_resume_needs_an_output_folder(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    with pytest.raises(InputError, match="got resume without an output folder"):
        folders.run([tmp_path], None, brighten, Options(resume=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_sixty_kills_at_random_moments_leave_only_whole_files(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "helpers" / "killing.py"
    result = subprocess.run(
        [sys.executable, "-W", "error", script, tmp_path, "60", str(time.time_ns())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout.splitlines()[-1])
    assert seen["killed"] == 60
    assert seen["partial"] == []
    assert seen["redone"] == 0
    assert seen["leftovers"] > 0, "no kill hit a file in flight: this proved nothing"
    assert seen["complete"]
    assert seen["swept"]


# --- Ctrl-C and watching
# ---------------------------------------------------------------------------------


def test_ctrl_c_finishes_what_is_in_work_and_begins_nothing_more(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", [f"{index:03}.png" for index in range(60)])
    begun = []

    def slow(pixels: np.ndarray) -> np.ndarray:
        begun.append(1)
        time.sleep(0.01)
        return pixels

    def interrupt(outcome: folders.Outcome, total: int) -> None:
        if len(begun) > 5 and not interrupted:
            interrupted.append(outcome)
            raise KeyboardInterrupt

    interrupted: list[folders.Outcome] = []
    report = folders.run([source], tmp_path / "out", slow, jobs=2, progress=interrupt)
    assert report.interrupted
    assert len(begun) < 20
    written = [name for name in names(tmp_path / "out") if name.endswith(".png")]
    assert len(written) == len(begun) == len(report.of("done"))
    for name in written:
        assert (images.decode(tmp_path / "out" / name).pixels == 40).all()


def test_watching_takes_new_files_when_they_are_whole(tmp_path: Path) -> None:
    source, output, stop = fill(tmp_path / "in", ["a.png"]), tmp_path / "out", threading.Event()
    seen: list[str] = []

    def follow(outcome: folders.Outcome, total: int) -> None:
        seen.append(f"{Path(outcome.source).name} {outcome.status}")
        if outcome.source.endswith("a.png"):
            (source / "b.png").write_bytes(OTHER[:50])
            threading.Timer(0.02, (source / "b.png").write_bytes, [OTHER]).start()
        else:
            stop.set()

    guard = threading.Timer(20, stop.set)
    guard.start()
    report = folders.watch([source], output, brighten, interval=0.1, stop=stop, progress=follow)
    guard.cancel()
    assert seen == ["a.png done", "b.png done"]
    assert not report.interrupted
    assert (images.decode(output / "b.png").pixels == 100).all()


def test_watching_gives_a_photograph_its_new_name_when_a_namesake_comes(tmp_path: Path) -> None:
    source, output, stop = fill(tmp_path / "in", ["a.png"]), tmp_path / "out", threading.Event()

    def follow(outcome: folders.Outcome, total: int) -> None:
        if outcome.target.endswith("a.jpg") and outcome.source.endswith("a.png"):
            images.write_atomically(source / "a.jpg", images.encode(images.decode(PHOTO), "jpg"))
        elif (output / "a.png.jpg").exists():
            stop.set()

    guard = threading.Timer(20, stop.set)
    guard.start()
    folders.watch(
        [source], output, brighten, Options(format="jpg"), interval=0.05, stop=stop, progress=follow
    )
    guard.cancel()
    assert [name for name in names(output) if name.endswith(".jpg")] == ["a.jpg", "a.png.jpg"]


def test_photographs_are_worked_on_side_by_side(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", [f"{index}.png" for index in range(6)])
    meeting = threading.Barrier(3, timeout=20)

    def meet(pixels: np.ndarray) -> np.ndarray:
        meeting.wait()  # passes only if three are here at once
        return pixels

    assert counts(folders.run([source], tmp_path / "out", meet, jobs=3)) == {"done": 6}
