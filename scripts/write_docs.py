"""Write what the pages say about the package from the package itself: `make docs`. A test fails while they are stale.

docs/cli.md    the help of every verb
README.md      the table of models and the map of files, each between two comments that name it
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click

from undim.cli import main
from undim.pretrained import DEFAULT, MODELS

ROOT = Path(__file__).resolve().parents[1]
REFERENCE, README = ROOT / "docs" / "cli.md", ROOT / "README.md"
HEAD = """# The command line

`make docs` writes this page from the verbs; `undim VERB --help` shows the same.
Exit codes: 0 all done; 1 something failed, and stderr says what; 2 wrong usage.
"""


def helps(command: click.Command, name: str, parent: click.Context | None = None) -> list[str]:
    """The help of a command and of all its verbs, as sections of Markdown."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=110, **command.context_settings)
    sections = [f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            child = command.get_command(context, verb)
            assert child is not None
            sections += helps(child, verb, context)
    return sections


def models_table() -> str:
    rows = ["| model | parameters | learned from | licence | eval15 PSNR | SSIM |", "|---|---|---|---|---|---|"]
    for name, model in MODELS.items():
        score = f"{model.psnr:.2f} dB | {model.ssim:.3f}" if model.psnr is not None else "not measured |"
        mark = " (default)" if name == DEFAULT else ""
        rows.append(f"| `{name}`{mark} | {model.parameters:,} | {model.training_data} | {model.licence} | {score} |")
    return "\n".join(rows)


def file_map() -> str:
    """Every module and the first sentence of its docstring."""
    rows = ["| file | what it is |", "|---|---|"]
    source = ROOT / "src" / "undim"
    for path in sorted(source.rglob("*.py"), key=lambda path: (len(path.relative_to(source).parts) > 1, path)):
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        rows.append(f"| `{path.relative_to(source).as_posix()}` | {docstring.split(chr(10))[0]} |")
    return "\n".join(rows)


def readme(text: str) -> str:
    """The README with its generated parts anew."""
    for name, part in {"models": models_table(), "files": file_map()}.items():
        marks = f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->"
        text = re.sub(
            f"{marks[0]}.*?{marks[1]}", lambda _, p=part, m=marks: f"{m[0]}\n{p}\n{m[1]}", text, flags=re.DOTALL
        )
    return text


def pages() -> dict[Path, str]:
    """Each page that is written here, as it should be."""
    return {
        REFERENCE: "\n".join([HEAD, *helps(main, "undim")]),
        README: readme(README.read_text("utf-8")),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
        print(path)
