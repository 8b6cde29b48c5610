"""The catalog of Bedrock: what it serves, that it agrees with itself, and how strictly it is read."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacks.catalog import CatalogError
from stacks.catalog.bedrock import (
    BEDROCK_FILE,
    load_bedrock_catalog,
    parse_bedrock_catalog,
    read_bedrock_catalog,
)
from stacks.catalog.reader import CATALOG_DIRECTORY

pytestmark = pytest.mark.disable_socket

DOCUMENT = json.loads((CATALOG_DIRECTORY / BEDROCK_FILE).read_text())
SDXL, CORE, INPAINT = (
    "stability.stable-diffusion-xl-v1",
    "stability.stable-image-core-v1:1",
    "stability.stable-image-inpaint-v1:0",
)


def test_sdxl_has_reached_its_end_of_life_and_names_its_successors() -> None:
    sdxl = load_bedrock_catalog().model(SDXL)

    assert (sdxl.status, sdxl.legacy, sdxl.end_of_life) == ("end-of-life", "2024-10-16", "2025-05-20")
    assert sdxl.successors == (
        "stability.sd3-5-large-v1:0",
        "stability.stable-image-core-v1:1",
        "stability.stable-image-ultra-v1:1",
    )


def test_usable_models_by_task() -> None:
    catalog = load_bedrock_catalog()

    assert catalog.usable("text-to-image") == (
        "stability.sd3-5-large-v1:0",
        "stability.stable-image-core-v1:1",
        "stability.stable-image-ultra-v1:1",
    )
    assert catalog.usable("image-to-image") == ("stability.sd3-5-large-v1:0",)
    assert catalog.usable("masking") == (INPAINT,)


def test_successors_are_usable() -> None:
    catalog = load_bedrock_catalog()

    assert all(
        catalog.model(successor).status == "active"
        for model in catalog.models.values()
        for successor in model.successors
    )


def test_model_behind_an_inference_profile_is_called_by_the_profile() -> None:
    model = load_bedrock_catalog().model(INPAINT)

    assert model.invocation_id == f"us.{INPAINT}"
    assert load_bedrock_catalog().model(f"us.{INPAINT}") is model
    assert model.callable_regions == ("us-east-1", "us-east-2", "us-west-2")


def test_model_without_a_profile_is_called_by_its_id() -> None:
    core = load_bedrock_catalog().model(CORE)

    assert (core.invocation_id, core.callable_regions) == (CORE, ("us-west-2",))
    assert core.usd_per_image == {"any": 0.04}


def test_every_group_says_where_it_is_from_and_of_what_day() -> None:
    provenance = load_bedrock_catalog().provenance

    assert sorted(provenance) == ["bedrock.inference_profiles", "bedrock.models", "bedrock.prices"]
    assert all(group.source and group.as_of for group in provenance.values())


def test_every_usable_model_has_a_price() -> None:
    assert all(model.usd_per_image for model in load_bedrock_catalog().models.values() if model.status == "active")


def test_unknown_model_is_answered_with_a_close_one() -> None:
    with pytest.raises(CatalogError, match=r"Did you mean 'stability\.stable-image-core-v1:1'"):
        load_bedrock_catalog().model("stability.stable-image-core-v1:2")


def _set(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


MODELS = ("models", "models")

WRONG: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "status": (_set(*MODELS, CORE, "status", value="retired"), "expected one of active, legacy, end-of-life"),
    "family": (_set(*MODELS, CORE, "family", value="flux"), "expected one of sdxl-v1, stable-image"),
    "task": (_set(*MODELS, CORE, "tasks", value=["video"]), "expected a list of text-to-image"),
    "date": (_set(*MODELS, CORE, "legacy", value="2025-13-01"), "expected a date YYYY-MM-DD"),
    "successor": (_set(*MODELS, CORE, "successors", value=["nobody"]), "the catalog has no model nobody"),
    "profile": (_set(*MODELS, CORE, "inference_profile", value="eu.x"), "expected one of the inference profiles"),
    "no region": (_set(*MODELS, CORE, "regions", value=None), "needs its regions or an inference profile"),
    "no end": (_set(*MODELS, SDXL, "end_of_life", value=None), "needs the date of it"),
    "no legacy": (_set(*MODELS, CORE, "status", value="legacy"), "needs the date since when"),
    "price": (_set("prices", "usd_per_image", CORE, value={"any": 0}), "expected a number above 0"),
    "price of nobody": (_set("prices", "usd_per_image", "nobody", value=None), "unknown: nobody"),
    "surplus": (_set(*MODELS, CORE, "color", value="red"), "unknown: color"),
    "no source": (_set("models", "source", value=""), "expected a text that is not empty"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_catalog_is_refused(case: str) -> None:
    change, told = WRONG[case]
    document = copy.deepcopy(DOCUMENT)
    change(document)

    with pytest.raises(CatalogError) as caught:
        parse_bedrock_catalog(document)

    assert told in str(caught.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="Restore the file from version control"):
        read_bedrock_catalog(tmp_path / BEDROCK_FILE)
