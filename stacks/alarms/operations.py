"""The alarms of the operations stack: on the API, its function and the model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from stacks.alarms.metrics import MetricMath, MetricSource, crash_metric, highest, of_variants, total
from stacks.alarms.spec import AlarmSpec, Condition
from stacks.catalog import load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import API_STAGE, Alarms, BedrockModel, Environment, Variant, pascal

FIVE_MINUTES = 300


def operations_alarms(environment: Environment, function_name: str, thresholds: Alarms) -> Iterator[AlarmSpec]:
    """The alarms of `environment`; `function_name` is that of the image API's function."""
    latency_seconds = thresholds.latency_seconds(environment.api.integration_timeout_seconds)
    yield from _api(environment, thresholds, latency_seconds)
    yield from _function(environment, function_name, thresholds)
    if isinstance(environment.model, BedrockModel):
        yield from _bedrock(environment, environment.model, thresholds, latency_seconds)
        return
    variants = environment.production_variants
    yield from _model(environment, [variant.name for variant in variants], latency_seconds)
    for number, variant in enumerate(variants):
        yield from _instances(environment, variant, thresholds, is_first=number == 0)


def _api(environment: Environment, thresholds: Alarms, latency_seconds: float) -> Iterator[AlarmSpec]:
    metric = partial(
        MetricSource,
        namespace="AWS/ApiGateway",
        dimensions={"ApiName": f"sdxl-{environment.name}", "Stage": API_STAGE},
    )
    yield AlarmSpec(
        construct_id="ApiErrors",
        name="api-errors",
        meaning=f"The API answered {thresholds.api_errors} requests or more with 5xx within 5 minutes.",
        runbook="api-errors",
        metric=metric(name="5XXError", period_seconds=FIVE_MINUTES),
        when=Condition(threshold=thresholds.api_errors),
        is_felt=True,
    )
    yield AlarmSpec(
        construct_id="ApiLatency",
        name="api-latency",
        meaning=f"Of 20 answers of the API, one takes longer than {latency_seconds:g} s.",
        runbook="latency",
        metric=metric(name="Latency", statistic="p95"),
        # API Gateway publishes milliseconds.
        when=_in_most_of_five_minutes(latency_seconds * 1000),
        is_felt=True,
    )


def _function(environment: Environment, function_name: str, thresholds: Alarms) -> Iterator[AlarmSpec]:
    metric = partial(
        MetricSource,
        namespace="AWS/Lambda",
        dimensions={"FunctionName": function_name},
        period_seconds=FIVE_MINUTES,
    )
    yield AlarmSpec(
        construct_id="FunctionErrors",
        name="function-errors",
        meaning="The image API's function failed: it crashed, ran out of memory or out of time.",
        runbook="api-errors",
        metric=metric(name="Errors"),
        when=Condition(threshold=1),
        is_felt=True,
    )
    throttled = MetricSource(
        namespace="SDXL",
        name="Requests",
        dimensions={"environment": environment.name, "result": "throttled"},
        period_seconds=FIVE_MINUTES,
    )
    yield AlarmSpec(
        construct_id="Throttled",
        name="throttled",
        meaning=f"{thresholds.throttled_requests} requests or more were refused within 5 minutes, by Lambda or by the "
        "model's service, for want of capacity.",
        runbook="throttled",
        metric=total([metric(name="Throttles"), throttled]),
        when=Condition(threshold=thresholds.throttled_requests),
    )


def _model(environment: Environment, variants: list[str], latency_seconds: float) -> Iterator[AlarmSpec]:
    endpoint = f"sdxl-{environment.name}"
    yield AlarmSpec(
        construct_id="ModelErrors",
        name="model-errors",
        meaning="The model answered 5 requests or more with an error within 5 minutes.",
        runbook="model-errors",
        metric=total(of_variants(endpoint, variants, "Invocation5XXErrors", "Sum", FIVE_MINUTES)),
        when=Condition(threshold=5),
        is_felt=True,
    )
    yield AlarmSpec(
        construct_id="ModelLatency",
        name="model-latency",
        meaning=f"Of 20 images, one takes the model longer than {latency_seconds:g} s.",
        runbook="latency",
        metric=highest(of_variants(endpoint, variants, "ModelLatency", "p95")),
        # SageMaker publishes microseconds.
        when=_in_most_of_five_minutes(latency_seconds * 1_000_000),
        is_felt=True,
    )
    yield AlarmSpec(
        construct_id="ContainerCrash",
        name="container-crash",
        meaning="A container of the endpoint crashed, or its GPU ran out of memory.",
        runbook="container-crash",
        metric=crash_metric(endpoint),
        when=Condition(threshold=1),
    )


