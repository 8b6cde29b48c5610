"""What environments cost: the computations with small numbers, and what is unknown staying so."""

import math

import pytest

from sdxl.cost import comparison as comparisons
from sdxl.cost import estimate, prices
from sdxl.cost.amounts import NOTHING, UNKNOWN, Amount, total
from sdxl.cost.comparison import SourceCost, break_even
from sdxl.cost.prices import Price, Throughput
from sdxl.cost.week import (
    MINUTES_PER_WEEK,
    NotWeeklyError,
    around_the_clock,
    minutes_of_week,
    weekly_capacity,
)
from sdxl.errors import UsageError
from stacks.catalog import load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import Environment, ScheduledCapacity

ENVIRONMENT = {"name": "dev", "account": "111122223333", "region": "us-east-1", "model": {"source": "open"}}
TARGET = {"metric": "concurrent_requests", "target": 1}
OPEN_HOUR = 2.03
DAY = 24 * 60


def environment(**changes) -> Environment:
    return Environment.model_validate({**ENVIRONMENT, **changes})


def cost_of(images_per_month=None, seconds_per_image=None, **changes):
    return estimate.environment_cost(
        environment(**changes), images_per_month=images_per_month, seconds_per_image=seconds_per_image
    )


def schedule(name: str, expression: str, low=None, high=None, timezone="UTC") -> ScheduledCapacity:
    return ScheduledCapacity(name=name, schedule=expression, timezone=timezone, min_capacity=low, max_capacity=high)


def scaling(low=1, high=4, schedules=()):
    return {"min_capacity": low, "max_capacity": high, "target": TARGET, "schedules": list(schedules)}


# Amounts


def test_a_sum_of_what_is_known_is_known():
    assert total([Amount(1.5), Amount(2.0)]) == Amount(3.5)
    assert total([]) == NOTHING


def test_a_sum_with_something_unknown_is_a_lower_bound():
    assert total([Amount(1.5), UNKNOWN]) == Amount(1.5, is_lower_bound=True)
    assert total([Amount(1.5), Amount(1.0, is_lower_bound=True)]).bound == "at least"


def test_a_sum_of_unknowns_is_unknown():
    assert total([UNKNOWN, UNKNOWN]) == UNKNOWN


def test_nothing_of_something_unknown_costs_nothing():
    assert UNKNOWN.times(0) == NOTHING
    assert UNKNOWN.times(2) == UNKNOWN
    assert Amount(2.0, is_lower_bound=True).times(3) == Amount(6.0, is_lower_bound=True)


def test_amounts_as_text_and_json():
    assert [amount.text() for amount in (UNKNOWN, Amount(1234.5), Amount(2.0, is_lower_bound=True))] == [
        "unknown",
        "1,234.50",
        "at least 2.00",
    ]
    assert UNKNOWN.as_json() == {"usd": None, "bound": "unknown"}
    assert Amount(1 / 3).as_json() == {"usd": 0.333333, "bound": "known"}


# Schedules


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [
        ("cron(30 20 ? * SUN *)", [20 * 60 + 30]),
        ("cron(0 0 ? * 1 *)", [0]),
        ("cron(0 7 ? * MON-FRI *)", [day * DAY + 7 * 60 for day in (1, 2, 3, 4, 5)]),
        ("cron(0 7 ? * 7,MON *)", [DAY + 7 * 60, 6 * DAY + 7 * 60]),
        ("cron(0 7 * * ? *)", [day * DAY + 7 * 60 for day in range(7)]),
        ("cron(0 7 ? * * *)", [day * DAY + 7 * 60 for day in range(7)]),
        ("cron(0,30 7,8 ? * SUN *)", [420, 450, 480, 510]),
        ("cron(0 7-9 ? * SUN *)", [420, 480, 540]),
    ],
)
def test_a_cron_expression_becomes_minutes_of_the_week(expression, minutes):
    assert list(minutes_of_week(expression)) == minutes


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("at(2030-12-24T18:00:00)", "comes once"),
        ("rate(12 hours)", "a rate counts from when it is deployed"),
        ("cron(0 7 1 * ? *)", "does not run every week"),
        ("cron(0 7 ? 12 MON *)", "does not run every week"),
        ("cron(0 7 ? * MON 2030)", "does not run every week"),
        ("cron(0 */2 * * ? *)", r"its hours are \*/2"),
        ("cron(0/15 7 * * ? *)", "its minutes are 0/15"),
        ("cron(* 7 * * ? *)", r"its minutes are \*"),
        ("cron(0 7 ? * MON#1 *)", "its days of the week are MON#1"),
        ("cron(0 7 ? * 6L *)", "its days of the week are 6L"),
        ("cron(0 7 ? * MON/2 *)", "its days of the week are MON/2"),
    ],
)
def test_what_does_not_come_every_week_is_not_counted(expression, why):
    with pytest.raises(NotWeeklyError, match=why):
        minutes_of_week(expression)


