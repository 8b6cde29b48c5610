"""What Lambda itself does with an execution role: logs, traces, network interfaces; and that it may assume the role.

Source: AWS Lambda Developer Guide, "Sending Lambda function logs to CloudWatch Logs", "Visualize Lambda function
invocations using AWS X-Ray" and "Giving Lambda functions access to resources in an Amazon VPC", section "Required IAM
permissions".
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaFunction, LambdaStorage

from emulator.iam.authorizer import DeniedError, RoleGoneError, authorize, is_allowed
from emulator.iam.operations import Permission
from emulator.iam.patterns import PolicyError
from emulator.iam.sessions import FunctionSession, RoleError, check_trust

_TRACE_ACTIONS = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
_DESCRIBE_ACTIONS = ("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets")
_INTERFACE_ACTIONS = (
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)


def install() -> None:
    """Check a function's role where moto makes a function or changes its configuration."""
    if hasattr(LambdaFunction, "role_checked"):
        return
    LambdaFunction.role_checked = True
    LambdaStorage.put_function = _check_new(LambdaStorage.put_function)
    LambdaFunction.update_configuration = _check_changed(LambdaFunction.update_configuration)


def may_write_log(session: FunctionSession, action: str, group: str, stream: str = "") -> bool:
    """Whether Lambda may do a log action for the function; where it may not, the log is dropped in silence."""
    resource = f"log-group:{group}:log-stream:{stream}"
    arn = f"arn:{session.partition}:logs:{session.region}:{session.account}:{resource}"
    return is_allowed(session, [Permission(f"logs:{action}", arn)])


def send_trace(session: FunctionSession) -> None:
    """Lambda's X-Ray daemon sends a trace of an invocation, and its own telemetry; what it may not send is dropped."""
    for action in _TRACE_ACTIONS:
        is_allowed(session, [Permission(action, "*")])


def _check_network(session: FunctionSession, vpc_config: Mapping[str, Any]) -> None:
    """Raise moto's InvalidParameterValueException unless Lambda may make and keep the function's network interfaces."""
    try:
        authorize(session, _network_permissions(session, vpc_config), by_function=False)
    except DeniedError as exc:
        action = exc.permission.action.removeprefix("ec2:")
        message = f"The provided execution role does not have permissions to call {action} on EC2"
        raise InvalidParameterValueException(message) from exc
    except (RoleGoneError, PolicyError) as exc:
        raise InvalidParameterValueException(f"The emulator refuses the VPC: {exc}") from exc


def _network_permissions(session: FunctionSession, vpc_config: Mapping[str, Any]) -> Iterator[Permission]:
    def arn(resource: str) -> str:
        return f"arn:{session.partition}:ec2:{session.region}:{session.account}:{resource}"

    places = [
        *(f"subnet/{subnet}" for subnet in vpc_config.get("SubnetIds") or ()),
        *(f"security-group/{group}" for group in vpc_config.get("SecurityGroupIds") or ()),
        # Of an interface that does not exist yet.
        "network-interface/*",
    ]
    yield from (Permission("ec2:CreateNetworkInterface", arn(place)) for place in places)
    yield from (Permission(action, "*") for action in _DESCRIBE_ACTIONS)
    yield from (Permission(action, arn("network-interface/*")) for action in _INTERFACE_ACTIONS)


def _check_new(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def put_function(self: LambdaStorage, fn: LambdaFunction) -> None:
        # moto's own checks first: the role's form, its account, and whether it exists.
        original(self, fn)
        try:
            _check(fn, fn.role, fn._vpc_config)
        except InvalidParameterValueException:
            self._functions.pop(fn.function_name, None)
            self._arns.pop(fn.function_arn, None)
            raise

    return put_function


def _check_changed(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @functools.wraps(original)
    def update_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        if {"Role", "VpcConfig"} & set(config_updates):
            _check(self, config_updates.get("Role", self.role), config_updates.get("VpcConfig", self._vpc_config))
        return original(self, config_updates)

    return update_configuration


def _check(function: LambdaFunction, role_arn: str, vpc_config: Mapping[str, Any] | None) -> None:
    try:
        check_trust(role_arn)
    except RoleError as exc:
        raise InvalidParameterValueException(str(exc)) from exc
    if vpc_config and vpc_config.get("SubnetIds"):
        _check_network(FunctionSession.without_key(role_arn, function.function_arn), vpc_config)
