"""LiteLLM, unmodified but for base URL and key, in its virtual environment. Prints what each scenario came to."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import litellm

_IMAGE, _MASK = (Path(path).read_bytes() for path in sys.argv[1:3])
_WHERE: dict[str, Any] = {
    "api_base": f"{os.environ['SDXL_API_URL']}/v1",
    "api_key": os.environ["SDXL_API_KEY"],
    "max_retries": 0,
}
_MODEL = "openai/gpt-image-1"
_KINDS = {b"\x89": "png", b"\xff": "jpeg", b"R": "webp"}


def _kinds(answer: Any) -> list[str]:
    return [_KINDS.get(base64.b64decode(image.b64_json)[:1], "other") for image in answer.data]


def _generate(**fields: Any) -> list[str]:
    return _kinds(litellm.image_generation(**{"model": _MODEL, "prompt": "a fox", **_WHERE} | fields))


def _edit(**fields: Any) -> list[str]:
    return _kinds(litellm.image_edit(**{"model": _MODEL, "image": _IMAGE, "prompt": "oil", **_WHERE} | fields))


_SCENARIOS: dict[str, Callable[[], object]] = {
    "generation": _generate,
    "several": lambda: _generate(n=6),
    "jpeg": lambda: _generate(output_format="jpeg"),
    "size": lambda: _generate(size="640x480"),
    "edit": _edit,
    "mask": lambda: _edit(mask=_MASK),
    "wrong": lambda: _generate(n=11),
    "model": lambda: _generate(model="openai/sora-2"),
    "key": lambda: _generate(api_key="x" * 40),
}


def _outcome(run: Callable[[], object]) -> dict[str, object]:
    try:
        return {"answer": run()}
    except Exception as exc:  # noqa: BLE001 -- which one it is, is what the test looks at
        return {
            "error": {
                "is": type(exc).__name__,
                "status": getattr(exc, "status_code", None),
                "message": str(exc)[:500],
            }
        }


sys.stdout.write(json.dumps({name: _outcome(run) for name, run in _SCENARIOS.items()}) + "\n")
