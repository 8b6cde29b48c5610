"""The team's own styles: `styles.yaml`, checked when the app is synthesized and handed to the function as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from stacks.environment.problems import EnvironmentFileError, Location, Problem, setting_error
from stacks.environment.yaml_document import YamlDocument, read_yaml
from stacks.request_schema import request_schema

# Lambda's limit for all environment variables of a function together is 4 KB; the rest is for the others.
MAX_JSON_BYTES = 3072
MAX_WORDS_CHARACTERS = 500
MAX_DESCRIPTION_CHARACTERS = 120
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{1,39}$"

_FIELDS: dict[str, Any] = request_schema("text-to-image")["properties"]
_BUILT_IN: tuple[str, ...] = tuple(_FIELDS["style_preset"]["enum"])
_SAMPLERS: tuple[str, ...] = tuple(_FIELDS["sampler"]["enum"])


class StylesFileError(EnvironmentFileError):
    """A styles file that cannot be used; `problems` has every error found."""


def _sampler(name: str) -> str:
    if name not in _SAMPLERS:
        raise setting_error(f"received {name!r}", allowed=", ".join(_SAMPLERS))
    return name


def _bounded(name: str) -> Any:
    return Field(ge=_FIELDS[name]["minimum"], le=_FIELDS[name]["maximum"])


_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_WORDS_CHARACTERS)]
_Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_DESCRIPTION_CHARACTERS, pattern=r"^[^\r\n]*$"
    ),
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StyleParameters(_Section):
    """Parameters that count where a caller sends none; the bounds are the API's."""

    cfg_scale: Annotated[float, _bounded("cfg_scale")] | None = None
    steps: Annotated[int, _bounded("steps")] | None = None
    sampler: Annotated[str, AfterValidator(_sampler)] | None = None


class TeamStyle(_Section):
    """One style: words that are added to a caller's."""

    description: _Line
    prompt: _Words
    negative: _Words | None = None
    parameters: StyleParameters = StyleParameters()


class _File(_Section):
    styles: dict[Annotated[str, StringConstraints(pattern=NAME_PATTERN)], TeamStyle]


class TeamStyles:
    """The styles of one file, by name."""

    def __init__(self, styles: dict[str, TeamStyle]) -> None:
        self._styles = styles

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the file."""
        return tuple(self._styles)

    def function_variable(self) -> str:
        """What the function reads from `SDXL_STYLES`: compact JSON, or nothing where there are no styles."""
        fields = [
            {"name": name, **style.model_dump(exclude_none=True, exclude_defaults=True)}
            for name, style in self._styles.items()
        ]
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) if fields else ""


def load_styles(path: Path) -> TeamStyles:
    """The styles in the file at `path`.

    Raises:
        StylesFileError: the file is missing, is not YAML, has a wrong style, or too many for the function.
    """
    document = read_yaml(path)
    problems = list(document.problems)
    found: _File | None = None
    if document.value is not None:
        try:
            found = _File.model_validate(document.value)
        except ValidationError as exc:
            problems += [_problem(error, document) for error in exc.errors()]
    elif not problems:
        problems.append(Problem(file=path, text="the file is empty", remedy="write styles: {} for no styles"))
    if found is not None:
        problems += _name_problems(found.styles, document)
    if problems or found is None:
        raise StylesFileError(problems)
    styles = TeamStyles(found.styles)
    size = len(styles.function_variable().encode())
    if size > MAX_JSON_BYTES:
        raise StylesFileError([_too_large(path, size, found.styles)])
    return styles


def _name_problems(styles: Iterable[str], document: YamlDocument) -> list[Problem]:
    return [
        Problem(
            file=document.file,
            location=("styles", name),
            line=document.line_of(("styles", name)),
            text="is the name of a style that every deployment has",
            remedy="choose another name",
        )
        for name in styles
        if name in _BUILT_IN
    ]


def _too_large(path: Path, size: int, styles: dict[str, TeamStyle]) -> Problem:
    longest = max(styles, key=lambda name: len(styles[name].model_dump_json()))
    return Problem(
        file=path,
        text=f"{len(styles)} styles take {size} bytes as JSON",
        allowed=f"{MAX_JSON_BYTES} bytes, so that they fit into the function's environment variables",
        remedy=f"shorten the wording, first that of {longest}, or remove styles",
    )


def _problem(error: ErrorDetails, document: YamlDocument) -> Problem:
    # A wrong key is reported with a step of pydantic's own behind it.
    location: Location = tuple(step for step in error["loc"] if step != "[key]")
    allowed, remedy = _help(error)
    is_ours = error["type"] == "setting"
    return Problem(
        file=document.file,
        location=location,
        line=document.line_of(location),
        text=error["ctx"]["text"] if is_ours else _text(error),
        allowed=allowed,
        remedy=remedy,
    )


def _text(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "missing"
    shown = json.dumps(error["input"], ensure_ascii=False, default=str)
    return f"received {shown if len(shown) <= 80 else shown[:77] + '...'}"


def _help(error: ErrorDetails) -> tuple[str | None, str]:
    """What is allowed, and what to do."""
    context, name = error.get("ctx", {}), str(error["loc"][-1])
    kind = "key_pattern" if name == "[key]" else error["type"]
    if kind == "setting":
        return context["allowed"] or None, context["remedy"] or "use one of these"
    if kind == "extra_forbidden":
        return ", ".join(_SECTION_AT_DEPTH[len(error["loc"])].model_fields), "remove it, or correct its name"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"{_FIELDS[name]['minimum']} to {_FIELDS[name]['maximum']}", "use an allowed value"
    if kind == "missing":
        return None, f"add {name}: ..."
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters", "shorten it"
    return _HELP.get(kind, ("a text", "write it in quotes"))


_SECTION_AT_DEPTH: dict[int, type[BaseModel]] = {1: _File, 3: TeamStyle, 4: StyleParameters}
_HELP = {
    "key_pattern": ("2 to 40 small letters, digits and hyphens", "rename the style"),
    "string_pattern_mismatch": ("one line", "remove the line break"),
    "string_too_short": ("a text that is not blank", "fill it, or remove it"),
    "int_type": ("a whole number", "write a number, without quotes"),
    "float_type": ("a number", "write a number, without quotes"),
    "dict_type": ("a mapping", "write name: value, indented under it"),
    "model_type": ("a mapping", "write name: value, indented under it"),
}
