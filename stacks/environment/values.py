"""What every section of an environment file builds on: the section's base, kinds of values, and how a check reports.

A section declares the patterns of its settings with `described_pattern`, so that messages can say them in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

# Where a setting is: ("scaling", "schedules", 1, "timezone").
Location = tuple[str | int, ...]


class Section(BaseModel):
    """A group of settings: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One error in a file. `line` counts from 1; `location` is empty when the whole file is meant."""

    file: Path
    text: str
    location: Location = ()
    line: int | None = None
    allowed: str | None = None
    remedy: str | None = None

    @property
    def field(self) -> str:
        """The location as messages show it: `scaling.schedules[1].timezone`."""
        text = ""
        for step in self.location:
            if isinstance(step, int):
                text += f"[{step}]"
            else:
                text += f".{step}" if text else step
        return text

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        lines = [f"{place}: {self.field}: {self.text}" if self.location else f"{place}: {self.text}"]
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        if self.remedy:
            lines.append(f"    to do:   {self.remedy}")
        return "\n".join(lines)


class EnvironmentFileError(ValueError):
    """Files that cannot be used; `problems` has every error found, in the order of files and lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (str(problem.file), problem.line or 0)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, kw_only=True)
class SettingProblem:
    """A problem that a check finds in settings, before its file and line are known."""

    location: Location
    text: str
    received: Any = None
    allowed: str | None = None
    remedy: str | None = None

    def as_error(self) -> PydanticCustomError:
        """The problem as an error that a pydantic validator may raise."""
        context = {"text": self.text, "allowed": self.allowed or "", "remedy": self.remedy or ""}
        return PydanticCustomError("setting", "{text}", context)


def setting_error(text: str, *, allowed: str | None = None, remedy: str | None = None) -> PydanticCustomError:
    """The error that a validator raises about the value that it was given."""
    return SettingProblem(location=(), text=text, allowed=allowed, remedy=remedy).as_error()


def raise_problems(problems: Iterable[SettingProblem]) -> None:
    """Raises `problems`, if there are any, as one validation error, each at its own location within the section."""
    details = [
        InitErrorDetails(type=problem.as_error(), loc=problem.location, input=problem.received) for problem in problems
    ]
    if details:
        raise ValidationError.from_exception_data("settings", details)


# By pattern.
_WORDS: dict[str, str] = {}


def described_pattern(pattern: str, words: str) -> str:
    """Returns the regular expression `pattern`, which messages describe as `words` from now on."""
    _WORDS[pattern] = words
    return pattern


def pattern_words(pattern: str) -> str:
    """The words for `pattern`.

    Raises:
        KeyError: the pattern was not declared with `described_pattern`.
    """
    return _WORDS[pattern]


# Endpoint names may not end in a hyphen, and `sdxl-<name>` is one.
NAME_PATTERN = described_pattern(
    r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$",
    "1 to 20 lower-case letters, digits and hyphens; a letter first, no hyphen last",
)
# API keys and schedules.
ITEM_NAME_PATTERN = described_pattern(
    r"^[a-z][a-z0-9-]{0,39}$", "1 to 40 lower-case letters, digits and hyphens; a letter first"
)
ACCOUNT_PATTERN = described_pattern(r"^\d{12}$", "an AWS account number: 12 digits in quotes")
REGION_PATTERN = described_pattern(r"^[a-z]{2}(-[a-z]+){1,2}-\d$", "a region's code, such as us-east-1")

# The key by which the resources and costs of an environment are found.
ENVIRONMENT_TAG = "sdxl:environment"


def _refuse_zero_instances(value: object) -> object:
    if type(value) is int and value == 0:
        raise setting_error(
            "0: a real-time endpoint cannot scale to zero instances",
            allowed="a whole number from 1 to 100",
            remedy="use 1: an endpoint is created with an instance, and goes to zero afterwards by scaling, in "
            "endpoint.mode asynchronous or components",
        )
    return value


def _refuse_booleans(value: object) -> object:
    # Python's True equals 1, and a Literal of numbers takes it for one.
    if type(value) is not int:
        raise PydanticCustomError("int_type", "a whole number is required")
    return value


Int = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Instances = Annotated[int, Strict(), Field(ge=1, le=100), BeforeValidator(_refuse_zero_instances)]
# A bound of scaling. Whether it may be zero, the endpoint's mode decides.
InstanceBound = Annotated[int, Strict(), Field(ge=0, le=100)]
# Amazon CloudWatch Logs, PutRetentionPolicy.
LogRetentionDays = Annotated[
    Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653],
    BeforeValidator(_refuse_booleans),
]


def repeated(values: Sequence[str]) -> Iterator[SettingProblem]:
    """A problem for each of `values` that stands in the list before."""
    for index, value in enumerate(values):
        if value in values[:index]:
            yield SettingProblem(
                location=(index,),
                text=f"{value!r} stands twice",
                received=value,
                allowed="each entry once",
                remedy="remove one of the two",
            )


def repeated_names(names: Sequence[str], kind: str, location: Location = ()) -> Iterator[SettingProblem]:
    """A problem for each of `names` that another `kind`, such as `schedule`, of the list at `location` has before."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield SettingProblem(
                location=(*location, index, "name"),
                text=f"{name!r} stands twice",
                received=name,
                allowed=f"a name that no other {kind} has",
                remedy="rename one of the two",
            )


def _each_once(values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    raise_problems(repeated(values or ()))
    return values


# For lists of texts.
EACH_ONCE = AfterValidator(_each_once)


def pascal(name: str) -> str:
    """A name as a part of a construct's id: `night-shift`, `NIGHT_SHIFT` and `night/{shift}` as `NightShift`."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", name))
