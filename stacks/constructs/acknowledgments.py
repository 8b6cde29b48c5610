"""Exceptions to the security rule packs, each recorded on the construct it concerns with its reason."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Record for each rule id why `construct` may break it. A rule with findings is named `Rule[Finding]`."""
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items())
    )


def skip_checkov(resource: cdk.CfnResource, reasons: Mapping[str, str]) -> None:
    """Record for each checkov rule why `resource` may break it. checkov reads this from the template's metadata."""
    resource.add_metadata("checkov", {"skip": [{"id": rule, "comment": reason} for rule, reason in reasons.items()]})
