"""Updates of a deployed endpoint with the real CDK CLI, while clients go on calling: what is rolled back, what is kept.

Each test stands on the one before it.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from deploy_harness import REGION, Account

from emulator.state_file import RunningEmulator

pytestmark = pytest.mark.allow_loopback

ACCOUNT = "666666666666"
ENDPOINT = "sdxl-guarded"
STACKS = f"{ENDPOINT}/*"
GENERATION = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
REQUEST = {"text_prompts": [{"text": "a puppy"}], "steps": 10, "width": 640, "height": 1536}
IMAGE, BAD = "stabilityai-pytorch-inference:2.0.1", "stabilityai-pytorch-inference:2.0.9"
SCALING = {"min_capacity": 2, "max_capacity": 4, "target": {"metric": "concurrent_requests", "target": 1}}
CANARY = {
    "traffic": "canary",
    "canary_percent": 50,
    "bake_seconds": 120,
    # The stand-in is quick; here only errors are to roll an update back.
    "rollback": {"latency_p95_seconds": 60},
}
SETTINGS = {
    "endpoint": {"update": CANARY},
    "scaling": SCALING,
    # Clients call as fast as they are answered.
    "api": {"throttle": {"requests_per_second": 10_000, "burst": 5_000}},
}


@dataclass
class Guarded:
    """The environment under test, and what is deployed of it."""

    account: Account
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    made: int = 0

    def synthesize(self, *, image: str = IMAGE, **settings: Any) -> str:
        """Synthesize the environment with other settings, which stay, on another version of the model's image."""
        self.settings |= settings
        self.made += 1
        folder = self.folder / f"revision-{self.made}"
        (folder / "environments").mkdir(parents=True)
        environment = {"account": ACCOUNT, "region": REGION, "model": {"source": "open"}, **self.settings}
        (folder / "environments" / "guarded.yaml").write_text(
            yaml.safe_dump({name: value for name, value in environment.items() if value is not None})
        )
        from quick_synthesis import catalog_with, synthesize_here  # noqa: PLC0415 - only where it runs, see there

        with catalog_with(folder, IMAGE, image):
            return synthesize_here(folder / "assembly", folder / "environments")

    def deploy(self, assembly: str) -> tuple[int, str]:
        """Deploy; answers with the CLI's exit status and what it said."""
        result = self.account.cdk("deploy", STACKS, "--require-approval", "never", app=assembly)
        return result.returncode, result.stdout + result.stderr

    def deployed(self, **settings: Any) -> str:
        """Synthesize and deploy what has to succeed; answers with what the CLI said."""
        status, said = self.deploy(self.synthesize(**settings))
        assert status == 0, said
        return said

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def generate(self) -> httpx2.Response:
        key_id = self.account.outputs(f"{ENDPOINT}-Api")["ApiKeyId"]
        key = self.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
        url = f"{self.account.api_url(f'{ENDPOINT}-Api')}{GENERATION}"
        return httpx2.post(url, headers={"x-api-key": key}, json=REQUEST, timeout=60)

    @contextlib.contextmanager
    def traffic(self) -> Iterator[Counter[int]]:
        """Keep generating images, one after another; counts the answers by status."""
        answers: Counter[int] = Counter()
        key_id = self.account.outputs(f"{ENDPOINT}-Api")["ApiKeyId"]
        key = self.client("apigateway").get_api_key(apiKey=key_id, includeValue=True)["value"]
        url = f"{self.account.api_url(f'{ENDPOINT}-Api')}{GENERATION}"
        done = threading.Event()

        def call() -> None:
            with httpx2.Client(headers={"x-api-key": key}, timeout=60) as client:
                while not done.is_set():
                    answers[client.post(url, json=REQUEST).status_code] += 1

        thread = threading.Thread(target=call)
        thread.start()
        try:
            yield answers
        finally:
            done.set()
            thread.join()

    @contextlib.contextmanager
    def fault(self, **fault: Any) -> Iterator[None]:
        """Switch a fault of the emulator on."""
        url = f"{self.account.emulator.aws_endpoint_url}/_emulator/faults"
        httpx2.put(url, json=fault).raise_for_status()
        try:
            yield
        finally:
            httpx2.delete(url)

    def image(self) -> str:
        """The image that the endpoint's first variant runs."""
        sagemaker = self.client("sagemaker")
        config = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"]
        variant = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
        return str(sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]["Image"])

    def stack_status(self) -> str:
        stacks = self.client("cloudformation").describe_stacks(StackName=f"{ENDPOINT}-Inference")["Stacks"]
        return str(stacks[0]["StackStatus"])

    def endpoint_status(self) -> str:
        return str(self.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"])

    def count(self) -> int:
        (variant,) = self.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)["ProductionVariants"]
        return int(variant["CurrentInstanceCount"])

    def metric(self, name: str, variant: str = "primary") -> float:
        """The sum of a metric that SageMaker published of a variant, ever."""
        now = time.time()
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": variant}],
            StartTime=now - 3600,
            EndTime=now + 60,
            Period=86_400,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)


