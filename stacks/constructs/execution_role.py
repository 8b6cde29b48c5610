"""The role that SageMaker assumes to fetch the model, write the endpoint's logs and publish its instance metrics."""

from __future__ import annotations

from collections.abc import Sequence

from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.arn import partition
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.model_container import ModelContainer
from stacks.constructs.placement import Placement
from stacks.constructs.service_role import ServiceRole
from stacks.constructs.statement import allow

# Namespaces that hosting publishes to with the execution role: invocations, and the instances' own metrics.
METRIC_NAMESPACES = ["AWS/SageMaker", "/aws/sagemaker/Endpoints"]


class ExecutionRole(ServiceRole):
    """Execution role of one endpoint: reads the `containers`' parts, writes to `log_group`, and nothing else.

    Actions are those that SageMaker's guide lists for the CreateModel call; resources are narrowed to what is deployed.
    `watched_alarm_arns` are the alarms that SageMaker looks at during an update, with this role. `placement` is where
    in a VPC the models are, if they are in one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        containers: Sequence[ModelContainer],
        log_group: EncryptedLogGroup,
        watched_alarm_arns: Sequence[str] = (),
        placement: Placement | None = None,
    ) -> None:
        watching = [
            # "Auto-Rollback Configuration and Monitoring" demands it of the execution role.
            allow(["cloudwatch:DescribeAlarms"], watched_alarm_arns)
        ]
        super().__init__(
            scope,
            construct_id,
            service="sagemaker.amazonaws.com",
            description="SageMaker execution role of the SDXL endpoint",
            statements=[
                allow(
                    [
                        "logs:CreateLogGroup",
                        "logs:CreateLogStream",
                        "logs:DescribeLogStreams",
                        "logs:PutLogEvents",
                    ],
                    [log_group.arn, log_group.streams_arn],
                ),
                # Metrics have no resource to name: the condition is the limit.
                allow(
                    ["cloudwatch:PutMetricData"],
                    ["*"],
                    {"StringEquals": {"cloudwatch:namespace": METRIC_NAMESPACES}},
                ),
                *(watching if watched_alarm_arns else ()),
                *(placement.model_permissions(scope) if placement else ()),
                *(
                    statement
                    for container in dict.fromkeys(containers)
                    for statement in container.read_permissions(partition(scope))
                ),
            ],
        )
        acknowledge(
            self.permissions,
            {
                "AwsSolutions-IAM5[Resource::*]": (
                    "What is allowed on * has no resource level; "
                    "a condition limits cloudwatch:PutMetricData to SageMaker's namespaces"
                ),
                f"AwsSolutions-IAM5[Resource::{log_group.streams_arn}]": (
                    "SageMaker names the log streams; the log group is named exactly"
                ),
                **(placement.model_acknowledgments(scope) if placement else {}),
            },
        )
