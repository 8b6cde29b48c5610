"""The file `styles.yaml`: the team's own styles, checked at synthesis and passed to the function as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from stacks.environment.documents import located, read_settings
from stacks.environment.values import (
    EnvironmentFileError,
    Problem,
    Section,
    SettingProblem,
    described_pattern,
    setting_error,
)

# Lambda's limit for all environment variables of a function together is 4 KB; the rest is for the others.
MAX_JSON_BYTES = 3072

_NAME_PATTERN = described_pattern(r"^[a-z0-9][a-z0-9-]{1,39}$", "2 to 40 small letters, digits and hyphens")
_ONE_LINE_PATTERN = described_pattern(r"^[^\r\n]*$", "one line")

# The stacks read what the function takes from its OpenAPI document, and import nothing of the function.
_API_DOCUMENT = Path(__file__).resolve().parents[2] / "lambda" / "image_api" / "openapi.json"
_SCHEMAS: dict[str, Any] = json.loads(_API_DOCUMENT.read_text(encoding="utf-8"))["components"]["schemas"]
_FIELDS: dict[str, Any] = _SCHEMAS["TextToImage"]["properties"]
# A request may also say null, which is the same as to leave the field out.
_BUILT_IN, _SAMPLERS = (
    tuple(str(name) for name in _FIELDS[field]["enum"] if name is not None) for field in ("style_preset", "sampler")
)


def _sampler(name: str) -> str:
    if name not in _SAMPLERS:
        raise setting_error(f"received {name!r}", allowed=", ".join(_SAMPLERS), remedy="use one of these")
    return name


def _not_blank(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise setting_error("received a blank text", allowed="a text that is not blank", remedy="fill it, or remove it")
    return value


def _bounded(name: str) -> Any:
    return Field(ge=_FIELDS[name]["minimum"], le=_FIELDS[name]["maximum"])


_Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), BeforeValidator(_not_blank)
]
_Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=_ONE_LINE_PATTERN),
    BeforeValidator(_not_blank),
]


class _StyleSection(Section):
    model_config = ConfigDict(strict=True)


class StyleParameters(_StyleSection):
    """Parameters that apply where a caller does not send them; the bounds are the API's."""

    cfg_scale: Annotated[float, _bounded("cfg_scale")] | None = None
    steps: Annotated[int, _bounded("steps")] | None = None
    sampler: Annotated[str, AfterValidator(_sampler)] | None = None


class TeamStyle(_StyleSection):
    """One style: words that are added to a caller's."""

    description: _Line
    prompt: _Words
    negative: _Words | None = None
    parameters: StyleParameters = StyleParameters()


class TeamStyles(_StyleSection):
    """The styles of one file, by name."""

    styles: dict[Annotated[str, StringConstraints(pattern=_NAME_PATTERN)], TeamStyle]

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the file."""
        return tuple(self.styles)

    def function_variable(self) -> str:
        """What the function reads from `SDXL_STYLES`: compact JSON, or an empty text where there are no styles."""
        fields = [
            {"name": name, **style.model_dump(exclude_none=True, exclude_defaults=True)}
            for name, style in self.styles.items()
        ]
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) if fields else ""


def load_styles(path: Path) -> TeamStyles:
    """The styles in the file at `path`.

    Raises:
        EnvironmentFileError: the file is missing, is not YAML, has a wrong style, or too many for the function.
    """
    styles, document = read_settings(path, TeamStyles, remedy="write styles: {} for no styles")
    problems = [
        SettingProblem(
            location=("styles", name),
            text="is the name of a style that every deployment has",
            remedy="choose another name",
        )
        for name in styles.names
        if name in _BUILT_IN
    ]
    if problems:
        raise EnvironmentFileError([located(problem, document) for problem in problems])
    size = len(styles.function_variable().encode())
    if size > MAX_JSON_BYTES:
        longest = max(styles.names, key=lambda name: len(styles.styles[name].model_dump_json()))
        raise EnvironmentFileError(
            [
                Problem(
                    file=path,
                    text=f"{len(styles.names)} styles take {size} bytes as JSON",
                    allowed=f"{MAX_JSON_BYTES} bytes, so that they fit into the function's environment variables",
                    remedy=f"shorten the wording, first that of {longest}, or remove styles",
                )
            ]
        )
    return styles
