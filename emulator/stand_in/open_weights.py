"""SDXL 1.0 Open as the JumpStart container speaks.

Fields and samplers: aws/amazon-sagemaker-examples, archived/image-generation-stable-diffusion.ipynb. Errors have the
shape of AWS's model servers: `{"code", "type", "message"}`, indented.
"""

from __future__ import annotations

import base64
import json
import secrets

from emulator.stand_in.payload import MAX_PIXELS, MAX_SEED, Payload, PayloadError, Prompt, label_text
from emulator.stand_in.picture import Edit, PictureRequest, draw_png
from emulator.stand_in.variant import MAX_BODY_BYTES, Reply

SAMPLERS = (
    "EulerEDMSampler",
    "HeunEDMSampler",
    "EulerAncestralSampler",
    "DPMPP2SAncestralSampler",
    "DPMPP2MSampler",
    "LinearMultistepSampler",
)
FIELDS = (
    *("text_prompts", "width", "height", "cfg_scale", "steps", "seed", "sampler"),
    *("use_refiner", "refiner_steps", "refiner_strength", "init_image", "image_strength"),
)
DEFAULT_IMAGE_STRENGTH = 0.35


class Open:
    """The JumpStart container."""

    max_body_bytes = MAX_BODY_BYTES

    def ping(self) -> Reply:
        """The model server's own health answer."""
        return Reply(200, b'{\n  "status": "Healthy"\n}\n')

    def invoke(self, body: bytes, accept: str) -> Reply:
        """One picture in `generated_image`."""
        if accept.split(";", maxsplit=1)[0].strip() not in {"application/json", "*/*"}:
            return self.failure(406, f"Accept {accept!r} is not supported: use application/json")
        try:
            png = draw_png(*_picture(Payload(body, FIELDS)))
        except PayloadError as exc:
            return self.failure(400, str(exc))
        return Reply(200, json.dumps({"generated_image": base64.b64encode(png).decode()}).encode())

    def failure(self, status: int, message: str) -> Reply:
        """The model server's error, which calls everything that the handler raises an internal error."""
        kind = {413: "RequestEntityTooLargeException", 503: "ServiceUnavailableException"}.get(
            status, "InternalServerException"
        )
        return Reply(status, (json.dumps({"code": status, "type": kind, "message": message}, indent=2) + "\n").encode())

    def filtered(self, reply: Reply) -> Reply:  # noqa: ARG002 - the variants' common shape
        """Never: this container has no content filter."""
        raise ValueError("the open model has no content filter: use this fault with the optimized model")

    def truncated(self, reply: Reply) -> Reply:
        """The base64 cut so that it cannot be decoded."""
        image = json.loads(reply.body)["generated_image"]
        return Reply(200, json.dumps({"generated_image": image[:-5]}).encode())


def _picture(payload: Payload) -> tuple[PictureRequest, Edit | None]:
    prompts = payload.prompts()
    _check_prompt_count(prompts)
    edit = _edit(payload)
    width, height = _size(payload, edit)
    steps = payload.integer("steps", 50, minimum=1, maximum=500)
    payload.number("cfg_scale", 7, minimum=0)
    payload.choice("sampler", SAMPLERS)
    payload.boolean("use_refiner", default=True)
    payload.integer("refiner_steps", 40, minimum=1)
    payload.number("refiner_strength", 0.2, minimum=0, maximum=1)
    seed = payload.integer("seed", 0, minimum=0, maximum=MAX_SEED) if "seed" in payload.fields else None
    if seed is None:
        seed = secrets.randbelow(MAX_SEED + 1)
    return PictureRequest(label_text(prompts), seed, width, height, steps, payload.details()), edit


def _check_prompt_count(prompts: list[Prompt]) -> None:
    positive = sum(prompt.weight >= 0 for prompt in prompts)
    negative = len(prompts) - positive
    if positive != 1:
        raise PayloadError(f"exactly one prompt with a weight of 0 or more is supported, not {positive}")
    if negative > 1:
        raise PayloadError(f"at most one prompt with a negative weight is supported, not {negative}")


def _edit(payload: Payload) -> Edit | None:
    image = payload.image("init_image")
    if image is None and "image_strength" in payload.fields:
        raise PayloadError("image_strength needs an init_image")
    # The other way round than the optimized model's: 1 draws all of the picture anew.
    strength = payload.number("image_strength", DEFAULT_IMAGE_STRENGTH, minimum=0, maximum=1)
    return None if image is None else Edit(image, 1 - strength)


def _size(payload: Payload, edit: Edit | None) -> tuple[int, int]:
    width = payload.integer("width", 1024, minimum=257)
    height = payload.integer("height", 1024, minimum=257)
    for name, side in (("width", width), ("height", height)):
        if side % 8:
            raise PayloadError(f"{name} must be divisible by 8, not {side}")
    width, height = edit.image.size if edit else (width, height)
    if width * height > MAX_PIXELS:
        raise PayloadError(f"{width}x{height} has more than {MAX_PIXELS} pixels")
    return width, height
