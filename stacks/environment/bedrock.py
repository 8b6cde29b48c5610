"""The model source `bedrock`: its settings, and the checks of lifecycle, region and what a model can do.

The lifecycle is checked against the catalog's status, never against the clock, so that a synthesis gives the same
answer on every day.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from stacks.catalog import CatalogError, partition_of
from stacks.catalog.bedrock import BedrockCatalogModel, Task, load_bedrock_catalog
from stacks.environment.problems import Location, SettingProblem
from stacks.environment.section import Section
from stacks.environment.values import IMPORTED_MODEL_ARN_PATTERN, PROVISIONED_MODEL_ARN_PATTERN, REGION_PATTERN

if TYPE_CHECKING:
    from stacks.environment.endpoint import Endpoint
    from stacks.environment.model import Environment
    from stacks.environment.scaling import Scaling

_TASK_OF_FIELD: dict[str, Task] = {"model_id": "text-to-image", "inpaint_model_id": "masking"}


class BedrockModel(Section):
    """An image model of Amazon Bedrock, billed per image: no endpoint, no instances, nothing that idles."""

    source: Literal["bedrock"] = Field(
        description="An image model of Amazon Bedrock, billed per image: no endpoint is deployed and nothing idles. "
        "docs/bedrock.md says what each model can do and costs."
    )
    model_id: str = Field(
        min_length=1,
        max_length=200,
        description="Model of the catalog, such as `stability.sd3-5-large-v1:0`. A model that has reached its end of "
        "life is refused, unless `provisioned_model_arn` or `imported_model_arn` still serves it.",
    )
    inpaint_model_id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="Model that carries out requests with a mask, such as `stability.stable-image-inpaint-v1:0`. Left "
        "out: they are refused, unless `model_id` takes masks itself.",
    )
    region: Annotated[str, Field(pattern=REGION_PATTERN)] | None = Field(
        default=None,
        description="Region in which Bedrock is called; prompts and images go there. Left out: the environment's.",
    )
    provisioned_model_arn: Annotated[str, Field(pattern=PROVISIONED_MODEL_ARN_PATTERN)] | None = Field(
        default=None, description="Provisioned throughput that serves `model_id`, called in place of the model itself."
    )
    imported_model_arn: Annotated[str, Field(pattern=IMPORTED_MODEL_ARN_PATTERN)] | None = Field(
        default=None,
        description="Imported model that answers as `model_id` does, called in place of the model itself.",
    )

    @property
    def model_arn(self) -> str | None:
        """ARN to call in place of the model: of the provisioned throughput or the imported model."""
        return self.provisioned_model_arn or self.imported_model_arn


def bedrock_problems(
    region: str | None, model: BedrockModel, endpoint: Endpoint | None, scaling: Scaling | None
) -> Iterator[SettingProblem]:
    """Problems of an environment whose model source is Bedrock; `None` is a section that is absent or wrong itself."""
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
    yield from _idle_settings(endpoint, scaling)


def environment_warnings(environment: Environment) -> tuple[str, ...]:
    """What works today and needs attention: models whose end Bedrock has announced."""
    if environment.model.source != "bedrock":
        return ()
    catalog = load_bedrock_catalog()
    warnings = []
    for field in _TASK_OF_FIELD:
        model_id = getattr(environment.model, field)
        if model_id is None or (model := catalog.model(model_id)).status != "legacy":
            continue
        ends = f" and ends on {model.end_of_life}" if model.end_of_life else ""
        warnings.append(
            f"model.{field}: {model.model_id} ({model.name}) is legacy since {model.legacy}{ends}; "
            f"plan to move to {' or '.join(_successors(model, field))}"
        )
    return tuple(warnings)


def _model_problems(field: str, model_id: str, region: str | None, settings: BedrockModel) -> Iterator[SettingProblem]:
    location: Location = ("model", field)
    task = _TASK_OF_FIELD[field]
    usable = load_bedrock_catalog().usable(task)
    try:
        model = load_bedrock_catalog().model(model_id)
    except CatalogError:
        yield SettingProblem(
            location=location,
            text=f"{model_id!r} is no image model of Bedrock that the catalog knows",
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
            text=f"{model_id!r} ({model.name}) is no inpaint model of its own: as model.model_id it takes masks itself",
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
            allowed="nothing beside a model that takes masks",
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
    """Successors that can be used today; where the catalog names none, every model that does the same."""
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
            text="stands beside provisioned_model_arn, and only one of them can be called",
            received=model.imported_model_arn,
            allowed="one of the two",
            remedy="remove the one that shall not be called",
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


def _idle_settings(endpoint: Endpoint | None, scaling: Scaling | None) -> Iterator[SettingProblem]:
    """Settings of an endpoint, where there is none."""
    if scaling is not None:
        yield SettingProblem(
            location=("scaling",),
            text="has no effect with model.source bedrock, which has no endpoint to scale",
            allowed="nothing",
            remedy="remove the section; api.throttle limits how fast keys may call",
        )
    for name in sorted(endpoint.model_fields_set) if endpoint is not None else ():
        if name == "instance_count" and scaling is not None:
            # Perhaps not written by anyone: left out, it follows scaling.min_capacity.
            continue
        yield SettingProblem(
            location=("endpoint", name),
            text="has no effect with model.source bedrock, which has no endpoint",
            received=getattr(endpoint, name),
            allowed="nothing",
            remedy="remove the setting",
        )