@pytest.fixture(scope="module")
def guarded(emulator: RunningEmulator, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    found = Guarded(Account(emulator, ACCOUNT, home), folder, dict(SETTINGS))
    result = found.account.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", app="")
    assert result.returncode == 0, result.stdout + result.stderr
    found.deployed()
    yield found
    shutil.rmtree(folder)


def test_a_bad_model_version_is_rolled_back_by_the_alarm_while_clients_are_served(guarded: Guarded) -> None:
    before = guarded.image()
    assembly = guarded.synthesize(image=BAD)

    with guarded.fault(fault="server_error", model=BAD), guarded.traffic() as answers:
        status, said = guarded.deploy(assembly)
        seen = Counter(answers)

    assert status != 0
    assert "was rolled back: alarm(s) sdxl-guarded-update-errors went off" in said
    assert guarded.stack_status() == "UPDATE_ROLLBACK_COMPLETE"
    assert guarded.image() == before
    # A canary of half: some calls met the bad version, and the old one went on answering.
    assert seen[502] >= 1
    assert seen[200] > 3
    assert guarded.generate().status_code == 200


def test_a_container_that_does_not_start_is_rolled_back_before_it_gets_traffic(guarded: Guarded) -> None:
    errors = guarded.metric("Invocation5XXErrors")

    # The emulator has nothing that stands in for this image.
    with guarded.traffic() as answers:
        status, said = guarded.deploy(guarded.synthesize(image="somebody-elses:2.0.1"))

    assert status != 0
    assert "no stand-in for a model with Image" in said
    assert guarded.metric("Invocation5XXErrors") == errors
    assert set(answers) == {200}


def test_a_good_version_takes_over_step_by_step_and_nobody_notices(guarded: Guarded) -> None:
    with guarded.traffic() as answers:
        guarded.deployed(image="stabilityai-pytorch-inference:2.0.2")

    assert "stabilityai-pytorch-inference:2.0.2" in guarded.image()
    assert set(answers) == {200}
    assert guarded.stack_status() == "UPDATE_COMPLETE"


def test_an_update_keeps_the_instances_that_scaling_has_added(guarded: Guarded) -> None:
    scaled_out(guarded, 3)

    guarded.deployed()

    assert guarded.count() == 3


def test_another_instance_type_of_a_scaled_variant_is_refused_and_rolled_back(guarded: Guarded) -> None:
    status, said = guarded.deploy(guarded.synthesize(endpoint={"update": CANARY, "instance_types": ["ml.g5.8xlarge"]}))

    assert status != 0
    assert "must be deregistered as scalable targets" in said
    assert guarded.stack_status() == "UPDATE_ROLLBACK_COMPLETE"
    assert guarded.count() == 3


def test_another_instance_type_in_two_steps_keeps_the_instances_and_is_scaled_again(guarded: Guarded) -> None:
    scaling = guarded.client("application-autoscaling")

    guarded.deployed(endpoint={"update": CANARY}, scaling={**SCALING, "detached": True})
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert guarded.count() == 3
    guarded.deployed(endpoint={"update": CANARY, "instance_types": ["ml.g5.8xlarge"]}, scaling=SCALING)

    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert target["ResourceId"] == f"endpoint/{ENDPOINT}/variant/primary"
    assert guarded.count() == 3


def test_a_shadow_gets_copies_and_its_answers_are_nobodys(guarded: Guarded) -> None:
    shadow = {"model": {"source": "open"}, "sampling_percent": 100}
    guarded.deployed(endpoint={"update": CANARY, "instance_types": ["ml.g5.8xlarge"], "shadow": shadow})

    before = guarded.metric("Invocations")
    assert all(guarded.generate().status_code == 200 for _ in range(3))

    assert guarded.metric("Invocations") == before + 3
    deadline = time.monotonic() + 10
    while guarded.metric("Invocations", "shadow") < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert guarded.metric("Invocations", "shadow") == 3


def test_a_deployment_that_was_cut_off_is_finished_by_running_it_again(guarded: Guarded) -> None:
    image = "stabilityai-pytorch-inference:2.0.3"
    assembly = guarded.synthesize(image=image)

    with guarded.account.running_cdk("deploy", STACKS, "--require-approval", "never", app=assembly) as deployment:
        wait_for(lambda: guarded.endpoint_status() == "Updating")
        deployment.kill()

    # CloudFormation goes on without the CLI. The CLI's next run finds the new template there, and does not wait.
    status, said = guarded.deploy(assembly)
    assert (status, said.count("(no changes)")) == (0, 4), said
    guarded.client("cloudformation").get_waiter("stack_update_complete").wait(
        StackName=f"{ENDPOINT}-Inference", WaiterConfig={"Delay": 1}
    )
    assert image in guarded.image()
    assert guarded.generate().status_code == 200


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def scaled_out(guarded: Guarded, count: int) -> None:
    """As autoscaling does."""
    guarded.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=ENDPOINT,
        DesiredWeightsAndCapacities=[{"VariantName": "primary", "DesiredInstanceCount": count}],
    )
