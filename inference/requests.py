"""What a request for images says, read from the JSON of Stability AI's API and checked.

Names, bounds, defaults and styles come from `contract.json`, which the API's own are written to. `loras` and
`control_image` are ours: no published API of SDXL has them.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from inference.pictures import UnreadablePictureError, read_picture

CONTRACT: dict[str, Any] = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))
MAX_LORAS = 4
# Beyond, adapters of any training turn an image into noise.
MAX_LORA_WEIGHT = 2.0
MAX_CONTROL_STRENGTH = 2.0
_STRENGTH_FIELDS = ("image_strength", "step_schedule_start", "step_schedule_end")
_MASK_FIELDS = ("mask_source", "mask_image")
_CONTROL_FIELDS = ("control_type", "control_strength")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one field. `field` is empty where it is the body as a whole."""

    field: str
    message: str


class InvalidRequestError(ValueError):
    """The request cannot be drawn; `problems` says why, a field each."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Prompt:
    """A text and how strongly it counts; a negative weight names what the image must not show."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Lora:
    """An adapter of the release, and how strongly it counts."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True)
class Control:
    """An image that a ControlNet follows: `image` has the size of the answer."""

    image: Image.Image = field(compare=False)
    type: str
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """A request, checked. Images are upright and in RGB.

    `start` and `end` are shares of the diffusion: it runs from `start`, where 1 is pure noise and ignores the init
    image, down to `end`. `mask` is in greys ("L"): 255 is drawn anew, 0 stays to the bit, between them is a mixture.
    """

    prompts: tuple[Prompt, ...]
    width: int
    height: int
    cfg_scale: float
    steps: int
    sampler: str
    seeds: tuple[int, ...]
    start: float = 1.0
    end: float = 0.0
    init: Image.Image | None = None
    mask: Image.Image | None = None
    loras: tuple[Lora, ...] = ()
    control: Control | None = None


@dataclass(frozen=True)
class Offer:
    """What the loaded release has: the names of its LoRA adapters and the types of its ControlNets."""

    loras: frozenset[str] = frozenset()
    controls: frozenset[str] = frozenset()


def parse(body: bytes, offer: Offer) -> ImageRequest:
    """Read and check a body.

    Raises:
        InvalidRequestError: it is wrong; every field that is, is named.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise InvalidRequestError(Problem("", f"The body is not JSON: {exc}.")) from exc
    if not isinstance(fields, dict):
        raise InvalidRequestError(Problem("", "The body is not a JSON object."))
    return _Reader({name: value for name, value in fields.items() if value is not None}, offer).request()


