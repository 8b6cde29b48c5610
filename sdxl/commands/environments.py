"""`sdxl environments`: checks environment files, and keeps their JSON schema and documentation in step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sdxl.checks.templates import Base, CheckResult, check_templates
from sdxl.console import Progress, print_result, say
from sdxl.deployment.aws import load_named_environment
from sdxl.deployment.destroy import destroy_environment
from sdxl.errors import SdxlError, UsageError
from sdxl.project import ENVIRONMENTS, ROOT
from stacks.environment import (
    Environment,
    EnvironmentFileError,
    environment_paths,
    environment_warnings,
    find_environment,
    load_environment,
)
from stacks.environment.schema import SCHEMA_FILE_NAME, schema_text, settings_table
from tools.marked_section import replace_section

app = typer.Typer(help="Environment files: one file, one AWS account and region.", no_args_is_help=True)

DOCUMENTATION = ROOT / "docs" / "configuration.md"
TABLE_BEGIN = "<!-- settings: begin (made by `sdxl environments docs --write`) -->"
TABLE_END = "<!-- settings: end -->"


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Environments; default: all.")] = None,
    *,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the files are.", show_default="environments/")
    ] = ENVIRONMENTS,
    synth: Annotated[
        bool, typer.Option("--synth", help="Also check the templates: synthesis, cfn-lint in the region, cdk-nag, IAM.")
    ] = False,
    diff_from: Annotated[
        str | None,
        typer.Option("--diff-from", metavar="REV", help="Also refuse what `sdxl diff --from REV` would refuse."),
    ] = None,
    allow_replacement: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-replacement", metavar="ID|TYPE|all", help="As in `sdxl diff`, with --diff-from; may be repeated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Check environment files: every error with its line, the value, what is allowed and what to do.

    With --synth the templates are checked too, which is what a pipeline runs before it deploys. Needs no AWS account.
    Exit code 1 when any file has an error, or a check has a finding. Models of Bedrock that are about to end are
    warnings.

      sdxl environments check

      sdxl environments check prod --json

      sdxl environments check --synth --diff-from origin/main
    """
    if (diff_from or allow_replacement) and not synth:
        raise UsageError("--diff-from and --allow-replacement compare templates: add --synth.")
    if allow_replacement and not diff_from:
        raise UsageError("--allow-replacement allows what a comparison refuses: add --diff-from REV.")
    outcomes: list[dict[str, Any]] = []
    environments: list[Environment] = []
    try:
        paths = environment_paths(directory)
    except EnvironmentFileError as exc:
        outcomes.append(_failed(str(directory), exc))
    else:
        for name in names or [path.stem for path in paths]:
            path = directory / f"{name}.yaml"
            try:
                environment = load_environment(path) if path in paths else find_environment(directory, name)
            except EnvironmentFileError as exc:
                outcomes.append(_failed(str(path), exc))
                continue
            environments.append(environment)
            summary = f"{environment.model.source} in {environment.account}/{environment.region}"
            model = [environment.model.model_id] if environment.model.source == "bedrock" else []
            warnings = environment_warnings(environment)
            text = f"{path}: ok ({', '.join((summary, *model, *environment.instance_types))})"
            outcomes.append(
                {
                    "file": str(path),
                    "ok": True,
                    "environment": environment.name,
                    "account": environment.account,
                    "region": environment.region,
                    "source": environment.model.source,
                    "instance_types": list(environment.instance_types),
                    "errors": [],
                    "warnings": list(warnings),
                    "text": "\n".join((text, *(f"{path}: warning: {warning}" for warning in warnings))),
                }
            )
    results: list[CheckResult] | None = None
    if synth:
        results = []
        if all(outcome["ok"] for outcome in outcomes):
            base = Base(revision=diff_from, allow_replacement=tuple(allow_replacement or ())) if diff_from else None
            with Progress("Checking the templates"):
                results = check_templates(directory, environments, base)
        else:
            say("The templates are checked once every file is right.")
    _report(outcomes, results, as_json=as_json)


