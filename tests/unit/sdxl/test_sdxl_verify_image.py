"""`sdxl verify-image`: what it says of signed, changed, plain and damaged files; and `sdxl signing`."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from certificates import KEY_ARN, FakeKms
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from image_api.deadline import Deadline
from image_api.marks.credentials import KmsSigner
from image_api.marks.files import write_png_base64
from image_api.marks.marker import Unsigned
from image_api.marks.statements import xmp_packet
from PIL import Image
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.commands import signing as command
from sdxl.errors import SdxlError
from sdxl.signing import SigningKey, certificate_request
from stacks.environment import load_environment

PARAMETERS = "a fox\nSteps: 30, Sampler: DPM++ 2M, CFG scale: 7, Seed: 7, Size: 128x128"


def plain() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((128, 128)).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def marked() -> bytes:
    image = base64.b64encode(plain()).decode()
    return base64.b64decode(write_png_base64(image, {"parameters": PARAMETERS}, xmp_packet(is_declared=True)))


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
def signed(kms: FakeKms) -> bytes:
    signer = KmsSigner(KEY_ARN, kms.chain, create_client=lambda: kms)
    (done,) = signer.sign([Unsigned(marked(), "image/png")], Deadline(20))
    return done.file


@pytest.fixture
def chain(kms: FakeKms, tmp_path: Path) -> Path:
    path = tmp_path / "chain.pem"
    path.write_text(kms.chain)
    return path


def saved(tmp_path: Path, **files: bytes) -> list[str]:
    for name, content in files.items():
        (tmp_path / f"{name}.png").write_bytes(content)
    return [str(tmp_path / f"{name}.png") for name in files]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["verify-image", *arguments])


def test_a_signed_image_names_its_signer(signed: bytes, chain: Path, tmp_path: Path) -> None:
    (path,) = saved(tmp_path, fox=signed)

    done = run(path, "--trust", str(chain))

    assert done.exit_code == 0, done.output
    _, row = done.stdout.splitlines()
    assert row.split("\t") == [
        "valid",
        path,
        "Example Studio images of Example Studio",
        "trainedAlgorithmicMedia",
        PARAMETERS.replace("\n", " / "),
    ]


def test_a_signer_that_nobody_trusts_is_named_as_such(signed: bytes, tmp_path: Path) -> None:
    done = run(*saved(tmp_path, fox=signed))

    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].startswith("not trusted\t")


def test_json_has_every_file_and_the_exit_code_says_that_one_was_changed(
    signed: bytes, chain: Path, tmp_path: Path
) -> None:
    changed = bytearray(signed)
    changed[signed.index(b"IDAT") + 60] ^= 1
    paths = saved(tmp_path, good=signed, changed=bytes(changed), plain=plain(), damaged=signed[:500], none=b"GIF89a")

    done = run(*paths, "--trust", str(chain), "--json")

    assert done.exit_code == 1
    good, bad, unsigned, damaged, none = json.loads(done.stdout)["files"]
    assert (good["credentials"]["status"], good["credentials"]["trusted"], good["error"]) == ("valid", True, None)
    assert bad["credentials"]["status"] == "changed"
    assert (unsigned["credentials"]["status"], unsigned["declared"]) == ("none", None)
    assert damaged["error"] == "it is cut short"
    assert none["error"] == "it is no PNG, JPEG or WebP"


@pytest.mark.parametrize("missing", ["file", "trust"])
def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path, missing: str) -> None:
    (path,) = saved(tmp_path, fox=plain())
    nowhere = str(tmp_path / "nowhere.png")

    done = run(nowhere) if missing == "file" else run(path, "--trust", nowhere)

    assert done.exit_code == 2


def test_trusted_files_hold_certificates(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, fox=plain())
    text = tmp_path / "text.pem"
    text.write_text("no certificate")

    assert run(path, "--trust", str(text)).exit_code == 2


@pytest.fixture
def environment(kms: FakeKms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose deployment has made a key."""
    path = tmp_path / "dev.yaml"
    path.write_text(
        'account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\napi: {content_credentials: {}}\n'
    )
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    client = SimpleNamespace(
        sign=kms.sign, get_public_key=lambda **_: {"PublicKey": kms.key.public_key().public_bytes(encoding, form)}
    )
    stack = {"Outputs": [{"OutputKey": "SigningKeyArn", "OutputValue": KEY_ARN}]}
    cloudformation = SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [stack]})
    clients = {"kms": client, "cloudformation": cloudformation}
    monkeypatch.setattr(command, "_session", lambda *_: SimpleNamespace(client=clients.__getitem__))
    return path


def test_a_request_is_signed_by_the_key_and_written_with_its_public_half(environment: Path, kms: FakeKms) -> None:
    folder = environment.parent

    done = CliRunner().invoke(
        app, ["signing", "request", "--env", "dev", "--dir", str(folder), "--organization", "Studio", "--write"]
    )

    assert done.exit_code == 0, done.output
    request = x509.load_pem_x509_csr((folder / "dev-request.pem").read_bytes())
    assert request.is_signature_valid
    assert request.public_key() == kms.key.public_key()
    assert "dev-chain.pem" in done.stderr


def test_the_test_chain_fits_the_environments_file(environment: Path) -> None:
    folder = environment.parent
    done = CliRunner().invoke(app, ["signing", "test-chain", "--env", "dev", "--dir", str(folder), "--write"])
    assert done.exit_code == 0, done.output

    environment.write_text(
        environment.read_text().replace("{}", "{certificate_chain: dev-chain.pem, public_key: dev-key.pem}")
    )

    credentials = load_environment(environment).api.content_credentials
    assert credentials is not None
    assert credentials.chain_file == folder / "dev-chain.pem"


def test_a_key_that_does_not_sign_is_an_error_with_what_is_missing(kms: FakeKms) -> None:
    kms.is_denied()
    key = SigningKey(KEY_ARN, kms.key.public_key(), kms)

    with pytest.raises(SdxlError, match="kms:Sign"):
        certificate_request(key, common_name="SDXL dev", organization="Studio")


def test_an_environment_without_content_credentials_says_what_to_add(environment: Path) -> None:
    environment.write_text('account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\n')

    done = CliRunner().invoke(
        app, ["signing", "request", "--env", "dev", "--dir", str(environment.parent), "--organization", "Studio"]
    )

    assert done.exit_code == 2
    assert "content_credentials: {}" in done.stderr
