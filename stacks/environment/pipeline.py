"""The file `pipeline.yaml`: from where, in which order and with which checks the environments are deployed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from stacks.environment.documents import located, read_settings
from stacks.environment.files import FILE_SUFFIX, PIPELINE_NAME, load_environments
from stacks.environment.model import Environment
from stacks.environment.organization import boundary_problems
from stacks.environment.regions import region_problems
from stacks.environment.values import (
    ACCOUNT_PATTERN,
    NAME_PATTERN,
    REGION_PATTERN,
    EnvironmentFileError,
    Location,
    LogRetentionDays,
    Section,
    SettingProblem,
    described_pattern,
)

PIPELINE_FILE = PIPELINE_NAME + FILE_SUFFIX
SCHEMA_FILE_NAME = "pipeline.schema.json"
SmokeTest = Literal["image", "health", "none"]

_REPOSITORY_PATTERN = described_pattern(
    r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$", "owner/name of a repository, such as my-org/sdxl"
)
# AWS CodeConnections, and the older name of the same service, whose connections still work.
_CONNECTION_ARN_PATTERN = described_pattern(
    r"^arn:aws(-cn|-us-gov)?:(codeconnections|codestar-connections):[a-z0-9-]+:\d{12}:connection/[0-9a-f-]+$",
    "arn:<partition>:codeconnections:<region>:<account>:connection/<id>",
)
_ROLE_NAME_PATTERN = described_pattern(
    r"^[A-Za-z0-9+=,.@_-]{1,64}$", "the name of an IAM role: 1 to 64 letters, digits and + = , . @ _ -"
)


class Source(Section):
    """The repository that is rolled out."""

    repository: str = Field(pattern=_REPOSITORY_PATTERN, description="Repository, as owner/name.")
    branch: str = Field(default="main", min_length=1, max_length=255, description="Branch that is rolled out.")
    connection_arn: str = Field(
        pattern=_CONNECTION_ARN_PATTERN,
        description="Connection of AWS CodeConnections to the repository, in the tooling account, and available.",
    )


class Ring(Section):
    """Environments that are deployed before those of the next ring."""

    name: str = Field(pattern=NAME_PATTERN, description="Name of the ring.")
    environments: tuple[str, ...] = Field(
        min_length=1, max_length=50, description="Environments of the ring: files in the same folder."
    )
    approval: Literal["none", "manual"] = Field(
        default="none", description="`manual`: a person lets the rollout into the ring."
    )
    smoke_test: SmokeTest = Field(
        default="image",
        description="After each deployment: `image` generates one through the API, `health` asks GET /health, `none` "
        "does neither. Auth modes other than `api_key` allow `health`; a private API allows `none`.",
    )
    no_smoke_test_reason: str = Field(
        default="", max_length=200, description="Why nothing is tested; required with `smoke_test: none`."
    )


class GitHub(Section):
    """What the workflow of GitHub Actions needs."""

    role_name: str = Field(
        default="sdxl-rollout",
        pattern=_ROLE_NAME_PATTERN,
        description="Role of the tooling account that the jobs assume through OpenID Connect.",
    )
    identity_provider: Literal["create", "existing"] | None = Field(
        default=None,
        description="The access stack makes the role. `create`: it also makes the tooling account's identity provider "
        "for GitHub. `existing`: the account has this provider already; an account can have only one. Without this "
        "setting, the stack makes neither.",
    )
    owner_id: int | None = Field(
        default=None,
        ge=1,
        description="GitHub's number for the repository's owner. Required where GitHub writes numbers into the subject "
        "of its tokens, as it does for repositories made after 15 July 2026.",
    )
    repository_id: int | None = Field(
        default=None, ge=1, description="GitHub's number for the repository; together with `owner_id`."
    )


class Pipeline(Section):
    """The rollout over several accounts."""

    account: str = Field(pattern=ACCOUNT_PATTERN, description="Tooling account, in which the pipeline runs: 12 digits.")
    region: str = Field(pattern=REGION_PATTERN, description="Region of the pipeline.")
    source: Source = Field(description="What is rolled out.")
    rings: tuple[Ring, ...] = Field(min_length=1, max_length=20, description="Rings, in the order of the rollout.")
    not_rolled_out: tuple[str, ...] = Field(
        default=(), max_length=100, description="Environments that are in no ring on purpose."
    )
    github: GitHub = Field(default=GitHub(), description="GitHub Actions in place of CodePipeline.")
    log_retention_days: LogRetentionDays = Field(default=90, description="Days that the builds' logs are kept.")

    def github_subject(self, ring: Ring) -> str:
        """Return the subject of the tokens that GitHub gives to the job of a ring.

        Source: GitHub Docs, "OpenID Connect reference", sections "Filtering for a specific environment" and "Immutable
        subject claims".
        """
        owner, _, name = self.source.repository.partition("/")
        if self.github.owner_id is not None:
            owner, name = f"{owner}@{self.github.owner_id}", f"{name}@{self.github.repository_id}"
        return f"repo:{owner}/{name}:environment:{ring.name}"


@cache
def pipeline_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of pipeline.yaml, with every reference written out."""
    schema = Pipeline.model_json_schema()
    definitions = schema.pop("$defs")
    written: dict[str, Any] = _without_references(schema, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **written,
        "description": "The rollout: in which order the environments of this folder are deployed.",
    }


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(pipeline_schema(), indent=2) + "\n"


