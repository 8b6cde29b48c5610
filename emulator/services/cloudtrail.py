"""CloudTrail as moto lacks it: LookupEvents, which the CDK CLI asks for the cause of every failed deployment."""

from __future__ import annotations

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.responses import ActionResult


def install() -> None:
    """Answer LookupEvents: nothing is recorded here. Without it the CLI tries again for half a minute."""

    def lookup_events(_: CloudTrailResponse) -> ActionResult:
        return ActionResult({"Events": []})

    CloudTrailResponse.lookup_events = lookup_events
