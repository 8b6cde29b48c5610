"""CloudFormation values as an API's parameters: keys matched, strings made numbers or booleans, nothing dropped.

Templates write numbers and booleans as strings and keys in PascalCase; each API has its own types and case. The API's
own model, which botocore carries, says what is wanted. A key that the API does not have is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from emulator.cloudformation.errors import ResourceError


def call(client: Any, operation: str, values: Mapping[str, Any], *, of: str) -> dict[str, Any]:
    """Call an API operation, such as `PutMetricAlarm`, with CloudFormation values as its parameters.

    `of` names the resource type (and property) that the values belong to, for the error where one cannot be carried.
    """
    shape = client.meta.service_model.operation_model(operation).input_shape
    parameters = api_value(values, shape, of)
    method = {api: python for python, api in client.meta.method_to_api_mapping.items()}[operation]
    return getattr(client, method)(**parameters)  # type: ignore[no-any-return]


def unless(codes: str, request: Callable[..., Any], **parameters: Any) -> None:
    """Make a request, and take an error with one of the codes (in one text) for success: what is gone is deleted."""
    try:
        request(**parameters)
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in codes.split():
            raise


def api_value(value: Any, shape: Any, path: str) -> Any:
    """A CloudFormation value in an API's shape. Raises ResourceError for a key or value that does not fit."""
    kind = shape.type_name
    if kind == "structure":
        return _structure(value, shape, path)
    if kind == "list":
        items = value if isinstance(value, list) else [value]
        return [api_value(item, shape.member, f"{path}[{index}]") for index, item in enumerate(items)]
    if kind == "map":
        return {key: api_value(item, shape.value, f"{path}.{key}") for key, item in value.items()}
    if kind in _SCALARS:
        try:
            return _SCALARS[kind](value)
        except (TypeError, ValueError) as exc:
            message = f"{path} is {value!r}, which is not a {kind}"
            raise ResourceError(message) from exc
    return value


def boolean(value: Any) -> bool:
    """A CloudFormation boolean: true, false, or either as text. Raises ValueError for anything else."""
    text = str(value).lower()
    if text not in {"true", "false"}:
        message = f"{value!r} is not true or false"
        raise ValueError(message)
    return text == "true"


def _structure(value: Any, shape: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = f"{path} is {value!r}, which is not an object"
        raise ResourceError(message)
    members = {name.lower(): name for name in shape.members}
    result = {}
    for key, item in value.items():
        member = members.get(key.lower())
        if member is None:
            message = f"{path}.{key} is not emulated"
            raise ResourceError(message)
        result[member] = api_value(item, shape.members[member], f"{path}.{key}")
    return result


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        message = f"{value!r} is not text"
        raise TypeError(message)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whole(value: Any) -> int:
    number = float(value)
    if number != int(number):
        message = f"{value!r} is not whole"
        raise ValueError(message)
    return int(number)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "boolean": boolean,
    "string": _text,
    "integer": _whole,
    "long": _whole,
    "float": float,
    "double": float,
}


def tag_list(properties: Mapping[str, Any]) -> list[dict[str, str]]:
    """The Tags property as a list of Key and Value."""
    return [{"Key": str(tag["Key"]), "Value": str(tag["Value"])} for tag in properties.get("Tags") or []]


def tag_map(properties: Mapping[str, Any]) -> dict[str, str]:
    """The Tags property as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tag_list(properties)}


def removed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The tags that a change takes away."""
    return sorted(set(tag_map(before)) - set(tag_map(after)))
