"""How much of each service an environment uses in a month: while nobody calls, and for each image.

Counts follow from the environment: alarms, keys, endpoints, memory. What depends on the callers is an assumption, and
stands here with its reason. Each is on the high side, so that the bill is not a surprise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sdxl.cost.week import HOURS_PER_MONTH
from stacks.alarms.metrics import AlarmSpec, MetricMath
from stacks.alarms.operations import operations_alarms
from stacks.alarms.wake import wake_alarms
from stacks.environment import BedrockModel, Environment

ASSUMED_SECONDS_PER_IMAGE = 10.0
"""Seconds that the function waits for an image, where neither a measurement nor a published figure is given."""
IMAGE_GB = 0.0016
"""Size of an image: a PNG of 1024 x 1024 pixels by SDXL has 1.2 to 1.6 MB."""
ANSWER_GB = IMAGE_GB * 4 / 3
"""Size of an answer: JSON with the image as base64. A PNG or a link is less."""
LOG_GB_PER_IMAGE = 6e-6
"""Log of a request: about 6 KB in the function's, the access and the execution log."""
KMS_CALLS_PER_IMAGE = 4
"""Calls of the key for a request: table and bucket, read and written. Bucket keys make it less."""
DYNAMODB_WRITES_PER_IMAGE, DYNAMODB_READS_PER_IMAGE = 3, 1
"""Units for a request with an idempotency key. Without one there are none."""
AUTHORIZER_GB, AUTHORIZER_SECONDS = 256 / 1024, 0.05
"""Memory of the function that checks API keys, and how long it takes. API Gateway does not cache its answer."""
DAYS_PER_MONTH = HOURS_PER_MONTH / 24
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600
ALARM_MESSAGES = 100
"""Messages of alarms in a month."""
FIREWALL_RULES = 3
"""The rate limit and two groups of AWS's managed rules."""
OPERATIONS, NETWORK = "Operations", "Network"
METRICS_OF_IMAGES = 3
"""Metrics of images: their number, seconds and cost. Each is published in all, by variant and by size."""


@dataclass(frozen=True)
class Usage:
    """Units of one price in a month: `idle` while nobody calls, and `per_image` on top for each image.

    `price` is a name in the catalog's service prices. `name` is what a person reads. `stack` is the stack whose
    resources are billed, where it is one that an environment may do without.
    """

    name: str
    price: str
    idle: float = 0.0
    per_image: float = 0.0
    stack: str = "Api"


def service_usage(environment: Environment, seconds_per_image: float | None) -> Iterator[Usage]:
    """Yield what an environment uses beside its model, in the units of the catalog's prices.

    `seconds_per_image` is how long the function waits; None takes `ASSUMED_SECONDS_PER_IMAGE`.
    """
    yield from _functions(environment, seconds_per_image or ASSUMED_SECONDS_PER_IMAGE)
    yield Usage("API Gateway requests", "rest_api_requests", per_image=1e-6)
    stored_months = environment.storage.image_expiration_days / DAYS_PER_MONTH
    yield Usage("S3 images", "s3_gb_months", per_image=IMAGE_GB * stored_months)
    yield Usage("S3 writes", "s3_writes", per_image=1e-3)
    yield Usage("S3 reads", "s3_reads", per_image=1e-3)
    yield Usage("DynamoDB idempotency table, writes", "dynamodb_writes", per_image=DYNAMODB_WRITES_PER_IMAGE * 1e-6)
    yield Usage("DynamoDB idempotency table, reads", "dynamodb_reads", per_image=DYNAMODB_READS_PER_IMAGE * 1e-6)
    if environment.storage.key_arn is None:
        yield Usage("KMS key", "kms_keys", idle=1)
    yield Usage("KMS requests", "kms_requests", per_image=KMS_CALLS_PER_IMAGE * 1e-4)
    kept_months = environment.storage.log_retention_days / DAYS_PER_MONTH
    yield Usage("CloudWatch Logs, written", "log_gb", per_image=LOG_GB_PER_IMAGE)
    yield Usage("CloudWatch Logs, kept", "log_gb_months", per_image=LOG_GB_PER_IMAGE * kept_months)
    yield Usage("CloudWatch metrics of images", "custom_metrics", idle=_custom_metrics(environment))
    yield from _operations(environment)
    yield Usage("X-Ray traces", "traces", per_image=1e-6)
    yield Usage("data transfer out", "data_out_gb", per_image=ANSWER_GB)
    yield from _vpc_endpoints(environment)
    if environment.api.waf is not None:
        yield Usage("WAF web ACL", "web_acls", idle=1)
        yield Usage("WAF rules", "web_acl_rules", idle=FIREWALL_RULES)
        yield Usage("WAF requests", "web_acl_requests", per_image=1e-6)


def _functions(environment: Environment, seconds: float) -> Iterator[Usage]:
    memory_gb = environment.api.function_memory_mb / 1024
    authorizer = environment.api.auth.mode == "api_key"
    checked = AUTHORIZER_GB * AUTHORIZER_SECONDS if authorizer else 0.0
    yield Usage("Lambda duration", "lambda_gb_seconds", per_image=memory_gb * seconds + checked)
    yield Usage("Lambda requests", "lambda_requests", per_image=2 if authorizer else 1)
    # One published version has its snapshot cached around the clock.
    yield Usage("Lambda SnapStart cache", "snapstart_cache_gb_seconds", idle=memory_gb * SECONDS_PER_MONTH)


def _custom_metrics(environment: Environment) -> float:
    """Metrics with one image size and no failure. They are billed for the hours in which they are published."""
    variants = 1 if isinstance(environment.model, BedrockModel) else len(environment.all_variants)
    return METRICS_OF_IMAGES * (1 + variants + 1) + 2


def _operations(environment: Environment) -> Iterator[Usage]:
    if environment.operations is None:
        return
    specs = [*operations_alarms(environment, "function", environment.operations.alarms), *wake_alarms(environment)]
    yield Usage("CloudWatch alarms", "alarm_metrics", idle=sum(_metrics_of(spec) for spec in specs), stack=OPERATIONS)
    yield Usage("CloudWatch composite alarm", "composite_alarms", idle=1, stack=OPERATIONS)
    yield Usage("CloudWatch dashboard", "dashboards", idle=1, stack=OPERATIONS)
    yield Usage("SNS messages of alarms", "sns_requests", idle=ALARM_MESSAGES * 1e-6, stack=OPERATIONS)


def _metrics_of(spec: AlarmSpec) -> int:
    return len(spec.metric.inputs) if isinstance(spec.metric, MetricMath) else 1


def _vpc_endpoints(environment: Environment) -> Iterator[Usage]:
    network = environment.network
    if network is None or network.vpc_endpoints != "create":
        return
    # Bedrock has one interface endpoint, SageMaker two. Gateway endpoints are free.
    count = 1 if isinstance(environment.model, BedrockModel) else 2
    zones = len(network.subnet_ids)
    hours = count * zones * HOURS_PER_MONTH
    yield Usage(f"VPC endpoints, {count} in {zones} zones", "interface_endpoint_hours", idle=hours, stack=NETWORK)
    yield Usage("VPC endpoints, data", "interface_endpoint_gb", per_image=ANSWER_GB, stack=NETWORK)
