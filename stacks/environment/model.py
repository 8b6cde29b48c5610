"""The settings of an environment file: sections, defaults, bounds; JSON schema and docs are generated from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from stacks.catalog import load_catalog
from stacks.environment.api import Api
from stacks.environment.bedrock import BedrockModel
from stacks.environment.checks import environment_problems, scaling_problems, schedule_problems
from stacks.environment.problems import raise_problems
from stacks.environment.schedules import valid_schedule, valid_timezone
from stacks.environment.section import Section
from stacks.environment.values import (
    ACCOUNT_PATTERN,
    MODEL_PACKAGE_ARN_PATTERN,
    NAME_PATTERN,
    REGION_PATTERN,
    SCHEDULE_NAME_PATTERN,
    Instances,
    Int,
    LogRetentionDays,
    Number,
    unique,
    valid_tags,
)


class OptimizedModel(Section):
    """SDXL 1.0 as Stability AI's AWS Marketplace model package: fastest, billed with a software charge."""

    source: Literal["optimized"] = Field(
        description="SDXL 1.0 as Stability AI's AWS Marketplace model package. The account must be subscribed to the "
        "listing; AWS bills a software charge beside the instance."
    )
    model_package_arn: Annotated[str, Field(pattern=MODEL_PACKAGE_ARN_PATTERN)] | None = Field(
        default=None,
        description="Model package to deploy, of the environment's region. Left out: the catalog's package for the "
        "region. With it, regions that the catalog does not know can be used.",
    )


class OpenModel(Section):
    """SDXL 1.0 Open from SageMaker JumpStart: open weights, no optimization, no subscription."""

    source: Literal["open"] = Field(
        description="SDXL 1.0 Open from SageMaker JumpStart: open weights, no subscription, no software charge."
    )


Model = Annotated[OptimizedModel | OpenModel | BedrockModel, Field(discriminator="source")]


