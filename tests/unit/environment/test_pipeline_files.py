"""pipeline.yaml: what it may say, what it says wrongly, and how the error helps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from stacks.environment import EnvironmentFileError, environment_paths, load_environment
from stacks.environment.pipeline import load_pipeline, pipeline_schema, schema_text

pytestmark = pytest.mark.disable_socket

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "tests" / "pipelines" / "small"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "environments"))


def errors(folder: Path, old: str, new: str, *, file: str = "pipeline.yaml") -> str:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(EnvironmentFileError) as error:
        load_pipeline(folder / "pipeline.yaml")
    return str(error.value).replace(f"{folder}/", "")


def test_rings_keep_their_order() -> None:
    pipeline, environments = load_pipeline(EXAMPLE / "pipeline.yaml")

    assert [ring.name for ring in pipeline.rings] == ["dev", "staging", "prod"]
    assert [ring.approval for ring in pipeline.rings] == ["none", "none", "manual"]
    assert sorted(environments) == ["dev", "prod", "staging"]


def test_pipeline_is_not_taken_for_an_environment() -> None:
    assert [path.stem for path in environment_paths(EXAMPLE)] == ["dev", "prod", "staging"]
    with pytest.raises(EnvironmentFileError, match=r"pipeline.yaml is the file of the rollout's rings"):
        load_environment(EXAMPLE / "pipeline.yaml")


def test_committed_schema_is_up_to_date() -> None:
    committed = (ROOT / "environments" / "pipeline.schema.json").read_text()

    assert committed == schema_text(), "run `sdxl pipeline schema --write`"


def test_example_is_valid_by_the_schema_and_every_setting_is_described() -> None:
    validator = jsonschema.Draft202012Validator(pipeline_schema())

    assert [*validator.iter_errors(yaml.safe_load((EXAMPLE / "pipeline.yaml").read_text()))] == []
    assert "$ref" not in json.dumps(pipeline_schema())
    assert all("description" in setting for setting in pipeline_schema()["properties"].values())


def test_unknown_environment_is_named_with_the_closest(folder: Path) -> None:
    text = errors(folder, "- staging\n", "- stagin\n")

    assert "rings[1].environments[0]: there is no environment 'stagin'" in text
    assert "to do:   did you mean staging?" in text
    assert "rings: no ring has staging" in text


def test_environment_in_two_rings_is_refused(folder: Path) -> None:
    text = errors(folder, "      - staging\n", "      - staging\n      - dev\n")

    assert "rings[1].environments[1]: 'dev' is in the ring 'dev' already" in text
    assert "allowed: each environment in one ring" in text


def test_environment_in_no_ring_is_refused_unless_it_is_meant(folder: Path) -> None:
    shutil.copy(folder / "dev.yaml", folder / "lab.yaml")
    text = errors(folder, "rings:", "rings: ")

    assert "rings: no ring has lab" in text
    assert "to do:   add them to a ring, or to not_rolled_out if they are deployed by hand" in text
    with (folder / "pipeline.yaml").open("a") as file:
        file.write("not_rolled_out:\n  - lab\n")
    assert load_pipeline(folder / "pipeline.yaml")[0].not_rolled_out == ("lab",)


def test_ring_without_environments_is_refused(folder: Path) -> None:
    text = errors(folder, "    environments:\n      - dev\n", "    environments: []\n")

    assert "rings[0].environments: received []" in text
    assert "allowed: a list of 1 to 50 entries" in text


def test_private_api_takes_no_smoke_test_from_outside(folder: Path) -> None:
    private = "api:\n  auth:\n    mode: iam\n  private:\n    vpc_endpoint_ids:\n      - vpce-0123456789abcdef0\nmodel:"
    text = errors(folder, "model:", private, file="prod.yaml")

    assert "rings[2].smoke_test: image, but the API of 'prod' is private: no build reaches it" in text
    assert "allowed: none, with no_smoke_test_reason" in text


def test_image_is_refused_where_the_api_takes_no_key(folder: Path) -> None:
    text = errors(folder, "model:", "api:\n  auth:\n    mode: iam\nmodel:", file="prod.yaml")

    assert "rings[2].smoke_test: image, but the API of 'prod' takes no API key: its auth mode is iam" in text


def test_no_smoke_test_needs_a_reason(folder: Path) -> None:
    text = errors(folder, "approval: manual", "smoke_test: none")

    assert "rings[2].smoke_test: none, without a reason" in text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("approval: manual", "aproval: manual", "did you mean approval?"),
        ("approval: manual", "approval: maybe", "allowed: none, manual"),
        ('account: "100000000001"', 'account: "1000"', "an AWS account number: 12 digits in quotes"),
        ("connection_arn: arn:aws:code", "connection_arn: arn:aws:cod", "codeconnections:<region>:<account>"),
        ("repository: example/sdxl", "repository: sdxl", "owner/name of a repository"),
    ],
)
def test_wrong_value_says_what_is_allowed(folder: Path, old: str, new: str, expected: str) -> None:
    assert expected in errors(folder, old, new)


def test_boundary_of_another_account_than_the_pipelines_is_refused(folder: Path) -> None:
    (folder / "organization.yaml").write_text("permissions_boundary: sdxl-boundary\n")
    pipeline, environments = load_pipeline(folder / "pipeline.yaml")
    for path in environment_paths(folder):
        path.write_text(path.read_text().replace(environments[path.stem].account, "999988887777"))
    (folder / "organization.yaml").write_text("permissions_boundary: arn:aws:iam::999988887777:policy/sdxl-boundary\n")

    with pytest.raises(EnvironmentFileError) as error:
        load_pipeline(folder / "pipeline.yaml")

    text = str(error.value)
    assert "pipeline.yaml:2: account: " in text
    assert f"{pipeline.account}, and organization.yaml's permissions_boundary is a policy of 999988887777" in text
    assert "write the name alone" in text


def with_github(folder: Path, github: str, repository: str = "example/sdxl") -> Path:
    path = folder / "pipeline.yaml"
    text = path.read_text().replace("repository: example/sdxl", f"repository: {repository}")
    path.write_text(f"{text}\ngithub: {github}\n")
    return path


@pytest.mark.parametrize(
    ("github", "subject"),
    [
        ("{}", "repo:example/sdxl:environment:dev"),
        ("{owner_id: 123456, repository_id: 456789}", "repo:example@123456/sdxl@456789:environment:dev"),
    ],
)
def test_subject_is_what_github_writes_into_the_jobs_token(folder: Path, github: str, subject: str) -> None:
    pipeline, _ = load_pipeline(with_github(folder, github))

    assert pipeline.github_subject(pipeline.rings[0]) == subject


@pytest.mark.parametrize(
    ("github", "repository", "texts"),
    [
        (
            "{identity_provider: create}",
            "group/team/sdxl",
            [
                "github.identity_provider: create, but source.repository 'group/team/sdxl' is not",
                "allowed: a repository of GitHub: owner/name",
                "remove identity_provider",
            ],
        ),
        (
            "{identity_provider: create, owner_id: 123456}",
            "example/sdxl",
            [
                "github.owner_id: there is no repository_id with it",
                "allowed: owner_id and repository_id together, or neither",
                "gh api repos/example/sdxl --jq '.owner.id, .id'",
            ],
        ),
        (
            "{repository_id: 456789}",
            "example/sdxl",
            ["github.repository_id: there is no owner_id with it", "add owner_id"],
        ),
        ("{owner_id: 0, repository_id: 1}", "example/sdxl", ["github.owner_id", "received 0"]),
        ("{identity_provider: new}", "example/sdxl", ["github.identity_provider", "create", "existing"]),
    ],
)
def test_role_that_nobody_or_somebody_else_could_assume_is_refused(
    folder: Path, github: str, repository: str, texts: list[str]
) -> None:
    with pytest.raises(EnvironmentFileError) as error:
        load_pipeline(with_github(folder, github, repository))

    assert [text for text in texts if text not in str(error.value)] == []
