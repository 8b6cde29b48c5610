"""A fake of Bedrock's runtime, and the application on it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from image_api.backends import create_backend
from image_api.deadline import Deadline
from image_api.request import GenerationRequest, GenerationResult
from image_api.settings import BedrockModelFamily, Settings
from image_api_fakes import ApplicationUnderTest, FakeModelService, optimized_answer, png_base64
from PIL import Image

FAMILIES: dict[BedrockModelFamily, str] = {
    "sdxl-v1": "stability.stable-diffusion-xl-v1",
    "stable-image": "stability.stable-image-core-v1:1",
    "sd3-5": "stability.sd3-5-large-v1:0",
}
BACKEND_SECONDS = 20.0
INPAINT = "us.stability.stable-image-inpaint-v1:0"


def stable_answer(*images: str, seeds: list[int] | None = None, reason: str | None = None) -> bytes:
    return json.dumps({"seeds": [7] if seeds is None else seeds, "finish_reasons": [reason], "images": images}).encode()


def draw(payload: dict[str, Any]) -> bytes:
    """Answer as the model does that this payload is for: an image that tells its seed."""
    image = png_base64(f"seed {payload['seed']}".encode())
    if "text_prompts" in payload:
        return optimized_answer(image, payload["seed"])
    return stable_answer(image, seeds=[payload["seed"]])


def bedrock_error(code: str, message: str = "", status: int = 400, **fields: object) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **fields,
    }
    return ClientError(response, "InvokeModel")


class FakeBedrock(FakeModelService):
    """A `bedrock-runtime` client."""

    body_argument = "body"

    def __init__(self, answer: Callable[[dict[str, Any]], bytes] = draw) -> None:
        super().__init__(answer)

    def invoke_model(self, **arguments: Any) -> dict[str, Any]:
        return {"body": self.answered(arguments)}

    @property
    def payload(self) -> dict[str, Any]:
        """What the only call sent."""
        (payload,) = self.payloads
        return payload


def bedrock_application(bedrock: FakeBedrock, family: BedrockModelFamily, **changes: Any) -> ApplicationUnderTest:
    """The application with a model of Bedrock behind it."""
    runtime: Any = bedrock
    fields = {
        "model_source": "bedrock",
        "endpoint_name": "",
        "bedrock_model_family": family,
        "bedrock_model_id": FAMILIES[family],
        "bedrock_region": "us-west-2",
    }
    return ApplicationUnderTest(runtime, **(fields | changes))


def picture(color: int = 255, size: tuple[int, int] = (1024, 1024)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, color).save(file, "PNG")
    return file.getvalue()


def generate(
    bedrock: FakeBedrock, family: BedrockModelFamily, request: GenerationRequest, *, inpaint: str = ""
) -> GenerationResult:
    """Ask the backend itself, past the dialects."""
    settings = Settings(
        environment="dev",
        model_source="bedrock",
        endpoint_name="",
        images_bucket="images",
        image_link_ttl_seconds=60,
        timeout_seconds=29,
        cors_allow_origins=(),
        bedrock_model_family=family,
        bedrock_model_id=FAMILIES[family],
        bedrock_inpaint_model_id=inpaint,
        bedrock_region="us-west-2",
    )
    return create_backend(settings, bedrock).generate(request, Deadline(BACKEND_SECONDS))