class _Reader:
    """Reads one body and collects what is wrong with it."""

    def __init__(self, fields: Mapping[str, Any], offer: Offer) -> None:
        self._fields, self._offer = dict(fields), offer
        self._given = frozenset(fields)
        self._problems: list[Problem] = []

    def request(self) -> ImageRequest:
        style = self._style()
        parameters = style.get("parameters", {})
        prompts = self._prompts(style)
        cfg_scale = self._number(
            "cfg_scale", parameters.get("cfg_scale", CONTRACT["default_cfg_scale"]), 0, CONTRACT["max_cfg_scale"]
        )
        steps = self._integer(
            "steps", parameters.get("steps", CONTRACT["default_steps"]), CONTRACT["min_steps"], CONTRACT["max_steps"]
        )
        sampler = self._choice("sampler", parameters.get("sampler", CONTRACT["default_sampler"]), CONTRACT["samplers"])
        samples = self._integer("samples", 1, 1, CONTRACT["max_samples"])
        seed = self._integer("seed", 0, 0, CONTRACT["max_seed"])
        # Accepted and ignored: SDXL has no CLIP guidance.
        self._choice("clip_guidance_preset", "NONE", CONTRACT["clip_guidance_presets"])
        self._extras()
        size, init, mask = self._size_and_images()
        start, end = self._shares(has_init=init is not None, has_mask=mask is not None)
        loras, control = self._loras(), self._control(size)
        for name in self._fields:
            self._wrong(name, f"{name} is not a field of this API.")
        if self._problems:
            raise InvalidRequestError(*self._problems)
        return ImageRequest(
            prompts=prompts,
            width=size[0],
            height=size[1],
            cfg_scale=cfg_scale,
            steps=steps,
            sampler=sampler,
            seeds=_seeds(seed, samples),
            start=start,
            end=end,
            init=init,
            mask=mask,
            loras=loras,
            control=control,
        )

    def _wrong(self, name: str, message: str) -> None:
        self._problems.append(Problem(name, message))

    def _take(self, name: str, default: Any = None) -> Any:
        return self._fields.pop(name, default)

    def _number(self, name: str, default: float, least: float, most: float, *, where: str = "") -> float:
        return self._checked_number(where or name, self._take(name, default), default, least, most)

    def _checked_number(self, name: str, value: Any, default: float, least: float, most: float) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            self._wrong(name, f"{name} is {_brief(value)}, allowed are numbers from {least:g} to {most:g}.")
            return default
        return float(value)

    def _integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self._take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._wrong(name, f"{name} is {_brief(value)}, allowed are whole numbers from {least} to {most}.")
            return default
        return value

    def _choice(self, name: str, default: str, allowed: Collection[str]) -> str:
        value = self._take(name, default)
        if value not in allowed:
            self._wrong(name, f"{name} is {_brief(value)}, allowed is one of {', '.join(sorted(allowed)) or '(none)'}.")
            return default
        return str(value)

    def _style(self) -> Mapping[str, Any]:
        if "style_preset" not in self._fields:
            return {}
        name = self._choice("style_preset", "", CONTRACT["styles"])
        style: Mapping[str, Any] = CONTRACT["styles"].get(name, {})
        return style

    def _prompts(self, style: Mapping[str, Any]) -> tuple[Prompt, ...]:
        """The prompts with the style's words: behind each positive one, and behind the first negative one."""
        values = self._take("text_prompts")
        if not isinstance(values, list) or not 1 <= len(values) <= CONTRACT["max_text_prompts"]:
            most = CONTRACT["max_text_prompts"]
            self._wrong("text_prompts", f"text_prompts must be a list of 1 to {most} objects with text and weight.")
            return ()
        prompts = [prompt for index, value in enumerate(values) if (prompt := self._prompt(index, value))]
        if len(prompts) == len(values) and not any(prompt.weight > 0 for prompt in prompts):
            self._wrong("text_prompts", "text_prompts has no prompt with a weight above 0.")
        if not style:
            return tuple(prompts)
        worded = [
            Prompt(f"{prompt.text}, {style['prompt']}", prompt.weight) if prompt.weight > 0 else prompt
            for prompt in prompts
        ]
        if style["negative"]:
            index = next((index for index, prompt in enumerate(worded) if prompt.weight < 0), None)
            if index is None:
                worded.append(Prompt(style["negative"], -1.0))
            else:
                worded[index] = Prompt(f"{worded[index].text}, {style['negative']}", worded[index].weight)
        return tuple(worded)

    def _prompt(self, index: int, value: Any) -> Prompt | None:
        name = f"text_prompts[{index}]"
        if not isinstance(value, dict) or set(value) - {"text", "weight"}:
            self._wrong(name, f"{name} must be an object with text and weight.")
            return None
        text, weight = value.get("text"), value.get("weight")
        most = CONTRACT["max_prompt_characters"]
        # What the API adds to a caller's words, such as a style, counts on top of the caller's own bound.
        if not isinstance(text, str) or not text.strip() or len(text) > 2 * most:
            self._wrong(f"{name}.text", f"{name}.text must be a text that is not blank, of at most {most} characters.")
            return None
        weight = 1.0 if weight is None else weight
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not math.isfinite(weight):
            self._wrong(f"{name}.weight", f"{name}.weight is {_brief(weight)}, allowed is a finite number.")
            return None
        return Prompt(text, float(weight))

    def _extras(self) -> None:
        extras = self._take("extras", {})
        if not isinstance(extras, dict) or not set(extras) <= {"use_refiner"} or extras.get("use_refiner"):
            self._wrong("extras", "extras has settings that this model server lacks: it runs no refiner.")

    def _size_and_images(self) -> tuple[tuple[int, int], Image.Image | None, Image.Image | None]:
        if "init_image" not in self._given:
            for name in ("init_image_mode", *_STRENGTH_FIELDS, *_MASK_FIELDS):
                if self._take(name) is not None:
                    self._wrong(name, f"{name} is given without init_image.")
            return (self._side("width"), self._side("height")), None, None
        for name in ("width", "height"):
            if self._take(name) is not None:
                self._wrong(name, f"{name} is given together with init_image, whose size the answer has.")
        side = CONTRACT["default_side"]
        init = self._picture("init_image")
        source, mask_image = self._take("mask_source"), None
        if self._fields.get("mask_image") is not None:
            mask_image = self._picture("mask_image")
        if init is None:
            return (side, side), None, None
        if any(edge % CONTRACT["size_step"] or edge < CONTRACT["min_side"] for edge in init.size):
            self._wrong("init_image", f"init_image is {_size(init)}, allowed are sides of {_sides()}.")
        self._check_area("init_image", *init.size)
        return init.size, init.convert("RGB"), self._mask(source, init, mask_image)

    def _side(self, name: str) -> int:
        most = CONTRACT["max_pixels"] // CONTRACT["min_side"]
        side = self._integer(name, CONTRACT["default_side"], CONTRACT["min_side"], most)
        if side % CONTRACT["size_step"]:
            self._wrong(name, f"{name} is {side}, allowed are sides of {_sides()}.")
        if name == "height" or "height" not in self._given:
            return side
        other = self._fields.get("height")
        if isinstance(other, int):
            self._check_area("width", side, other)
        return side

    def _check_area(self, name: str, width: int, height: int) -> None:
        if width * height > CONTRACT["max_pixels"]:
            self._wrong(name, f"{width}x{height} has more than {CONTRACT['max_pixels']} pixels. Make a side smaller.")

    def _picture(self, name: str) -> Image.Image | None:
        try:
            return read_picture(self._take(name))
        except UnreadablePictureError as exc:
            self._wrong(name, f"{name} {exc}")
            return None

    def _mask(self, source: Any, init: Image.Image, image: Image.Image | None) -> Image.Image | None:
        if source is None:
            if image is not None:
                self._wrong("mask_image", "mask_image is given without mask_source.")
        elif source not in CONTRACT["mask_sources"]:
            names = ", ".join(CONTRACT["mask_sources"])
            self._wrong("mask_source", f"mask_source is {_brief(source)}, allowed is one of {names}.")
        elif source == "INIT_IMAGE_ALPHA":
            if "mask_image" in self._given:
                self._wrong("mask_image", "mask_image has no effect with INIT_IMAGE_ALPHA.")
            if "A" in init.getbands():
                return _inverted(init.getchannel("A"))
            self._wrong("mask_source", "mask_source is INIT_IMAGE_ALPHA, and init_image has no transparency.")
        elif "mask_image" not in self._given:
            self._wrong("mask_image", f"mask_source {source} needs mask_image.")
        elif image is not None and image.size != init.size:
            self._wrong("mask_image", f"mask_image is {_size(image)}, and init_image {_size(init)}.")
        elif image is not None:
            grey = image.convert("L")
            return grey if source == "MASK_IMAGE_WHITE" else _inverted(grey)
        return None

    def _shares(self, *, has_init: bool, has_mask: bool) -> tuple[float, float]:
        """Where in the diffusion to start and to end."""
        mode = self._choice("init_image_mode", "IMAGE_STRENGTH", CONTRACT["init_image_modes"])
        strength = self._number("image_strength", CONTRACT["default_image_strength"], 0, 1)
        start = self._number("step_schedule_start", CONTRACT["default_step_schedule_start"], 0, 1)
        end = self._number("step_schedule_end", 0.0, 0, 1)
        if not has_init:
            return 1.0, 0.0
        idle = _STRENGTH_FIELDS[1:] if mode == "IMAGE_STRENGTH" else _STRENGTH_FIELDS[:1]
        for name in idle:
            if name in self._given:
                self._wrong(name, f"{name} has no effect with init_image_mode {mode}.")
        if has_mask and not self._given & set(_STRENGTH_FIELDS):
            return 1.0, 0.0
        if mode == "IMAGE_STRENGTH":
            # Rounded: 1 - 0.35 is 0.65 to callers.
            return round(1 - strength, 6), 0.0
        if "step_schedule_end" in self._given and end >= start:
            self._wrong(
                "step_schedule_end", f"step_schedule_end is {end:g}, allowed is less than the start, {start:g}."
            )
        return start, end

    def _loras(self) -> tuple[Lora, ...]:
        values = self._take("loras", [])
        if not isinstance(values, list) or len(values) > MAX_LORAS:
            self._wrong("loras", f"loras must be a list of at most {MAX_LORAS} objects with name and weight.")
            return ()
        found: dict[str, Lora] = {}
        for index, value in enumerate(values):
            where = f"loras[{index}]"
            if not isinstance(value, dict) or set(value) - {"name", "weight"} or not isinstance(value.get("name"), str):
                self._wrong(where, f"{where} must be an object with name and weight.")
                continue
            name = value["name"]
            if name not in self._offer.loras:
                names = ", ".join(sorted(self._offer.loras)) or "none"
                self._wrong(f"{where}.name", f"{where}.name is {_brief(name)}; this release has {names}.")
            if name in found:
                self._wrong(f"{where}.name", f"{where}.name is {_brief(name)} a second time.")
            weight = value.get("weight", 1.0)
            limit = MAX_LORA_WEIGHT
            found[name] = Lora(name, self._checked_number(f"{where}.weight", weight, 1.0, -limit, limit))
        return tuple(sorted(found.values(), key=lambda lora: lora.name))

    def _control(self, size: tuple[int, int]) -> Control | None:
        if "control_image" not in self._given:
            for name in _CONTROL_FIELDS:
                if self._take(name) is not None:
                    self._wrong(name, f"{name} is given without control_image.")
            return None
        kind = self._choice("control_type", "", self._offer.controls)
        strength = self._number("control_strength", 1.0, 0, MAX_CONTROL_STRENGTH)
        image = self._picture("control_image")
        if image is None:
            return None
        if image.size != size:
            self._wrong("control_image", f"control_image is {_size(image)}, and the answer {size[0]}x{size[1]}.")
        return Control(image.convert("RGB"), kind, strength)


def _seeds(seed: int, samples: int, draw: Callable[[int], int] = secrets.randbelow) -> tuple[int, ...]:
    """Sample i has seed + i, so that it can be requested alone; 0 draws a seed; after the last one comes 1."""
    most = CONTRACT["max_seed"]
    first = seed or draw(most) + 1
    return tuple((first - 1 + index) % most + 1 for index in range(samples))


def _inverted(grey: Image.Image) -> Image.Image:
    return grey.point([255 - value for value in range(256)])


def _size(image: Image.Image) -> str:
    return f"{image.width}x{image.height}"


def _sides() -> str:
    return f"at least {CONTRACT['min_side']} pixels, multiples of {CONTRACT['size_step']}"


def _brief(value: Any, longest: int = 40) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= longest else f"{text[:longest]}..."
