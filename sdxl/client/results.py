"""What comes back: images, and what the deployed API says about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Image:
    """One PNG, with the seed that makes it again. `finish_reason` is SUCCESS or CONTENT_FILTERED.

    An image that did not fit into the API's answer has a `url`, a link that expires; `Client` fetches it when `data`,
    `size` or `save` first need it, so do that soon. `AsyncClient` has fetched it already.
    """

    seed: int
    finish_reason: str = "SUCCESS"
    url: str | None = None
    read: Callable[[], bytes] = field(repr=False, compare=False)

    @cached_property
    def data(self) -> bytes:
        """The PNG file. Raises ImageNotAvailableError for a link that no longer answers."""
        return self.read()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as the PNG's own header has them."""
        return int.from_bytes(self.data[16:20]), int.from_bytes(self.data[20:24])

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the PNG, making its folder. Raises FileExistsError for a file that is there, unless `overwrite`."""
        data, path = self.data, Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb" if overwrite else "xb") as file:
            file.write(data)
        return path


@dataclass(frozen=True, kw_only=True)
class GenerationResult:
    """What one call brought.

    `seconds` is how long it took, waiting included; `warnings` are the API's, such as a size that may crop.
    """

    images: tuple[Image, ...]
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A model that can be named in a path."""

    id: str
    name: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether images can be made now, and the deployment's own words about it."""

    is_ready: bool
    details: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SizePreset:
    """A size with the name that it is asked for by, and the one to show."""

    name: str
    label: str
    ratio: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Described:
    """A style or sampler with one line about it. `is_supported` is whether the deployed model has it."""

    name: str
    description: str
    is_supported: bool = True


@dataclass(frozen=True, kw_only=True)
class Presets:
    """What can be chosen from. `raw` is the whole answer of `GET /v1/presets`, parameter bounds included."""

    sizes: tuple[SizePreset, ...]
    styles: tuple[Described, ...]
    samplers: tuple[Described, ...]
    raw: Mapping[str, Any] = field(repr=False)
