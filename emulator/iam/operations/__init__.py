"""Which permissions each call of a service needs: the actions, their resources and their condition keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from emulator.iam.evaluation import Permission
from emulator.iam.operations import bedrock, dynamodb, keys, messages, plain, s3
from emulator.iam.requests import Call, UndeterminedError

__all__ = ["Permission", "permissions_of"]


def permissions_of(call: Call) -> list[Permission]:
    """What a call needs, in the order in which AWS checks it; raises UndeterminedError where that is not known."""
    find = _SERVICES.get(call.service)
    if find is None:
        raise UndeterminedError(f"calls of {call.service} are not evaluated: those of {', '.join(_SERVICES)} are")
    return list(find(call))


def _sts(call: Call) -> Iterable[Permission]:
    # Everyone may ask who they are, even where a policy denies it (STS API Reference, GetCallerIdentity).
    if call.operation == "GetCallerIdentity":
        return ()
    raise UndeterminedError(
        f"STS {call.operation} is not evaluated: a session of another role would escape its policies"
    )


_SERVICES: dict[str, Callable[[Call], Iterable[Permission]]] = {
    "bedrock": bedrock.permissions,
    "dynamodb": dynamodb.permissions,
    "kms": keys.permissions,
    "s3": s3.permissions,
    "sns": messages.sns_permissions,
    "sqs": messages.sqs_permissions,
    "sts": _sts,
    **dict.fromkeys(plain.RESOURCES, plain.permissions),
}
