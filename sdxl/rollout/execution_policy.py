"""The policies that CloudFormation deploys with in an account, made from the resource types of its templates.

Which actions: the permissions of the types' handlers in the CloudFormation registry. On what: `execution_scopes`.

Whoever deploys a template acts with these policies, so they must not lead to more. Roles are made only with a
permissions boundary, which cannot be removed; only policies of a closed list are attached; a role is passed only to
services that the templates' roles trust; neither the boundary, nor these policies, nor the roles of `cdk bootstrap` can
be changed. Sources: IAM User Guide, "Permissions boundaries" and "Controlling access to AWS resources using policies";
AWS CDK Developer Guide, "Bootstrapping: customize permissions boundaries".
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdxl.checks.arns import Template, stack_values
from sdxl.checks.iam_lint import as_list, policies_in
from sdxl.checks.published import action_resources, handler_actions
from sdxl.errors import SdxlError
from sdxl.rollout.execution_scopes import (
    ACTION_SCOPES,
    API_PATHS,
    EVERYTHING,
    RESOURCE_SCOPES,
    SERVICE_LINKED_ROLES,
    TAGGED,
    UNUSED,
    Condition,
    Scope,
)
from stacks.bootstrap import read_bootstrap
from stacks.environment.organization import WORKLOAD_BOUNDARY

POLICY_NAME = "cloudformation-execution-sdxl"
"""Names begin so, with a number after it. They lie outside `sdxl-*`, which the policies themselves may change."""
ROLLOUT_POLICY_NAME = "rollout-sdxl"
"""Names of the policies of the rollout's role begin so, with a number after it."""
POLICY_CHARACTERS = 6144
"""Characters of a managed policy, without white space. Source: IAM User Guide, "IAM and AWS STS quotas"."""
ATTACHED_POLICIES = 10
"""Managed policies that a role may have. Source: as above."""

Document = dict[str, Any]
Statement = dict[str, Any]

_KEY_ARN = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")
# What a resource's service does with a key that is there already.
_KEY_USE = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
# What AWS's managed policies allow that the templates attach: they pass through the boundary too.
_MANAGED_POLICIES: Mapping[str, tuple[str, ...]] = {
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs": (
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogGroups",
        "logs:DescribeLogStreams",
        "logs:FilterLogEvents",
        "logs:GetLogEvents",
        "logs:PutLogEvents",
    ),
}
# A Lambda layer and SageMaker's resources are named after the logical id alone.
_NAMED_BY_LOGICAL_ID = frozenset(
    {
        "AWS::Lambda::LayerVersion",
        "AWS::SageMaker::Endpoint",
        "AWS::SageMaker::EndpointConfig",
        "AWS::SageMaker::Model",
    }
)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The stacks that are deployed to one account and region, by the stack's name."""

    account: str
    region: str
    partition: str
    stacks: Mapping[str, Template]


@dataclass(frozen=True, kw_only=True)
class AccountPolicies:
    """The managed policies of an account, by name. `boundary` is None where the organisation has a boundary."""

    execution: Mapping[str, Document]
    boundary: Document | None

    @property
    def documents(self) -> dict[str, Document]:
        """Every policy to make, the boundary first: roles need it as soon as the first stack is deployed."""
        boundary = {} if self.boundary is None else {WORKLOAD_BOUNDARY: self.boundary}
        return {**boundary, **self.execution}


def account_policies(
    deployments: Sequence[Deployment], boundary: str | None = None, *, rollout_role: str | None = None
) -> AccountPolicies:
    """Make the policies of one account from all that is deployed to it.

    Args:
        deployments: at least one; all of the same account.
        boundary: the ARN or name of the organisation's own boundary. Default: one is made, `WORKLOAD_BOUNDARY`.
        rollout_role: the name of the role that deploys to all accounts, if it is in this one. Default: it is not.

    Raises:
        SdxlError: a handler needs an action on a type of resource that has no scope, or the policies do not fit.
    """
    first = deployments[0]
    prefix = f"arn:{first.partition}:iam::{first.account}"
    bound = f"{prefix}:policy/{WORKLOAD_BOUNDARY}"
    if boundary is not None:
        bound = boundary if boundary.startswith("arn:") else f"{prefix}:policy/{boundary}"
    makers = [_Maker(deployment, bound) for deployment in deployments]
    statements = _merged(statement for maker in makers for statement in maker.statements())
    made = packed([*_guards(prefix, bound, rollout_role), *statements])
    if len(made) > ATTACHED_POLICIES:
        raise SdxlError(f"The execution policy is {len(made)} managed policies, and a role has {ATTACHED_POLICIES}.")
    limits = None
    if boundary is None:
        limits = _document(_merged(statement for maker in makers for statement in maker.boundary()))
        if policy_size(limits) > POLICY_CHARACTERS:
            raise SdxlError(
                f"The permissions boundary has {policy_size(limits)} characters, and a policy {POLICY_CHARACTERS}. "
                "Make one that is shorter, and name it in organization.yaml (permissions_boundary)."
            )
    return AccountPolicies(
        execution={f"{POLICY_NAME}-{number}": document for number, document in enumerate(made, 1)}, boundary=limits
    )


