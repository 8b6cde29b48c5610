"""InvokeEndpoint through boto3: containers, variants, errors, limits and faults."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from emulator_support import ACCOUNT, REGION, Clients, http
from moto.sagemaker.models import sagemaker_backends

from emulator import sagemaker_runtime
from emulator.containers import CONTAINERS, ContainerError, Containers, variant_of
from emulator.faults import FAULTS, Fault, FaultKind

pytestmark = pytest.mark.allow_loopback

OPTIMIZED_MODEL = {"PrimaryContainer": {"ModelPackageName": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/sdxl"}}
OPEN_MODEL = {
    "PrimaryContainer": {
        "Image": f"763104351884.dkr.ecr.{REGION}.amazonaws.com/stabilityai-pytorch-inference:2.0.1",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
}
BODY = json.dumps({"text_prompts": [{"text": "a cat"}], "width": 320, "height": 320, "seed": 3})


@pytest.fixture(scope="module")
def endpoint(client: Clients) -> Iterator[str]:
    """An endpoint with an optimized and an open variant; all traffic goes to the first."""
    sagemaker = client("sagemaker")
    variants = [("primary", OPTIMIZED_MODEL, 1.0), ("other", OPEN_MODEL, 0.0)]
    for name, model, _ in variants:
        sagemaker.create_model(ModelName=f"model-{name}", ExecutionRoleArn="arn:aws:iam::1:role/r", **model)
    sagemaker.create_endpoint_config(
        EndpointConfigName="sdxl-config",
        ProductionVariants=[
            {
                "VariantName": name,
                "ModelName": f"model-{name}",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": weight,
            }
            for name, _, weight in variants
        ],
    )
    sagemaker.create_endpoint(EndpointName="sdxl", EndpointConfigName="sdxl-config")
    for name, model, _ in variants:
        CONTAINERS.start((ACCOUNT, REGION, "sdxl"), model, production_variant=name)
    yield "sdxl"
    CONTAINERS.stop((ACCOUNT, REGION, "sdxl"))


def invoke(client: Clients, body: Any = BODY, name: str = "sdxl", **more: Any) -> Any:
    fields = {"ContentType": "application/json", "Accept": "application/json;png", **more}
    return client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=body, **fields)


def refused(client: Clients, **more: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        invoke(client, **more)
    return caught.value


def test_an_image_comes_back_from_the_variant_with_the_weight(client: Clients, endpoint: str) -> None:
    answer = invoke(client, CustomAttributes="trace=1")

    assert answer["InvokedProductionVariant"] == "primary"
    assert answer["ContentType"] == "application/json"
    assert answer["CustomAttributes"] == "trace=1"
    assert json.loads(answer["Body"].read())["artifacts"][0]["seed"] == 3


def test_a_target_variant_is_served_by_its_own_model(client: Clients, endpoint: str) -> None:
    answer = invoke(client, TargetVariant="other", Accept="application/json")

    assert answer["InvokedProductionVariant"] == "other"
    assert "generated_image" in json.loads(answer["Body"].read())


def test_variants_share_the_traffic_by_weight_and_publish_metrics_of_their_own(client: Clients, endpoint: str) -> None:
    before = {name: published(client, "Invocations", name) for name in ("primary", "other")}
    weigh(client, primary=1, other=1)
    try:
        answers = [invoke(client, Accept="application/json")["InvokedProductionVariant"] for _ in range(24)]
    finally:
        weigh(client, primary=1, other=0)

    # One in eight million that either gets none.
    assert set(answers) == {"primary", "other"}
    for name, count in before.items():
        assert published(client, "Invocations", name) - count == answers.count(name)
        # In microseconds, and some time passed.
        assert published(client, "ModelLatency", name) > 1_000


def test_a_models_error_counts_against_its_variant(client: Clients, endpoint: str) -> None:
    metrics = ("InvocationModelErrors", "Invocation4XXErrors", "Invocation5XXErrors")
    before = [published(client, name, "primary") for name in metrics]

    FAULTS.put(Fault(FaultKind.SERVER_ERROR, times=1))
    refused(client)
    refused(client, body=json.dumps({"text_prompts": []}))

    after = [published(client, name, "primary") for name in metrics]
    assert [new - old for old, new in zip(before, after, strict=True)] == [2, 1, 1]


def test_a_fault_of_one_model_version_leaves_the_others_alone(client: Clients, endpoint: str) -> None:
    FAULTS.put(Fault(FaultKind.SERVER_ERROR, model="stabilityai-pytorch-inference:2.0.1"))

    assert invoke(client, TargetVariant="primary")["InvokedProductionVariant"] == "primary"
    assert refused(client, TargetVariant="other").response["OriginalStatusCode"] == 500


def weigh(client: Clients, **weights: float) -> None:
    """Set the variants' shares of the traffic."""
    client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="sdxl",
        DesiredWeightsAndCapacities=[
            {"VariantName": name, "DesiredWeight": weight, "DesiredInstanceCount": 1}
            for name, weight in weights.items()
        ],
    )


