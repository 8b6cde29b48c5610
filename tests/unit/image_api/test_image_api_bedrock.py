"""Models of Bedrock drawing from text: what they are sent, and what is refused or lost on the way."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from image_api.backends.bedrock_stable_image import ASPECT_RATIOS, aspect_ratio
from image_api.errors import UnsupportedByModelError
from image_api.request import MAX_SEED, GenerationRequest, InitImage, Mask, TextPrompt
from image_api.settings import BedrockModelFamily
from image_api_bedrock_fakes import FAMILIES, FakeBedrock, bedrock_application, generate, picture
from image_api_fakes import png_base64

SUCCESSORS: list[BedrockModelFamily] = ["stable-image", "sd3-5"]
PROMPT = (TextPrompt("a puppy"),)


@pytest.fixture
def bedrock() -> FakeBedrock:
    return FakeBedrock()


class TestSdxl:
    def test_body_is_that_of_the_optimized_variant(self, bedrock: FakeBedrock) -> None:
        reply = bedrock_application(bedrock, "sdxl-v1").generate(
            seed=42, width=1344, height=768, style_preset="anime", steps=150, cfg_scale=35
        )

        assert reply.status == 200
        assert bedrock.payload == {
            "text_prompts": [{"text": "a puppy", "weight": 1.0}],
            "width": 1344,
            "height": 768,
            "cfg_scale": 35,
            "steps": 150,
            "seed": 42,
            "sampler": "K_DPMPP_2M",
            "samples": 1,
            "style_preset": "anime",
        }
        assert bedrock.calls[0]["modelId"] == "stability.stable-diffusion-xl-v1"
        assert bedrock.calls[0]["contentType"] == bedrock.calls[0]["accept"] == "application/json"

    def test_each_sample_is_a_call_with_a_seed_of_its_own(self, bedrock: FakeBedrock) -> None:
        reply = bedrock_application(bedrock, "sdxl-v1").generate(seed=MAX_SEED, samples=3)

        assert [payload["seed"] for payload in bedrock.payloads] == [1, 2, MAX_SEED]
        assert [artifact["seed"] for artifact in reply.json["artifacts"]] == [MAX_SEED, 1, 2]

    def test_weights_are_carried(self, bedrock: FakeBedrock) -> None:
        prompts = [
            {"text": "a puppy", "weight": 0.5},
            {"text": "a kitten", "weight": 2},
            {"text": "blur", "weight": -1},
        ]

        bedrock_application(bedrock, "sdxl-v1").generate(text_prompts=prompts)

        assert bedrock.payload["text_prompts"] == prompts

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"width": 512, "height": 512}, ["512x512", "1344x768", "model.source: optimized"]),
            ({"sampler": "K_DPMPP_SDE"}, ["K_DPMPP_SDE", "K_DPMPP_2M", "model.source: optimized"]),
            ({"extras": {"use_refiner": False}}, ["extras has use_refiner", "model.source: open"]),
        ],
    )
    def test_what_it_cannot_do_is_refused(self, bedrock: FakeBedrock, fields: dict[str, Any], told: list[str]) -> None:
        reply = bedrock_application(bedrock, "sdxl-v1").generate(**fields)

        assert reply.status == 400
        assert [text for text in told if text not in reply.json["message"]] == []
        assert bedrock.calls == []

    @pytest.mark.parametrize("operation", ["image-to-image", "masking"])
    def test_more_than_50_steps_from_an_image_are_refused(self, bedrock: FakeBedrock, operation: str) -> None:
        mask = {"mask": Mask("INIT_IMAGE_ALPHA")} if operation == "masking" else {}
        request = GenerationRequest(text_prompts=PROMPT, init_image=InitImage(picture()), steps=51, **mask)

        with pytest.raises(
            UnsupportedByModelError, match=r"steps is 51, but from an image SDXL 1.0 on Bedrock takes 10 to 50"
        ):
            generate(bedrock, "sdxl-v1", request)

    def test_image_and_mask_are_sent_as_they_are(self, bedrock: FakeBedrock) -> None:
        init, mask = picture(10), picture(0)
        request = GenerationRequest(
            text_prompts=PROMPT, init_image=InitImage(init), mask=Mask("MASK_IMAGE_BLACK", mask), seed=5
        )

        generate(bedrock, "sdxl-v1", request)

        assert base64.b64decode(bedrock.payload["init_image"]) == init
        assert base64.b64decode(bedrock.payload["mask_image"]) == mask
        assert bedrock.payload["mask_source"] == "MASK_IMAGE_BLACK"

    def test_filtered_image_is_the_models_own(self, bedrock: FakeBedrock) -> None:
        artifact = {"seed": 1, "base64": png_base64(b"blur"), "finishReason": "CONTENT_FILTERED"}
        bedrock.answers(json.dumps({"result": "success", "artifacts": [artifact]}).encode())

        reply = bedrock_application(bedrock, "sdxl-v1").generate()

        assert reply.json["artifacts"] == [artifact]


class TestSuccessors:
    @pytest.mark.parametrize(("family", "mode"), [("stable-image", {}), ("sd3-5", {"mode": "text-to-image"})])
    def test_body(self, bedrock: FakeBedrock, family: BedrockModelFamily, mode: dict[str, str]) -> None:
        prompts = [{"text": "a puppy"}, {"text": "blur", "weight": -1}]

        reply = bedrock_application(bedrock, family).generate(text_prompts=prompts, seed=42)

        assert bedrock.payload == {
            "prompt": "a puppy",
            "negative_prompt": "blur",
            "aspect_ratio": "1:1",
            "seed": 42,
            "output_format": "png",
            **mode,
        }
        assert bedrock.calls[0]["modelId"] == FAMILIES[family]
        assert reply.json["artifacts"] == [{"seed": 42, "base64": png_base64(b"seed 42"), "finishReason": "SUCCESS"}]
        assert "x-sdxl-warning" not in reply.headers

    @pytest.mark.parametrize(
        ("width", "height", "ratio"),
        [
            (1024, 1024, "1:1"),
            (1152, 896, "5:4"),
            (896, 1152, "4:5"),
            (1216, 832, "3:2"),
            (832, 1216, "2:3"),
            (1344, 768, "16:9"),
            (768, 1344, "9:16"),
            (1536, 640, "21:9"),
            (640, 1536, "9:21"),
            (8192, 128, "21:9"),
        ],
    )
    def test_nearest_aspect_ratio(self, width: int, height: int, ratio: str) -> None:
        assert ratio in ASPECT_RATIOS
        assert aspect_ratio(width, height) == ratio

    def test_size_that_was_not_drawn_is_reported(self, bedrock: FakeBedrock) -> None:
        reply = bedrock_application(bedrock, "sd3-5").generate(width=1536, height=640)

        assert bedrock.payload["aspect_ratio"] == "21:9"
        assert reply.headers["x-sdxl-warning"] == (
            "The image is 1024x1024 where 1536x640 was requested: the deployed model draws its own sizes in aspect "
            "ratio 21:9."
        )

    def test_parameters_that_the_model_ignores_are_reported(self, bedrock: FakeBedrock) -> None:
        reply = bedrock_application(bedrock, "sd3-5").generate(cfg_scale=9, steps=30, sampler="K_EULER")

        assert reply.status == 200
        for text in ("its own cfg_scale: 9", "its own steps: 30", "its own sampler: K_EULER"):
            assert text in reply.headers["x-sdxl-warning"]
        assert not bedrock.payload.keys() & {"cfg_scale", "steps", "sampler"}

    def test_defaults_are_not_reported(self, bedrock: FakeBedrock) -> None:
        reply = bedrock_application(bedrock, "sd3-5").generate(cfg_scale=7, steps=50, sampler="K_DPMPP_2M")

        assert "x-sdxl-warning" not in reply.headers

    def test_prompts_of_one_weight_are_joined_and_reported(self, bedrock: FakeBedrock) -> None:
        prompts = [
            {"text": "a puppy", "weight": 2},
            {"text": "a ball", "weight": 2},
            {"text": "a cat", "weight": 0},
            {"text": "blur", "weight": -1},
            {"text": "text", "weight": -0.5},
        ]

        reply = bedrock_application(bedrock, "sd3-5").generate(text_prompts=prompts)

        assert bedrock.payload["prompt"] == "a puppy, a ball"
        assert bedrock.payload["negative_prompt"] == "blur, text"
        for text in ("2 positive prompts were joined", "negative prompt: the 2 were joined", "2, 2, -0.5 was ignored"):
            assert text in reply.headers["x-sdxl-warning"]

    @pytest.mark.parametrize("family", SUCCESSORS)
    @pytest.mark.parametrize(
        ("fields", "name", "told"),
        [
            (
                {"text_prompts": [{"text": "a"}, {"text": "b", "weight": 2}]},
                "invalid_prompts",
                ["different weights (1, 2)", "model.source: optimized"],
            ),
            (
                {"text_prompts": [{"text": "a" * 2000}] * 6},
                "invalid_prompts",
                ["12010 characters in its positive", "10000", "model.source: optimized"],
            ),
            ({"extras": {"use_refiner": False}}, "bad_request", ["extras has use_refiner", "model.source: open"]),
            ({"seed": MAX_SEED}, "bad_request", [f"seed is {MAX_SEED}", "up to 4294967294"]),
            ({"seed": MAX_SEED - 1, "samples": 2}, "bad_request", ["for 2 images", "up to 4294967294"]),
        ],
    )
    def test_what_they_cannot_do_is_refused(
        self, bedrock: FakeBedrock, family: BedrockModelFamily, fields: dict[str, Any], name: str, told: list[str]
    ) -> None:
        reply = bedrock_application(bedrock, family).generate(**fields)

        assert reply.error == (400, name)
        assert [text for text in told if text not in reply.json["message"]] == []
        assert bedrock.calls == []

    def test_random_seeds_stay_in_the_models_bounds(
        self, bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn = iter([MAX_SEED - 1, 99])
        monkeypatch.setattr("secrets.randbelow", lambda _: next(drawn))

        bedrock_application(bedrock, "sd3-5").generate()

        assert bedrock.payload["seed"] == 100

    @pytest.mark.parametrize("family", SUCCESSORS)
    def test_style_becomes_words(self, bedrock: FakeBedrock, family: BedrockModelFamily) -> None:
        bedrock_application(bedrock, family).generate(style_preset="anime")

        assert bedrock.payload["prompt"].startswith("a puppy, ")
        assert "style_preset" not in bedrock.payload
