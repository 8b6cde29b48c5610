"""The tiny model, built once for all tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference.engine import Engine, Sample
from inference.loading import build_engine
from inference.release import Release, verify
from inference.requests import ImageRequest, Offer, parse
from inference.settings import Settings
from inference.tests.support import body, pixels
from inference.tiny import build_pipeline, write_release

# Two threads beside other work only get into each other's way, and sums of one thread have one order.
torch.set_num_threads(1)
OFFER = Offer(frozenset({"tiny-style"}), frozenset({"canny"}))


@pytest.fixture(scope="session")
def pipeline() -> Any:
    return build_pipeline()


@pytest.fixture(scope="session")
def release_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    write_release(folder)
    return folder


@pytest.fixture(scope="session")
def release(release_folder: Path) -> Release:
    return verify(release_folder)


@pytest.fixture(scope="session")
def engine(release: Release) -> Engine:
    return build_engine(release, Settings(device="cpu"))


@pytest.fixture(scope="session")
def make() -> Callable[..., ImageRequest]:
    """A checked request, by the fields of its body."""

    def _make(**fields: Any) -> ImageRequest:
        return parse(body(**fields), OFFER)

    return _make


@pytest.fixture(scope="session")
def draw(engine: Engine, make: Callable[..., ImageRequest]) -> Callable[..., list[np.ndarray]]:
    """The images of one request, as arrays."""

    def _draw(**fields: Any) -> list[np.ndarray]:
        request = make(**fields)
        return pixels(engine.draw([Sample(request, seed) for seed in request.seeds]).images)

    return _draw
