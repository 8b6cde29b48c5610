"""`api.content_credentials`: a chain that does not fit the key, is expired or is not for signing is an error."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import certificate, chain_of, new_key, pem
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from stacks.environment import EnvironmentFileError, environment_warnings, load_environment

pytestmark = pytest.mark.disable_socket

KEY = new_key()


def public_pem(key: Any) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes an environment that signs, and the files beside it."""

    def write_files(
        chain: str | None = None, key: Any = KEY, credentials: str | None = None, region: str = "us-east-1"
    ):
        (tmp_path / "prod-chain.pem").write_text(chain_of(key) if chain is None else chain)
        (tmp_path / "prod-key.pem").write_text(public_pem(key))
        if credentials is None:
            credentials = "certificate_chain: prod-chain.pem, public_key: prod-key.pem"
        path = tmp_path / "prod.yaml"
        path.write_text(
            f'account: "111111111111"\nregion: {region}\nmodel: {{source: open}}\n'
            f"api:\n  content_credentials: {{{credentials}}}\n"
        )
        return path

    return write_files


def problems_of(path: Path) -> str:
    with pytest.raises(EnvironmentFileError) as caught:
        load_environment(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_chain_that_fits_is_taken_from_beside_the_file(write: Callable[..., Path], tmp_path: Path) -> None:
    credentials = load_environment(write()).api.content_credentials

    assert credentials is not None
    assert credentials.chain_file == tmp_path / "prod-chain.pem"
    assert credentials.on_failure == "fail"


def test_before_there_is_a_certificate_the_key_alone_is_made_and_a_warning_says_what_to_do(
    write: Callable[..., Path],
) -> None:
    environment = load_environment(write(credentials=""))

    assert environment.api.content_credentials is not None
    assert environment.api.content_credentials.chain_file is None
    assert any("sdxl signing request" in warning for warning in environment_warnings(environment))


def test_a_chain_for_another_key_is_refused(write: Callable[..., Path]) -> None:
    text = problems_of(write(chain=chain_of(new_key())))

    assert "api.content_credentials.certificate_chain" in text
    assert "for another key than prod-key.pem has" in text
    assert "sdxl signing request" in text


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())], ids=["rsa", "p384"]
)
def test_a_certificate_for_another_kind_of_key_is_refused(write: Callable[..., Path], key: Any) -> None:
    assert "another kind of key" in problems_of(write(chain=chain_of(key)))


@pytest.mark.parametrize(("days", "words"), [(-3, "expired on")])
def test_an_expired_certificate_is_refused(write: Callable[..., Path], days: int, words: str) -> None:
    assert words in problems_of(write(chain=chain_of(KEY, days=days)))


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        ({"usages": (ExtendedKeyUsageOID.SERVER_AUTH,)}, "not for signing images"),
        ({"usages": ()}, "extended key usage is none"),
        ({"signs": False}, "no digitalSignature"),
    ],
)
def test_a_certificate_of_another_usage_is_refused(
    write: Callable[..., Path], leaf: dict[str, Any], words: str
) -> None:
    assert words in problems_of(write(chain=chain_of(KEY, **leaf)))


@pytest.mark.parametrize("usage", ["1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1"])
def test_document_signing_and_c2pas_own_usage_are_taken(write: Callable[..., Path], usage: str) -> None:
    load_environment(write(chain=chain_of(KEY, usages=(x509.ObjectIdentifier(usage),))))


def test_a_chain_in_the_wrong_order_or_of_strangers_is_refused(write: Callable[..., Path]) -> None:
    signer, authority = x509.load_pem_x509_certificates(chain_of(KEY).encode())
    stranger = certificate("Another authority", new_key(), is_ca=True)

    assert "is an authority's" in problems_of(write(chain=pem(authority, signer)))
    assert "did not issue it" in problems_of(write(chain=pem(signer, stranger)))
    assert "holds one certificate" in problems_of(write(chain=pem(signer)))


@pytest.mark.parametrize(
    "chain", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_a_file_of_something_else_is_refused(write: Callable[..., Path], chain: str) -> None:
    assert "holds no certificates in PEM" in problems_of(write(chain=chain))


def test_a_missing_file_is_refused(write: Callable[..., Path]) -> None:
    text = problems_of(write(credentials="certificate_chain: none.pem, public_key: prod-key.pem"))

    assert "none.pem cannot be read" in text


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ("certificate_chain: prod-chain.pem", "public_key: missing"),
        ("public_key: prod-key.pem", "certificate_chain: missing"),
        ("certificate_chain: chain.txt, public_key: prod-key.pem", "the name of a .pem file"),
        ("key_arn: alias/signing", "not an alias"),
        (
            "key_arn: 'arn:aws:kms:eu-west-1:111111111111:key/11111111-2222-3333-4444-555555555555'",
            "of the region eu-west-1",
        ),
        (
            "key_arn: 'arn:aws:kms:us-east-1:222222222222:key/11111111-2222-3333-4444-555555555555'",
            "of the account 222222222222",
        ),
        ("on_failure: ignore", "fail, unsigned"),
    ],
)
def test_wrong_settings_say_what_is_allowed(write: Callable[..., Path], credentials: str, words: str) -> None:
    assert words in problems_of(write(credentials=credentials))


@pytest.mark.parametrize(("days", "is_warned"), [(59, True), (61, False)])
def test_certificates_that_expire_soon_are_a_warning(write: Callable[..., Path], days: int, is_warned: bool) -> None:
    environment = load_environment(write(chain=chain_of(KEY, days=200)))
    today = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=200 - days)

    warnings = environment_warnings(environment, today)

    assert any("expire on" in warning for warning in warnings) == is_warned


def test_other_problems_of_the_file_are_reported_with_the_chains(write: Callable[..., Path]) -> None:
    path = write(chain=chain_of(new_key()), region="nowhere")

    text = problems_of(path)

    assert "for another key" in text
    assert "region: " in text
