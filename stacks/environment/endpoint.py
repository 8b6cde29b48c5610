"""The section `endpoint`: instances, variants and updates; and the variants that it resolves to.

Bounds of updates: SageMaker API reference, TrafficRoutingConfig and BlueGreenUpdatePolicy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from stacks.catalog import load_catalog
from stacks.environment.models import EndpointModel
from stacks.environment.scaling import Mode, Scaling, initial_count_of
from stacks.environment.values import (
    EACH_ONCE,
    Instances,
    Int,
    Location,
    Number,
    Section,
    SettingProblem,
    described_pattern,
    pascal,
    raise_problems,
)

PRIMARY_VARIANT = "primary"
SHADOW_VARIANT = "shadow"
# Ends of the names of the topics of an asynchronous endpoint: requests that succeeded, and that failed.
RESULT_TOPICS = ("succeeded", "failed")

_VARIANT_NAME_PATTERN = described_pattern(
    r"^[a-z](-?[a-z0-9]){0,39}$",
    "1 to 40 lower-case letters and digits, single hyphens between them; a letter first",
)

InstanceTypes = Annotated[Annotated[tuple[str, ...], Field(min_length=1, max_length=5)] | None, EACH_ONCE]


class Rollback(Section):
    """When an update is rolled back: any of these alarms, while old and new instances stand side by side."""

    server_errors: Int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Answers with 5xx within a minute, by the model or by SageMaker, from which on an update is rolled "
        "back.",
    )
    latency_p95_seconds: Number = Field(
        default=25,
        gt=0,
        le=60,
        description="95th percentile of the model's time for an image, in seconds, above which an update is rolled "
        "back. The API itself gives up after `api.integration_timeout_seconds`.",
    )
    container_crashes: Int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Lines in the containers' log within a minute that report a crash (a worker that died, GPU memory "
        "exhausted), from which on an update is rolled back.",
    )


class _Update(Section):
    bake_seconds: Int = Field(
        default=300,
        ge=60,
        le=3600,
        description="Seconds to watch the alarms after each step of the traffic, before the next one.",
    )
    termination_wait_seconds: Int = Field(
        default=0, ge=0, le=3600, description="Seconds to keep the old instances after the traffic has moved."
    )
    max_duration_seconds: Int = Field(
        default=3600,
        ge=600,
        le=28_800,
        description="Seconds after which an update that is not done is rolled back. Longer than all waits together.",
    )
    rollback: Rollback = Field(default=Rollback(), description="When an update is rolled back.")

    @property
    def steps(self) -> int:
        """How often traffic moves; the alarms are watched after each step."""
        return 1

    @model_validator(mode="after")
    def _check(self) -> _Update:
        waits = self.steps * self.bake_seconds + self.termination_wait_seconds
        if waits >= self.max_duration_seconds:
            problem = SettingProblem(
                location=("max_duration_seconds",),
                text=f"{self.max_duration_seconds} is not longer than all waits together, {waits}",
                received=self.max_duration_seconds,
                allowed=f"{waits + 1} to 28800",
                remedy="raise it, by as much as new instances take to start too, or wait less",
            )
            raise_problems([problem])
        return self


class AllAtOnceUpdate(_Update):
    """All traffic moves to the new instances in one step, and back if a watched alarm goes into ALARM state."""

    traffic: Literal["all_at_once"] = Field(
        description="All traffic moves to the new instances at once, which are then watched."
    )


class CanaryUpdate(_Update):
    """A small part of the traffic first, the rest when that went well."""

    traffic: Literal["canary"] = Field(
        description="A small part of the traffic moves first; the rest when that went well. Needs 2 instances."
    )
    canary_percent: Int = Field(
        default=10, ge=1, le=50, description="Share of the new instances that takes traffic first, in percent."
    )

    @property
    def steps(self) -> int:
        """The canary, and the rest."""
        return 2


class LinearUpdate(_Update):
    """Traffic moves in equal steps."""

    traffic: Literal["linear"] = Field(description="Traffic moves in equal steps. Needs 2 instances.")
    step_percent: Int = Field(
        default=25, ge=10, le=50, description="Share of the new instances that each step adds, in percent."
    )

    @property
    def steps(self) -> int:
        """As many steps of `step_percent` as 100 % take."""
        return -(-100 // self.step_percent)


class UnguardedUpdate(Section):
    """All at once, without alarms: the only way in which SageMaker adds, removes or renames variants."""

    traffic: Literal["unguarded"] = Field(
        description="All traffic moves at once and nothing rolls it back. For the one deployment that adds, removes or "
        "renames variants, which SageMaker allows in no other way."
    )


GuardedUpdate = AllAtOnceUpdate | CanaryUpdate | LinearUpdate
Update = Annotated[GuardedUpdate | UnguardedUpdate, Field(discriminator="traffic")]


class VariantSettings(Section):
    """A further production variant: another model source, or other instances, for a share of the traffic."""

    name: str = Field(
        pattern=_VARIANT_NAME_PATTERN,
        description=f"Name of the variant, unique in the endpoint; `{PRIMARY_VARIANT}` and `{SHADOW_VARIANT}` are "
        "taken.",
    )
    model: EndpointModel = Field(description="Where the variant's model comes from.")
    instance_types: InstanceTypes = Field(
        default=None,
        description="Instance types in order of preference. Left out: the catalog's default for the model source.",
    )
    instance_count: Instances = Field(
        default=1, description="Instances at the first deployment; afterwards `scaling` decides, if there is any."
    )
    weight: Number = Field(
        gt=0,
        description="Share of the requests, relative to `endpoint.variant_weight` and the other variants' weights. A "
        "variant whose model cannot do a request does not take part in it.",
    )
    scaling: Scaling | None = Field(
        default=None, description="Autoscaling of the variant. Left out: `instance_count` instances, always."
    )

    @model_validator(mode="before")
    @classmethod
    def _start_at_min_capacity(cls, data: Any) -> Any:
        """A variant without `instance_count` starts with the instances that its scaling will keep anyway."""
        if not isinstance(data, dict) or "instance_count" in data:
            return data
        count = initial_count_of(data.get("scaling"))
        return data if count is None else {**data, "instance_count": count}

    @model_validator(mode="after")
    def _check(self) -> VariantSettings:
        problems = [*instance_type_problems(self.model.source, self.instance_types)]
        if self.scaling is not None:
            problems += instance_count_problems(self.instance_count, self.model_fields_set, self.scaling)
        raise_problems(problems)
        return self


class Shadow(Section):
    """A variant that gets copies of requests and whose answers nobody sees: a rehearsal under real traffic."""

    model: EndpointModel | None = Field(
        default=None,
        description="Where its model comes from. It gets the very requests that the first variant gets, so its source "
        "is the same. Left out: the first variant's model.",
    )
    instance_types: InstanceTypes = Field(
        default=None, description="Instance types in order of preference. Left out: the first variant's."
    )
    instance_count: Instances = Field(default=1, description="Instances of the shadow variant; it is never scaled.")
    sampling_percent: Int = Field(
        default=100, ge=1, le=100, description="Share of the requests that is copied, in percent."
    )


class Endpoint(Section):
    """The GPU endpoint."""

    mode: Mode = Field(
        default="real-time",
        description="How the endpoint takes requests. `real-time`: a request waits for its answer, and at least one "
        "instance always runs. `asynchronous`: requests wait in SageMaker's queue for up to 6 hours, each may take up "
        "to an hour, and instances may go to zero. `components`: as `real-time`, with the model as an inference "
        "component on instances that SageMaker adds and removes, which may go to zero; calls while there is none fail. "
        "docs/endpoint-modes.md compares them. To change it, use another environment.",
    )
    concurrent_invocations: Int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Requests that SageMaker sends to an instance at once, in `mode` `asynchronous`. A GPU draws one "
        "image at a time.",
    )
    instance_types: InstanceTypes = Field(
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
    detailed_metrics: bool = Field(
        default=False,
        strict=True,
        description="Whether SageMaker also publishes metrics of the container, of each GPU and of each instance "
        "(detailed observability), which CloudWatch charges as custom metrics. No alarm and no graph uses them. "
        "SageMaker's own default for a new endpoint is on.",
    )
    update: Update = Field(
        default=AllAtOnceUpdate(traffic="all_at_once"),
        description="How a new model takes over. Not for the Marketplace's model packages (`optimized`): SageMaker "
        "always replaces those all at once and watches no alarm.",
    )
    variants: Annotated[tuple[VariantSettings, ...], Field(max_length=9)] = Field(
        default=(), description="Further production variants, for an A/B test of models. Left out: no further ones."
    )
    shadow: Shadow | None = Field(
        default=None, description="Shadow variant of the only production variant. Left out: no shadow variant."
    )

    @model_validator(mode="after")
    def _check(self) -> Endpoint:
        raise_problems(self._problems())
        return self

    def _problems(self) -> Iterator[SettingProblem]:
        names = [PRIMARY_VARIANT, SHADOW_VARIANT]
        for index, variant in enumerate(self.variants):
            # What becomes resources must differ there too, where hyphens are left out.
            same = next((name for name in names if pascal(name) == pascal(variant.name)), None)
            if same is not None:
                yield SettingProblem(
                    location=("variants", index, "name"),
                    text=f"{variant.name!r} is taken"
                    if same == variant.name
                    else f"{variant.name!r} and {same!r} are one name without hyphens, as in the ids of resources",
                    received=variant.name,
                    allowed=f"a name other than {', '.join(names)}",
                    remedy="rename the variant",
                )
            names.append(variant.name)
        if self.shadow is not None and self.variants:
            # SageMaker API reference, CreateEndpointConfig, ShadowProductionVariants.
            yield SettingProblem(
                location=("shadow",),
                text=f"is set together with {len(self.variants)} further production variant(s)",
                allowed="endpoint.shadow or endpoint.variants, not both",
                remedy="remove one of the two: SageMaker allows a shadow variant with one production variant only",
            )


def instance_type_problems(
    source: str, instance_types: tuple[str, ...] | None, location: Location = ()
) -> Iterator[SettingProblem]:
    """Instance types of the variant at `location` that cannot serve the model source."""
    supported = load_catalog().supported_instance_types(source)
    for index, name in enumerate(instance_types or ()):
        if name in supported:
            continue
        close = difflib.get_close_matches(name, supported, n=1, cutoff=0.8)
        known = name in load_catalog().instances
        reason = f"cannot serve the model source {source!r}" if known else "is not an instance type of the catalog"
        remedy = f"use one of these, or leave the setting out for {load_catalog().default_instance_type(source)}"
        yield SettingProblem(
            location=(*location, "instance_types", index),
            text=f"{name!r} {reason}",
            received=name,
            allowed=", ".join(supported),
            remedy=f"did you mean {close[0]}?" if close and not known else remedy,
        )


def instance_count_problems(
    count: int, written: set[str], scaling: Scaling, location: Location = ()
) -> Iterator[SettingProblem]:
    """A problem where the `instance_count` of the variant at `location` is `written` and outside of its scaling."""
    # An endpoint that may scale to zero is created with an instance.
    low, high = max(scaling.min_capacity, 1), max(scaling.max_capacity, 1)
    if "instance_count" in written and not low <= count <= high:
        yield SettingProblem(
            location=(*location, "instance_count"),
            text=f"{count} is outside of what scaling allows",
            received=count,
            allowed=f"{low} to {high} (scaling.min_capacity to scaling.max_capacity)",
            remedy=f"leave it out, and the endpoint starts with {low}",
        )


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A variant of the endpoint with every default resolved: what it serves, on which instances, for which requests.

    `instance_types` is in order of preference: SageMaker takes the next one where capacity is short. `instance_count`
    is the number at the first deployment. `weight` is SageMaker's: relative to the other production variants' weights;
    a shadow variant's is relative to that of the production variant. `share` is the part of all requests, from 0 to 1;
    a shadow variant's part is copies. `scaling` is None where `instance_count` stays as it is.
    """

    name: str
    model: EndpointModel
    instance_types: tuple[str, ...]
    instance_count: int = 1
    weight: float = 1.0
    share: float = 1.0
    scaling: Scaling | None = None
    is_shadow: bool = False


