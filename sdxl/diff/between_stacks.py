"""What a revision does between stacks: exports that a deployed stack still imports, and stacks that leave the app.

CloudFormation deletes or changes no export that another stack imports, and the CDK deletes no stack that has left the
app. Both are known from the templates alone: those of two revisions, or those that are deployed and the next ones.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sdxl.diff.assemblies import Template, resources

# What of a stack that stays is billed whether it is used or not.
BILLED = {
    "AWS::SageMaker::Endpoint": "its endpoint",
    "AWS::EC2::VPCEndpoint": "its VPC endpoints",
    "AWS::WAFv2::WebACL": "its firewall",
    "AWS::KMS::Key": "its key",
    "AWS::CloudWatch::Dashboard": "its dashboard",
    "AWS::CloudWatch::Alarm": "its alarms",
}
NETWORK = "Network"

Stacks = Mapping[str, Template]


@dataclass(frozen=True, kw_only=True)
class LockedExports:
    """Exports of `stack` that a deployment would delete or change while `importers` import them."""

    environment: str
    stack: str
    names: tuple[str, ...]
    importers: tuple[str, ...]
    steps: tuple[str, ...]

    @property
    def what(self) -> str:
        """What would be tried."""
        importers = " and ".join(stack_name(self.environment, part) for part in self.importers)
        return (
            f"{stack_name(self.environment, self.stack)} would delete or change {len(self.names)} export(s) that "
            f"{importers} import(s)"
        )

    @property
    def remedy(self) -> str:
        """The steps that do it."""
        steps = [f"{number}. {step}" for number, step in enumerate(self.steps, 1)]
        return f"take {len(steps)} steps: {'; '.join(steps)}"


@dataclass(frozen=True, kw_only=True)
class LeftStack:
    """A stack that is deployed and no longer in the app: it stays in the account until it is deleted."""

    environment: str
    stack: str
    resource_count: int
    billed: tuple[str, ...]

    @property
    def name(self) -> str:
        """CloudFormation's name of the stack."""
        return stack_name(self.environment, self.stack)

    @property
    def what(self) -> str:
        """What happens to it."""
        return f"{self.name} leaves the app and stays in the account with its {self.resource_count} resources"

    @property
    def why(self) -> str:
        """What it costs."""
        if not self.billed:
            return "nothing else deletes it"
        verb = "go" if len(self.billed) > 1 or self.billed[0].endswith("s") else "goes"
        return f"{' and '.join(self.billed)} {verb} on being billed"

    @property
    def remedy(self) -> str:
        """How it goes."""
        return f"deploy, then delete it: {delete_command(self.name)}"


def stack_name(environment: str, stack: str) -> str:
    """CloudFormation's name of an environment's stack."""
    return f"sdxl-{environment}-{stack}"


def delete_command(name: str) -> str:
    """The command that deletes a stack."""
    return f"aws cloudformation delete-stack --stack-name {name}"


def left_stacks(environment: str, before: Stacks, after: Stacks) -> Iterator[LeftStack]:
    """Yield the stacks of `before` that `after` lacks."""
    for stack, template in before.items():
        if stack not in after and resources(template):
            types = {resource["Type"] for resource in resources(template).values()}
            yield LeftStack(
                environment=environment,
                stack=stack,
                resource_count=len(resources(template)),
                billed=tuple(words for kind, words in BILLED.items() if kind in types),
            )


def locked_exports(
    environment: str, before: Stacks, after: Stacks, replaced: Mapping[str, Collection[str]]
) -> Iterator[LockedExports]:
    """Yield the exports that CloudFormation would refuse to delete or change.

    `replaced` are the logical ids, by stack, of resources that are made anew: what is exported of them changes though
    its expression stays. Stacks that leave the app keep their exports.
    """
    for stack, template in before.items():
        if stack not in after:
            continue
        old, new = _exports(template), _exports(after[stack])
        lost = {
            name for name, value in old.items() if new.get(name) != value or _refers_to(value, replaced.get(stack, ()))
        }
        importers = {part: found for part in before if part != stack if (found := imports(before[part]) & lost)}
        if importers:
            yield LockedExports(
                environment=environment,
                stack=stack,
                names=tuple(sorted(set[str]().union(*importers.values()))),
                importers=tuple(importers),
                steps=tuple(_steps(environment, stack, importers, (before, after))),
            )


def _steps(
    environment: str, stack: str, importers: Mapping[str, set[str]], revisions: tuple[Stacks, Stacks]
) -> Iterator[str]:
    before, after = revisions
    lost = set[str]().union(*importers.values())
    gone = [part for part in importers if part not in after]
    held = [part for part in importers if part in after and imports(after[part]) & lost]
    everything = f"npx cdk deploy 'sdxl-{environment}/*'"
    if held:
        section = "network" if stack == NETWORK else "what needs them"
        yield f"leave {section} out of the environment's file and deploy: {everything}"
        yield f"put it back with this change and deploy again: {everything}"
        return
    for part in gone:
        yield f"delete the stack that leaves: {delete_command(stack_name(environment, part))}"
    if free := [part for part in importers if part in after]:
        stacks = " ".join(f"sdxl-{environment}/{part}" for part in free)
        available = set[str]().union(*(_exports(template) for template in before.values()))
        if set[str]().union(*(imports(after[part]) for part in free)) <= available:
            yield f"deploy the stacks that import first: npx cdk deploy {stacks} --exclusively"
        else:
            names = ", ".join(sorted(lost))
            yield f"make another change first, after which {' and '.join(free)} import none of {names}"
    yield f"deploy everything: {everything}"


def imports(template: Template) -> set[str]:
    """The exports that a template imports."""
    return set(_imports(template))


def _imports(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Fn::ImportValue" and isinstance(value, str):
                yield value
            else:
                yield from _imports(value)
    elif isinstance(node, list):
        for item in node:
            yield from _imports(item)


def _exports(template: Template) -> dict[str, str]:
    """What a template exports: name to the expression of its value."""
    return {
        output["Export"]["Name"]: json.dumps(output["Value"], sort_keys=True)
        for output in template.get("Outputs", {}).values()
        if isinstance(output.get("Export", {}).get("Name"), str)
    }


def _refers_to(expression: str, logical_ids: Collection[str]) -> bool:
    return any(f'"{logical_id}"' in expression for logical_id in logical_ids)
