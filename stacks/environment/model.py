"""The environment: every section of its file, and what the stacks read from several of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from stacks.environment.api import Api
from stacks.environment.checks import environment_problems
from stacks.environment.console import Console
from stacks.environment.endpoint import Endpoint, GuardedUpdate, UnguardedUpdate, Variant, resolve_variants
from stacks.environment.models import BedrockModel, Model, OptimizedModel
from stacks.environment.network import Network
from stacks.environment.operations import Operations
from stacks.environment.organization import Organization
from stacks.environment.scaling import Scaling, initial_count_of
from stacks.environment.storage import Storage
from stacks.environment.values import (
    ACCOUNT_PATTERN,
    ENVIRONMENT_TAG,
    NAME_PATTERN,
    REGION_PATTERN,
    Section,
    SettingProblem,
    raise_problems,
)

# AWS allows 50 tags; one is the environment's.
_TAGS_LIMIT = 49
_TAG_KEY_LENGTH = 128
_TAG_VALUE_LENGTH = 256
_TAG_CHARACTERS = re.compile(r"[\w\s+\-=.:/@]*")


def _valid_tags(tags: dict[str, str]) -> dict[str, str]:
    """Returns `tags` if AWS takes them (AWS documentation, "Tag naming limits and requirements")."""
    problems = []
    if len(tags) > _TAGS_LIMIT:
        text = f"{len(tags)} tags"
        remedy = f"remove {len(tags) - _TAGS_LIMIT}"
        problems.append(SettingProblem(location=(), text=text, allowed=f"up to {_TAGS_LIMIT} tags", remedy=remedy))
    for key, value in tags.items():
        for text, allowed, remedy in _tag_problems(key, value):
            problems.append(SettingProblem(location=(key,), text=text, received=value, allowed=allowed, remedy=remedy))
    raise_problems(problems)
    return tags


def _tag_problems(key: str, value: str) -> Iterator[tuple[str, str, str]]:
    if key == ENVIRONMENT_TAG:
        yield f"the key {key!r} is set by the toolkit, to the environment's name", "another key", "remove it"
    if key.lower().startswith("aws:"):
        yield f"the key {key!r} has the prefix aws:", "keys without that prefix", "AWS reserves it: choose another key"
    for what, text, low, high in (("key", key, 1, _TAG_KEY_LENGTH), ("value", value, 0, _TAG_VALUE_LENGTH)):
        if not low <= len(text) <= high:
            yield f"the {what} has {len(text)} characters", f"{low} to {high} characters", f"change the {what}"
        if not _TAG_CHARACTERS.fullmatch(text):
            allowed = "letters, digits, spaces and + - = . _ : / @"
            yield f"the {what} {text!r} has characters that AWS refuses", allowed, f"change the {what}"


class Environment(Section):
    """One account and region. `name` is the file's name without its ending."""

    name: str = Field(pattern=NAME_PATTERN, description="Name of the environment: the file's name without `.yaml`.")
    account: str = Field(pattern=ACCOUNT_PATTERN, description="AWS account to deploy to: 12 digits, in quotes.")
    region: str = Field(
        pattern=REGION_PATTERN, description="AWS region to deploy to, one in which the model source is available."
    )
    description: str = Field(default="", max_length=1024, description="What the environment is for.")
    tags: Annotated[dict[str, str], AfterValidator(_valid_tags)] = Field(
        default_factory=dict,
        description="Tags of every resource, in addition to `sdxl:environment`, the environment's name. Up to 49; "
        "keys up to 128 characters without the prefix `aws:`, values up to 256.",
    )
    model: Model = Field(description="Where the model comes from.")
    endpoint: Endpoint = Field(default=Endpoint(), description="The GPU endpoint.")
    scaling: Scaling | None = Field(
        default=None, description="Autoscaling. Left out: `endpoint.instance_count` instances, always."
    )
    api: Api = Field(default=Api(), description="The API in front of the model.")
    console: Console = Field(default=Console(), description="The creators' page.")
    storage: Storage = Field(default=Storage(), description="What outlives a deployment.")
    network: Network | None = Field(
        default=None,
        description="The VPC in which functions and model run. Left out: the networks of Lambda and SageMaker.",
    )
    organization: Organization = Field(
        default=Organization(),
        description="What `organization.yaml`, in the same folder, demands of every environment.",
    )
    operations: Operations | None = Field(
        default=Operations(), description="Alarms, dashboard and budget. `null`: no operations stack."
    )

    @property
    def all_tags(self) -> dict[str, str]:
        """Tags of every resource: the file's, and the environment's name under `sdxl:environment`."""
        return {**self.tags, ENVIRONMENT_TAG: self.name}

    @property
    def has_console(self) -> bool:
        """Whether the API serves the creators' page."""
        enabled = self.console.enabled
        return self.api.auth.mode != "iam" if enabled is None else enabled

    @property
    def all_variants(self) -> tuple[Variant, ...]:
        """Every variant of the endpoint: the first one, the further production variants, the shadow variant.

        Empty with Bedrock, which has no endpoint.
        """
        if isinstance(self.model, BedrockModel):
            return ()
        return resolve_variants(self.model, self.endpoint, self.scaling)

    @property
    def production_variants(self) -> tuple[Variant, ...]:
        """The variants whose answers callers get, the first one first. Empty with Bedrock, which has no endpoint."""
        return tuple(variant for variant in self.all_variants if not variant.is_shadow)

    @property
    def instance_types(self) -> tuple[str, ...]:
        """The first variant's instance types, in order of preference. Empty with Bedrock, which has no endpoint."""
        variants = self.all_variants
        return variants[0].instance_types if variants else ()

    @model_validator(mode="before")
    @classmethod
    def _start_at_min_capacity(cls, data: Any) -> Any:
        """An endpoint without `instance_count` starts with the instances that its scaling will keep anyway."""
        if not isinstance(data, dict):
            return data
        count, endpoint = initial_count_of(data.get("scaling")), data.get("endpoint", {})
        if count is None:
            return data
        if isinstance(endpoint, Endpoint) and "instance_count" not in endpoint.model_fields_set:
            return {**data, "endpoint": endpoint.model_copy(update={"instance_count": count})}
        if isinstance(endpoint, dict) and "instance_count" not in endpoint:
            return {**data, "endpoint": {**endpoint, "instance_count": count}}
        return data

    @model_validator(mode="after")
    def _check(self) -> Environment:
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        raise_problems(environment_problems(sections))
        return self


def guarded_update(environment: Environment) -> GuardedUpdate | None:
    """The update policy with its alarms; None where SageMaker watches no alarm.

    SageMaker replaces a Marketplace package all at once and watches no alarm ("Deployment guardrails: Exclusions").
    With inference components an endpoint has no model: a new one moves into the component, copy by copy.
    """
    endpoint, variants = environment.endpoint, environment.all_variants
    has_package = any(isinstance(variant.model, OptimizedModel) for variant in variants)
    if isinstance(endpoint.update, UnguardedUpdate) or has_package or not variants or endpoint.mode == "components":
        return None
    return endpoint.update