def resolve_variants(model: EndpointModel, endpoint: Endpoint, scaling: Scaling | None) -> tuple[Variant, ...]:
    """The variants of `endpoint`: the first one, which has `model` and `scaling`, the further ones, the shadow."""
    weights = endpoint.variant_weight + sum(further.weight for further in endpoint.variants)
    first = Variant(
        name=PRIMARY_VARIANT,
        model=model,
        instance_types=endpoint.instance_types or _default_instance_types(model),
        instance_count=endpoint.instance_count,
        weight=endpoint.variant_weight,
        share=endpoint.variant_weight / weights if endpoint.variants else 1.0,
        scaling=scaling,
    )
    variants = [first]
    variants += [
        Variant(
            name=further.name,
            model=further.model,
            instance_types=further.instance_types or _default_instance_types(further.model),
            instance_count=further.instance_count,
            weight=further.weight,
            share=further.weight / weights,
            scaling=further.scaling,
        )
        for further in endpoint.variants
    ]
    shadow = endpoint.shadow
    if shadow is not None:
        variants.append(
            Variant(
                name=SHADOW_VARIANT,
                model=shadow.model or model,
                instance_types=shadow.instance_types or first.instance_types,
                instance_count=shadow.instance_count,
                weight=first.weight * shadow.sampling_percent / 100,
                share=shadow.sampling_percent / 100,
                is_shadow=True,
            )
        )
    return tuple(variants)


def _default_instance_types(model: EndpointModel) -> tuple[str, ...]:
    return (load_catalog().default_instance_type(model.source),)
