"""The project's own app through its life, with the real CDK CLI: each test stands on the one before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from deploy_harness import REGION, ROOT, Account, copy_of_app, synthesize

from emulator.state_file import RunningEmulator

pytestmark = pytest.mark.allow_loopback

ENVIRONMENT = """\
account: "555555555555"
region: us-east-1
model:
  source: {source}
endpoint:
  instance_count: {count}
"""
STACKS = "sdxl-dev/*"
GENERATION = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
REQUEST = {"text_prompts": [{"text": "a puppy"}], "seed": 7, "steps": 20}
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Life:
    """What one test leaves to the next."""

    account: Account
    folder: Path
    assembly: str = ""
    kept: dict[str, str] = field(default_factory=dict)

    def synthesize(self, name: str, *, source: str = "open", count: int = 1, root: Path | None = None) -> str:
        """Synthesize the app with one environment file; `root` is the app as its users start it, with the CLI."""
        environments = self.folder / f"environments-{name}"
        environments.mkdir()
        (environments / "dev.yaml").write_text(ENVIRONMENT.format(source=source, count=count))
        from quick_synthesis import synthesize_here  # noqa: PLC0415 - only where it runs, see there

        if root:
            return synthesize(self.account, self.folder, name, root=root, environments=environments)
        return synthesize_here(self.folder / name, environments)

    def deploy(self, assembly: str) -> str:
        """Deploy; answers with what the CLI says."""
        result = self.account.cdk("deploy", STACKS, "--require-approval", "never", app=assembly)
        assert result.returncode == 0, result.stdout + result.stderr
        self.assembly = assembly
        return result.stdout + result.stderr

    def client(self, service: str) -> Any:
        """A boto3 client of the account."""
        return self.account.client(service)

    def generate(self, accept: str, *, seed: int = 7, idempotency_key: str | None = None) -> httpx2.Response:
        """Ask the deployed API for an image."""
        key_id = self.account.outputs("sdxl-dev-Api")["ApiKeyId"]
        key = self.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
        headers = {"accept": accept, "x-api-key": key}
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        url = f"{self.account.api_url('sdxl-dev-Api')}{GENERATION}"
        return httpx2.post(url, headers=headers, json={**REQUEST, "seed": seed}, timeout=60)

    def health(self) -> dict[str, str]:
        """What the API says of itself."""
        return httpx2.get(f"{self.account.api_url('sdxl-dev-Api')}/health", timeout=60).json()  # type: ignore[no-any-return]

    def endpoint(self) -> dict[str, Any]:
        """The endpoint."""
        return self.client("sagemaker").describe_endpoint(EndpointName="sdxl-dev")  # type: ignore[no-any-return]

    def kept_resources(self) -> list[str]:
        """Types of what deleted stacks have left in the account."""
        formation = self.client("cloudformation")
        deleted = formation.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
        return sorted(
            event["ResourceType"]
            for stack in deleted
            for event in formation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
            if event["ResourceStatus"] == "DELETE_SKIPPED"
        )

    def live_version(self) -> str:
        """The function's version that callers reach."""
        name = self.account.outputs("sdxl-dev-Api")["FunctionName"]
        return str(self.client("lambda").get_alias(FunctionName=name, Name="live")["FunctionVersion"])


