"""Certificate chains for tests, and a KMS client that signs with the key of one."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

DAY = datetime.timedelta(days=1)
KEY_ARN = "arn:aws:kms:us-east-1:111111111111:key/11111111-2222-3333-4444-555555555555"


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    name: str,
    key: Any,
    *,
    issuer: x509.Certificate | None = None,
    issuer_key: PrivateKey | None = None,
    is_ca: bool = False,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
    days: int = 365,
    signs: bool = True,
) -> x509.Certificate:
    """A certificate for `key` (a private or public one), signed by the issuer, or by itself without one."""
    public_key = key.public_key() if hasattr(key, "public_key") else key
    signing_key = issuer_key or key
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Studio"),
        ]
    )
    until = now + days * DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, until) - DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=signs and not is_ca,
                content_commitment=False,
                key_encipherment=not signs,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if usages and not is_ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


def chain_of(key: Any, *, name: str = "Example Studio images", **leaf: Any) -> str:
    """The chain of a signer's certificate for `key` and the authority that issued it."""
    authority_key = new_key()
    authority = certificate("Example authority", authority_key, is_ca=True)
    return pem(certificate(name, key, issuer=authority, issuer_key=authority_key, **leaf), authority)


class FakeKms:
    """A `kms` client with one key."""

    def __init__(self) -> None:
        self.key = new_key()
        self.chain = chain_of(self.key)
        self.calls: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def sign(self, **arguments: Any) -> dict[str, Any]:
        self.calls.append(arguments)
        if self.error is not None:
            raise self.error
        assert arguments["MessageType"] == "DIGEST"
        assert len(arguments["Message"]) == hashlib.sha256().digest_size
        algorithm = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        return {"Signature": self.key.sign(arguments["Message"], algorithm)}

    def is_denied(self) -> None:
        response: Any = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
        self.error = ClientError(response, "Sign")
