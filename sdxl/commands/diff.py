"""`sdxl diff`: what a revision would do to the deployed environments, before it is merged."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from sdxl.commands import completion
from sdxl.console import Progress, print_result, print_wrapped, results, say
from sdxl.diff.assemblies import WORKING_TREE, Templates, checked_out, default_base, read_assembly, synthesize
from sdxl.diff.changes import changes_between
from sdxl.diff.cost_change import cost_changes
from sdxl.diff.permissions import permission_changes
from sdxl.diff.report import Report, headline, markdown, text_lines
from sdxl.diff.rules import allowed, refusals
from sdxl.errors import UsageError
from sdxl.project import ENVIRONMENTS, ROOT

# Wrapped at 80 columns, these are about 60.
LINES_ON_A_TERMINAL = 30


def diff(
    *,
    before: Annotated[
        str | None,
        typer.Option("--from", metavar="REV", help="Revision to compare with; default: where the branch left main."),
    ] = None,
    after: Annotated[
        str | None, typer.Option("--to", metavar="REV", help="Revision to look at; default: the working tree.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env", help="Environment; may be repeated. Default: all.", autocompletion=completion.environments
        ),
    ] = None,
    output: Annotated[Literal["text", "markdown", "json"], typer.Option("--format", help="How to print it.")] = "text",
    allow_replacement: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-replacement",
            metavar="ID|TYPE|all",
            help="Do not refuse the replacement or removal of this resource; may be repeated.",
        ),
    ] = None,
    fail_on_iam_widening: Annotated[
        bool, typer.Option("--fail-on-iam-widening", help="Exit with 1 if anything is granted that was not.")
    ] = False,
    every_line: Annotated[bool, typer.Option("--all", help="Show every line on a terminal too, as in a pipe.")] = False,
    from_assembly: Annotated[
        Path | None, typer.Option("--from-assembly", metavar="DIR", help="A synthesized app in place of --from.")
    ] = None,
    to_assembly: Annotated[
        Path | None, typer.Option("--to-assembly", metavar="DIR", help="A synthesized app in place of --to.")
    ] = None,
) -> None:
    """Compare two revisions: resources, replacements, permissions and cost. Needs no AWS account and no network.

    Refuses, with exit code 1, what would lose data or cut callers off, and what SageMaker would refuse.

      sdxl diff

      sdxl diff --from v1.4 --to HEAD --env prod --format markdown
    """
    if (before and from_assembly) or (after and to_assembly):
        raise UsageError("A revision and a synthesized app are given for the same side: leave one of the two out.")
    with ExitStack() as stack, Progress("Synthesizing both revisions") as progress:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sdxl-diff-")))
        old_tree, old_name, old = _side(stack, before, from_assembly, folder / "before", is_before=True)
        progress.show("before")
        new_tree, new_name, new = _side(stack, after, to_assembly, folder / "after", is_before=False)
        progress.show("after")
        report = _report((old_name, old, old_tree), (new_name, new, new_tree), env or [])
    report = replace(report, refused=allowed(report.refused, allow_replacement or []))
    _print(report, output, every_line=every_line)
    if report.refused or (fail_on_iam_widening and report.wider):
        raise typer.Exit(1)


def _side(
    stack: ExitStack, revision: str | None, assembly: Path | None, output: Path, *, is_before: bool
) -> tuple[Path | None, str, Templates]:
    """The environments' folder (None of an assembly), the name and the templates of one side."""
    if assembly is not None:
        return None, str(assembly), read_assembly(assembly)
    if revision is None and is_before:
        revision = default_base()
    if revision is None:
        return ENVIRONMENTS, WORKING_TREE, read_assembly(synthesize(ROOT, output, name=WORKING_TREE))
    tree = stack.enter_context(checked_out(revision))
    name = revision[:12] if len(revision) == 40 else revision
    return tree / "environments", name, read_assembly(synthesize(tree, output, name=name))


def _report(
    before: tuple[str, Templates, Path | None], after: tuple[str, Templates, Path | None], names: list[str]
) -> Report:
    (old_name, old, old_files), (new_name, new, new_files) = before, after
    known = sorted(old.keys() | new.keys())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"--env {unknown[0]}: neither revision has it. Environments are {', '.join(known)}.")
    wanted = [name for name in known if name in (names or known)]
    old = {name: old[name] for name in wanted if name in old}
    new = {name: new[name] for name in wanted if name in new}
    both = [name for name in wanted if name in old and name in new]
    changes = changes_between(old, new)
    costs = cost_changes(old_files, new_files, both) if old_files and new_files else ()
    return Report(
        before=old_name,
        after=new_name,
        environments=tuple(both),
        added=tuple(name for name in wanted if name not in old),
        removed=tuple(name for name in wanted if name not in new),
        changes=changes,
        permissions=permission_changes(old, new),
        costs=tuple(costs),
        refused=refusals(old, new, changes),
    )


def _print_text(lines: list[str], *, every_line: bool) -> None:
    """Print every line in a pipe. A terminal gets them wrapped between words, and a screen of them."""
    shown = lines if every_line or not results().is_terminal else lines[:LINES_ON_A_TERMINAL]
    for line in shown:
        text = line.lstrip(" ")
        print_wrapped(text, indent=line[: len(line) - len(text)])
    if len(shown) < len(lines):
        say(f"{len(lines) - len(shown)} more lines: --all.")


def _print(report: Report, output: str, *, every_line: bool) -> None:
    if output == "json":
        print_result(json.dumps(report.to_json(), indent=2))
    elif output == "markdown":
        print_result(markdown(report).removesuffix("\n"))
    else:
        _print_text([*text_lines(report)], every_line=every_line)
    if report.refused:
        say(f"Refused: {headline(report)}.", style="red")
