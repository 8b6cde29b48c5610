"""The change from the templates that are deployed to those that come next, by the rules of `sdxl diff`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sdxl.diff.between_stacks import Stacks
from sdxl.diff.rules import live_refusals
from sdxl.errors import SdxlError
from sdxl.preflight.account import Account, AwsError, Finding
from sdxl.preflight.deployed import EMPTY, STACK_PARTS

CHANGE = "change of what is deployed"


def check_change(account: Account, templates: Callable[[], Stacks]) -> Iterator[Finding]:
    """CloudFormation and SageMaker take the change, and no stack that is billed leaves the app unnoticed."""
    name = account.environment.name
    try:
        stacks = {part: f"sdxl-{name}-{part}" for part in STACK_PARTS}
        deployed = {
            part: account.template(stack) for part, stack in stacks.items() if account.stack_status(stack) not in EMPTY
        }
        if not deployed:
            yield Finding(name=CHANGE, status="ok", found="nothing is deployed yet")
            return
        after = templates()
    except AwsError as exc:
        yield exc.unknown(CHANGE)
        return
    except SdxlError as exc:
        yield Finding(
            name=CHANGE,
            status="unknown",
            found=f"the app cannot be synthesized: {str(exc).splitlines()[-1]}",
            remedy="Fix that, and run it again.",
        )
        return
    found = [*live_refusals(name, deployed, after)]
    for refusal in found:
        yield Finding(
            name=CHANGE,
            # What stays is deployed as intended, and goes on being billed.
            status="warning" if refusal.names else "failed",
            found=f"{refusal.what}: {refusal.why}",
            remedy=refusal.remedy,
            details=refusal.to_json(),
        )
    if not found:
        yield Finding(name=CHANGE, status="ok", found="CloudFormation takes it, and no stack is left behind")
