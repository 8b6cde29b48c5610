"""Reads the AWS CLI's command lines in documents as the API calls that they make, checked by the APIs' own models."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import jmespath
from botocore import xform_name
from botocore.validate import validate_parameters

# What the CLI does by itself and no API knows.
CLI_OPTIONS = {"max-items", "output", "query"}
_NUMBERS = {"integer": int, "long": int, "float": float, "double": float}
_session = botocore.session.get_session()


@dataclass(frozen=True)
class ApiCall:
    """One call: `service` and `method` as boto3 has them. `query` picks what the command prints of the answer."""

    service: str
    method: str
    parameters: Mapping[str, Any]
    query: str | None = None


def commands(page: Path, program: str) -> Iterator[str]:
    """The commands of a program in a page: after a prompt, as the value of a variable, or in backquotes."""
    text = page.read_text()
    yield from re.findall(rf"^ *\$ ({program} .*)$", text, re.MULTILINE)
    yield from re.findall(rf"\$\(({program} .*?)(?: \| cut -d/ -f2)?\)", text)
    yield from re.findall(rf"`({program} [^`]+)`", text)


def parse(line: str, variables: Mapping[str, str]) -> ApiCall:
    """The call that a command line makes; AssertionError or botocore's own error where there is no such call."""
    for name, value in variables.items():
        line = re.sub(rf"\${name}\b", value, line)
    assert "$" not in line, f"{line}: a variable that the index does not name"
    _, service, operation, *words = shlex.split(line)
    model = _session.get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names, f"{line}: {service} has no {operation}"
    shape = model.operation_model(names[operation]).input_shape
    members = {xform_name(name, "-"): name for name in (shape.members if shape else {})}
    parameters: dict[str, Any] = {}
    option, query = "", None
    for word in words:
        if word.startswith("--"):
            option = word[2:]
            assert option in members or option in CLI_OPTIONS, f"{line}: {operation} has no --{option}"
        elif option not in CLI_OPTIONS:
            member = members[option]
            _add(parameters, member, shape.members[member], word)
        elif option == "query":
            jmespath.compile(word)
            query = word
    if shape:
        validate_parameters(parameters, shape)
    return ApiCall(service, xform_name(names[operation]), parameters, query)


def _add(parameters: dict[str, Any], member: str, shape: Any, word: str) -> None:
    if shape.type_name == "list":
        parameters.setdefault(member, []).append(_value(shape.member, word))
    else:
        parameters[member] = _value(shape, word)


def _value(shape: Any, word: str) -> Any:
    if shape.type_name == "structure":
        return dict(pair.split("=", 1) for pair in word.split(","))
    if shape.type_name == "timestamp":
        return word
    return _NUMBERS.get(shape.type_name, str)(word)
