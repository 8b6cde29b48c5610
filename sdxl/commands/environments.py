"""`sdxl environments`: checks environment files, and keeps their JSON schema and documentation in step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sdxl.console import print_result, say
from sdxl.deployment.aws import load_named_environment
from sdxl.deployment.destroy import destroy_environment
from sdxl.errors import SdxlError, UsageError
from sdxl.project import ENVIRONMENTS, ROOT
from stacks.environment import (
    EnvironmentFileError,
    environment_paths,
    environment_warnings,
    find_environment,
    load_environment,
)
from stacks.environment.documentation import settings_table, with_table
from stacks.environment.schema import SCHEMA_FILE_NAME, schema_text

app = typer.Typer(help="Environment files: one file, one AWS account and region.", no_args_is_help=True)

DOCUMENTATION = ROOT / "docs" / "configuration.md"


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Environments; default: all.")] = None,
    *,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the files are.", show_default="environments/")
    ] = ENVIRONMENTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Check environment files: every error with its line, the value, what is allowed and what to do.

    Exit code 1 when any file has an error. Models of Bedrock that are about to end are warnings.

      sdxl environments check

      sdxl environments check prod --json
    """
    outcomes: list[dict[str, Any]] = []
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
    _report(outcomes, as_json=as_json)


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
        page = with_table(DOCUMENTATION.read_text(encoding="utf-8"))
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


def _report(outcomes: list[dict[str, Any]], *, as_json: bool) -> None:
    failed = [outcome for outcome in outcomes if not outcome["ok"]]
    if as_json:
        files = [{key: value for key, value in outcome.items() if key != "text"} for outcome in outcomes]
        print_result(json.dumps({"ok": not failed, "files": files}, indent=2))
    else:
        for outcome in outcomes:
            if outcome["ok"]:
                print_result(outcome["text"])
            else:
                say(outcome["text"])
    if failed:
        count = sum(len(outcome["errors"]) for outcome in failed)
        say(f"{count} {'error' if count == 1 else 'errors'}.", style="red")
        raise typer.Exit(1)


def _print_or_write(text: str, path: Path | None) -> None:
    if path is None:
        print_result(text.removesuffix("\n"))
        return
    unchanged = path.is_file() and path.read_text(encoding="utf-8") == text
    path.write_text(text, encoding="utf-8")
    say(f"{path}: {'unchanged' if unchanged else 'written'}")
