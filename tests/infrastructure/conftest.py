"""What the infrastructure tests share: each environment is synthesized once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from infrastructure_synthesis import (
    ROOT,
    LazyTemplates,
    OneStack,
    Synthesis,
    Template,
    access_environments,
    example_environments,
    make_environment,
)


@pytest.fixture(scope="session", autouse=True)
def own_styles() -> Iterator[None]:
    """The tests' styles: `styles.yaml` at the top belongs to the team."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stacks.api_stack.STYLES_FILE", ROOT / "tests" / "infrastructure" / "styles.yaml")
        yield


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory, own_styles: None) -> Synthesis:
    """The three environments, and dev with the optimized model in place of the open one."""
    switched = make_environment(name="switched", model={"source": "optimized"})
    directory = tmp_path_factory.mktemp("examples")
    return Synthesis(directory, LazyTemplates(directory, (*example_environments(), switched)))


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory, own_styles: None) -> Synthesis:
    """Every file in `tests/environments/`: one for each kind of access."""
    directory = tmp_path_factory.mktemp("access")
    return Synthesis(directory, LazyTemplates(directory, access_environments()))


@pytest.fixture(scope="session")
def dev(examples: Synthesis) -> Mapping[str, Template]:
    return examples.templates["dev"]


@pytest.fixture(scope="session")
def prod(examples: Synthesis) -> Mapping[str, Template]:
    return examples.templates["prod"]


@pytest.fixture
def synth(tmp_path: Path) -> Callable[..., Mapping[str, Template]]:
    """Gives the templates by stack of an environment with the given settings; only what is looked at is synthesized."""
    count = iter(range(100))

    def synthesize_one(**settings: object) -> Mapping[str, Template]:
        return OneStack(tmp_path / str(next(count)), make_environment(**settings))

    return synthesize_one
