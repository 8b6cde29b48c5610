"""One emulator in a process of its own, and the home folder of the CDK CLI."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy_harness import running_emulator

from emulator.state_file import RunningEmulator

_accounts = itertools.count(300_000_000_000)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    """One emulator for all tests that use the real CLI or real ports."""
    with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of the CDK CLI, so that it leaves the user's alone."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return str(next(_accounts))