def test_schedules_hold_until_the_next_one():
    night = schedule("night", "cron(0 20 * * ? *)", 1, 2)
    morning = schedule("morning", "cron(0 7 * * ? *)", 2, 8)
    capacity = weekly_capacity(3, 3, [night, morning])
    assert capacity.fewest.minutes == {1: 77 * 60, 2: 91 * 60}
    assert capacity.most.minutes == {2: 77 * 60, 8: 91 * 60}
    assert capacity.fewest.instance_hours_per_month == pytest.approx((77 + 2 * 91) / 168 * 730)
    assert capacity.fewest.text() == "2 for 91 h, 1 for 77 h of the week"
    assert all(outcome.is_counted for outcome in capacity.schedules)


def test_a_weekday_schedule_holds_over_the_weekend():
    up = schedule("up", "cron(0 8 ? * MON-FRI *)", 2)
    down = schedule("down", "cron(0 18 ? * MON-FRI *)", 1)
    capacity = weekly_capacity(1, 4, [up, down])
    assert capacity.fewest.minutes == {2: 50 * 60, 1: 118 * 60}
    assert capacity.most == around_the_clock(4)


def test_one_schedule_alone_holds_the_whole_week():
    assert weekly_capacity(2, 4, [schedule("night", "cron(0 20 * * ? *)", 1)]).fewest.minutes == {1: MINUTES_PER_WEEK}


def test_a_schedule_leaves_the_bound_that_it_does_not_set():
    capacity = weekly_capacity(2, 4, [schedule("wide", "cron(0 20 * * ? *)", high=6)])
    assert capacity.fewest == around_the_clock(2)
    assert capacity.most == around_the_clock(6)


def test_a_schedule_that_is_not_counted_says_so_and_the_upper_bound_still_holds():
    capacity = weekly_capacity(
        1, 4, [schedule("down", "cron(0 20 * * ? *)", 1, 2), schedule("xmas", "at(2030-12-24T18:00:00)", 2, 9)]
    )
    assert [outcome.is_counted for outcome in capacity.schedules] == [True, False]
    assert capacity.fewest == around_the_clock(1)
    assert capacity.most == around_the_clock(9)


def test_schedules_in_two_time_zones_or_at_one_time_are_not_combined():
    schedules = [
        schedule("a", "cron(0 20 * * ? *)", 1, timezone="Europe/Berlin"),
        schedule("b", "cron(0 7 * * ? *)", 2, timezone="UTC"),
        schedule("c", "cron(0 20 ? * MON *)", 3, timezone="Europe/Berlin"),
    ]
    reasons = [outcome.reason for outcome in weekly_capacity(1, 4, schedules).schedules]
    assert reasons[0] is None
    assert "its time zone is UTC, that of the schedules before it Europe/Berlin" in reasons[1]
    assert "at the same time as a" in reasons[2]


# Environments


def item(cost, name: str):
    return next(item for item in cost.items if item.name.startswith(name))


def test_an_endpoint_without_scaling_runs_around_the_clock():
    cost = cost_of(endpoint={"instance_count": 2})
    endpoint = item(cost, "endpoint ml.g5.4xlarge")
    assert endpoint.idle == endpoint.at_max == Amount(2 * OPEN_HOUR * 730)
    assert endpoint.at_volume is None
    assert endpoint.price.as_of == "2025-04"
    assert cost.at_volume is None
    assert cost.idle == total([Amount(2 * OPEN_HOUR * 730), cost.services().idle])
    assert cost.idle.bound == "known"


def test_idle_follows_the_schedules_and_max_the_highest():
    night = {"name": "night", "schedule": "cron(0 0 ? * SUN *)", "min_capacity": 1}
    day = {"name": "day", "schedule": "cron(0 12 ? * WED *)", "min_capacity": 3}
    cost = cost_of(scaling=scaling(2, 4, [night, day]))
    endpoint = item(cost, "endpoint")
    assert endpoint.idle.usd == pytest.approx(2 * 730 * OPEN_HOUR)
    assert endpoint.at_max == Amount(4 * 730 * OPEN_HOUR)
    assert any("3 for 84 h, 1 for 84 h of the week" in note for note in cost.notes)


