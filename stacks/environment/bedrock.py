"""What the Bedrock catalog says about the models that an environment names: lifecycle, region, what a model can do.

The lifecycle is checked against the catalog's status, never against the clock: a synthesis gives the same answer on
every day.
"""

from __future__ import annotations

from collections.abc import Iterator

from stacks.catalog import CatalogError, partition_of
from stacks.catalog.bedrock import BedrockCatalogModel, Task, load_bedrock_catalog
from stacks.environment.models import BedrockModel
from stacks.environment.values import Location, SettingProblem

_TASK_OF_FIELD: dict[str, Task] = {"model_id": "text-to-image", "inpaint_model_id": "masking"}


def bedrock_problems(region: str | None, model: BedrockModel) -> Iterator[SettingProblem]:
    """Problems of the models in the environment's `region`, which is None where the file has no valid one."""
    wanted_region = region if model.region is None else model.region
    if region is not None and model.region is not None and partition_of(model.region) != partition_of(region):
        yield SettingProblem(
            location=("model", "region"),
            text=f"{model.region!r} is of the partition {partition_of(model.region)}, "
            f"the environment of {partition_of(region)}",
            received=model.region,
            allowed=f"a region of {partition_of(region)}",
            remedy="credentials do not reach from one partition into another: deploy an environment there",
        )
    yield from _arn_problems(wanted_region, model)
    for field, model_id in (("model_id", model.model_id), ("inpaint_model_id", model.inpaint_model_id)):
        if model_id is not None:
            yield from _model_problems(field, model_id, wanted_region, model)


def bedrock_warnings(settings: BedrockModel) -> Iterator[str]:
    """What works today and needs attention: models whose end of life Bedrock has announced."""
    catalog = load_bedrock_catalog()
    for field in _TASK_OF_FIELD:
        model_id = getattr(settings, field)
        if model_id is None or (model := catalog.model(model_id)).status != "legacy":
            continue
        ends = f" and ends on {model.end_of_life}" if model.end_of_life else ""
        yield (
            f"model.{field}: {model.model_id} ({model.name}) is legacy since {model.legacy}{ends}; "
            f"plan to move to {' or '.join(_successors(model, field))}"
        )


def _model_problems(field: str, model_id: str, region: str | None, settings: BedrockModel) -> Iterator[SettingProblem]:
    location: Location = ("model", field)
    task = _TASK_OF_FIELD[field]
    usable = load_bedrock_catalog().usable(task)
    try:
        model = load_bedrock_catalog().model(model_id)
    except CatalogError:
        yield SettingProblem(
            location=location,
            text=f"{model_id!r} is not an image model of Bedrock that the catalog knows",
            received=model_id,
            allowed=", ".join(usable),
            remedy="use one of these",
        )
        return
    if task not in model.tasks:
        yield SettingProblem(
            location=location,
            text=f"{model_id!r} ({model.name}) cannot do {task}, only {', '.join(model.tasks)}",
            received=model_id,
            allowed=", ".join(usable),
            remedy="use one of these"
            + (", and name this one in model.inpaint_model_id" if "masking" in model.tasks else ""),
        )
        return
    if field == "inpaint_model_id" and "text-to-image" in model.tasks:
        yield SettingProblem(
            location=location,
            text=f"{model_id!r} ({model.name}) is not an inpaint model alone: as model.model_id it takes masks itself",
            received=model_id,
            allowed=", ".join(
                name for name in usable if "text-to-image" not in load_bedrock_catalog().model(name).tasks
            ),
            remedy="use one of these, or leave the setting out",
        )
        return
    if field == "inpaint_model_id" and _takes_masks(settings.model_id):
        yield SettingProblem(
            location=location,
            text=f"{model_id!r} would never be called: {settings.model_id} takes masks itself",
            received=model_id,
            allowed="nothing, where the model takes masks",
            remedy="leave the setting out",
        )
    if field == "model_id" and settings.model_arn is not None:
        # What the catalog says of the model on demand does not bind provisioned throughput or an imported model.
        return
    if model.status == "end-of-life":
        yield _ended(location, field, model)
    elif region is not None and region not in model.callable_regions:
        yield _not_in_region(field, model, region, settings)


def _takes_masks(model_id: str) -> bool:
    try:
        return "masking" in load_bedrock_catalog().model(model_id).tasks
    except CatalogError:
        return False


def _ended(location: Location, field: str, model: BedrockCatalogModel) -> SettingProblem:
    successors = _successors(model, field)
    regions = {name: ", ".join(load_bedrock_catalog().model(name).callable_regions) for name in successors}
    remedy = "move to " + " or ".join(f"{name} (in {where})" for name, where in regions.items())
    if model.family == "sdxl-v1":
        remedy += "; SDXL 1.0 itself runs on an endpoint, with model.source: optimized or open"
    if field == "model_id":
        remedy += (
            "; where provisioned throughput or an imported model still serves it, give its ARN in "
            "model.provisioned_model_arn or model.imported_model_arn"
        )
    return SettingProblem(
        location=location,
        text=f"{model.model_id!r} ({model.name}) reached its end of life on Bedrock on {model.end_of_life}: calls fail",
        received=model.model_id,
        allowed=", ".join(load_bedrock_catalog().usable(_TASK_OF_FIELD[field])),
        remedy=remedy,
    )


def _successors(model: BedrockCatalogModel, field: str) -> tuple[str, ...]:
    """Successors that can be used today; where the catalog names no successor, every model that does the same."""
    usable = load_bedrock_catalog().usable(_TASK_OF_FIELD[field])
    named = tuple(name for name in model.successors if name in usable)
    return named or tuple(name for name in usable if name != model.model_id)


def _not_in_region(field: str, model: BedrockCatalogModel, region: str, settings: BedrockModel) -> SettingProblem:
    allowed = model.callable_regions
    others = [
        name
        for name in load_bedrock_catalog().usable(_TASK_OF_FIELD[field])
        if region in load_bedrock_catalog().model(name).callable_regions
    ]
    if settings.model_arn is not None:
        remedy = "leave the setting out: the model's own ARN is of this region"
    else:
        remedy = f"set model.region: {allowed[-1]}, and prompts and images go there"
    if others:
        remedy += f"; or use {' or '.join(others)}, which {region} has"
    return SettingProblem(
        location=("region",) if settings.region is None else ("model", "region"),
        text=f"{region!r} does not have model.{field} {model.model_id!r}",
        received=region,
        allowed=", ".join(allowed),
        remedy=remedy,
    )


def _arn_problems(region: str | None, model: BedrockModel) -> Iterator[SettingProblem]:
    if model.provisioned_model_arn is not None and model.imported_model_arn is not None:
        yield SettingProblem(
            location=("model", "imported_model_arn"),
            text="is set together with provisioned_model_arn, and only one of them can be called",
            received=model.imported_model_arn,
            allowed="one of the two",
            remedy="remove the one that must not be called",
        )
    if region is None:
        return
    for field in ("provisioned_model_arn", "imported_model_arn"):
        arn = getattr(model, field)
        if arn is None:
            continue
        _, partition, _, arn_region, _ = arn.split(":", 4)
        for what, found, wanted in (("region", arn_region, region), ("partition", partition, partition_of(region))):
            if found != wanted:
                yield SettingProblem(
                    location=("model", field),
                    text=f"{arn!r} is of the {what} {found}, Bedrock is called in {wanted}",
                    received=arn,
                    allowed=f"an ARN of {region} (arn:{partition_of(region)}:bedrock:{region}:...)",
                    remedy="use an ARN of that region, or name the ARN's region in model.region",
                )
