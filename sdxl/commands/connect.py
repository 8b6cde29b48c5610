"""`sdxl connect`: a deployment's address and key, in the form that a shell, a script, curl or a browser takes."""

from __future__ import annotations

import json
import shlex
from typing import Annotated

import httpx2
import typer

from sdxl.commands import options
from sdxl.console import print_result, say
from sdxl.deployment.choose import KEY_VARIABLE, URL_VARIABLE, Target, choose_deployment
from sdxl.deployment.record import Deployment, page_link
from sdxl.errors import SdxlError, UsageError

FORMAT = "Format"
_PAGE_SECONDS = 10


def connect(  # noqa: PLR0917 - typer reads the parameters as options, never as positions
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
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            help="Print the link to the page for creators. Whoever has it can make images.",
            rich_help_panel=FORMAT,
        ),
    ] = False,
) -> None:
    """Print a deployment's address and API key, or the link to its page for creators: on stdout only.

    Looks where `sdxl generate` looks: on this machine, otherwise in the environment's AWS account.

      eval "$(sdxl connect --env dev --export)"

      sdxl connect --env prod --aws --json | jq -r .api_url

      sdxl connect --env prod --page
    """
    if sum((export, as_json, curl, page)) > 1:
        raise UsageError("--export, --json, --curl and --page are four formats: give one of them.")
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
    elif page:
        _check_page(deployment)
        print_result(page_link(deployment))
    else:
        print_result(f"Address  {deployment.api_url}")
        print_result(f"API key  {deployment.api_key}")


def _check_page(deployment: Deployment) -> None:
    """Raise SdxlError where the deployment serves no page."""
    try:
        answer = httpx2.get(f"{deployment.api_url}/console/access.json", timeout=_PAGE_SECONDS)
    except httpx2.HTTPError as exc:
        raise SdxlError(f"{deployment.api_url} does not answer: {exc}") from exc
    if answer.status_code != 200:
        raise SdxlError(
            f"{deployment.api_url} serves no page for creators: its environment turned off console.enabled."
        )
