"""The prompt layer: styles become words where a model has none, and refused terms are found in every spelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from image_api.request import STYLE_PRESETS
from image_api.styles import BUILT_IN_STYLES, Style, StyleParameters
from image_api_fakes import ApplicationUnderTest, FakeRuntime
from image_api_forms import IMAGE_TO_IMAGE, form, picture, post_http

Make = Callable[..., ApplicationUnderTest]
HOUSE = Style(
    "house",
    "Our own",
    prompt="in the house style",
    negative="clutter",
    parameters=StyleParameters(cfg_scale=6.0, steps=40, sampler="K_EULER"),
)
PLAIN = Style("plain", "Words only", prompt="plain words")


def _texts(payload: dict[str, Any]) -> list[tuple[str, float]]:
    return [(prompt["text"], prompt["weight"]) for prompt in payload["text_prompts"]]


def test_every_style_of_that_api_has_our_wording() -> None:
    assert tuple(style.name for style in BUILT_IN_STYLES) == STYLE_PRESETS
    for style in BUILT_IN_STYLES:
        assert style.description
        assert style.prompt
        assert style.negative
        assert len(style.prompt) + len(style.negative) < 300


@pytest.mark.parametrize("name", STYLE_PRESETS)
def test_optimized_has_the_styles_itself(api: ApplicationUnderTest, runtime: FakeRuntime, name: str) -> None:
    assert api.generate(style_preset=name).status == 200
    assert runtime.payloads[0]["style_preset"] == name
    assert _texts(runtime.payloads[0]) == [("a puppy", 1.0)]


@pytest.mark.parametrize("style", BUILT_IN_STYLES, ids=lambda style: style.name)
def test_open_gets_the_styles_in_words(make_api: Make, runtime: FakeRuntime, style: Style) -> None:
    assert make_api(model_source="open").generate(style_preset=style.name).status == 200

    (payload,) = runtime.payloads
    assert "style_preset" not in payload
    assert _texts(payload) == [(f"a puppy, {style.prompt}", 1.0), (style.negative, -1.0)]


def test_plain_puppy_becomes_a_photograph(make_api: Make, runtime: FakeRuntime) -> None:
    make_api(model_source="open").generate(text_prompts=[{"text": "puppy"}], style_preset="photographic")

    assert "photograph" in runtime.payloads[0]["text_prompts"][0]["text"]


def test_words_join_the_callers_negative_prompt(make_api: Make, runtime: FakeRuntime) -> None:
    prompts = [{"text": "a puppy", "weight": 0.8}, {"text": "blurry", "weight": -0.5}]

    make_api(model_source="open", styles=(HOUSE,)).generate(text_prompts=prompts, style_preset="house")

    assert _texts(runtime.payloads[0]) == [("a puppy, in the house style", 0.8), ("blurry, clutter", -0.5)]


@pytest.mark.parametrize("source", ["optimized", "open"])
def test_teams_style_works_on_every_source(make_api: Make, runtime: FakeRuntime, source: str) -> None:
    api = make_api(model_source=source, styles=(HOUSE,))

    assert api.generate(style_preset="house").status == 200

    (payload,) = runtime.payloads
    assert "style_preset" not in payload
    assert _texts(payload) == [("a puppy, in the house style", 1.0), ("clutter", -1.0)]
    assert (payload["cfg_scale"], payload["steps"]) == (6.0, 40)
    assert payload["sampler"] in ("K_EULER", "EulerEDMSampler")


def test_callers_parameters_win_over_the_styles_even_where_they_are_defaults(
    make_api: Make, runtime: FakeRuntime
) -> None:
    make_api(styles=(HOUSE,)).generate(style_preset="house", cfg_scale=7, steps=50)

    (payload,) = runtime.payloads
    assert (payload["cfg_scale"], payload["steps"], payload["sampler"]) == (7.0, 50, "K_EULER")


def test_style_without_negative_words_adds_no_prompt(make_api: Make, runtime: FakeRuntime) -> None:
    prompts = [{"text": "a"}, {"text": "b", "weight": 0}, {"text": "c", "weight": -1}]

    make_api(styles=(PLAIN,)).generate(text_prompts=prompts, style_preset="plain")

    assert _texts(runtime.payloads[0]) == [("a, plain words", 1.0), ("b", 0.0), ("c", -1.0)]


def test_style_works_with_an_init_image_in_a_form(make_api: Make, runtime: FakeRuntime) -> None:
    http = form({"text_prompts[0][text]": "a puppy", "style_preset": "house"}, {"init_image": picture()})

    assert post_http(make_api(model_source="open", styles=(HOUSE,)), IMAGE_TO_IMAGE, http).status == 200
    assert runtime.payloads[0]["text_prompts"][0]["text"] == "a puppy, in the house style"


def test_unknown_style_names_the_teams_too(make_api: Make, runtime: FakeRuntime) -> None:
    reply = make_api(styles=(HOUSE,)).generate(style_preset="haus")

    assert reply.error == (400, "bad_request")
    assert 'style_preset is "haus", allowed is one of 3d-model' in reply.json["message"]
    assert "house" in reply.json["message"]
    assert runtime.calls == []


def test_words_of_a_style_that_the_model_does_not_read_are_warned_about(make_api: Make, runtime: FakeRuntime) -> None:
    reply = make_api(styles=(HOUSE,)).generate(text_prompts=[{"text": "a" * 1990}], style_preset="house")

    assert reply.status == 200
    assert len(runtime.payloads[0]["text_prompts"][0]["text"]) == 2000
    assert "the first 2000 of its" in reply.headers["x-sdxl-warning"]


@pytest.mark.parametrize(
    "text",
    [
        "a gun",
        "GUN",
        "a gun.",
        "(gun)",
        "gun-shaped",
        "toy_gun",
        "ｇｕｎ",  # noqa: RUF001 -- letters of double width are the point
        "g\u00adu\u200bn",
        "\U0001d520\U0001d532\U0001d52b".replace("\U0001d520", "\U0001d524"),
        "a machine   rifle!",
        "machine-rifle",
        "Machine\nRifle",
        "eine große STRASSE",
        "一把手枪在桌上",
    ],
)
def test_refused_term_is_found(make_api: Make, runtime: FakeRuntime, text: str) -> None:
    api = make_api(refused_terms=("Gun", "machine rifle", "straße", "手枪"))

    reply = api.generate(text_prompts=[{"text": "a puppy"}, {"text": text}])

    assert reply.error == (400, "invalid_prompts")
    assert "text_prompts[1].text" in reply.json["message"]
    assert "rifle" not in reply.json["message"]
    assert runtime.calls == []


@pytest.mark.parametrize("text", ["begun", "gunner", "a rifle machine", "machine of a rifle", "g u n", "puppy"])
def test_other_words_are_not(make_api: Make, text: str) -> None:
    assert make_api(refused_terms=("gun", "machine rifle")).generate(text_prompts=[{"text": text}]).status == 200


def test_negative_prompts_are_looked_at_too(make_api: Make) -> None:
    prompts = [{"text": "a puppy"}, {"text": "gun", "weight": -1}]

    reply = make_api(refused_terms=("gun",)).generate(text_prompts=prompts, cfg_scale=0)

    assert reply.error == (400, "invalid_prompts")


def test_styles_own_words_are_not_looked_at(make_api: Make) -> None:
    assert make_api(refused_terms=("clutter",), styles=(HOUSE,)).generate(style_preset="house").status == 200


def test_refusal_is_logged_without_the_prompt(make_api: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        make_api(refused_terms=("gun",)).generate(text_prompts=[{"text": "secret gun"}])

    (record,) = caplog.records
    assert record.__dict__["error_name"] == "invalid_prompts"
    assert "secret" not in str(record.__dict__)


def _default_ignorable() -> list[str]:
    """One character of each range that Unicode shows as nothing, and the ends of the largest."""
    points = (0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x180B, 0x180F, 0x200B, 0x200D, 0x202E, 0x2060, 0x2065)
    points += (0x206F, 0x3164, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF0, 0x1BCA0, 0x1D173, 0xE0000, 0xE0041, 0xE0FFF)
    return [chr(point) for point in points]


@pytest.mark.parametrize("invisible", _default_ignorable(), ids=lambda character: f"U+{ord(character):04X}")
def test_character_that_is_shown_as_nothing_does_not_hide_a_term(make_api: Make, invisible: str) -> None:
    api = make_api(refused_terms=("gun",))

    assert api.generate(text_prompts=[{"text": f"a g{invisible}u{invisible}n"}]).error == (400, "invalid_prompts")


def test_term_that_is_split_over_prompts_is_found(make_api: Make) -> None:
    api = make_api(refused_terms=("machine rifle",))

    split = [{"text": "a machine"}, {"text": "rifle on a table"}]
    assert api.generate(text_prompts=split).error == (400, "invalid_prompts")
    negative = [{"text": "a table"}, {"text": "machine", "weight": -1}, {"text": "rifle", "weight": -0.5}]
    assert api.generate(text_prompts=negative).error == (400, "invalid_prompts")
    apart = [{"text": "a machine"}, {"text": "rifle", "weight": -1}]
    assert api.generate(text_prompts=apart).status == 200