def policy_size(document: Document) -> int:
    """Return the characters that IAM counts of a policy."""
    return len(json.dumps(document, separators=(",", ":")))


class _Maker:
    """Makes the statements for what is deployed to one account and region."""

    def __init__(self, deployment: Deployment, boundary: str) -> None:
        self._deployment = deployment
        self._boundary = boundary
        self._values = stack_values(
            deployment.stacks,
            account=deployment.account,
            region=deployment.region,
            partition=deployment.partition,
        )
        self._types = sorted(
            {resource["Type"] for template in deployment.stacks.values() for resource in template["Resources"].values()}
        )
        text = json.dumps(list(deployment.stacks.values()))
        self._given_keys = tuple(sorted(set(_KEY_ARN.findall(text))))

    def statements(self) -> Iterator[Statement]:
        """Yield what CloudFormation may do, apart from the guards."""
        by_scope: dict[Scope, set[str]] = defaultdict(set)
        for action in self._actions():
            if not action.startswith("iam:"):
                for scope in self._scopes(action):
                    by_scope[scope].add(action)
        for scope, actions in by_scope.items():
            # Empty where a handler can act on a type that the templates do not have, such as a function's layers.
            if resources := self._resources(scope):
                yield _allow(sorted(actions), resources, scope.condition)
        yield from self._iam()

    def boundary(self) -> Iterator[Statement]:
        """Yield what roles may do at most: what the templates' policies allow, on what belongs to the stacks."""
        for values in self._values.values():
            for resource in values.template["Resources"].values():
                if resource["Type"] not in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role"):
                    continue
                for statement in (
                    each for document in policies_in(resource) for each in as_list(document["Statement"])
                ):
                    if statement["Effect"] == "Allow" and "Resource" in statement:
                        actions = sorted(as_list(statement["Action"]))
                        for arn in (_collapsed(values.text(each)) for each in as_list(statement["Resource"])):
                            yield _allow(actions, [arn], TAGGED if arn.endswith(":key/*") else None)
                for arn in as_list(resource.get("Properties", {}).get("ManagedPolicyArns", [])):
                    if isinstance(arn, str):
                        yield _allow(_managed_policy_actions(arn), ["*"])

    def _actions(self) -> list[str]:
        found = {"ssm:GetParameters"}
        for kind in self._types:
            needed = handler_actions(kind, self._deployment.region)
            if not needed:
                raise SdxlError(
                    f"The CloudFormation registry does not say which permissions {kind} needs: its handlers have none."
                )
            found |= needed
        return sorted(action for action in found if action_resources(action) is not None and not _is_unused(action))

    def _scopes(self, action: str) -> tuple[Scope, ...]:
        if action.startswith("apigateway:"):
            return (self._api_scope(action),)
        if action in ACTION_SCOPES:
            return ACTION_SCOPES[action]
        types = action_resources(action) or ()
        if not types:
            return (EVERYTHING,)
        scopes = tuple(dict.fromkeys(scope for each in types for scope in RESOURCE_SCOPES.get(each, ())))
        if not scopes:
            shown = ", ".join(f"{each.service} {each.name}" for each in types[:5])
            raise SdxlError(
                f"{action} takes {shown}: say in sdxl/rollout/execution_scopes.py which of them the stacks make, or "
                "that no template needs the action."
            )
        if action in _KEY_USE and self._given_keys:
            return (*scopes, Scope(self._given_keys))
        return scopes

    def _api_scope(self, action: str) -> Scope:
        if action == "apigateway:SetWebACL":
            paths: Iterable[str] = ("/restapis/*/stages/*",)
        else:
            paths = dict.fromkeys(path for kind in self._types for path in API_PATHS.get(kind, ()))
        return Scope(tuple(f"arn:{{partition}}:apigateway:{{region}}::{path}" for path in paths))

    def _resources(self, scope: Scope) -> list[str]:
        where = self._deployment
        fields = {
            "partition": where.partition,
            "region": where.region,
            "account": where.account,
            "qualifier": read_bootstrap().qualifier,
        }
        found = {resource.format(**fields) for resource in scope.resources}
        return sorted(found | {arn for kind in scope.types for arn in self._arns(kind)})

    def _arns(self, kind: str) -> Iterator[str]:
        """Yield patterns of the ARNs of all resources of a type in the templates."""
        for values in self._values.values():
            for logical_id, resource in values.template["Resources"].items():
                if resource["Type"] != kind:
                    continue
                arn = values.arn(logical_id)
                yield _collapsed(arn)
                if kind in _NAMED_BY_LOGICAL_ID and arn.endswith("sdxl-*"):
                    # Without the hash that the CDK appends, and as SageMaker writes ARNs.
                    stem = arn.removesuffix("sdxl-*")
                    name = logical_id[:-8] if re.search(r"[0-9A-F]{8}$", logical_id) else logical_id
                    yield f"{stem}{name.lower() if kind.startswith('AWS::SageMaker') else name}*"

    def _iam(self) -> Iterator[Statement]:
        where = self._deployment
        prefix = f"arn:{where.partition}:iam::{where.account}"
        roles, policies = f"{prefix}:role/sdxl-*", f"{prefix}:policy/sdxl-*"
        needed = {action for action in self._actions() if action.startswith("iam:")}
        bounded = Condition("StringEquals", "iam:PermissionsBoundary", (self._boundary,))
        closed = Condition("ArnLike", "iam:PolicyARN", tuple(sorted({policies, *self._attached()})))
        trusted = tuple(sorted(set(self._trusted())))
        if not trusted:
            needed.discard("iam:PassRole")
        conditions: Mapping[str, tuple[Condition, ...]] = {
            "iam:CreateRole": (bounded,),
            "iam:PutRolePermissionsBoundary": (bounded,),
            "iam:PutRolePolicy": (bounded,),
            "iam:DeleteRolePolicy": (bounded,),
            "iam:AttachRolePolicy": (bounded, closed),
            "iam:DetachRolePolicy": (bounded, closed),
            "iam:PassRole": (Condition("StringEquals", "iam:PassedToService", trusted),),
        }
        by_scope: dict[tuple[str, tuple[Condition, ...]], list[str]] = defaultdict(list)
        for action in sorted(needed - {"iam:CreateServiceLinkedRole"}):
            names = {each.name for each in action_resources(action) or ()}
            by_scope[policies if "policy" in names else roles, conditions.get(action, ())].append(action)
        for (resource, condition), actions in by_scope.items():
            yield _allow(actions, [resource], *condition)
        linked = sorted({SERVICE_LINKED_ROLES[kind] for kind in self._types if kind in SERVICE_LINKED_ROLES})
        if linked:
            yield _allow(
                ["iam:CreateServiceLinkedRole"],
                [f"{prefix}:role/aws-service-role/*"],
                Condition("StringEquals", "iam:AWSServiceName", tuple(linked)),
            )

    def _attached(self) -> Iterator[str]:
        """Yield the ARNs of AWS's managed policies that the templates attach."""
        for values in self._values.values():
            for resource in values.template["Resources"].values():
                if resource["Type"] == "AWS::IAM::Role":
                    given = as_list(resource["Properties"].get("ManagedPolicyArns", []))
                    yield from (arn for arn in map(values.text, given) if ":iam::aws:policy/" in arn)

    def _trusted(self) -> Iterator[str]:
        """Yield the services that the templates' roles trust."""
        for values in self._values.values():
            for resource in values.template["Resources"].values():
                if resource["Type"] == "AWS::IAM::Role":
                    for statement in as_list(resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]):
                        yield from map(values.text, as_list(statement["Principal"].get("Service", [])))


