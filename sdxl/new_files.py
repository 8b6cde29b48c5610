"""The text of files that people begin with: an environment, and the pipeline of the environments there are."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sdxl.errors import UsageError
from stacks.catalog import partition_of
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import Environment, EnvironmentFileError, load_environment, load_organization
from stacks.environment.pipeline import PIPELINE_FILE, load_pipeline

# The accounts of AWS's own documentation, which nobody can deploy to:
# https://docs.aws.amazon.com/general/latest/gr/docconventions.html and the pages that follow it.
DOCUMENTATION_ACCOUNTS = frozenset(
    {"000000000000", "111111111111", "111122223333", "123456789012", "444455556666", "777788889999", "999999999999"}
)

_ENVIRONMENT = """\
# yaml-language-server: $schema=schema.json
# One AWS account and region. Settings that are not here have their default: docs/configuration.md lists all of them.
# `sdxl environments check {name}` checks this file, `sdxl preflight --env {name}` the account.
description: {description}
# In quotes: without them, YAML may drop a leading zero.
account: {account}
region: {region}
{tags}
# {source_note}
model:
  source: {source}
{model}
# What most teams add next:
#
# scaling:              # one to four instances, by the requests in progress; without it, one instance
#   min_capacity: 1
#   max_capacity: 4
#
# operations:           # who is notified of alarms, and the monthly limit
#   emails: [team@example.com]
#   budget:
#     monthly_usd: 2000
#
# api:
#   throttle:           # for each API key
#     requests_per_second: 2
#     burst: 4
"""
_SOURCE_NOTES = {
    "open": "open: SDXL 1.0 with open weights on a SageMaker endpoint, which costs money while it exists. No masks.",
    "optimized": "optimized: Stability AI's package of AWS Marketplace on a SageMaker endpoint; subscribe to it first.",
    "bedrock": "bedrock: a model of Amazon Bedrock, billed per image; nothing idles. docs/bedrock.md compares them.",
}

_PIPELINE = """\
# yaml-language-server: $schema=pipeline.schema.json
# In which order the environments of this folder are deployed: docs/rollout.md. `sdxl pipeline check` checks this file.
# The tooling account, in which the pipeline runs.
account: {account}
region: {region}
source:
  repository: {repository}
  branch: {branch}
  # For CodePipeline alone: a connection of AWS CodeConnections, made and confirmed in the tooling account's console.
  # GitHub Actions do not use it.
  connection_arn: {connection_arn}
rings:
{rings}
# GitHub Actions in place of CodePipeline: the access stack makes the role that the workflow assumes.
#
# github:
#   identity_provider: create   # or existing, if the tooling account has GitHub's identity provider already
"""
_RING = """\
  - name: {name}
    environments: [{name}]
    approval: {approval}
    smoke_test: {smoke_test}
"""
# A repository and a connection that nobody has: synthesis takes them, and CodePipeline refuses them.
UNKNOWN_REPOSITORY = "OWNER/REPOSITORY"
UNKNOWN_CONNECTION = "00000000-0000-0000-0000-000000000000"


def environment_text(
    *,
    name: str,
    account: str,
    region: str,
    source: str,
    model_id: str | None,
    tags: Mapping[str, str],
    directory: Path,
) -> str:
    """Return a new environment file that passes its check in `directory`, whose organization.yaml counts.

    `model_id` None chooses, for `bedrock`, the first active model that draws images from text in the region.

    Raises UsageError with the file's own error for values that cannot work.
    """
    if source == "bedrock" and model_id is None:
        model_id = _bedrock_model(region)
    text = _ENVIRONMENT.format(
        name=name,
        description=json.dumps(f"{name}: SDXL image generation"),
        account=json.dumps(account),
        region=region,
        source=source,
        source_note=_SOURCE_NOTES.get(source, ""),
        model="" if model_id is None else f"  model_id: {model_id}\n",
        tags="" if not tags else "tags:\n" + "".join(f"  {key}: {json.dumps(tags[key])}\n" for key in tags),
    )
    with tempfile.TemporaryDirectory(prefix="sdxl-new-") as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            load_environment(path, load_organization(directory))
        except EnvironmentFileError as exc:
            raise UsageError(_moved(exc, path, directory / path.name)) from exc
    return text


def pipeline_text(
    environments: Sequence[Environment],
    *,
    account: str | None,
    region: str | None,
    repository: str | None,
    branch: str,
    directory: Path,
) -> str:
    """Return a pipeline.yaml with a ring for each environment, those named like production last and with approval.

    `account` and `region` default to those of the first ring; `repository` to a text that holds its place.

    Raises UsageError with the file's own error for values that cannot work.
    """
    ordered = sorted(environments, key=lambda one: (_stage(one.name), one.name))
    account, region = account or ordered[0].account, region or ordered[0].region
    partition = partition_of(region)
    text = _PIPELINE.format(
        account=json.dumps(account),
        region=region,
        repository=repository or UNKNOWN_REPOSITORY,
        branch=json.dumps(branch),
        connection_arn=f"arn:{partition}:codeconnections:{region}:{account}:connection/{UNKNOWN_CONNECTION}",
        rings="".join(map(_ring, ordered)),
    )
    with tempfile.TemporaryDirectory(prefix="sdxl-new-") as folder:
        for path in directory.glob("*.yaml"):
            (Path(folder) / path.name).write_bytes(path.read_bytes())
        path = Path(folder) / PIPELINE_FILE
        path.write_text(text, encoding="utf-8")
        try:
            load_pipeline(path)
        except EnvironmentFileError as exc:
            raise UsageError(_moved(exc, path, directory / PIPELINE_FILE)) from exc
    return text


def _bedrock_model(region: str) -> str:
    models = [
        model
        for model in load_bedrock_catalog().models.values()
        if model.status == "active" and "text-to-image" in model.tasks
    ]
    here = [model.model_id for model in models if region in model.callable_regions]
    if not here:
        known = sorted({place for model in models for place in model.callable_regions})
        raise UsageError(
            f"--region {region}: no active model of Bedrock that draws images from text is called from there. Regions "
            f"that have one are {', '.join(known)}. Or name one with --model-id."
        )
    return here[0]


def _ring(environment: Environment) -> str:
    is_private = environment.api.private is not None
    smoke_test = "none" if is_private else "image" if environment.api.auth.mode == "api_key" else "health"
    text = _RING.format(
        name=environment.name,
        approval="manual" if _stage(environment.name) == _PRODUCTION else "none",
        smoke_test=smoke_test,
    )
    reason = "    no_smoke_test_reason: the API is private, and no build reaches it\n"
    return text + reason if is_private else text


_PRODUCTION = 3
_STAGES = (("dev", "sandbox", "play"), ("test", "qa", "int"), ("stag", "pre", "uat"), ("prod", "prd", "live"))


def _stage(name: str) -> int:
    """How near to production an environment is, by the usual names: 0 development to 3 production; 1 if none fits."""
    for stage, words in reversed([*enumerate(_STAGES)]):
        if name.startswith(words):
            return stage
    return 1


def _moved(error: EnvironmentFileError, written: Path, meant: Path) -> str:
    """Return the error with the file's later path in place of where it was checked."""
    files = {one.file: meant if one.file == written else meant.parent / one.file.name for one in error.problems}
    return str(EnvironmentFileError([replace(one, file=files[one.file]) for one in error.problems]))
