"""What can be asked for: which route a request takes, what it becomes on the wire, and what cannot be sent."""

import base64
import json

import pytest

from sdxl import GenerationRequest, InvalidRequestError, TextPrompt
from sdxl.client.requests import read_image

FOX = (TextPrompt("a fox"),)


def request(**fields):
    return GenerationRequest(text_prompts=FOX, **fields)


def test_unset_fields_are_left_out_and_zero_is_kept():
    prompts = (TextPrompt("a"), TextPrompt("b", -1.0))
    assert GenerationRequest(text_prompts=prompts, seed=0, cfg_scale=0.0).body() == {
        "text_prompts": [{"text": "a", "weight": 1.0}, {"text": "b", "weight": -1.0}],
        "seed": 0,
        "cfg_scale": 0.0,
    }


def test_every_text_to_image_field_keeps_its_name_on_the_wire():
    fields = {
        "size": "tall",
        "samples": 2,
        "steps": 30,
        "sampler": "DDIM",
        "style_preset": "anime",
        "extras": {"use_refiner": False},
    }
    assert request(**fields).body() == {"text_prompts": [{"text": "a fox", "weight": 1.0}], **fields}


@pytest.mark.parametrize(
    ("fields", "operation"),
    [
        ({}, "text-to-image"),
        ({"init_image": b"x"}, "image-to-image"),
        ({"init_image": b"x", "mask": b"y"}, "masking"),
        ({"init_image": b"x", "mask_source": "INIT_IMAGE_ALPHA"}, "masking"),
    ],
)
def test_what_a_request_holds_decides_what_it_asks_for(fields, operation):
    assert request(**fields).operation == operation


@pytest.mark.parametrize("kind", ["bytes", "path", "text"])
def test_images_are_given_as_bytes_or_paths(tmp_path, png, kind):
    path = tmp_path / "fox.png"
    path.write_bytes(png)
    source = {"bytes": png, "path": path, "text": str(path)}[kind]
    body = request(init_image=source, mask=source, init_image_mode="STEP_SCHEDULE", step_schedule_start=0.5).body()
    encoded = base64.b64encode(png).decode()
    assert (body["init_image"], body["mask_image"], body["mask_source"]) == (encoded, encoded, "MASK_IMAGE_WHITE")
    assert (body["init_image_mode"], body["step_schedule_start"]) == ("STEP_SCHEDULE", 0.5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": "tall", "width": 1024}, "Both size and width or height"),
        ({"size": "tall", "init_image": b"x"}, "size is given with init_image, whose own size is kept"),
        ({"height": 64, "init_image": b"x"}, "height is given with init_image"),
        ({"mask": b"x"}, "mask needs init_image"),
        ({"mask_source": "MASK_IMAGE_WHITE"}, "mask_source needs init_image"),
        ({"image_strength": 0.0}, "image_strength needs init_image"),
        ({"init_image": b"x", "mask_source": "MASK_IMAGE_BLACK"}, "mask_source MASK_IMAGE_BLACK needs mask"),
        ({"init_image": b"x", "mask": b"x", "mask_source": "INIT_IMAGE_ALPHA"}, "takes the mask from init_image"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields, message):
    with pytest.raises(InvalidRequestError, match=message):
        request(**fields)


@pytest.mark.parametrize("prompts", ["a fox", ("a fox",)])
def test_prompts_that_are_bare_text_are_refused(prompts):
    with pytest.raises(InvalidRequestError, match="sequence of TextPrompt"):
        GenerationRequest(text_prompts=prompts)


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBPVP8 "])
def test_jpeg_and_webp_are_images_too(data):
    assert read_image("init_image", data) == data


@pytest.mark.parametrize("data", [b"", b"hello", b"RIFF\x00\x00\x00\x00WAVE", b"GIF89a"])
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(InvalidRequestError, match="init_image is not an image"):
        read_image("init_image", data)


@pytest.mark.parametrize("path", ["missing.png", ".", "x" * 5000, "nul\0.png"])
def test_a_path_that_cannot_be_read_is_named(path):
    with pytest.raises(InvalidRequestError, match=r"init_image '.*' cannot be read"):
        read_image("init_image", path)


@pytest.mark.parametrize(
    "example",
    [
        (
            "text_to_image",
            {"style": "photographic", "size": "widescreen", "negative": "blur", "steps": 30},
            "text-to-image",
            {"style_preset": "photographic", "size": "widescreen", "steps": 30},
        ),
        ("image_to_image", {"strength": 0.0, "seed": 5}, "image-to-image", {"image_strength": 0.0, "seed": 5}),
        ("inpaint", {"mask": True}, "image-to-image/masking", {"mask_source": "MASK_IMAGE_WHITE"}),
        ("inpaint", {"mask_source": "INIT_IMAGE_ALPHA"}, "image-to-image/masking", {"mask_source": "INIT_IMAGE_ALPHA"}),
    ],
)
def test_the_short_ways_to_ask(connect, api, png, example):
    call, arguments, path, fields = example
    if arguments.get("mask"):
        arguments = {**arguments, "mask": png}
    images = () if call == "text_to_image" else (png,)
    with connect(api.handle) as client:
        assert getattr(client, call)(*images, "puppy", idempotency_key="mine", **arguments).images
    (sent,) = api.requests
    assert sent.url.path == f"/api/v1/generation/stable-diffusion-xl-1024-v1-0/{path}"
    assert sent.headers["idempotency-key"] == "mine"
    body = json.loads(sent.content)
    assert body.pop("text_prompts")[0] == {"text": "puppy", "weight": 1.0}
    assert {name: value for name, value in body.items() if name not in ("init_image", "mask_image")} == fields
    assert ("init_image" in body, "mask_image" in body) == (bool(images), "mask" in arguments)


def test_inpainting_without_a_mask_is_refused(connect, api, png):
    with connect(api.handle) as client, pytest.raises(InvalidRequestError, match="needs mask"):
        client.inpaint(png, "a hat")