def published(client: Clients, metric: str, variant: str) -> float:
    """The sum of a variant's metric, ever."""
    now = time.time()
    points = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": "EndpointName", "Value": "sdxl"}, {"Name": "VariantName", "Value": variant}],
        StartTime=now - 3600,
        EndTime=now + 60,
        Period=86_400,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(float(point["Sum"]) for point in points)


def test_an_unknown_endpoint_is_not_found_in_sagemakers_words(client: Clients, endpoint: str) -> None:
    error = refused(client, name="absent")

    assert error.response["Error"] == {
        "Code": "ValidationError",
        "Message": f"Endpoint absent of account {ACCOUNT} not found.",
    }


def test_an_endpoint_that_is_being_created_is_not_found_either(client: Clients, endpoint: str) -> None:
    record = sagemaker_backends[ACCOUNT][REGION].endpoints["sdxl"]
    record.endpoint_status = "Creating"
    try:
        assert "not found" in refused(client).response["Error"]["Message"]
    finally:
        record.endpoint_status = "InService"


def test_an_unknown_target_variant_is_refused(client: Clients, endpoint: str) -> None:
    assert "Variant absent of endpoint sdxl" in refused(client, TargetVariant="absent").response["Error"]["Message"]


def test_the_models_own_error_is_a_model_error(client: Clients, endpoint: str) -> None:
    error = refused(client, body=json.dumps({"text_prompts": []})).response

    assert error["Error"]["Code"] == "ModelError"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["OriginalStatusCode"] == 400
    assert json.loads(error["OriginalMessage"])["error"]["name"] == "invalid_prompts"
    assert error["LogStreamArn"].endswith(":log-group:/aws/sagemaker/Endpoints/sdxl")
    assert error["Error"]["Message"].startswith("Received client error (400) from primary with message ")