def test_a_schedule_that_is_not_counted_is_in_the_notes():
    cost = cost_of(scaling=scaling(1, 4, [{"name": "often", "schedule": "rate(2 hours)", "min_capacity": 2}]))
    assert any("the schedule often (rate(2 hours)) is not counted: a rate counts" in note for note in cost.notes)


@pytest.mark.parametrize(
    ("mode", "metric"), [("asynchronous", "backlog_per_instance"), ("components", "concurrent_requests_per_copy")]
)
def test_an_endpoint_that_goes_to_zero_idles_for_nothing_and_says_what_a_wake_adds(mode, metric):
    zero = {"min_capacity": 0, "max_capacity": 2, "target": {"metric": metric, "target": 1}}

    cost = cost_of(images_per_month=360, seconds_per_image=10.0, endpoint={"mode": mode}, scaling=zero)

    (instances,) = [item for item in cost.items if item.name.startswith("endpoint ")]
    assert instances.idle.usd == 0
    assert instances.at_volume.usd == pytest.approx(OPEN_HOUR)
    assert instances.at_max.usd == pytest.approx(2 * 730 * OPEN_HOUR)
    assert any("Each wake also bills" in note for note in cost.notes)


def test_a_volume_below_the_idle_capacity_costs_as_much_as_idle():
    endpoint = item(cost_of(100, 9.0), "endpoint")
    assert endpoint.at_volume == endpoint.idle


def test_a_volume_above_the_idle_capacity_costs_the_hours_it_takes():
    # 584 000 images of 9 s are 1460 hours: two instances for 730 hours.
    endpoint = item(cost_of(584_000, 9.0, scaling=scaling(1, 4)), "endpoint")
    assert endpoint.at_volume.usd == pytest.approx(1460 * OPEN_HOUR)
    assert endpoint.at_volume.is_lower_bound


def test_a_volume_beyond_max_capacity_is_said():
    cost = cost_of(584_001, 9.0)
    assert item(cost, "endpoint").at_volume == Amount(730 * OPEN_HOUR)
    assert any("584,001 images are more than max capacity draws in a month (292,000)" in note for note in cost.notes)


def test_without_a_throughput_a_volume_costs_at_least_idle():
    cost = cost_of(1000, scaling=scaling(1, 4))
    assert item(cost, "endpoint").at_volume == Amount(730 * OPEN_HOUR, is_lower_bound=True)
    assert cost.per_image_at_full_load == UNKNOWN
    assert any("whether the instances draw 1,000 images a month is unknown" in note for note in cost.notes)


def test_the_price_of_an_image():
    cost = cost_of(1000, 9.0)
    assert cost.per_image_at_full_load == Amount(OPEN_HOUR / 400)
    services = cost.services().at_volume
    assert cost.per_image_at_volume.usd == pytest.approx((730 * OPEN_HOUR + services.usd) / 1000)
    assert cost.per_image_at_volume.bound == "known"


def test_no_images_cost_what_idle_costs_and_have_no_price_each():
    cost = cost_of(0, 9.0, scaling=scaling(1, 4))
    assert item(cost, "endpoint").at_volume == item(cost, "endpoint").idle
    assert item(cost, "API Gateway").at_volume == NOTHING
    assert cost.per_image_at_volume is None


def test_gateway_requests_beyond_the_first_tier_are_unknown():
    assert item(cost_of(1_000_000), "API Gateway").at_volume == Amount(3.5)
    assert item(cost_of(333_000_001), "API Gateway").at_volume == UNKNOWN


def test_every_service_has_a_price_with_its_date_and_source():
    cost = cost_of(10)
    for name in ("Lambda", "S3", "DynamoDB", "KMS key", "CloudWatch", "X-Ray", "data transfer", "SNS"):
        line = item(cost, name)
        assert line.at_volume.bound == line.idle.bound == "known"
        assert line.price.as_of in line.price_text("us-east-1")
        assert line.price.source.startswith("https://")
    assert cost.unknown == ()


