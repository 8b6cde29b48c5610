"""The server's settings, from environment variables: SageMaker gives a container nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DType = Literal["float32", "bfloat16", "float16"]
# Where SageMaker puts a model (its developer guide, "Use Your Own Inference Code with Hosting Services").
_MODEL_FOLDER = "/opt/ml/model"
_PORT = 8080
_DTYPES = ("float32", "bfloat16", "float16")


class InvalidSettingsError(ValueError):
    """A variable has a value that it must not have; the message names both."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be set.

    Attributes:
        folder: `SDXL_RELEASE_FOLDER`: the release, by default `/opt/ml/model`.
        digest: `SDXL_RELEASE_DIGEST`: the release that it has to be; by default any whole one.
        port: `SAGEMAKER_BIND_TO_PORT`: 8080 by default.
        device: `SDXL_DEVICE`: by default `cuda` where there is a GPU, else `cpu`.
        dtype: `SDXL_DTYPE`: the networks' type, by default bfloat16 on a GPU and float32 on a CPU.
        max_batch_samples: `SDXL_MAX_BATCH_SAMPLES`: how many images are drawn together, 4 by default: what fits 24 GB
            at 1024x1024 by calculation.
        batch_wait_seconds: `SDXL_BATCH_WAIT_MS`: how long a request waits for equal ones, 50 ms by default and at most.
        max_waiting_samples: `SDXL_MAX_WAITING_SAMPLES`: beyond it requests are answered with 503; 64 by default.
        warm_sizes: `SDXL_WARM_SIZES`: sizes drawn once before the server is ready, `1024x1024` by default.
    """

    folder: Path = Path(_MODEL_FOLDER)
    digest: str | None = None
    port: int = _PORT
    device: str | None = None
    dtype: DType | None = None
    max_batch_samples: int = 4
    batch_wait_seconds: float = 0.05
    max_waiting_samples: int = 64
    warm_sizes: tuple[tuple[int, int], ...] = ((1024, 1024),)

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables; one that is empty counts as not set.

        Raises:
            InvalidSettingsError: a value is not allowed.
        """
        dtype = variables.get("SDXL_DTYPE") or None
        if dtype is not None and dtype not in _DTYPES:
            raise InvalidSettingsError(f"SDXL_DTYPE is {dtype!r}, allowed is one of {', '.join(_DTYPES)}.")
        return cls(
            folder=Path(variables.get("SDXL_RELEASE_FOLDER") or _MODEL_FOLDER),
            digest=variables.get("SDXL_RELEASE_DIGEST") or None,
            port=_whole(variables, "SAGEMAKER_BIND_TO_PORT", _PORT, 1, 65535),
            device=variables.get("SDXL_DEVICE") or None,
            dtype=dtype,  # type: ignore[arg-type]  # one of _DTYPES
            max_batch_samples=_whole(variables, "SDXL_MAX_BATCH_SAMPLES", cls.max_batch_samples, 1, 64),
            batch_wait_seconds=_whole(variables, "SDXL_BATCH_WAIT_MS", 50, 0, 50) / 1000,
            max_waiting_samples=_whole(variables, "SDXL_MAX_WAITING_SAMPLES", cls.max_waiting_samples, 10, 10_000),
            warm_sizes=_sizes(variables.get("SDXL_WARM_SIZES") or "1024x1024"),
        )


def _whole(variables: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = variables.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise InvalidSettingsError(f"{name} is {text!r}, allowed are whole numbers from {least} to {most}.")
    return int(text)


def _sizes(text: str) -> tuple[tuple[int, int], ...]:
    sizes = []
    for part in text.split(","):
        width, _, height = part.strip().partition("x")
        if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
            raise InvalidSettingsError(f"SDXL_WARM_SIZES is {text!r}, allowed are sizes such as 1024x1024,1344x768.")
        sizes.append((int(width), int(height)))
    return tuple(sizes)
