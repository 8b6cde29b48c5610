"""KMS: direct calls, and calls that other services make on a caller's behalf for what a customer's key encrypts.

Source: AWS KMS Developer Guide, "Condition keys for AWS KMS" and "Key policies in AWS KMS". Grants are not looked at.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from moto.kms.models import Key, kms_backends
from moto.kms.utils import _deserialize_ciphertext_blob

from emulator.iam.conditions import Value
from emulator.iam.evaluation import Permission, ResourcePolicy
from emulator.iam.requests import Call, UndeterminedError

_DIRECT = frozenset(
    {"DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GetPublicKey", "Sign"}
)
_ABSENT = ("aws:ResourceTag/", "kms:EncryptionContext:", "kms:EncryptionContextKeys", "kms:ViaService")


def permissions(call: Call) -> Iterator[Permission]:
    """What a direct call of KMS needs."""
    encryption_context = call.parameters.get("EncryptionContext") or {}
    if call.operation in _DIRECT or (call.operation == "Decrypt" and call.parameters.get("KeyId")):
        yield _permission(call, f"kms:{call.operation}", call.parameter("KeyId"), encryption_context)
    elif call.operation == "Decrypt":
        yield _permission(call, "kms:Decrypt", _key_of(call.parameter("CiphertextBlob")), encryption_context)
    elif call.operation == "ReEncrypt":
        source = call.parameters.get("SourceEncryptionContext") or {}
        target = call.parameters.get("DestinationEncryptionContext") or {}
        yield _permission(call, "kms:ReEncryptFrom", _key_of(call.parameter("CiphertextBlob")), source)
        yield _permission(call, "kms:ReEncryptTo", call.parameter("DestinationKeyId"), target)
    else:
        raise UndeterminedError(
            f"KMS {call.operation} is not evaluated: {', '.join(sorted(_DIRECT))}, Decrypt and ReEncrypt are"
        )


def implied(
    call: Call, actions: tuple[str, ...], key_id: str | None, *, via: str, encryption_context: Mapping[str, str]
) -> Iterator[Permission]:
    """What the service `via` needs of the caller to use a key for it: nothing, unless the key is a customer's.

    The policies of AWS managed keys let everyone in the account use them through their service.
    """
    key = find_key(call, key_id) if key_id else None
    if key_id is None or (key and any(alias.startswith("alias/aws/") for alias in key.aliases)):
        return
    for action in actions:
        yield _permission(call, action, key_id, encryption_context, via=via)


def find_key(call: Call, key_id: str) -> Key | None:
    """The key that an id, an alias or an ARN of either names, None where there is none."""
    backend = kms_backends[call.account][call.region]
    name = key_id.split(":", 5)[-1] if key_id.startswith("arn:") else key_id
    if name.startswith("alias/"):
        return next((key for key in list(backend.keys.values()) if name in key.aliases), None)
    return backend.keys.get(name.removeprefix("key/"))


def _permission(
    call: Call, action: str, key_id: str, encryption_context: Mapping[str, Any], *, via: str | None = None
) -> Permission:
    if key_id.startswith("arn:"):
        call.in_own_account(key_id)
    key = find_key(call, key_id)
    named = key_id if ":key/" in key_id else call.arn("kms", f"key/{key_id}")
    context: dict[str, Value] = {"kms:CallerAccount": call.account}
    if key:
        tags = kms_backends[call.account][call.region].tagger.get_tag_dict_for_resource(key.id)
        context |= {f"aws:ResourceTag/{name}": value for name, value in tags.items()}
    if via:
        context["kms:ViaService"] = f"{via}.{call.region}.amazonaws.com"
    if encryption_context:
        context |= {f"kms:EncryptionContext:{name}": str(value) for name, value in encryption_context.items()}
        context["kms:EncryptionContextKeys"] = tuple(encryption_context)
    return Permission(
        action=action,
        # A key that is not there has an ARN all the same: KMS itself says that it does not exist.
        resource=key.arn if key else named,
        context=context,
        absent=_ABSENT,
        resource_policy=ResourcePolicy(f"policy of key {key.id}", key.policy, decisive=True) if key else None,
        via=via,
    )


def _key_of(ciphertext: str) -> str:
    """The key that a ciphertext was made with: it says so itself."""
    try:
        return str(_deserialize_ciphertext_blob(base64.b64decode(ciphertext)).key_id)
    except Exception as exc:
        raise UndeterminedError(f"the ciphertext names no key: {exc}") from exc
