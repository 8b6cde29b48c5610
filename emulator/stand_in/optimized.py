"""SDXL 1.0 as the AWS Marketplace model package speaks: Stability AI's own request and artifacts.

Fields, samplers and answers: Stability-AI/aws-jumpstart-examples, sdxl-v1-0, and Stability-AI/stability-sdk, branch
sagemaker. Upper bounds are those of the hosted REST v1 API.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from typing import Any

from emulator.stand_in.payload import MAX_PIXELS, MAX_SEED, Payload, PayloadError, label_text
from emulator.stand_in.picture import PictureRequest, draw_png
from emulator.stand_in.variant import Reply

SAMPLERS = (
    "DDIM",
    "DDPM",
    "K_DPMPP_SDE",
    "K_DPMPP_2M",
    "K_DPMPP_2S_ANCESTRAL",
    "K_DPM_2",
    "K_DPM_2_ANCESTRAL",
    "K_EULER",
    "K_EULER_ANCESTRAL",
    "K_HEUN",
    "K_LMS",
)
STYLE_PRESETS = (
    "enhance",
    "anime",
    "photographic",
    "digital-art",
    "comic-book",
    "fantasy-art",
    "line-art",
    "analog-film",
    "neon-punk",
    "isometric",
    "low-poly",
    "origami",
    "modeling-compound",
    "cinematic",
    "3d-model",
    "pixel-art",
    "tile-texture",
)
CLIP_GUIDANCE_PRESETS = ("FAST_BLUE", "FAST_GREEN", "NONE", "SIMPLE", "SLOW", "SLOWER", "SLOWEST")
MASK_SOURCES = ("MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK", "INIT_IMAGE_ALPHA")
INIT_IMAGE_COMPANIONS = (
    *("init_image_mode", "image_strength", "step_schedule_start", "step_schedule_end"),
    *("mask_source", "mask_image"),
)
FIELDS = (
    *("text_prompts", "width", "height", "cfg_scale", "steps", "seed", "sampler", "samples"),
    *("style_preset", "clip_guidance_preset", "extras", "init_image", *INIT_IMAGE_COMPANIONS),
)
ACCEPTED = ("application/json;png", "application/json", "*/*")


class Optimized:
    """The model package's container."""

    def ping(self) -> Reply:
        """An empty 200."""
        return Reply(200, b"")

    def invoke(self, body: bytes, accept: str) -> Reply:
        """`samples` artifacts, each with the seed it was made from."""
        if accept.replace(" ", "") not in ACCEPTED:
            return self.failure(406, f"Accept {accept!r} is not supported: allowed are {list(ACCEPTED)}")
        try:
            artifacts = _artifacts(Payload(body, FIELDS))
        except PayloadError as exc:
            return _error(400, exc.name, str(exc))
        return _json(200, {"result": "success", "artifacts": artifacts})

    def failure(self, status: int, message: str) -> Reply:
        """The error object at the top level, the other of the two places where it was seen."""
        return _json(status, {"id": uuid.uuid4().hex, "name": "generation_error", "message": message})

    def filtered(self, reply: Reply) -> Reply:
        """Every artifact CONTENT_FILTERED. The picture stays, as the hosted API returns it blurred."""
        return _edited(reply, finishReason="CONTENT_FILTERED")

    def truncated(self, reply: Reply) -> Reply:
        """Every artifact's base64 cut so that it cannot be decoded."""
        artifacts = json.loads(reply.body)["artifacts"]
        return _edited(reply, base64=artifacts[0]["base64"][:-5])


def _edited(reply: Reply, **changes: str) -> Reply:
    answer = json.loads(reply.body)
    return _json(200, {**answer, "artifacts": [{**artifact, **changes} for artifact in answer["artifacts"]]})


def _artifacts(payload: Payload) -> list[dict[str, Any]]:
    prompts = payload.prompts()
    width, height = _size(payload)
    steps = payload.integer("steps", 50, minimum=10, maximum=150)
    samples = payload.integer("samples", 1, minimum=1, maximum=10)
    payload.number("cfg_scale", 7, minimum=0, maximum=35)
    payload.choice("sampler", SAMPLERS)
    payload.choice("style_preset", STYLE_PRESETS)
    payload.choice("clip_guidance_preset", CLIP_GUIDANCE_PRESETS)
    seed = payload.integer("seed", 0, minimum=0, maximum=MAX_SEED) or 1 + secrets.randbelow(MAX_SEED)
    artifacts = []
    for sample in range(samples):
        own_seed = (seed + sample) % (MAX_SEED + 1)
        details = json.dumps({k: v for k, v in payload.fields.items() if k not in {"seed", "samples"}}, sort_keys=True)
        png = draw_png(PictureRequest(label_text(prompts), own_seed, width, height, steps, details))
        artifacts.append({"seed": own_seed, "base64": base64.b64encode(png).decode(), "finishReason": "SUCCESS"})
    return artifacts


def _size(payload: Payload) -> tuple[int, int]:
    width = payload.integer("width", 1024, minimum=128)
    height = payload.integer("height", 1024, minimum=128)
    for name, side in (("width", width), ("height", height)):
        if side % 64:
            raise PayloadError(f"{name} must be a multiple of 64, not {side}")
    image = _init_image_size(payload)
    width, height = image or (width, height)
    if width * height > MAX_PIXELS:
        raise PayloadError(f"{width}x{height} has more than {MAX_PIXELS} pixels")
    return width, height


def _init_image_size(payload: Payload) -> tuple[int, int] | None:
    """The initial image's size, which the result takes over; refuses its companions where there is no image."""
    image = payload.image("init_image")
    companions = (
        "init_image_mode",
        "image_strength",
        "step_schedule_start",
        "step_schedule_end",
        "mask_source",
        "mask_image",
    )
    if image is None:
        orphans = [name for name in companions if name in payload.fields]
        if orphans:
            raise PayloadError(f"{orphans} need an init_image")
        return None
    mode = payload.choice("init_image_mode", ("IMAGE_STRENGTH", "STEP_SCHEDULE"), "IMAGE_STRENGTH")
    for name, default in (("image_strength", 0.35), ("step_schedule_start", 0.65), ("step_schedule_end", 0.0)):
        payload.number(name, default, minimum=0, maximum=1)
    if mode == "STEP_SCHEDULE" and "image_strength" in payload.fields:
        raise PayloadError("image_strength is for init_image_mode IMAGE_STRENGTH, not STEP_SCHEDULE")
    source = payload.choice("mask_source", MASK_SOURCES)
    mask = payload.image("mask_image")
    if source in {"MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK"} and mask is None:
        raise PayloadError(f"mask_source {source} needs a mask_image")
    if mask is not None and (source is None or source == "INIT_IMAGE_ALPHA"):
        raise PayloadError("a mask_image needs mask_source MASK_IMAGE_WHITE or MASK_IMAGE_BLACK")
    if mask is not None and mask.size != image.size:
        raise PayloadError(f"mask_image is {mask.size}, init_image is {image.size}: both must have one size")
    return image.size


def _error(status: int, name: str, message: str) -> Reply:
    return _json(status, {"result": "error", "error": {"id": uuid.uuid4().hex, "name": name, "message": message}})


def _json(status: int, answer: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(answer).encode("utf-8", "backslashreplace"))
