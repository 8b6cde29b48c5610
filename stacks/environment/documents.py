"""What a settings file says and what is wrong in it: strict YAML with lines, and errors of pydantic in plain words.

Values follow YAML 1.2: `on`, `yes`, dates and numbers with a leading zero are text, not booleans, dates and octal
numbers as PyYAML's YAML 1.1 has them. Editors read the file the same way.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stacks.environment.schema import SettingsSchema
from stacks.environment.values import (
    EnvironmentFileError,
    Location,
    Problem,
    Section,
    SettingProblem,
    pattern_words,
)

Settings = TypeVar("Settings", bound=Section)

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*|(0|[1-9][0-9]*)(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_TAG_PREFIX = "tag:yaml.org,2002:"
_PLAIN_TAGS = {f"{_TAG_PREFIX}{kind}" for kind in ("str", "seq", "map")}


@dataclass
class YamlDocument:
    """Content of one file, by location: `lines` counts from 1, `raw` has scalars as they stand in the file."""

    file: Path
    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    raw: dict[Location, str] = field(default_factory=dict)
    unquoted: set[Location] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, location: Location) -> int | None:
        """Line of the value at `location`, or of the nearest value around it that is in the file."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return None

    def report(self, text: str, *, location: Location = (), line: int | None = None, remedy: str) -> None:
        """Adds a problem to `problems`."""
        self.problems.append(Problem(file=self.file, text=text, location=location, line=line, remedy=remedy))


