"""The deployed API that the fuzzing goes against."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The harness of the deploy tests; folders of tests are no packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))

from deployed_api import DeployedApi, deployed_api


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedApi]:
    """The API at SDXL_API_URL with SDXL_API_KEY, or else one in an emulator of its own."""
    if url := os.environ.get("SDXL_API_URL"):
        yield DeployedApi(url, os.environ["SDXL_API_KEY"])
        return
    with deployed_api(tmp_path_factory.mktemp("fuzz")) as api:
        yield api
