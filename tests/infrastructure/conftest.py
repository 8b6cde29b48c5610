"""What the infrastructure tests share: each app is synthesized once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from infrastructure_synthesis import (
    Synthesis,
    Template,
    access_environments,
    example_environments,
    make_environment,
    synthesize,
)


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Every file in `environments/`, and dev with the optimized model in place of the open one."""
    switched = make_environment(name="switched", model={"source": "optimized"})
    return synthesize(tmp_path_factory.mktemp("examples") / "cdk.out", *example_environments(), switched)


@pytest.fixture(scope="session")
def access(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Every file in `tests/environments/`: one for each kind of access."""
    return synthesize(tmp_path_factory.mktemp("access") / "cdk.out", *access_environments())


@pytest.fixture(scope="session")
def dev(examples: Synthesis) -> dict[str, Template]:
    return dict(examples.templates["dev"])


@pytest.fixture(scope="session")
def prod(examples: Synthesis) -> dict[str, Template]:
    return dict(examples.templates["prod"])


@pytest.fixture
def synth(tmp_path: Path) -> Callable[..., dict[str, Template]]:
    """Synthesizes one environment with the given settings and returns its templates by stack."""
    count = iter(range(100))

    def synthesize_one(**settings: object) -> dict[str, Template]:
        environment = make_environment(**settings)
        return dict(synthesize(tmp_path / str(next(count)) / "cdk.out", environment).templates[environment.name])

    return synthesize_one
