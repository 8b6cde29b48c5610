"""What is wrong with an environment file, and the error that reports all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Location = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing to mend in a file. `line` counts from 1; `location` is empty when the whole file is meant."""

    file: Path
    text: str
    location: Location = ()
    line: int | None = None
    allowed: str | None = None
    remedy: str | None = None

    @property
    def field(self) -> str:
        """The location as it is written in messages: `scaling.schedules[1].timezone`."""
        return dotted(self.location)

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        lines = [f"{place}: {self.field}: {self.text}" if self.location else f"{place}: {self.text}"]
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        if self.remedy:
            lines.append(f"    to do:   {self.remedy}")
        return "\n".join(lines)


class EnvironmentFileError(ValueError):
    """Environment files that cannot be used; `problems` has every error found, in the files' order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (str(problem.file), problem.line or 0)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, kw_only=True)
class SettingProblem:
    """A problem found while checking settings, before it is known which file and line they come from."""

    location: Location
    text: str
    received: Any = field(default=None)
    allowed: str | None = None
    remedy: str | None = None

    def as_error(self) -> PydanticCustomError:
        """The same as an error that a pydantic validator may raise."""
        context = {"text": self.text, "allowed": self.allowed or "", "remedy": self.remedy or ""}
        return PydanticCustomError("setting", "{text}", context)


def setting_error(text: str, *, allowed: str | None = None, remedy: str | None = None) -> PydanticCustomError:
    """Error of a validator about the very value that it was given."""
    return SettingProblem(location=(), text=text, allowed=allowed, remedy=remedy).as_error()


def raise_problems(title: str, problems: Iterable[SettingProblem]) -> NoReturn:
    """Raises all `problems` of a section as one validation error, each at its own location within the section."""
    details = [
        InitErrorDetails(type=problem.as_error(), loc=problem.location, input=problem.received) for problem in problems
    ]
    raise ValidationError.from_exception_data(title, details)


def dotted(location: Location) -> str:
    """A location as text: `scaling.schedules[1].timezone`."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
