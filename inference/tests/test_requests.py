"""What a body may say, and how each wrong one is named."""

import base64
import io
import json

import pytest
from PIL import Image

from inference.requests import CONTRACT, InvalidRequestError, Offer, Prompt, parse
from inference.tests.support import body, file_of, picture

OFFER = Offer(frozenset({"tiny-style", "other"}), frozenset({"canny"}))
INIT = file_of(picture())
CLEAR = file_of(picture(mode="RGBA"))


def problems(**fields):
    with pytest.raises(InvalidRequestError) as raised:
        parse(body(**fields), OFFER)
    return {problem.field: problem.message for problem in raised.value.problems}


def test_a_body_with_a_prompt_alone_has_the_apis_defaults():
    request = parse(b'{"text_prompts": [{"text": "a puppy"}]}', OFFER)
    assert (request.width, request.height, request.steps) == (1024, 1024, CONTRACT["default_steps"])
    assert (request.cfg_scale, request.sampler) == (CONTRACT["default_cfg_scale"], CONTRACT["default_sampler"])
    assert request.prompts == (Prompt("a puppy", 1.0),)
    assert (request.start, request.end, request.init, request.mask) == (1.0, 0.0, None, None)
    assert len(request.seeds) == 1


def test_samples_have_seeds_that_follow_each_other():
    assert parse(body(seed=5, samples=3), OFFER).seeds == (5, 6, 7)
    assert parse(body(seed=2**32 - 1, samples=2), OFFER).seeds == (2**32 - 1, 1)


def test_seed_0_draws_one():
    drawn = {parse(body(seed=0), OFFER).seeds[0] for _ in range(5)}
    assert len(drawn) > 1
    assert 0 not in drawn


