"""The alarms of the operations stack: on the API, its function and the model."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.alarms.capacity import capacity_alarms
from stacks.alarms.metrics import (
    FIVE_MINUTES,
    AlarmSpec,
    Condition,
    MetricSource,
    api_metric,
    bedrock_metric,
    component_metric,
    crash_metric,
    function_metric,
    highest,
    image_metric,
    instance_metric,
    request_metric,
    total,
)
from stacks.catalog import load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import Alarms, BedrockModel, Environment, Variant, pascal


def operations_alarms(environment: Environment, function_name: str, thresholds: Alarms) -> Iterator[AlarmSpec]:
    """The alarms of `environment`; `function_name` is that of the image API's function."""
    latency_seconds = thresholds.latency_seconds(environment.api.integration_timeout_seconds)
    yield from _api(environment, thresholds, latency_seconds)
    yield from _function(environment, function_name, thresholds)
    yield from _signing(environment)
    if isinstance(environment.model, BedrockModel):
        yield from _bedrock(environment, environment.model, thresholds, latency_seconds)
        return
    variants = environment.production_variants
    yield from _model(environment, [variant.name for variant in variants], latency_seconds)
    for number, variant in enumerate(variants):
        yield from _instances(environment, variant, thresholds, is_first=number == 0)


def _api(environment: Environment, thresholds: Alarms, latency_seconds: float) -> Iterator[AlarmSpec]:
    api_name = f"sdxl-{environment.name}"
    yield AlarmSpec(
        construct_id="ApiErrors",
        name="api-errors",
        meaning=f"The API answered {thresholds.api_errors} requests or more with 5xx within 5 minutes.",
        runbook="api-errors",
        metric=api_metric(api_name, "5XXError", period_seconds=FIVE_MINUTES),
        when=Condition(threshold=thresholds.api_errors),
        affects_callers=True,
    )
    yield AlarmSpec(
        construct_id="ApiLatency",
        name="api-latency",
        meaning=f"Of 20 answers of the API, one takes longer than {latency_seconds:g} s.",
        runbook="latency",
        metric=api_metric(api_name, "Latency", "p95"),
        # API Gateway publishes milliseconds.
        when=_in_most_of_five_minutes(latency_seconds * 1000),
        affects_callers=True,
    )


def _function(environment: Environment, function_name: str, thresholds: Alarms) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        construct_id="FunctionErrors",
        name="function-errors",
        meaning="The image API's function failed: it crashed, ran out of memory or out of time.",
        runbook="api-errors",
        metric=function_metric(function_name, "Errors"),
        when=Condition(threshold=1),
        affects_callers=True,
    )
    throttled = image_metric(environment.name, "Requests", dimensions={"result": "throttled"})
    yield AlarmSpec(
        construct_id="Throttled",
        name="throttled",
        meaning=f"{thresholds.throttled_requests} requests or more were refused within 5 minutes, by Lambda or by the "
        "model's service, because capacity was short.",
        runbook="throttled",
        metric=total([function_metric(function_name, "Throttles"), throttled]),
        when=Condition(threshold=thresholds.throttled_requests),
    )


def _signing(environment: Environment) -> Iterator[AlarmSpec]:
    credentials = environment.api.content_credentials
    if credentials is None or credentials.chain_file is None:
        return
    answered = "is answered unsigned" if credentials.on_failure == "unsigned" else "fails"
    yield AlarmSpec(
        construct_id="ContentCredentials",
        name="content-credentials",
        meaning=f"An image could not be signed with content credentials within 5 minutes; such a request {answered}.",
        runbook="content-credentials",
        metric=image_metric(environment.name, "SigningFailures"),
        when=Condition(threshold=1),
    )


