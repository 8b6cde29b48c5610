"""One emulator in a process of its own, and the home folder of the CDK CLI."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy_harness import running_emulator
from deployed_api import DeployedApi, api_to_call

from emulator.state_file import RunningEmulator

_accounts = itertools.count(300_000_000_000)
# The files that take longest start first, so that the workers end together. What is not named here is quick.
LONGEST_FIRST = (
    "test_example_environments",
    "test_guarded_updates",
    "test_every_setting",
    "test_lifecycle",
    "test_rollout",
    "test_documented_examples",
    "test_openai_client",
    "test_checked_environments",
    "test_preflight",
)
# The files of a group run in one worker, which deploys what they share once.
GROUPS = {"test_documented_examples": "api", "test_openai_client": "api"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, and keep the tests of a file in one worker, for `--dist=loadgroup --no-loadscope-reorder`."""
    own = [item for item in items if item.path.parent == Path(__file__).parent]
    for item in own:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(GROUPS.get(item.path.stem, item.path.stem)))
    order = {name: position for position, name in enumerate(LONGEST_FIRST)}
    own.sort(key=lambda item: order.get(item.path.stem, len(order)))
    items[:] = [item for item in items if item.path.parent != Path(__file__).parent] + own


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """One emulator for all tests that use the real CLI or real ports."""
    with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of the CDK CLI, so that it leaves the user's alone."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedApi]:
    """One deployed API for all tests that only call it."""
    with api_to_call(tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return str(next(_accounts))
