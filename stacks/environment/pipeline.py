"""The settings of `pipeline.yaml`: from where, in which order and with which checks the environments are deployed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

from pydantic import Field

from stacks.environment.section import Section
from stacks.environment.values import (
    ACCOUNT_PATTERN,
    CONNECTION_ARN_PATTERN,
    NAME_PATTERN,
    REGION_PATTERN,
    REPOSITORY_PATTERN,
    ROLE_NAME_PATTERN,
    LogRetentionDays,
)

SCHEMA_FILE_NAME = "pipeline.schema.json"
SmokeTest = Literal["image", "health", "none"]


class Source(Section):
    """The repository that is rolled out."""

    repository: str = Field(pattern=REPOSITORY_PATTERN, description="Repository, as owner/name.")
    branch: str = Field(default="main", min_length=1, max_length=255, description="Branch that is rolled out.")
    connection_arn: str = Field(
        pattern=CONNECTION_ARN_PATTERN,
        description="Connection of AWS CodeConnections to the repository, in the tooling account, and available.",
    )


class Ring(Section):
    """Environments that are deployed before those of the next ring."""

    name: str = Field(pattern=NAME_PATTERN, description="Name of the ring.")
    environments: tuple[str, ...] = Field(
        min_length=1, max_length=50, description="Environments of the ring, files beside this one."
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
        pattern=ROLE_NAME_PATTERN,
        description="Role of the tooling account that the jobs assume through OpenID Connect.",
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


@cache
def pipeline_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of pipeline.yaml, with every reference written out."""
    schema = Pipeline.model_json_schema()
    definitions = schema.pop("$defs")
    written: dict[str, Any] = _without_references(schema, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **written,
        "description": "The rollout: in which order the environments beside this file are deployed.",
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
