"""`sdxl local`: the whole deployment on this machine, in an emulator of AWS."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sdxl.commands import completion
from sdxl.console import print_result, print_table, print_wrapped, results, say
from sdxl.deployment.aws import load_named_environment
from sdxl.deployment.choose import DEFAULT_ENVIRONMENT
from sdxl.deployment.record import page_link, read_local_deployment, read_local_target
from sdxl.errors import NotDeployedError
from sdxl.local import cdk, emulator
from sdxl.local import permissions as seen
from sdxl.local import up as deployment_on_this_machine
from sdxl.local.up import down as stop_everything

app = typer.Typer(
    help="Run a deployment on this machine: the real stacks and functions, in an emulator of AWS, no account needed.",
    no_args_is_help=True,
)


@app.command()
def up(
    env: Annotated[
        str,
        typer.Option(
            "--env",
            help="Environment to deploy, a file in environments/.",
            autocompletion=completion.environments,
        ),
    ] = DEFAULT_ENVIRONMENT,
) -> None:
    """Start the emulator, deploy an environment to it with the CDK CLI, and generate a first image.

    Safe to repeat: what runs is kept, what changed is deployed. SDXL_LOCAL_PORT chooses another port than 4580.
    """
    environment = load_named_environment(env)
    deployment, image = deployment_on_this_machine.up(environment)
    lines = [
        f"Environment {deployment.environment} runs on this machine.",
        "",
        f"  Address   {deployment.api_url}",
        f"  API key   {deployment.api_key}",
        *([f"  Page      {page_link(deployment)}"] if environment.has_console else []),
        f"  Image     {image}  (drawn by the emulator's stand-in, not by a model)",
        '  Next      .venv/bin/sdxl generate "a red fox in snow"',
        f"  curl      {deployment.curl_line()}",
        f"  Logs      {_shown(emulator.LOG_FILE)}, {_shown(cdk.LOG_FILE)}",
        "  Stop      make down",
    ]
    for line in lines:
        print_result(line)


@app.command()
def down() -> None:
    """Stop the emulator. What was deployed to it goes with it; images in out/ stay. Safe when nothing runs."""
    say("Stopped." if stop_everything() else "Nothing was running.")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Report what runs on this machine. Exit code 0 if a deployment does, 5 if not."""
    running = emulator.find_running()
    deployment = read_local_deployment() if running else None
    target = read_local_target() if running else None
    place = {"account": target.account, "region": target.region} if target else {}
    if as_json:
        state = {
            "emulator": {"pid": running.pid, "aws_endpoint_url": running.aws_endpoint_url} if running else None,
            "deployment": {"environment": deployment.environment, "api_url": deployment.api_url, **place}
            if deployment
            else None,
        }
        print_result(json.dumps(state, indent=2))
    elif running and deployment:
        where = f"{target.place()}; " if target else ""
        print_wrapped(f"{deployment.describe()} ({where}emulator: process {running.pid})")
    if running is None:
        raise NotDeployedError("Nothing runs on this machine. `make up` starts it.")
    if deployment is None:
        raise NotDeployedError(
            f"The emulator runs (process {running.pid}), but nothing is deployed to it. `make up` deploys."
        )


@app.command("env")
def local_env(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object: name and value.")] = False,
) -> None:
    """Print variables that point `aws`, `npx cdk` and boto3 at the emulator, for the environment that runs in it.

    eval "$(sdxl local env)"
    """
    running, target = emulator.find_running(), read_local_target()
    if running is None or target is None:
        raise NotDeployedError("Nothing runs on this machine. `make up` starts it.")
    variables = cdk.shell_variables(running, target)
    if as_json:
        print_result(json.dumps(variables, indent=2))
        return
    for name in cdk.OTHER_CREDENTIALS:
        print_result(f"unset {name}")
    for name, value in variables.items():
        print_result(f"export {name}={shlex.quote(value)}")
    say(f"These point at {target.environment} in the emulator on this machine, {target.place()}, not at AWS.")


@app.command()
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come, until Ctrl-C.")] = False,
) -> None:
    """Show the emulator's log: its own messages and those of the functions."""
    if not emulator.LOG_FILE.is_file():
        raise NotDeployedError(f"There is no log at {emulator.LOG_FILE}. `make up` starts the emulator.")
    with emulator.LOG_FILE.open(errors="replace") as log:
        written = log.read().splitlines()
        for line in written[len(written) - min(lines, len(written)) :]:
            print_result(line)
        while follow:
            new = log.readline()
            if new:
                print_result(new.rstrip("\n"))
            else:
                time.sleep(0.2)


@app.command()
def permissions(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every resource.")] = False,
    every_row: Annotated[
        bool, typer.Option("--all", help="Show a line for each grant on a terminal too, as in a pipe.")
    ] = False,
) -> None:
    """Show what the functions' roles used, were refused, and hold without ever using it.

    What counts is what was called since the emulator started. Exit code 1 if anything was refused. A terminal gets a
    line for each role, each refusal, and the actions that nothing used.
    """
    running = emulator.find_running()
    if running is None:
        raise NotDeployedError("Nothing runs on this machine. `make up` starts it.")
    roles = seen.read(running)
    if as_json:
        print_result(json.dumps({"roles": roles}, indent=2))
    elif every_row or not results().is_terminal:
        print_table(seen.HEAD, list(seen.rows(roles)))
    else:
        _summarize(roles)
    if any(role["denied"] for role in roles):
        raise typer.Exit(1)


def _summarize(roles: Sequence[dict[str, Any]]) -> None:
    for name, used, unused, refused in seen.summary(roles):
        print_wrapped(f"{name}: {used} actions used, {unused} unused, {refused} calls refused")
    trouble = [row for row in seen.rows(roles) if row[1] in ("refused", "unreadable")]
    if trouble:
        print_result("")
        print_table(seen.HEAD, trouble)
    print_result("")
    print_result("Held and not used since the emulator started:")
    for name, actions in seen.unused_actions(roles).items():
        print_wrapped(f"{name}: {', '.join(actions)}", indent="  ")
    say("Each grant with its resource and statement: --all.")


def _shown(path: Path) -> str:
    """Return a path as short as it can be said from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