def _guards(prefix: str, boundary: str, rollout_role: str | None) -> Iterator[Statement]:
    """Yield what is denied whatever other policy allows it."""
    policies, roles = [boundary, f"{prefix}:policy/{POLICY_NAME}-*"], [f"{prefix}:role/cdk-*"]
    if rollout_role is not None:
        # Its name may begin with `sdxl-`, as that of the stacks' roles.
        policies.append(f"{prefix}:policy/{ROLLOUT_POLICY_NAME}-*")
        roles.append(f"{prefix}:role/{rollout_role}")
    yield _deny(
        ["iam:CreateRole", "iam:PutRolePermissionsBoundary"],
        ["*"],
        # True also where the request has no boundary at all.
        Condition("StringNotEquals", "iam:PermissionsBoundary", (boundary,)),
    )
    yield _deny(
        ["iam:DeleteRolePermissionsBoundary", "iam:CreateUser", "iam:CreateGroup", "iam:CreateAccessKey"], ["*"]
    )
    yield _deny(
        [
            "iam:CreatePolicy",
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:SetDefaultPolicyVersion",
        ],
        policies,
    )
    yield _deny(
        [
            "iam:AttachRolePolicy",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PassRole",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole",
        ],
        roles,
    )
    # A part of an API has no name in its request: so only requests that have one are looked at.
    yield _deny(
        ["apigateway:DELETE", "apigateway:PATCH", "apigateway:PUT", "apigateway:UpdateRestApiPolicy"],
        ["*"],
        Condition("Null", "apigateway:Resource/ApiName", ("false",)),
        Condition("StringNotLike", "apigateway:Resource/ApiName", ("sdxl-*",)),
    )


