"""How an endpoint is updated, what rolls an update back, and the further variants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from infrastructure_synthesis import Synthesis, Template, resources, the, with_names

ALARM = "AWS::CloudWatch::Alarm"
CONFIG = "AWS::SageMaker::EndpointConfig"
ENDPOINT = "AWS::SageMaker::Endpoint"
FILTER = "AWS::Logs::MetricFilter"
MODEL = "AWS::SageMaker::Model"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"

SCALING = {"min_capacity": 1, "max_capacity": 4, "target": {"metric": "concurrent_requests", "target": 1}}
VARIANTS = [{"name": "challenger", "model": {"source": "open"}, "weight": 0.25, "instance_count": 2}]


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    found = (resource["Properties"] for resource in resources(template, ALARM).values())
    return {alarm["AlarmName"]: alarm for alarm in found}


def test_all_at_once_is_watched_and_rolled_back_by_three_alarms(dev: dict[str, Template]) -> None:
    template = dev["Inference"]
    assert with_names(template, the(template, ENDPOINT)["DeploymentConfig"]) == {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300},
            "TerminationWaitInSeconds": 0,
            "MaximumExecutionTimeoutInSeconds": 3600,
        },
        "AutoRollbackConfiguration": {
            "Alarms": [{"AlarmName": f"sdxl-dev-update-{what}"} for what in ("errors", "latency", "crashes")]
        },
    }


@pytest.mark.parametrize(
    ("update", "routing"),
    [
        (
            {"traffic": "canary", "canary_percent": 20, "bake_seconds": 60},
            {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 60,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 20},
            },
        ),
        (
            {"traffic": "linear", "step_percent": 50},
            {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": 300,
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            },
        ),
    ],
)
def test_traffic_moves_as_the_environment_says(
    update: dict[str, Any], routing: dict[str, Any], synth: Callable[..., dict[str, Template]]
) -> None:
    endpoint = the(synth(endpoint={"instance_count": 2, "update": update})["Inference"], ENDPOINT)

    assert endpoint["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == routing


def test_a_marketplace_package_is_replaced_all_at_once_and_unwatched(
    prod: dict[str, Template], access: Synthesis
) -> None:
    # SageMaker falls back to that whatever it is told: nothing is promised that it does not keep.
    for template in (prod["Inference"], access.templates["ab"]["Inference"]):
        assert "DeploymentConfig" not in the(template, ENDPOINT)
        assert resources(template, ALARM) == {}


def test_an_unguarded_update_has_neither_steps_nor_alarms(synth: Callable[..., dict[str, Template]]) -> None:
    template = synth(endpoint={"update": {"traffic": "unguarded"}})["Inference"]

    assert "DeploymentConfig" not in the(template, ENDPOINT)
    assert resources(template, ALARM) == {}


def test_errors_and_crashes_and_latency_in_microseconds_roll_an_update_back(
    synth: Callable[..., dict[str, Template]],
) -> None:
    rollback = {"server_errors": 3, "latency_p95_seconds": 12.5, "container_crashes": 2}
    template = synth(endpoint={"update": {"traffic": "all_at_once", "rollback": rollback}})["Inference"]

    found = alarms(template)
    variant = [{"Name": "EndpointName", "Value": "sdxl-test"}, {"Name": "VariantName", "Value": "primary"}]
    errors, latency, crashes = (found[f"sdxl-test-update-{what}"] for what in ("errors", "latency", "crashes"))
    assert (errors["MetricName"], errors["Dimensions"], errors["Statistic"], errors["Threshold"]) == (
        "Invocation5XXErrors",
        variant,
        "Sum",
        3,
    )
    assert (latency["MetricName"], latency["ExtendedStatistic"], latency["Threshold"]) == (
        "ModelLatency",
        "p95",
        12_500_000,
    )
    (transformation,) = the(template, FILTER)["MetricTransformations"]
    assert (crashes["Namespace"], crashes["MetricName"], crashes["Threshold"]) == (
        transformation["MetricNamespace"],
        transformation["MetricName"],
        2,
    )
    assert all(alarm["TreatMissingData"] == "notBreaching" for alarm in found.values())


def test_the_endpoint_waits_for_the_alarms_that_watch_it(dev: dict[str, Template]) -> None:
    template = dev["Inference"]
    config = the(template, ENDPOINT)["DeploymentConfig"]["AutoRollbackConfiguration"]

    # A reference, and not only the name: CloudFormation creates the alarms first.
    assert {alarm["AlarmName"]["Ref"] for alarm in config["Alarms"]} == set(resources(template, ALARM))


def test_further_variants_have_models_counts_weights_and_alarms_with_the_first(
    synth: Callable[..., dict[str, Template]],
) -> None:
    template = synth(endpoint={"variants": VARIANTS})["Inference"]

    primary, challenger = the(template, CONFIG)["ProductionVariants"]
    assert len(resources(template, MODEL)) == 2
    assert primary["ModelName"] != challenger["ModelName"]
    assert (primary["VariantName"], primary["InitialVariantWeight"]) == ("primary", 1)
    assert (challenger["VariantName"], challenger["InitialVariantWeight"], challenger["InitialInstanceCount"]) == (
        "challenger",
        0.25,
        2,
    )
    errors = alarms(template)["sdxl-test-update-errors"]
    assert errors["Metrics"][0]["Expression"] == "FILL(m1, 0) + FILL(m2, 0)"
    watched = [query["MetricStat"]["Metric"]["Dimensions"][1]["Value"] for query in errors["Metrics"][1:]]
    assert watched == ["primary", "challenger"]
    latency = alarms(template)["sdxl-test-update-latency"]
    assert latency["Metrics"][0]["Expression"] == "MAX([m1, m2])"
    # The environment file decides the shares, at every update; the counts too, where nothing is scaled.
    assert the(template, ENDPOINT)["ExcludeRetainedVariantProperties"] == [
        {"VariantPropertyType": "DesiredInstanceCount"},
        {"VariantPropertyType": "DesiredWeight"},
    ]


def test_the_first_variants_resources_stay_what_they_are_when_others_come(
    dev: dict[str, Template], synth: Callable[..., dict[str, Template]]
) -> None:
    template = synth(endpoint={"variants": VARIANTS})["Inference"]

    assert set(dev["Inference"]["Resources"]) < set(template["Resources"])


def test_two_sources_on_one_endpoint_are_scaled_apart(access: Synthesis) -> None:
    template = access.templates["ab"]["Inference"]

    assert [resource["Properties"]["PrimaryContainer"].keys() for resource in resources(template, MODEL).values()] == [
        {"Environment", "Image", "ModelDataUrl"},
        {"ModelPackageName"},
    ]
    found = {
        item["Properties"]["ResourceId"]: item["Properties"]["MaxCapacity"]
        for item in resources(template, TARGET).values()
    }
    assert found == {"endpoint/sdxl-ab/variant/primary": 4, "endpoint/sdxl-ab/variant/challenger": 2}
    names = [item["Properties"]["PolicyName"] for item in resources(template, POLICY).values()]
    assert sorted(names) == ["sdxl-ab-challenger-concurrent-requests", "sdxl-ab-concurrent-requests"]


def test_a_shadow_gets_its_share_of_copies_on_its_own_instances(access: Synthesis) -> None:
    config = the(access.templates["shadow"]["Inference"], CONFIG)

    (shadow,) = config["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["InstanceType"], shadow["InitialVariantWeight"]) == (
        "shadow",
        "ml.g5.8xlarge",
        0.5,
    )
    assert len(config["ProductionVariants"]) == 1


def test_detached_scaling_leaves_out_the_scalable_target_and_changes_nothing_else(
    synth: Callable[..., dict[str, Template]],
) -> None:
    attached = synth(scaling=SCALING)["Inference"]["Resources"]
    detached = synth(scaling={**SCALING, "detached": True})["Inference"]["Resources"]

    left_out = {name: attached[name]["Type"] for name in attached.keys() - detached.keys()}
    assert sorted(left_out.values()) == [TARGET, POLICY]
    assert {name: attached[name] for name in detached} == detached


def test_an_update_keeps_the_counts_of_scaled_variants_and_sets_the_weights(access: Synthesis) -> None:
    endpoint = the(access.templates["ab"]["Inference"], ENDPOINT)

    assert endpoint["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DesiredWeight"}]
