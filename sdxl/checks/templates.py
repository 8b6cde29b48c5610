"""The checks of the templates: synthesis, cfn-lint, cdk-nag, IAM policies, and the comparison with a base revision."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sdxl.checks.iam_lint import lint_policies
from sdxl.diff.assemblies import WORKING_TREE, Template, Templates, checked_out, read_assembly, synthesize
from sdxl.diff.changes import changes_between
from sdxl.diff.permissions import permission_changes
from sdxl.diff.report import Report, headline
from sdxl.diff.rules import allowed, refusals
from sdxl.errors import SdxlError, UsageError
from sdxl.project import ROOT, child_environment
from stacks.environment import Environment

Check = Literal["synthesis", "cfn-lint", "cdk-nag", "iam", "diff"]
# W3005: the CDK's DependsOn repeats what a Ref implies already.
_CFN_LINT_OPTIONS = ("--format", "json", "--ignore-checks", "W3005")
_RULE_PACKS = "AwsSolutions, NIST 800-53 R5"
# Same as in sdxl.checks.synthesis, whose import would load the CDK.
_FINDINGS_FILE = "findings.json"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding.

    `resource` is the construct's path (cdk-nag), or the logical id and the property (cfn-lint). `template` is the
    template's file name. Both are empty where the finding concerns the whole environment.
    """

    rule: str
    text: str
    resource: str = ""
    template: str = ""

    def line(self) -> str:
        """Return the finding as one line."""
        text = " ".join(self.text.split())
        return f"{' '.join(part for part in (self.rule, self.template, self.resource) if part)}: {text}"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of one check of one environment. It failed if it has findings."""

    environment: str
    check: Check
    summary: str
    findings: tuple[Finding, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield one line for the check, and one for each finding."""
        count = len(self.findings)
        outcome = f"{count} {'finding' if count == 1 else 'findings'}" if count else "ok"
        yield f"{self.environment}: {self.check}: {outcome} ({self.summary})"
        yield from (f"  {finding.line()}" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {**asdict(self), "ok": not self.findings}


@dataclass(frozen=True, kw_only=True)
class Base:
    """The revision that the templates are compared with, and the replacements that are allowed by name."""

    revision: str
    allow_replacement: tuple[str, ...] = ()


def check_templates(
    directory: Path, environments: Sequence[Environment], base: Base | None = None
) -> list[CheckResult]:
    """Check the templates of environments whose files are right. The results of an environment follow one another.

    Args:
        directory: where the files are.
        environments: what to check. An environment that does not synthesize has no other result.
        base: default: no comparison.

    Raises:
        SdxlError: a tool did not run, or the base revision does not synthesize.
        UsageError: there is no such base revision, or `directory` is not in the repository that has it.
    """
    relative = _in_repository(directory) if base else Path()
    with tempfile.TemporaryDirectory(prefix="sdxl-check-") as folder:
        output = Path(folder)
        found = _synthesize(directory, output, [environment.name for environment in environments])
        whole = [environment for environment in environments if found[environment.name]["error"] is None]
        templates = {environment.name: read_assembly(output / environment.name) for environment in whole}
        after = {name: one[name] for name, one in templates.items()}
        linted = _lint(output, whole)
        compared = _compare(relative, base, after, output / "base") if base else {}
    results: list[CheckResult] = []
    for environment in environments:
        name, error = environment.name, found[environment.name]["error"]
        if error is not None:
            finding = Finding(rule="synthesis", text=error)
            results.append(_result(name, "synthesis", "no templates", finding))
            continue
        count = len(after[name])
        violations = [Finding(**violation) for violation in found[name]["violations"]]
        results += [
            _result(name, "synthesis", f"{count} {'stack' if count == 1 else 'stacks'}"),
            _result(name, "cfn-lint", environment.region, *linted.get(name, ())),
            _result(name, "cdk-nag", _RULE_PACKS, *violations),
            _result(name, "iam", "actions and resources", *_iam_findings(environment, after[name])),
        ]
        results += [compared[name]] if name in compared else []
    return results


def _result(environment: str, check: Check, summary: str, *findings: Finding) -> CheckResult:
    return CheckResult(environment=environment, check=check, summary=summary, findings=findings)


def _synthesize(directory: Path, output: Path, names: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "sdxl.checks.synthesis", str(directory.resolve()), str(output), *names],
        cwd=ROOT,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SdxlError(f"Synthesis with cdk-nag failed; has `make setup` run?\n{done.stderr.strip()[-2000:]}")
    found: dict[str, Any] = json.loads((output / _FINDINGS_FILE).read_text(encoding="utf-8"))
    return found


def _iam_findings(environment: Environment, stacks: Mapping[str, Template]) -> Iterator[Finding]:
    """Yield the statements of policies that do not do what they say."""
    named = {f"sdxl-{environment.name}-{stack}": template for stack, template in stacks.items()}
    found = lint_policies(named, account=environment.account, region=environment.region)
    for finding in found:
        yield Finding(
            rule="iam",
            text=finding.text,
            resource=f"{finding.resource}/{finding.statement}",
            template=finding.stack.removeprefix(f"sdxl-{environment.name}-"),
        )


def _lint(output: Path, environments: Sequence[Environment]) -> Mapping[str, list[Finding]]:
    """Return the findings of cfn-lint by environment. One run for each region, because a start takes 2 s."""
    found: dict[str, list[Finding]] = {}
    for region in sorted({environment.region for environment in environments}):
        names = [environment.name for environment in environments if environment.region == region]
        paths = {str(path): name for name in names for path in (output / name).rglob("*.template.json")}
        for match in _cfn_lint(region, list(paths)):
            found.setdefault(paths[match["Filename"]], []).append(
                Finding(
                    rule=match["Rule"]["Id"],
                    text=match["Message"],
                    resource="/".join(str(part) for part in match["Location"].get("Path") or ()),
                    template=Path(match["Filename"]).name,
                )
            )
    return found


def _cfn_lint(region: str, paths: Sequence[str]) -> list[Any]:
    command = [str(Path(sys.executable).with_name("cfn-lint")), *_CFN_LINT_OPTIONS, "--regions", region, "--", *paths]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
        matches: list[Any] = json.loads(done.stdout)
    except FileNotFoundError as exc:
        raise SdxlError("cfn-lint is not installed: run `make setup`.") from exc
    except ValueError as exc:
        raise SdxlError(f"cfn-lint failed with status {done.returncode}: {done.stderr.strip()[-1500:]}") from exc
    return matches


def _in_repository(directory: Path) -> Path:
    try:
        return directory.resolve().relative_to(ROOT)
    except ValueError as exc:
        raise UsageError(f"--diff-from compares revisions of {ROOT}, and {directory} is outside of it.") from exc


def _compare(relative: Path, base: Base, after: Templates, output: Path) -> dict[str, CheckResult]:
    """Return the comparison with the base revision by environment; its findings are what `sdxl diff` refuses."""
    with checked_out(base.revision) as tree:
        files = tree / relative
        before: Templates = {}
        if any(files.glob("*.yaml")):
            before = read_assembly(synthesize(tree, output, name=base.revision, environments=files))
    before = {name: before[name] for name in after if name in before}
    changes = changes_between(before, after)
    permissions = permission_changes(before, after)
    refused = allowed(refusals(before, after, changes), base.allow_replacement)
    results: dict[str, CheckResult] = {}
    for name in after:
        if name not in before:
            results[name] = _result(name, "diff", f"a new environment since {base.revision}")
            continue
        report = Report(
            before=base.revision,
            after=WORKING_TREE,
            environments=(name,),
            added=(),
            removed=(),
            changes=tuple(change for change in changes if change.environment == name),
            permissions=tuple(change for change in permissions if change.environment == name),
            costs=(),
            refused=tuple(refusal for refusal in refused if refusal.environment == name),
        )
        findings = [
            Finding(rule="refused", text=f"{refusal.what}: {refusal.why}. To do: {refusal.remedy}")
            for refusal in report.refused
        ]
        results[name] = _result(name, "diff", f"since {base.revision}: {headline(report)}", *findings)
    return results
