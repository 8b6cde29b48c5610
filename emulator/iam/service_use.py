"""What other services than Lambda do with a role that they are given: they assume it, and act as it allows."""

from __future__ import annotations

from collections.abc import Iterable

from emulator.iam.authorizer import authorize
from emulator.iam.conditions import Context
from emulator.iam.documents import Kind, parse_policy
from emulator.iam.evaluation import Permission
from emulator.iam.sessions import FunctionSession, RoleError, find_role


def authorize_service(
    role_arn: str, service: str, permissions: Iterable[Permission], *, region: str, session_name: str
) -> None:
    """Let `service`, such as `sagemaker.amazonaws.com`, use a role for `permissions`, and record each decision.

    Raises:
        RoleError: the role does not exist, or does not trust the service.
        DeniedError: a permission is missing.
        PolicyError: a policy cannot be evaluated.
    """
    account = role_arn.split(":")[4]
    role = find_role(role_arn)
    if role is None or not allows_service(
        role.assume_role_policy_document, service, "sts:AssumeRole", "*", account=account
    ):
        raise RoleError(f"{service} cannot assume the role {role_arn}")
    partition = role_arn.split(":")[1]
    # The name of the session is all that is read of it.
    named = f"arn:{partition}:lambda:{region}:{account}:function:{session_name}"
    authorize(FunctionSession.without_key(role_arn, named), permissions, region=region, by_function=False)


def allows_service(
    document: str, service: str, action: str, resource: str, *, account: str, source_arn: str | None = None
) -> bool:
    """Whether a trust policy, or a resource's own policy, lets a service of AWS act; raises PolicyError.

    `account` is the account for which the service acts, `source_arn` the resource for which it does.
    """
    values = {"aws:SourceAccount": account, "aws:SecureTransport": "true", "aws:PrincipalIsAWSService": "true"}
    if source_arn is not None:
        values["aws:SourceArn"] = source_arn
    absent = ("aws:PrincipalOrgID", "aws:SourceVpc", "aws:SourceVpce", "kms:EncryptionContext:", "kms:ViaService")
    context = Context(values, absent if source_arn is not None else (*absent, "aws:SourceArn"))
    kind = Kind.TRUST if action == "sts:AssumeRole" else Kind.RESOURCE
    applying = [
        statement
        for statement in parse_policy(document, kind)
        if (service in statement.principal.get("Service", ()) or "*" in statement.principal.get("AWS", ()))
        and statement.speaks_of(action, resource, context)
    ]
    return bool(applying) and all(statement.effect == "Allow" for statement in applying)
