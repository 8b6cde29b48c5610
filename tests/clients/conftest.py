"""The deployed API that published clients call: the default model source, in an emulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The harness of the deploy tests; folders of tests are no packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))

from deployed_api import DeployedApi, api_to_call


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedApi]:
    with api_to_call(tmp_path_factory.mktemp("clients"), source="open") as api:
        yield api
