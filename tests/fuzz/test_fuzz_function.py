"""Mutated events and pictures on the function in this process: no 500, nothing slow, nothing that takes much memory.

The seeds are fixed, so a run can be repeated. SDXL_FUZZ_SHARE (1 by default) is the share of the cases that run.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import os
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

# The fakes of the unit tests; folders of tests are no packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "image_api"))

from image_api_fakes import ApplicationUnderTest, FakeRuntime, proxy_event

SHARE = float(os.environ.get("SDXL_FUZZ_SHARE", "1"))
EVENTS = round(10_000 * SHARE)
PICTURES = round(2_000 * SHARE)
MOST_SECONDS = 2.0
MOST_MEGABYTES = 500

_GENERATION = "/v1/generation/stable-diffusion-xl-1024-v1-0"
_PATHS = (
    f"{_GENERATION}/text-to-image",
    f"{_GENERATION}/image-to-image",
    f"{_GENERATION}/image-to-image/masking",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/images/variations",
    "/v1/models",
    "/v1/engines/list",
    "/v1/presets",
    "/health",
    "/openapi.json",
)
_ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**64,
    1e308,
    "",
    " ",
    "\ud800",
    "\u0000",
    "\u202e",
    "a" * 3_000,
    [],
    {},
    [[[[]]]],
    {"text": 1},
    "data:image/png;base64,AA",
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "image-api")
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def _applications() -> tuple[ApplicationUnderTest, ...]:
    return tuple(
        ApplicationUnderTest(FakeRuntime(), model_source=source, refused_terms=("gun",))
        for source in ("open", "optimized")
    )


def _picture(dice: random.Random) -> bytes:
    size = dice.choice(((128, 128), (192, 128), (256, 64), (30, 20), (512, 512)))
    image = Image.new(dice.choice(("RGB", "RGBA", "L", "P", "1", "LA")), size)
    buffer = io.BytesIO()
    kind = dice.choice(("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"))
    image.convert("RGB").save(buffer, kind) if kind in ("JPEG", "BMP") else image.save(buffer, kind)
    return buffer.getvalue()


def _mutated_bytes(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled, or a number in the head made large."""
    mutated = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(mutated)) if mutated else 0
        match dice.randrange(5):
            case 0:
                mutated[at : at + 1] = dice.randbytes(1)
            case 1:
                del mutated[at : at + dice.randint(1, 400)]
            case 2:
                mutated[at:at] = mutated[at : at + dice.randint(1, 400)] * dice.randint(1, 50)
            case 3:
                head = dice.randrange(min(64, len(mutated) or 1))
                mutated[head : head + 4] = dice.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"))
            case _:
                mutated[at:at] = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * dice.choice((1, 50, 5_000))
    return bytes(mutated)


def _form(fields: dict[str, bytes]) -> dict[str, Any]:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"; filename="f"\r\n\r\n' + value + b"\r\n"
        if name in ("init_image", "mask_image", "image", "mask")
        else b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value + b"\r\n"
        for name, value in fields.items()
    )
    return {
        "body": base64.b64encode(parts + b"--b--\r\n").decode(),
        "isBase64Encoded": True,
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
    }


def _mutate(value: Any, dice: random.Random) -> Any:
    """A value with one part of it replaced, removed, doubled or renamed."""
    if isinstance(value, dict) and value and dice.random() < 0.8:
        name = dice.choice(list(value))
        changed = dict(value)
        match dice.randrange(4):
            case 0:
                changed[name] = _mutate(value[name], dice)
            case 1:
                del changed[name]
            case 2:
                changed[dice.choice(("x", "seed", "size", "n", "", name + "x"))] = dice.choice(_ODD)
            case _:
                changed[name] = dice.choice(_ODD)
        return changed
    if isinstance(value, list) and value and dice.random() < 0.8:
        return value * dice.randint(0, 12) if dice.random() < 0.5 else [_mutate(value[0], dice), *value[1:]]
    return copy.deepcopy(dice.choice(_ODD))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _event(dice: random.Random) -> dict[str, Any]:
    path = dice.choice(_PATHS)
    picture = base64.b64encode(_picture(dice)).decode()
    body: Any = {"text_prompts": [{"text": "a puppy", "weight": 1}], "seed": 7, "steps": 10, "samples": 2}
    if path.startswith("/v1/images"):
        body = {"prompt": "a puppy", "n": 1, "size": "1024x1024", "response_format": "b64_json"}
    elif "image-to-image" in path:
        body |= {"init_image": picture, "image_strength": 0.5, "mask_source": "MASK_IMAGE_WHITE", "mask_image": picture}
    for _ in range(dice.randint(1, 4)):
        body = _mutate(body, dice)
    event = proxy_event(_json(body), path=path, method=dice.choice(("POST", "POST", "POST", "GET", "PUT", "OPTIONS")))
    if dice.random() < 0.2:
        name = dice.choice(("Accept", "Content-Type", "Idempotency-Key", "Origin"))
        event["headers"][name] = dice.choice(("", "x", "image/*;q=x", "a" * 300, "multipart/form-data", "\u00fc"))
    if dice.random() < 0.1:
        event["isBase64Encoded"] = True
    if dice.random() < 0.1:
        event["body"] = dice.choice((None, "", "{", "[" * 5_000, "\ud800", '{"a":' * 500, "1" * 5_000))
    return event


def _megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _check(api: ApplicationUnderTest, event: dict[str, Any], seed: int, seconds: list[float]) -> None:
    # Of this thread's own work: another program on the machine does not count.
    started = time.thread_time()
    reply = api.handle(event)
    seconds.append(time.thread_time() - started)
    assert reply.status != 500, f"case {seed}: {reply.text[:500]}"
    assert seconds[-1] < MOST_SECONDS, f"case {seed}: {seconds[-1]:.1f} s"


@pytest.mark.timeout(600)
def test_no_mutated_event_breaks_the_function() -> None:
    applications, seconds, before = _applications(), list[float](), _megabytes()

    for seed in range(EVENTS):
        dice = random.Random(seed)
        _check(dice.choice(applications), _event(dice), seed, seconds)

    assert len(seconds) == EVENTS
    assert _megabytes() - before < MOST_MEGABYTES


@pytest.mark.timeout(600)
def test_no_mutated_picture_breaks_the_function() -> None:
    applications, seconds, before = _applications(), list[float](), _megabytes()

    for seed in range(PICTURES):
        dice = random.Random(1_000_000 + seed)
        picture = _mutated_bytes(_picture(dice), dice)
        path = dice.choice(_PATHS[1:3] + _PATHS[4:6])
        names = ("image", "mask") if path.startswith("/v1/images") else ("init_image", "mask_image")
        fields = {names[0]: picture}
        if path.endswith(("masking", "edits")):
            fields[names[1]] = _mutated_bytes(_picture(dice), dice) if dice.random() < 0.5 else _picture(dice)
        if path.startswith("/v1/generation"):
            fields |= {"text_prompts[0][text]": b"a puppy"}
            fields |= {"mask_source": b"MASK_IMAGE_WHITE"} if path.endswith("masking") else {}
        elif path.endswith("edits"):
            fields["prompt"] = b"a puppy"
        _check(dice.choice(applications), {**proxy_event(path=path), **_form(fields)}, seed, seconds)

    assert len(seconds) == PICTURES
    assert _megabytes() - before < MOST_MEGABYTES
