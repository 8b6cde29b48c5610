"""The `sdxl` command: its commands, and the one place where errors become text and exit codes."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sdxl import __version__
from sdxl.commands import catalog, environments, local, pipeline
from sdxl.commands.cost import cost
from sdxl.commands.diff import diff
from sdxl.commands.generate import generate
from sdxl.commands.preflight import preflight
from sdxl.commands.presets import presets
from sdxl.commands.rollout import rollout
from sdxl.commands.smoke_test import smoke_test
from sdxl.console import print_result, say
from sdxl.errors import EXIT_CODES_HELP, EXIT_INTERRUPTED, SdxlError

HELP = f"""SDXL 1.0 image generation in your own AWS accounts, and on this machine.

Start here, no AWS account needed:

  make up

  sdxl generate "a lighthouse at dawn, watercolor"

  make down

{EXIT_CODES_HELP}
"""


class _Commands(TyperGroup):
    """Turns our errors into one paragraph on stderr and an exit code. Anything else is a bug, and shows itself."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SdxlError as exc:
            say(f"error: {exc}", style="red")
            raise typer.Exit(exc.exit_code) from exc
        except KeyboardInterrupt as exc:
            say("Interrupted.")
            raise typer.Exit(EXIT_INTERRUPTED) from exc


def _version(wanted: bool) -> None:
    if wanted:
        print_result(f"sdxl {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(help=HELP)
def _sdxl(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Hold the options that stand before any command."""


app.command()(generate)
app.command()(presets)
app.command()(preflight)
app.command()(cost)
app.command()(diff)
app.command()(smoke_test)
app.command()(rollout)
app.add_typer(local.app, name="local")
app.add_typer(environments.app, name="environments")
app.add_typer(catalog.app, name="catalog")
app.add_typer(pipeline.app, name="pipeline")


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
