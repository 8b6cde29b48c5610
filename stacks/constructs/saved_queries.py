"""Queries of Logs Insights for whoever looks for a cause: of the function's log, the access log and the containers'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.environment import Environment

_FUNCTION = "function"
_ACCESS = "access"
_ENDPOINT = "endpoint"


@dataclass(frozen=True, kw_only=True)
class SavedQuery:
    """One query: its name, the logs that it reads, and the query itself. Fields are those that the logs write."""

    construct_id: str
    name: str
    logs: tuple[str, ...]
    query: str


QUERIES = (
    SavedQuery(
        construct_id="Failures",
        name="failed requests by cause",
        logs=(_FUNCTION,),
        # The records of metrics in the same log have a result too, and no id.
        query="filter ispresent(request_id) and result != 'success'\n"
        "| stats count(*) as requests by result, error_name\n| sort requests desc",
    ),
    SavedQuery(
        construct_id="Slowest",
        name="slowest requests",
        logs=(_FUNCTION,),
        query="filter ispresent(model_seconds)\n| fields @timestamp, request_id, source, variant, size, steps, "
        "samples, model_seconds\n| sort model_seconds desc\n| limit 20",
    ),
    SavedQuery(
        construct_id="BySize",
        name="images, seconds and cost by size and variant",
        logs=(_FUNCTION,),
        # Images that the filter held back were drawn and paid for, too.
        query="filter ispresent(model_seconds)\n| stats sum(samples) as images, avg(seconds_per_image) as seconds, "
        "sum(cost_usd) as usd by size, variant\n| sort images desc",
    ),
    SavedQuery(
        construct_id="CostByDay",
        name="images and cost by day",
        logs=(_FUNCTION,),
        query="filter ispresent(model_seconds)\n| stats sum(samples) as images, sum(cost_usd) as usd by bin(1d)",
    ),
    SavedQuery(
        construct_id="OneRequest",
        name="one request by its id",
        logs=(_FUNCTION, _ACCESS),
        # Both logs know the id that the API answered as X-Request-Id.
        query="filter request_id = 'PUT-THE-ID-HERE' or requestId = 'PUT-THE-ID-HERE'\n"
        "| fields @timestamp, @log, message, level, result, error_name, status, errorType, integrationLatency\n"
        "| sort @timestamp",
    ),
    SavedQuery(
        construct_id="Refused",
        name="requests that the gateway refused",
        logs=(_ACCESS,),
        query="filter ispresent(errorType) and errorType != '-'\n"
        "| stats count(*) as requests by errorType, status, resourcePath\n| sort requests desc",
    ),
    SavedQuery(
        construct_id="Crashes",
        name="crashes of the model's containers",
        logs=(_ENDPOINT,),
        query="filter @message like /Backend worker process died|Worker died|CUDA out of memory|CUDA error|"
        "Segmentation fault|Killed process/\n| fields @timestamp, @logStream, @message\n| sort @timestamp desc",
    ),
)


def log_groups(environment: Environment) -> dict[str, str]:
    """Names of the environment's log groups, by what writes them."""
    name = f"sdxl-{environment.name}"
    groups = {_FUNCTION: f"/aws/lambda/{name}-image-api", _ACCESS: f"/aws/apigateway/{name}"}
    if environment.model.source != "bedrock":
        groups[_ENDPOINT] = f"/aws/sagemaker/Endpoints/{name}"
    return groups


def queries_of(environment: Environment) -> Iterator[tuple[SavedQuery, Sequence[str]]]:
    """The queries of which the environment has the logs, each with the groups that it reads."""
    groups = log_groups(environment)
    for query in QUERIES:
        if all(name in groups for name in query.logs):
            yield query, [groups[name] for name in query.logs]


class SavedQueries(Construct):
    """The queries of one environment, in a folder of its name."""

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        super().__init__(scope, construct_id)
        for query, groups in queries_of(environment):
            logs.CfnQueryDefinition(
                self,
                query.construct_id,
                name=f"sdxl-{environment.name}/{query.name}",
                query_string=query.query,
                log_group_names=list(groups),
            )