def _without_references(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_without_references(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = {**definitions[node["$ref"].rsplit("/", 1)[-1]], **{k: v for k, v in node.items() if k != "$ref"}}
    return {key: _without_references(value, definitions) for key, value in node.items()}


def load_pipeline(path: Path) -> tuple[Pipeline, Mapping[str, Environment]]:
    """The pipeline that the file at `path` describes, and the environments of its folder by name.

    Raises:
        EnvironmentFileError: the file is missing or wrong, disagrees with the environments, or one of these is wrong.
    """
    pipeline, document = read_settings(path, Pipeline, remedy="fill it, as docs/rollout.md shows")
    environments = {environment.name: environment for environment in load_environments(path.parent)}
    if problems := [located(problem, document) for problem in _pipeline_problems(pipeline, environments)]:
        raise EnvironmentFileError(problems)
    return pipeline, environments


def _pipeline_problems(pipeline: Pipeline, environments: Mapping[str, Environment]) -> Iterator[SettingProblem]:
    """What in the file contradicts itself, the regions' services or the environments there are."""
    for service in ("codebuild", "codeconnections"):
        yield from region_problems(pipeline.region, service, ("region",))
    # The organisation's boundary is that of the pipeline's own roles, too.
    boundaries = (environment.organization.own_boundary for environment in environments.values())
    yield from boundary_problems(next(boundaries, None), pipeline.account)
    yield from _github_problems(pipeline)
    seen: dict[str, str] = {}
    names: set[str] = set()
    for index, ring in enumerate(pipeline.rings):
        here = ("rings", index)
        if ring.name in names:
            yield SettingProblem(
                location=(*here, "name"),
                text=f"the ring {ring.name!r} stands twice",
                allowed="each name once",
                remedy="rename one of the two",
            )
        names.add(ring.name)
        if ring.smoke_test == "none" and not ring.no_smoke_test_reason.strip():
            yield SettingProblem(
                location=(*here, "smoke_test"),
                text="none, without a reason",
                allowed="image, health, or none with no_smoke_test_reason",
                remedy="say in no_smoke_test_reason who notices a deployment that does not work",
            )
        for place, name in enumerate(ring.environments):
            location = (*here, "environments", place)
            if name in seen:
                yield SettingProblem(
                    location=location,
                    text=f"{name!r} is in the ring {seen[name]!r} already",
                    allowed="each environment in one ring",
                    remedy="remove one of the two",
                )
            seen.setdefault(name, ring.name)
            if name not in environments:
                yield _unknown(location, name, environments)
            elif problem := _smoke_test_problem((*here, "smoke_test"), ring, environments[name]):
                yield problem
    yield from _left_out(pipeline, seen, environments)


def _github_problems(pipeline: Pipeline) -> Iterator[SettingProblem]:
    """What would make a role that nobody can assume, or somebody else."""
    github, repository = pipeline.github, pipeline.source.repository
    if github.identity_provider is not None and repository.count("/") != 1:
        yield SettingProblem(
            location=("github", "identity_provider"),
            text=f"{github.identity_provider}, but source.repository {repository!r} is not a repository of GitHub",
            allowed="a repository of GitHub: owner/name",
            remedy="correct source.repository, or remove identity_provider: without it, no role trusts GitHub",
        )
    if (github.owner_id is None) != (github.repository_id is None):
        numbers = ("owner_id", "repository_id")
        given, missing = numbers if github.repository_id is None else numbers[::-1]
        yield SettingProblem(
            location=("github", given),
            text=f"there is no {missing} with it",
            allowed="owner_id and repository_id together, or neither",
            remedy=f"add {missing}; `gh api repos/{repository} --jq '.owner.id, .id'` prints both numbers",
        )


def _left_out(
    pipeline: Pipeline, seen: Mapping[str, str], environments: Mapping[str, Environment]
) -> Iterator[SettingProblem]:
    for place, name in enumerate(pipeline.not_rolled_out):
        location = ("not_rolled_out", place)
        if name not in environments:
            yield _unknown(location, name, environments)
        elif name in seen:
            yield SettingProblem(
                location=location,
                text=f"{name!r} is in the ring {seen[name]!r}",
                allowed="environments that are in no ring",
                remedy="remove it here, or from the ring",
            )
    missing = [name for name in environments if name not in seen and name not in pipeline.not_rolled_out]
    if missing:
        yield SettingProblem(
            location=("rings",),
            text=f"no ring has {', '.join(missing)}",
            allowed="every environment in one ring, or in not_rolled_out",
            remedy="add them to a ring, or to not_rolled_out if they are deployed by hand",
        )


def _unknown(location: Location, name: str, environments: Mapping[str, Environment]) -> SettingProblem:
    close = difflib.get_close_matches(name, environments, n=1)
    return SettingProblem(
        location=location,
        text=f"there is no environment {name!r}",
        allowed=", ".join(environments),
        remedy=f"did you mean {close[0]}?" if close else f"add {name}{FILE_SUFFIX}, or remove it",
    )


def _smoke_test_problem(location: Location, ring: Ring, environment: Environment) -> SettingProblem | None:
    """The problem of a smoke test that cannot run: reported when the file is loaded, not after a deployment."""
    if environment.api.private is not None and ring.smoke_test != "none":
        return SettingProblem(
            location=location,
            text=f"{ring.smoke_test}, but the API of {environment.name!r} is private: no build reaches it",
            allowed="none, with no_smoke_test_reason",
            remedy=f"set it to none, or give {environment.name} its own ring; test from within its VPC",
        )
    mode = environment.api.auth.mode
    if mode != "api_key" and ring.smoke_test == "image":
        return SettingProblem(
            location=location,
            text=f"image, but the API of {environment.name!r} takes no API key: its auth mode is {mode}",
            allowed="health, or none with no_smoke_test_reason",
            remedy=f"set it to health, or give {environment.name} its own ring",
        )
    return None