@app.command()
def schema(*, write: Annotated[bool, typer.Option("--write", help="Write environments/schema.json.")] = False) -> None:
    """Print the JSON schema of environment files, which editors complete and check with."""
    _print_or_write(schema_text(), ENVIRONMENTS / SCHEMA_FILE_NAME if write else None)


@app.command()
def docs(*, write: Annotated[bool, typer.Option("--write", help="Renew docs/configuration.md.")] = False) -> None:
    """Print the table of all settings in Markdown."""
    if not write:
        _print_or_write(settings_table(), None)
        return
    try:
        page = replace_section(DOCUMENTATION.read_text(encoding="utf-8"), TABLE_BEGIN, TABLE_END, settings_table())
    except (OSError, ValueError) as exc:
        raise SdxlError(f"{DOCUMENTATION} cannot be renewed: {exc}. Restore the file from version control.") from exc
    _print_or_write(page, DOCUMENTATION)


@app.command()
def destroy(
    name: Annotated[str, typer.Argument(help="The environment.")],
    *,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the files are.", show_default="environments/")
    ] = ENVIRONMENTS,
    assembly: Annotated[
        Path | None,
        typer.Option(help="Synthesized app (cdk.out). Default: it is synthesized now.", show_default=False),
    ] = None,
    confirm: Annotated[
        str, typer.Option(help="The environment's name, in place of the question.", show_default=False)
    ] = "",
) -> None:
    """Delete an environment with all its images and logs, where `storage.on_destroy` is `delete`. Nothing comes back.

    sdxl environments destroy review-17
    """
    environment = load_named_environment(name, directory)
    if environment.storage.on_destroy != "delete":
        raise UsageError(
            f"storage.on_destroy of {name!r} is keep: images, access log and key are to outlive it. Set it to delete "
            f"and deploy that first, or delete all but these with `cdk destroy 'sdxl-{name}/*'`."
        )
    typed = confirm or typer.prompt(
        f"This deletes {name} in account {environment.account}, {environment.region}, with every image. Type its name"
    )
    if typed != name:
        raise UsageError(f"The name is {name!r}, not {typed!r}: nothing was deleted.")
    destroy_environment(environment, directory=directory, assembly=assembly, show=say)


def _failed(file: str, error: EnvironmentFileError) -> dict[str, Any]:
    errors = [
        {
            "file": str(problem.file),
            "line": problem.line,
            "field": problem.field,
            "message": problem.text,
            "allowed": problem.allowed,
            "remedy": problem.remedy,
        }
        for problem in error.problems
    ]
    return {"file": file, "ok": False, "errors": errors, "warnings": [], "text": str(error)}


def _report(outcomes: list[dict[str, Any]], results: list[CheckResult] | None, *, as_json: bool) -> None:
    """Print everything. What is right goes to stdout, what is wrong to stderr. `results` is None without --synth."""
    failed = [outcome for outcome in outcomes if not outcome["ok"]]
    findings = sum(len(result.findings) for result in results or ())
    if as_json:
        files = [{key: value for key, value in outcome.items() if key != "text"} for outcome in outcomes]
        checks = {} if results is None else {"checks": [result.to_json() for result in results]}
        print_result(json.dumps({"ok": not failed and not findings, "files": files, **checks}, indent=2))
    else:
        for outcome in outcomes:
            if outcome["ok"]:
                print_result(outcome["text"])
            else:
                say(outcome["text"])
        for result in results or ():
            for line in result.lines():
                say(line) if result.findings else print_result(line)
    if failed:
        count = sum(len(outcome["errors"]) for outcome in failed)
        say(f"{count} {'error' if count == 1 else 'errors'}.", style="red")
    if findings:
        say(f"{findings} {'finding' if findings == 1 else 'findings'} in the templates.", style="red")
    if failed or findings:
        raise typer.Exit(1)


def _print_or_write(text: str, path: Path | None) -> None:
    if path is None:
        print_result(text.removesuffix("\n"))
        return
    unchanged = path.is_file() and path.read_text(encoding="utf-8") == text
    path.write_text(text, encoding="utf-8")
    say(f"{path}: {'unchanged' if unchanged else 'written'}")
