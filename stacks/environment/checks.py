"""Checks that need more than one setting: what the catalog can serve, and capacities that contradict each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stacks.catalog import CatalogError, load_catalog, partition_of
from stacks.environment.access_checks import access_problems
from stacks.environment.bedrock import bedrock_problems
from stacks.environment.problems import Location, SettingProblem

if TYPE_CHECKING:
    from stacks.environment.model import Endpoint, Model, Scaling, ScheduledCapacity


def environment_problems(sections: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Problems between the sections of an environment; sections that are absent are left out of the checks."""
    region, model = sections.get("region"), sections.get("model")
    endpoint, scaling = sections.get("endpoint"), sections.get("scaling")
    yield from access_problems(sections)
    if model is not None and model.source == "bedrock":
        yield from bedrock_problems(region, model, endpoint, scaling)
    else:
        yield from _endpoint_problems(region, model, endpoint, scaling)


def _endpoint_problems(
    region: str | None, model: Model | None, endpoint: Endpoint | None, scaling: Scaling | None
) -> Iterator[SettingProblem]:
    if region is not None and model is not None:
        yield from _region_problems(region, model)
    if model is not None and endpoint is not None:
        yield from _instance_type_problems(model, endpoint)
    if endpoint is not None and scaling is not None:
        yield from _instance_count_problems(endpoint, scaling)


def _region_problems(region: str, model: Model) -> Iterator[SettingProblem]:
    if model.source == "optimized" and model.model_package_arn is not None:
        yield from _model_package_problems(region, model.model_package_arn)
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
            location=("region",),
            text=f"{region!r} does not have the model source {model.source!r}",
            received=region,
            allowed=", ".join(exc.allowed),
            remedy=remedy,
        )


def _model_package_problems(region: str, arn: str) -> Iterator[SettingProblem]:
    _, partition, _, arn_region, _ = arn.split(":", 4)
    for what, found, wanted in (("region", arn_region, region), ("partition", partition, partition_of(region))):
        if found != wanted:
            yield SettingProblem(
                location=("model", "model_package_arn"),
                text=f"{arn!r} is of the {what} {found}, the environment of {wanted}",
                received=arn,
                allowed=f"a model package of {region} (arn:{partition_of(region)}:sagemaker:{region}:...)",
                remedy="use the region's own model package, or leave the setting out for the catalog's",
            )


def _instance_type_problems(model: Model, endpoint: Endpoint) -> Iterator[SettingProblem]:
    supported = load_catalog().supported_instance_types(model.source)
    for index, name in enumerate(endpoint.instance_types or ()):
        if name in supported:
            continue
        close = difflib.get_close_matches(name, supported, n=1, cutoff=0.8)
        known = name in load_catalog().instances
        reason = f"cannot serve the model source {model.source!r}" if known else "is no instance type of the catalog"
        remedy = f"use one of these, or leave the setting out for {load_catalog().default_instance_type(model.source)}"
        yield SettingProblem(
            location=("endpoint", "instance_types", index),
            text=f"{name!r} {reason}",
            received=name,
            allowed=", ".join(supported),
            remedy=f"did you mean {close[0]}?" if close and not known else remedy,
        )


def _instance_count_problems(endpoint: Endpoint, scaling: Scaling) -> Iterator[SettingProblem]:
    count, low, high = endpoint.instance_count, scaling.min_capacity, scaling.max_capacity
    if "instance_count" in endpoint.model_fields_set and not low <= count <= high:
        yield SettingProblem(
            location=("endpoint", "instance_count"),
            text=f"{count} is outside of what scaling allows",
            received=count,
            allowed=f"{low} to {high} (scaling.min_capacity to scaling.max_capacity)",
            remedy=f"leave it out, and the endpoint starts with {low}",
        )


def scaling_problems(scaling: Scaling) -> Iterator[SettingProblem]:
    """Problems within autoscaling."""
    low, high = scaling.min_capacity, scaling.max_capacity
    if low > high:
        yield _crossed((), low, high)
    names = [schedule.name for schedule in scaling.schedules]
    for index, schedule in enumerate(scaling.schedules):
        if schedule.name in names[:index]:
            yield SettingProblem(
                location=("schedules", index, "name"),
                text=f"{schedule.name!r} stands twice",
                received=schedule.name,
                allowed="a name that no other schedule has",
                remedy="rename one of the two",
            )
        if schedule.max_capacity is None and schedule.min_capacity is not None and schedule.min_capacity > high:
            yield _one_sided(index, "min_capacity", schedule.min_capacity, f"at most scaling.max_capacity ({high})")
        if schedule.min_capacity is None and schedule.max_capacity is not None and schedule.max_capacity < low:
            yield _one_sided(index, "max_capacity", schedule.max_capacity, f"at least scaling.min_capacity ({low})")


def schedule_problems(schedule: ScheduledCapacity) -> Iterator[SettingProblem]:
    """Problems within one schedule."""
    low, high = schedule.min_capacity, schedule.max_capacity
    if low is None and high is None:
        yield SettingProblem(
            location=(),
            text=f"the schedule {schedule.name!r} changes nothing",
            allowed="min_capacity, max_capacity or both",
            remedy="add the capacity that takes effect then, or remove the schedule",
        )
    elif low is not None and high is not None and low > high:
        yield _crossed((), low, high)


def _crossed(location: Location, low: int, high: int) -> SettingProblem:
    return SettingProblem(
        location=(*location, "min_capacity"),
        text=f"{low} is above max_capacity, {high}",
        received=low,
        allowed=f"1 to max_capacity ({high})",
        remedy="lower min_capacity or raise max_capacity",
    )


def _one_sided(index: int, name: str, value: int, allowed: str) -> SettingProblem:
    other = "max_capacity" if name == "min_capacity" else "min_capacity"
    return SettingProblem(
        location=("schedules", index, name),
        text=f"{value} contradicts scaling.{other}, which this schedule leaves as it is",
        received=value,
        allowed=allowed,
        remedy=f"give the schedule a {other} too, or change this one",
    )
