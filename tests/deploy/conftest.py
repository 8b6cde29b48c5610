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
FOLDER = Path(__file__).parent
LONGEST_FIRST = (
    "test_example_environments",
    "test_guarded_updates",
    "test_lifecycle",
    "test_rollout",
    "test_endpoint_modes",
    "test_account_access",
    "test_documented_examples",
    "test_openai_client",
    "test_checked_environments",
    "test_preflight",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, for `--dist=loadfile --no-loadscope-reorder`, which keeps the tests of a file in one worker."""
    order = {name: position for position, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)) if item.path.parent == FOLDER else -1)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """One emulator for the tests of a file, so that no file sees what another one deployed."""
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
