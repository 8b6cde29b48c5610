"""Loads `pipeline.yaml`, and checks it against the environments beside it: all errors at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from stacks.environment.loader import FILE_SUFFIX, PIPELINE_NAME, load_environments
from stacks.environment.messages import located, problem_of
from stacks.environment.model import Environment
from stacks.environment.pipeline import Pipeline, Ring, pipeline_schema
from stacks.environment.problems import EnvironmentFileError, Problem, SettingProblem
from stacks.environment.yaml_document import read_yaml

PIPELINE_FILE = PIPELINE_NAME + FILE_SUFFIX


def load_pipeline(path: Path) -> tuple[Pipeline, Mapping[str, Environment]]:
    """The pipeline that the file at `path` describes, and the environments beside it by name.

    Raises:
        EnvironmentFileError: the file is missing or wrong, disagrees with the environments, or one of these is wrong.
    """
    document = read_yaml(path)
    document.schema = pipeline_schema()
    if document.problems:
        raise EnvironmentFileError(document.problems)
    if not isinstance(document.value, dict):
        raise EnvironmentFileError(
            [
                Problem(
                    file=path,
                    text="the file holds no settings",
                    allowed=", ".join(Pipeline.model_fields),
                    remedy="fill it, as docs/rollout.md shows",
                )
            ]
        )
    try:
        pipeline = Pipeline.model_validate(document.value)
    except ValidationError as exc:
        raise EnvironmentFileError([problem_of(error, document) for error in exc.errors()]) from exc
    environments = {environment.name: environment for environment in load_environments(path.parent)}
    if problems := [located(problem, document) for problem in pipeline_problems(pipeline, environments)]:
        raise EnvironmentFileError(problems)
    return pipeline, environments


def pipeline_problems(pipeline: Pipeline, environments: Mapping[str, Environment]) -> Iterator[SettingProblem]:
    """What in the rings contradicts itself or the environments there are."""
    seen: dict[str, str] = {}
    names: set[str] = set()
    for index, ring in enumerate(pipeline.rings):
        here = ("rings", index)
        if ring.name in names:
            yield SettingProblem(
                location=(*here, "name"),
                text=f"the ring {ring.name!r} stands twice",
                allowed="each name once",
                remedy="rename one of the two",
            )
        names.add(ring.name)
        if ring.smoke_test == "none" and not ring.no_smoke_test_reason.strip():
            yield SettingProblem(
                location=(*here, "smoke_test"),
                text="none, without a reason",
                allowed="image, health, or none with no_smoke_test_reason",
                remedy="say in no_smoke_test_reason who notices a deployment that does not work",
            )
        for place, name in enumerate(ring.environments):
            location = (*here, "environments", place)
            if name in seen:
                yield SettingProblem(
                    location=location,
                    text=f"{name!r} is in the ring {seen[name]!r} already",
                    allowed="each environment in one ring",
                    remedy="remove one of the two",
                )
            seen.setdefault(name, ring.name)
            if name not in environments:
                yield _unknown(location, name, environments)
            elif problem := _smoke_test_problem((*here, "smoke_test"), ring, environments[name]):
                yield problem
    yield from _left_out(pipeline, seen, environments)


def _left_out(
    pipeline: Pipeline, seen: Mapping[str, str], environments: Mapping[str, Environment]
) -> Iterator[SettingProblem]:
    for place, name in enumerate(pipeline.not_rolled_out):
        location = ("not_rolled_out", place)
        if name not in environments:
            yield _unknown(location, name, environments)
        elif name in seen:
            yield SettingProblem(
                location=location,
                text=f"{name!r} is in the ring {seen[name]!r}",
                allowed="environments that are in no ring",
                remedy="remove it here, or from the ring",
            )
    missing = [name for name in environments if name not in seen and name not in pipeline.not_rolled_out]
    if missing:
        yield SettingProblem(
            location=("rings",),
            text=f"no ring has {', '.join(missing)}",
            allowed="every environment in one ring, or in not_rolled_out",
            remedy="add them to a ring, or to not_rolled_out if they are deployed by hand",
        )


def _unknown(location: tuple[str | int, ...], name: str, environments: Mapping[str, Environment]) -> SettingProblem:
    close = difflib.get_close_matches(name, environments, n=1)
    return SettingProblem(
        location=location,
        text=f"there is no environment {name!r}",
        allowed=", ".join(environments),
        remedy=f"did you mean {close[0]}?" if close else f"add {name}{FILE_SUFFIX}, or remove it",
    )


def _smoke_test_problem(location: tuple[str | int, ...], ring: Ring, environment: Environment) -> SettingProblem | None:
    """A test that cannot be made from outside: said when the file is loaded, not after a deployment."""
    if environment.api.private is not None and ring.smoke_test != "none":
        return SettingProblem(
            location=location,
            text=f"{ring.smoke_test}, but the API of {environment.name!r} is private: no build reaches it",
            allowed="none, with no_smoke_test_reason",
            remedy=f"set it to none, or give {environment.name} a ring of its own; test from within its VPC",
        )
    mode = environment.api.auth.mode
    if mode != "api_key" and ring.smoke_test == "image":
        return SettingProblem(
            location=location,
            text=f"image, but the API of {environment.name!r} takes no API key: its auth mode is {mode}",
            allowed="health, or none with no_smoke_test_reason",
            remedy=f"set it to health, or give {environment.name} a ring of its own",
        )
    return None
