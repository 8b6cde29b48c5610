"""What a region lacks: the model source, or a service that a setting asks for. The catalog says where each is."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from stacks.catalog import CatalogError, load_catalog, partition_of
from stacks.catalog.service_regions import ServiceRegions, missing_services
from stacks.environment.api import Api
from stacks.environment.endpoint import Endpoint
from stacks.environment.models import BedrockModel, EndpointModel
from stacks.environment.operations import Operations
from stacks.environment.values import Location, SettingProblem

_OUTSIDE = "name a model package of the region in model.model_package_arn, with model.source: optimized"
_REMEDIES = {
    "budgets": "remove it, and make the budget by hand: it watches the tag sdxl:environment in every region",
    "slack_channels": "remove it, and use operations.emails",
    "user_pools": "use the mode api_key or iam",
    "instance_pools": "name one instance type",
    "inference_components": "use endpoint.mode asynchronous, which scales to zero too, or another region",
    "sagemaker_endpoints": "use another region, or model.source: bedrock with model.region",
    "codebuild": "use another region for the pipeline: the environments may stay where they are",
    "codeconnections": "use another region for the pipeline: the environments may stay where they are",
}


def service_problems(
    region: str | None,
    model: EndpointModel | BedrockModel | None,
    endpoint: Endpoint | None,
    api: Api | None,
    operations: Operations | None,
) -> Iterator[SettingProblem]:
    """Problems of settings that ask for a service that `region` does not have. None is a part that is not known."""
    if region is None:
        return
    for service, location in _needs(model, endpoint, api, operations):
        yield from region_problems(region, service, location)


def region_problems(region: str, service: str, location: Location) -> Iterator[SettingProblem]:
    """The problem of a setting at `location` that needs `service` of the catalog, if `region` does not have it."""
    for missing in missing_services(region, [service]):
        yield SettingProblem(
            location=location,
            text=f"{region!r} does not have {missing.what} (as of {missing.provenance.as_of})",
            received=region if location == ("region",) else None,
            allowed=_allowed(missing),
            remedy=_REMEDIES[service],
        )


def _needs(
    model: EndpointModel | BedrockModel | None,
    endpoint: Endpoint | None,
    api: Api | None,
    operations: Operations | None,
) -> Iterator[tuple[str, Location]]:
    """Each service of the catalog that the settings need, and the setting that needs it."""
    if model is not None and not isinstance(model, BedrockModel):
        yield "sagemaker_endpoints", ("region",)
    if endpoint is not None and not isinstance(model, BedrockModel):
        lists: list[tuple[Location, tuple[str, ...] | None]] = [(("endpoint",), endpoint.instance_types)]
        for index, variant in enumerate(endpoint.variants):
            lists.append((("endpoint", "variants", index), variant.instance_types))
        if endpoint.shadow is not None:
            lists.append((("endpoint", "shadow"), endpoint.shadow.instance_types))
        for location, instance_types in lists:
            if len(instance_types or ()) > 1:
                yield "instance_pools", (*location, "instance_types")
    if api is not None and api.auth.mode == "cognito":
        yield "user_pools", ("api", "auth", "mode")
    if operations is not None and operations.budget is not None:
        yield "budgets", ("operations", "budget")
    if operations is not None and operations.slack is not None:
        yield "slack_channels", ("operations", "slack")


def _allowed(missing: ServiceRegions) -> str:
    if missing.offered:
        return ", ".join(missing.offered)
    return f"in regions other than {', '.join(missing.not_offered)}"


def model_problems(region: str, model: EndpointModel, location: Location = ()) -> Iterator[SettingProblem]:
    """Problems of a model source that `region` does not have. `location` is the variant's; empty for the first one."""
    if model.source == "optimized" and model.model_package_arn is not None:
        yield from _package_problems(region, model.model_package_arn, location)
        return
    lookup = load_catalog().open_container if model.source == "open" else load_catalog().optimized_package_arn
    try:
        lookup(region)
    except CatalogError as exc:
        remedy = "use one of these regions"
        others = [source for source in load_catalog().sources if region in load_catalog().regions(source)]
        if others:
            remedy += f", or model.source: {' or '.join(others)}, which {region} has"
        # Of the same partition: credentials do not reach from one into another.
        inside = [name for name in exc.allowed if partition_of(name) == partition_of(region)]
        if not inside:
            remedy = f"the partition {partition_of(region)} has none of them: {_OUTSIDE}"
        nearby = [name for name in inside if name.partition("-")[0] == region.partition("-")[0]]
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


def _package_problems(region: str, arn: str, location: Location) -> Iterator[SettingProblem]:
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
