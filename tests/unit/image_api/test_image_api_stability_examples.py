"""The request examples of Stability AI's REST API v1 documentation, of every mode, answered as documented.

Source: the `examples` and code samples of that API's OpenAPI document, version v1. Engine ids are SDXL 1.0's.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import pytest
from image_api.dialects.http import HttpRequest
from image_api_fakes import ApplicationUnderTest, FakeRuntime
from image_api_forms import IMAGE_TO_IMAGE, MASKING, form, picture, post_http

TEXT_TO_IMAGE = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
DOG = {
    "text_prompts[0][text]": "A dog space commander",
    "text_prompts[0][weight]": "1",
    "cfg_scale": "7",
    "clip_guidance_preset": "FAST_BLUE",
    "sampler": "K_DPM_2_ANCESTRAL",
    "samples": "3",
    "steps": "20",
}
GALAXY = {
    "text_prompts[0][text]": "A large spiral galaxy with a bright central bulge and a ring of stars around it",
    "cfg_scale": "7",
    "clip_guidance_preset": "FAST_BLUE",
    "samples": "1",
    "steps": "30",
}
CAPE = {
    "init_image_mode": "IMAGE_STRENGTH",
    "image_strength": "0.35",
    "text_prompts[0][text]": "Galactic dog with a cape",
    "cfg_scale": "7",
    "samples": "1",
    "steps": "30",
}
INIT = picture()
MASK = picture(mode="L")
CLEAR = picture(mode="RGBA")

TEXT_EXAMPLES: dict[str, dict[str, Any]] = {
    "code-sample": {
        "text_prompts": [{"text": "A lighthouse on a cliff"}],
        "cfg_scale": 7,
        "height": 1024,
        "width": 1024,
        "samples": 1,
        "steps": 30,
    },
    "schema-example": {
        "cfg_scale": 7,
        "clip_guidance_preset": "FAST_BLUE",
        "height": 512,
        "width": 512,
        "sampler": "K_DPM_2_ANCESTRAL",
        "samples": 1,
        "steps": 75,
        "text_prompts": [{"text": "A lighthouse on a cliff", "weight": 1}],
    },
}
FORM_EXAMPLES: dict[str, tuple[str, dict[str, str], dict[str, bytes]]] = {
    "image-strength": (
        IMAGE_TO_IMAGE,
        {**DOG, "image_strength": "0.35", "init_image_mode": "IMAGE_STRENGTH"},
        {"init_image": INIT},
    ),
    "step-schedule": (
        IMAGE_TO_IMAGE,
        {**DOG, "step_schedule_start": "0.65", "init_image_mode": "STEP_SCHEDULE"},
        {"init_image": INIT},
    ),
    "code-sample": (IMAGE_TO_IMAGE, CAPE, {"init_image": INIT}),
    "mask-black": (MASKING, {**DOG, "mask_source": "MASK_IMAGE_BLACK"}, {"init_image": INIT, "mask_image": MASK}),
    "mask-white": (MASKING, {**DOG, "mask_source": "MASK_IMAGE_WHITE"}, {"init_image": INIT, "mask_image": MASK}),
    "init-image-alpha": (MASKING, {**DOG, "mask_source": "INIT_IMAGE_ALPHA"}, {"init_image": CLEAR}),
    "masking-code-sample": (
        MASKING,
        {**GALAXY, "mask_source": "MASK_IMAGE_WHITE"},
        {"init_image": INIT, "mask_image": MASK},
    ),
}


def without_file_names(fields: dict[str, str], files: dict[str, bytes]) -> HttpRequest:
    """A form as the documentation's Go sample writes it: images in fields like any other."""
    parts: list[tuple[str, Any]] = [(name, (None, content)) for name, content in files.items()]
    parts += [(name, (None, value)) for name, value in fields.items()]
    request = httpx2.Request("POST", "https://api.test", files=parts)
    return HttpRequest(headers={"content-type": request.headers["content-type"]}, body=request.read())


@pytest.mark.parametrize("example", TEXT_EXAMPLES)
def test_text_to_image_example_is_answered_with_artifacts(api: ApplicationUnderTest, example: str) -> None:
    reply = api.post(
        json.dumps(TEXT_EXAMPLES[example]),
        path=TEXT_TO_IMAGE,
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )

    assert reply.status == 200, reply.text
    (artifact,) = reply.json["artifacts"]
    assert artifact.keys() == {"base64", "seed", "finishReason"}
    assert artifact["finishReason"] == "SUCCESS"


@pytest.mark.parametrize("write", [form, without_file_names], ids=["files", "plain-fields"])
@pytest.mark.parametrize("example", FORM_EXAMPLES)
def test_form_example_is_answered_with_an_artifact_for_each_sample(
    api: ApplicationUnderTest, runtime: FakeRuntime, example: str, write: Any
) -> None:
    path, fields, files = FORM_EXAMPLES[example]

    reply = post_http(api, path, write(fields, files))

    assert reply.status == 200, reply.text
    assert len(reply.json["artifacts"]) == int(fields["samples"])
    assert all(artifact["finishReason"] == "SUCCESS" for artifact in reply.json["artifacts"])
    sent = runtime.payloads[0]
    assert base64.b64decode(sent["init_image"]) == files["init_image"]
    assert sent["text_prompts"] == [{"text": fields["text_prompts[0][text]"], "weight": 1.0}]


def test_curl_examples_accept_the_image_itself(api: ApplicationUnderTest) -> None:
    fields = {**CAPE, "text_prompts[0][text]": "A galactic dog in space"}

    reply = post_http(api, IMAGE_TO_IMAGE, form(fields, {"init_image": INIT}), accept="image/png")

    assert reply.status == 200
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["finish-reason"] == "SUCCESS"
    assert reply.headers["seed"].isdecimal()
