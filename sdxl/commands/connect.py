"""`sdxl connect`: a deployment's address and key, in the form that a shell, a script or curl takes."""

from __future__ import annotations

import json
import shlex
from typing import Annotated

import typer

from sdxl.commands import options
from sdxl.console import print_result, say
from sdxl.deployment.choose import KEY_VARIABLE, URL_VARIABLE, Target, choose_deployment
from sdxl.errors import UsageError

FORMAT = "Format"


def connect(
    env: options.Environment = None,
    local: options.Local = None,
    export: Annotated[
        bool,
        typer.Option("--export", help='Print lines for eval "$(...)" or for a .env file.', rich_help_panel=FORMAT),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel=FORMAT)] = False,
    curl: Annotated[
        bool, typer.Option("--curl", help="Print a curl line that generates an image.", rich_help_panel=FORMAT)
    ] = False,
) -> None:
    """Print a deployment's address and API key: on stdout and nowhere else.

    Looks where `sdxl generate` looks: on this machine, otherwise in the environment's AWS account.

      eval "$(sdxl connect --env dev --export)"

      sdxl connect --env prod --aws --json | jq -r .api_url
    """
    if sum((export, as_json, curl)) > 1:
        raise UsageError("--export, --json and --curl are three formats: give one of them.")
    deployment = choose_deployment(Target(environment=env, place=options.PLACES[local]), note=say)
    say(f"Using {deployment.describe()}")
    say(
        "stdout has the API key. A shell's history keeps the commands that you type with a key in them, and a build's "
        f'log keeps what is printed: eval "$(sdxl connect --export)" sets {KEY_VARIABLE} without either.',
        style="yellow",
    )
    if as_json:
        print_result(
            json.dumps(
                {
                    "kind": deployment.kind,
                    "environment": deployment.environment,
                    "account": deployment.account,
                    "region": deployment.region,
                    "api_url": deployment.api_url,
                    "api_key": deployment.api_key,
                },
                indent=2,
            )
        )
    elif export:
        print_result(f"export {URL_VARIABLE}={shlex.quote(deployment.api_url)}")
        print_result(f"export {KEY_VARIABLE}={shlex.quote(deployment.api_key)}")
    elif curl:
        print_result(deployment.curl_line())
    else:
        print_result(f"Address  {deployment.api_url}")
        print_result(f"API key  {deployment.api_key}")
