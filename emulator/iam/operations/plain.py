"""Services each of whose calls needs one action, on a resource that its parameters name.

Source: Service Authorization Reference, and for CloudWatch Logs the ARNs in its own messages of refusal, which have a
log stream in them also where an action is about the log group.
"""

from __future__ import annotations

from collections.abc import Iterator

from emulator.iam.evaluation import Permission
from emulator.iam.requests import Call, UndeterminedError

_GROUP = "log-group:{logGroupName}:log-stream:"
_STREAM = "log-group:{logGroupName}:log-stream:{logStreamName}"
_NONE = "*"

RESOURCES: dict[str, dict[str, str]] = {
    "lambda": {"Invoke": "function:{FunctionName}"},
    "logs": {
        "CreateLogGroup": _GROUP,
        "CreateLogStream": _STREAM,
        "DescribeLogGroups": "log-group::log-stream:",
        "DescribeLogStreams": _GROUP,
        "FilterLogEvents": _GROUP,
        "GetLogEvents": _STREAM,
        "PutLogEvents": _STREAM,
    },
    "monitoring": {
        "GetMetricData": _NONE,
        "GetMetricStatistics": _NONE,
        "ListMetrics": _NONE,
        "PutMetricData": _NONE,
        "SetAlarmState": "alarm:{AlarmName}",
    },
    "sagemaker": {
        "DescribeEndpoint": "endpoint/{EndpointName}",
        "DescribeEndpointConfig": "endpoint-config/{EndpointConfigName}",
        "InvokeEndpoint": "endpoint/{EndpointName}",
        "InvokeEndpointAsync": "endpoint/{EndpointName}",
        "InvokeEndpointWithResponseStream": "endpoint/{EndpointName}",
        "ListEndpoints": _NONE,
    },
    "xray": {
        "GetSamplingRules": _NONE,
        "GetSamplingStatisticSummaries": _NONE,
        "GetSamplingTargets": _NONE,
        "PutTelemetryRecords": _NONE,
        "PutTraceSegments": _NONE,
    },
}
"""By the name that requests are signed for: the resource of each operation, `*` where it has none."""

_PREFIXES = {"monitoring": "cloudwatch"}
_ACTIONS = {("lambda", "Invoke"): "InvokeFunction"}


def permissions(call: Call) -> Iterator[Permission]:
    """What a call of one of these services needs."""
    known = RESOURCES[call.service]
    template = known.get(call.operation)
    if template is None:
        raise UndeterminedError(f"{call.service} {call.operation} is not evaluated: {', '.join(sorted(known))} are")
    prefix = _PREFIXES.get(call.service, call.service)
    action = _ACTIONS.get((call.service, call.operation), call.operation)
    context = {}
    if action == "PutMetricData":
        context["cloudwatch:namespace"] = call.parameter("Namespace")
    yield Permission(f"{prefix}:{action}", _resource(call, prefix, template), context)


def _resource(call: Call, prefix: str, template: str) -> str:
    if template == _NONE:
        return _NONE
    values = {name: str(value) for name, value in call.parameters.items()}
    try:
        resource = template.format_map(values)
    except KeyError as exc:
        message = f"{call.service} {call.operation} has no {exc.args[0]}, which names its resource"
        raise UndeterminedError(message) from exc
    name = resource.partition(":")[2] if prefix == "lambda" else ""
    if name.startswith("arn:"):
        resource = call.in_own_account(name).split(":", 5)[5]
    if call.service == "lambda" and "Qualifier" in call.parameters:
        resource = f"{resource}:{call.parameters['Qualifier']}"
    return call.arn(prefix, resource)
