"""Decides on a function's permissions by what its role holds at the moment, and records every decision."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from moto.iam.models import Role

from emulator.iam.conditions import Context, Value
from emulator.iam.evaluation import evaluate
from emulator.iam.operations import Permission
from emulator.iam.patterns import PolicyError
from emulator.iam.recorder import RECORDER
from emulator.iam.sessions import FunctionSession, caller_of

# Of a role's session in its own account, made by Lambda: no user, no second factor, no service in between.
_ABSENT = (
    *("aws:MultiFactorAuthAge", "aws:MultiFactorAuthPresent", "aws:SourceAccount", "aws:SourceArn", "aws:username"),
    *("aws:PrincipalServiceName", "aws:PrincipalServiceNamesList", "aws:PrincipalTag/", "aws:SourceIdentity"),
    "lambda:SourceFunctionArn",
)
# Of calls that come from the internet, as those of a function in no VPC.
_ABSENT_OUTSIDE_VPC = ("aws:SourceVpc", "aws:SourceVpcArn", "aws:SourceVpce", "aws:VpcSourceIp")


class DeniedError(Exception):
    """A permission is missing, or forbidden."""

    def __init__(self, permission: Permission, reason: str) -> None:
        super().__init__(f"{permission.action} on {permission.resource} {reason}")
        self.permission = permission
        self.reason = reason


class RoleGoneError(Exception):
    """The role of a session does not exist any more."""


def authorize(
    session: FunctionSession, permissions: Iterable[Permission], *, region: str | None = None, by_function: bool = True
) -> None:
    """Decide on permissions one by one, and record what was decided.

    `region` is the one that is called, by default the function's own. `by_function` is false for what Lambda itself
    does with the role. Raises DeniedError at the first that is missing, RoleGoneError, and PolicyError where a policy
    cannot be evaluated.
    """
    role = session.role()
    if role is None:
        raise RoleGoneError(f"the role {session.role_arn} does not exist any more")
    caller = caller_of(session, role)
    for permission in permissions:
        values = _global_context(session, role, permission, region=region or session.region)
        if by_function:
            # Lambda Developer Guide, "Using source function ARN to control function access behavior".
            values["lambda:SourceFunctionArn"] = session.function_arn
        absent = (*_ABSENT, *permission.absent, *(() if session.in_vpc else _ABSENT_OUTSIDE_VPC))
        context = Context({**values, **permission.context}, absent)
        decision = evaluate(caller, permission.action, permission.resource, context, permission.resource_policy)
        RECORDER.record(session.role_arn, permission.action, permission.resource, permission.via, decision)
        if not decision.allowed:
            raise DeniedError(permission, decision.reason)


def is_allowed(session: FunctionSession, permissions: Iterable[Permission]) -> bool:
    """Whether Lambda itself may do something with the role; what it may not, it leaves out in silence."""
    try:
        authorize(session, permissions, by_function=False)
    except (DeniedError, RoleGoneError):
        return False
    except PolicyError as exc:
        RECORDER.refuse(session.role_arn, "Lambda's own use of the role", str(exc))
        return False
    return True


def _global_context(session: FunctionSession, role: Role, permission: Permission, *, region: str) -> dict[str, Value]:
    now = datetime.now(UTC)
    context: dict[str, Value] = {
        "aws:CurrentTime": now.isoformat(timespec="seconds"),
        "aws:EpochTime": str(int(now.timestamp())),
        "aws:PrincipalAccount": session.account,
        "aws:PrincipalArn": session.role_arn,
        "aws:PrincipalIsAWSService": "false",
        "aws:PrincipalType": "AssumedRole",
        "aws:RequestedRegion": region,
        "aws:ResourceAccount": session.account,
        # Traffic on this machine stands for TLS.
        "aws:SecureTransport": "true",
        "aws:userid": f"{role.id}:{session.name}",
        "aws:ViaAWSService": str(permission.via is not None).lower(),
    }
    context |= {f"aws:PrincipalTag/{tag['Key']}": tag["Value"] for tag in _tags(role)}
    return context


def _tags(role: Role) -> Iterable[dict[str, str]]:
    tags = role.tags
    return tags.values() if isinstance(tags, dict) else tags or ()
