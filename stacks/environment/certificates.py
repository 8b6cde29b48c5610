"""Certificate chains of content credentials: read, and checked by what C2PA asks of a signer's certificates.

Source: C2PA specification 2.2, 14.5.1 (certificate profile). Imported only for environments that sign: `cryptography`
takes a while to load.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from stacks.environment.values import SettingProblem

# Beyond e-mail protection, which most authorities issue: document signing (RFC 9336), and C2PA's own usage for claims.
_USAGES = {
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"): "documentSigning",
    x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1"): "c2pa-kp-claimSigning",
}
_CURVE = ec.SECP256R1.name
_CHAIN, _PUBLIC_KEY = ("certificate_chain",), ("public_key",)
_CHAIN_WORDS = "certificates in PEM: the signer's, each followed by its issuer's"


class CertificateError(ValueError):
    """A file holds no certificates or no public key; the message says what is wrong with it."""


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in a PEM file, the signer's first.

    Raises:
        CertificateError: the file cannot be read, or holds something else.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as exc:
        raise CertificateError(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise CertificateError(f"{path} holds no certificates in PEM: {exc}") from exc


def public_key_bytes(path: Path) -> bytes:
    """The public key in a PEM file, as DER (SubjectPublicKeyInfo).

    Raises:
        CertificateError: the file cannot be read, or holds something else.
    """
    try:
        return _der(serialization.load_pem_public_key(path.read_bytes()))
    except OSError as exc:
        raise CertificateError(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, TypeError) as exc:
        raise CertificateError(f"{path} holds no public key in PEM: {exc}") from exc


def certified_key_bytes(path: Path) -> bytes:
    """The public key of the signer's certificate in a PEM file, as DER (SubjectPublicKeyInfo)."""
    return _der(read_chain(path)[0].public_key())


def chain_problems(chain_file: Path, public_key_file: Path, today: date | None = None) -> Iterator[SettingProblem]:
    """What keeps images from being signed with a chain: it cannot be read, does not fit the key, or is not for this.

    `today` (default: the day in UTC) is compared with the days on which the certificates are valid.
    """
    try:
        chain = read_chain(chain_file)
    except CertificateError as exc:
        yield _problem(_CHAIN, str(exc), allowed=_CHAIN_WORDS, remedy="save what the authority issued there")
        return
    signer, *issuers = chain
    if not issuers:
        yield _problem(
            _CHAIN,
            f"holds one certificate, of {_name(signer)}: whoever reads an image needs its issuer's, too",
            allowed=_CHAIN_WORDS,
            remedy="append the certificates of the authority that issued it",
        )
    yield from _key_problems(signer, public_key_file)
    yield from _order_problems(chain)
    yield from _usage_problems(signer, issuers)
    yield from _validity_problems(chain, datetime.now(UTC).date() if today is None else today)


def valid_until(chain_file: Path) -> date:
    """The last day on which every certificate of a chain is valid, in UTC."""
    return min(one.not_valid_after_utc for one in read_chain(chain_file)).date()


def _key_problems(signer: x509.Certificate, public_key_file: Path) -> Iterator[SettingProblem]:
    key = signer.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE:
        kind = (
            f"curve {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__.lstrip("_")
        )
        yield _problem(
            _CHAIN,
            f"the certificate of {_name(signer)} is for another kind of key ({kind})",
            allowed="a certificate for a key of the KMS key spec ECC_NIST_P256",
            remedy="request one with `sdxl signing request`, which takes the environment's key",
        )
        return
    try:
        wanted = public_key_bytes(public_key_file)
    except CertificateError as exc:
        yield _problem(_PUBLIC_KEY, str(exc), remedy="write it with `sdxl signing request`")
        return
    if wanted != _der(key):
        yield _problem(
            _CHAIN,
            f"the certificate of {_name(signer)} is for another key than {public_key_file.name} has",
            allowed="a certificate for the key that signs",
            remedy="request one with `sdxl signing request`, or name the key that it is for",
        )


def _order_problems(chain: Sequence[x509.Certificate]) -> Iterator[SettingProblem]:
    for one, issuer in itertools.pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            yield _problem(
                _CHAIN,
                f"the certificate of {_name(one)} is followed by that of {_name(issuer)}, which did not issue it",
                allowed=_CHAIN_WORDS,
                remedy=f"put the certificate of {one.issuer.rfc4514_string()} behind it",
            )


def _usage_problems(signer: x509.Certificate, issuers: Sequence[x509.Certificate]) -> Iterator[SettingProblem]:
    allowed = f"the extended key usage {', '.join(_USAGES.values())}, and the key usage digitalSignature"
    if not any(usage in _USAGES for usage in _extended_usages(signer)):
        found = ", ".join(usage.dotted_string for usage in _extended_usages(signer)) or "none"
        yield _problem(
            _CHAIN,
            f"the certificate of {_name(signer)} is not for signing images: its extended key usage is {found}",
            allowed=allowed,
            remedy="request a certificate for one of these",
        )
    elif not _signs(signer):
        yield _problem(
            _CHAIN,
            f"the certificate of {_name(signer)} may not sign: its key usage has no digitalSignature",
            allowed=allowed,
            remedy="request a certificate for one of these",
        )
    if _is_authority(signer):
        yield _problem(
            _CHAIN,
            f"the first certificate, of {_name(signer)}, is an authority's",
            allowed=_CHAIN_WORDS,
            remedy="put the signer's certificate first",
        )
    for issuer in issuers:
        if not _is_authority(issuer):
            yield _problem(
                _CHAIN,
                f"the certificate of {_name(issuer)} is no authority's: it may issue none",
                allowed=_CHAIN_WORDS,
                remedy="append the certificates of the authority alone",
            )


def _validity_problems(chain: Sequence[x509.Certificate], today: date) -> Iterator[SettingProblem]:
    for one in chain:
        first, last = one.not_valid_before_utc.date(), one.not_valid_after_utc.date()
        if not first <= today <= last:
            when = f"expired on {last}" if today > last else f"is valid only from {first}"
            yield _problem(
                _CHAIN,
                f"the certificate of {_name(one)} {when}",
                allowed=f"certificates that are valid on {today}",
                remedy="renew it: docs/marks.md, or leave content_credentials out",
            )


def _extended_usages(certificate: x509.Certificate) -> tuple[x509.ObjectIdentifier, ...]:
    try:
        return tuple(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return ()


def _signs(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return False


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "nobody"


def _der(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CertificateError("the key is of another kind than ECC_NIST_P256")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _problem(
    location: tuple[str, ...], text: str, *, allowed: str | None = None, remedy: str | None = None
) -> SettingProblem:
    return SettingProblem(location=location, text=text, allowed=allowed, remedy=remedy)
