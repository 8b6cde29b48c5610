"""The comparison of two revisions: what it holds, and how it is written for people, pull requests and scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sdxl.diff.assemblies import Place
from sdxl.diff.between_stacks import LeftStack
from sdxl.diff.changes import Change, without_hash
from sdxl.diff.cost_change import CostChange
from sdxl.diff.permissions import PermissionChange
from sdxl.diff.rules import Refusal

# By which a bot finds its own comment again.
MARKER = "<!-- sdxl-diff -->"
_SIGNS = {"add": "+", "remove": "-", "change": "~", "replace": "!"}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a revision does. `refused` is what is left after what was allowed.

    `moved` are the environments whose account or region changes, which are not compared; `left` are the stacks that
    leave the app and stay in the account.
    """

    before: str
    after: str
    environments: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changes: tuple[Change, ...]
    permissions: tuple[PermissionChange, ...]
    costs: tuple[CostChange, ...]
    refused: tuple[Refusal, ...]
    moved: Mapping[str, tuple[Place, Place]] = field(default_factory=dict)
    left: tuple[LeftStack, ...] = ()

    @property
    def wider(self) -> tuple[PermissionChange, ...]:
        """What is granted that was not."""
        return tuple(change for change in self.permissions if change.direction == "wider")

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "before": self.before,
            "after": self.after,
            "environments": list(self.environments),
            "added_environments": list(self.added),
            "removed_environments": list(self.removed),
            "moved_environments": {
                name: {"from": asdict(old), "to": asdict(new)} for name, (old, new) in self.moved.items()
            },
            "left_stacks": [item.name for item in self.left],
            "refused": [item.to_json() for item in self.refused],
            "changes": [item.to_json() for item in self.changes],
            "permissions": [item.to_json() for item in self.permissions],
            "costs": [item.to_json() for item in self.costs],
        }


def text_lines(report: Report) -> Iterator[str]:
    """The report for a terminal, a line each."""
    yield f"{report.before} -> {report.after}: {headline(report)}"
    for refusal in report.refused:
        yield f"REFUSED  {refusal.environment}: {refusal.what}: {refusal.why}"
        yield f"         to do: {refusal.remedy}."
    yield from _environment_lines(report)
    for cost in report.costs:
        if cost.environment in report.moved or cost.environment in report.removed:
            yield f"{cost.environment}: cost: {cost.text()}"
    for environment in report.environments:
        lines = [*_lines_of(report, environment)]
        if lines:
            yield f"{environment}:"
            yield from (f"  {line}" for line in lines)


def markdown(report: Report) -> str:
    """The report for a pull request."""
    lines = [MARKER, f"### `sdxl diff`: {headline(report)}", "", f"`{report.before}` → `{report.after}`", ""]
    if report.refused:
        lines += ["> [!CAUTION]", "> **Refused**"]
        for refusal in report.refused:
            lines.append(f"> - **{refusal.environment}**: {_cell(refusal.what)}: {refusal.why}. *{refusal.remedy}.*")
        lines.append("")
    lines += [f"- {line}" for line in _environment_lines(report)]
    lines += [f"- **{left.environment}**: {left.what}: {left.why}; {left.remedy}" for left in report.left]
    for cost in report.costs:
        if cost.is_change:
            lines.append(f"- **{cost.environment}** cost: {cost.text()}")
    for change in report.wider:
        lines.append(f"- **{change.environment}** IAM wider: `{change.stack}/{change.logical_id}`: `{change.text}`")
    for environment in report.environments:
        changes = shown(report.changes, environment)
        if not changes:
            continue
        lines += ["", f"<details><summary><b>{environment}</b>: {_counts(changes)}</summary>", ""]
        lines += ["| | stack | resource | what |", "|---|---|---|---|"]
        lines += [
            f"| {_SIGNS[change.action]} | {change.stack} | {_cell(_name(change))} | {_cell(_what(change))} |"
            for change in changes
        ]
        narrower = [
            item for item in report.permissions if item.environment == environment and item.direction == "narrower"
        ]
        lines += [""] + [f"- narrower: `{item.stack}/{item.logical_id}`: `{item.text}`" for item in narrower]
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def headline(report: Report) -> str:
    """What happens, in half a line."""
    parts = []
    if report.refused:
        parts.append(f"{len(report.refused)} REFUSED")
    parts.append(_counts(report.changes) if report.changes else "no resource changes")
    if report.moved:
        parts.append(f"{len(report.moved)} moved")
    if report.left:
        parts.append(_counted(len(report.left), "stack") + " left behind")
    if report.wider:
        parts.append("IAM wider in " + _counted(len(report.wider), "point"))
    return ", ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shown(changes: Sequence[Change], environment: str) -> list[Change]:
    """The changes of an environment. Of a snapshot that is made anew, one line and not two."""
    own = [change for change in changes if change.environment == environment]
    added = {(change.stack, without_hash(change.logical_id)) for change in own if change.action == "add"}
    return [
        change
        for change in own
        if not (
            change.is_snapshot
            and change.action == "remove"
            and (change.stack, without_hash(change.logical_id)) in added
        )
    ]


def _environment_lines(report: Report) -> Iterator[str]:
    for name in report.added:
        yield f"{name}: a new environment; nothing of it is deployed until `cdk deploy`"
    for name in report.removed:
        yield f"{name}: no longer there; what is deployed of it stays until it is destroyed"
    for name, (old, new) in report.moved.items():
        yield (
            f"{name}: moves from {old} to {new}; a new deployment is made there, and what is deployed in {old} stays "
            "and goes on being billed until it is destroyed"
        )


def _lines_of(report: Report, environment: str) -> Iterator[str]:
    for change in shown(report.changes, environment):
        yield f"{_SIGNS[change.action]} {change.stack}  {_name(change)}  {_what(change)}"
    for left in report.left:
        if left.environment == environment:
            yield f"= {left.stack}  {left.what}: {left.why}; {left.remedy}"
    for item in report.permissions:
        if item.environment == environment:
            yield f"IAM {item.direction}: {item.stack}/{item.logical_id}: {item.text}"
    for cost in report.costs:
        if cost.environment == environment and cost.is_change:
            yield f"cost: {cost.text()}"


def _name(change: Change) -> str:
    return f"{without_hash(change.logical_id)} ({change.type.removeprefix('AWS::')})"


def _what(change: Change) -> str:
    if change.is_snapshot and change.action == "add":
        return "is published again"
    if change.is_code_only:
        return "has other code"
    if change.action == "replace":
        return f"is REPLACED, for another {' and '.join(change.replaced_by) or 'property'}"
    if change.action == "remove" and change.is_retained:
        return "leaves the stack and stays in the account"
    words = {"add": "is new", "remove": "is removed"}
    return words.get(change.action) or f"changes {', '.join(change.properties)}"


def _counts(changes: Sequence[Change]) -> str:
    words = {"add": "added", "change": "changed", "replace": "replaced", "remove": "removed"}
    counts = {word: sum(change.action == action for change in changes) for action, word in words.items()}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
