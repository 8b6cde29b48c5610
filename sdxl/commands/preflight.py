"""`sdxl preflight`: what would make a deployment fail, before it is tried."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from sdxl.commands import completion
from sdxl.console import Progress, print_result, print_table, print_wrapped, results, say
from sdxl.deployment.aws import load_named_environment, make_session
from sdxl.diff.assemblies import read_assembly, synthesize
from sdxl.diff.between_stacks import Stacks
from sdxl.preflight import Account, Finding
from sdxl.preflight import preflight as check
from sdxl.project import ENVIRONMENTS, ROOT
from stacks.environment import Environment

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "magenta"}


def preflight(
    *,
    env: Annotated[
        str, typer.Option("--env", help="Environment, a file in environments/.", autocompletion=completion.environments)
    ] = "dev",
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the files are.", show_default="environments/")
    ] = ENVIRONMENTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for pipelines.")] = False,
    every_row: Annotated[
        bool, typer.Option("--all", help="Show what was found where all is well too, on a terminal.")
    ] = False,
    request_quota: Annotated[
        bool,
        typer.Option(
            "--request-quota", help="Ask AWS for more of the quotas that are short. The one thing that is written."
        ),
    ] = False,
    role_arn: Annotated[
        str | None,
        typer.Option(
            help="Role of the account to assume and look with, such as the CDK's lookup role.", show_default=False
        ),
    ] = None,
) -> None:
    """Check an AWS account before deploying to it: credentials, CDK bootstrap, quotas, model, names, roles.

    Only reads. Each line is ok, warning, failed or unknown (a permission or an answer is missing), with what to do.
    Exit code 1 when anything failed; warnings and unknown do not count.

      sdxl preflight --env prod

      sdxl preflight --env prod --json
    """
    environment = load_named_environment(env, directory)
    account = Account(environment, make_session(environment, role_arn))
    with ExitStack() as stack, Progress(f"Looking at account {environment.account}, {environment.region}") as progress:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sdxl-preflight-")))

        def templates() -> Stacks:
            assembly = synthesize(ROOT, folder, name=env, environments=directory.resolve(), only=environment.name)
            return read_assembly(assembly)[environment.name]

        findings = []
        for finding in check(account, templates=templates, request_quota=request_quota):
            progress.show(finding.name)
            findings.append(finding)
    failed = sum(finding.status == "failed" for finding in findings)
    if as_json:
        print_result(json.dumps(_content(environment, findings), indent=2, default=str))
    else:
        _print_findings(findings, every_row=every_row)
    counts = [f"{_count(findings, status)} {status}" for status in _STYLES if _count(findings, status)]
    say(f"{', '.join(counts)}.", style="red" if failed else "")
    if failed:
        raise typer.Exit(1)


def _count(findings: Sequence[Finding], status: str) -> int:
    return sum(finding.status == status for finding in findings)


def _content(environment: Environment, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "ok": not _count(findings, "failed"),
        "environment": environment.name,
        "account": environment.account,
        "region": environment.region,
        "counts": {status: _count(findings, status) for status in _STYLES},
        "findings": [finding.to_json() for finding in findings],
    }


def _print_findings(findings: Sequence[Finding], *, every_row: bool) -> None:
    """Print every finding in a pipe. A terminal gets the findings that need attention, and the names of the others."""
    head = ("status", "check", "found")
    if not results().is_terminal:
        rows = [(item.status, item.name, item.found, item.remedy or "-") for item in findings]
        print_table((*head, "what to do"), rows)
        return
    shown = findings if every_row else [item for item in findings if item.status != "ok"]
    if shown:
        print_table(
            head,
            [(item.status, item.name, item.found) for item in shown],
            styles=[_STYLES[item.status] for item in shown],
            notes=[f"→ {item.remedy}" if item.remedy else "" for item in shown],
        )
    fine = dict.fromkeys(item.name for item in findings if item.status == "ok")
    if fine and not every_row:
        print_wrapped(f"ok: {', '.join(fine)}", style=_STYLES["ok"])
        say("What was found there: --all.")
