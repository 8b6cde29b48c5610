"""Both model sources: what they are sent, what they refuse, and that they answer the same request alike."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from image_api.request import SAMPLERS
from image_api_fakes import ApplicationUnderTest, FakeRuntime, draw, png_base64

Make = Callable[..., ApplicationUnderTest]
SOURCES = ("optimized", "open")


@pytest.fixture
def open_api(make_api: Make) -> ApplicationUnderTest:
    return make_api(model_source="open")


def test_optimized_payload_is_complete(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    api.generate(
        text_prompts=[{"text": "a puppy"}, {"text": "a kitten", "weight": 0.5}, {"text": "blurry", "weight": -1}],
        width=1344,
        height=768,
        cfg_scale=8.5,
        steps=30,
        seed=7,
        sampler="DDIM",
        style_preset="anime",
        clip_guidance_preset="FAST_BLUE",
    )

    (call,) = runtime.calls
    assert call["EndpointName"] == "sdxl-dev"
    assert call["ContentType"] == "application/json"
    assert call["Accept"] == "application/json;png"
    assert json.loads(call["Body"]) == {
        "text_prompts": [
            {"text": "a puppy", "weight": 1.0},
            {"text": "a kitten", "weight": 0.5},
            {"text": "blurry", "weight": -1.0},
        ],
        "width": 1344,
        "height": 768,
        "cfg_scale": 8.5,
        "steps": 30,
        "seed": 7,
        "sampler": "DDIM",
        "samples": 1,
        "style_preset": "anime",
    }


def test_open_payload_is_complete(open_api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    open_api.generate(
        text_prompts=[{"text": "a puppy"}, {"text": "blurry", "weight": -0.5}],
        seed=7,
        extras={"refiner_steps": 30, "refiner_strength": 0.3},
    )

    (call,) = runtime.calls
    assert call["Accept"] == "application/json"
    assert json.loads(call["Body"]) == {
        "text_prompts": [{"text": "a puppy", "weight": 1.0}, {"text": "blurry", "weight": -0.5}],
        "width": 1024,
        "height": 1024,
        "cfg_scale": 7.0,
        "steps": 50,
        "seed": 7,
        "sampler": "DPMPP2MSampler",
        "use_refiner": True,
        "refiner_steps": 30,
        "refiner_strength": 0.3,
    }


@pytest.mark.parametrize(
    ("extras", "used"), [({}, True), ({"use_refiner": True}, True), ({"use_refiner": False}, False)]
)
def test_refiner_runs_unless_switched_off(
    open_api: ApplicationUnderTest, runtime: FakeRuntime, extras: dict[str, bool], used: bool
) -> None:
    assert open_api.generate(extras=extras).status == 200

    assert runtime.payloads[0]["use_refiner"] is used
    assert "refiner_steps" not in runtime.payloads[0]


_OPEN_SAMPLERS = {
    "K_DPMPP_2M": "DPMPP2MSampler",
    "K_DPMPP_2S_ANCESTRAL": "DPMPP2SAncestralSampler",
    "K_EULER": "EulerEDMSampler",
    "K_EULER_ANCESTRAL": "EulerAncestralSampler",
    "K_HEUN": "HeunEDMSampler",
    "K_LMS": "LinearMultistepSampler",
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_optimized_has_every_sampler(api: ApplicationUnderTest, runtime: FakeRuntime, sampler: str) -> None:
    assert api.generate(sampler=sampler).status == 200
    assert runtime.payloads[0]["sampler"] == sampler


@pytest.mark.parametrize(("sampler", "model_name"), _OPEN_SAMPLERS.items())
def test_open_names_samplers_by_their_classes(
    open_api: ApplicationUnderTest, runtime: FakeRuntime, sampler: str, model_name: str
) -> None:
    assert open_api.generate(sampler=sampler).status == 200
    assert runtime.payloads[0]["sampler"] == model_name


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - _OPEN_SAMPLERS.keys()))
def test_open_says_which_samplers_it_has(open_api: ApplicationUnderTest, runtime: FakeRuntime, sampler: str) -> None:
    reply = open_api.generate(sampler=sampler)

    assert reply.error == (400, "bad_request")
    assert reply.json["message"] == (
        f"sampler is {sampler}, but the deployed model source, open, has only K_DPMPP_2M, K_DPMPP_2S_ANCESTRAL, "
        "K_EULER, K_EULER_ANCESTRAL, K_HEUN, K_LMS; the optimized variant (model.source: optimized) can. "
        "Choose one of these."
    )
    assert runtime.calls == []


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"width": 256}, "invalid_height_or_width", "256x1024"),
        ({"height": 128}, "invalid_height_or_width", "at least 320"),
        ({"text_prompts": [{"text": "a"}, {"text": "b"}]}, "invalid_prompts", "2 prompts with a weight of 0 or more"),
        (
            {"text_prompts": [{"text": "a"}, {"text": "b", "weight": 0}]},
            "invalid_prompts",
            "2 prompts with a weight of 0 or more",
        ),
        (
            {"text_prompts": [{"text": "a"}, {"text": "b", "weight": -1}, {"text": "c", "weight": -1}]},
            "invalid_prompts",
            "2 with a negative weight",
        ),
    ],
    ids=str,
)
def test_open_says_that_optimized_can(
    make_api: Make, runtime: FakeRuntime, fields: dict[str, Any], name: str, words: str
) -> None:
    reply = make_api(model_source="open").generate(**fields)

    assert reply.error == (400, name)
    assert words in reply.json["message"]
    assert "the optimized variant (model.source: optimized) can" in reply.json["message"]
    assert runtime.calls == []
    assert make_api(model_source="optimized").generate(**fields).status == 200


def test_optimized_says_that_open_has_a_refiner(make_api: Make, runtime: FakeRuntime) -> None:
    fields: dict[str, Any] = {"extras": {"use_refiner": True, "refiner_steps": 20}}

    reply = make_api(model_source="optimized").generate(**fields)

    assert reply.error == (400, "bad_request")
    assert reply.json["message"] == (
        "extras has use_refiner, refiner_steps, but the deployed model source, optimized, has no refiner settings; "
        "the open variant (model.source: open) has. Leave extras out."
    )
    assert runtime.calls == []
    assert make_api(model_source="open").generate(**fields).status == 200


def test_both_sources_answer_the_same_request_alike(make_api: Make) -> None:
    fields: dict[str, Any] = {
        "text_prompts": [{"text": "a puppy"}, {"text": "blurry", "weight": -1}],
        "samples": 3,
        "seed": 4294967294,
        "clip_guidance_preset": "SLOW",
        "extras": {},
    }

    optimized, open_ = (make_api(model_source=source).generate(**fields) for source in SOURCES)

    assert optimized.text == open_.text
    assert optimized.headers == open_.headers
    assert optimized.json == {
        "artifacts": [
            {"base64": png_base64(f"seed {seed}".encode()), "seed": seed, "finishReason": "SUCCESS"}
            for seed in (4294967294, 4294967295, 1)
        ]
    }


@pytest.mark.parametrize("source", SOURCES)
def test_each_sample_is_an_invocation_with_a_seed_of_its_own(make_api: Make, runtime: FakeRuntime, source: str) -> None:
    make_api(model_source=source).generate(samples=10, seed=100)

    assert [payload["seed"] for payload in runtime.payloads] == list(range(100, 110))


@pytest.mark.parametrize("source", SOURCES)
def test_random_seed_is_drawn_here_and_named_in_the_answer(make_api: Make, runtime: FakeRuntime, source: str) -> None:
    api = make_api(model_source=source)

    seeds = [api.generate(seed=0).json["artifacts"][0]["seed"] for _ in range(2)]

    assert sorted(seeds) == [payload["seed"] for payload in runtime.payloads]
    assert seeds[0] != seeds[1]
    assert 0 not in seeds


@pytest.mark.parametrize("source", SOURCES)
def test_samples_are_drawn_side_by_side_and_answered_in_order(
    make_api: Make, runtime: FakeRuntime, source: str
) -> None:
    all_started = threading.Barrier(4, timeout=10)
    last_answered = threading.Event()

    def answer_last_first(payload: dict[str, Any]) -> bytes:
        all_started.wait()
        if payload["seed"] == 4:
            last_answered.set()
        else:
            assert last_answered.wait(10)
        return draw(payload)

    runtime.answer = answer_last_first

    artifacts = make_api(model_source=source).generate(samples=4, seed=1).json["artifacts"]

    assert [artifact["seed"] for artifact in artifacts] == [1, 2, 3, 4]
    assert [artifact["base64"] for artifact in artifacts] == [png_base64(f"seed {n}".encode()) for n in range(1, 5)]
