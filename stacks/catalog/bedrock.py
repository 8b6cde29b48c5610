"""Models of Amazon Bedrock that draw images: what each can do, where it runs, how long it lives, what an image costs.

The status is what the lifecycle page said on the `as_of` day. It decides, and never the clock: a synthesis gives the
same answer on every day, and a new status is a new catalog.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from stacks.catalog.model import CatalogError, Provenance, unavailable
from stacks.catalog.reader import CATALOG_DIRECTORY, CatalogValue, read_document

BEDROCK_FILE = "bedrock.json"

Status = Literal["active", "legacy", "end-of-life"]
# The shape of a model's payload, for which the function has an adapter.
Family = Literal["sdxl-v1", "stable-image", "sd3-5", "stable-image-edit"]
Task = Literal["text-to-image", "image-to-image", "masking"]

_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


@dataclass(frozen=True, kw_only=True)
class InferenceProfile:
    """A cross-region inference profile: called in one of its source regions, answered in one of its destinations."""

    profile_id: str
    source_regions: tuple[str, ...]
    destination_regions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BedrockCatalogModel:
    """One model of Bedrock.

    `regions` is empty where no source names them any more. `usd_per_image` is by condition (`any`, `up_to_50_steps`);
    empty where no source states a price.
    """

    model_id: str
    name: str
    family: Family
    tasks: tuple[Task, ...]
    status: Status
    legacy: str | None
    end_of_life: str | None
    regions: tuple[str, ...]
    successors: tuple[str, ...]
    inference_profile: InferenceProfile | None
    usd_per_image: Mapping[str, float]

    @property
    def invocation_id(self) -> str:
        """What InvokeModel is called with: the inference profile's id where the model has one, else the model's."""
        return self.model_id if self.inference_profile is None else self.inference_profile.profile_id

    @property
    def callable_regions(self) -> tuple[str, ...]:
        """Regions in which it can be called: the profile's source regions where there is one."""
        return self.regions if self.inference_profile is None else self.inference_profile.source_regions


@dataclass(frozen=True, kw_only=True)
class BedrockCatalog:
    """Every image model of Bedrock that the catalog knows."""

    models: Mapping[str, BedrockCatalogModel]
    provenance: Mapping[str, Provenance]

    def model(self, model_id: str) -> BedrockCatalogModel:
        """Facts of one model, by its id or its inference profile's id.

        Raises:
            CatalogError: the catalog does not know it.
        """
        for model in self.models.values():
            if model_id in (model.model_id, model.invocation_id):
                return model
        raise unavailable("Bedrock model", model_id, "the catalog does not know it", self.models)

    def usable(self, task: Task) -> tuple[str, ...]:
        """Ids of the models that can do `task` and have not reached their end of life."""
        return tuple(
            model.model_id for model in self.models.values() if task in model.tasks and model.status != "end-of-life"
        )


@cache
def load_bedrock_catalog() -> BedrockCatalog:
    """The committed catalog of Bedrock. Read once per process."""
    return read_bedrock_catalog(CATALOG_DIRECTORY / BEDROCK_FILE)


def read_bedrock_catalog(path: Path) -> BedrockCatalog:
    """Reads the catalog of Bedrock at `path`.

    Raises:
        CatalogError: it is missing, is not JSON, has another shape than expected, or contradicts itself.
    """
    return parse_bedrock_catalog(read_document(path), path.name)


def parse_bedrock_catalog(document: Any, where: str = BEDROCK_FILE) -> BedrockCatalog:
    """The catalog that the contents of `bedrock.json` describe.

    Raises:
        CatalogError: they have another shape than expected, or contradict themselves.
    """
    root = CatalogValue(document, where).fields(("models", "inference_profiles", "prices"))
    provenance: dict[str, Provenance] = {}
    entries = root["models"].group("bedrock.models", provenance, "models")["models"].mapping()
    profiles = _profiles(root["inference_profiles"], provenance)
    price_group = root["prices"].group("bedrock.prices", provenance, "usd_per_image")
    prices = price_group["usd_per_image"].fields(entries)
    models = {model_id: _model(model_id, entry, profiles, prices[model_id]) for model_id, entry in entries.items()}
    catalog = BedrockCatalog(models=models, provenance=provenance)
    _check(catalog, entries)
    return catalog


def _profiles(group: CatalogValue, provenance: dict[str, Provenance]) -> dict[str, InferenceProfile]:
    found = group.group("bedrock.inference_profiles", provenance, "profiles")["profiles"].mapping()
    profiles = {}
    for profile_id, entry in found.items():
        fields = entry.fields(("source_regions", "destination_regions"))
        profiles[profile_id] = InferenceProfile(
            profile_id=profile_id,
            source_regions=fields["source_regions"].texts(),
            destination_regions=fields["destination_regions"].texts(),
        )
    return profiles


def _model(
    model_id: str, entry: CatalogValue, profiles: Mapping[str, InferenceProfile], price: CatalogValue
) -> BedrockCatalogModel:
    fields = entry.fields(
        (
            "name",
            "family",
            "tasks",
            "status",
            "legacy",
            "end_of_life",
            "regions",
            "successors",
            "inference_profile",
        )
    )
    profile = _optional_text(fields["inference_profile"])
    if profile is not None and profile not in profiles:
        raise fields["inference_profile"].fail(f"one of the inference profiles ({', '.join(profiles)})")
    for task in fields["tasks"].texts():
        if task not in get_args(Task):
            raise fields["tasks"].fail(f"a list of {', '.join(get_args(Task))}")
    return BedrockCatalogModel(
        model_id=model_id,
        name=fields["name"].text(),
        family=cast("Family", _choice(fields["family"], get_args(Family))),
        tasks=cast("tuple[Task, ...]", fields["tasks"].texts()),
        status=cast("Status", _choice(fields["status"], get_args(Status))),
        legacy=_optional_date(fields["legacy"]),
        end_of_life=_optional_date(fields["end_of_life"]),
        regions=() if fields["regions"].value is None else fields["regions"].texts(),
        successors=() if fields["successors"].value == [] else fields["successors"].texts(),
        inference_profile=None if profile is None else profiles[profile],
        usd_per_image={}
        if price.value is None
        else {condition: value.price() for condition, value in price.mapping().items()},
    )


def _check(catalog: BedrockCatalog, entries: Mapping[str, CatalogValue]) -> None:
    for model_id, model in catalog.models.items():
        where = entries[model_id]
        unknown = [successor for successor in model.successors if successor not in catalog.models]
        if unknown:
            raise CatalogError(f"{where.where}.successors: the catalog has no model {', '.join(unknown)}")
        if model.status == "end-of-life" and model.end_of_life is None:
            raise CatalogError(f"{where.where}: a model at its end of life needs the date of it")
        if model.status == "legacy" and model.legacy is None:
            raise CatalogError(f"{where.where}: a legacy model needs the date since when it is one")
        if model.status != "end-of-life" and not model.callable_regions:
            raise CatalogError(f"{where.where}: a model that can be called needs its regions or an inference profile")


def _choice(value: CatalogValue, choices: tuple[str, ...]) -> str:
    text = value.text()
    if text not in choices:
        raise value.fail(f"one of {', '.join(choices)}")
    return text


def _optional_text(value: CatalogValue) -> str | None:
    return None if value.value is None else value.text()


def _optional_date(value: CatalogValue) -> str | None:
    return None if value.value is None else value.text(_DATE, "a date YYYY-MM-DD, or null")
