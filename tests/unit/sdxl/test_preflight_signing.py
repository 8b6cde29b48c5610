"""`sdxl preflight`: the key and the certificates of content credentials."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import chain_of, new_key
from cryptography.hazmat.primitives import serialization
from preflight_fakes import FakeAws, environment, refused

from sdxl.preflight import Account
from sdxl.preflight.account import Finding
from sdxl.preflight.signing import check_signing

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
KEY = new_key()
ARN = "arn:aws:kms:us-east-1:111122223333:key/12345678-1234-1234-1234-123456789012"
Look = Callable[..., Finding]


def public_key(key: Any = KEY, **changes: Any) -> dict[str, Any]:
    return {
        "KeyId": ARN,
        "PublicKey": key.public_key().public_bytes(DER, SPKI),
        "KeySpec": "ECC_NIST_P256",
        "KeyUsage": "SIGN_VERIFY",
        **changes,
    }


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Looks at an environment with a chain for `KEY`, and a key that answers with `answer`."""
    (tmp_path / "chain.pem").write_text(chain_of(KEY, days=200))
    (tmp_path / "key.pem").write_bytes(KEY.public_key().public_bytes(PEM, SPKI))
    files = {"certificate_chain": str(tmp_path / "chain.pem"), "public_key": str(tmp_path / "key.pem")}

    def look_at(answer: Any, credentials: dict[str, Any] | None = None, days_left: int = 200) -> Finding:
        aws = FakeAws()
        aws.answers["GetPublicKey"] = answer
        settings = {"key_arn": ARN, **files} if credentials is None else credentials
        today = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=200 - days_left)
        looked_at = environment(api={"content_credentials": settings})
        (finding,) = check_signing(Account(looked_at, aws), today)  # type: ignore[arg-type]
        return finding

    return look_at


def test_certificates_that_fit_are_well(look: Look) -> None:
    finding = look(public_key())

    assert finding.status == "ok"
    assert finding.details["certificate_chain"] == "chain.pem"


@pytest.mark.parametrize(("days_left", "status"), [(59, "warning"), (61, "ok")])
def test_a_warning_comes_60_days_before_they_expire(look: Look, days_left: int, status: str) -> None:
    finding = look(public_key(), days_left=days_left)

    assert finding.status == status
    assert (f"in {days_left} days" in finding.found) == (status == "warning")


@pytest.mark.parametrize(
    ("answer", "status", "found"),
    [
        (public_key(new_key()), "failed", "for another key"),
        (public_key(KeySpec="RSA_2048"), "failed", "RSA_2048"),
        (public_key(KeyUsage="KEY_AGREEMENT"), "failed", "KEY_AGREEMENT"),
        (refused("NotFoundException", "no such key"), "failed", "no such key"),
        (refused("DisabledException", "it is disabled"), "failed", "it is disabled"),
        (refused("AccessDeniedException"), "unknown", "kms:GetPublicKey was denied"),
    ],
)
def test_a_key_that_cannot_sign_with_the_certificates_is_found(
    look: Look, answer: Any, status: str, found: str
) -> None:
    finding = look(answer)

    assert finding.status == status
    assert found in finding.found
    assert finding.remedy


def test_before_there_are_certificates_it_says_how_to_get_them(look: Look) -> None:
    finding = look(public_key(), {})

    assert finding.status == "warning"
    assert "sdxl signing request" in finding.remedy


def test_certificates_for_a_key_that_is_not_made_yet_are_a_failure(look: Look, tmp_path: Path) -> None:
    files = {"certificate_chain": str(tmp_path / "chain.pem"), "public_key": str(tmp_path / "key.pem")}

    assert look(public_key(), files).status == "failed"
