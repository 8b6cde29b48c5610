"""`sdxl environments`: makes, lists and checks environment files, and keeps their JSON schema and table in step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sdxl.checks.templates import Base, CheckResult, check_templates
from sdxl.commands import completion
from sdxl.console import Progress, print_result, print_table, print_wrapped, say
from sdxl.deployment.aws import load_named_environment
from sdxl.deployment.destroy import destroy_environment
from sdxl.errors import SdxlError, UsageError
from sdxl.new_files import DOCUMENTATION_ACCOUNTS, environment_text
from sdxl.project import ENVIRONMENTS, ROOT, write_text
from stacks.environment import (
    Environment,
    EnvironmentFileError,
    Organization,
    environment_paths,
    environment_warnings,
    find_environment,
    load_environment,
    load_organization,
)
from stacks.environment.schema import SCHEMA_FILE_NAME, schema_text, settings_table
from tools.marked_section import replace_section

app = typer.Typer(help="Environment files: one file, one AWS account and region.", no_args_is_help=True)

DOCUMENTATION = ROOT / "docs" / "configuration.md"
TABLE_BEGIN = "<!-- settings: begin (made by `sdxl environments docs --write`) -->"
TABLE_END = "<!-- settings: end -->"


Directory = Annotated[Path, typer.Option("--dir", help="Where the files are.", show_default="environments/")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the environment, and of its file.")],
    *,
    account: Annotated[str, typer.Option(help="AWS account: 12 digits.")],
    region: Annotated[str, typer.Option(help="AWS region.", autocompletion=completion.regions)],
    source: Annotated[
        str,
        typer.Option(help="Model source: open, optimized or bedrock.", autocompletion=completion.sources),
    ] = "open",
    model_id: Annotated[
        str | None,
        typer.Option(
            help="Model of Bedrock. Default: the first active one of the region that draws from text.",
            show_default=False,
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Tag; may be repeated. organization.yaml may require some."),
    ] = None,
    directory: Directory = ENVIRONMENTS,
    write: Annotated[bool, typer.Option("--write", help="Write environments/NAME.yaml; it must not exist.")] = False,
) -> None:
    """Print a new environment file: the few settings that are required, with comments. It passes the check.

    sdxl environments new dev2 --account 210987654321 --region eu-west-1 --source open --write
    """
    text = environment_text(
        name=name,
        account=account,
        region=region,
        source=source,
        model_id=model_id,
        tags=dict(_tag(one) for one in tag or ()),
        directory=directory,
    )
    if account in DOCUMENTATION_ACCOUNTS:
        say(_documentation_account(account), style="yellow")
    if not write:
        print_result(text.removesuffix("\n"))
        return
    path = directory / f"{name}.yaml"
    write_new(path, text)
    say(f"{path}: written. Next: sdxl preflight --env {name}")


@app.command("list")
def list_environments(
    *,
    directory: Directory = ENVIRONMENTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """List the environments: account, region, model source and instance types. Exit code 1 when a file is wrong."""
    try:
        environment_paths(directory)
    except EnvironmentFileError as exc:
        raise UsageError(str(exc)) from exc
    outcomes, _ = _checked(directory, None)
    if as_json:
        shown = ("environment", "account", "region", "source", "instance_types")
        rows = [{key: outcome[key] for key in shown} for outcome in outcomes if outcome["ok"]]
        failed = [outcome["file"] for outcome in outcomes if not outcome["ok"]]
        print_result(json.dumps({"environments": rows, "files_with_errors": failed}, indent=2))
    else:
        print_table(
            ("environment", "account", "region", "model source", "instance types"),
            [
                (
                    outcome["environment"],
                    outcome["account"],
                    outcome["region"],
                    outcome["source"],
                    ", ".join(outcome["instance_types"]) or "-",
                )
                for outcome in outcomes
                if outcome["ok"]
            ],
        )
    if failed := [outcome["file"] for outcome in outcomes if not outcome["ok"]]:
        raise SdxlError(f"These files have errors: {', '.join(failed)}. `sdxl environments check` shows them.")


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Environments; default: all.", autocompletion=completion.environments),
    ] = None,
    *,
    directory: Directory = ENVIRONMENTS,
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
    Exit code 1 when any file has an error, or a check has a finding. Models of Bedrock that are about to end, and
    account numbers of AWS's documentation, are warnings.

      sdxl environments check

      sdxl environments check prod --json

      sdxl environments check --synth --diff-from origin/main
    """
    if (diff_from or allow_replacement) and not synth:
        raise UsageError("--diff-from and --allow-replacement compare templates: add --synth.")
    if allow_replacement and not diff_from:
        raise UsageError("--allow-replacement allows what a comparison refuses: add --diff-from REV.")
    outcomes, environments = _checked(directory, names)
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
    name: Annotated[str, typer.Argument(help="The environment.", autocompletion=completion.environments)],
    *,
    directory: Directory = ENVIRONMENTS,
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


def write_new(path: Path, text: str) -> None:
    """Write a file that must not exist. Raises UsageError where it does, or where its folder is not there."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as exc:
        raise UsageError(f"{path} exists already and was not changed. Edit it, or choose another name.") from exc
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}.") from exc


def _tag(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise UsageError(f"--tag {text!r} is not KEY=VALUE, as in --tag cost-center=4711.")
    return key, value


def _checked(directory: Path, names: list[str] | None) -> tuple[list[dict[str, Any]], list[Environment]]:
    """Return what was found for each file, the organization's once and first if it is wrong, and what could be read."""
    outcomes: list[dict[str, Any]] = []
    environments: list[Environment] = []
    try:
        paths = environment_paths(directory)
    except EnvironmentFileError as exc:
        return [_failed(str(directory), exc)], []
    organization = Organization()
    try:
        organization = load_organization(directory)
    except EnvironmentFileError as exc:
        outcomes.append(_failed(str(exc.problems[0].file), exc))
    for name in names or [path.stem for path in paths]:
        path = directory / f"{name}.yaml"
        try:
            environment = load_environment(path, organization) if path in paths else find_environment(directory, name)
        except EnvironmentFileError as exc:
            outcomes.append(_failed(str(path), exc))
            continue
        environments.append(environment)
        outcomes.append(_right(path, environment))
    return outcomes, environments


def _right(path: Path, environment: Environment) -> dict[str, Any]:
    summary = f"{environment.model.source} in {environment.account}/{environment.region}"
    model = [environment.model.model_id] if environment.model.source == "bedrock" else []
    warnings = [*environment_warnings(environment)]
    if environment.account in DOCUMENTATION_ACCOUNTS:
        warnings.append(_documentation_account(environment.account))
    text = f"{path}: ok ({', '.join((summary, *model, *environment.instance_types))})"
    return {
        "file": str(path),
        "ok": True,
        "environment": environment.name,
        "account": environment.account,
        "region": environment.region,
        "source": environment.model.source,
        "instance_types": list(environment.instance_types),
        "errors": [],
        "warnings": warnings,
        "text": "\n".join((text, *(f"{path}: warning: {warning}" for warning in warnings))),
    }


def _documentation_account(account: str) -> str:
    return f"account {account} is of AWS's documentation, and nobody's: put your own in its place before you deploy"


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
                for line in outcome["text"].split("\n"):
                    print_wrapped(line)
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
    write_text(path, text)
    say(f"{path}: {'unchanged' if unchanged else 'written'}")
