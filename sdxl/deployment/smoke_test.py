"""Whether a deployment works: its health, and an image out of its API that is one."""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sdxl.client import Client, GenerationRequest, Retries, TextPrompt
from sdxl.deployment.record import Deployment
from sdxl.errors import ApiConnectionError, ApiError, SdxlError, UnexpectedAnswerError

Check = Literal["image", "health"]

PROMPT = "a lighthouse on a cliff at dawn, watercolor"
SEED = 1_000_003
# What every model source draws by default.
SIZE = (1024, 1024)
STEPS = 20
HEALTH_INTERVAL_SECONDS = 5.0
WAIT_SECONDS = 900.0

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# One colour leaves at most the filters' numbers, a pixel and its differences: fewer values than this. Drawings have
# most of the 256.
_FEWEST_VALUES = 24


@dataclass(frozen=True, kw_only=True)
class SmokeTestResult:
    """What was looked at, where, and how long it took."""

    check: Check
    place: str
    api_url: str
    health_seconds: float
    image_seconds: float | None = None
    image_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def smoke_test(
    deployment: Deployment,
    *,
    check: Check,
    note: Callable[[str], None],
    wait_seconds: float = WAIT_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    client: Client | None = None,
) -> SmokeTestResult:
    """Wait until the deployment is healthy, and generate an image unless `check` is `health`.

    Raises SdxlError saying what did not work: not healthy within `wait_seconds`, no image, or one that is blank.
    """
    started = clock()
    api = client or Client(
        deployment.api_url, deployment.api_key or None, retries=Retries(for_seconds=wait_seconds / 3)
    )
    with api:
        _wait_for_health(api, note, wait_seconds, sleep, clock)
        result = SmokeTestResult(
            check=check,
            place=deployment.describe(),
            api_url=deployment.api_url,
            health_seconds=round(clock() - started, 3),
        )
        if check == "health":
            return result
        width, height = SIZE
        generated = api.generate(
            GenerationRequest(text_prompts=(TextPrompt(PROMPT),), width=width, height=height, seed=SEED, steps=STEPS)
        )
        if not generated.images:
            raise UnexpectedAnswerError("The API answered without an image. Look at the function's log.")
        image = generated.images[0]
        if image.finish_reason != "SUCCESS":
            raise UnexpectedAnswerError(f"The image of a harmless prompt came back as {image.finish_reason}.")
        check_image(image.data, SIZE)
    return SmokeTestResult(
        **{
            **asdict(result),
            "image_seconds": round(generated.seconds, 3),
            "image_bytes": len(image.data),
        }
    )


def check_image(data: bytes, size: tuple[int, int]) -> None:
    """Raise UnexpectedAnswerError unless `data` is a whole PNG of this size that shows more than one colour."""
    if not data.startswith(_SIGNATURE):
        raise UnexpectedAnswerError(f"The image is no PNG: it starts with {data[:8]!r}. Look at the function's log.")
    found = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if found != size:
        raise UnexpectedAnswerError(f"The image is {found[0]}x{found[1]}; {size[0]}x{size[1]} was asked for.")
    try:
        pixels = zlib.decompress(b"".join(_image_data(data)))
    except (zlib.error, ValueError) as exc:
        raise UnexpectedAnswerError(f"The PNG is damaged: {exc}. Look at the function's log.") from exc
    if len(set(pixels)) < _FEWEST_VALUES:
        raise UnexpectedAnswerError(
            "The image is blank, of one colour: the model answers, and draws nothing. Its weights or its precision "
            "are wrong; look at the endpoint's log."
        )


def _image_data(data: bytes) -> Iterator[bytes]:
    """The contents of the IDAT chunks, up to the end, which must be there."""
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        length, kind = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        if kind == b"IEND":
            return
        if kind == b"IDAT":
            yield data[position + 8 : position + 8 + length]
        position += 12 + length
    raise ValueError("it ends before its end chunk")


def _is_unknown_name(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, socket.gaierror):
            return True
        error = error.__cause__
    return False


def _wait_for_health(
    api: Client,
    note: Callable[[str], None],
    wait_seconds: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> None:
    deadline, said = clock() + wait_seconds, ""
    while True:
        try:
            health = api.health()
        except (ApiError, ApiConnectionError) as exc:
            if _is_unknown_name(exc):
                raise SdxlError(
                    f"{exc} The name does not resolve, and waiting does not change that. Is the address right? Of a "
                    "custom domain, is its DNS record there? A private API resolves only inside its VPC."
                ) from exc
            state = str(exc)
        else:
            if health.is_ready:
                return
            state = ", ".join(f"{key} {value}" for key, value in health.details.items()) or "not ready"
        if clock() >= deadline:
            raise SdxlError(
                f"{api.base_url}/health was not ready within {wait_seconds:.0f} s; last: {state}. Look at the "
                "endpoint in the SageMaker console, or at the function's log."
            )
        if state != said:
            note(f"waiting for {api.base_url}/health, up to {wait_seconds:.0f} s: {state}")
            said = state
        sleep(HEALTH_INTERVAL_SECONDS)
