"""Models of Bedrock drawing from images, what their filters become, and how a deployment calls them."""

from __future__ import annotations

import base64
import io
import json
import threading
from typing import Any

import boto3
import pytest
from image_api.backends import create_runtime_client
from image_api.backends.bedrock_stable_image import decode_answer, drawn_size
from image_api.endpoint_health import create_health
from image_api.errors import InvalidRequestError, UnsupportedByModelError
from image_api.request import GenerationRequest, InitImage, Mask, TextPrompt
from image_api.settings import BedrockModelFamily, Settings
from image_api_bedrock_fakes import (
    BACKEND_SECONDS,
    FAMILIES,
    INPAINT,
    FakeBedrock,
    bedrock_application,
    generate,
    picture,
    stable_answer,
)
from image_api_fakes import ApplicationUnderTest, FakeContext, png, png_base64
from PIL import Image

SUCCESSORS: list[BedrockModelFamily] = ["stable-image", "sd3-5"]
PROMPT = (TextPrompt("a puppy"),)


@pytest.fixture
def bedrock() -> FakeBedrock:
    return FakeBedrock()


class TestImages:
    @pytest.mark.parametrize(
        ("init", "strength"),
        [
            (InitImage(picture()), 0.65),
            (InitImage(picture(), image_strength=1.0), 0.0),
            (InitImage(picture(), mode="STEP_SCHEDULE", step_schedule_start=0.2), 0.2),
        ],
    )
    def test_image_to_image_of_sd35(self, bedrock: FakeBedrock, init: InitImage, strength: float) -> None:
        generate(bedrock, "sd3-5", GenerationRequest(text_prompts=PROMPT, init_image=init, seed=5))

        assert bedrock.payload == {
            "prompt": "a puppy",
            "seed": 5,
            "output_format": "png",
            "mode": "image-to-image",
            "image": base64.b64encode(init.image).decode(),
            "strength": strength,
        }

    def test_schedule_that_ends_before_is_refused(self, bedrock: FakeBedrock) -> None:
        init = InitImage(picture(), mode="STEP_SCHEDULE", step_schedule_end=0.1)

        with pytest.raises(UnsupportedByModelError, match=r"step_schedule_end is 0.1.*model.source: optimized"):
            generate(bedrock, "sd3-5", GenerationRequest(text_prompts=PROMPT, init_image=init))

    def test_image_to_image_of_others_is_refused(self, bedrock: FakeBedrock) -> None:
        with pytest.raises(
            UnsupportedByModelError, match=r"draws from text only.*stability.sd3-5-large-v1:0.*optimized or open"
        ):
            generate(bedrock, "stable-image", GenerationRequest(text_prompts=PROMPT, init_image=InitImage(picture())))

    @pytest.mark.parametrize("family", SUCCESSORS)
    def test_mask_without_an_inpaint_model_is_refused(self, bedrock: FakeBedrock, family: BedrockModelFamily) -> None:
        request = GenerationRequest(text_prompts=PROMPT, init_image=InitImage(picture()), mask=Mask("INIT_IMAGE_ALPHA"))

        with pytest.raises(
            UnsupportedByModelError, match=r"takes no masks.*model.inpaint_model_id.*model.source: optimized"
        ):
            generate(bedrock, family, request)

    @pytest.mark.parametrize("family", SUCCESSORS)
    @pytest.mark.parametrize(("source", "drawn_anew"), [("MASK_IMAGE_WHITE", 200), ("MASK_IMAGE_BLACK", 55)])
    def test_mask_goes_to_the_inpaint_model(
        self, bedrock: FakeBedrock, family: BedrockModelFamily, source: Any, drawn_anew: int
    ) -> None:
        request = GenerationRequest(
            text_prompts=PROMPT, init_image=InitImage(picture()), mask=Mask(source, picture(200)), seed=5
        )

        result = generate(bedrock, family, request, inpaint=INPAINT)

        payload = bedrock.payload
        mask = Image.open(io.BytesIO(base64.b64decode(payload.pop("mask"))))
        assert mask.getpixel((0, 0)) == drawn_anew
        assert base64.b64decode(payload.pop("image")) == picture()
        assert payload == {"prompt": "a puppy", "seed": 5, "output_format": "png"}
        assert bedrock.calls[0]["modelId"] == INPAINT
        assert result.artifacts[0].finish_reason == "SUCCESS"

    def test_strength_that_the_inpaint_model_ignores_is_reported(self, bedrock: FakeBedrock) -> None:
        request = GenerationRequest(
            text_prompts=PROMPT,
            init_image=InitImage(picture()),
            mask=Mask("INIT_IMAGE_ALPHA"),
            given=frozenset({"image_strength", "mask_source"}),
        )

        result = generate(bedrock, "sd3-5", request, inpaint=INPAINT)

        assert result.warnings == (
            "The inpaint model decides itself how much of the image stays: image_strength was ignored.",
        )

    def test_alpha_of_the_image_is_the_mask(self, bedrock: FakeBedrock) -> None:
        request = GenerationRequest(
            text_prompts=PROMPT, init_image=InitImage(picture()), mask=Mask("INIT_IMAGE_ALPHA"), seed=5
        )

        generate(bedrock, "sd3-5", request, inpaint=INPAINT)

        assert bedrock.payload.keys() == {"prompt", "seed", "output_format", "image"}

    @pytest.mark.parametrize("mask", [b"", b"no image", picture()[:40], png(b"no pixels")])
    def test_mask_that_cannot_be_read_is_refused(self, bedrock: FakeBedrock, mask: bytes) -> None:
        request = GenerationRequest(
            text_prompts=PROMPT, init_image=InitImage(picture()), mask=Mask("MASK_IMAGE_BLACK", mask)
        )

        with pytest.raises(InvalidRequestError, match="mask_image is broken") as caught:
            generate(bedrock, "sd3-5", request, inpaint=INPAINT)

        assert caught.value.name == "invalid_mask_image"

    def test_text_to_image_goes_past_the_inpaint_model(self, bedrock: FakeBedrock) -> None:
        generate(bedrock, "stable-image", GenerationRequest(text_prompts=PROMPT), inpaint=INPAINT)

        assert bedrock.calls[0]["modelId"] == FAMILIES["stable-image"]


