"""The emulator as a process: its ports, its state file, its accounts, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator import state_file
from emulator.client import DUMMY_SECRET, access_key_id
from emulator.state_file import RunningEmulator
from emulator.testing import running_emulator

pytestmark = pytest.mark.allow_loopback


ROOT = Path(__file__).resolve().parents[3]
FACTS = {
    "endpoint_quotas": {"L-1928E07B": "ml.g4dn.xlarge"},
    "model_packages": {"arn:aws:sagemaker:us-east-1:865070037744:model-package/one": ["ml.g5.xlarge"]},
    "bedrock_models": {"stability.sd3-5-large-v1:0": {"name": "SD3.5 Large", "lifecycle": "ACTIVE"}},
}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    folder = tmp_path_factory.mktemp("emulator")
    facts = folder / "facts.json"
    facts.write_text(json.dumps(FACTS))
    with running_emulator(folder, "--facts", str(facts)) as running:
        yield running


def client(emulator: RunningEmulator, account: str, service: str, region: str = "us-east-1") -> Any:
    return boto3.session.Session().client(
        service,
        endpoint_url=emulator.aws_endpoint_url,
        region_name=region,
        aws_access_key_id=access_key_id(account),
        aws_secret_access_key=DUMMY_SECRET,
        config=Config(retries={"max_attempts": 0}),
    )


def test_it_says_that_it_is_healthy(emulator: RunningEmulator) -> None:
    with urllib.request.urlopen(f"{emulator.aws_endpoint_url}/_emulator/health") as answer:
        assert json.load(answer) == {"status": "ok", "pid": emulator.pid}


def test_faults_are_set_on_the_aws_port(emulator: RunningEmulator) -> None:
    request = urllib.request.Request(f"{emulator.aws_endpoint_url}/_emulator/faults", method="DELETE")
    with urllib.request.urlopen(request) as answer:
        assert answer.status < 300


def test_it_listens_on_the_loopback_interface_only(emulator: RunningEmulator) -> None:
    assert emulator.gateway_url.startswith("http://127.0.0.1:")
    assert emulator.aws_endpoint_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("account_id", ["111111111111", "222222222222"])
def test_a_key_acts_in_its_own_account(emulator: RunningEmulator, account_id: str) -> None:
    sts = client(emulator, account_id, "sts")

    assert sts.get_caller_identity()["Account"] == account_id


def test_a_role_acts_in_its_own_account_whoever_assumes_it(emulator: RunningEmulator) -> None:
    sts = client(emulator, "111111111111", "sts")
    role = sts.assume_role(RoleArn="arn:aws:iam::333333333333:role/deploy", RoleSessionName="session")["Credentials"]
    assumed = boto3.session.Session().client(
        "sts",
        endpoint_url=emulator.aws_endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
    )

    assert assumed.get_caller_identity()["Account"] == "333333333333"


def test_a_key_that_nobody_knows_acts_in_the_default_account(emulator: RunningEmulator) -> None:
    sts = boto3.session.Session().client(
        "sts",
        endpoint_url=emulator.aws_endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key=DUMMY_SECRET,
    )

    assert sts.get_caller_identity()["Account"] == emulator.account


def test_a_presigned_address_is_read_in_the_account_that_signed_it(emulator: RunningEmulator) -> None:
    s3 = client(emulator, "444444444444", "s3")
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="k", Body=b"bytes")
    for version in ("s3", "s3v4"):
        signing = boto3.session.Session().client(
            "s3",
            endpoint_url=emulator.aws_endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="AKIALOCAL444444444444",
            aws_secret_access_key=DUMMY_SECRET,
            config=Config(signature_version=version, s3={"addressing_style": "path"}),
        )
        address = signing.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "k"})
        with urllib.request.urlopen(address) as answer:
            assert answer.read() == b"bytes"
        # The link is the permission: S3 refuses a second one, whatever it is.
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(address, headers={"Authorization": "Bearer key"}))
        assert caught.value.code == 400
        assert b"<Code>InvalidArgument</Code>" in caught.value.read()


def test_a_port_in_use_is_one_clear_line(emulator: RunningEmulator, tmp_path: Path) -> None:
    for offset, face in ((0, "the gateway"), (1, "the AWS endpoint")):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1] - offset
            result = subprocess.run(
                [sys.executable, "-m", "emulator", "--state-file", str(tmp_path / "state.json")],
                cwd=ROOT,
                env=os.environ | {"SDXL_LOCAL_PORT": str(port)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert f"port {port + offset}, for {face}, is in use" in result.stderr
        assert "SDXL_LOCAL_PORT" in result.stderr
        assert not (tmp_path / "state.json").exists()


def test_it_offers_what_it_was_started_with(emulator: RunningEmulator) -> None:
    quotas, bedrock = (
        client(emulator, "111111111111", "service-quotas"),
        client(emulator, "111111111111", "bedrock", "us-west-2"),
    )
    sagemaker = client(emulator, "111111111111", "sagemaker")
    package = next(iter(FACTS["model_packages"]))

    quota = quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode="L-1928E07B")["Quota"]
    details = bedrock.get_foundation_model(modelIdentifier="stability.sd3-5-large-v1:0")["modelDetails"]
    described = sagemaker.describe_model_package(ModelPackageName=package)

    assert (quota["QuotaName"], quota["Value"]) == ("ml.g4dn.xlarge for endpoint usage", 64)
    assert (details["modelName"], details["modelLifecycle"]) == ("SD3.5 Large", {"status": "ACTIVE"})
    assert described["InferenceSpecification"]["SupportedRealtimeInferenceInstanceTypes"] == ["ml.g5.xlarge"]
    with pytest.raises(ClientError, match="the specified quota does not exist"):
        quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode="L-00000000")
    with pytest.raises(ClientError, match="ValidationException"):
        bedrock.get_foundation_model(modelIdentifier="stability.stable-image-core-v1:1")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), ("{", "is not JSON"), ('{"gpus": 1}', "unknown fields ['gpus']")]
)
def test_wrong_facts_are_one_clear_line(tmp_path: Path, content: str | None, message: str) -> None:
    facts = tmp_path / "facts.json"
    if content is not None:
        facts.write_text(content)

    result = subprocess.run(
        [sys.executable, "-m", "emulator", "--facts", str(facts)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 2
    assert message in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--port", "many"], ["--port", "65535"], ["--account", "12"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "emulator", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 2
    assert arguments[1] in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_children_and_removes_the_state_file(tmp_path: Path, number: signal.Signals) -> None:
    with running_emulator(tmp_path) as running:
        sagemaker = client(running, "111111111111", "sagemaker")
        sagemaker.create_model(
            ModelName="m",
            ExecutionRoleArn="arn:aws:iam::111111111111:role/r",
            PrimaryContainer={"ModelPackageName": "arn:aws:sagemaker:us-east-1:111111111111:model-package/x"},
        )
        variant = {
            "VariantName": "primary",
            "ModelName": "m",
            "InstanceType": "ml.g5.xlarge",
            "InitialInstanceCount": 1,
        }
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
        children = _children(running.pid)
        assert children
        os.kill(running.pid, number)
        _wait_until(lambda: not (tmp_path / "emulator.json").exists())
        _wait_until(lambda: not any(_alive(pid) for pid in children))


def test_the_state_file_of_another_emulator_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    other = RunningEmulator(1, "http://127.0.0.1:1", "http://127.0.0.1:2", "111111111111")
    state_file.write(path, other)

    state_file.remove(path)

    assert state_file.read(path) == other


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(condition: object) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 20 s")