@pytest.fixture(scope="module")
def life(emulator: RunningEmulator, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(Account(emulator, "555555555555", home), tmp_path_factory.mktemp("life"))


def test_the_account_is_bootstrapped(life: Life) -> None:
    result = life.account.cdk("bootstrap", f"aws://{life.account.id}/{REGION}", app="")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "bootstrapped" in result.stdout + result.stderr


def test_dev_is_deployed_and_answers_with_an_image(life: Life) -> None:
    life.deploy(life.synthesize("first", root=ROOT))

    assert life.health()["model_source"] == "open"
    image = life.generate("image/png")
    assert image.status_code == 200
    assert image.content.startswith(PNG)
    assert image.headers["seed"] == "7"
    answer = life.generate("application/json")
    assert answer.json()["artifacts"][0]["finishReason"] == "SUCCESS"
    assert life.live_version() == "1"


def test_a_repeated_call_with_an_idempotency_key_gets_the_first_image(life: Life) -> None:
    # Seed 0 draws a seed: the same one twice was drawn once.
    first, repeated = (life.generate("image/png", seed=0, idempotency_key="once") for _ in range(2))
    other = life.generate("image/png", seed=0, idempotency_key="another")
    reused = life.generate("image/png", seed=1, idempotency_key="once")

    assert (repeated.headers["seed"], repeated.content) == (first.headers["seed"], first.content)
    assert other.headers["seed"] != first.headers["seed"]
    assert (reused.status_code, reused.json()["name"]) == (422, "idempotency_key_reused")


def test_deploying_the_same_again_changes_nothing(life: Life) -> None:
    said = life.deploy(life.assembly)

    assert said.count("(no changes)") == 4


def test_a_forced_deployment_of_the_same_finds_no_changes_either(life: Life) -> None:
    result = life.account.cdk("deploy", STACKS, "--require-approval", "never", "--force", app=life.assembly)

    assert result.returncode == 0, result.stdout + result.stderr
    assert (result.stdout + result.stderr).count("(no changes)") == 4


def test_a_changed_instance_count_takes_effect_on_the_running_endpoint(life: Life) -> None:
    before = life.endpoint()["EndpointConfigName"]

    said = life.deploy(life.synthesize("two-instances", count=2))

    after = life.endpoint()["EndpointConfigName"]
    assert after != before
    assert said.count("(no changes)") == 3
    configs = life.client("sagemaker").list_endpoint_configs()["EndpointConfigs"]
    assert [item["EndpointConfigName"] for item in configs] == [after]
    variant = life.client("sagemaker").describe_endpoint_config(EndpointConfigName=after)["ProductionVariants"][0]
    assert variant["InitialInstanceCount"] == 2
    assert life.endpoint()["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert life.generate("image/png").status_code == 200


def test_changed_code_is_published_as_a_version_that_the_alias_moves_to(life: Life) -> None:
    root = copy_of_app(life.folder)
    settings = root / "lambda" / "image_api" / "settings.py"
    settings.write_text(settings.read_text() + "\n# a change\n")

    life.deploy(life.synthesize("code", count=2, root=root))

    assert life.live_version() == "2"
    assert life.generate("image/png").status_code == 200


def test_the_model_is_switched_from_open_to_optimized(life: Life) -> None:
    life.deploy(life.synthesize("optimized", source="optimized"))

    assert life.health()["model_source"] == "optimized"
    assert life.account.outputs("sdxl-dev-Inference")["ModelSource"] == "optimized"
    assert life.generate("image/png").content.startswith(PNG)
    assert len(life.client("sagemaker").list_models()["Models"]) == 1


def test_a_difference_is_shown_without_deploying_it(life: Life) -> None:
    result = life.account.cdk("diff", STACKS, app=str(life.folder / "first"))

    assert result.returncode == 0, result.stdout + result.stderr
    assert "AWS::SageMaker::Endpoint" in result.stdout + result.stderr
    assert life.health()["model_source"] == "optimized"


def test_destroying_leaves_the_images_and_their_key(life: Life) -> None:
    life.kept = life.account.outputs("sdxl-dev-Storage")
    s3 = life.client("s3")
    s3.put_object(Bucket=life.kept["ImagesBucketName"], Key="generated/kept.png", Body=PNG)

    result = life.account.cdk("destroy", STACKS, "--force", app=life.assembly)

    assert result.returncode == 0, result.stdout + result.stderr
    left = {stack["StackName"] for stack in life.client("cloudformation").describe_stacks()["Stacks"]}
    assert left == {"CDKToolkit"}
    # What docs/clean-up.md names, and nothing else.
    assert life.kept_resources() == [
        "AWS::ApiGateway::Account",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::S3::Bucket",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::S3::BucketPolicy",
    ]
    assert s3.get_object(Bucket=life.kept["ImagesBucketName"], Key="generated/kept.png")["Body"].read() == PNG
    assert life.client("kms").describe_key(KeyId=life.kept["KeyArn"])["KeyMetadata"]["Enabled"] is True
    assert life.client("sagemaker").list_endpoints()["Endpoints"] == []
    assert life.client("apigateway").get_rest_apis()["items"] == []


def test_deploying_after_destroying_starts_anew_and_leaves_what_was_kept(life: Life) -> None:
    life.deploy(life.assembly)

    new = life.account.outputs("sdxl-dev-Storage")
    assert new["ImagesBucketName"] != life.kept["ImagesBucketName"]
    assert life.generate("image/png").content.startswith(PNG)
    kept = life.client("s3").list_objects_v2(Bucket=life.kept["ImagesBucketName"])["Contents"]
    assert "generated/kept.png" in [item["Key"] for item in kept]
