"""The settings of an environment file, section by section; JSON schema and docs are generated from them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from stacks.environment.api import Api
from stacks.environment.bedrock import BedrockModel
from stacks.environment.checks import environment_problems
from stacks.environment.endpoint import Endpoint, Variant, resolve_variants
from stacks.environment.models import Model, OptimizedModel
from stacks.environment.network import Network
from stacks.environment.operations import Operations
from stacks.environment.organization import Organization
from stacks.environment.problems import raise_problems
from stacks.environment.scaling import Scaling, min_capacity_of
from stacks.environment.section import Section
from stacks.environment.storage import Storage
from stacks.environment.updates import GuardedUpdate, UnguardedUpdate
from stacks.environment.values import ACCOUNT_PATTERN, ENVIRONMENT_TAG, NAME_PATTERN, REGION_PATTERN, valid_tags


class Environment(Section):
    """One account and region. `name` is the file's name without its ending."""

    name: str = Field(pattern=NAME_PATTERN, description="Name of the environment: the file's name without `.yaml`.")
    account: str = Field(pattern=ACCOUNT_PATTERN, description="AWS account to deploy to: 12 digits, in quotes.")
    region: str = Field(
        pattern=REGION_PATTERN, description="AWS region to deploy to, one in which the model source is available."
    )
    description: str = Field(default="", max_length=1024, description="What the environment is for.")
    tags: Annotated[dict[str, str], AfterValidator(valid_tags)] = Field(
        default_factory=dict,
        description="Tags of every resource, beside `sdxl:environment`, its environment's name. Up to 49; keys "
        "up to 128 characters without the prefix `aws:`, values up to 256.",
    )
    model: Model = Field(description="Where the model comes from.")
    endpoint: Endpoint = Field(default=Endpoint(), description="The GPU endpoint.")
    scaling: Scaling | None = Field(
        default=None, description="Autoscaling. Left out: `endpoint.instance_count` instances, always."
    )
    api: Api = Field(default=Api(), description="The API in front of the model.")
    storage: Storage = Field(default=Storage(), description="What outlives a redeploy.")
    network: Network | None = Field(
        default=None,
        description="The VPC that functions and model are put into. Left out: the networks of Lambda and SageMaker.",
    )
    organization: Organization = Field(
        default=Organization(), description="What `organization.yaml`, beside the environments, demands of all of them."
    )
    operations: Operations | None = Field(
        default=Operations(), description="Alarms, dashboard and budget. `null`: none of them."
    )

    @property
    def all_tags(self) -> dict[str, str]:
        """Tags of every resource: the file's, and the one that tells the environments apart."""
        return {**self.tags, ENVIRONMENT_TAG: self.name}

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
        minimum, endpoint = min_capacity_of(data.get("scaling")), data.get("endpoint", {})
        if minimum is None:
            return data
        if isinstance(endpoint, Endpoint) and "instance_count" not in endpoint.model_fields_set:
            return {**data, "endpoint": endpoint.model_copy(update={"instance_count": minimum})}
        if isinstance(endpoint, dict) and "instance_count" not in endpoint:
            return {**data, "endpoint": {**endpoint, "instance_count": minimum}}
        return data

    @model_validator(mode="after")
    def _check(self) -> Environment:
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        if problems := [*environment_problems(sections)]:
            raise_problems("environment", problems)
        return self


def guarded_update(environment: Environment) -> GuardedUpdate | None:
    """The update policy with its alarms; None where SageMaker watches no alarm.

    SageMaker replaces a Marketplace package all at once and watches no alarm ("Deployment guardrails: Exclusions").
    """
    update, variants = environment.endpoint.update, environment.all_variants
    has_package = any(isinstance(variant.model, OptimizedModel) for variant in variants)
    return None if isinstance(update, UnguardedUpdate) or has_package or not variants else update
