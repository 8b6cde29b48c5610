"""An environment on Bedrock: no endpoint, exact permissions, what the function is told, and clean rule packs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks
from infrastructure_synthesis import Template, make_app, make_environment, make_layer, resources

from stacks.environment import load_environment
from stacks.sdxl_stage import SdxlStage

EXAMPLE = Path(__file__).parents[1] / "environments" / "bedrock.yaml"
ACCOUNT = "111122223333"
SD35, CORE = "stability.sd3-5-large-v1:0", "stability.stable-image-core-v1:1"
SDXL, INPAINT = "stability.stable-diffusion-xl-v1", "stability.stable-image-inpaint-v1:0"
PROFILE_ARN = f"arn:aws:bedrock:us-west-2:{ACCOUNT}:inference-profile/us.{INPAINT}"
PROVISIONED = f"arn:aws:bedrock:us-west-2:{ACCOUNT}:provisioned-model/abcdefgh1234"
IMPORTED = f"arn:aws:bedrock:us-west-2:{ACCOUNT}:imported-model/abcdefgh1234"

Synth = Callable[..., dict[str, Template]]


def bedrock(**settings: str) -> dict[str, Any]:
    return {"region": "us-west-2", "model": {"source": "bedrock", **settings}}


def bedrock_statements(template: Template) -> list[dict[str, Any]]:
    return [
        statement
        for policy in resources(template, "AWS::IAM::ManagedPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "bedrock" in json.dumps(statement["Action"])
    ]


def image_function_variables(template: Template) -> dict[str, Any]:
    (variables,) = [
        found["Properties"]["Environment"]["Variables"]
        for found in resources(template, "AWS::Lambda::Function").values()
        if found["Properties"]["Handler"] == "image_api.api.handler"
    ]
    return dict(variables)


def model_arn(model_id: str, region: str = "us-west-2") -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"


def test_there_is_no_endpoint_and_nothing_of_sagemaker_but_a_role_without_permissions(synth: Synth) -> None:
    templates = synth(**bedrock(model_id=SD35, inpaint_model_id=INPAINT))

    assert sorted(templates) == ["Api", "Operations", "Storage"]
    storage = templates["Storage"]
    (role,) = [name for name in resources(storage, "AWS::IAM::Role") if name.startswith("EndpointExecutionRole")]
    assert not {"Policies", "ManagedPolicyArns"} & set(storage["Resources"].pop(role)["Properties"])
    text = json.dumps({**templates, "Storage": storage["Resources"]}).lower()
    assert [word for word in ("sagemaker", "autoscaling") if word in text] == []


def test_function_may_invoke_this_model_only(synth: Synth) -> None:
    api = synth(**bedrock(model_id=CORE))["Api"]

    assert bedrock_statements(api) == [
        {"Action": "bedrock:InvokeModel", "Effect": "Allow", "Resource": model_arn(CORE)}
    ]


def test_inference_profile_needs_its_own_arn_and_the_models_through_it(synth: Synth) -> None:
    api = synth(**bedrock(model_id=SD35, inpaint_model_id=INPAINT))["Api"]

    assert bedrock_statements(api) == [
        {"Action": "bedrock:InvokeModel", "Effect": "Allow", "Resource": [PROFILE_ARN, model_arn(SD35)]},
        {
            "Action": "bedrock:InvokeModel",
            "Condition": {"StringEquals": {"bedrock:InferenceProfileArn": PROFILE_ARN}},
            "Effect": "Allow",
            "Resource": [model_arn(INPAINT, region) for region in ("us-east-1", "us-east-2", "us-west-2")],
        },
    ]


@pytest.mark.parametrize(("setting", "arn"), [("provisioned_model_arn", PROVISIONED), ("imported_model_arn", IMPORTED)])
def test_arn_is_called_and_allowed_in_place_of_the_model(synth: Synth, setting: str, arn: str) -> None:
    api = synth(**bedrock(model_id=SDXL, **{setting: arn}))["Api"]

    assert bedrock_statements(api) == [{"Action": "bedrock:InvokeModel", "Effect": "Allow", "Resource": arn}]
    variables = image_function_variables(api)
    assert (variables["SDXL_BEDROCK_MODEL_ID"], variables["SDXL_BEDROCK_MODEL_FAMILY"]) == (arn, "sdxl-v1")


def test_function_is_told_the_model_and_no_endpoint(synth: Synth) -> None:
    variables = image_function_variables(synth(**bedrock(model_id=SD35, inpaint_model_id=INPAINT))["Api"])

    assert {name: value for name, value in variables.items() if "BEDROCK" in name or "MODEL" in name} == {
        "SDXL_MODEL_SOURCE": "bedrock",
        "SDXL_BEDROCK_MODEL_ID": SD35,
        "SDXL_BEDROCK_MODEL_FAMILY": "sd3-5",
        "SDXL_BEDROCK_REGION": "us-west-2",
        "SDXL_BEDROCK_INPAINT_MODEL_ID": f"us.{INPAINT}",
    }
    assert "SDXL_ENDPOINT_NAME" not in variables


def test_bedrock_of_another_region_is_called_and_allowed_there(synth: Synth) -> None:
    settings = bedrock(model_id=CORE, region="us-west-2") | {"region": "eu-west-1"}
    api = synth(**settings)["Api"]

    assert [statement["Resource"] for statement in bedrock_statements(api)] == [model_arn(CORE)]
    assert image_function_variables(api)["SDXL_BEDROCK_REGION"] == "us-west-2"


def test_example_synthesizes_twice_to_the_same(tmp_path: Path) -> None:
    texts = []
    for attempt in ("first", "second"):
        (tmp_path / attempt).mkdir()
        app = make_app(tmp_path / attempt / "cdk.out")
        SdxlStage(app, "stage", environment=load_environment(EXAMPLE), layer_archive=make_layer(tmp_path / attempt))
        app.synth()
        files = sorted((tmp_path / attempt / "cdk.out").rglob("*.template.json"))
        texts.append([path.read_text() for path in files])

    assert len(texts[0]) == 3
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "settings",
    [
        bedrock(model_id=SD35, inpaint_model_id=INPAINT),
        bedrock(model_id=SDXL, provisioned_model_arn=PROVISIONED),
    ],
    ids=["inference profile", "provisioned throughput"],
)
def test_rule_packs_find_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    app = make_app()
    SdxlStage(app, "stage", environment=make_environment(**settings), layer_archive=make_layer(tmp_path))

    found = [
        (resource.construct_path, violation.rule_name)
        for pack in (AwsSolutionsChecks, NIST80053R5Checks)
        for violation in pack(app).validate_scope(app).violations
        for resource in violation.violating_resources
    ]

    assert found == []