def test_services_are_counted_by_the_environment():
    cost = cost_of(1_000_000, 2.0)

    # 1769 MB for 2 s, and the key's check of 256 MB for 0.05 s
    seconds = item(cost, "Lambda duration")
    assert seconds.at_volume.usd == pytest.approx((1769 / 1024 * 2 + 0.25 * 0.05) * 1_000_000 * 1.33334e-05)
    assert item(cost, "Lambda SnapStart").idle.usd == pytest.approx(1769 / 1024 * 730 * 3600 * 1.5046e-06)
    # Images of 1.6 MB that stay for 30 days
    assert item(cost, "S3 images").at_volume.usd == pytest.approx(1600 * 30 / (730 / 24) * 0.023)
    assert item(cost, "data transfer").at_volume.usd == pytest.approx(1600 * 4 / 3 * 0.09)
    assert item(cost, "KMS key").idle == Amount(1.0)
    assert item(cost, "CloudWatch dashboard").idle == Amount(3.0)


def test_a_key_of_ones_own_is_not_on_the_bill():
    own = {"key_arn": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}

    assert "KMS key" not in [line.name for line in cost_of(storage=own).items]


def test_more_memory_and_longer_storage_cost_more():
    usual, more = cost_of(1000), cost_of(1000, api={"function_memory_mb": 3538}, storage={"image_expiration_days": 60})

    assert item(more, "Lambda SnapStart").idle.usd == pytest.approx(2 * item(usual, "Lambda SnapStart").idle.usd)
    assert item(more, "S3 images").at_volume.usd == pytest.approx(2 * item(usual, "S3 images").at_volume.usd)


def test_every_metric_of_an_alarm_is_billed():
    alone = item(cost_of(), "CloudWatch alarms").idle.usd
    two = item(cost_of(endpoint={"variants": [{**CHALLENGER}]}), "CloudWatch alarms").idle.usd

    assert two > alone > 0.5


def test_price_of_another_region_is_said():
    cost = cost_of(10, region="eu-west-1")

    assert item(cost, "CloudWatch Logs, written").price.usd == 0.57
    assert "us-east-1's: eu-west-1's is unknown" in item(cost, "KMS key").price_text("eu-west-1")


def test_options_of_the_api_are_items():
    assert not [line for line in cost_of().items if line.name.startswith("WAF")]
    assert item(cost_of(api={"waf": {}}), "WAF web ACL").idle == Amount(5.0)
    assert item(cost_of(1_000_000, api={"waf": {}}), "WAF requests").at_volume == Amount(pytest.approx(0.6))


def test_an_instance_without_a_price_makes_the_endpoint_unknown():
    cost = cost_of(10, endpoint={"instance_types": ["ml.g5.16xlarge"]})
    endpoint = item(cost, "endpoint")
    assert (endpoint.idle, endpoint.at_volume, endpoint.at_max) == (UNKNOWN, UNKNOWN, UNKNOWN)
    assert endpoint.price_text("us-east-1") == "unknown per instance and hour (2025-04)"


def test_max_capacity_is_priced_as_the_dearest_type():
    types = ["ml.g5.4xlarge", "ml.g5.8xlarge"]
    cost = cost_of(endpoint={"instance_types": types})
    assert item(cost, "endpoint").at_max == Amount(3.06 * 730)
    assert any("in ml.g5.8xlarge only, idle is 2,233.80 a month" in note for note in cost.notes)
    cost = cost_of(endpoint={"instance_types": [*types, "ml.g5.16xlarge"]})
    assert item(cost, "endpoint").at_max == Amount(3.06 * 730, is_lower_bound=True)


def test_the_marketplace_charge_is_unknown_and_said():
    cost = cost_of(1000, 9.0, model={"source": "optimized"})
    assert item(cost, "Marketplace").idle == UNKNOWN
    assert cost.per_image_at_full_load == Amount(1.515 / 400, is_lower_bound=True)
    assert any("software charge" in note for note in cost.notes)


def test_another_region_has_the_us_price_and_says_so():
    cost = cost_of(region="eu-west-1")
    assert "us-east-1's: eu-west-1's is unknown" in item(cost, "endpoint").price_text("eu-west-1")
    assert any("the price of ml.g5.4xlarge is us-east-1's" in note for note in cost.notes)
    assert cost.as_json()["items"][0]["price_is_of_other_region"] is True
    assert cost_of().as_json()["items"][0]["price_is_of_other_region"] is False


CORE = {"source": "bedrock", "model_id": "stability.stable-image-core-v1:1"}


def test_bedrock_idles_for_nothing_and_costs_by_the_image():
    cost = cost_of(1000, model=CORE, region="us-west-2")
    model = item(cost, "Bedrock stability.stable-image-core-v1:1")
    assert model.idle == NOTHING
    assert model.at_volume == model.at_max == Amount(40.0)
    assert model.price.as_of == "2026-11-23"
    assert cost.throughput is None
    assert cost.as_json()["instance_hours"] is None
    assert any("names no region" in note for note in cost.notes)


