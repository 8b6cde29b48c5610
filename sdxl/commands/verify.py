"""`sdxl verify`: what documentation alone has settled so far, looked at in a deployed environment."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from sdxl.commands import completion, options
from sdxl.console import Progress, print_result, print_table, print_wrapped, results, say
from sdxl.deployment.aws import find_api, find_aws_deployment, load_named_environment, make_session
from sdxl.deployment.record import read_local_target
from sdxl.errors import NotDeployedError
from sdxl.local import cdk, emulator
from sdxl.verify.checks import run
from sdxl.verify.deployed import Check, Deployed, Observation

_OUTCOMES = ("seen", "failed", "unknown", "not here")


def verify(
    *,
    env: Annotated[
        str,
        typer.Option("--env", help="Environment, a file in environments/.", autocompletion=completion.environments),
    ],
    local: options.Local = None,
    role_arn: Annotated[
        str | None,
        typer.Option(help="Role of the environment's account to assume and look with.", show_default=False),
    ] = None,
    every_row: Annotated[
        bool, typer.Option("--all", help="Show what is not in this environment on a terminal too, as in a pipe.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Look at a deployed environment for what was never seen on AWS: docs/not-run-on-aws.md names the points.

    Prints for each point what it saw. Calls of AWS only read; the API makes a few images, which cost as images do.
    In the emulator the same command says that it is one: that proves the command, and nothing about AWS.
    Exit code 1 when a point is not as documented.

      sdxl verify --env dev

      sdxl verify --env prod --aws --json > verified.json
    """
    environment = load_named_environment(env)
    running, target = emulator.find_running(), read_local_target()
    is_here = running is not None and target is not None and target.environment == env
    if local and not is_here:
        raise NotDeployedError(
            f"Environment {env!r} does not run on this machine. `sdxl local up --env {env}` starts it."
        )
    if local is not False and is_here and running is not None and target is not None:
        cdk.point_this_process_at(running, target)
    is_emulator = bool(os.environ.get("AWS_ENDPOINT_URL"))
    session = make_session(environment, role_arn)
    takes_keys = environment.api.auth.mode == "api_key"
    deployment = find_aws_deployment(environment, session) if takes_keys else find_api(environment, session)
    place = (
        "the emulator on this machine: it shows how the emulator was written, not how AWS behaves"
        if is_emulator
        else "AWS"
    )
    say(
        f"Looking at {env} in account {environment.account}, {environment.region}, in {place}.",
        "yellow" if is_emulator else "",
    )
    observations = []
    with Progress("Looking") as progress:
        for check, observation in run(Deployed(environment, session, deployment)):
            progress.show(check.name)
            observations.append((check, observation))
    if as_json:
        content = {
            "emulator": is_emulator,
            "environment": env,
            "account": environment.account,
            "region": environment.region,
            "checks": [
                {"name": check.name, "question": check.question, "outcome": seen.outcome, "saw": seen.saw}
                for check, seen in observations
            ],
        }
        print_result(json.dumps(content, indent=2))
    else:
        _print_observations(observations, every_row=every_row)
    _count([seen for _, seen in observations], is_emulator=is_emulator)
    if any(seen.outcome == "failed" for _, seen in observations):
        raise typer.Exit(1)


def _print_observations(observations: Sequence[tuple[Check, Observation]], *, every_row: bool) -> None:
    """Print every point in a pipe. A terminal gets those that the environment has, and the names of the others."""
    hides = results().is_terminal and not every_row
    print_table(
        ("check", "outcome", "question", "saw"),
        [
            (check.name, seen.outcome, check.question, seen.saw)
            for check, seen in observations
            if not hides or seen.outcome != "not here"
        ],
    )
    if hides and (others := [check.name for check, seen in observations if seen.outcome == "not here"]):
        print_wrapped(f"not here: {', '.join(others)}")
        say("Why they are not here: --all.")


def _count(observations: list[Observation], *, is_emulator: bool) -> None:
    counts = {outcome: sum(one.outcome == outcome for one in observations) for outcome in _OUTCOMES}
    where = " In the emulator: nothing here was seen on AWS." if is_emulator else ""
    say(f"{', '.join(f'{count} {outcome}' for outcome, count in counts.items() if count)}.{where}")
