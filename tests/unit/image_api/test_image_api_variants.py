"""Several variants behind one API: who draws, in which form, and what is told of it."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from image_api.backends.variants import VariantBackend, WeightedBackend
from image_api.errors import UnsupportedByModelError
from image_api.settings import SettingsError, VariantSettings, load_settings
from image_api_fakes import FakeRuntime

VARIANTS = (
    VariantSettings(name="primary", source="open", weight=0.9),
    VariantSettings(name="challenger", source="optimized", weight=0.1),
)
MASKING = "/v1/generation/stable-diffusion-xl-1024-v1-0/image-to-image/masking"


class Able:
    """A backend that does every request but those that it is told to refuse."""

    def __init__(self, name: str, refuses: bool = False) -> None:
        self.name, self.refuses = name, refuses

    def check(self, request: object) -> None:
        if self.refuses:
            raise UnsupportedByModelError(f"{self.name} cannot")

    def generate(self, request: object, deadline: object, drawn: object) -> str:
        return self.name


def chosen(point: float, *variants: tuple[Able, float]) -> object:
    backend = VariantBackend([WeightedBackend(*variant) for variant in variants], draw=lambda: point)
    return backend.generate(None, None)


@pytest.mark.parametrize(
    ("point", "name"), [(0.0, "a"), (0.2999, "a"), (0.3, "b"), (0.8999, "b"), (0.9, "c"), (0.999999, "c")]
)
def test_weights_share_the_requests(point: float, name: str) -> None:
    assert chosen(point, (Able("a"), 3.0), (Able("b"), 6.0), (Able("c"), 1.0)) == name


def test_a_variant_of_weight_zero_takes_no_request_that_another_can_do() -> None:
    assert {chosen(point / 100, (Able("a"), 0.0), (Able("b"), 1.0)) for point in range(100)} == {"b"}
    assert chosen(0.5, (Able("a"), 0.0), (Able("b", refuses=True), 1.0)) == "a"


def test_who_cannot_do_a_request_takes_no_part() -> None:
    assert {chosen(point / 100, (Able("a", refuses=True), 9.0), (Able("b"), 1.0)) for point in range(100)} == {"b"}


def test_where_none_can_the_first_one_says_why() -> None:
    with pytest.raises(UnsupportedByModelError, match="a cannot"):
        chosen(0.5, (Able("a", refuses=True), 1.0), (Able("b", refuses=True), 1.0))


def test_each_variant_is_asked_by_name_in_its_own_form(make_api, runtime: FakeRuntime) -> None:
    api = make_api(model_source="open", variants=VARIANTS)

    seen: Counter[str] = Counter()
    for _ in range(120):
        reply = api.generate(seed=1)
        seen[reply.headers["x-sdxl-variant"]] += 1

    assert seen["primary"] > seen["challenger"] > 0
    targets = {call["TargetVariant"]: json.loads(call["Body"]) for call in runtime.calls}
    assert targets.keys() == {"primary", "challenger"}
    assert "samples" not in targets["primary"]
    assert targets["challenger"]["sampler"] == "K_DPMPP_2M"
    assert targets["primary"]["sampler"] == "DPMPP2MSampler"


def test_all_samples_of_a_request_come_from_one_variant(make_api, runtime: FakeRuntime) -> None:
    api = make_api(model_source="open", variants=VARIANTS)

    api.generate(samples=4)

    assert len({call["TargetVariant"] for call in runtime.calls}) == 1


def test_a_style_is_words_for_every_variant_where_one_does_not_know_it(make_api, runtime: FakeRuntime) -> None:
    api = make_api(model_source="open", variants=VARIANTS)

    for _ in range(40):
        api.generate(style_preset="photographic")

    bodies = [json.loads(call["Body"]) for call in runtime.calls]
    assert all("style_preset" not in body for body in bodies)
    assert all("puppy, " in body["text_prompts"][0]["text"] for body in bodies)


def test_presets_tell_what_one_of_the_variants_can(make_api) -> None:
    alone = make_api(model_source="open", masks="refuse").get("/v1/presets").json
    together = make_api(model_source="open", variants=VARIANTS).get("/v1/presets").json

    assert alone["operations"] == ["text-to-image", "image-to-image"]
    assert together["operations"] == ["text-to-image", "image-to-image", "masking"]
    assert all(sampler["supported"] for sampler in together["samplers"])


def test_metrics_tell_the_variants_apart(make_api) -> None:
    api = make_api(model_source="open", variants=VARIANTS)

    for _ in range(60):
        api.generate()

    drawn = {(record["variant"], record["source"]) for record in api.published if "Images" in record}
    assert drawn == {("primary", "open"), ("challenger", "optimized")}


def test_with_one_variant_nothing_is_asked_for_by_name_and_no_header_tells(api, runtime: FakeRuntime) -> None:
    reply = api.generate()

    assert "TargetVariant" not in runtime.calls[0]
    assert "x-sdxl-variant" not in reply.headers


@pytest.mark.parametrize(
    "value", ['[{"name": "a"}]', '[{"name": "a", "source": "bedrock", "weight": 1}]', "[1]", '{"a": 1}']
)
def test_variables_that_cannot_be_read_are_named(value: str) -> None:
    with pytest.raises(SettingsError, match="SDXL_VARIANTS is"):
        load_settings({"SDXL_VARIANTS": value})
