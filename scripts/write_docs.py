"""Write what the pages say about the package from the package itself: `make docs`.

A test fails while they are stale.

docs/cli.md           the help of every verb
README.md             the table of models and that of rooms, each between two comments that name it
docs/architecture.md  the table of files
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click

from undim.cli import main
from undim.model.pretrained import DEFAULT, MODELS

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "undim"
REFERENCE, ARCHITECTURE = ROOT / "docs" / "cli.md", ROOT / "docs" / "architecture.md"
README = ROOT / "README.md"
HEAD = """# The command line

`make docs` writes this page from the verbs; `undim VERB --help` shows the same.
Exit codes: 0 all done; 1 something failed, and stderr says what; 2 wrong usage.
"""


def helps(command: click.Command, name: str, parent: click.Context | None = None) -> list[str]:
    """The help of a command and of all its verbs, as sections of Markdown."""
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=110, **command.context_settings
    )
    sections = [f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            child = command.get_command(context, verb)
            assert child is not None
            sections += helps(child, verb, context)
    return sections


def models_table() -> str:
    rows = [
        "| model | parameters | learned from | licence | eval15 PSNR | SSIM |",
        "|---|---|---|---|---|---|",
    ]
    for name, model in MODELS.items():
        score = (
            f"{model.psnr:.2f} dB | {model.ssim:.3f}"
            if model.psnr is not None
            else "not measured |"
        )
        mark = " (default)" if name == DEFAULT else ""
        rows.append(
            f"| `{name}`{mark} | {model.parameters:,} | {model.training_data} | {model.licence} "
            f"| {score} |"
        )
    return "\n".join(rows)


def sentence(path: Path) -> str:
    """The first paragraph of a module's docstring, as one line."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def table(heading: str, lines: dict[str, Path]) -> str:
    """Names and what their modules say of themselves."""
    rows = [f"| `{name}` | {sentence(path)} |" for name, path in lines.items()]
    return "\n".join([f"| {heading} | what it is |", "|---|---|", *rows])


def rooms() -> str:
    """Every file at the package's door, and every folder."""
    doors = {path.name: path for path in sorted(SOURCE.glob("*.py"))}
    folders = {f"{path.parent.name}/": path for path in sorted(SOURCE.glob("*/__init__.py"))}
    return table("room", doors | folders)


def files() -> str:
    """Every module in a folder of the package."""
    paths = sorted(SOURCE.glob("*/**/*.py"), key=lambda path: (path.parent, path))
    return table("file", {path.relative_to(SOURCE).as_posix(): path for path in paths})


def filled(page: Path, **parts: str) -> str:
    """A page with its generated parts anew."""
    text = page.read_text("utf-8")
    for name, part in parts.items():
        marks = f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->"
        whole = f"{marks[0]}\n{part}\n{marks[1]}"
        text = re.sub(f"{marks[0]}.*?{marks[1]}", lambda _, w=whole: w, text, flags=re.DOTALL)
    return text


def pages() -> dict[Path, str]:
    """Each page that is written here, as it should be."""
    return {
        REFERENCE: "\n".join([HEAD, *helps(main, "undim")]),
        README: filled(README, models=models_table(), rooms=rooms()),
        ARCHITECTURE: filled(ARCHITECTURE, files=files()),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
        print(path)
