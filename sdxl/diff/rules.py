"""What a revision may not do unasked: lose something, cut callers off, or ask SageMaker for what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdxl.diff.assemblies import Place, Templates, resources
from sdxl.diff.between_stacks import Stacks, left_stacks, locked_exports
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
        own = [change for change in changes if change.environment == environment]
        found += live_refusals(environment, before[environment], after[environment], own)
    return tuple(found)


def live_refusals(environment: str, before: Stacks, after: Stacks, changes: Sequence[Change] = ()) -> Iterator[Refusal]:
    """Yield what CloudFormation or SageMaker would refuse of a change of one environment, and stacks that would stay.

    `changes` says which resources are replaced; without it, exports of replaced resources are not seen.
    """
    yield from _of_scaled_variants(environment, before, after)
    yield from _of_guarded_variants(environment, before, after)
    replaced: dict[str, set[str]] = {}
    for change in changes:
        if change.action == "replace":
            replaced.setdefault(change.stack, set()).add(change.logical_id)
    locks = [*locked_exports(environment, before, after, replaced)]
    for lock in locks:
        yield Refusal(
            environment=environment,
            what=lock.what,
            why="CloudFormation refuses that, and rolls the deployment back",
            remedy=lock.remedy,
        )
    deleted_first = {part for lock in locks for part in lock.importers}
    for left in left_stacks(environment, before, after):
        if left.stack not in deleted_first:
            yield Refusal(
                environment=environment,
                what=left.what,
                why=left.why,
                remedy=f"say that you mean it with --allow-replacement {left.stack}, {left.remedy}",
                names=(left.stack, left.name),
            )


def move_refusals(before: Mapping[str, Place], after: Mapping[str, Place]) -> Iterator[Refusal]:
    """Yield the environments whose account or region changes: another deployment, and none of the one there is."""
    for environment, (old, new) in moved(before, after).items():
        yield Refusal(
            environment=environment,
            what=f"{environment} moves from {old} to {new}: a new deployment is made there",
            why="what is deployed stays and goes on being billed, callers have to change address and key, and images "
            "and logs are left behind",
            remedy=f"keep this file, and give the new deployment another one; or delete the old one first (sdxl "
            f"environments destroy {environment}); or say that you mean it: --allow-replacement {environment}",
            names=(environment,),
        )


def moved(before: Mapping[str, Place], after: Mapping[str, Place]) -> dict[str, tuple[Place, Place]]:
    """The environments whose account or region changes: from where to where."""
    return {
        environment: (place, after[environment])
        for environment, place in sorted(before.items())
        if environment in after and after[environment] != place
    }


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


def _of_guarded_variants(environment: str, before: Stacks, after: Stacks) -> Iterator[Refusal]:
    """SageMaker Developer Guide, "Deployment guardrails: Exclusions": such an update keeps the variants' names."""
    old, new = _instance_types(before), _instance_types(after)
    if not old or not new or old.keys() == new.keys() or not _is_guarded(after):
        return
    yield Refusal(
        environment=environment,
        what=f"the variants {', '.join(old)} would become {', '.join(new)}, with an update that watches alarms",
        why="SageMaker adds, removes and renames variants in an unguarded update only",
        remedy="take two steps: 1. make this change with endpoint.update.traffic: unguarded and deploy; 2. put "
        "endpoint.update back and deploy",
    )


def _is_guarded(stacks: Stacks) -> bool:
    return any(
        "DeploymentConfig" in endpoint["Properties"]
        for template in stacks.values()
        for endpoint in resources(template, "AWS::SageMaker::Endpoint").values()
    )


def _of_scaled_variants(environment: str, before: Stacks, after: Stacks) -> Iterator[Refusal]:
    """SageMaker: a variant keeps its instance types, and stays, until its scalable target is deregistered.

    A stack that leaves the app keeps its endpoint as it is.
    """
    types_before, types_after = _instance_types(before), _instance_types(after)
    if not types_after:
        return
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


def _scaled(stacks: Stacks) -> set[str]:
    return {
        match["variant"]
        for template in stacks.values()
        for target in resources(template, "AWS::ApplicationAutoScaling::ScalableTarget").values()
        if (match := _SCALABLE.fullmatch(str(target["Properties"].get("ResourceId"))))
    }


def _instance_types(stacks: Stacks) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for template in stacks.values():
        for config in resources(template, "AWS::SageMaker::EndpointConfig").values():
            for variant in config["Properties"].get("ProductionVariants", []):
                pools = sorted(variant.get("InstancePools", []), key=lambda pool: int(pool["Priority"]))
                types = tuple(pool["InstanceType"] for pool in pools) or (variant.get("InstanceType", ""),)
                found[variant["VariantName"]] = types
    return found