class _Loader(yaml.SafeLoader):
    """Composes nodes; every scalar is text until `_scalar` decides, so the resolvers of YAML 1.1 are left out."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the name and kind of attribute that PyYAML looks up


def read_yaml(path: Path) -> YamlDocument:
    """The content of `path`. What cannot be read is in `problems`, and `value` is then what could be read."""
    document = YamlDocument(file=path)
    text = _text(path, document)
    if text is None:
        return document
    try:
        node = _Loader(text).get_single_node()
        if node is not None:
            document.value = _value(node, (), document, set())
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        document.report(
            f"not valid YAML: {', '.join(part for part in (exc.context, exc.problem) if part)}",
            line=mark.line + 1 if mark else None,
            remedy="correct that line; indent with spaces, put a space after each colon, close each quote",
        )
    except yaml.YAMLError as exc:
        document.report(f"not valid YAML: {exc}", remedy="remove the character that YAML does not allow")
    except RecursionError:
        document.report("nested too deeply", remedy="an environment file has at most four levels")
    return document


def _text(path: Path, document: YamlDocument) -> str | None:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        document.report("there is no such file", remedy="check the path, or create the file")
    except OSError as exc:
        document.report(f"cannot be read: {exc.strerror}", remedy="check that it is a file and its permissions")
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        document.report(
            f"byte 0x{exc.object[exc.start]:02x} is not UTF-8", line=line, remedy="save the file in the encoding UTF-8"
        )
    return None


def _value(node: yaml.Node, location: Location, document: YamlDocument, seen: set[int]) -> Any:
    line = node.start_mark.line + 1
    document.lines.setdefault(location, line)
    if id(node) in seen:
        document.report(
            "anchors and aliases (& and *) are not supported",
            location=location,
            line=document.lines[location],
            remedy="write the value out",
        )
        return None
    seen.add(id(node))
    if node.tag not in _PLAIN_TAGS:
        tag = node.tag.replace(_TAG_PREFIX, "!!")
        document.report(f"the tag {tag} is not supported", location=location, line=line, remedy="remove the tag")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, location, document, seen)
    if not isinstance(node, yaml.ScalarNode):
        return [_value(item, (*location, index), document, seen) for index, item in enumerate(node.value)]
    document.raw[location] = node.value
    if node.style is not None:
        return node.value
    document.unquoted.add(location)
    return _scalar(node.value)


def _mapping(node: yaml.MappingNode, location: Location, document: YamlDocument, seen: set[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.report("a key must be text", location=location, line=line, remedy="write key: value")
            continue
        key = key_node.value
        here = (*location, key)
        if key in found:
            document.report(
                f"stands a second time; the first is on line {document.lines[here]}",
                location=here,
                line=line,
                remedy="remove one of the two",
            )
            continue
        document.lines[here] = line
        found[key] = _value(value_node, here, document, seen)
    return found


def _scalar(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


# Settings that belong to something else than a file's content, or that people look for under another name.
_KNOWN_STRANGERS = {
    "name": "remove it: the environment's name is the file's name",
    "kms_key_arn": "remove it: these instance types have local NVMe storage, which the hardware encrypts",
}


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


def problem_of(error: ErrorDetails, document: YamlDocument, schema: SettingsSchema) -> Problem:
    """The problem that a validation error stands for; `schema` is that of the kind of file."""
    location, node = schema.locate(error["loc"])
    explanation = _Explanation(error=error, document=document, schema=schema, location=location, node=node)
    return located(explanation.problem(), document)


@dataclass(frozen=True, kw_only=True)
class _Explanation:
    """A validation error of the value at `location`, whose schema is `node`."""

    error: ErrorDetails
    document: YamlDocument
    schema: SettingsSchema
    location: Location
    node: dict[str, Any]

    def problem(self) -> SettingProblem:
        match self.error["type"]:
            case "setting":
                context = self.error["ctx"]
                return SettingProblem(
                    location=self.location,
                    text=context["text"],
                    allowed=context["allowed"] or None,
                    remedy=context["remedy"] or None,
                )
            case "missing":
                return self._missing(self.location)
            case "union_tag_not_found":
                return self._missing((*self.location, self._chosen_by))
            case "extra_forbidden":
                return self._unknown()
            case "union_tag_invalid":
                return self._wrong_choice()
            case "string_pattern_mismatch":
                allowed, remedy = pattern_words(self.error["ctx"]["pattern"]), "correct the value"
            case _:
                allowed, remedy = self.schema.allowed(self.node), self._remedy()
        return self._received(self.error["input"], self.location, allowed, remedy)

    @property
    def _chosen_by(self) -> str:
        """The key that chooses the kind of the value."""
        return str(self.error["ctx"]["discriminator"]).strip("'")

    def _missing(self, location: Location) -> SettingProblem:
        return SettingProblem(
            location=location, text="missing", allowed=self.schema.allowed(self.node), remedy=f"add {location[-1]}: ..."
        )

    def _unknown(self) -> SettingProblem:
        _, parent = self.schema.locate(self.error["loc"][:-1])
        key, known = str(self.location[-1]), list(parent.get("properties", {}))
        close = difflib.get_close_matches(key, known, n=1)
        if close:
            remedy = f"did you mean {close[0]}?"
        else:
            remedy = _KNOWN_STRANGERS.get(key, "remove it, or check that it is indented under the right section")
        return SettingProblem(
            location=self.location,
            text=f"unknown setting, received {_shown(self.error['input'], self.location, self.document)}",
            allowed=", ".join(known),
            remedy=remedy,
        )

    def _wrong_choice(self) -> SettingProblem:
        tag, known = str(self.error["ctx"]["tag"]), self.error["ctx"]["expected_tags"].replace("'", "")
        close = difflib.get_close_matches(tag, known.split(", "), n=1)
        remedy = f"did you mean {close[0]}?" if close else "use one of these"
        return self._received(tag, (*self.location, self._chosen_by), known, remedy)

    def _received(self, value: object, location: Location, allowed: str, remedy: str) -> SettingProblem:
        text = f"received {_shown(value, location, self.document)}"
        return SettingProblem(location=location, text=text, allowed=allowed, remedy=remedy)

    def _remedy(self) -> str:
        kind, value, raw = self.error["type"], self.error["input"], self.document.raw.get(self.location)
        if value is None:
            return "give it a value, or remove it"
        if kind == "string_type" and raw is not None:
            return f'write it in quotes: "{raw}"'
        is_quoted = isinstance(value, str) and self.location not in self.document.unquoted
        if kind in ("int_type", "float_type") and is_quoted:
            return "write the number without quotes"
        if kind == "string_too_long":
            return "shorten it"
        if kind == "tuple_type":
            return "write a list: one entry per line, each after a hyphen"
        return "use an allowed value"


def _shown(value: object, location: Location, document: YamlDocument) -> str:
    if value is None:
        return "nothing"
    raw = document.raw.get(location)
    if raw is None:
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = raw if location in document.unquoted else f'"{raw}"'
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_settings(path: Path, kind: type[Settings], *, remedy: str) -> tuple[Settings, YamlDocument]:
    """The settings of the file at `path`, and its content. `remedy` says what to do with a file without settings.

    Raises:
        EnvironmentFileError: the file is missing or has errors; all of them are reported at once.
    """
    document = read_yaml(path)
    problems = [*document.problems]
    if isinstance(document.value, dict):
        try:
            settings = kind.model_validate(document.value)
        except ValidationError as exc:
            schema = SettingsSchema(kind.model_json_schema())
            problems += [problem_of(error, document, schema) for error in exc.errors()]
        else:
            if not problems:
                return settings, document
    elif not problems:
        text = "the file is empty" if document.value is None else "the file holds no settings"
        problems.append(Problem(file=path, text=text, allowed=", ".join(kind.model_fields), remedy=remedy))
    raise EnvironmentFileError(problems)
