"""Turns pydantic's validation errors into problems of a file: line, value received, what is allowed, what to do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from typing import Any

from pydantic_core import ErrorDetails

from stacks.environment.problems import Location, Problem, SettingProblem
from stacks.environment.schema import allowed_words, locate, resolve
from stacks.environment.values import PATTERN_WORDS
from stacks.environment.yaml_document import YamlDocument

# Settings that belong to something else than a file's content, or that people look for under another name.
_KNOWN_STRANGERS = {
    "name": "remove it: the environment's name is the file's name",
    "kms_key_arn": "remove it: these instance types have local NVMe storage, which the hardware encrypts",
}


def problem_of(error: ErrorDetails, document: YamlDocument) -> Problem:
    """The problem that a validation error stands for."""
    explain = _EXPLANATIONS.get(error["type"], _wrong_value)
    return located(explain(error, document), document)


def located(problem: SettingProblem, document: YamlDocument) -> Problem:
    """`problem` with the file and line that it comes from."""
    return Problem(
        file=document.file,
        text=problem.text,
        location=problem.location,
        line=document.line_of(problem.location),
        allowed=problem.allowed,
        remedy=problem.remedy,
    )


def _setting(error: ErrorDetails, document: YamlDocument) -> SettingProblem:
    location, _ = locate(error["loc"], document.schema)
    context = error["ctx"]
    return SettingProblem(
        location=location, text=context["text"], allowed=context["allowed"] or None, remedy=context["remedy"] or None
    )


def _missing(error: ErrorDetails, document: YamlDocument) -> SettingProblem:
    location, node = locate(error["loc"], document.schema)
    return SettingProblem(
        location=location, text="missing", allowed=allowed_words(node), remedy=f"add {location[-1]}: ..."
    )


def _unknown(error: ErrorDetails, document: YamlDocument) -> SettingProblem:
    location, _ = locate(error["loc"], document.schema)
    _, parent = locate(error["loc"][:-1], document.schema)
    key, known = str(location[-1]), list(resolve(parent).get("properties", {}))
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        remedy = f"did you mean {close[0]}?"
    else:
        remedy = _KNOWN_STRANGERS.get(key, "remove it, or check that it is indented under the right section")
    return SettingProblem(
        location=location,
        text=f"unknown setting, received {_shown(error['input'], location, document)}",
        allowed=", ".join(known),
        remedy=remedy,
    )


def _wrong_choice(error: ErrorDetails, document: YamlDocument) -> SettingProblem:
    location, _ = locate(error["loc"], document.schema)
    location = (*location, error["ctx"]["discriminator"].strip("'"))
    tag, known = str(error["ctx"]["tag"]), error["ctx"]["expected_tags"].replace("'", "")
    close = difflib.get_close_matches(tag, known.split(", "), n=1)
    return SettingProblem(
        location=location,
        text=f"received {_shown(tag, location, document)}",
        allowed=known,
        remedy=f"did you mean {close[0]}?" if close else "use one of these",
    )


def _missing_choice(error: ErrorDetails, document: YamlDocument) -> SettingProblem:
    location, node = locate(error["loc"], document.schema)
    chosen_by = error["ctx"]["discriminator"].strip("'")
    return SettingProblem(
        location=(*location, chosen_by), text="missing", allowed=allowed_words(node), remedy=f"add {chosen_by}: ..."
    )


def _wrong_pattern(error: ErrorDetails, document: YamlDocument) -> SettingProblem:
    location, _ = locate(error["loc"], document.schema)
    return SettingProblem(
        location=location,
        text=f"received {_shown(error['input'], location, document)}",
        allowed=PATTERN_WORDS[error["ctx"]["pattern"]],
        remedy="correct the value",
    )


def _wrong_value(error: ErrorDetails, document: YamlDocument) -> SettingProblem:
    location, node = locate(error["loc"], document.schema)
    return SettingProblem(
        location=location,
        text=f"received {_shown(error['input'], location, document)}",
        allowed=allowed_words(node),
        remedy=_remedy(error, location, document),
    )


def _remedy(error: ErrorDetails, location: Location, document: YamlDocument) -> str:
    value, raw = error["input"], document.raw.get(location)
    if value is None:
        return "give it a value, or remove it"
    if error["type"] == "string_type" and raw is not None:
        return f'write it in quotes: "{raw}"'
    if error["type"] in ("int_type", "float_type") and isinstance(value, str) and location not in document.unquoted:
        return "write the number without quotes"
    if error["type"] == "tuple_type":
        return "write a list: one entry per line, each after a hyphen"
    return "use an allowed value"


def _shown(value: Any, location: Location, document: YamlDocument) -> str:
    if value is None:
        return "nothing"
    raw = document.raw.get(location)
    if raw is None:
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = raw if location in document.unquoted else f'"{raw}"'
    return text if len(text) <= 80 else f"{text[:77]}..."


_EXPLANATIONS: dict[str, Callable[[ErrorDetails, YamlDocument], SettingProblem]] = {
    "setting": _setting,
    "missing": _missing,
    "extra_forbidden": _unknown,
    "union_tag_invalid": _wrong_choice,
    "union_tag_not_found": _missing_choice,
    "string_pattern_mismatch": _wrong_pattern,
}
