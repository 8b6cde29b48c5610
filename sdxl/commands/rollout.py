"""`sdxl rollout`: deploys the environments ring by ring."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sdxl.commands import completion
from sdxl.commands.pipeline_file import Directory, load_pipeline_of
from sdxl.console import print_result, say
from sdxl.deployment.cdk import synthesize
from sdxl.errors import EXIT_INTERRUPTED, UsageError
from sdxl.project import ENVIRONMENTS, write_json
from sdxl.rollout.runner import Rollout
from sdxl.rollout.steps import ASSEMBLY, FOLDER, AwsSteps
from stacks.environment.pipeline import Ring


def rollout(
    *,
    ring: Annotated[
        str | None,
        typer.Option(help="Only this ring.", show_default=False, autocompletion=completion.rings),
    ] = None,
    from_ring: Annotated[
        str | None,
        typer.Option(help="This ring and all after it.", show_default=False, autocompletion=completion.rings),
    ] = None,
    directory: Directory = ENVIRONMENTS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Enter rings with `approval: manual` unasked.")] = False,
    assembly: Annotated[
        Path | None,
        typer.Option(help="Synthesized app (cdk.out) to deploy. Default: it is synthesized now.", show_default=False),
    ] = None,
    role_arn_template: Annotated[
        str | None,
        typer.Option(
            help="Role that reads each account; {account}, {region}, {environment} are filled in. Default: the "
            "credentials' own account is read as it is, others with the CDK's lookup role.",
            show_default=False,
        ),
    ] = None,
    skip_preflight: Annotated[bool, typer.Option("--skip-preflight", help="Deploy without looking first.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until a deployment is healthy.")] = 900,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for a summary in JSON, written in the end.", show_default=False)
    ] = None,
) -> None:
    """Deploy the environments of pipeline.yaml in the order of its rings: preflight, cdk deploy, smoke test.

    One environment at a time. The first failure stops the rollout; the same command again goes on where it stopped.

      sdxl rollout --dry-run

      sdxl rollout --ring dev

      sdxl rollout --from-ring prod --yes --json rollout.json
    """
    pipeline, environments = load_pipeline_of(directory)
    run = Rollout(pipeline, environments, ring=ring, from_ring=from_ring)
    if dry_run:
        _print_plan(run)
        return
    _check_approvals(run, yes)
    if json_file is not None:
        _check_writable(json_file)
    if assembly is not None and not (assembly / "manifest.json").is_file():
        raise UsageError(f"--assembly {assembly} holds no synthesized app: it has no manifest.json.")
    if assembly is None:
        say("Synthesizing once, for all rings")
        assembly = synthesize(directory, ASSEMBLY, log_file=FOLDER / "synth.log")
    steps = AwsSteps(
        assembly=assembly,
        show=lambda text: say(f"  {text}"),
        role_arn_template=role_arn_template,
        preflight_enabled=not skip_preflight,
        wait_seconds=wait,
    )
    try:
        run.run(steps, enter=lambda entered: _approve(entered, yes), show=say)
    except KeyboardInterrupt as exc:
        _report(run, json_file)
        raise typer.Exit(EXIT_INTERRUPTED) from exc
    _report(run, json_file)
    if not run.is_done:
        raise typer.Exit(1)


def _print_plan(run: Rollout) -> None:
    for step in run.steps:
        environment, ring = step.environment, step.ring
        approval = ", after approval" if ring.approval == "manual" else ""
        print_result(
            f"{ring.name}: {environment.name} to {environment.account}, {environment.region}: preflight, deploy, "
            f"smoke test {ring.smoke_test}{approval}"
        )


def _check_approvals(run: Rollout, yes: bool) -> None:
    """Found out before anything is deployed, not hours later."""
    manual = [ring.name for ring in run.rings if ring.approval == "manual"]
    if manual and not yes and not sys.stdin.isatty():
        raise UsageError(
            f"The ring {manual[0]} has approval: manual, and nobody is there to ask. Run it with --yes once somebody "
            "has approved, or choose other rings with --ring."
        )


def _check_writable(path: Path) -> None:
    """Raise UsageError, before anything is deployed, where the summary could not be written in the end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"--json {path} cannot be written: {exc.strerror}. Choose another file.") from exc
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"--json {path} cannot be written: choose a file in a folder that you can write to.")


def _approve(ring: Ring, yes: bool) -> None:
    if ring.approval == "manual" and not yes:
        typer.confirm(f"Deploy ring {ring.name} ({', '.join(ring.environments)})?", abort=True)


def _report(run: Rollout, json_file: Path | None) -> None:
    for line in run.summary():
        print_result(line)
    for outcome in run.outcomes:
        if outcome.state == "failed":
            say(f"error: {outcome.message}", style="red")
    if resume := run.how_to_resume():
        say(resume)
    if json_file is not None:
        content = {"ok": run.is_done, "environments": [outcome.to_json() for outcome in run.outcomes]}
        write_json(json_file, json.loads(json.dumps({**content, "resume": resume})))
