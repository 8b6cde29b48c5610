"""The section `endpoint`: its settings, and the variants that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from stacks.catalog import load_catalog
from stacks.environment.models import EndpointModel
from stacks.environment.problems import raise_problems
from stacks.environment.scaling import Scaling, min_capacity_of
from stacks.environment.section import Section
from stacks.environment.updates import AllAtOnceUpdate, Update
from stacks.environment.values import VARIANT_NAME_PATTERN, Instances, Int, Number, unique

PRIMARY_VARIANT = "primary"
SHADOW_VARIANT = "shadow"


def _each_type_once(types: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if types is not None and (problems := [*unique(types)]):
        raise_problems("instance_types", problems)
    return types


InstanceTypes = Annotated[
    Annotated[tuple[str, ...], Field(min_length=1, max_length=5)] | None, AfterValidator(_each_type_once)
]


class VariantSettings(Section):
    """A further production variant: another model source, or other instances, for a share of the traffic."""

    name: str = Field(
        pattern=VARIANT_NAME_PATTERN,
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
        minimum = min_capacity_of(data.get("scaling"))
        return data if minimum is None else {**data, "instance_count": minimum}


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
    update: Update = Field(
        default=AllAtOnceUpdate(traffic="all_at_once"),
        description="How a new model takes over. Not for the Marketplace's model packages (`optimized`): SageMaker "
        "always replaces those all at once and watches no alarm.",
    )
    variants: Annotated[tuple[VariantSettings, ...], Field(max_length=9)] = Field(
        default=(), description="Further production variants, for an A/B test of models. Left out: none."
    )
    shadow: Shadow | None = Field(
        default=None, description="Shadow variant beside the only production variant. Left out: none."
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
