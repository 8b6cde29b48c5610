"""Requests and pictures for tests."""

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image


def body(**fields: Any) -> bytes:
    defaults: dict[str, Any] = {"text_prompts": [{"text": "a puppy"}], "steps": 10, "seed": 7}
    if "init_image" not in fields:
        defaults |= {"width": 128, "height": 128}
    return json.dumps(defaults | fields).encode()


def pixels(images: Any) -> list[np.ndarray]:
    return [np.array(image).astype(int) for image in images]


def file_of(image: Image.Image, kind: str = "PNG") -> str:
    file = io.BytesIO()
    image.save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


def picture(width: int = 128, height: int = 128, seed: int = 1, mode: str = "RGB") -> Image.Image:
    """Coarse random colours: a picture that noise can be told from."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 16, width // 16, len(mode)), np.uint8)
    return Image.fromarray(coarse.repeat(16, 0).repeat(16, 1))
