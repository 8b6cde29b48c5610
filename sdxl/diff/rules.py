"""What a revision may not do unasked: lose something, cut callers off, or ask SageMaker for what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sdxl.diff.assemblies import Template, Templates, resources
from sdxl.diff.changes import Change
from sdxl.errors import UsageError

# What is lost, or who notices, when one of these is replaced or removed.
STATEFUL = {
    "AWS::S3::Bucket": "its objects stay in the old bucket, and links to them break",
    "AWS::KMS::Key": "what it encrypted can only be read with the old key",
    "AWS::DynamoDB::Table": "its items are lost: calls repeated under an Idempotency-Key are drawn, and paid, again",
    "AWS::Logs::LogGroup": "its logs are lost",
    "AWS::Cognito::UserPool": "its users are lost, and cannot sign in any more",
    "AWS::Cognito::UserPoolDomain": "the sign-in page gets another address",
    "AWS::ApiGateway::RestApi": "the API gets another address: every caller has to change",
    "AWS::ApiGateway::DomainName": "the API's own domain name stops working until its DNS record is changed",
    "AWS::ApiGateway::ApiKey": "the key gets another value: its callers are refused until they have it",
    "AWS::SageMaker::Endpoint": "the endpoint is deleted: no image is drawn until the new one is in service",
    "AWS::SNS::Topic": "every subscription by mail has to be confirmed again",
}
ALL = "all"

_SCALABLE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>.+)")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A change that is refused. `names` are what `--allow-replacement` takes for it; empty where nothing allows it."""

    environment: str
    what: str
    why: str
    remedy: str
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "environment": self.environment,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
            "allowed_by": list(self.names),
        }


def refusals(before: Templates, after: Templates, changes: Sequence[Change]) -> tuple[Refusal, ...]:
    """Everything in `changes` that is refused unless it is allowed by name."""
    found = [refusal for change in changes if (refusal := _of_stateful(change))]
    for environment in sorted(before.keys() & after.keys()):
        found += _of_scaled_variants(environment, before[environment], after[environment])
    return tuple(found)


def allowed(found: Sequence[Refusal], names: Sequence[str]) -> tuple[Refusal, ...]:
    """What is left of `found` when `names` are allowed: logical ids, types, or `all`.

    Raises:
        UsageError: a name allows nothing: it is misspelled, or no longer needed.
    """
    known = {name for refusal in found for name in refusal.names}
    unknown = [name for name in names if name != ALL and name not in known]
    if unknown:
        raise UsageError(
            f"--allow-replacement {unknown[0]}: nothing of that name is replaced or removed. "
            + (f"What is: {', '.join(sorted(known))}." if known else "Nothing is: leave the option out.")
        )
    return tuple(
        refusal
        for refusal in found
        if not refusal.names or not (ALL in names or any(name in names for name in refusal.names))
    )


def _of_stateful(change: Change) -> Refusal | None:
    loss = STATEFUL.get(change.type)
    if loss is None or change.action not in ("replace", "remove"):
        return None
    if change.action == "remove" and change.is_retained:
        # It stays in the account, with all that is in it: nothing is lost.
        return None
    what = f"{change.stack}/{change.logical_id} ({change.type}) would be {change.action}d"
    if change.replaced_by:
        what += f", for another {' and '.join(change.replaced_by)}"
    return Refusal(
        environment=change.environment,
        what=what,
        why=loss,
        remedy=f"leave it as it is, or say that you mean it: --allow-replacement {change.logical_id}",
        names=(change.logical_id, change.type),
    )


def _of_scaled_variants(
    environment: str, before: dict[str, Template] | Any, after: dict[str, Template] | Any
) -> Iterator[Refusal]:
    """SageMaker: a variant keeps its instance types, and stays, until its scalable target is deregistered."""
    types_before, types_after = _instance_types(before), _instance_types(after)
    for variant in _scaled(before):
        old, new = types_before.get(variant), types_after.get(variant)
        if old is None or old == new:
            continue
        what = (
            f"the variant {variant!r} would be removed"
            if new is None
            else (f"the variant {variant!r} would move from {' or '.join(old)} to {' or '.join(new)}")
        )
        yield Refusal(
            environment=environment,
            what=f"{what}, while it is registered for autoscaling",
            why="SageMaker refuses that, and the deployment would be rolled back",
            remedy="take two steps: 1. set scaling.detached: true (of that variant) and deploy; 2. make this change, "
            "without detached, and deploy. Instances are kept",
        )


def _scaled(stacks: dict[str, Template] | Any) -> set[str]:
    return {
        match["variant"]
        for template in stacks.values()
        for target in resources(template, "AWS::ApplicationAutoScaling::ScalableTarget").values()
        if (match := _SCALABLE.fullmatch(str(target["Properties"].get("ResourceId"))))
    }


def _instance_types(stacks: dict[str, Template] | Any) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for template in stacks.values():
        for config in resources(template, "AWS::SageMaker::EndpointConfig").values():
            for variant in config["Properties"].get("ProductionVariants", []):
                pools = sorted(variant.get("InstancePools", []), key=lambda pool: int(pool["Priority"]))
                types = tuple(pool["InstanceType"] for pool in pools) or (variant.get("InstanceType", ""),)
                found[variant["VariantName"]] = types
    return found
