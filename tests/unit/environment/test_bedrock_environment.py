"""Environment files with `model.source: bedrock`: what is deployed, and what is refused with which words."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest

from stacks.catalog import bedrock as catalog_bedrock
from stacks.environment import BedrockModel, Environment, EnvironmentFileError, environment_warnings, load_environment
from stacks.environment import bedrock as environment_bedrock

pytestmark = pytest.mark.disable_socket

SD35, CORE = "stability.sd3-5-large-v1:0", "stability.stable-image-core-v1:1"
SDXL, INPAINT = "stability.stable-diffusion-xl-v1", "stability.stable-image-inpaint-v1:0"
PROVISIONED = "arn:aws:bedrock:us-west-2:111122223333:provisioned-model/abcdefgh1234"
IMPORTED = "arn:aws:bedrock:us-west-2:111122223333:imported-model/abcdefgh1234"
EXAMPLE = Path(__file__).parents[2] / "environments" / "bedrock.yaml"


def model(*, region: str = "us-west-2", bedrock_region: str = "", rest: str = "", **settings: str) -> str:
    if bedrock_region:
        settings["region"] = bedrock_region
    lines = "".join(f"  {name}: {value}\n" for name, value in settings.items())
    return f'account: "111122223333"\nregion: {region}\nmodel:\n  source: bedrock\n{lines}{rest}'


def load(tmp_path: Path, content: str) -> Environment:
    path = tmp_path / "good.yaml"
    path.write_text(content)
    return load_environment(path)


# Within a year of every fact of the catalog.
TODAY = date(2026, 10, 1)


def test_example_file_loads() -> None:
    environment = load_environment(EXAMPLE)

    assert environment.model == BedrockModel(source="bedrock", model_id=SD35, inpaint_model_id=INPAINT)
    assert environment.instance_types == ()
    assert environment_warnings(environment, TODAY) == ()


GOOD = {
    "core": model(model_id=CORE),
    "another region": model(region="eu-west-1", bedrock_region="us-west-2", model_id=CORE),
    "inpaint by its profile": model(model_id=CORE, inpaint_model_id=f"us.{INPAINT}"),
    "SDXL on provisioned throughput": model(model_id=SDXL, provisioned_model_arn=PROVISIONED),
    "SDXL imported": model(model_id=SDXL, imported_model_arn=IMPORTED),
    "provisioned in a region that the catalog does not know": model(
        region="eu-west-1", model_id=SDXL, provisioned_model_arn=PROVISIONED.replace("us-west-2", "eu-west-1")
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_file(name: str, tmp_path: Path) -> None:
    assert load(tmp_path, GOOD[name]).model.source == "bedrock"


SCALING = "scaling:\n  max_capacity: 4\n  target: {metric: concurrent_requests, target: 1}\n"

# name: (content, fragments that the message must have)
WRONG = {
    "no model": (model(), ["model.model_id", "missing"]),
    "unknown model": (model(model_id="stability.x"), ["wrong.yaml:5: model.model_id", "'stability.x'", SD35, CORE]),
    "SDXL on demand": (
        model(model_id=SDXL),
        [
            "wrong.yaml:5: model.model_id",
            "SDXL 1.0",
            "2025-05-20",
            f"{SD35} (in us-west-2)",
            CORE,
            "stability.stable-image-ultra-v1:1",
            "model.source: optimized or open",
            "model.provisioned_model_arn or model.imported_model_arn",
        ],
    ),
    "SDXL 0.8": (model(model_id="stability.stable-diffusion-xl-v0"), ["2024-04-30", SD35]),
    "Core 1.0": (
        model(model_id="stability.stable-image-core-v1:0"),
        ["2025-09-04", "stability.stable-image-core-v1:1 (in us-west-2)"],
    ),
    "Ultra 1.0": (model(model_id="stability.stable-image-ultra-v1:0"), ["stability.stable-image-ultra-v1:1"]),
    "SD3": (model(model_id="stability.sd3-large-v1:0"), [SD35]),
    "a region without it": (
        model(region="eu-west-1", model_id=SD35),
        ["wrong.yaml:2: region: 'eu-west-1'", SD35, "allowed: us-west-2", "set model.region: us-west-2"],
    ),
    "model.region without it": (
        model(bedrock_region="us-east-1", model_id=SD35),
        ["model.region: 'us-east-1'", "allowed: us-west-2"],
    ),
    "a region of another partition": (
        model(region="cn-north-1", bedrock_region="us-west-2", model_id=SD35),
        ["model.region", "partition aws", "aws-cn"],
    ),
    "inpaint model to draw": (model(model_id=INPAINT), ["cannot do text-to-image", "model.inpaint_model_id"]),
    "inpaint model that draws": (
        model(model_id=SD35, inpaint_model_id=CORE),
        ["model.inpaint_model_id", "cannot do masking", INPAINT],
    ),
    "inpaint model that is SDXL": (
        model(model_id=SD35, inpaint_model_id=SDXL),
        ["model.inpaint_model_id", "not an inpaint model alone", INPAINT],
    ),
    "inpaint with SDXL": (
        model(model_id=SDXL, provisioned_model_arn=PROVISIONED, inpaint_model_id=INPAINT),
        ["model.inpaint_model_id", "would never be called", "leave the setting out"],
    ),
    "inpaint in a region without it": (
        model(
            region="eu-west-1",
            model_id=CORE,
            provisioned_model_arn=PROVISIONED.replace("us-west-2", "eu-west-1"),
            inpaint_model_id=INPAINT,
        ),
        ["region: 'eu-west-1'", "model.inpaint_model_id", "us-east-1, us-east-2, us-west-2"],
    ),
    "both ARNs": (
        model(model_id=SDXL, provisioned_model_arn=PROVISIONED, imported_model_arn=IMPORTED),
        ["model.imported_model_arn", "only one of them", "remove the one"],
    ),
    "ARN of another region": (
        model(model_id=SDXL, provisioned_model_arn=PROVISIONED.replace("us-west-2", "us-east-1")),
        ["model.provisioned_model_arn", "of the region us-east-1", "called in us-west-2", "arn:aws:bedrock:us-west-2:"],
    ),
    "ARN of another partition": (
        model(model_id=SDXL, imported_model_arn=IMPORTED.replace("arn:aws:", "arn:aws-cn:")),
        ["model.imported_model_arn", "of the partition aws-cn"],
    ),
    "ARN of another kind": (
        model(model_id=SDXL, provisioned_model_arn=IMPORTED),
        ["model.provisioned_model_arn", "provisioned-model/<12 characters>"],
    ),
    "scaling": (model(model_id=SD35, rest=SCALING), ["scaling: has no effect", "remove the section"]),
    "endpoint": (
        model(model_id=SD35, rest="endpoint:\n  instance_types: [ml.g5.2xlarge]\n"),
        ["endpoint.instance_types", "has no effect", "remove the setting"],
    ),
    "setting of another source": (model(model_id=SD35, model_package_arn="x"), ["model.model_package_arn", "unknown"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_file_is_refused(name: str, tmp_path: Path) -> None:
    content, told = WRONG[name]
    path = tmp_path / "wrong.yaml"
    path.write_text(content)

    with pytest.raises(EnvironmentFileError) as caught:
        load_environment(path)

    assert [fragment for fragment in told if fragment not in str(caught.value)] == [], str(caught.value)


def test_scaling_without_an_instance_count_is_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(model(model_id=SD35, rest=SCALING))

    with pytest.raises(EnvironmentFileError) as caught:
        load_environment(path)

    assert [problem.field for problem in caught.value.problems] == ["scaling"]


def test_legacy_model_is_allowed_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = catalog_bedrock.load_bedrock_catalog()
    legacy = dataclasses.replace(
        catalog.model(CORE), status="legacy", legacy="2026-01-01", end_of_life="2026-12-01", successors=(SD35,)
    )
    changed = dataclasses.replace(catalog, models={**catalog.models, CORE: legacy})
    monkeypatch.setattr(environment_bedrock, "load_bedrock_catalog", lambda: changed)

    (warning,) = environment_warnings(load(tmp_path, model(model_id=CORE)), TODAY)

    assert warning == (
        f"model.model_id: {CORE} (Stable Image Core) is legacy since 2026-01-01 and ends on 2026-12-01; "
        f"plan to move to {SD35}"
    )


def test_other_sources_have_no_warnings(tmp_path: Path) -> None:
    content = 'account: "111122223333"\nregion: us-east-1\nmodel: {source: optimized}\n'

    assert environment_warnings(load(tmp_path, content), TODAY) == ()
