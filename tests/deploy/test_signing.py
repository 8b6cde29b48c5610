"""Content credentials in a deployment: the key comes first, then a certificate for it, then every image is signed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from deploy_harness import REGION, ROOT, Account, running_emulator, synthesize
from image_api.marks.credentials import anchors_of, verify

from sdxl.preflight.account import Account as LookedAt
from sdxl.preflight.signing import check_signing
from stacks.environment import load_environment

pytestmark = pytest.mark.allow_loopback

ACCOUNT = "777777777777"
ENGINE = "/v1/generation/stable-diffusion-xl-1024-v1-0"
BODY = {"text_prompts": [{"text": "a red fox"}], "width": 128, "height": 128, "steps": 10, "seed": 7}
ENVIRONMENT = f"""\
account: "{ACCOUNT}"
region: {REGION}
model: {{source: optimized}}
api:
  content_credentials:
    on_failure: fail
"""
SIGNED = "    certificate_chain: dev-chain.pem\n    public_key: dev-key.pem\n"


@dataclass
class Signing:
    """An environment in an emulator, and the folder with its file."""

    account: Account
    environments: Path
    folder: Path
    before: bytes = b""

    def deploy(self, name: str) -> None:
        assembly = synthesize(self.account, self.folder, name, environments=self.environments)
        done = self.account.cdk("deploy", "sdxl-dev/*", "--require-approval", "never", app=assembly)
        assert done.returncode == 0, done.stdout + done.stderr

    def sdxl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("sdxl")), *arguments],
            cwd=ROOT,
            env=self.account.variables(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def post(self, path: str, accept: str = "application/json", **parts: Any) -> httpx2.Response:
        key_id = self.account.outputs("sdxl-dev-Api")["ApiKeyId"]
        key = self.account.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
        url = self.account.api_url("sdxl-dev-Api")
        return httpx2.post(f"{url}{path}", headers={"x-api-key": key, "Accept": accept}, timeout=60, **parts)

    @property
    def environment(self) -> Any:
        return load_environment(self.environments / "dev.yaml")

    @property
    def chain(self) -> str:
        return (self.environments / "dev-chain.pem").read_text()


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    """The environment after both deployments: the key's, and that with the certificate."""
    folder = tmp_path_factory.mktemp("signing")
    home, environments = folder / "home", folder / "environments"
    home.mkdir()
    environments.mkdir()
    (environments / "dev.yaml").write_text(ENVIRONMENT)
    with running_emulator(folder) as emulator:
        account = Account(emulator, ACCOUNT, home)
        assert account.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", app="").returncode == 0
        signing = Signing(account, environments, folder)
        signing.deploy("first")
        signing.before = signing.post(f"{ENGINE}/text-to-image", "image/png", json=BODY).content
        done = signing.sdxl(
            "signing", "test-chain", "--env", "dev", "--dir", str(environments), "--organization", "Studio", "--write"
        )
        assert done.returncode == 0, done.stderr
        (environments / "dev.yaml").write_text(ENVIRONMENT + SIGNED)
        signing.deploy("second")
        yield signing


def test_before_there_is_a_certificate_images_are_declared_and_not_signed(signing: Signing) -> None:
    answer = signing.post("/v1/marks", files={"image": ("fox.png", signing.before, "image/png")})

    assert answer.json()["declared"] == "trainedAlgorithmicMedia"
    assert answer.json()["credentials"]["status"] == "none"


def test_every_image_of_the_deployment_is_signed_with_the_key_in_kms(signing: Signing) -> None:
    image = signing.post(f"{ENGINE}/text-to-image", "image/png", json=BODY).content

    seen = verify(image, "image/png", anchors_of(signing.chain))
    assert (seen.status, seen.trusted, seen.issuer) == ("valid", True, "Studio")
    marks = signing.post("/v1/marks", files={"image": ("fox.png", image, "image/png")}).json()
    assert (marks["credentials"]["status"], marks["credentials"]["trusted"]) == ("valid", True)
    assert marks["settings"]["prompt"] == "a red fox"


def test_a_stored_image_behind_a_link_is_signed(signing: Signing) -> None:
    body = {"prompt": "a red fox", "size": "128x128", "response_format": "url", "output_format": "webp"}
    answer = signing.post("/v1/images/generations", json={**body, "width": 128, "height": 128} | {"size": "auto"})

    assert answer.status_code == 200, answer.text
    (entry,) = answer.json()["data"]
    image = httpx2.get(entry["url"], timeout=60).content
    assert verify(image, "image/webp", anchors_of(signing.chain)).trusted


def test_verify_image_says_who_signed_and_finds_a_change(signing: Signing) -> None:
    image = signing.post(f"{ENGINE}/text-to-image", "image/png", json=BODY).content
    good, bad = signing.folder / "good.png", signing.folder / "bad.png"
    changed = bytearray(image)
    changed[image.index(b"IDAT") + 60] ^= 1
    good.write_bytes(image)
    bad.write_bytes(changed)
    trust = ("--trust", str(signing.environments / "dev-chain.pem"))

    done = signing.sdxl("verify-image", str(good), *trust)
    both = signing.sdxl("verify-image", str(good), str(bad), *trust, "--json")

    assert done.returncode == 0, done.stderr
    assert "valid" in done.stdout
    assert "SDXL dev of Studio" in done.stdout
    assert both.returncode == 1
    first, second = json.loads(both.stdout)["files"]
    assert (first["credentials"]["status"], first["credentials"]["trusted"]) == ("valid", True)
    assert second["credentials"]["status"] == "changed"


def test_a_request_for_a_certificate_is_signed_by_the_key(signing: Signing) -> None:
    done = signing.sdxl(
        "signing", "request", "--env", "dev", "--dir", str(signing.environments), "--organization", "Studio"
    )

    request = x509.load_pem_x509_csr(done.stdout.encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "O=Studio,CN=SDXL dev"


def test_preflight_sees_that_the_certificates_fit_the_key(signing: Signing) -> None:
    class Session:
        @staticmethod
        def client(service: str, **_: Any) -> Any:
            return signing.account.client(service)

    (finding,) = check_signing(LookedAt(signing.environment, Session()))  # type: ignore[arg-type]

    assert finding.status == "ok", finding.found


def test_without_its_key_a_request_fails_and_says_so(signing: Signing) -> None:
    kms = signing.account.client("kms")
    key_id = signing.account.outputs("sdxl-dev-Storage")["SigningKeyArn"].rpartition("/")[2]
    kms.disable_key(KeyId=key_id)
    try:
        answer = signing.post(f"{ENGINE}/text-to-image", json=BODY)
    finally:
        kms.enable_key(KeyId=key_id)

    assert (answer.status_code, answer.json()["name"]) == (502, "signing_failed")
    again = signing.post(f"{ENGINE}/text-to-image", json=BODY)
    assert again.status_code == 200
    image = base64.b64decode(again.json()["artifacts"][0]["base64"])
    assert verify(image, "image/png", anchors_of(signing.chain)).trusted
