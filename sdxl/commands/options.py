"""The options that say which deployment a command calls, the same for every command that calls one."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from sdxl.commands import completion
from sdxl.deployment.choose import Target

PANEL = "Where to"

Environment = Annotated[
    str | None,
    typer.Option(
        "--env",
        help="Environment, a file in environments/. Default: the one on this machine, otherwise dev.",
        show_default=False,
        rich_help_panel=PANEL,
        autocompletion=completion.environments,
    ),
]
Local = Annotated[
    bool | None,
    typer.Option(
        "--local/--aws",
        help="Call only this machine's deployment, or only the one on AWS.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
Url = Annotated[
    str | None,
    typer.Option(help="Address of any deployment. Also read from SDXL_API_URL.", rich_help_panel=PANEL),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        help="Key for --url. Also read from SDXL_API_KEY, which no process list shows.", rich_help_panel=PANEL
    ),
]

PLACES: dict[bool | None, Literal["local", "aws"] | None] = {True: "local", False: "aws", None: None}


def target(environment: str | None, local: bool | None, url: str | None, api_key: str | None) -> Target:
    """Return what these options say together."""
    return Target(environment=environment, place=PLACES[local], url=url, api_key=api_key)
