"""The cost of one environment, by item: idle, at a monthly volume, at max capacity."""

from __future__ import annotations

from collections.abc import Iterator

from sdxl.cost.amounts import NOTHING, UNKNOWN, Amount
from sdxl.cost.bill import EnvironmentCost, Item, unknown_item
from sdxl.cost.prices import API_GATEWAY_TIER, bedrock_prices, listed_price
from sdxl.cost.usage import service_usage
from sdxl.cost.variant import VariantCost, variant_costs
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import BedrockModel, Environment


def environment_cost(
    environment: Environment, *, images_per_month: int | None, seconds_per_image: float | str | None
) -> EnvironmentCost:
    """Return what `environment` costs; of `seconds_per_image`, see `prices.throughput`."""
    if isinstance(environment.model, BedrockModel):
        given = seconds_per_image if isinstance(seconds_per_image, float) else None
        others = tuple(_service_items(environment, images_per_month, given))
        return EnvironmentCost(
            environment=environment.name,
            region=environment.region,
            source=environment.model.source,
            instance_types=(),
            images_per_month=images_per_month,
            items=(*_bedrock_items(environment.model, images_per_month), *others),
            capacities=(),
            throughput=None,
            per_image_at_full_load=None,
            notes=tuple(_bedrock_notes(environment.model)),
        )
    costs = variant_costs(
        environment.all_variants,
        environment.region,
        images_per_month=images_per_month,
        seconds_per_image=seconds_per_image,
    )
    others = tuple(_service_items(environment, images_per_month, costs[0].throughput.seconds_per_image))
    return EnvironmentCost(
        environment=environment.name,
        region=environment.region,
        source=environment.model.source,
        instance_types=environment.instance_types,
        images_per_month=images_per_month,
        items=(*(item for cost in costs for item in cost.items()), *others),
        capacities=tuple(cost.capacity for cost in costs),
        throughput=costs[0].throughput,
        per_image_at_full_load=costs[0].per_image_at_full_load if len(costs) == 1 else None,
        notes=(*(note for cost in costs for note in cost.notes()), *_endpoint_notes(costs)),
    )


def _endpoint_notes(costs: tuple[VariantCost, ...]) -> Iterator[str]:
    shares = [f"{cost.variant.name} {cost.variant.share:.0%}" for cost in costs if not cost.variant.is_shadow]
    if len(shares) > 1:
        yield f"requests are shared by weight: {', '.join(shares)}"
    yield ("an update of the model runs old and new instances side by side, each billed, for the minutes that it takes")


def _bedrock_items(model: BedrockModel, images_per_month: int | None) -> Iterator[Item]:
    if model.model_arn is not None:
        note = "unknown: billed by the hour or by contract, not per image; see https://aws.amazon.com/bedrock/pricing/"
        yield unknown_item(f"Bedrock {model.model_id}", note, has_volume=images_per_month is not None)
        return
    # Of several prices by condition, the lowest is a bound from below.
    prices = bedrock_prices(load_bedrock_catalog(), model.model_id)
    price = min(prices.values(), key=lambda price: price.usd or 0.0)
    each = price.amount if len(prices) == 1 else Amount(price.usd, is_lower_bound=True)
    at_volume = None if images_per_month is None else each.times(images_per_month)
    yield Item(
        name=f"Bedrock {model.model_id}",
        idle=NOTHING,
        at_volume=at_volume,
        at_max=UNKNOWN if at_volume is None else at_volume,
        price=price,
    )


def _service_items(
    environment: Environment, images_per_month: int | None, seconds_per_image: float | None
) -> Iterator[Item]:
    """What is used other than the model. At max capacity the number of images is unknown, unless it is given."""
    for usage in service_usage(environment, seconds_per_image):
        price = listed_price(usage.price, environment.region)
        idle = price.amount.times(usage.idle)
        at_volume: Amount | None = None
        if images_per_month is not None:
            at_volume = price.amount.times(usage.idle + usage.per_image * images_per_month)
            if usage.price == "rest_api_requests" and images_per_month > API_GATEWAY_TIER:
                at_volume = UNKNOWN
        without_volume = UNKNOWN if usage.per_image else idle
        at_max = without_volume if at_volume is None else at_volume
        yield Item(
            name=usage.name,
            idle=idle,
            at_volume=at_volume,
            at_max=at_max,
            price=price,
            is_service=True,
            stack=usage.stack,
        )
    if environment.api.auth.mode == "cognito":
        note = "unknown: see https://aws.amazon.com/cognito/pricing/"
        yield unknown_item("Cognito", note, has_volume=images_per_month is not None)


def _bedrock_notes(model: BedrockModel) -> Iterator[str]:
    if model.model_arn is None:
        yield "the source of the Bedrock price names no region"
    if model.inpaint_model_id is not None:
        texts = [price.text() for price in bedrock_prices(load_bedrock_catalog(), model.inpaint_model_id).values()]
        yield (
            f"images with a mask are drawn by {model.inpaint_model_id}, {', '.join(texts)}; the figures take all "
            f"images as drawn by {model.model_id}"
        )
