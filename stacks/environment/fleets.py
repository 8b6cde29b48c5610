"""The groups of instances behind an environment's endpoint: one for each variant, with its share of the requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stacks.environment.bedrock import BedrockModel
from stacks.environment.endpoint import PRIMARY_VARIANT, SHADOW_VARIANT
from stacks.environment.models import OptimizedModel
from stacks.environment.updates import GuardedUpdate, UnguardedUpdate

if TYPE_CHECKING:
    from stacks.environment.model import Environment
    from stacks.environment.models import EndpointModel
    from stacks.environment.scaling import Scaling


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The instances of one variant.

    `instance_types` is in order of preference. `scaling` is None where there are always `instance_count` of them.
    `share` is that of all requests, from 0 to 1; a shadow's is of copies. `weight` is what SageMaker is told; of a
    shadow, relative to that of the production variant.
    """

    variant_name: str
    model: EndpointModel
    instance_types: tuple[str, ...]
    instance_count: int
    scaling: Scaling | None
    share: float
    weight: float
    is_shadow: bool = False


def fleets_of(environment: Environment) -> tuple[Fleet, ...]:
    """The first variant's fleet, the other production variants', then the shadow's. None with Bedrock."""
    model, endpoint = environment.model, environment.endpoint
    if isinstance(model, BedrockModel):
        return ()
    weights = endpoint.variant_weight + sum(variant.weight for variant in endpoint.variants)
    fleets = [
        Fleet(
            variant_name=PRIMARY_VARIANT,
            model=model,
            instance_types=environment.instance_types,
            instance_count=endpoint.instance_count,
            scaling=environment.scaling,
            share=endpoint.variant_weight / weights if endpoint.variants else 1.0,
            weight=endpoint.variant_weight,
        )
    ]
    fleets += [
        Fleet(
            variant_name=variant.name,
            model=variant.model,
            instance_types=variant.chosen_instance_types,
            instance_count=variant.instance_count,
            scaling=variant.scaling,
            share=variant.weight / weights,
            weight=variant.weight,
        )
        for variant in endpoint.variants
    ]
    if endpoint.shadow is not None:
        fleets.append(
            Fleet(
                variant_name=SHADOW_VARIANT,
                model=endpoint.shadow.model or model,
                instance_types=endpoint.shadow.instance_types or environment.instance_types,
                instance_count=endpoint.shadow.instance_count,
                scaling=None,
                share=endpoint.shadow.sampling_percent / 100,
                weight=endpoint.variant_weight * endpoint.shadow.sampling_percent / 100,
                is_shadow=True,
            )
        )
    return tuple(fleets)


def guarded_update(environment: Environment) -> GuardedUpdate | None:
    """How an update of the endpoint is guarded. With a Marketplace package it is not, whatever SageMaker is told.

    "Deployment guardrails: Exclusions": the endpoint falls back to all at once, and no alarm is watched.
    """
    update, fleets = environment.endpoint.update, fleets_of(environment)
    has_package = any(isinstance(fleet.model, OptimizedModel) for fleet in fleets)
    return None if isinstance(update, UnguardedUpdate) or has_package or not fleets else update