def _managed_policy_actions(arn: str) -> tuple[str, ...]:
    name = arn.partition(":policy/")[2]
    if name not in _MANAGED_POLICIES:
        raise SdxlError(f"A role has the managed policy {arn}: say in sdxl/rollout/execution_policy.py what it allows.")
    return _MANAGED_POLICIES[name]


def _is_unused(action: str) -> bool:
    return any(fnmatch.fnmatchcase(action, pattern) for pattern in UNUSED)


def _collapsed(arn: str) -> str:
    """The ARN up to `sdxl-`: a new environment needs no new policy."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or "sdxl-" not in parts[5] or parts[5].startswith(("key/", "foundation-model/")):
        return arn
    return ":".join((*parts[:5], re.sub(r"sdxl-.*", "sdxl-*", parts[5])))


def _allow(actions: Sequence[str], resources: Sequence[str], *conditions: Condition | None) -> Statement:
    return _statement("Allow", actions, resources, *conditions)


def _deny(actions: Sequence[str], resources: Sequence[str], *conditions: Condition) -> Statement:
    return _statement("Deny", actions, resources, *conditions)


def _statement(
    effect: str, actions: Sequence[str], resources: Sequence[str], *conditions: Condition | None
) -> Statement:
    made: Statement = {"Effect": effect, "Action": list(actions), "Resource": list(resources)}
    given: dict[str, dict[str, str | list[str]]] = {}
    for condition in conditions:
        if condition is not None:
            values = list(condition.values)
            given.setdefault(condition.operator, {})[condition.key] = values[0] if len(values) == 1 else values
    return {**made, "Condition": given} if given else made


def _merged(statements: Iterable[Statement]) -> list[Statement]:
    """Join statements of the same resources and condition, then those of the same actions and condition."""
    return _joined(_joined(statements, "Action"), "Resource")


def _joined(statements: Iterable[Statement], joined: str) -> list[Statement]:
    """Join statements that differ in one element only."""
    found: dict[str, Statement] = {}
    for statement in statements:
        rest = {key: value for key, value in statement.items() if key != joined}
        kept = found.setdefault(json.dumps(rest, sort_keys=True), {**statement, joined: []})
        kept[joined] = sorted({*kept[joined], *statement[joined]})
    return list(found.values())


def packed(statements: Iterable[Statement]) -> list[Document]:
    """Put statements into as few policies as their size allows, in order; one that is too long is cut by actions."""
    made: list[list[Statement]] = []
    for statement in (piece for each in statements for piece in _pieces(each)):
        if made and policy_size(_document([*made[-1], statement])) <= POLICY_CHARACTERS:
            made[-1].append(statement)
        else:
            made.append([statement])
    return [_document(each) for each in made]


def _pieces(statement: Statement) -> Iterator[Statement]:
    if policy_size(_document([statement])) <= POLICY_CHARACTERS:
        yield statement
        return
    actions = statement["Action"]
    half = len(actions) // 2
    if not half:
        raise SdxlError(f"{actions} on {len(statement['Resource'])} resources does not fit into a policy.")
    for part in (actions[:half], actions[half:]):
        yield from _pieces({**statement, "Action": part})


def _document(statements: Sequence[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
