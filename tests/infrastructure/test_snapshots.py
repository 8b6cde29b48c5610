"""Every stack of every environment, whole. Renew with `make snapshots`, and read the difference."""

from __future__ import annotations

import pytest
from infrastructure_synthesis import STACKS, Synthesis, example_environments, without_hashes
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("environment", [environment.name for environment in example_environments()])
def test_template_is_as_recorded(
    examples: Synthesis, snapshot: SnapshotAssertion, environment: str, stack: str
) -> None:
    template = without_hashes(examples.templates[environment][stack])

    assert template == snapshot(extension_class=JSONSnapshotExtension)