def test_bedrock_without_a_volume_is_unknown_at_max():
    model = item(cost_of(model=CORE, region="us-west-2"), "Bedrock")
    assert (model.idle, model.at_volume, model.at_max) == (NOTHING, None, UNKNOWN)


def test_the_inpaint_model_has_its_own_price():
    model = {**CORE, "inpaint_model_id": "stability.stable-image-inpaint-v1:0"}
    cost = cost_of(10, model=model, region="us-west-2")
    assert any("stability.stable-image-inpaint-v1:0, 0.07 per image (2026-11-23)" in note for note in cost.notes)


def test_provisioned_throughput_is_not_billed_by_the_image():
    arn = "arn:aws:bedrock:us-west-2:111122223333:provisioned-model/abcdefghijkl"
    cost = cost_of(10, model={**CORE, "provisioned_model_arn": arn}, region="us-west-2")
    assert item(cost, "Bedrock").at_volume == UNKNOWN
    assert item(cost, "Bedrock").idle == UNKNOWN


def test_of_prices_by_condition_the_lowest_is_a_lower_bound(monkeypatch):
    two = {
        name: Price(usd=usd, unit="image", as_of="2026-01", source="s", region=None)
        for name, usd in (("up_to_50_steps", 0.04), ("above_50_steps", 0.08))
    }
    monkeypatch.setattr(estimate, "bedrock_prices", lambda catalog, model_id: two)
    cost = cost_of(100, model=CORE, region="us-west-2")
    assert item(cost, "Bedrock").at_volume == Amount(4.0, is_lower_bound=True)


def test_a_bedrock_model_without_a_price_is_unknown():
    found = prices.bedrock_prices(load_bedrock_catalog(), "stability.sd3-large-v1:0")
    assert found["any"].amount == UNKNOWN


# Throughput


def test_nothing_is_assumed_about_the_throughput():
    a10g = load_catalog().instance_type("ml.g5.4xlarge")
    assert prices.throughput(None, a10g).images_per_hour is None
    assert prices.throughput(3.0, a10g).images_per_hour == 1200


def test_the_published_figure_bears_its_source_and_is_of_no_other_gpu():
    a10g, a100 = (load_catalog().instance_type(name) for name in ("ml.g5.4xlarge", "ml.p4d.24xlarge"))
    assert prices.throughput("published", a10g).seconds_per_image == 9.4
    assert "A10, 30 steps, 1024x1024" in prices.throughput("published", a10g).source
    assert prices.throughput("published", a100).seconds_per_image is None
    assert "NVIDIA A100" in prices.throughput("published", a100).source


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_seconds_per_image_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match=r"received '.*'\. Allowed are a number above 0.*the word 'published'"):
        prices.seconds_per_image(text)


def test_seconds_per_image_are_a_number_or_published():
    assert [prices.seconds_per_image(text) for text in (None, "published", "9.4")] == [None, "published", 9.4]


# Comparison


def source(kind: str, usd: float | None, seconds: float | None = None) -> SourceCost:
    return SourceCost(
        source=kind,
        model=kind,
        instances=None if kind == "bedrock" else 1,
        throughput=None if kind == "bedrock" else Throughput(seconds_per_image=seconds, source="test"),
        month=NOTHING,
        per_image=None,
        price=Price(usd=usd, unit="x", as_of="2026-01", source="test", region=None),
        note="",
    )


@pytest.mark.parametrize(
    ("endpoint", "image", "images", "bound"),
    [
        (("open", 1.0, 36.0), 0.1, 7300, "known"),
        (("open", 1.0, None), 0.1, 7300, "at least"),
        (("optimized", 1.0, 36.0), 0.1, 7300, "at least"),
        (("open", 1.0, 360.0), 0.1, 7300, "known"),  # exactly what one instance draws
        (("open", 1.0, 361.0), 0.1, None, "never"),
        (("open", None, 36.0), 0.1, None, "unknown"),
        (("open", 1.0, 36.0), None, None, "unknown"),
    ],
)
def test_break_even_is_the_month_of_an_instance_by_the_price_of_an_image(endpoint, image, images, bound):
    found = break_even(source(*endpoint), source("bedrock", image))
    assert (found.images_per_month, found.bound) == (images, bound)
    assert found.text() == {"known": "7,300", "at least": "at least 7,300"}.get(bound, bound)


