"""A role for one AWS service, whose permissions exist before the role does."""

from __future__ import annotations

from functools import cached_property

from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.statement import Statement


class ServiceRole(Construct):
    """Role that `service` assumes, with one managed policy.

    The role names the policy, and not the other way round, so CloudFormation creates the policy first: whatever is
    given the role's ARN finds all its permissions in place.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        service: str,
        description: str,
        statements: list[Statement],
    ) -> None:
        super().__init__(scope, construct_id)
        self.permissions = managed_policy(self, "Permissions", description=description, statements=statements)
        self.role = iam.CfnRole(
            self,
            "Role",
            description=description,
            assume_role_policy_document=trust_policy(service),
            managed_policy_arns=[self.permissions.ref],
        )

    @cached_property
    def arn(self) -> str:
        """ARN of the role."""
        return self.role.attr_arn


def managed_policy(
    scope: Construct, construct_id: str, *, description: str, statements: list[Statement]
) -> iam.CfnManagedPolicy:
    """Managed policy with a generated name."""
    document = {"Version": "2012-10-17", "Statement": statements}
    return iam.CfnManagedPolicy(scope, construct_id, description=description, policy_document=document)


def trust_policy(service: str) -> dict[str, object]:
    """Trust policy that lets `service`, and nothing else, assume the role."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}],
    }
