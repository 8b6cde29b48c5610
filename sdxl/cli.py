"""The `sdxl` command: its commands, and the one place where errors become text and exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from sdxl._version import __version__
from sdxl.console import print_result, say
from sdxl.errors import EXIT_CODES_HELP, EXIT_INTERRUPTED, SdxlError
from sdxl.project import require_clone

HELP = f"""SDXL 1.0 image generation in your own AWS accounts, and on this machine.

Start here, no AWS account needed:

  make up

  sdxl generate "a lighthouse at dawn, watercolor"

  make down

{EXIT_CODES_HELP}
"""


@dataclass(frozen=True)
class LazyCommand:
    """A command that is imported when it is run: the help and completion of `sdxl` need only its `help`.

    Its module in `sdxl.commands` has the command's name. It holds the function of that name, or `app` with commands
    below this one.
    """

    name: str
    help: str
    needs_clone: bool = True

    @property
    def identifier(self) -> str:
        """The name in Python."""
        return self.name.replace("-", "_")

    def listed(self) -> TyperCommand:
        """Return what stands for the command in a list of commands."""
        return TyperCommand(self.name, help=self.help)

    def load(self) -> Any:
        """Import the command and return it. Raises UsageError for a command that needs a clone without one."""
        if self.needs_clone:
            require_clone(f"`sdxl {self.name}`")
        module = import_module(f"sdxl.commands.{self.identifier}")
        if hasattr(module, "app"):
            command = get_group(module.app)
            command.name = self.name
            return command
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(self.name)(getattr(module, self.identifier))
        return get_command(single)


COMMANDS = {
    command.name: command
    for command in (
        LazyCommand("generate", "Generate images from a PROMPT and save them as PNG files.", needs_clone=False),
        LazyCommand("presets", "List the sizes, styles and samplers that a deployment offers.", needs_clone=False),
        LazyCommand(
            "connect", "Print a deployment's address and API key, or the link to its page for creators: on stdout only."
        ),
        LazyCommand(
            "preflight",
            "Check an AWS account before deploying to it: credentials, CDK bootstrap, quotas, model, names, roles.",
        ),
        LazyCommand(
            "cost",
            "Show what environments cost a month in USD: idle, at a volume, at max capacity. Needs no AWS account.",
        ),
        LazyCommand(
            "plan",
            "Play arrivals against an environment's scaling: waits, failures and cost. Needs no AWS account.",
        ),
        LazyCommand(
            "diff",
            "Compare two revisions: resources, replacements, permissions and cost. Needs no AWS account and no "
            "network.",
        ),
        LazyCommand(
            "smoke-test",
            "Wait until a deployment is healthy, generate an image with a fixed seed, and look whether it is one.",
        ),
        LazyCommand(
            "verify",
            "Look at a deployed environment for what was never seen on AWS: docs/not-run-on-aws.md names the points.",
        ),
        LazyCommand(
            "verify-image",
            "Say of image files who signed them and whether that is trusted, what they declare, and their settings.",
        ),
        LazyCommand("signing", "Content credentials: requests a certificate for the key that signs."),
        LazyCommand(
            "rollout",
            "Deploy the environments of pipeline.yaml in the order of its rings: preflight, cdk deploy, smoke test.",
        ),
        LazyCommand(
            "local",
            "Run a deployment on this machine: the real stacks and functions, in an emulator of AWS, no account "
            "needed.",
        ),
        LazyCommand("environments", "Environment files: one file, one AWS account and region."),
        LazyCommand(
            "catalog",
            "AWS facts that deployments are made with: container images, model packages, instance types, prices.",
        ),
        LazyCommand("pipeline", "The rollout over several accounts: environments/pipeline.yaml."),
    )
}


class _Commands(TyperGroup):
    """Loads a command when it is run. Turns our errors into one paragraph on stderr and an exit code.

    Any other error is a bug, and shows itself.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in COMMANDS.values():
            self.add_command(command.listed())

    def get_params(self, ctx: Any) -> Any:
        """Return the options that stand before any command, `--help` among them."""
        return _without_type(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name, the loaded command and its arguments. Completion comes here too."""
        name, command, rest = super().resolve_command(ctx, args)
        if not name:
            return name, command, rest
        loaded = COMMANDS[name].load()
        for one in (loaded, *getattr(loaded, "commands", {}).values()):
            _without_type(one.get_params(ctx))
        return name, loaded, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SdxlError as exc:
            say(f"error: {exc}", style="red")
            raise typer.Exit(exc.exit_code) from exc
        except OSError as exc:
            # A file that a command was given, or its disk. Others are bugs.
            if exc.filename is None:
                raise
            say(f"error: {exc.filename}: {exc.strerror}.", style="red")
            raise typer.Exit(SdxlError.exit_code) from exc
        except KeyboardInterrupt as exc:
            say("Interrupted.")
            raise typer.Exit(EXIT_INTERRUPTED) from exc


def _without_type(parameters: Any) -> Any:
    """Leave the type of flags out of the help: nobody writes `--json true`. `--help` is made with its command."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


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
