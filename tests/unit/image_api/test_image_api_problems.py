"""A wrong request is answered with everything that is wrong with it, field by field, in the caller's convention."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from image_api.styles import Style
from image_api_fakes import ApplicationUnderTest, FakeRuntime, Reply
from image_api_forms import IMAGE_TO_IMAGE, MASKING, form, in_base64, picture, post_http, post_json

Make = Callable[..., ApplicationUnderTest]
GENERATIONS = "/v1/images/generations"


def problems(reply: Reply) -> dict[str, tuple[Any, str | None]]:
    """What was received and what is allowed, by field."""
    assert reply.status == 400
    found = reply.json["problems"]
    by_field = {problem["field"]: (problem["received"], problem["allowed"]) for problem in found}
    assert len(by_field) == len(found)
    return by_field


def test_seed_below_zero_is_one_problem(api: ApplicationUnderTest) -> None:
    reply = api.generate(seed=-1)

    message = "seed is -1, allowed is an integer from 0 to 4294967295. Change it, or leave it out for 0."
    assert reply.json["message"] == message
    assert reply.json["problems"] == [
        {"field": "seed", "message": message, "received": -1, "allowed": "an integer from 0 to 4294967295"}
    ]


def test_wrong_fields_are_listed_together(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    reply = api.generate(cfg_scale=99, steps="many", extra=1)

    assert problems(reply) == {
        "extra": (1, None),
        "cfg_scale": (99, "a number from 0 to 35"),
        "steps": ("many", "an integer from 10 to 150"),
    }
    assert reply.json["message"] == " ".join(problem["message"] for problem in reply.json["problems"])
    assert runtime.calls == []


def test_what_can_be_read_is_checked_across_fields_too(api: ApplicationUnderTest) -> None:
    reply = api.generate(
        steps=5,
        text_prompts=[{"text": " "}, {"text": "a", "weight": -1}],
        width=2048,
        height=2048,
        style_preset="cubist",
        extras={"use_refiner": False, "refiner_steps": 20},
    )

    found = problems(reply)
    assert list(found) == ["steps", "text_prompts[0].text", "style_preset", "extras.refiner_steps", "width"]
    assert found["width"] == ("2048x2048", "at most 1048576 pixels")


def test_field_that_cannot_be_read_is_not_checked_across_fields(api: ApplicationUnderTest) -> None:
    assert list(problems(api.generate(width=1000, height=4096))) == ["width"]
    assert list(problems(api.generate(text_prompts=[], steps=5))) == ["text_prompts", "steps"]
    assert list(problems(api.generate(extras={"use_refiner": False, "refiner_steps": 0}))) == ["extras.refiner_steps"]


def test_each_prompt_has_its_own_path(api: ApplicationUnderTest) -> None:
    prompts = [{"text": "a", "weight": "much"}, {"wieght": 1}]

    assert problems(api.generate(text_prompts=prompts)) == {
        "text_prompts[0].weight": ("much", "a number"),
        "text_prompts[1].wieght": (1, None),
        "text_prompts[1].text": (None, "a text of 1 to 2000 characters"),
    }


def test_images_and_parameters_are_checked_together(api: ApplicationUnderTest) -> None:
    fields = {"mask_source": "MASK_IMAGE_WHITE", "mask_image": in_base64(picture(64, 64)), "steps": 1}

    reply = post_json(api, MASKING, init_image=in_base64(picture(128, 128)), samples=0, **fields)

    assert problems(reply) == {
        "steps": (1, "an integer from 10 to 150"),
        "samples": (0, "an integer from 1 to 10"),
        "mask_image": ("64x64 pixels", "128x128 pixels"),
    }
    assert reply.json["name"] == "bad_request"


def test_form_lists_its_problems_as_json_does(api: ApplicationUnderTest) -> None:
    http = form({"text_prompts[0][text]": "a", "steps": "5", "image_strength": "2"}, {"init_image": picture(100, 100)})

    found = problems(post_http(api, IMAGE_TO_IMAGE, http))

    assert list(found) == ["steps", "image_strength", "init_image"]
    assert found["steps"] == (5, "an integer from 10 to 150")


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"a":1,"a":2}', "[" * 5000])
def test_body_that_is_no_object_is_one_problem_of_the_whole(api: ApplicationUnderTest, body: str) -> None:
    reply = api.post(body)

    (problem,) = reply.json["problems"]
    assert problem["field"] == ""
    assert problem["message"] == reply.json["message"]


def test_nothing_is_echoed_at_length(api: ApplicationUnderTest) -> None:
    prompt = "secret " * 1000
    many = {f"field_{number}_{'x' * 200}": prompt for number in range(500)}

    reply = api.generate(text_prompts=[{"text": prompt}], style_preset=prompt, sampler=[prompt], **many)

    assert reply.status == 400
    assert len(reply.json["problems"]) == 50
    assert len(reply.text) < 50_000
    assert all(len(str(problem["received"])) < 150 for problem in reply.json["problems"])
    image = in_base64(bytes(100_000))
    assert len(post_json(api, IMAGE_TO_IMAGE, init_image=image, mask_image=image).text) < 1_500


def test_what_the_model_cannot_do_is_listed_together(make_api: Make, runtime: FakeRuntime) -> None:
    api = make_api(model_source="open")

    reply = api.generate(sampler="DDIM", width=256, text_prompts=[{"text": "a"}, {"text": "b"}])

    assert list(problems(reply)) == ["sampler", "width", "text_prompts"]
    assert runtime.calls == []


def test_several_samples_as_png_are_a_problem_of_samples(api: ApplicationUnderTest) -> None:
    assert problems(api.generate(accept="image/png", samples=2)) == {"samples": (2, "1 with Accept: image/png")}


def test_style_is_checked_against_those_of_the_deployment(make_api: Make) -> None:
    api = make_api(styles=(Style("house", "Our own", "in the house style"),))

    assert api.generate(style_preset="house").status == 200
    received, allowed = problems(api.generate(style_preset="haus", steps=1))["style_preset"]
    assert received == "haus"
    assert "house" in str(allowed)


def test_other_errors_have_no_problems(api: ApplicationUnderTest) -> None:
    assert "problems" not in api.get("/v1/nothing").json
    assert "problems" not in api.post("{}", headers={"Content-Type": "text/plain"}).json


def openai_error(api: ApplicationUnderTest, **fields: Any) -> dict[str, Any]:
    reply = api.post(json.dumps({"prompt": "a puppy", **fields}), path=GENERATIONS)
    assert reply.status == 400
    assert reply.json.keys() == {"error"}
    error: dict[str, Any] = reply.json["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


def test_openai_message_has_all_problems_and_param_the_first(api: ApplicationUnderTest) -> None:
    error = openai_error(api, cfg_scale=99, size="1000 by 1000", style_preset="cubist", background="transparent")

    assert (error["param"], error["code"]) == ("cfg_scale", "invalid_value")
    for words in ("cfg_scale is 99", "background is", 'style_preset is "cubist"', 'size is "1000 by 1000"'):
        assert words in error["message"]


def test_openai_prompt_is_named_as_its_callers_name_it(api: ApplicationUnderTest) -> None:
    error = openai_error(api, prompt=" ", negative_prompt="\ud800", n=0)

    assert (error["param"], error["code"]) == ("n", "invalid_value")
    assert "prompt is" in error["message"]
    assert "negative_prompt holds half of a surrogate pair" in error["message"]
    assert "text_prompts" not in error["message"]


def test_openai_edit_lists_files_and_parameters_together(api: ApplicationUnderTest) -> None:
    http = form({"steps": "5", "size": "huge"}, {"image": b"no image", "mask": picture(128, 128)})

    error = post_http(api, "/v1/images/edits", http).json["error"]

    for words in ("steps is 5", "prompt is missing", "image is not a readable image", 'size is "huge"'):
        assert words in error["message"]