def _model(environment: Environment, variants: list[str], latency_seconds: float) -> Iterator[AlarmSpec]:
    endpoint = f"sdxl-{environment.name}"

    def requests(name: str, statistic: str = "Sum", period_seconds: int = 60) -> list[MetricSource]:
        if environment.endpoint.mode == "components":
            return [component_metric(endpoint, name, statistic, period_seconds)]
        return [request_metric(endpoint, one, name, statistic, period_seconds) for one in variants]

    yield AlarmSpec(
        construct_id="ModelErrors",
        name="model-errors",
        meaning="The model answered 5 requests or more with an error within 5 minutes.",
        runbook="model-errors",
        metric=total(requests("Invocation5XXErrors", period_seconds=FIVE_MINUTES)),
        when=Condition(threshold=5),
        affects_callers=True,
    )
    if environment.endpoint.mode != "asynchronous":
        # Nobody waits for an asynchronous call, which may take an hour.
        yield AlarmSpec(
            construct_id="ModelLatency",
            name="model-latency",
            meaning=f"Of 20 images, one takes the model longer than {latency_seconds:g} s.",
            runbook="latency",
            metric=highest(requests("ModelLatency", "p95")),
            # SageMaker publishes microseconds.
            when=_in_most_of_five_minutes(latency_seconds * 1_000_000),
            affects_callers=True,
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
    endpoint, name = f"sdxl-{environment.name}", variant.name
    suffix = "" if is_first else f"-{name}"
    id_suffix = "" if is_first else pascal(name)
    # Where several types may be found, the one with the most GPUs: its sum is the highest normal value.
    gpus = max(load_catalog().instance_type(name).gpu_count for name in variant.instance_types)
    yield from capacity_alarms(environment, variant, thresholds, is_first=is_first)
    for construct_id, alarm, source, statistic, percent, minutes, what in (
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
            name=f"{alarm}{suffix}",
            meaning=f"The GPUs of the variant {name} have had {percent} % of their {what} in use for {minutes} "
            "minutes.",
            runbook=alarm,
            metric=instance_metric(endpoint, name, source, statistic),
            # SageMaker sums over the GPUs of an instance: 0 to 100 times their number.
            when=Condition(threshold=percent * gpus, comparison="GreaterThanThreshold", periods=minutes),
        )
    yield AlarmSpec(
        construct_id=f"Disk{id_suffix}",
        name=f"disk{suffix}",
        meaning=f"The disk of an instance of the variant {name} is {thresholds.disk_percent} % full.",
        runbook="disk",
        metric=instance_metric(endpoint, name, "DiskUtilization", "Maximum"),
        when=Condition(threshold=thresholds.disk_percent, comparison="GreaterThanThreshold", periods=5),
    )


def _bedrock(
    environment: Environment, model: BedrockModel, thresholds: Alarms, latency_seconds: float
) -> Iterator[AlarmSpec]:
    if model.region is not None and model.region != environment.region:
        # CloudWatch's alarms see the metrics of their own region only. The API's alarms are what is left.
        return
    model_id = model.model_arn or load_bedrock_catalog().model(model.model_id).invocation_id
    yield AlarmSpec(
        construct_id="ModelErrors",
        name="model-errors",
        meaning="Amazon Bedrock answered 5 calls or more with a server error within 5 minutes.",
        runbook="bedrock",
        metric=bedrock_metric(model_id, "InvocationServerErrors"),
        when=Condition(threshold=5),
        affects_callers=True,
    )
    yield AlarmSpec(
        construct_id="ModelThrottles",
        name="model-throttles",
        meaning=f"Amazon Bedrock throttled {thresholds.throttled_requests} calls or more within 5 minutes.",
        runbook="throttled",
        metric=bedrock_metric(model_id, "InvocationThrottles"),
        when=Condition(threshold=thresholds.throttled_requests),
    )
    yield AlarmSpec(
        construct_id="ModelLatency",
        name="model-latency",
        meaning=f"Of 20 calls, one takes Amazon Bedrock longer than {latency_seconds:g} s.",
        runbook="latency",
        metric=bedrock_metric(model_id, "InvocationLatency", "p95", 60),
        # Bedrock publishes milliseconds.
        when=_in_most_of_five_minutes(latency_seconds * 1000),
        affects_callers=True,
    )


def _in_most_of_five_minutes(threshold: float) -> Condition:
    """Above `threshold` in 3 of 5 minutes: nobody is woken for one slow image."""
    return Condition(threshold=threshold, comparison="GreaterThanThreshold", periods=5, datapoints=3)
