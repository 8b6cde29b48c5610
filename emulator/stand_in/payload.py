"""Reads the fields of an invocation's JSON body, and refuses what the variants have in common to refuse."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from PIL import Image

MAX_PIXELS = 2048 * 2048
MAX_SEED = 4_294_967_295


class PayloadError(ValueError):
    """The body cannot be served; `name` is the kind of error in Stability AI's words."""

    def __init__(self, message: str, *, name: str = "generation_error") -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Prompt:
    """One weighted prompt; a negative weight makes a negative prompt."""

    text: str
    weight: float = 1.0


class Payload:
    """The JSON object of a body, read field by field with bounds."""

    def __init__(self, body: bytes, allowed: Collection[str]) -> None:
        try:
            fields = json.loads(body)
        except ValueError as exc:
            raise PayloadError(f"the body is not JSON: {exc}") from exc
        if not isinstance(fields, dict):
            raise PayloadError("the body must be a JSON object")
        unknown = sorted(set(fields) - set(allowed))
        if unknown:
            raise PayloadError(f"unknown fields {unknown}: allowed are {sorted(allowed)}")
        self.fields: dict[str, Any] = fields

    def integer(self, name: str, default: int, *, minimum: int, maximum: int | None = None) -> int:
        """An integer field within its bounds, or the default where it is absent."""
        return int(self._number(name, default, minimum=minimum, maximum=maximum, integer=True))

    def number(self, name: str, default: float, *, minimum: float, maximum: float | None = None) -> float:
        """A number field within its bounds, or the default where it is absent."""
        return self._number(name, default, minimum=minimum, maximum=maximum, integer=False)

    def _number(self, name: str, default: float, *, minimum: float, maximum: float | None, integer: bool) -> float:
        if name not in self.fields:
            return default
        value = self.fields[name]
        kind = "an integer" if integer else "a number"
        if isinstance(value, bool) or not isinstance(value, int if integer else int | float):
            raise PayloadError(f"{name} must be {kind}, not {value!r}")
        if value < minimum or (maximum is not None and value > maximum):
            bounds = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
            raise PayloadError(f"{name} must be {bounds}, not {value}")
        return float(value) if not integer else value

    def boolean(self, name: str, default: bool) -> bool:
        """A boolean field, or the default where it is absent."""
        value = self.fields.get(name, default)
        if not isinstance(value, bool):
            raise PayloadError(f"{name} must be true or false, not {value!r}")
        return value

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str | None:
        """One of the allowed words, or the default where the field is absent."""
        if name not in self.fields:
            return default
        value = self.fields[name]
        if value not in choices:
            raise PayloadError(f"{name} {value!r} is not supported: allowed are {sorted(choices)}")
        return str(value)

    def prompts(self) -> list[Prompt]:
        """The weighted prompts: at least one, each with a text."""
        prompts = self.fields.get("text_prompts")
        if not isinstance(prompts, list) or not prompts:
            raise PayloadError("text_prompts must be a list of at least one prompt", name="invalid_prompts")
        return [_prompt(prompt) for prompt in prompts]

    def text(self, name: str, *, longest: int, required: bool = False) -> str:
        """A text of 1 (where it is required) to `longest` characters, or an empty one where the field is absent."""
        value = self.fields.get(name, "")
        if not isinstance(value, str):
            raise PayloadError(f"{name} must be text, not {value!r}")
        if (required and not value.strip()) or len(value) > longest:
            raise PayloadError(f"{name} must have from {int(required)} to {longest} characters, not {len(value)}")
        return value

    def image(self, name: str) -> Image.Image | None:
        """A base64 image, decoded, or None where the field is absent."""
        if name not in self.fields:
            return None
        try:
            image = Image.open(io.BytesIO(base64.b64decode(self.fields[name], validate=True)))
            image.load()
        except (TypeError, binascii.Error, OSError, ValueError, Image.DecompressionBombError) as exc:
            raise PayloadError(f"{name} is not a base64 encoded image: {exc}") from exc
        return image

    def details(self, *, without: Collection[str] = ()) -> str:
        """The fields as canonical text, so that a picture changes with any of them; long texts by their digest."""
        fields = {name: value for name, value in self.fields.items() if name not in without}
        return json.dumps({name: _digest(v) if _is_long(v) else v for name, v in fields.items()}, sort_keys=True)


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > 1000


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _prompt(prompt: object) -> Prompt:
    if not isinstance(prompt, dict) or not set(prompt) <= {"text", "weight"}:
        raise PayloadError("each of text_prompts must be an object with text and weight", name="invalid_prompts")
    text, weight = prompt.get("text"), prompt.get("weight", 1.0)
    if not isinstance(text, str) or not text.strip():
        raise PayloadError("each of text_prompts needs a text that is not empty", name="invalid_prompts")
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise PayloadError(f"the weight of a prompt must be a number, not {weight!r}", name="invalid_prompts")
    return Prompt(text, float(weight))


def label_text(prompts: list[Prompt]) -> str:
    """The prompts as the picture shows them: negative ones in brackets."""
    return ", ".join(p.text if p.weight >= 0 else f"[not: {p.text}]" for p in prompts)
