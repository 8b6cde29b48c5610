"""All checks, in the order in which they make sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sdxl.cost.estimate import environment_cost
from sdxl.diff.between_stacks import Stacks
from sdxl.preflight.access import check_bootstrap, check_credentials
from sdxl.preflight.account import Account, Finding
from sdxl.preflight.change import check_change
from sdxl.preflight.deployed import (
    check_deployed_instance_types,
    check_endpoint_at_rest,
    check_endpoint_mode,
    check_left_endpoint,
    check_scaling_role,
    check_stacks_and_names,
)
from sdxl.preflight.instances import check_endpoint_quotas
from sdxl.preflight.log_role import check_log_role
from sdxl.preflight.model import check_model
from sdxl.preflight.quotas import check_api_gateway, request_increase
from sdxl.preflight.referenced import check_boundary, check_key, check_network
from sdxl.preflight.region import check_offerings, check_snapstart
from sdxl.preflight.signing import check_signing
from stacks.catalog import CatalogError

COST = "monthly cost"


def check_cost(account: Account) -> Iterator[Finding]:
    """The estimate of `sdxl cost`: idle, and at max capacity. It asks AWS for nothing."""
    try:
        cost = environment_cost(account.environment, images_per_month=None, seconds_per_image=None)
    except CatalogError as exc:
        yield Finding(name=COST, status="unknown", found=str(exc), remedy="Look at the prices by hand.")
        return
    yield Finding(
        name=COST,
        # What is not known is said with the figures: `at least`, or `unknown`.
        status="ok",
        found=f"USD {cost.idle.text()} idle, {cost.at_max.text()} at max capacity "
        f"(`sdxl cost --env {account.environment.name}`)",
        details={"idle": cost.idle.as_json(), "at_max_capacity": cost.at_max.as_json()},
    )


CHECKS: tuple[Callable[[Account], Iterator[Finding]], ...] = (
    check_bootstrap,
    check_endpoint_quotas,
    check_offerings,
    check_model,
    check_api_gateway,
    check_log_role,
    check_snapstart,
    check_network,
    check_key,
    check_signing,
    check_boundary,
    check_stacks_and_names,
    check_endpoint_at_rest,
    check_left_endpoint,
    check_scaling_role,
    check_deployed_instance_types,
    check_endpoint_mode,
    check_cost,
)


def preflight(
    account: Account, *, templates: Callable[[], Stacks] | None = None, request_quota: bool = False
) -> Iterator[Finding]:
    """Yield what each check found. In another account than the environment's, nothing is looked at or asked for.

    `templates` gives the templates that are about to be deployed, by stack; it is called where something is deployed
    already. Without it, the change from what is deployed is not looked at. With `request_quota`, AWS is asked for more
    of every quota that is short. Nothing else is ever written.
    """
    credentials = check_credentials(account)
    yield credentials
    if credentials.status != "ok":
        yield Finding(
            name="everything else",
            status="unknown",
            found="not checked: the credentials are missing or wrong",
            remedy="Fix the credentials, and run it again.",
        )
        return
    for check in CHECKS:
        for finding in check(account):
            yield request_increase(account, finding) if request_quota else finding
    if templates is not None:
        yield from check_change(account, templates)
