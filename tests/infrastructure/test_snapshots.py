"""Every stack of every environment, whole. Renew with `make snapshots`, and read the difference."""

from __future__ import annotations

import pytest
from infrastructure_synthesis import STACKS, Synthesis, example_environments, without_hashes
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

ENVIRONMENTS = [environment.name for environment in example_environments()]
# None of them is in a VPC.
RECORDED = [stack for stack in STACKS if stack != "Network"]


@pytest.mark.parametrize("stack", RECORDED)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_template_is_as_recorded(
    examples: Synthesis, snapshot: SnapshotAssertion, environment: str, stack: str
) -> None:
    template = without_hashes(examples.templates[environment][stack])

    assert template == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_stack_is_recorded(examples: Synthesis, environment: str) -> None:
    assert sorted(examples.templates[environment]) == sorted(RECORDED)
