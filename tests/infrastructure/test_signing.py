"""An environment that signs its images: the key, the right to use it, the function's parts, the alarm."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from certificates import chain_of, new_key
from cryptography.hazmat.primitives import serialization
from infrastructure_synthesis import Template, make_app, make_environment, resources, synthesize

from stacks.sdxl_stage import SdxlStage

Synth = Callable[..., Mapping[str, Template]]
KEY_ARN = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The settings of a chain that fits its key."""
    key = new_key()
    chain, public_key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(chain_of(key))
    public_key.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return {"certificate_chain": str(chain), "public_key": str(public_key)}


def image_function(template: Template) -> dict[str, Any]:
    functions = resources(template, "AWS::Lambda::Function").values()
    (found,) = [one["Properties"] for one in functions if one["Properties"]["Handler"] == "image_api.api.handler"]
    return dict(found)


def statements_with(template: Template, action: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in (
            *resources(template, "AWS::IAM::ManagedPolicy").values(),
            *resources(template, "AWS::IAM::Policy").values(),
        )
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if action in statement["Action"]
    ]


def test_the_key_signs_with_p256_and_outlives_the_stack(synth: Synth, files: dict[str, str]) -> None:
    storage = synth(api={"content_credentials": files})["Storage"]

    keys = resources(storage, "AWS::KMS::Key")
    (key,) = [one for one in keys.values() if one["Properties"].get("KeyUsage") == "SIGN_VERIFY"]
    assert key["Properties"]["KeySpec"] == "ECC_NIST_P256"
    assert key["UpdateReplacePolicy"] == "Retain"
    assert "SigningKey" in keys
    assert "SigningKeyArn" in storage["Outputs"]


def test_the_function_may_sign_with_that_key_alone(synth: Synth, files: dict[str, str]) -> None:
    template = synth(api={"content_credentials": {**files, "key_arn": KEY_ARN}})["Api"]

    (statement,) = statements_with(template, "kms:Sign")

    assert statement["Action"] == "kms:Sign"
    assert statement["Resource"] == KEY_ARN
    variables = image_function(template)["Environment"]["Variables"]
    assert json.loads(variables["SDXL_CONTENT_CREDENTIALS"]) == {"key_arn": KEY_ARN, "on_failure": "fail"}
    assert len(image_function(template)["Layers"]) == 2


def test_a_named_key_is_not_made(synth: Synth, files: dict[str, str]) -> None:
    storage = synth(api={"content_credentials": {**files, "key_arn": KEY_ARN}})["Storage"]

    assert [one["Properties"].get("KeyUsage") for one in resources(storage, "AWS::KMS::Key").values()] == [None]


def test_the_chain_is_in_the_functions_package(tmp_path: Path, files: dict[str, str]) -> None:
    synthesis = synthesize(tmp_path / "cdk.out", make_environment(api={"content_credentials": files}))

    found = list((tmp_path / "cdk.out").glob("**/image_api/marks/certificate_chain.pem"))
    assert [one.read_text() for one in found] == [Path(files["certificate_chain"]).read_text()]
    # The authorizer's package is the same as everywhere.
    assert len(list((tmp_path / "cdk.out").glob("**/image_api/authorizer.py"))) == 2
    assert synthesis.templates["test"]


def test_without_a_chain_the_key_is_there_and_nothing_signs(synth: Synth) -> None:
    templates = synth(api={"content_credentials": {}})

    assert "SigningKey" in resources(templates["Storage"], "AWS::KMS::Key")
    function = image_function(templates["Api"])
    assert "SDXL_CONTENT_CREDENTIALS" not in function["Environment"]["Variables"]
    assert len(function["Layers"]) == 1
    assert not statements_with(templates["Api"], "kms:Sign")


def test_without_content_credentials_nothing_of_it_is_there(synth: Synth) -> None:
    templates = synth()

    assert "SigningKey" not in templates["Storage"]["Resources"]
    assert len(image_function(templates["Api"])["Layers"]) == 1
    assert "content-credentials" not in json.dumps(templates["Operations"])


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, "parameters,declaration"),
        ({"parameters": False}, "declaration"),
        ({"parameters": False, "declaration": False}, None),
    ],
)
def test_the_function_is_told_what_image_files_say(
    synth: Synth, metadata: dict[str, bool], expected: str | None
) -> None:
    function = image_function(synth(api={"metadata": metadata})["Api"])

    assert function["Environment"]["Variables"].get("SDXL_METADATA") == expected


def test_an_alarm_notifies_when_signing_fails(synth: Synth, files: dict[str, str]) -> None:
    operations = synth(api={"content_credentials": files})["Operations"]

    alarms = resources(operations, "AWS::CloudWatch::Alarm").values()
    (alarm,) = [one["Properties"] for one in alarms if one["Properties"].get("MetricName") == "SigningFailures"]
    assert alarm["AlarmName"] == "sdxl-test-content-credentials"
    assert alarm["Threshold"] == 1
    assert alarm["AlarmActions"]
    assert "docs/runbooks/content-credentials.md" in alarm["AlarmDescription"]


def test_in_a_vpc_the_function_has_a_way_to_kms(synth: Synth, files: dict[str, str]) -> None:
    network = {
        "vpc_id": "vpc-0123456789abcdef0",
        "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "vpc_endpoints": "create",
        "route_table_ids": ["rtb-0123456789abcdef0"],
    }
    template = synth(api={"content_credentials": files}, network=network)["Network"]

    endpoints = resources(template, "AWS::EC2::VPCEndpoint").values()
    (kms,) = [one["Properties"] for one in endpoints if ".kms" in json.dumps(one["Properties"]["ServiceName"])]
    (statement,) = kms["PolicyDocument"]["Statement"]
    assert statement["Action"] == "kms:Sign"


def test_a_missing_layer_says_how_it_is_made(tmp_path: Path, files: dict[str, str]) -> None:
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w"):
        pass
    environment = make_environment(api={"content_credentials": files})

    with pytest.raises(FileNotFoundError, match="make layer"):
        SdxlStage(make_app(), "stage", environment=environment, layer_archive=archive)