def _each_type_once(types: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if types is not None and (problems := [*unique(types)]):
        raise_problems("instance_types", problems)
    return types


class Endpoint(Section):
    """The GPU endpoint."""

    instance_types: Annotated[
        Annotated[tuple[str, ...], Field(min_length=1, max_length=5)] | None, AfterValidator(_each_type_once)
    ] = Field(
        default=None,
        description="Instance types in order of preference; SageMaker takes the next one where capacity is short. Left "
        "out: the catalog's default for the model source. Up to 5 (SageMaker's limit of instance pools). The storage "
        "of all of them is local NVMe, which the hardware encrypts: there is no key to set.",
    )
    instance_count: Instances = Field(
        default=1,
        description="Instances at the first deployment; afterwards autoscaling decides, and updates keep its choice. "
        "Left out, with `scaling`: its `min_capacity`.",
    )
    variant_weight: Number = Field(
        default=1.0, ge=0, description="Share of the traffic relative to other production variants. 0 is kept."
    )
    model_download_timeout_seconds: Int = Field(
        default=1200, ge=60, le=3600, description="Seconds that SageMaker may take to download the model artifact."
    )
    health_check_timeout_seconds: Int = Field(
        default=600,
        ge=60,
        le=3600,
        description="Seconds that the container may take from its start until it answers the health check.",
    )


class InvocationsPerInstance(Section):
    """Target tracking on requests per instance and minute, a one-minute average."""

    metric: Literal["invocations_per_instance"] = Field(
        description="Requests per instance and minute, averaged over one minute."
    )
    target: Number = Field(
        gt=0,
        description="Requests per instance and minute to aim at: requests per second that one instance sustains x 0.5 "
        "x 60 (AWS's load-test rule).",
    )


class ConcurrentRequests(Section):
    """Target tracking on requests in flight per instance, measured every 10 seconds: reacts first."""

    metric: Literal["concurrent_requests"] = Field(
        description="Requests in flight per instance, measured every 10 seconds: reacts sooner."
    )
    target: Number = Field(gt=0, description="Requests in flight per instance to aim at; a GPU draws one at a time.")


ScalingTarget = Annotated[InvocationsPerInstance | ConcurrentRequests, Field(discriminator="metric")]


class ScheduledCapacity(Section):
    """Capacity bounds that take effect at a time of day: the turn-down at night and the turn-up in the morning."""

    name: str = Field(pattern=SCHEDULE_NAME_PATTERN, description="Name of the scheduled action, unique in the list.")
    schedule: Annotated[str, AfterValidator(valid_schedule)] = Field(
        description="When: `cron(minutes hours day-of-month month day-of-week year)`, `at(yyyy-mm-ddThh:mm:ss)` or "
        "`rate(value unit)`, as Application Auto Scaling writes them.",
        json_schema_extra={"pattern": r"^(cron|at|rate)\(.+\)$"},
    )
    timezone: Annotated[str, AfterValidator(valid_timezone)] = Field(
        default="UTC", description="IANA time zone of the schedule, such as `Europe/Berlin`. Follows summer time."
    )
    min_capacity: Instances | None = Field(
        default=None, description="Fewest instances from then on. Left out: stays as it is."
    )
    max_capacity: Instances | None = Field(
        default=None, description="Most instances from then on. Left out: stays as it is."
    )

    @model_validator(mode="after")
    def _check(self) -> ScheduledCapacity:
        if problems := [*schedule_problems(self)]:
            raise_problems("schedule", problems)
        return self


class Scaling(Section):
    """Autoscaling of the endpoint's variant."""

    min_capacity: Instances = Field(default=1, description="Fewest instances. A real-time endpoint keeps at least one.")
    max_capacity: Instances = Field(description="Most instances; the account's endpoint quota must allow as many.")
    target: ScalingTarget = Field(description="What the autoscaling keeps steady.")
    scale_in_cooldown_seconds: Int = Field(
        default=300, ge=0, le=3600, description="Seconds to wait after removing instances. 0 is kept."
    )
    scale_out_cooldown_seconds: Int = Field(
        default=60, ge=0, le=3600, description="Seconds to wait after adding instances. 0 is kept."
    )
    schedules: tuple[ScheduledCapacity, ...] = Field(
        default=(), description="Capacity bounds by time of day. Each lasts until the next one takes effect."
    )

    @model_validator(mode="after")
    def _check(self) -> Scaling:
        if problems := [*scaling_problems(self)]:
            raise_problems("scaling", problems)
        return self


class Storage(Section):
    """What outlives a redeploy."""

    image_expiration_days: Int = Field(
        default=30, ge=1, le=3650, description="Days after which a stored image is deleted."
    )
    log_retention_days: LogRetentionDays = Field(
        default=90, description="Days that logs are kept; CloudWatch Logs knows only these values."
    )


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
        description="Tags of every resource. Up to 50; keys up to 128 characters without the prefix `aws:`, values "
        "up to 256.",
    )
    model: Model = Field(description="Where the model comes from.")
    endpoint: Endpoint = Field(default=Endpoint(), description="The GPU endpoint.")
    scaling: Scaling | None = Field(
        default=None, description="Autoscaling. Left out: `endpoint.instance_count` instances, always."
    )
    api: Api = Field(default=Api(), description="The API in front of the model.")
    storage: Storage = Field(default=Storage(), description="What outlives a redeploy.")

    @property
    def instance_types(self) -> tuple[str, ...]:
        """Instance types in order of preference: those named, else the catalog's default for the model source.

        None with Bedrock, which has no instances to choose.
        """
        if isinstance(self.model, BedrockModel):
            return ()
        return self.endpoint.instance_types or (load_catalog().default_instance_type(self.model.source),)

    @model_validator(mode="before")
    @classmethod
    def _start_at_min_capacity(cls, data: Any) -> Any:
        """An endpoint without `instance_count` starts with the instances that its scaling will keep anyway."""
        if not isinstance(data, dict):
            return data
        scaling, endpoint = data.get("scaling"), data.get("endpoint", {})
        minimum: Any = None
        if isinstance(scaling, Scaling):
            minimum = scaling.min_capacity
        elif isinstance(scaling, dict):
            minimum = scaling.get("min_capacity")
        if type(minimum) is not int or not 1 <= minimum <= 100:
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
