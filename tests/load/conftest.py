"""The deployed API that the load goes against."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The harness of the deploy tests; folders of tests are no packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))

from deployed_api import DeployedApi, deployed_api


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedApi]:
    with deployed_api(tmp_path_factory.mktemp("load")) as api:
        yield api
