"""The key of content credentials: requests for its certificate, and certificates for tests.

The key is in KMS, and its private half never leaves it. So the request is made here, and KMS signs it.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from typing import Any

from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sdxl.deployment.aws import stack_outputs
from sdxl.errors import NotDeployedError, SdxlError, UsageError
from stacks.environment import Environment

TEST_DAYS = 90
_DER, _PEM = serialization.Encoding.DER, serialization.Encoding.PEM
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
# ecdsa-with-SHA256 (RFC 5758, 3.2), as a DER sequence.
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_DER_SEQUENCE, _DER_BITS = 0x30, 0x03


@dataclass(frozen=True)
class SigningKey:
    """A key in KMS that signs: its ARN, its public half, and the client to call it with."""

    arn: str
    public_key: ec.EllipticCurvePublicKey
    client: Any

    @property
    def public_pem(self) -> str:
        """The public half in PEM."""
        return self.public_key.public_bytes(_PEM, _SPKI).decode()


def find_signing_key(environment: Environment, session: Session) -> SigningKey:
    """The key that signs the environment's images: the named one, or the one that its deployment made.

    Raises:
        UsageError: the environment has no content credentials.
        NotDeployedError: its key is not there yet.
        SdxlError: the key cannot be looked at, or is of another kind.
    """
    credentials = environment.api.content_credentials
    if credentials is None:
        raise UsageError(
            f"Environment {environment.name!r} has no api.content_credentials. Add `content_credentials: {{}}` to the "
            "section api of its file, and deploy it: that makes the key."
        )
    try:
        arn = credentials.key_arn or stack_outputs(session, f"sdxl-{environment.name}-Storage")["SigningKeyArn"]
    except (BotoCoreError, ClientError, KeyError) as exc:
        raise NotDeployedError(
            f"The key of {environment.name!r} is not there: {exc}. Deploy the environment: that makes it."
        ) from exc
    client = session.client("kms")
    try:
        public_key = serialization.load_der_public_key(client.get_public_key(KeyId=arn)["PublicKey"])
    except (BotoCoreError, ClientError) as exc:
        raise SdxlError(f"The public half of {arn} cannot be read: {exc}.") from exc
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name != ec.SECP256R1.name:
        raise SdxlError(f"{arn} is not of the key spec ECC_NIST_P256. Name such a key in content_credentials.key_arn.")
    return SigningKey(arn, public_key, client)


def certificate_request(key: SigningKey, *, common_name: str, organization: str) -> str:
    """A request for the key's certificate (PKCS #10, RFC 2986) in PEM, signed by KMS.

    Raises:
        SdxlError: KMS does not sign it.
    """
    # A request of the same content for another key of the same kind: keys in DER have one length.
    stand_in = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    content = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_subject(common_name, organization))
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_key_usage(is_ca=False), critical=True)
        .sign(stand_in, hashes.SHA256())
        .tbs_certrequest_bytes.replace(
            stand_in.public_key().public_bytes(_DER, _SPKI), key.public_key.public_bytes(_DER, _SPKI)
        )
    )
    try:
        signature = key.client.sign(
            KeyId=key.arn,
            Message=hashlib.sha256(content).digest(),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )["Signature"]
    except (BotoCoreError, ClientError) as exc:
        raise SdxlError(f"{key.arn} did not sign the request: {exc}. These credentials need kms:Sign on it.") from exc
    signed = _der(_DER_SEQUENCE, content + _ECDSA_SHA256 + _der(_DER_BITS, b"\x00" + signature))
    return x509.load_der_x509_csr(signed).public_bytes(_PEM).decode()


def test_chain(key: SigningKey, *, common_name: str, organization: str) -> str:
    """Certificates in PEM for the key, of an authority that is made for them and then forgotten: nobody trusts it."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _subject("Test authority, trusted by nobody", organization)
    authority = _certificate(authority_name, authority_name, authority_key.public_key(), authority_key, is_ca=True)
    signer = _certificate(
        _subject(common_name, organization), authority_name, key.public_key, authority_key, is_ca=False
    )
    return "".join(one.public_bytes(_PEM).decode() for one in (signer, authority))


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    signing_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=TEST_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_key_usage(is_ca=is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if not is_ca:
        usages = [ExtendedKeyUsageOID.EMAIL_PROTECTION]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str, organization: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        ]
    )


def _der(tag: int, content: bytes) -> bytes:
    """A value in DER (ITU-T X.690, 8.1.3)."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content
