"""The dashboard of one environment, which answers in this order: is it up, is it slow, why, what does it cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.alarms.metrics import (
    FIVE_MINUTES,
    MetricSource,
    api_metric,
    bedrock_metric,
    component_metric,
    function_metric,
    image_metric,
    instance_metric,
    queue_metric,
    request_metric,
)
from stacks.constructs.alarms import metric_of
from stacks.constructs.template_metadata import keep_logical_id
from stacks.environment import BedrockModel, Environment, Variant

_WIDTH = 24
_HEIGHT = 6
_HOUR = 3600


class EnvironmentDashboard(cloudwatch.Dashboard):
    """Dashboard `sdxl-<environment>`. `alarms` come first the environment's own; `model_id` is Bedrock's."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        alarms: Sequence[cloudwatch.IAlarm],
        function_name: str,
        model_id: str | None,
    ) -> None:
        self._environment = environment
        self._name = name = f"sdxl-{environment.name}"
        super().__init__(
            scope,
            construct_id,
            dashboard_name=name,
            widgets=[
                _heading(
                    f"# {name}\nRunbooks: docs/runbooks in the repository. Logs: saved queries `{name}/...` in Logs "
                    "Insights."
                ),
                _heading("## Is it up?"),
                _row(
                    cloudwatch.AlarmStatusWidget(
                        title="Alarms", alarms=list(alarms), width=_WIDTH // 2, height=_HEIGHT
                    ),
                    self._graph(
                        "Answers of the API",
                        [self._api(metric, "Sum") for metric in ("Count", "4XXError", "5XXError")],
                    ),
                ),
                _heading("## Is it slow?"),
                _row(
                    self._graph(
                        "Latency of the API (ms)", [self._api("Latency", stat) for stat in ("p50", "p95", "p99")]
                    ),
                    self._graph(
                        "Seconds per image",
                        [image_metric(environment.name, "SecondsPerImage", stat) for stat in ("p50", "p95")],
                    ),
                ),
                _heading("## Why?"),
                *self._causes(function_name, model_id),
                _heading("## What does it cost?"),
                _row(
                    self._graph("Images", [image_metric(environment.name, "Images", period_seconds=_HOUR)]),
                    self._graph(
                        "Cost of images, estimated (USD)",
                        [image_metric(environment.name, "ImageCost", period_seconds=_HOUR)],
                    ),
                ),
            ],
        )
        keep_logical_id(self)

    def _api(self, name: str, statistic: str) -> MetricSource:
        return api_metric(self._name, name, statistic, FIVE_MINUTES)

    def _causes(self, function_name: str, model_id: str | None) -> Iterator[list[cloudwatch.IWidget]]:
        model = self._environment.model
        function = [
            function_metric(function_name, name, statistic)
            for name, statistic in (("Errors", "Sum"), ("Throttles", "Sum"), ("ConcurrentExecutions", "Maximum"))
        ]
        if isinstance(model, BedrockModel):
            bedrock = [
                bedrock_metric(str(model_id), name, statistic)
                for name, statistic in (
                    ("InvocationLatency", "p95"),
                    ("InvocationThrottles", "Sum"),
                    ("InvocationServerErrors", "Sum"),
                )
            ]
            yield _row(self._graph("Amazon Bedrock", bedrock, region=model.region), self._graph("Function", function))
            return
        variants = self._environment.all_variants
        errors, latency = ("Invocation4XXErrors", "Invocation5XXErrors"), "Latency of the model"
        if self._environment.endpoint.mode == "asynchronous":
            # It publishes neither Invocations nor OverheadLatency.
            queue = [
                queue_metric(self._name, name, "Maximum", FIVE_MINUTES)
                for name in ("ApproximateBacklogSize", "ApproximateBacklogSizePerInstance", "HasBacklogWithoutCapacity")
            ]
            age = [queue_metric(self._name, "ApproximateAgeOfOldestRequest", "Maximum", FIVE_MINUTES)]
            yield _row(
                self._graph("Requests that wait or are in work", queue),
                self._graph("Age of the oldest request (s)", age),
            )
            yield _row(
                self._graph("Errors of the model", self._requests(variants, errors, "Sum")),
                self._graph(f"{latency} (microseconds)", self._requests(variants, ("ModelLatency",), "p95")),
            )
        else:
            yield _row(
                self._graph("Invocations of the model", self._requests(variants, ("Invocations", *errors), "Sum")),
                self._graph(
                    f"{latency} and of SageMaker (microseconds)",
                    self._requests(variants, ("ModelLatency", "OverheadLatency"), "p95"),
                ),
            )
        yield _row(
            self._graph(
                "Instances that report",
                [
                    # Every instance reports once a minute.
                    replace(
                        instance_metric(self._name, variant.name, "CPUUtilization", "SampleCount"),
                        label=variant.name,
                    )
                    for variant in variants
                ],
            ),
            self._graph(
                "GPUs and disks of an instance (percent, GPUs added up)",
                [
                    instance_metric(self._name, variant.name, name, "Maximum", FIVE_MINUTES)
                    for variant in variants
                    for name in ("GPUUtilization", "GPUMemoryUtilization", "DiskUtilization")
                ],
            ),
        )
        yield _row(self._graph("Function", function, width=_WIDTH))

    def _requests(self, variants: Sequence[Variant], names: Sequence[str], statistic: str) -> list[MetricSource]:
        if self._environment.endpoint.mode == "components":
            return [component_metric(self._name, name, statistic, FIVE_MINUTES) for name in names]
        return [
            request_metric(self._name, variant.name, name, statistic, FIVE_MINUTES)
            for variant in variants
            for name in names
        ]

    def _graph(
        self, title: str, metrics: Sequence[MetricSource], *, region: str | None = None, width: int = _WIDTH // 2
    ) -> cloudwatch.GraphWidget:
        (period,) = {metric.period_seconds for metric in metrics}
        return cloudwatch.GraphWidget(
            title=title,
            left=[metric_of(metric) for metric in metrics],
            period=cdk.Duration.seconds(period),
            region=region or self._environment.region,
            width=width,
            height=_HEIGHT,
        )


def _row(*widgets: cloudwatch.IWidget) -> list[cloudwatch.IWidget]:
    return list(widgets)


def _heading(markdown: str) -> list[cloudwatch.IWidget]:
    return [cloudwatch.TextWidget(markdown=markdown, width=_WIDTH, height=2)]
