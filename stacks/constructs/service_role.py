"""A role for one AWS service, whose permissions exist before the role does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.template_metadata import keep_logical_id, path_in_stack

# Services that document `aws:SourceAccount` in the trust policy of a role that they assume: SageMaker AI Developer
# Guide and Billing and Cost Management User Guide, "Cross-service confused deputy prevention". Lambda, API Gateway and
# Amazon Q Developer document no such key for these roles: with the condition they might not be able to assume them.
_SERVICES_WITH_SOURCE_ACCOUNT = frozenset({"budgets.amazonaws.com", "sagemaker.amazonaws.com"})


def service_principal(scope: Construct, service: str) -> iam.IPrincipal:
    """Return the principal of `service`, limited to work for resources of this account where the service says whose."""
    principal = iam.ServicePrincipal(service)
    if service not in _SERVICES_WITH_SOURCE_ACCOUNT:
        return principal
    return principal.with_conditions({"StringEquals": {"aws:SourceAccount": cdk.Stack.of(scope).account}})


class ServiceRole(iam.Role):
    """Role that `service` assumes. What is granted to it goes into its one managed policy, `permissions`.

    The CDK's own role has an inline policy that CloudFormation creates after the role, so that what is given the
    role's ARN may start without permissions. This role names the policy: CloudFormation creates the policy first.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        service: str,
        description: str,
        statements: Sequence[iam.PolicyStatement] = (),
    ) -> None:
        self.permissions = managed_policy(
            scope, f"{construct_id}Permissions", description=description, statements=statements
        )
        super().__init__(
            scope,
            construct_id,
            assumed_by=service_principal(scope, service),
            description=description,
            managed_policies=[self.permissions],
        )
        keep_logical_id(self, f"{path_in_stack(self)}/Role")
        keep_logical_id(self.permissions, f"{path_in_stack(self)}/Permissions")

    def add_to_principal_policy(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        """Add a statement to `permissions`. Every `grant` of the CDK ends here."""
        self.permissions.add_statements(statement)
        return iam.AddToPrincipalPolicyResult(statement_added=True, policy_dependable=self.permissions)


def managed_policy(
    scope: Construct, construct_id: str, *, description: str, statements: Sequence[iam.PolicyStatement]
) -> iam.ManagedPolicy:
    """Return a managed policy with a generated name."""
    policy = iam.ManagedPolicy(scope, construct_id, description=description, statements=list(statements) or None)
    # The construct writes the default path, which deployed policies do not have: CloudFormation would replace them.
    cast(iam.CfnManagedPolicy, policy.node.default_child).path = None
    return policy
