"""A metric of crashes of an endpoint's containers, out of their log: SageMaker publishes none."""

from __future__ import annotations

from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.alarms.metrics import crash_metric
from stacks.constructs.encrypted_log_group import EncryptedLogGroup

# What the containers' servers and frameworks write when a worker is lost: TorchServe and multi-model-server ("Backend
# worker process died", "Worker died"), PyTorch ("CUDA out of memory", "CUDA error"), the kernel's end of a process.
CRASH_PATTERN = " ".join(
    f'?"{words}"'
    for words in (
        "Backend worker process died",
        "Worker died",
        "CUDA out of memory",
        "CUDA error",
        "Segmentation fault",
        "Killed process",
    )
)


class CrashFilter(logs.CfnMetricFilter):
    """Counts the lines of `log_group` that tell of a crash, for `crash_metric`."""

    def __init__(
        self, scope: Construct, construct_id: str, *, endpoint_name: str, log_group: EncryptedLogGroup
    ) -> None:
        metric = crash_metric(endpoint_name)
        super().__init__(
            scope,
            construct_id,
            log_group_name=log_group.ref,
            filter_pattern=CRASH_PATTERN,
            metric_transformations=[
                {"metricNamespace": metric.namespace, "metricName": metric.name, "metricValue": "1"}
            ],
        )
