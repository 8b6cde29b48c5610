"""The settings that an image file holds, for `sdxl generate --like`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sdxl.console import say
from sdxl.errors import UsageError
from sdxl.project import require_clone

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, kw_only=True)
class KeptSettings:
    """Settings of an image; None is what its file does not say."""

    prompt: str | None = None
    negative: str | None = None
    style: str | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    sampler: str | None = None


def read_kept_settings(path: Path) -> KeptSettings:
    """The settings in an image of this API.

    Raises:
        UsageError: the file cannot be read, or holds no settings of this API.
    """
    require_clone("`sdxl generate --like`")
    # The function's code, which an installed client does not have.
    from image_api.images import UnknownFormatError  # noqa: PLC0415
    from image_api.marks.files import DamagedFileError  # noqa: PLC0415
    from image_api.marks.inspection import read_marks  # noqa: PLC0415

    try:
        settings = read_marks(path.read_bytes(), trust_anchors=None).settings
    except OSError as exc:
        raise UsageError(f"--like {path} cannot be read: {exc.strerror}. Name an image file.") from exc
    except (UnknownFormatError, DamagedFileError) as exc:
        raise UsageError(f"--like {path} is no PNG, JPEG or WebP that can be read. Name an image of this API.") from exc
    if settings is None:
        raise UsageError(
            f"--like {path} holds no settings of this API: it is of another program, was saved anew, or "
            "api.metadata.parameters is off where it was made. Say what to draw."
        )
    if settings.operation != "text-to-image":
        say(f"{path} was drawn from another image, which it does not hold: name it with --init-image.", style="yellow")
    if settings.weights:
        say(f"{path} had prompts of several weights: they are joined, with the weights 1 and -1.", style="yellow")
    return KeptSettings(
        prompt=settings.prompt,
        negative=_said(settings.negative_prompt, str),
        style=_said(settings.style_preset, str),
        width=_said(settings.width, int),
        height=_said(settings.height, int),
        seed=_said(settings.seed, int),
        steps=_said(settings.steps, int),
        cfg_scale=_said(settings.cfg_scale, float),
        sampler=_said(settings.sampler, str),
    )


def _said(value: object, kind: type[ValueT]) -> ValueT | None:
    """The value where the file has one; what it does not say is of a type of msgspec's, which a client does without."""
    return value if isinstance(value, kind) else None
