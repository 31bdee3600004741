"""Write docs/cli.md: the help of every verb. Run: make docs (a test fails while the file is stale)."""

from __future__ import annotations

from pathlib import Path

import click

from undim.cli import main

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
HEAD = """# The command line

`scripts/write_cli_reference.py` writes this page from the verbs; `undim VERB --help` shows the same.
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


def reference() -> str:
    """The whole page."""
    return "\n".join([HEAD, *helps(main, "undim")])


if __name__ == "__main__":
    REFERENCE.write_text(reference(), "utf-8")
    print(REFERENCE)
