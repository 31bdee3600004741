"""What the pages say is true: Python runs, commands exist, links lead on, tables are fresh."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from undim.cli import main
from undim.model.pretrained import MODELS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )


SNIPPETS = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in (ROOT / "README.md", ROOT / "docs" / "cookbook.md")
    for number, code in enumerate(blocks(page, "python"))
]
COMMANDS = [
    pytest.param(line, id=f"{page.name}-{line}")
    for page in PAGES
    for block in blocks(page, "(?:sh|bash|console)")
    for line in block.replace("\\\n", " ").splitlines()
    if line.removeprefix("$ ").startswith("undim ")
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_the_python_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with night.jpg and a folder of photographs."""
    for needed in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    photo = ROOT / "assets" / "night-coffee.jpg"
    shutil.copy(photo, tmp_path / "night.jpg")
    (tmp_path / "photos").mkdir()
    shutil.copy(photo, tmp_path / "photos" / "one.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_exist(line: str) -> None:
    """Every verb and every flag that a page names."""
    words = shlex.split(line.removeprefix("$ "), comments=True)[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        child = command.get_command(context, words[0])
        assert child is not None, f"no verb {words[0]}"
        command, words = child, words[1:]
    flags = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
    named = {word.split("=")[0] for word in words if re.fullmatch(r"-\w|--[\w-]+(=.*)?", word)}
    assert named <= flags | {"--help", "-h"}


def test_the_generated_pages_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line's reference, the table of models, the map of files."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    write_docs = importlib.import_module("write_docs")
    for path, text in write_docs.pages().items():
        assert path.read_text("utf-8") == text, f"{path.name} is stale; run: make docs"
    for name in MODELS:
        assert f"| `{name}`" in (ROOT / "README.md").read_text("utf-8")


def anchors(page: Path) -> set[str]:
    """The names under which GitHub reaches the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for name, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        target = page.parent / name if name else page
        assert target.exists(), f"no page {name}"
        assert not anchor or anchor in anchors(target), f"no heading #{anchor} in {target.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_name_files_that_exist(page: Path) -> None:
    """What looks like a path to a source, a test or a script is one."""
    kinds = r"`(?:python )?((?:src|tests|scripts|benchmarks|recipes|docs)/[\w/.-]+\.\w+)"
    for path in re.findall(kinds, page.read_text("utf-8")):
        assert (ROOT / path).exists(), f"no file {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_lab_entry_has_a_date(page: Path) -> None:
    if page.parent.name == "lab" and page.name != "README.md":
        for heading in re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE):
            assert re.match(r"20\d\d-\d\d-\d\d ", heading), heading


def test_the_bundled_photograph_is_what_its_script_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pytest.importorskip(
        "skimage.data", reason="scikit-image carries the picture it is made from"
    )
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = importlib.import_module("make_demo_photo")
    made = script.darken(data.coffee()).astype(int)
    with Image.open(script.ASSET) as photo:
        bundled = np.asarray(photo).astype(int)
    assert np.abs(bundled - made).mean() < 2  # what JPEG costs
    assert bundled.mean() < 20