class TestFilters:
    def test_filtered_image_is_grey_and_says_so(self, bedrock: FakeBedrock) -> None:
        bedrock.answers(b'{"finish_reasons":["Filter reason: output image"]}')

        reply = bedrock_application(bedrock, "sd3-5").generate(width=1344, height=768, seed=5)

        (artifact,) = reply.json["artifacts"]
        assert (artifact["finishReason"], artifact["seed"]) == ("CONTENT_FILTERED", 5)
        image = Image.open(io.BytesIO(base64.b64decode(artifact["base64"])))
        image.load()
        assert (image.size, image.getextrema()) == ((1344, 768), (128, 128))

    def test_filtered_image_that_was_sent_is_kept(self) -> None:
        body = stable_answer(png_base64(b"blur"), seeds=[9], reason="Filter reason: output image")

        artifact = decode_answer(body, GenerationRequest(text_prompts=PROMPT), 5)

        assert (artifact.image_base64, artifact.seed) == (png_base64(b"blur"), 9)
        assert artifact.finish_reason == "CONTENT_FILTERED"
        assert drawn_size(artifact) is None

    def test_other_samples_are_still_answered(self, bedrock: FakeBedrock) -> None:
        def answer(payload: dict[str, Any]) -> bytes:
            if payload["seed"] == 6:
                return b'{"finish_reasons":["Filter reason: output image"]}'
            return stable_answer(png_base64(), seeds=[payload["seed"]])

        bedrock.answer = answer

        reply = bedrock_application(bedrock, "sd3-5").generate(seed=5, samples=3)

        reasons = [(artifact["seed"], artifact["finishReason"]) for artifact in reply.json["artifacts"]]
        assert reasons == [(5, "SUCCESS"), (6, "CONTENT_FILTERED"), (7, "SUCCESS")]

    def test_answer_without_a_seed_has_the_one_that_was_asked_for(self) -> None:
        body = json.dumps({"images": [png_base64()]}).encode()

        assert decode_answer(body, GenerationRequest(text_prompts=PROMPT), 5).seed == 5


class TestDeployment:
    @pytest.fixture
    def api(self, bedrock: FakeBedrock) -> ApplicationUnderTest:
        return bedrock_application(bedrock, "sd3-5")

    def test_client_makes_one_attempt_in_the_models_region(self) -> None:
        settings = Settings(
            environment="dev",
            model_source="bedrock",
            endpoint_name="",
            images_bucket="images",
            image_link_ttl_seconds=60,
            timeout_seconds=29,
            cors_allow_origins=(),
            bedrock_region="us-west-2",
        )

        client = create_runtime_client(settings)

        assert client.meta.service_model.service_name == "bedrock-runtime"
        assert client.meta.region_name == "us-west-2"
        assert client.meta.config.retries == {"total_max_attempts": 1, "mode": "standard"}
        assert client.meta.config.read_timeout < 29 - 1
        assert boto3.client("sagemaker").meta.region_name == "us-east-1"
        assert create_health(settings).status().name == "NoEndpoint"
        assert create_health(settings).client is None

    def test_size_warning_of_sdxl_is_not_given_for_other_models(self, api: ApplicationUnderTest) -> None:
        reply = api.generate(width=512, height=512)

        assert "SDXL 1.0 is not trained" not in reply.headers["x-sdxl-warning"]

    def test_deadline_ends_a_call_that_hangs(self, bedrock: FakeBedrock, api: ApplicationUnderTest) -> None:
        released = threading.Event()

        def hang(_: dict[str, Any]) -> bytes:
            released.wait(BACKEND_SECONDS)
            return b"{}"

        bedrock.answer = hang
        try:
            reply = api.generate(context=FakeContext(remaining_milliseconds=2100))
        finally:
            released.set()

        assert reply.error == (504, "model_timeout")
        assert "steps" not in reply.json["message"]
