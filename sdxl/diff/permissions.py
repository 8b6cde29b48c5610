"""What a revision grants that the one before did not, and what it no longer grants: role by role, statement by part."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sdxl.diff.assemblies import Template, Templates, resources

Direction = Literal["wider", "narrower"]

# Where each type keeps what it grants.
_DOCUMENTS = {
    "AWS::IAM::ManagedPolicy": ("PolicyDocument",),
    "AWS::IAM::Policy": ("PolicyDocument",),
    "AWS::IAM::Role": ("AssumeRolePolicyDocument",),
    "AWS::S3::BucketPolicy": ("PolicyDocument",),
    "AWS::KMS::Key": ("KeyPolicy",),
    "AWS::SNS::TopicPolicy": ("PolicyDocument",),
    "AWS::SQS::QueuePolicy": ("PolicyDocument",),
    "AWS::ApiGateway::RestApi": ("Policy",),
    "AWS::EC2::VPCEndpoint": ("PolicyDocument",),
}


@dataclass(frozen=True, order=True)
class Grant:
    """One effect of one action on one resource, for one principal, under one condition."""

    effect: str
    action: str
    resource: str
    principal: str = ""
    condition: str = ""

    def text(self) -> str:
        """Return it as a line."""
        whom = f" to {self.principal}" if self.principal else ""
        under = f" if {self.condition}" if self.condition else ""
        return f"{self.effect} {self.action} on {self.resource}{whom}{under}"


@dataclass(frozen=True, kw_only=True)
class PermissionChange:
    """A grant that comes or goes. A Deny that goes is wider, one that comes narrower."""

    environment: str
    stack: str
    logical_id: str
    direction: Direction
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "environment": self.environment,
            "stack": self.stack,
            "logical_id": self.logical_id,
            "direction": self.direction,
            "text": self.text,
        }


def permission_changes(before: Templates, after: Templates) -> tuple[PermissionChange, ...]:
    """The changes of every environment that is in both."""
    found = []
    for environment in sorted(before.keys() & after.keys()):
        for stack in {**before[environment], **after[environment]}:
            old, new = before[environment].get(stack, {}), after[environment].get(stack, {})
            for logical_id, direction, text in _of_stack(old, new):
                found.append(
                    PermissionChange(
                        environment=environment, stack=stack, logical_id=logical_id, direction=direction, text=text
                    )
                )
    return tuple(found)


def _of_stack(old: Template, new: Template) -> Iterator[tuple[str, Direction, str]]:
    names = sorted(resources(old).keys() | resources(new).keys())
    for name in names:
        before, after = (set(_grants(resources(template).get(name, {}))) for template in (old, new))
        for grant in sorted(after - before):
            yield name, "wider" if grant.effect == "Allow" else "narrower", grant.text()
        for grant in sorted(before - after):
            gone = f"no longer: {grant.text()}"
            yield name, "narrower" if grant.effect == "Allow" else "wider", gone
        yield from _of_role(name, resources(old).get(name, {}), resources(new).get(name, {}))


def _of_role(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Direction, str]]:
    """Boundaries and attached policies, which are granted elsewhere."""
    before, after = old.get("Properties", {}), new.get("Properties", {})
    if "AWS::IAM::Role" not in (old.get("Type"), new.get("Type")):
        return
    boundary, wanted = _text(before.get("PermissionsBoundary")), _text(after.get("PermissionsBoundary"))
    if old and new and boundary != wanted:
        if boundary and not wanted:
            yield name, "wider", f"no longer bounded by {boundary}"
        elif wanted and not boundary:
            yield name, "narrower", f"bounded by {wanted}"
        else:
            yield name, "wider", f"bounded by {wanted} in place of {boundary}"
    attached = [{_text(arn) for arn in found.get("ManagedPolicyArns", [])} for found in (before, after)]
    for arn in sorted(attached[1] - attached[0]):
        if arn.startswith("arn:"):
            yield name, "wider", f"has the policy {arn}"
    for arn in sorted(attached[0] - attached[1]):
        if arn.startswith("arn:"):
            yield name, "narrower", f"no longer has the policy {arn}"


def _grants(resource: Mapping[str, Any]) -> Iterator[Grant]:
    kind, properties = resource.get("Type"), resource.get("Properties", {})
    if kind == "AWS::Lambda::Permission":
        source = _text(properties.get("SourceArn") or properties.get("SourceAccount"))
        yield Grant(
            "Allow",
            str(properties.get("Action")),
            _text(properties.get("FunctionName")),
            _text(properties.get("Principal")),
            f"source is {source}" if source else "",
        )
    for name in _DOCUMENTS.get(str(kind), ()):
        document = properties.get(name) or {}
        for statement in _listed(document.get("Statement")):
            yield from _of_statement(statement)


def _of_statement(statement: Mapping[str, Any]) -> Iterator[Grant]:
    condition = _text(statement.get("Condition"))
    principal = _text(statement.get("Principal") or statement.get("NotPrincipal"))
    for action in _listed(statement.get("Action") or statement.get("NotAction")):
        prefix = "" if "Action" in statement else "everything but "
        for resource in _listed(statement.get("Resource") or statement.get("NotResource") or "itself"):
            yield Grant(str(statement["Effect"]), prefix + str(action), _text(resource), principal, condition)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
