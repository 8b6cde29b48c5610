"""What the function measures of itself, written as CloudWatch's embedded metric format.

Written here and not by Powertools: its metrics carry one set of dimensions, and a dimension `service` in it.
Amazon CloudWatch User Guide, "Specification: Embedded metric format".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec

from image_api.errors import (
    ImageApiError,
    InvalidRequestError,
    ModelError,
    ModelNotReadyError,
    ModelTimeoutError,
    ModelUnreachableError,
    RefusedPromptError,
    ThrottledError,
)
from image_api.metric_names import METRICS, NAMESPACE
from image_api.presets import TRAINED_SIZES
from image_api.request import GenerationRequest, GenerationResult
from image_api.settings import Price, Settings

OTHER_SIZE = "other"
# Before those they derive from.
_RESULTS: tuple[tuple[type[ImageApiError], str], ...] = (
    (RefusedPromptError, "filtered"),
    (InvalidRequestError, "invalid_request"),
    (ThrottledError, "throttled"),
    (ModelNotReadyError, "model_not_ready"),
    (ModelUnreachableError, "model_not_ready"),
    (ModelTimeoutError, "timeout"),
    (ModelError, "model_error"),
)


class Drawn(msgspec.Struct, frozen=True):
    """What drawing one request took. `cost_usd` is None where the price is unknown."""

    variant: str
    source: str
    size: str
    seconds: float
    seconds_per_image: float
    cost_usd: float | None


def result_of(error: Exception) -> str:
    """How a request that raised `error` ended, as the metric `Requests` reports it."""
    for kind, result in _RESULTS:
        if isinstance(error, kind):
            return result
    is_callers_fault = isinstance(error, ImageApiError) and error.status < 500
    return "invalid_request" if is_callers_fault else "internal_error"


def result_of_images(result: GenerationResult) -> str:
    """How a request that was answered ended: `filtered` where the model's filter left no image."""
    is_filtered = all(artifact.finish_reason == "CONTENT_FILTERED" for artifact in result.artifacts)
    return "filtered" if is_filtered else "success"


def size_of(request: GenerationRequest) -> str:
    """`1024x1024` for a size that the model is trained for; any other is `other`, so that metrics stay few."""
    size = (request.width, request.height)
    return f"{size[0]}x{size[1]}" if size in TRAINED_SIZES else OTHER_SIZE


class Measurements:
    """Writes metrics as lines to standard output, from where Lambda takes them to the log."""

    def __init__(
        self, settings: Settings, *, write: Callable[[str], object] = print, now: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._write = write
        self._now = now

    def drawn(self, request: GenerationRequest, result: GenerationResult, images: int, seconds: float) -> Drawn:
        """Publish what the `images` that were drawn for one request took, and return it for the log."""
        drawn = Drawn(
            variant=result.variant,
            source=result.source,
            size=size_of(request),
            seconds=seconds,
            seconds_per_image=seconds / images,
            cost_usd=_cost(self._settings.prices.get(result.variant), images, seconds),
        )
        values = {"Images": float(images), "SecondsPerImage": drawn.seconds_per_image}
        if drawn.cost_usd is not None:
            values["ImageCost"] = drawn.cost_usd
        self._publish(values, {"source": drawn.source, "variant": drawn.variant, "size": drawn.size})
        return drawn

    def answered(self, result: str) -> None:
        """Publish how one request for images ended; `result` is one of `metric_names.RESULTS`."""
        self._publish({"Requests": 1.0}, {"result": result})

    def signing_failed(self) -> None:
        """Publish that the images of one request could not be signed."""
        self._publish({"SigningFailures": 1.0}, {})

    def _publish(self, values: Mapping[str, float], dimensions: Mapping[str, str]) -> None:
        # All metrics of one record have the same sets.
        _, sets = METRICS[next(iter(values))]
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": sets,
            "Metrics": [{"Name": name, "Unit": METRICS[name][0]} for name in values],
        }
        record = {
            "_aws": {"Timestamp": int(self._now() * 1000), "CloudWatchMetrics": [directive]},
            "environment": self._settings.environment,
            **dimensions,
            **values,
        }
        self._write(msgspec.json.encode(record).decode())


def _cost(price: Price | None, images: int, seconds: float) -> float | None:
    """An estimate in USD: an hour's price by the seconds, as if an instance had done nothing else; or an image's."""
    if price is None:
        return None
    if price.usd_per_image is not None:
        return price.usd_per_image * images
    return None if price.usd_per_instance_hour is None else price.usd_per_instance_hour * seconds / 3600
