"""The access stack of an account: what an administrator deploys there before `cdk bootstrap`.

It has the managed policies that CloudFormation deploys with and the permissions boundary of the roles that the stacks
make. In the tooling account, it also has GitHub's identity provider and the role that the workflow of GitHub Actions
assumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.catalog import partition_of
from stacks.constructs.template_metadata import acknowledge
from stacks.environment.organization import WORKLOAD_BOUNDARY

STACK_NAME = "sdxl-access"
ISSUER = "token.actions.githubusercontent.com"
"""GitHub's identity provider: its address without `https://`. Source: GitHub Docs, "OpenID Connect reference"."""
AUDIENCE = "sts.amazonaws.com"
"""What the action aws-actions/configure-aws-credentials asks GitHub's token for."""
SESSION_HOURS = 4
"""A session of the rollout's role: a ring with a guarded update takes longer than IAM's default of one hour."""
# Only here are the claims of GitHub's tokens condition keys, apart from `sub` and `aud`: AWS What's New, January 2026,
# "AWS STS supports validation of select identity provider specific claims", for the commercial regions.
_PARTITION_OF_CLAIMS = "aws"

Document = Mapping[str, Any]

_SCOPED = (
    "The name or id of what the stacks make has a generated part; sdxl/rollout/execution_scopes.py narrows the rest by "
    "account, region, prefix or tag."
)
_WORKLOAD = "What the templates' own policies allow, with the environment's name left open: a new one needs no change."


@dataclass(frozen=True, kw_only=True)
class RolloutRole:
    """The role that the workflow of GitHub Actions assumes in the tooling account.

    `policies` are its managed policies by name. `subjects` are the tokens' subjects that it trusts; `branch` is
    the branch that they must come from. `provider_is_made` is false where the account has the identity provider.
    """

    name: str
    policies: Mapping[str, Document]
    subjects: tuple[str, ...]
    branch: str
    provider_is_made: bool


class AccessStack(cdk.Stack):
    """Managed policies of one account by name, and the rollout's role where there is one.

    `execution_policies` and `workload_boundary` are of the account; `boundary` bounds the rollout's role. The stack
    needs no bootstrap: it has no assets, and the CDK CLI deploys it with the caller's credentials.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        account: str,
        region: str,
        execution_policies: Mapping[str, Document],
        workload_boundary: Document | None,
        rollout_role: RolloutRole | None = None,
        boundary: cdk.PermissionsBoundary | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=STACK_NAME,
            env=cdk.Environment(account=account, region=region),
            description="Policies that CloudFormation deploys SDXL with, and the role of the rollout",
            # With `BootstraplessSynthesizer`, the CLI would still ask for the roles of a bootstrap.
            synthesizer=cdk.LegacyStackSynthesizer(),
            permissions_boundary=boundary,
            termination_protection=True,
        )
        self._partition = partition_of(region)
        if workload_boundary is not None:
            policy = self._policy("WorkloadBoundary", WORKLOAD_BOUNDARY, workload_boundary, _WORKLOAD)
            cdk.CfnOutput(self, "WorkloadBoundaryArn", value=policy.ref)
        made = [
            self._policy(f"ExecutionPolicy{number}", name, document, _SCOPED)
            for number, (name, document) in enumerate(execution_policies.items(), 1)
        ]
        if made:
            cdk.CfnOutput(
                self,
                "ExecutionPolicyArns",
                value=cdk.Fn.join(",", [policy.ref for policy in made]),
                description="For cdk bootstrap --cloudformation-execution-policies",
            )
        if rollout_role is not None:
            self._add_rollout_role(rollout_role)

    def _policy(self, construct_id: str, name: str, document: Document, reason: str) -> iam.CfnManagedPolicy:
        """Add a managed policy with exactly this document.

        It has no description, because a changed one would replace the policy, and two cannot have the same name.
        """
        policy = iam.CfnManagedPolicy(self, construct_id, managed_policy_name=name, policy_document=document)
        wildcards = {resource for resource in _allowed_resources(document) if "*" in resource}
        if wildcards:
            acknowledge(policy, {f"AwsSolutions-IAM5[Resource::{each}]": reason for each in sorted(wildcards)})
        return policy

    def _add_rollout_role(self, settings: RolloutRole) -> None:
        arn = f"arn:{self._partition}:iam::{self.account}:oidc-provider/{ISSUER}"
        if settings.provider_is_made:
            # Other repositories of the account may use it too: so it stays when this stack goes.
            provider = iam.CfnOIDCProvider(self, "GitHubProvider", url=f"https://{ISSUER}", client_id_list=[AUDIENCE])
            provider.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
            arn = provider.ref
        policies = [
            iam.CfnManagedPolicy(self, f"RolloutPolicy{number}", managed_policy_name=name, policy_document=document)
            for number, (name, document) in enumerate(settings.policies.items(), 1)
        ]
        claims = {"aud": AUDIENCE, "sub": list(settings.subjects)}
        if self._partition == _PARTITION_OF_CLAIMS:
            claims["ref"] = f"refs/heads/{settings.branch}"
        role = iam.Role(
            self,
            "RolloutRole",
            role_name=settings.name,
            description="Assumed by the workflow of GitHub Actions that rolls SDXL out",
            assumed_by=iam.WebIdentityPrincipal(
                arn, {"StringEquals": {f"{ISSUER}:{claim}": value for claim, value in claims.items()}}
            ),
            managed_policies=[
                iam.ManagedPolicy.from_managed_policy_arn(self, f"Attached{number}", policy.ref)
                for number, policy in enumerate(policies, 1)
            ],
            max_session_duration=cdk.Duration.hours(SESSION_HOURS),
        )
        cdk.CfnOutput(self, "RolloutRoleArn", value=role.role_arn, description="Assumed by the workflow's jobs")


def _allowed_resources(document: Document) -> Iterator[str]:
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            yield from statement["Resource"]
