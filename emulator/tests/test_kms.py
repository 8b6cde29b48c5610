"""KMS signs digests as they are, and with enabled keys only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto import mock_aws

from emulator.services import kms as changes

MESSAGE = b"a claim"
SIGN = {"MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    changes.install()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("kms", region_name="us-east-1")


@pytest.fixture
def key_id(kms: Any) -> str:
    return str(kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"])


@pytest.mark.parametrize("message_type", ["DIGEST", "RAW"])
def test_a_signature_is_that_of_the_message(kms: Any, key_id: str, message_type: str) -> None:
    message = hashlib.sha256(MESSAGE).digest() if message_type == "DIGEST" else MESSAGE

    answer = kms.sign(KeyId=key_id, Message=message, **{**SIGN, "MessageType": message_type})

    public = kms.get_public_key(KeyId=key_id)
    assert (public["KeySpec"], public["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    key = serialization.load_der_public_key(public["PublicKey"])
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(answer["Signature"], MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_a_digest_of_another_length_is_refused(kms: Any, key_id: str) -> None:
    with pytest.raises(ClientError, match="Digest is invalid length"):
        kms.sign(KeyId=key_id, Message=b"short", **SIGN)


def test_a_disabled_key_and_one_that_is_to_be_deleted_sign_nothing(kms: Any, key_id: str) -> None:
    digest = hashlib.sha256(MESSAGE).digest()
    kms.disable_key(KeyId=key_id)
    with pytest.raises(ClientError, match="DisabledException"):
        kms.sign(KeyId=key_id, Message=digest, **SIGN)

    kms.schedule_key_deletion(KeyId=key_id)
    with pytest.raises(ClientError, match="KMSInvalidStateException"):
        kms.sign(KeyId=key_id, Message=digest, **SIGN)
