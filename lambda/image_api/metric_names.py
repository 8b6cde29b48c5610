"""Every metric that the function publishes: its unit, and the sets of dimensions under which it can be found.

Namespace `SDXL`, in CloudWatch's embedded metric format. Each combination of values of a dimension set is a metric of
its own in CloudWatch, and billed as one: the values are few and known.
"""

from __future__ import annotations

NAMESPACE = "SDXL"

ENVIRONMENT = ("environment",)
BY_VARIANT = ("environment", "source", "variant")
BY_SIZE = ("environment", "source", "size")
BY_RESULT = ("environment", "result")

OF_IMAGES = (ENVIRONMENT, BY_VARIANT, BY_SIZE)
OF_REQUESTS = (ENVIRONMENT, BY_RESULT)

# name: (unit, dimension sets)
METRICS: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    # Images that were drawn.
    "Images": ("Count", OF_IMAGES),
    # Seconds of the model for a request, divided by its images.
    "SecondsPerImage": ("Seconds", OF_IMAGES),
    # USD for a request's images, estimated; absent where the price is unknown.
    "ImageCost": ("None", OF_IMAGES),
    # Requests whose images could not be signed.
    "SigningFailures": ("Count", (ENVIRONMENT,)),
    # Requests for images, by how they ended.
    "Requests": ("Count", OF_REQUESTS),
}

RESULTS = (
    "success",
    "filtered",
    "invalid_request",
    "throttled",
    "model_not_ready",
    "model_error",
    "timeout",
    "internal_error",
)
