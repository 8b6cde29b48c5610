"""Checks of the endpoint against the catalog, the model source and its scaling, and of its variants and updates."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stacks.catalog import CatalogError, load_catalog, partition_of
from stacks.environment.problems import Location, SettingProblem
from stacks.environment.values import pascal

if TYPE_CHECKING:
    from stacks.environment.endpoint import Endpoint
    from stacks.environment.models import EndpointModel
    from stacks.environment.scaling import Scaling
    from stacks.environment.updates import GuardedUpdate


def endpoint_problems(
    region: str | None, model: EndpointModel | None, endpoint: Endpoint | None, scaling: Scaling | None
) -> Iterator[SettingProblem]:
    """Problems of an environment with an endpoint; `None` is a section that is absent or wrong itself."""
    if region is not None and model is not None:
        yield from _region_problems(region, model)
    if model is not None and endpoint is not None:
        yield from _instance_type_problems(model.source, endpoint.instance_types)
    if endpoint is not None and scaling is not None:
        yield from _instance_count_problems(endpoint.instance_count, endpoint.model_fields_set, scaling)
    if endpoint is not None:
        yield from variant_problems(region, model, endpoint, scaling)
        yield from update_problems(model, endpoint, scaling)


def variant_problems(
    region: str | None, model: EndpointModel | None, endpoint: Endpoint, scaling: Scaling | None
) -> Iterator[SettingProblem]:
    """Problems of the variants beside the first one."""
    names = ["primary", "shadow"]
    for index, variant in enumerate(endpoint.variants):
        location: Location = ("endpoint", "variants", index)
        # What becomes resources must differ there too, where hyphens are left out.
        same = next((name for name in names if pascal(name) == pascal(variant.name)), None)
        if same is not None:
            yield SettingProblem(
                location=(*location, "name"),
                text=f"{variant.name!r} is taken"
                if same == variant.name
                else f"{variant.name!r} and {same!r} are one name without hyphens, as in the ids of resources",
                received=variant.name,
                allowed=f"a name other than {', '.join(names)}",
                remedy="rename the variant",
            )
        names.append(variant.name)
        if region is not None:
            yield from _region_problems(region, variant.model, location)
        yield from _instance_type_problems(variant.model.source, variant.instance_types, location)
        if variant.scaling is not None:
            yield from _instance_count_problems(
                variant.instance_count, variant.model_fields_set, variant.scaling, location
            )
        if (variant.scaling is None) != (scaling is None):
            # RetainAllVariantProperties and its exclusions are of the whole endpoint.
            have, lack = ("the first variant", "this one") if scaling else ("this variant", "the first one")
            yield SettingProblem(
                location=(*location, "scaling"),
                text=f"{have} is scaled and {lack} is not: an update keeps the instance counts of all variants, or of "
                "none",
                allowed="scaling for every variant, or for none",
                remedy="give the other one a scaling too; with min_capacity equal to max_capacity it stays as it is",
            )
    yield from _shadow_problems(region, model, endpoint)


def _shadow_problems(region: str | None, model: EndpointModel | None, endpoint: Endpoint) -> Iterator[SettingProblem]:
    shadow, location = endpoint.shadow, ("endpoint", "shadow")
    if shadow is None:
        return
    if endpoint.variants:
        # SageMaker API reference, CreateEndpointConfig, ShadowProductionVariants.
        yield SettingProblem(
            location=location,
            text=f"stands beside {len(endpoint.variants)} further production variant(s)",
            allowed="endpoint.shadow or endpoint.variants, not both",
            remedy="remove one of the two: SageMaker allows a shadow variant beside one production variant only",
        )
    if model is None:
        return
    source = model.source if shadow.model is None else shadow.model.source
    if source != model.source:
        yield SettingProblem(
            location=(*location, "model", "source"),
            text=f"{source!r} does not read the requests of the first variant, {model.source!r}: they are copied as "
            "they are, and the two take different ones",
            received=source,
            allowed=model.source,
            remedy="compare model sources with endpoint.variants, where each gets requests of its own form",
        )
    elif region is not None and shadow.model is not None:
        yield from _region_problems(region, shadow.model, location)
    yield from _instance_type_problems(source, shadow.instance_types, location)


def update_problems(
    model: EndpointModel | None, endpoint: Endpoint, scaling: Scaling | None
) -> Iterator[SettingProblem]:
    """Problems of the way in which a new model takes over."""
    update, location = endpoint.update, ("endpoint", "update")
    if update.traffic == "unguarded":
        return
    waits = _total_wait_seconds(update)
    if waits >= update.max_duration_seconds:
        yield SettingProblem(
            location=(*location, "max_duration_seconds"),
            text=f"{update.max_duration_seconds} is not longer than all waits together, {waits}",
            received=update.max_duration_seconds,
            allowed=f"{waits + 1} to 28800",
            remedy="raise it, by as much as new instances take to start too, or wait less",
        )
    if "update" not in endpoint.model_fields_set:
        return
    marketplace = [
        name
        for name, source in (
            ("the model", None if model is None else model.source),
            *((f"the variant {variant.name!r}", variant.model.source) for variant in endpoint.variants),
        )
        if source == "optimized"
    ]
    if marketplace:
        # Amazon SageMaker AI Developer Guide, "Deployment guardrails: Exclusions".
        yield SettingProblem(
            location=location,
            text=f"has no effect: {' and '.join(marketplace)} is a Marketplace model package, which SageMaker always "
            "replaces all at once, without watching it",
            allowed="nothing",
            remedy="remove the setting; rehearse a new package with endpoint.shadow, or in an environment of its own",
        )
    fewest = _fewest_instances(endpoint, scaling)
    if update.traffic != "all_at_once" and fewest < 2:
        yield SettingProblem(
            location=(*location, "traffic"),
            text=f"{update.traffic!r} moves at most half of a variant's instances at a time, and there may be "
            f"{fewest} only",
            received=update.traffic,
            allowed="all_at_once; canary or linear with 2 instances or more",
            remedy="use all_at_once, which watches the same alarms, or keep 2 instances "
            "(scaling.min_capacity, endpoint.instance_count, also of every variant)",
        )


def _total_wait_seconds(update: GuardedUpdate) -> int:
    steps = {"all_at_once": 1, "canary": 2}.get(update.traffic, 0)
    if update.traffic == "linear":
        steps = -(-100 // update.step_percent)
    return steps * update.bake_seconds + update.termination_wait_seconds


def _fewest_instances(endpoint: Endpoint, scaling: Scaling | None) -> int:
    """How few instances a variant may have when an update comes."""
    counts = [_fewest(endpoint.instance_count, scaling)]
    counts += [_fewest(variant.instance_count, variant.scaling) for variant in endpoint.variants]
    return min(counts)


def _fewest(instance_count: int, scaling: Scaling | None) -> int:
    if scaling is None:
        return instance_count
    scheduled = [schedule.min_capacity for schedule in scaling.schedules if schedule.min_capacity is not None]
    return min([scaling.min_capacity, *scheduled])


def _region_problems(region: str, model: EndpointModel, location: Location = ()) -> Iterator[SettingProblem]:
    if model.source == "optimized" and model.model_package_arn is not None:
        yield from _model_package_problems(region, model.model_package_arn, location)
        return
    lookup = load_catalog().open_container if model.source == "open" else load_catalog().optimized_package_arn
    try:
        lookup(region)
    except CatalogError as exc:
        remedy = "use one of these regions"
        others = [source for source in load_catalog().sources if region in load_catalog().regions(source)]
        if others:
            remedy += f", or model.source: {' or '.join(others)}, which {region} has"
        nearby = [name for name in exc.allowed if name.partition("-")[0] == region.partition("-")[0]]
        close = difflib.get_close_matches(region, nearby, n=2, cutoff=0.8)
        if close and not others:
            remedy = f"did you mean {' or '.join(close)}?"
        yield SettingProblem(
            location=(*location, "model", "source") if location else ("region",),
            text=f"{region!r} does not have the model source {model.source!r}",
            received=model.source if location else region,
            allowed=", ".join(exc.allowed),
            remedy=remedy,
        )


def _model_package_problems(region: str, arn: str, location: Location) -> Iterator[SettingProblem]:
    _, partition, _, arn_region, _ = arn.split(":", 4)
    for what, found, wanted in (("region", arn_region, region), ("partition", partition, partition_of(region))):
        if found != wanted:
            yield SettingProblem(
                location=(*location, "model", "model_package_arn"),
                text=f"{arn!r} is of the {what} {found}, the environment of {wanted}",
                received=arn,
                allowed=f"a model package of {region} (arn:{partition_of(region)}:sagemaker:{region}:...)",
                remedy="use the region's own model package, or leave the setting out for the catalog's",
            )


def _instance_type_problems(
    source: str, instance_types: tuple[str, ...] | None, location: Location = ("endpoint",)
) -> Iterator[SettingProblem]:
    supported = load_catalog().supported_instance_types(source)
    for index, name in enumerate(instance_types or ()):
        if name in supported:
            continue
        close = difflib.get_close_matches(name, supported, n=1, cutoff=0.8)
        known = name in load_catalog().instances
        reason = f"cannot serve the model source {source!r}" if known else "is no instance type of the catalog"
        remedy = f"use one of these, or leave the setting out for {load_catalog().default_instance_type(source)}"
        yield SettingProblem(
            location=(*location, "instance_types", index),
            text=f"{name!r} {reason}",
            received=name,
            allowed=", ".join(supported),
            remedy=f"did you mean {close[0]}?" if close and not known else remedy,
        )


def _instance_count_problems(
    count: int, written: set[str], scaling: Scaling, location: Location = ("endpoint",)
) -> Iterator[SettingProblem]:
    low, high = scaling.min_capacity, scaling.max_capacity
    if "instance_count" in written and not low <= count <= high:
        yield SettingProblem(
            location=(*location, "instance_count"),
            text=f"{count} is outside of what scaling allows",
            received=count,
            allowed=f"{low} to {high} (scaling.min_capacity to scaling.max_capacity)",
            remedy=f"leave it out, and the endpoint starts with {low}",
        )
