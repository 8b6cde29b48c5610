"""Checks every policy in synthesized templates: do its actions exist, and do they act on the resources that it names?

IAM accepts a statement whose action never applies to its resource, such as `codestar-connections:UseConnection` on the
ARN of a `codeconnections` connection. The grant is then without effect, and the first call that needs it is refused.
cfn-lint sees a part of this (W3037, I3510), only in `AWS::IAM::Policy`, and not through references.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sdxl.checks.arns import StackValues, Template, overlap, stack_values
from sdxl.checks.published import ResourceType, action_resources, actions_matching, arn_prefixes

ARN_PARTS = 6

REASONED_WILDCARDS: Mapping[str, str] = {
    "kms:Decrypt*": "the key policy that the CloudWatch Logs User Guide gives",
    "kms:Describe*": "the key policy that the CloudWatch Logs User Guide gives",
    "kms:Encrypt*": "the key policy that the CloudWatch Logs User Guide gives",
    "kms:GenerateDataKey*": "the two forms of one call, with and without plaintext",
    "kms:ReEncrypt*": "the two sides of one call, from and to",
    "s3:Abort*": "CDK Pipelines' grant on its artifact bucket",
    "s3:DeleteObject*": "CDK Pipelines' grant on its artifact bucket",
    "s3:GetBucket*": "CDK Pipelines' grant on its artifact bucket",
    "s3:GetObject*": "CDK Pipelines' grant on its artifact bucket",
    "s3:List*": "CDK Pipelines' grant on its artifact bucket",
}
"""Wildcards that an Allow may have, and why. A Deny may have any: it is safer when it is wider."""

KEY_POLICY_WILDCARD = "kms:*"
"""The default key policy, which leaves the key to the account's IAM policies. Source: AWS KMS Developer Guide."""

WITHOUT_NARROWER_RESOURCE: Mapping[str, str] = {
    "cloudwatch:GetMetricData": "its resources are datasets of OpenTelemetry, not the metrics of AWS services",
    "cloudwatch:PutMetricData": "its resources are datasets of OpenTelemetry, not the metrics of AWS services",
}
"""Actions that must have `*` although the reference names a type of resource, and why."""

RENAMED: Mapping[str, str] = {"codestar-connections": "codeconnections"}
"""Services by their old prefix. The CDK still grants the old action on the new ARN, which is without effect.

Source: Developer Tools console user guide, "AWS CodeStar Connections rename": the prefix must be that of the resource.
"""

_REST_API_SHORT_FORM = "execute-api:/"
"""Begins resources of a REST API's policy: API Gateway puts the API's own ARN before them."""


@dataclass(frozen=True, kw_only=True)
class PolicyFinding:
    """A statement that does not do what it says."""

    stack: str
    resource: str
    statement: str
    text: str


def lint_policies(
    stacks: Mapping[str, Template], *, account: str, region: str, unnamed: Mapping[str, str] | None = None
) -> list[PolicyFinding]:
    """Check all policies of templates that are deployed to one account and region.

    Args:
        stacks: the templates by the stack's name.
        account: the account that the templates are for.
        region: the region that the templates are for.
        unnamed: more actions that may have `*` as their resource, with the reason. Default: none.
    """
    found: list[PolicyFinding] = []
    for name, values in stack_values(stacks, account=account, region=region).items():
        for logical_id, resource in values.template.get("Resources", {}).items():
            for document in policies_in(resource.get("Properties", {})):
                policy = _Policy(
                    resource_type=resource["Type"],
                    statements=as_list(document["Statement"]),
                    values=values,
                    unnamed={*WITHOUT_NARROWER_RESOURCE, *(unnamed or ())},
                )
                found += (
                    PolicyFinding(stack=name, resource=logical_id, statement=statement, text=text)
                    for statement, text in policy.problems()
                )
    return found


def policies_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every policy document in a resource's properties, at any depth."""
    if isinstance(value, Mapping):
        statements = value.get("Statement")
        if statements is not None and all(
            isinstance(each, Mapping) and "Effect" in each for each in as_list(statements)
        ):
            yield value
        for each in value.values():
            yield from policies_in(each)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from policies_in(each)


def as_list(value: Any) -> list[Any]:
    """Return what a policy may give as one value or as a list."""
    return list(value) if isinstance(value, list | tuple) else [value]