def test_a_body_over_the_limit_is_refused(client: Clients, endpoint: str) -> None:
    error = refused(client, body=b"x" * 6_291_457).response

    assert error["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_response_over_the_limit_is_refused(client: Clients, endpoint: str) -> None:
    body = json.dumps({"text_prompts": [{"text": "a cat"}], "samples": 5})

    assert "is larger than 6291456 bytes" in refused(client, body=body).response["OriginalMessage"]


def test_a_real_time_endpoint_takes_no_asynchronous_call(client: Clients, endpoint: str) -> None:
    with pytest.raises(ClientError, match="has no AsyncInferenceConfig"):
        client("sagemaker-runtime").invoke_endpoint_async(EndpointName="sdxl", InputLocation="s3://bucket/key")


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (Fault(FaultKind.THROTTLED), "ThrottlingException", 400),
        (Fault(FaultKind.NOT_READY), "ModelNotReadyException", 429),
        (Fault(FaultKind.UNAVAILABLE), "ServiceUnavailable", 503),
        (Fault(FaultKind.CLIENT_ERROR, message="too steep"), "ModelError", 424),
        (Fault(FaultKind.SERVER_ERROR, status=503), "ModelError", 424),
    ],
)
def test_faults_that_refuse(client: Clients, endpoint: str, fault: Fault, code: str, status: int) -> None:
    FAULTS.put(fault)

    error = refused(client).response

    assert error["Error"]["Code"] == code
    assert error["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_models_error_has_the_faults_message_and_status(client: Clients, endpoint: str) -> None:
    FAULTS.put(Fault(FaultKind.CLIENT_ERROR, status=422, message="too steep"))

    error = refused(client).response

    assert error["OriginalStatusCode"] == 422
    assert json.loads(error["OriginalMessage"])["message"] == "too steep"


def test_faults_that_spoil_the_answer(client: Clients, endpoint: str) -> None:
    def answer(kind: FaultKind) -> bytes:
        FAULTS.put(Fault(kind, times=1))
        return bytes(invoke(client)["Body"].read())

    assert answer(FaultKind.EMPTY) == b""
    with pytest.raises(ValueError, match=r"."):
        json.loads(answer(FaultKind.GARBAGE))
    assert json.loads(answer(FaultKind.FILTERED))["artifacts"][0]["finishReason"] == "CONTENT_FILTERED"
    with pytest.raises(ValueError, match="padding"):
        base64.b64decode(json.loads(answer(FaultKind.TRUNCATED))["artifacts"][0]["base64"])


def test_the_open_model_cannot_be_filtered(client: Clients, endpoint: str) -> None:
    FAULTS.put(Fault(FaultKind.FILTERED))

    error = refused(client, TargetVariant="other", Accept="application/json")

    assert "has no content filter" in error.response["Error"]["Message"]


def test_a_reset_closes_the_connection(client: Clients, endpoint: str) -> None:
    FAULTS.put(Fault(FaultKind.RESET))

    with pytest.raises(ConnectionClosedError):
        invoke(client)


def test_a_slow_model_is_cut_off_at_the_invocations_limit(
    client: Clients, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(sagemaker_runtime.time, "sleep", slept.append)
    FAULTS.put(Fault(FaultKind.SLOW, seconds=61))

    error = refused(client).response

    assert slept == [60]
    assert error["OriginalStatusCode"] == 0
    assert "Your invocation timed out" in error["OriginalMessage"]


def test_a_variant_without_a_container_is_unavailable(client: Clients, endpoint: str) -> None:
    key = (ACCOUNT, REGION, "sdxl")
    CONTAINERS.stop(key, production_variant="other")
    try:
        assert refused(client, TargetVariant="other").response["Error"]["Code"] == "ServiceUnavailable"
        assert invoke(client)["InvokedProductionVariant"] == "primary"
    finally:
        CONTAINERS.start(key, OPEN_MODEL, production_variant="other")


def test_a_new_model_is_swapped_in_before_the_old_one_stops() -> None:
    containers = Containers()
    key = (ACCOUNT, REGION, "swapped")
    try:
        containers.start(key, OPTIMIZED_MODEL)
        before = containers.serving(key).url
        containers.start(key, OPEN_MODEL)

        assert containers.serving(key).variant == "open"
        assert http("GET", f"{containers.serving(key).url}/ping").status == 200
        with pytest.raises(OSError, match="refused"):
            http("GET", f"{before}/ping")
    finally:
        containers.stop_all()


def test_a_model_without_a_stand_in_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(ContainerError, match=r"no stand-in for a model with Image 'other:1'.*ModelPackageName"):
        variant_of({"PrimaryContainer": {"Image": "other:1"}})
    with pytest.raises(ContainerError, match="pipeline of 2 containers"):
        variant_of({"Containers": [{"Image": "a"}, {"Image": "b"}]})


def test_a_container_that_ends_gives_its_reason_and_leaves_the_old_one() -> None:
    containers = Containers(start_timeout_seconds=10)
    key = (ACCOUNT, REGION, "failing")
    broken = {"Image": "x/stabilityai-pytorch-inference:1", "Environment": {"PYTHONHOME": "/nowhere"}}
    try:
        containers.start(key, OPTIMIZED_MODEL)
        with pytest.raises(ContainerError, match=r"did not pass the ping health check.*ended with status"):
            containers.start(key, broken)

        assert containers.serving(key).variant == "optimized"
    finally:
        containers.stop_all()


def test_the_container_speaks_http(client: Clients, endpoint: str) -> None:
    url = CONTAINERS.serving((ACCOUNT, REGION, "sdxl")).url

    assert http("GET", f"{url}/ping").status == 200
    assert http("GET", f"{url}/other").status == 404
    assert http("POST", f"{url}/other", b"{}").status == 404
    assert http("POST", f"{url}/invocations", b"{}", {"Content-Type": "text/plain"}).status == 415
    assert http("POST", f"{url}/invocations", b"{", {"Content-Type": "application/json"}).status == 400


def test_the_containers_log_is_in_cloudwatch(client: Clients, endpoint: str) -> None:
    invoke(client)

    group = "/aws/sagemaker/Endpoints/sdxl"
    streams = client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    assert any(stream["logStreamName"].startswith("primary/") for stream in streams)
