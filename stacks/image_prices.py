"""What drawing costs by the catalog, for the function: an estimate in its metrics and logs, not a bill."""

from __future__ import annotations

from stacks.catalog import load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import PRIMARY_VARIANT, BedrockModel, Environment


def price_variable(environment: Environment) -> dict[str, dict[str, float]]:
    """Return each variant's price: `usd_per_instance_hour` of its preferred instance type, or `usd_per_image`.

    What the catalog has no price for is left out, and so is a Marketplace package, whose software charge is not known:
    half a price would be read as a whole one. Prices of another region than the environment's are taken for its own.
    """
    if isinstance(environment.model, BedrockModel):
        prices = load_bedrock_catalog().model(environment.model.model_id).usd_per_image
        # By condition, such as a number of steps; the highest is what no image exceeds.
        return {PRIMARY_VARIANT: {"usd_per_image": max(prices.values())}} if prices else {}
    found: dict[str, dict[str, float]] = {}
    for variant in environment.production_variants:
        price = load_catalog().instance_type(variant.instance_types[0]).usd_per_hour
        if variant.model.source != "optimized" and price is not None:
            found[variant.name] = {"usd_per_instance_hour": price}
    return found
