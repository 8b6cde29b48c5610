"""What the environment will cost, said before it is deployed."""

from __future__ import annotations

from collections.abc import Iterator

from sdxl.preflight.account import Account
from sdxl.preflight.findings import Finding

COST = "monthly cost"


def check_cost(account: Account) -> Iterator[Finding]:
    """The estimate of `sdxl cost`: idle, and at max capacity. It asks AWS for nothing."""
    from sdxl.cost.estimate import environment_cost  # noqa: PLC0415 - slow, and seldom needed
    from stacks.catalog import CatalogError  # noqa: PLC0415

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
