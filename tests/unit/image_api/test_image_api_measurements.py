"""What the function measures: each request once, images by size and variant, what they cost, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from certificates import KEY_ARN, FakeKms
from image_api.errors import ImageApiError
from image_api.marks.credentials import KmsSigner
from image_api.measurements import Measurements, result_of
from image_api.metric_names import METRICS, NAMESPACE, RESULTS
from image_api.settings import Price
from image_api_fakes import ApplicationUnderTest, FakeRuntime, client_error, container_error


def directives(record: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = record["_aws"]["CloudWatchMetrics"]
    return found


def of(api: ApplicationUnderTest, metric: str) -> list[dict[str, Any]]:
    return [record for record in api.published if metric in record]


def subclasses(kind: type[ImageApiError]) -> list[type[ImageApiError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in subclasses(child))]


def test_images_are_counted_by_variant_and_by_size(make_api) -> None:
    api = make_api(model_source="open")

    api.generate(samples=3, width=1152, height=896)

    (record,) = of(api, "Images")
    assert record["Images"] == 3
    assert record["SecondsPerImage"] > 0
    assert (record["environment"], record["source"], record["variant"], record["size"]) == (
        "dev",
        "open",
        "primary",
        "1152x896",
    )
    (directive,) = directives(record)
    assert directive["Dimensions"] == [
        ["environment"],
        ["environment", "source", "variant"],
        ["environment", "source", "size"],
    ]


def test_every_published_metric_is_in_the_list_with_its_unit_and_dimensions(make_api) -> None:
    kms = FakeKms()
    kms.is_denied()
    signer = KmsSigner(KEY_ARN, kms.chain, create_client=lambda: kms)
    api = make_api(prices={"primary": Price(usd_per_instance_hour=2.0)}, signer=signer)

    api.generate()
    api.post("{}")

    seen = set()
    for record in api.published:
        for directive in directives(record):
            assert directive["Namespace"] == NAMESPACE
            for metric in directive["Metrics"]:
                unit, sets = METRICS[metric["Name"]]
                assert metric["Unit"] == unit
                assert directive["Dimensions"] == [list(names) for names in sets]
                assert {name for names in sets for name in names} <= record.keys()
                seen.add(metric["Name"])
    assert seen == METRICS.keys()


def test_sizes_that_nobody_is_trained_for_are_one(make_api) -> None:
    api = make_api()

    for side in (512, 576, 640):
        api.generate(width=side, height=side)

    assert [record["size"] for record in of(api, "Images")] == ["other"] * 3


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(usd_per_instance_hour=3600.0), 10.0),
        (Price(usd_per_image=0.04), 0.08),
        (Price(), None),
        (None, None),
    ],
)
def test_cost_is_the_hours_price_by_the_seconds_or_the_images(
    price: Price | None, cost: float | None, make_api
) -> None:
    api = make_api(prices={} if price is None else {"primary": price})
    settings = api.settings
    published: list[str] = []
    request, result = api.drawn(samples=2)

    drawn = Measurements(settings, write=published.append).drawn(request, result, 2, 10.0)

    assert drawn.cost_usd == cost
    assert ("ImageCost" in published[0]) == (cost is not None)


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (client_error("ThrottlingException", "slow down"), "throttled"),
        (client_error("ModelNotReadyException", "loading"), "model_not_ready"),
        (container_error(500, "crashed"), "model_error"),
        (client_error("AccessDeniedException", "no"), "internal_error"),
    ],
)
def test_a_request_that_fails_is_counted_by_how_it_ended(
    failure: Exception, result: str, api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    runtime.fails(failure)

    api.generate()

    assert [record["result"] for record in api.published] == [result]


def test_a_wrong_request_is_counted_and_draws_nothing(api: ApplicationUnderTest) -> None:
    api.post("{}")
    api.post("no JSON")
    api.generate(width=7)

    assert [record["result"] for record in api.published] == ["invalid_request"] * 3


def test_a_refused_prompt_is_filtered(make_api) -> None:
    api = make_api(refused_terms=("puppy",))

    api.generate()

    assert [record["result"] for record in api.published] == ["filtered"]


def test_other_routes_are_no_requests_for_images(api: ApplicationUnderTest) -> None:
    for path in ("/health", "/v1/presets", "/v1/engines/list", "/nowhere"):
        api.get(path)

    assert api.published == []


@pytest.mark.parametrize("kind", subclasses(ImageApiError), ids=lambda kind: kind.__name__)
def test_every_error_is_a_known_result(kind: type[ImageApiError]) -> None:
    assert result_of(kind.__new__(kind)) in RESULTS


def test_an_unexpected_error_is_internal() -> None:
    assert result_of(RuntimeError("a bug")) == "internal_error"
