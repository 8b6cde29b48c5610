"""`sdxl smoke-test`: whether a deployment makes images."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from sdxl.commands import completion, options
from sdxl.console import print_result, say
from sdxl.deployment.aws import find_api, find_aws_deployment, load_named_environment, make_session
from sdxl.deployment.choose import DEFAULT_ENVIRONMENT, Target, choose_deployment
from sdxl.deployment.endpoint import check_configuration
from sdxl.deployment.record import Deployment
from sdxl.deployment.smoke_test import smoke_test as test
from sdxl.errors import UsageError


def smoke_test(
    *,
    env: Annotated[
        str | None,
        typer.Option(
            help="Environment, a file in environments/. Default: dev.",
            autocompletion=completion.environments,
            show_default=False,
            rich_help_panel=options.PANEL,
        ),
    ] = None,
    role_arn: Annotated[
        str | None,
        typer.Option(
            help="Role of the environment's account that can read the API's address and key: the CDK's lookup role.",
            show_default=False,
            rich_help_panel=options.PANEL,
        ),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Test the deployment on this machine.", rich_help_panel=options.PANEL)
    ] = False,
    check: Annotated[
        str,
        typer.Option(
            help="image, health, or auto: image where the API takes keys, else health. The output says which."
        ),
    ] = "auto",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until the deployment is healthy.")] = 900,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for pipelines.")] = False,
) -> None:
    """Wait until a deployment is healthy, generate an image with a fixed seed, and look whether it is one.

    In an AWS account it first compares what the endpoint serves with what its stack says: SageMaker may roll an update
    back without a word.

    Exit code 0 when it works. Every other says why, on stderr.

      sdxl smoke-test --env prod

      sdxl smoke-test --env prod --role-arn arn:aws:iam::777788889999:role/sdxl-reader --json
    """
    if check not in ("image", "health", "auto"):
        raise UsageError(f"--check is {check!r}. Use one of image, health, auto.")
    if role_arn is not None and local:
        raise UsageError("--role-arn is for an AWS account: leave out --local.")
    deployment, kind = _find(env, role_arn, local, check)
    say(f"Testing {deployment.describe()}")
    result = test(deployment, check=kind, note=say, wait_seconds=wait)
    if as_json:
        print_result(json.dumps({"ok": True, **result.to_json()}, indent=2))
    elif result.image_seconds is None:
        print_result(f"healthy after {result.health_seconds:.1f} s: {result.place}")
    else:
        print_result(f"an image of {result.image_bytes} bytes in {result.image_seconds:.1f} s: {result.place}")


def _find(
    env: str | None, role_arn: str | None, local: bool, check: str
) -> tuple[Deployment, Literal["image", "health"]]:
    if local:
        return choose_deployment(Target(environment=env, place="local"), note=say), (
            "health" if check == "health" else "image"
        )
    environment = load_named_environment(env or DEFAULT_ENVIRONMENT)
    session = make_session(environment, role_arn)
    mode = environment.api.auth.mode
    if check == "auto" and mode != "api_key":
        say(f"The API takes no API key (auth mode {mode}): only its health is tested, no image is made.", "yellow")
        check = "health"
    check_configuration(session, environment.name)
    if check == "health":
        return find_api(environment, session), "health"
    return find_aws_deployment(environment, session), "image"