def test_a_style_adds_words_and_its_parameters_where_none_are_given(monkeypatch):
    style = {"prompt": "in ink", "negative": "colour", "parameters": {"steps": 33, "cfg_scale": 4}}
    monkeypatch.setitem(CONTRACT, "styles", {"ink": style})
    fields = {"text_prompts": [{"text": "a puppy"}, {"text": "snow", "weight": 2}], "style_preset": "ink"}
    request = parse(body(**fields), OFFER)
    assert request.prompts == (Prompt("a puppy, in ink"), Prompt("snow, in ink", 2.0), Prompt("colour", -1.0))
    assert (request.steps, request.cfg_scale) == (10, 4)
    fields["text_prompts"].append({"text": "red", "weight": -2})
    assert parse(body(**fields), OFFER).prompts[-1] == Prompt("red, colour", -2.0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"text_prompts": []}, "text_prompts"),
        ({"text_prompts": "a puppy"}, "text_prompts"),
        ({"text_prompts": [{"text": "a", "weight": -1}]}, "text_prompts"),
        ({"text_prompts": [{"text": " "}]}, "text_prompts[0].text"),
        ({"text_prompts": [{"text": 3}]}, "text_prompts[0].text"),
        ({"text_prompts": [{"text": "a"}, {"text": "b", "weight": "1"}]}, "text_prompts[1].weight"),
        ({"text_prompts": [{"text": "a", "colour": "red"}]}, "text_prompts[0]"),
        ({"width": 130}, "width"),
        ({"height": 64}, "height"),
        ({"width": True}, "width"),
        ({"width": 1344, "height": 1344}, "width"),
        ({"cfg_scale": 36}, "cfg_scale"),
        ({"cfg_scale": "7"}, "cfg_scale"),
        ({"steps": 9}, "steps"),
        ({"steps": 10.5}, "steps"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"sampler": "EULER"}, "sampler"),
        ({"sampler": ["DDIM"]}, "sampler"),
        ({"samples": 11}, "samples"),
        ({"style_preset": "baroque"}, "style_preset"),
        ({"clip_guidance_preset": "FASTEST"}, "clip_guidance_preset"),
        ({"extras": {"use_refiner": True}}, "extras"),
        ({"extras": {"speed": 3}}, "extras"),
        ({"colour": "red"}, "colour"),
        ({"image_strength": 0.5}, "image_strength"),
        ({"mask_source": "MASK_IMAGE_WHITE"}, "mask_source"),
        ({"init_image": "?"}, "init_image"),
        ({"init_image": 3}, "init_image"),
        ({"init_image": INIT[:400]}, "init_image"),
        ({"init_image": file_of(picture(), "GIF")}, "init_image"),
        ({"init_image": file_of(Image.new("RGB", (130, 128)))}, "init_image"),
        ({"init_image": file_of(Image.new("RGB", (1344, 1344)))}, "init_image"),
        ({"init_image": file_of(Image.new("1", (8192, 8192)))}, "init_image"),
        ({"init_image": INIT, "width": 128}, "width"),
        ({"init_image": INIT, "image_strength": 1.5}, "image_strength"),
        ({"init_image": INIT, "init_image_mode": "NONE"}, "init_image_mode"),
        ({"init_image": INIT, "step_schedule_start": 0.5}, "step_schedule_start"),
        ({"init_image": INIT, "init_image_mode": "STEP_SCHEDULE", "image_strength": 0.5}, "image_strength"),
        ({"init_image": INIT, "init_image_mode": "STEP_SCHEDULE", "step_schedule_end": 0.7}, "step_schedule_end"),
        ({"init_image": INIT, "mask_image": INIT}, "mask_image"),
        ({"init_image": INIT, "mask_source": "MASK_IMAGE_WHITE"}, "mask_image"),
        ({"init_image": INIT, "mask_source": "MASK_IMAGE_WHITE", "mask_image": "?"}, "mask_image"),
        ({"init_image": INIT, "mask_source": "MASK_IMAGE_BLACK", "mask_image": file_of(picture(192))}, "mask_image"),
        ({"init_image": INIT, "mask_source": "INIT_IMAGE_ALPHA"}, "mask_source"),
        ({"init_image": CLEAR, "mask_source": "INIT_IMAGE_ALPHA", "mask_image": INIT}, "mask_image"),
        ({"init_image": INIT, "mask_source": "ALPHA"}, "mask_source"),
        ({"loras": "tiny-style"}, "loras"),
        ({"loras": [{"name": "tiny-style"}] * 5}, "loras"),
        ({"loras": [{"name": "tiny-style"}] * 2}, "loras[1].name"),
        ({"loras": [{"name": "unknown"}]}, "loras[0].name"),
        ({"loras": [{"name": "tiny-style", "weight": 3}]}, "loras[0].weight"),
        ({"loras": [{"weight": 1}]}, "loras[0]"),
        ({"control_type": "canny"}, "control_type"),
        ({"control_image": INIT}, "control_type"),
        ({"control_image": INIT, "control_type": "depth"}, "control_type"),
        ({"control_image": INIT, "control_type": "canny", "control_strength": 3}, "control_strength"),
        ({"control_image": file_of(picture(192)), "control_type": "canny"}, "control_image"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_field_is_named(fields, field):
    found = problems(**fields)
    assert set(found) == {field}
    assert field in found[field] or "x" in found[field]


def test_all_wrong_fields_are_named_at_once():
    assert set(problems(steps=1, sampler="x", seed=-1, nonsense=1)) == {"steps", "sampler", "seed", "nonsense"}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"[" * 100_000], ids=str)
def test_what_is_not_a_json_object_is_refused(text):
    with pytest.raises(InvalidRequestError):
        parse(text, OFFER)


def test_null_is_as_good_as_left_out():
    fields = json.loads(body()) | {"style_preset": None, "init_image": None, "seed": 5}
    assert parse(json.dumps(fields).encode(), OFFER).seeds == (5,)


def test_adapters_have_one_order():
    first = parse(body(loras=[{"name": "tiny-style"}, {"name": "other", "weight": 0.5}]), OFFER)
    second = parse(body(loras=[{"name": "other", "weight": 0.5}, {"name": "tiny-style"}]), OFFER)
    assert first.loras == second.loras


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_init_image_may_be_of_each_format(kind):
    request = parse(body(init_image=file_of(picture(192), kind)), OFFER)
    assert (request.width, request.height, request.init.mode) == (192, 128, "RGB")


def test_a_picture_is_read_upright():
    turned = Image.Exif()
    turned[0x0112] = 6
    image = picture(192)
    file = io.BytesIO()
    image.save(file, "JPEG", exif=turned)
    request = parse(body(init_image=base64.b64encode(file.getvalue()).decode()), OFFER)
    assert (request.width, request.height) == (128, 192)
