"""Who may import whom, and what `import undim` may pull in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "undim"

LINES = (  # each room imports only from its own line and the lines above, and nobody in a circle
    {"", "errors"},
    {"pixels", "images", "measure"},
    {"model"},
    {"enhancer"},
    {"the rest: what is made with an Enhancer, such as folders, evaluation, video, server"},
    {"cli", "__main__"},
)
HEIGHT = {room: height for height, rooms in enumerate(LINES) for room in rooms}
HEIGHT["training"] = 1.5  # above the second line, and for nobody but the command line


def height(room: str) -> float:
    return HEIGHT.get(room, 4)


def imports_of(path: Path, module: str, modules: set[str]) -> set[str]:
    """The modules of undim that a file imports, anywhere in it except for type checkers only."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    todo: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join(base + ([node.module] if node.module else []))
            names = {f"{origin}.{alias.name}" for alias in node.names}
            found |= names & modules or {origin}
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            todo += ast.iter_child_nodes(node)
    return found & modules - {module}


def room(module: str) -> str:
    """undim.images.decode -> images."""
    return [*module.split("."), ""][1]


def read(folder: Path) -> dict[str, set[str]]:
    """Module -> the modules of undim that it imports, for every file of a folder like undim's."""
    files = {
        ".".join(("undim", *path.relative_to(folder).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in folder.rglob("*.py")
    }
    return {module: imports_of(path, module, set(files)) for module, path in sorted(files.items())}


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Every import against the direction of the lines."""
    wrong = []
    for module, targets in graph.items():
        for target in sorted(targets):
            a, b = room(module), room(target)
            if a != b and (height(b) > height(a) or (b == "training" and a != "cli")):
                wrong.append(f"{module} imports {target}")
    return wrong


def cycles(graph: dict[str, set[str]]) -> list[str]:
    """The modules that reach themselves."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(graph[start])
        while todo:
            module = todo.pop()
            if module not in seen:
                seen.add(module)
                todo += graph[module]
        return seen

    return sorted(module for module in graph if module in reach(module))


def test_imports_go_down_only() -> None:
    assert upward(read(SOURCE)) == []


def test_there_are_no_cycles() -> None:
    assert cycles(read(SOURCE)) == []


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        (
            "pixels/curve.py",
            "from undim.enhancer import Enhancer",
            "undim.pixels.curve imports undim.enhancer",
        ),
        ("measure/metrics.py", "import undim.cli", "undim.measure.metrics imports undim.cli"),
        (
            "images/decode.py",
            "from ..model.runtime import devices",
            "undim.images.decode imports undim.model.runtime",
        ),
        (
            "errors.py",
            "def f():\n    from .pixels import curve",
            "undim.errors imports undim.pixels.curve",
        ),
        (
            "video/stream.py",
            "from undim.training import loop",
            "undim.video.stream imports undim.training",
        ),
    ],
)
def test_the_direction_test_can_fail(tmp_path: Path, file: str, line: str, words: str) -> None:
    for name in (
        "pixels/curve",
        "measure/metrics",
        "images/decode",
        "errors",
        "enhancer",
        "model/runtime",
        "cli",
        "video/stream",
    ):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("from undim.errors import UndimError\n" if name != "errors" else "")
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").touch()
    assert upward(read(tmp_path)) == []
    (tmp_path / file).write_text(line)
    assert words in upward(read(tmp_path))


def test_the_cycle_test_can_fail(tmp_path: Path) -> None:
    (tmp_path / "curve.py").write_text("from undim.filter import guided_filter")
    (tmp_path / "filter.py").write_text("from undim import curve")
    assert cycles(read(tmp_path)) == ["undim.curve", "undim.filter"]


def loaded_by(code: str) -> set[str]:
    """The top-level modules in memory after some code ran in a fresh interpreter."""
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.splitlines()[-1].split())


HEAVY = {"numpy", "onnxruntime", "torch", "PIL", "matplotlib", "av", "starlette", "onnx", "tqdm"}


@pytest.mark.parametrize(
    "code",
    [
        "import undim",
        "import undim.errors",
        "import undim.cli",
        "from undim.cli import main; main(['--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code: str) -> None:
    assert loaded_by(code) & HEAVY == set()


def test_the_test_of_what_is_loaded_can_fail() -> None:
    assert loaded_by("import undim; undim.Enhancer") & HEAVY == {"numpy", "onnxruntime", "PIL"}


def test_the_public_names_resolve() -> None:
    import undim

    for name in undim.__all__:
        assert getattr(undim, name) is not None
        assert name in dir(undim)
    assert undim.metrics.__name__ == "undim.measure.metrics"
    with pytest.raises(AttributeError, match="no attribute 'brighten'"):
        undim.brighten  # noqa: B018