def test_sources_side_by_side():
    compared = comparisons.compare(10_000, 9.0)
    by_model = {one.model: one for one in compared.sources}
    assert by_model["ml.g5.4xlarge"].month == Amount(730 * OPEN_HOUR)
    assert by_model["ml.g5.4xlarge"].per_image == Amount(730 * OPEN_HOUR * (1 / 10_000))
    assert by_model["ml.g5.2xlarge"].month == Amount(730 * 1.515, is_lower_bound=True)
    assert by_model["stability.stable-image-core-v1:1"].month == Amount(400.0)
    assert "stability.stable-diffusion-xl-v1" not in by_model, "its end of life is past"
    assert "stability.stable-image-inpaint-v1:0" not in by_model, "it draws nothing but masks"
    core = next(one for one in compared.break_even if one.source == "open" and "core" in one.bedrock_model)
    assert (core.images_per_month, core.bound) == (math.ceil(730 * OPEN_HOUR / 0.04), "known")


def test_instances_are_added_with_the_volume():
    assert [comparisons.compare(n, 9.0).sources[0].instances for n in (0, 292_000, 292_001)] == [1, 1, 2]


def test_no_images_have_no_price_each():
    compared = comparisons.compare(0, None)
    assert {one.per_image for one in compared.sources} == {None}
    assert compared.sources[0].month == Amount(730 * OPEN_HOUR)
    assert [one.month for one in compared.sources if one.source == "bedrock"] == [NOTHING] * 3


# Variants and shadow

CHALLENGER = {"name": "challenger", "model": {"source": "optimized"}, "weight": 1, "instance_count": 2}


def test_each_variant_is_billed_and_gets_its_share_of_the_volume():
    cost = cost_of(
        360_000,
        36.0,
        endpoint={"variant_weight": 3, "variants": [{**CHALLENGER, "scaling": scaling(2, 2)}]},
        scaling=scaling(high=10),
    )

    items = {item.name: item for item in cost.items}
    assert items["endpoint ml.g5.4xlarge"].at_volume == Amount(OPEN_HOUR * 2700, is_lower_bound=True)
    assert items["endpoint ml.g5.2xlarge (challenger)"].idle == Amount(1.515 * 2 * 730)
    assert items["Marketplace software charge (challenger)"].idle == UNKNOWN
    assert cost.per_image_at_full_load is None
    assert "requests are shared by weight: primary 75%, challenger 25%" in cost.notes
    assert any("measured on open and ml.g5.4xlarge" in note for note in cost.notes)
    assert cost.as_json()["instance_hours"] == {"idle": 3 * 730, "at_max_capacity": 12 * 730}


def test_a_shadow_is_billed_beside_the_whole_of_the_traffic():
    cost = cost_of(
        360_000, 36.0, endpoint={"instance_count": 9, "shadow": {"sampling_percent": 50, "instance_count": 7}}
    )

    items = {item.name: item for item in cost.items}
    assert items["endpoint ml.g5.4xlarge"].at_volume == Amount(OPEN_HOUR * (9 * 730))
    assert items["endpoint ml.g5.4xlarge (shadow)"].idle == Amount(OPEN_HOUR * (7 * 730))
    assert not any("shared by weight" in note for note in cost.notes)


def test_what_stands_beside_the_model_is_on_the_bill():
    network = {
        "vpc_id": "vpc-0123456789abcdef0",
        "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "vpc_endpoints": "create",
        "route_table_ids": ["rtb-0123456789abcdef0"],
    }

    costs = {line.name: line.idle for line in cost_of(network=network).items}
    bare = {line.name for line in cost_of(operations=None).items}

    # Two interface endpoints, for calls of SageMaker and its description, in two zones
    assert costs["VPC endpoints, 2 in 2 zones"] == Amount(pytest.approx(2 * 2 * 730 * 0.01))
    beside = {"CloudWatch alarms", "CloudWatch composite alarm", "CloudWatch dashboard", "SNS messages of alarms"}
    assert beside <= costs.keys()
    assert not {*beside, "VPC endpoints, 2 in 2 zones"} & bare


def test_cognito_is_the_one_thing_without_a_price():
    auth = {
        "mode": "cognito",
        "domain_prefix": "sdxl-x",
        "callback_urls": ["https://images.example.com/callback"],
    }
    cost = cost_of(10, api={"auth": auth})

    assert [line.name for line in cost.unknown] == ["Cognito"]
    assert cost.idle.is_lower_bound
