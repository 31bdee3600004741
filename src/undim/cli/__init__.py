"""The command `undim`: a group whose verbs live in files of their own, loaded when they are named.

Each verb is a thin translation of flags into one call of the package; what is heavy to import is
imported inside the verb. Exit codes: 0 all done; 1 something failed, and stderr says what; 2 wrong
usage.
"""

from __future__ import annotations

import io
import sys
import warnings
from importlib import import_module

import click

from undim import __version__
from undim.errors import UndimError

VERBS = {  # verb -> module of undim.cli : function
    "enhance": "photos:enhance",
    "video": "video:video",
    "live": "video:live",
    "stream": "video:stream",
    "compare": "measuring:compare",
    "evaluate": "measuring:evaluate",
    "train": "learning:train",
    "plot": "measuring:plot",
    "data": "learning:data",
    "import": "learning:import_",
    "serve": "serving:serve",
    "export-page": "serving:export_page",
    "models": "about:models",
    "bench": "about:bench",
    "doctor": "about:doctor",
}


class Verbs(click.Group):
    """A group that imports a verb when it is named, and says errors and warnings in a line each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, function = VERBS[cmd_name].split(":")
        command = getattr(import_module(f"undim.cli.{module}"), function)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # The names of files need not be text; they come out as the bytes that came in.
            sys.stdout.reconfigure(errors=sys.getfilesystemencodeerrors())
        with warnings.catch_warnings():
            warnings.showwarning = _say  # type: ignore[assignment]  # it needs no more than the message
            try:
                return super().invoke(ctx)
            except UndimError as error:
                click.echo(f"undim: {error}", err=True)
                sys.exit(1)


def _say(message: Warning | str, *_: object) -> None:
    """A warning in the words of the command line, without the line of code that caused it."""
    click.echo(f"undim: {message}", err=True)


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="undim")
def main() -> None:
    """Take the dimness out of photographs and video."""
