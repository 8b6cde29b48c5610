"""The dashboard of one environment, which answers in this order: is it up, is it slow, why, what does it cost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from stacks.environment import API_STAGE, BedrockModel, Environment, Variant

_WIDTH = 24
_HEIGHT = 6

Widget = dict[str, Any]


def dashboard_body(
    environment: Environment, *, region: str, alarm_arns: Sequence[str], function_name: str, model_id: str | None
) -> str:
    """The dashboard's JSON. `alarm_arns` come first the environment's own; `model_id` is Bedrock's."""
    rows: list[list[Widget]] = [
        [
            _heading(
                f"# sdxl-{environment.name}\nRunbooks: docs/runbooks in the repository. Logs: saved queries "
                f"`sdxl-{environment.name}/...` in Logs Insights."
            )
        ],
        [_heading("## Is it up?")],
        [_alarms(alarm_arns), _requests(environment, region)],
        [_heading("## Is it slow?")],
        [_api_latency(environment, region), _seconds_per_image(environment, region)],
        [_heading("## Why?")],
        *_why(environment, region, function_name, model_id),
        [_heading("## What does it cost?")],
        [_images(environment, region), _cost(environment, region)],
    ]
    return json.dumps({"widgets": [*_placed(rows)]}, separators=(",", ":"))


def _why(environment: Environment, region: str, function_name: str, model_id: str | None) -> list[list[Widget]]:
    function = _graph(
        "Function",
        region,
        [
            ["AWS/Lambda", name, "FunctionName", function_name, {"stat": statistic}]
            for name, statistic in (("Errors", "Sum"), ("Throttles", "Sum"), ("ConcurrentExecutions", "Maximum"))
        ],
    )
    if isinstance(environment.model, BedrockModel):
        if environment.model.region not in (None, environment.region):
            region = str(environment.model.region)
        bedrock = _graph(
            "Amazon Bedrock",
            region,
            [
                ["AWS/Bedrock", name, "ModelId", model_id, {"stat": statistic}]
                for name, statistic in (
                    ("InvocationLatency", "p95"),
                    ("InvocationThrottles", "Sum"),
                    ("InvocationServerErrors", "Sum"),
                )
            ],
        )
        return [[bedrock, function]]
    variants = environment.all_variants
    return [
        [_model(environment, region, variants), _model_latency(environment, region, variants)],
        [_instances(environment, region, variants), _gpus(environment, region, variants)],
        [function],
    ]


def _requests(environment: Environment, region: str) -> Widget:
    name = f"sdxl-{environment.name}"
    return _graph(
        "Answers of the API",
        region,
        [
            ["AWS/ApiGateway", metric, "ApiName", name, "Stage", API_STAGE, {"stat": "Sum"}]
            for metric in ("Count", "4XXError", "5XXError")
        ],
    )


def _api_latency(environment: Environment, region: str) -> Widget:
    name = f"sdxl-{environment.name}"
    return _graph(
        "Latency of the API (ms)",
        region,
        [
            ["AWS/ApiGateway", "Latency", "ApiName", name, "Stage", API_STAGE, {"stat": statistic}]
            for statistic in ("p50", "p95", "p99")
        ],
    )


def _seconds_per_image(environment: Environment, region: str) -> Widget:
    metrics = [["SDXL", "SecondsPerImage", "environment", environment.name, {"stat": stat}] for stat in ("p50", "p95")]
    return _graph("Seconds per image", region, metrics)


def _images(environment: Environment, region: str) -> Widget:
    metrics = [["SDXL", "Images", "environment", environment.name, {"stat": "Sum"}]]
    return _graph("Images", region, metrics, period=3600)


def _cost(environment: Environment, region: str) -> Widget:
    metrics = [["SDXL", "ImageCost", "environment", environment.name, {"stat": "Sum"}]]
    return _graph("Cost of images, estimated (USD)", region, metrics, period=3600)


def _model(environment: Environment, region: str, variants: Sequence[Variant]) -> Widget:
    return _graph(
        "Invocations of the model",
        region,
        _of_variants(
            "AWS/SageMaker", ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors"), "Sum", environment, variants
        ),
    )


def _model_latency(environment: Environment, region: str, variants: Sequence[Variant]) -> Widget:
    return _graph(
        "Latency of the model and of SageMaker (microseconds)",
        region,
        _of_variants("AWS/SageMaker", ("ModelLatency", "OverheadLatency"), "p95", environment, variants),
    )


def _instances(environment: Environment, region: str, variants: Sequence[Variant]) -> Widget:
    # Every instance reports once a minute.
    return _graph(
        "Instances that report",
        region,
        [
            [
                *_variant("/aws/sagemaker/Endpoints", "CPUUtilization", environment, variant),
                {"stat": "SampleCount", "label": variant.name},
            ]
            for variant in variants
        ],
        period=60,
    )


def _gpus(environment: Environment, region: str, variants: Sequence[Variant]) -> Widget:
    return _graph(
        "GPUs and disks of an instance (percent, GPUs added up)",
        region,
        _of_variants(
            "/aws/sagemaker/Endpoints",
            ("GPUUtilization", "GPUMemoryUtilization", "DiskUtilization"),
            "Maximum",
            environment,
            variants,
        ),
    )


def _of_variants(
    namespace: str, metrics: Sequence[str], statistic: str, environment: Environment, variants: Sequence[Variant]
) -> list[list[Any]]:
    return [
        [*_variant(namespace, metric, environment, variant), {"stat": statistic}]
        for variant in variants
        for metric in metrics
    ]


def _variant(namespace: str, metric: str, environment: Environment, variant: Variant) -> list[Any]:
    return [namespace, metric, "EndpointName", f"sdxl-{environment.name}", "VariantName", variant.name]


def _heading(markdown: str) -> Widget:
    return {"type": "text", "properties": {"markdown": markdown}}


def _alarms(arns: Sequence[str]) -> Widget:
    return {"type": "alarm", "properties": {"title": "Alarms", "alarms": list(arns)}}


def _graph(title: str, region: str, metrics: Sequence[Sequence[Any]], *, period: int = 300) -> Widget:
    properties = {"title": title, "region": region, "view": "timeSeries", "period": period, "metrics": list(metrics)}
    return {"type": "metric", "properties": properties}


def _placed(rows: Sequence[Sequence[Widget]]) -> Iterator[Widget]:
    y = 0
    for row in rows:
        height = 2 if row[0]["type"] == "text" else _HEIGHT
        width = _WIDTH // len(row)
        for number, widget in enumerate(row):
            yield {**widget, "x": number * width, "y": y, "width": width, "height": height}
        y += height
