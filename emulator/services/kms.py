"""KMS where moto differs from it: messages that are digests already, keys that are not enabled, the key spec's name."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from moto.core.exceptions import JsonRESTError
from moto.kms.responses import KmsResponse

# AWS KMS API Reference, Sign, MessageType: the digest's length is that of the algorithm's hash function.
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "ECDSA_SHA_256": hashes.SHA256(),
    "ECDSA_SHA_384": hashes.SHA384(),
    "ECDSA_SHA_512": hashes.SHA512(),
}


class DisabledKeyError(JsonRESTError):  # type: ignore[misc]
    """The key is disabled."""

    code = 400

    def __init__(self, arn: str) -> None:
        super().__init__("DisabledException", f"{arn} is disabled.")


class PendingDeletionError(JsonRESTError):  # type: ignore[misc]
    """The key waits for its deletion."""

    code = 400

    def __init__(self, arn: str) -> None:
        super().__init__("KMSInvalidStateException", f"{arn} is pending deletion.")


class WrongDigestError(JsonRESTError):  # type: ignore[misc]
    """The digest has another length than the algorithm makes."""

    code = 400

    def __init__(self, algorithm: str) -> None:
        super().__init__("ValidationException", f"Digest is invalid length for algorithm {algorithm}.")


def install() -> None:
    """Make the changes."""
    original = KmsResponse.sign
    if hasattr(original, "reads_message_type"):
        return

    def sign(self: KmsResponse) -> str:
        answer: dict[str, Any] = json.loads(original(self))
        key = self.kms_backend.describe_key(answer["KeyId"])
        if key.key_state == "PendingDeletion":
            raise PendingDeletionError(key.arn)
        if not key.enabled:
            raise DisabledKeyError(key.arn)
        algorithm = _HASHES.get(answer["SigningAlgorithm"])
        if self._get_param("MessageType") == "DIGEST" and algorithm is not None:
            # moto makes a digest of it again.
            digest = self._get_param("Message")
            if len(digest) != algorithm.digest_size:
                raise WrongDigestError(answer["SigningAlgorithm"])
            signature = key.private_key.private_key.sign(digest, ec.ECDSA(utils.Prehashed(algorithm)))
            answer["Signature"] = base64.b64encode(signature).decode()
        return json.dumps(answer)

    get_public_key = KmsResponse.get_public_key

    def get_public_key_with_spec(self: KmsResponse) -> str:
        answer = json.loads(get_public_key(self))
        # KMS answers with both names; the other one is the older.
        return json.dumps({**answer, "KeySpec": answer["CustomerMasterKeySpec"]})

    sign.reads_message_type = True  # type: ignore[attr-defined]
    KmsResponse.sign = sign
    KmsResponse.get_public_key = get_public_key_with_spec
