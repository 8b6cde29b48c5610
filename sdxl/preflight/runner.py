"""All checks, in the order in which they make sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sdxl.preflight.access import check_bootstrap, check_credentials
from sdxl.preflight.account import Account
from sdxl.preflight.costs import check_cost
from sdxl.preflight.deployed import check_deployed_instance_types
from sdxl.preflight.findings import Finding
from sdxl.preflight.instances import check_endpoint_quotas
from sdxl.preflight.model import check_model
from sdxl.preflight.names import check_scaling_role, check_stacks_and_names
from sdxl.preflight.quotas import check_api_gateway, request_increase
from sdxl.preflight.region import check_offerings, check_snapstart
from sdxl.preflight.surroundings import check_boundary, check_key, check_network

CHECKS: tuple[Callable[[Account], Iterator[Finding]], ...] = (
    check_bootstrap,
    check_endpoint_quotas,
    check_offerings,
    check_model,
    check_api_gateway,
    check_snapstart,
    check_network,
    check_key,
    check_boundary,
    check_stacks_and_names,
    check_scaling_role,
    check_deployed_instance_types,
    check_cost,
)


def preflight(account: Account, *, request_quota: bool = False) -> Iterator[Finding]:
    """Yield what each check found. In another account than the environment's, nothing is looked at or asked for.

    With `request_quota`, AWS is asked for more of every quota that is short. Nothing else is ever written.
    """
    credentials = check_credentials(account)
    yield credentials
    if credentials.status != "ok":
        yield Finding(
            name="everything else",
            status="unknown",
            found="not looked at, for want of the right credentials",
            remedy="Mend the credentials, and run it again.",
        )
        return
    for check in CHECKS:
        for finding in check(account):
            yield request_increase(account, finding) if request_quota else finding
