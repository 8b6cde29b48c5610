"""cdk-nag: no finding without an acknowledgment, and no acknowledgment without a finding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks
from infrastructure_synthesis import access_environments, example_environments, make_app, make_environment, make_layer

from stacks.sdxl_stage import SdxlStage

PACKS = [AwsSolutionsChecks, NIST80053R5Checks]
ENVIRONMENTS = {
    **{environment.name: environment for environment in (*example_environments(), *access_environments())},
    "smallest": make_environment(name="smallest"),
}


class Acknowledgments:
    """Stands in for the CDK's: notes what is acknowledged instead of hiding it."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], str] = {}

    def of(self, construct: Any) -> Any:
        path = construct.node.path

        class Recorder:
            @staticmethod
            def acknowledge(*rules: cdk.Acknowledgment) -> None:
                self.found.update({(path, rule.id): rule.reason for rule in rules})

        return Recorder


def findings(app: cdk.App) -> Iterator[tuple[str, str]]:
    for pack in PACKS:
        for violation in pack(app).validate_scope(app).violations:
            for resource in violation.violating_resources:
                yield resource.construct_path, violation.rule_name


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_finding_is_acknowledged(name: str, tmp_path: Path) -> None:
    app = make_app()
    layer = make_layer(tmp_path)
    SdxlStage(app, f"sdxl-{name}", environment=ENVIRONMENTS[name], layer_archive=layer, signing_layer_archive=layer)

    assert list(findings(app)) == []


def test_every_acknowledgment_has_a_finding_and_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Acknowledgments()
    monkeypatch.setattr(cdk, "Validations", recorded)
    app = make_app()
    for environment in ENVIRONMENTS.values():
        layer = make_layer(tmp_path)
        SdxlStage(
            app,
            f"sdxl-{environment.name}",
            environment=environment,
            layer_archive=layer,
            signing_layer_archive=layer,
        )

    found = list(findings(app))
    idle = [
        (path, rule)
        for path, rule in recorded.found
        if not any(rule == other and f"{finding}/".startswith(f"{path}/") for finding, other in found)
    ]
    assert idle == []
    assert all(len(reason) > 30 for reason in recorded.found.values())
    assert len(found) > 50, "the rule packs found nothing: do they still run?"
