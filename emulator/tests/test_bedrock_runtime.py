"""InvokeModel through boto3: models, errors and faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from emulator_support import ACCOUNT, serve

from emulator.bedrock_runtime import create_bedrock_app
from emulator.client import access_key_id, account_of
from emulator.containers import Containers
from emulator.faults import FAULTS, Fault, FaultKind

pytestmark = pytest.mark.allow_loopback

CORE = "stability.stable-image-core-v1:1"


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Any]:
    containers = Containers()
    server = serve(create_bedrock_app(lambda key: account_of(key) or "", containers.shared_url))
    yield boto3.session.Session().client(
        "bedrock-runtime",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        region_name="us-west-2",
        aws_access_key_id=access_key_id(ACCOUNT),
        aws_secret_access_key="none",
        config=Config(retries={"max_attempts": 0}, read_timeout=20),
    )
    containers.stop_all()
    server.shutdown()
    server.server_close()


def invoke(bedrock: Any, model: str = CORE, **fields: Any) -> Any:
    body = json.dumps({"prompt": "a cat", "seed": 3, **fields})
    return bedrock.invoke_model(modelId=model, body=body, contentType="application/json", accept="application/json")


def refused(bedrock: Any, model: str = CORE, **fields: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        invoke(bedrock, model, **fields)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_an_image_comes_back(bedrock: Any) -> None:
    answer = json.loads(invoke(bedrock)["body"].read())

    assert (answer["seeds"], answer["finish_reasons"]) == ([3], [None])


def test_one_process_serves_a_model_however_many_ask_first(bedrock: Any) -> None:
    containers, urls = Containers(), []
    threads = [threading.Thread(target=lambda: urls.append(containers.shared_url("bedrock-inpaint"))) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        containers.stop_all()

    assert len(urls) == 3
    assert len(set(urls)) == 1


def test_an_arn_with_slashes_names_a_model(bedrock: Any) -> None:
    answer = invoke(bedrock, f"arn:aws:bedrock:us-west-2::foundation-model/{CORE}")

    assert json.loads(answer["body"].read())["seeds"] == [3]


def test_a_model_at_the_end_of_its_life_is_not_found(bedrock: Any) -> None:
    code, status, message = refused(bedrock, "stability.stable-diffusion-xl-v1")

    assert (code, status) == ("ResourceNotFoundException", 404)
    assert "end of its life" in message


def test_a_wrong_body_is_a_validation_exception(bedrock: Any) -> None:
    code, status, message = refused(bedrock, aspect_ratio="4:3")

    assert (code, status) == ("ValidationException", 400)
    assert message.startswith("Malformed input request: aspect_ratio '4:3' is not supported")


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (Fault(FaultKind.THROTTLED), "ThrottlingException", 429),
        (Fault(FaultKind.NOT_READY), "ModelNotReadyException", 429),
        (Fault(FaultKind.UNAVAILABLE), "ServiceUnavailableException", 503),
        (Fault(FaultKind.CLIENT_ERROR, message="no"), "ValidationException", 400),
        (Fault(FaultKind.SERVER_ERROR, status=503), "ModelErrorException", 424),
    ],
)
def test_faults_of_the_service(bedrock: Any, fault: Fault, code: str, status: int) -> None:
    FAULTS.put(fault)

    assert refused(bedrock)[:2] == (code, status)


@pytest.mark.parametrize(("fault", "body"), [(FaultKind.EMPTY, b""), (FaultKind.GARBAGE, b"\x00\xffthis is not JSON{")])
def test_faults_in_the_place_of_the_model(bedrock: Any, fault: FaultKind, body: bytes) -> None:
    FAULTS.put(Fault(fault, endpoint=CORE))

    assert invoke(bedrock)["body"].read() == body


def test_a_filtered_answer_has_nothing_but_the_reason(bedrock: Any) -> None:
    FAULTS.put(Fault(FaultKind.FILTERED, times=1))

    assert json.loads(invoke(bedrock)["body"].read()) == {"finish_reasons": ["Filter reason: prompt"]}
    assert json.loads(invoke(bedrock)["body"].read())["images"]


def test_a_truncated_image_cannot_be_decoded(bedrock: Any) -> None:
    FAULTS.put(Fault(FaultKind.TRUNCATED))

    assert len(json.loads(invoke(bedrock)["body"].read())["images"][0]) % 4


def test_a_reset_connection_has_no_answer(bedrock: Any) -> None:
    FAULTS.put(Fault(FaultKind.RESET))

    with pytest.raises(ConnectionClosedError):
        invoke(bedrock)
