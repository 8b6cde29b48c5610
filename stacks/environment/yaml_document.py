"""Reads a YAML file into plain values, and knows on which line each stands and how it was written.

Values follow YAML 1.2: `on`, `yes`, dates and numbers with a leading zero are text, not booleans, dates and octal
numbers as PyYAML's YAML 1.1 has them. Editors read the file the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stacks.environment.problems import Location, Problem

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
    # JSON schema of its settings, for messages; None is the environment's.
    schema: dict[str, Any] | None = None

    def line_of(self, location: Location) -> int | None:
        """Line of the value at `location`, or of the nearest value around it that is in the file."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return None

    def report(self, text: str, *, location: Location = (), line: int | None = None, remedy: str) -> None:
        """Notes a problem."""
        self.problems.append(Problem(file=self.file, text=text, location=location, line=line, remedy=remedy))


class _Loader(yaml.SafeLoader):
    """Composes nodes; every scalar is text until `_scalar` decides, so the resolvers of YAML 1.1 are left out."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the name and kind of attribute that PyYAML looks up


def read_yaml(path: Path) -> YamlDocument:
    """Reads `path`; whatever keeps it from being read is in `problems`, and `value` is then what could be read."""
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
