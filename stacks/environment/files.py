"""Loads the files of a folder of environments: every error at once, never a default for a file that is missing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from stacks.environment.checks import environment_problems
from stacks.environment.documents import YamlDocument, located, problem_of, read_settings, read_yaml
from stacks.environment.model import Environment
from stacks.environment.organization import Organization
from stacks.environment.schema import SettingsSchema, environment_schema
from stacks.environment.values import NAME_PATTERN, EnvironmentFileError, Problem, pattern_words

FILE_SUFFIX = ".yaml"
# What every environment of the folder must have.
ORGANIZATION_NAME = "organization"
# In which order the environments of the folder are deployed.
PIPELINE_NAME = "pipeline"
_NOT_ENVIRONMENTS = (ORGANIZATION_NAME, PIPELINE_NAME)
_SET_ELSEWHERE = {"name", "organization"}

_SMALLEST_FILE = """account: "111122223333", region: us-east-1 and model: {source: open} are enough"""


def load_environment(path: Path, organization: Organization | None = None) -> Environment:
    """The environment that the file at `path` describes.

    `organization` is what the folder's organization.yaml demands; None reads that file.

    Raises:
        EnvironmentFileError: the file is missing, is not YAML, or has settings that are wrong or cannot work.
    """
    document = read_yaml(path)
    problems = [*_name_problems(path), *document.problems]
    if not problems or document.value is not None:
        if document.value is None:
            problems.append(Problem(file=path, text="the file is empty", remedy=f"fill it: {_SMALLEST_FILE}"))
        elif not isinstance(document.value, dict):
            problems.append(_not_a_mapping(document))
        else:
            return _validated(document, document.value, problems, organization or load_organization(path.parent))
    raise EnvironmentFileError(problems)


def load_environments(directory: Path) -> tuple[Environment, ...]:
    """The environments of every file in `directory`, sorted by name.

    Raises:
        EnvironmentFileError: there is no environment, or any file has an error; all files' errors are reported.
    """
    environments: list[Environment] = []
    problems: list[Problem] = []
    organization = Organization()
    try:
        organization = load_organization(directory)
    except EnvironmentFileError as exc:
        problems.extend(exc.problems)
    for path in sorted(environment_paths(directory), key=lambda path: path.stem):
        try:
            environments.append(load_environment(path, organization))
        except EnvironmentFileError as exc:
            problems.extend(exc.problems)
    if problems:
        raise EnvironmentFileError(problems)
    return tuple(environments)


def find_environment(directory: Path, name: str) -> Environment:
    """The environment called `name`; only its own file is read.

    Raises:
        EnvironmentFileError: there is no such environment (the error lists those there are), or its file has an error.
    """
    paths = {path.stem: path for path in environment_paths(directory)}
    if name in paths:
        return load_environment(paths[name])
    close = difflib.get_close_matches(name, paths, n=1)
    raise EnvironmentFileError(
        [
            Problem(
                file=directory,
                text=f"there is no environment {name!r}",
                allowed=", ".join(paths),
                remedy=f"did you mean {close[0]}?" if close else f"use one of these, or add {name}{FILE_SUFFIX}",
            )
        ]
    )


def environment_paths(directory: Path) -> tuple[Path, ...]:
    """Environment files of `directory`, sorted, without the pipeline's and the organization's.

    A `.yml` file is an error: it would be left out in silence.
    """
    if not directory.is_dir():
        raise EnvironmentFileError(
            [Problem(file=directory, text="there is no such directory", remedy="check the path of the environments")]
        )
    misnamed = sorted(path for path in directory.iterdir() if path.suffix.lower() in (".yml", ".yaml"))
    problems = [*_suffix_problems(misnamed)]
    paths = sorted(path for path in misnamed if path.suffix == FILE_SUFFIX and path.stem not in _NOT_ENVIRONMENTS)
    if not paths and not problems:
        remedy = f"add a file such as dev{FILE_SUFFIX}: {_SMALLEST_FILE}"
        problems.append(Problem(file=directory, text="there is no environment file in it", remedy=remedy))
    if problems:
        raise EnvironmentFileError(problems)
    return tuple(paths)


def load_organization(directory: Path) -> Organization:
    """What `organization.yaml` of the folder demands; nothing where there is no such file.

    Raises:
        EnvironmentFileError: the file is wrong. The error is of this file, and of no environment's.
    """
    path = directory / f"{ORGANIZATION_NAME}{FILE_SUFFIX}"
    if not path.is_file():
        return Organization()
    return read_settings(path, Organization, remedy="fill it, or remove it")[0]


def _suffix_problems(paths: list[Path]) -> Iterator[Problem]:
    for path in paths:
        if path.suffix == FILE_SUFFIX:
            continue
        twin = path.with_suffix(FILE_SUFFIX)
        if twin in paths:
            yield Problem(
                file=path,
                text=f"is the environment {path.stem!r} a second time: there is {twin.name} too",
                allowed="one file per environment",
                remedy="remove or rename one of the two",
            )
        else:
            yield Problem(
                file=path,
                text=f"has the ending {path.suffix!r}",
                allowed=f"the ending {FILE_SUFFIX!r}",
                remedy=f"rename it to {twin.name}",
            )


def _name_problems(path: Path) -> Iterator[Problem]:
    if path.suffix != FILE_SUFFIX:
        yield from _suffix_problems([path])
    if path.stem == PIPELINE_NAME:
        yield Problem(
            file=path,
            text=f"{PIPELINE_NAME}{FILE_SUFFIX} is the file of the rollout's rings, not an environment",
            allowed="any other name",
            remedy="rename the environment; `sdxl pipeline check` reads this file",
        )
    elif path.stem == ORGANIZATION_NAME:
        yield Problem(
            file=path,
            text=f"{ORGANIZATION_NAME}{FILE_SUFFIX} holds what the organization demands, and is not an environment",
            allowed="any other name",
            remedy="rename the environment",
        )
    elif not re.search(NAME_PATTERN, path.stem):
        yield Problem(
            file=path,
            text=f"the environment's name, {path.stem!r}, is taken from the file's name",
            allowed=pattern_words(NAME_PATTERN),
            remedy="rename the file",
        )


def _not_a_mapping(document: YamlDocument) -> Problem:
    kind = "a list" if isinstance(document.value, list) else "a single value"
    return Problem(
        file=document.file,
        line=document.line_of(()),
        text=f"the file holds {kind}",
        allowed="a mapping of settings (key: value)",
        remedy=f"for example, {_SMALLEST_FILE}",
    )


def _validated(
    document: YamlDocument, data: Mapping[str, Any], problems: list[Problem], organization: Organization
) -> Environment:
    found = [*problems]
    account = ("account",)
    if account in document.unquoted and document.raw[account].strip("+-").replace("_", "").isdigit():
        raw = document.raw[account]
        found.append(
            Problem(
                file=document.file,
                location=account,
                line=document.lines[account],
                text=f"received {raw} without quotes, which YAML may read as a number and drop its leading zero",
                allowed="12 digits in quotes",
                remedy=f'write account: "{raw}"',
            )
        )
    try:
        environment = Environment.model_validate(
            {**_own_settings(data), "name": document.file.stem, "organization": organization},
            context={"directory": document.file.parent},
        )
    except ValidationError as exc:
        errors = [error for error in exc.errors() if error["loc"] != ("name",)]
        schema = SettingsSchema(environment_schema())
        found += [problem_of(error, document, schema) for error in errors if not (found and error["loc"] == account)]
        if not any(error["loc"][:1] == () for error in errors):
            sections = _valid_sections(
                {**data, "organization": organization}, {error["loc"][0] for error in errors}, document.file.parent
            )
            known = {problem.location for problem in found}
            found += [
                located(problem, document)
                for problem in environment_problems(sections)
                if problem.location not in known
            ]
    else:
        if not found and not _SET_ELSEWHERE & data.keys():
            return environment
    found += [
        problem_of(
            {"type": "extra_forbidden", "loc": (key,), "msg": "", "input": data[key]},
            document,
            SettingsSchema(environment_schema()),
        )
        for key in sorted(_SET_ELSEWHERE & data.keys())
    ]
    raise EnvironmentFileError(found)


def _own_settings(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in _SET_ELSEWHERE}


def _valid_sections(data: Mapping[str, Any], invalid: set[str | int], directory: Path) -> dict[str, Any]:
    """Sections that are right by themselves, so that what contradicts between them is reported with the rest."""
    sections: dict[str, Any] = {}
    for name, info in Environment.model_fields.items():
        if name in data and name not in invalid:
            field_type: Any = Annotated[info.annotation, info]
            sections[name] = TypeAdapter(field_type).validate_python(data[name], context={"directory": directory})
    return sections