def _instances(
    environment: Environment, variant: Variant, thresholds: Alarms, *, is_first: bool
) -> Iterator[AlarmSpec]:
    suffix = "" if is_first else f"-{variant.name}"
    id_suffix = "" if is_first else pascal(variant.name)
    # Where several types may be found, the one with the most GPUs: its sum is the highest that is well.
    gpus = max(load_catalog().instance_type(name).gpu_count for name in variant.instance_types)

    metric = partial(
        MetricSource,
        namespace="/aws/sagemaker/Endpoints",
        dimensions={"EndpointName": f"sdxl-{environment.name}", "VariantName": variant.name},
    )
    yield AlarmSpec(
        construct_id=f"NoHealthyInstance{id_suffix}",
        name=f"no-healthy-instance{suffix}",
        meaning=f"No instance of the variant {variant.name} has reported for 5 minutes: there is none, or none that "
        "lives.",
        runbook="no-healthy-instance",
        # Every instance reports once a minute. There is no count of instances to watch.
        metric=metric(name="CPUUtilization", statistic="SampleCount"),
        when=Condition(threshold=1, comparison="LessThanThreshold", periods=5, missing_data="breaching"),
        is_felt=is_first,
    )
    if _scales(variant):
        assert variant.scaling is not None  # noqa: S101 - asked before
        yield AlarmSpec(
            construct_id=f"AtMaxCapacity{id_suffix}",
            name=f"at-max-capacity{suffix}",
            meaning=f"The variant {variant.name} has had as many instances as scaling allows, "
            f"{variant.scaling.max_capacity}, for {thresholds.at_max_capacity_minutes} minutes.",
            runbook="at-max-capacity",
            # Each request counts 1/instances to the second ("SageMaker AI metrics in Amazon CloudWatch"): the quotient
            # is the number of instances. None is published.
            metric=MetricMath(
                expression="invocations / per_instance",
                inputs={
                    "invocations": metric(namespace="AWS/SageMaker", name="Invocations"),
                    "per_instance": metric(namespace="AWS/SageMaker", name="InvocationsPerInstance"),
                },
            ),
            when=Condition(
                # Not quite the number: it is a quotient of sums.
                threshold=variant.scaling.max_capacity - 0.1,
                periods=thresholds.at_max_capacity_minutes,
            ),
        )
    for construct_id, name, source, statistic, percent, minutes, what in (
        ("GpuMemory", "gpu-memory", "GPUMemoryUtilization", "Maximum", thresholds.gpu_memory_percent, 5, "memory"),
        (
            "GpuUtilization",
            "gpu-utilization",
            "GPUUtilization",
            "Average",
            thresholds.gpu_utilization_percent,
            15,
            "time",
        ),
    ):
        yield AlarmSpec(
            construct_id=f"{construct_id}{id_suffix}",
            name=f"{name}{suffix}",
            meaning=f"The GPUs of the variant {variant.name} have had {percent} % of their {what} in use for {minutes} "
            "minutes.",
            runbook=name,
            metric=metric(name=source, statistic=statistic),
            # SageMaker sums over the GPUs of an instance: 0 to 100 times their number.
            when=Condition(threshold=percent * gpus, comparison="GreaterThanThreshold", periods=minutes),
        )
    yield AlarmSpec(
        construct_id=f"Disk{id_suffix}",
        name=f"disk{suffix}",
        meaning=f"The disk of an instance of the variant {variant.name} is {thresholds.disk_percent} % full.",
        runbook="disk",
        metric=metric(name="DiskUtilization", statistic="Maximum"),
        when=Condition(threshold=thresholds.disk_percent, comparison="GreaterThanThreshold", periods=5),
    )


def _scales(variant: Variant) -> bool:
    """Whether the instances may become more: where they may not, as many as allowed is how it should be."""
    scaling = variant.scaling
    return scaling is not None and not scaling.detached and scaling.min_capacity < scaling.max_capacity


def _bedrock(
    environment: Environment, model: BedrockModel, thresholds: Alarms, latency_seconds: float
) -> Iterator[AlarmSpec]:
    if model.region is not None and model.region != environment.region:
        # CloudWatch's alarms see the metrics of their own region only. The API's alarms are what is left.
        return
    model_id = model.model_arn or load_bedrock_catalog().model(model.model_id).invocation_id

    metric = partial(MetricSource, namespace="AWS/Bedrock", dimensions={"ModelId": model_id})
    yield AlarmSpec(
        construct_id="ModelErrors",
        name="model-errors",
        meaning="Amazon Bedrock answered 5 calls or more with an error of its own within 5 minutes.",
        runbook="bedrock",
        metric=metric(name="InvocationServerErrors", period_seconds=FIVE_MINUTES),
        when=Condition(threshold=5),
        is_felt=True,
    )
    yield AlarmSpec(
        construct_id="ModelThrottles",
        name="model-throttles",
        meaning=f"Amazon Bedrock throttled {thresholds.throttled_requests} calls or more within 5 minutes.",
        runbook="throttled",
        metric=metric(name="InvocationThrottles", period_seconds=FIVE_MINUTES),
        when=Condition(threshold=thresholds.throttled_requests),
    )
    yield AlarmSpec(
        construct_id="ModelLatency",
        name="model-latency",
        meaning=f"Of 20 calls, one takes Amazon Bedrock longer than {latency_seconds:g} s.",
        runbook="latency",
        metric=metric(name="InvocationLatency", statistic="p95"),
        # Bedrock publishes milliseconds.
        when=_in_most_of_five_minutes(latency_seconds * 1000),
        is_felt=True,
    )


def _in_most_of_five_minutes(threshold: float) -> Condition:
    """Above `threshold` in 3 of 5 minutes: nobody is woken for one slow image."""
    return Condition(threshold=threshold, comparison="GreaterThanThreshold", periods=5, datapoints=3)