@dataclass(frozen=True, kw_only=True)
class _Policy:
    resource_type: str
    statements: Sequence[Mapping[str, Any]]
    values: StackValues
    unnamed: Set[str]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong, with the statement: its Sid, or its number."""
        for number, statement in enumerate(self.statements, 1):
            sid = str(statement.get("Sid", f"#{number}"))
            yield from ((sid, text) for text in self._of_statement(statement))

    def _of_statement(self, statement: Mapping[str, Any]) -> Iterator[str]:
        if "NotAction" in statement or "NotResource" in statement:
            yield "NotAction and NotResource grant what does not exist yet: name the actions and the resources"
            return
        yield from self._of_actions(statement)
        # A role's trust policy has no Resource: the role is the resource.
        if "Resource" in statement and "*" not in _actions(statement):
            yield from self._of_resources(statement)

    def _of_actions(self, statement: Mapping[str, Any]) -> Iterator[str]:
        for action in _actions(statement):
            if action != "*" and not actions_matching(action):
                yield f"{action} names no action"
            elif statement["Effect"] == "Allow" and "*" in action and not _is_reasoned(action, self.resource_type):
                yield f"{action} is wider than a list of actions: name them, or give the reason in REASONED_WILDCARDS"

    def _of_resources(self, statement: Mapping[str, Any]) -> Iterator[str]:
        resources = self._resources(statement)
        known = [action for action in _actions(statement) if actions_matching(action)]
        # In a resource's own policy, `*` is the resource. In a role's, it is everything.
        everything = statement["Effect"] == "Allow" and "*" in resources and "Principal" not in statement
        for action in known:
            types = _resource_types(action)
            if everything and types and action not in self.unnamed:
                yield f"{action} on *: it takes {_words(types)}, so name them"
            if not types and "*" not in resources:
                yield f"{action} has no resource level: it applies to * only, not to {', '.join(resources)}"
            if types and not any(self._applies(action, resource) for resource in resources):
                yield f"{action} takes {_words(types)}, not {', '.join(resources)}"
        for resource in resources:
            if not any(self._applies(action, resource) for action in known):
                yield f"no action of the statement takes {resource}: {', '.join(_actions(statement))}"

    def _resources(self, statement: Mapping[str, Any]) -> list[str]:
        found = [self.values.text(each) for each in as_list(statement.get("Resource", []))]
        return [
            each.replace(_REST_API_SHORT_FORM, "arn:*:execute-api:*:*:*/", 1)
            if each.startswith(_REST_API_SHORT_FORM)
            else each
            for each in found
        ]

    def _applies(self, action: str, resource: str) -> bool:
        if resource == "*" or is_resource_of(_resource_types(action), resource):
            return True
        service, _, name = action.partition(":")
        renamed = f"{RENAMED.get(service)}:{name}"
        return any(
            statement["Effect"] == "Allow"
            and renamed in _actions(statement)
            and resource in self._resources(statement)
            and is_resource_of(_resource_types(renamed), resource)
            for statement in self.statements
        )


def _actions(statement: Mapping[str, Any]) -> list[str]:
    return [str(action) for action in as_list(statement.get("Action", []))]


def _is_reasoned(action: str, resource_type: str) -> bool:
    return action in REASONED_WILDCARDS or (resource_type == "AWS::KMS::Key" and action == KEY_POLICY_WILDCARD)


def _resource_types(action: str) -> tuple[ResourceType, ...]:
    """The types that an action or a pattern of actions takes; empty where none has a resource level."""
    found = (resource for each in actions_matching(action) for resource in action_resources(each) or ())
    return tuple(dict.fromkeys(found))


def is_resource_of(types: Sequence[ResourceType], resource: str) -> bool:
    """Whether an ARN may be of one of the types. A wildcard does not reach from one part of an ARN into the next."""
    parts = resource.split(":", ARN_PARTS - 1)
    formed = (f"{prefix}*".split(":", ARN_PARTS - 1) for each in types for prefix in arn_prefixes(each))
    return any(len(form) == len(parts) and all(map(overlap, form, parts)) for form in formed)


def _words(types: Sequence[ResourceType]) -> str:
    shown = [f"{each.service} {each.name}" for each in types[:3]]
    return ", ".join(shown) + (f" and {len(types) - 3} more" if len(types) > 3 else "")
